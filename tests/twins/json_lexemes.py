"""JSON with its spelling kept: numbers as their text, members in order and with their repeats."""

import json
from typing import Any


class Number(str):
    """The text of a JSON number."""


class Members(list[tuple[str, Any]]):
    """The members of a JSON object, in order; a key may stand twice."""


def parse(text: str) -> Any:
    """A tree of Members, lists, strings, Numbers, bools and None."""
    return json.loads(text, parse_float=Number, parse_int=Number, object_pairs_hook=Members)


def dump(tree: Any) -> str:
    """The text of a tree, without white space; plain dicts and integers may stand in it too."""
    if isinstance(tree, Number):
        return str(tree)
    if isinstance(tree, Members | dict):
        members = tree.items() if isinstance(tree, dict) else tree
        return "{" + ",".join(f"{_text(key)}:{dump(value)}" for key, value in members) + "}"
    if isinstance(tree, list):
        return "[" + ",".join(dump(value) for value in tree) + "]"
    return _text(tree)


def _text(scalar: Any) -> str:
    return json.dumps(scalar, ensure_ascii=False)
