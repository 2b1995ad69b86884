"""One fault of a configuration, as the user reads it: where, which key, what it says, what it must be."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from engine.base.errors import ConfigError
from engine.base.secrets import MASK, mask_text

PathKey = tuple[str | int, ...]

_SECRET_KEY = re.compile(
    r"(api_?key|secret|password|passphrase|private_?key)$|_env$|(^|_)token$", re.IGNORECASE
)
_SHOWN_CHARS = 80


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault with its place.

    Attributes:
        path: dotted path, list items by 0-based index: ``providers[0].book.emit``.
        constraint: what is wrong or required, without the value.
        value: the value as written, masked where the key may hold a secret; None = there is none.
        source: file name, ``--set`` or ``environment``.
        line: 1-based line in the file; None outside one.
    """

    path: str
    constraint: str
    value: str | None = None
    source: str = ""
    line: int | None = None

    def __str__(self) -> str:
        place = self.source if self.line is None else f"{self.source}:{self.line}"
        shown = "" if self.value is None else f" (is {self.value})"
        return ": ".join(part for part in (place, self.path, self.constraint + shown) if part)


def path_text(path: PathKey) -> str:
    """``("providers", 0, "book")`` as ``providers[0].book``."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def pattern_text(path: PathKey) -> str:
    """The same with every index left out: ``providers[].book``."""
    return re.sub(r"\[\d+\]", "[]", path_text(path))


def leaves(value: object, path: PathKey) -> Iterator[tuple[PathKey, object]]:
    """(path, value) of everything below *value* that is no section; a list of plain values is one leaf."""
    if isinstance(value, dict) and value:
        for key, below in value.items():
            yield from leaves(below, (*path, key))
    elif isinstance(value, list) and any(isinstance(item, dict) for item in value):
        for index, item in enumerate(value):
            yield from leaves(item, (*path, index))
    else:
        yield path, value


def shown_value(path: PathKey, value: object) -> str:
    """A value for a message or a listing: short, and masked where its key may hold a secret."""
    if value is not None and value != "" and any(isinstance(p, str) and _SECRET_KEY.search(p) for p in path):
        return MASK
    text = mask_text(_spelled(value))
    return text if len(text) <= _SHOWN_CHARS else text[: _SHOWN_CHARS - 3] + "..."


def is_secret_key(key: str) -> bool:
    """Whether a key of this name would hold a secret itself, not the name of a variable."""
    return bool(_SECRET_KEY.search(key)) and not key.endswith("_env")


def _spelled(value: object) -> str:
    if value is None or isinstance(value, bool):
        return "null" if value is None else str(value).lower()
    if isinstance(value, dict):
        return "{" + ", ".join(f"{k}: {shown_value((str(k),), v)}" for k, v in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_spelled(item) for item in value) + "]"
    return f'"{value}"' if isinstance(value, str) else str(value)


def config_error(faults: Iterable[Fault], op: str = "config.load") -> ConfigError:
    """All faults as one error, in the order of the file."""
    ordered = sorted(set(faults), key=lambda f: (f.source, f.line or 0, f.path, f.constraint))
    lines = "".join(f"\n  {fault}" for fault in ordered)
    count = f"{len(ordered)} fault{'s' if len(ordered) != 1 else ''}"
    return ConfigError(f"{count}:{lines}", op=op, faults=ordered)
