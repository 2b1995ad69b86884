"""The YAML of a configuration as plain values, with the line each of them stands on.

Scalars are read as YAML 1.2 does: ``on``, ``no``, ``1_000``, ``010`` and ``12:30`` are texts, not numbers or
switches. Repeated keys, keys that are no text, tags and endless aliases are faults.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

import yaml

from engine.config.faults import Fault, PathKey, path_text

_STR = "tag:yaml.org,2002:str"
_INT = "tag:yaml.org,2002:int"
_FLOAT = "tag:yaml.org,2002:float"
_BOOL = "tag:yaml.org,2002:bool"
_NULL = "tag:yaml.org,2002:null"
_INT_TEXT = re.compile(r"[-+]?(0|[1-9][0-9]{0,39})")
_FLOAT_TEXT = re.compile(r"[-+]?(\.[0-9]{1,40}|(0|[1-9][0-9]{0,39})(\.[0-9]{0,40})?)([eE][-+]?[0-9]{1,3})?")
_SET_STEP = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)((?:\[\d+\])*)")


class _CoreLoader(yaml.SafeLoader):
    """Composes nodes; which scalar is what is decided by the rules below alone."""

    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012


for _tag, _pattern, _first in (
    (_NULL, r"~|null|", ["~", "n", ""]),
    (_BOOL, r"true|false", ["t", "f"]),
    (_INT, _INT_TEXT.pattern, list("-+0123456789")),
    (_FLOAT, _FLOAT_TEXT.pattern, list("-+.0123456789")),
):
    _CoreLoader.add_implicit_resolver(_tag, re.compile(rf"^(?:{_pattern})$"), _first)


@dataclass
class Document:
    """Values of a file and of ``--set``, and where each came from.

    Attributes:
        tree: nested dicts and lists.
        lines: 1-based line by path, of the file's own values.
        set_paths: paths given on the command line.
        source: the file's name as the user gave it.
        faults: what could not be read.
    """

    source: str
    tree: dict[str, Any] = field(default_factory=dict)
    lines: dict[PathKey, int] = field(default_factory=dict)
    set_paths: set[PathKey] = field(default_factory=set)
    faults: list[Fault] = field(default_factory=list)

    def place(self, path: PathKey) -> tuple[str, int | None]:
        """(source, line) of a path: of the value itself, else of the nearest section around it."""
        for length in range(len(path), -1, -1):
            if path[:length] in self.set_paths:
                return "--set", None
            if path[:length] in self.lines:
                return self.source, self.lines[path[:length]]
        return self.source, None

    def fault(self, path: PathKey, constraint: str, value: str | None = None) -> Fault:
        """A fault at *path*."""
        source, line = self.place(path)
        return Fault(path_text(path), constraint, value, source, line)

    def at(self, path: PathKey) -> Any:
        """The value at *path*, or None."""
        value: Any = self.tree
        for step in path:
            try:
                value = value[step]
            except (KeyError, IndexError, TypeError):
                return None
        return value


def parse(text: str, source: str) -> Document:
    """Read one YAML document; faults are collected in it, none is raised."""
    document = Document(source)
    try:
        root = yaml.compose(text, Loader=_CoreLoader)
    except yaml.MarkedYAMLError as error:
        line = None if error.problem_mark is None else error.problem_mark.line + 1
        # The library's own text quotes the line, which may hold a secret.
        document.faults.append(Fault("", f"not YAML: {error.problem}", None, source, line))
        return document
    except (yaml.YAMLError, RecursionError) as error:
        what = (
            "nested too deep" if isinstance(error, RecursionError) else "characters that YAML does not allow"
        )
        document.faults.append(Fault("", f"not YAML: {what}", None, source))
        return document
    if root is None:
        return document
    value = _Reader(document).read(root, ())
    if isinstance(value, dict):
        document.tree = value
    else:
        document.faults.append(Fault("", "must be a mapping of sections", None, source, 1))
    return document


class _Reader:
    """Turns composed nodes into values and notes their lines."""

    def __init__(self, document: Document) -> None:
        self._document = document
        self._open: list[yaml.Node] = []

    def read(self, node: yaml.Node, path: PathKey) -> Any:
        self._document.lines.setdefault(path, node.start_mark.line + 1)
        if any(node is outer for outer in self._open):
            return self._refuse(node, path, "an alias must not contain itself")
        self._open.append(node)
        try:
            if isinstance(node, yaml.MappingNode) and node.tag.endswith(":map"):
                return self._mapping(node, path)
            if isinstance(node, yaml.SequenceNode) and node.tag.endswith(":seq"):
                return [self.read(item, (*path, index)) for index, item in enumerate(node.value)]
            return self._scalar(node, path)
        finally:
            self._open.pop()

    def _mapping(self, node: yaml.MappingNode, path: PathKey) -> dict[str, Any]:
        values: dict[str, Any] = {}
        for key_node, value_node in node.value:
            line = key_node.start_mark.line + 1
            if key_node.tag != _STR:
                self._note(path, "keys must be texts", line)
                continue
            key = str(key_node.value)
            if key in values:
                self._note(
                    (*path, key), f"repeated key; first on line {self._document.lines[(*path, key)]}", line
                )
                continue
            self._document.lines[(*path, key)] = line
            values[key] = self.read(value_node, (*path, key))
        return values

    def _scalar(self, node: yaml.Node, path: PathKey) -> Any:
        text = node.value
        if node.tag == _STR:
            return text
        if node.tag == _NULL:
            return None
        # A tag written out (`!!int x`) does not make its text fit.
        if node.tag == _BOOL and text in ("true", "false"):
            return text == "true"
        if node.tag == _INT and _INT_TEXT.fullmatch(text):
            return int(text)
        if node.tag == _FLOAT and _FLOAT_TEXT.fullmatch(text):
            return float(text)
        return self._refuse(node, path, "a tag or a number that is not read here")

    def _refuse(self, node: yaml.Node, path: PathKey, constraint: str) -> None:
        self._note(path, constraint, node.start_mark.line + 1)

    def _note(self, path: PathKey, constraint: str, line: int) -> None:
        self._document.faults.append(Fault(path_text(path), constraint, None, self._document.source, line))


def parse_path(text: str) -> PathKey | None:
    """``providers[0].book.emit`` as a tuple; None if it is not a path."""
    path: list[str | int] = []
    for part in text.split("."):
        match = _SET_STEP.fullmatch(part)
        if match is None:
            return None
        path.append(match[1])
        path.extend(int(index) for index in re.findall(r"\d+", match[2]))
    return tuple(path)


def apply_set(document: Document, assignment: str) -> None:
    """Put one ``path=value`` of the command line over the file; the value is read as YAML."""
    path_part, equals, value_text = assignment.partition("=")
    path = parse_path(path_part.strip())
    if not equals or path is None:
        document.faults.append(Fault(path_part, "must be PATH=VALUE, as log.level=debug", None, "--set"))
        return
    parsed = parse(f"value:\n  {value_text.strip()}" if value_text.strip() else "value: ''", "--set")
    if parsed.faults:
        document.faults.append(Fault(path_text(path), parsed.faults[0].constraint, None, "--set"))
        return
    problem = _place_value(document.tree, path, parsed.tree["value"])
    if problem:
        document.faults.append(Fault(path_text(path), problem, None, "--set"))
    else:
        document.set_paths.add(path)


def _place_value(tree: dict[str, Any], path: PathKey, value: Any) -> str | None:
    here: Any = tree
    for step, following in zip(path, (*path[1:], None), strict=True):
        if isinstance(step, int):
            if not isinstance(here, list):
                return "is no list"
            if step > len(here):
                return f"the list has {len(here)} items; the next index is {len(here)}"
            if step == len(here):
                here.append(None)
        elif not isinstance(here, dict):
            return "lies below a value that is no section"
        if following is None:
            here[step] = value
            return None
        below = here[step] if isinstance(step, int) else here.get(step)
        if below is None:
            below = here[step] = [] if isinstance(following, int) else {}
        here = below
    return None
