"""Reads the imports, cimports, calls and dotted names of one source file, Python or Cython.

Python files go through `ast`. Cython has no parser we could lean on, so its files go through a scanner that
first takes strings and comments out; what it yields has the same shape.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

SUFFIXES = (".py", ".pyi", ".pyx", ".pxd")


@dataclass(frozen=True)
class Import:
    """One imported name: ``from module import name as bound``, or ``import module as bound`` (name None)."""

    line: int
    module: str
    name: str | None
    bound: str
    stands_for: str
    """What *bound* means here: ``import a.b`` binds ``a`` to a, ``import a.b as c`` binds ``c`` to a.b."""

    @property
    def target(self) -> str:
        """The dotted name that is imported."""
        return self.module if self.name is None else f"{self.module}.{self.name}"


def import_of(line: int, module: str, alias: str | None) -> Import:
    """``import module [as alias]``."""
    first = module.partition(".")[0]
    return Import(line, module, None, alias or first, module if alias else first)


def import_from(line: int, module: str, name: str, alias: str | None) -> Import:
    """``from module import name [as alias]``."""
    return Import(line, module, name, alias or name, f"{module}.{name}")


@dataclass(frozen=True)
class Call:
    """One call: the callee as written, its first argument if that is a text known here, its keywords."""

    line: int
    callee: str
    text: str | None
    keywords: tuple[str, ...] = ()


@dataclass
class Source:
    """What one file says; several files may be one module (.pyx, .pxd and .pyi)."""

    path: Path
    module: str
    imports: list[Import] = field(default_factory=list)
    calls: list[Call] = field(default_factory=list)
    names: list[tuple[int, str]] = field(default_factory=list)
    """Every dotted name used, with its line."""
    texts: list[tuple[int, str]] = field(default_factory=list)
    """Every string in a subscript, with its line."""


def module_name(relative: Path) -> str:
    """Dotted module of a path in the tree; ``pyx/a/b.pyx`` is ``engine.a.b``."""
    parts = list(relative.with_suffix("").parts)
    if parts[0] == "pyx":
        parts[0] = "engine"
    if parts[-1] == "__init__":
        parts.pop()
    return ".".join(parts)


def read_tree(root: Path, folders: tuple[str, ...] = ("engine", "pyx")) -> list[Source]:
    """Every source file below *folders* of *root*, sorted by path."""
    paths = [path for folder in folders for path in (root / folder).rglob("*") if path.suffix in SUFFIXES]
    return [read_source(path, root) for path in sorted(paths)]


def read_source(path: Path, root: Path) -> Source:
    """Read one file; its module name follows from its place below *root*."""
    source = Source(path.relative_to(root), module_name(path.relative_to(root)))
    text = path.read_text(encoding="utf-8")
    if path.suffix in (".py", ".pyi"):
        _read_python(source, ast.parse(text, str(path)))
    else:
        _read_cython(source, text)
    return source


# --- Python -------------------------------------------------------------------------------------------------


def _read_python(source: Source, tree: ast.Module) -> None:
    constants = {
        target.id: value
        for node in tree.body
        if isinstance(node, ast.Assign) and (value := _text_of(node.value, {})) is not None
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                source.imports.append(import_of(node.lineno, alias.name, alias.asname))
        elif isinstance(node, ast.ImportFrom):
            module = "." * node.level + (node.module or "")
            for alias in node.names:
                source.imports.append(import_from(node.lineno, module, alias.name, alias.asname))
        elif isinstance(node, ast.Call):
            text = _text_of(node.args[0], constants) if node.args else None
            keywords = tuple(keyword.arg for keyword in node.keywords if keyword.arg)
            source.calls.append(Call(node.lineno, _callee(node.func), text, keywords))
        elif isinstance(node, ast.Attribute | ast.Name) and (dotted := _dotted(node)):
            source.names.append((node.lineno, dotted))
        elif isinstance(node, ast.Subscript) and (text := _text_of(node.slice, constants)) is not None:
            source.texts.append((node.lineno, text))


def _dotted(node: ast.expr) -> str | None:
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute) and (left := _dotted(node.value)):
        return f"{left}.{node.attr}"
    return None


def _callee(node: ast.expr) -> str:
    """Dotted name of what is called; only its last part is known when it hangs on an expression."""
    return _dotted(node) or (f"?.{node.attr}" if isinstance(node, ast.Attribute) else "?")


def _text_of(node: ast.expr, constants: dict[str, str]) -> str | None:
    """A string written out, named by a constant of the module, or put together from such."""
    if isinstance(node, ast.Constant):
        return node.value if isinstance(node.value, str) else None
    if isinstance(node, ast.Name):
        return constants.get(node.id)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        left, right = _text_of(node.left, constants), _text_of(node.right, constants)
        return left + right if left is not None and right is not None else None
    return None


# --- Cython -------------------------------------------------------------------------------------------------

STRING_OR_COMMENT = re.compile(
    r"(?P<comment>\#[^\n]*)"
    r"|(?<!\w)(?P<prefix>[rRbBuUfFcC]{0,2})(?P<quote>'''|\"\"\"|'|\")(?P<body>(?:\\.|(?!(?P=quote)).)*)(?P=quote)",
    re.DOTALL,
)
START = r"(?:^|(?<=[;:]))[ \t]*"
FROM_IMPORT = re.compile(START + r"from\s+([.\w]+)\s+c?import\s*(\([^)]*\)|[^\n;]+)", re.MULTILINE)
PLAIN_IMPORT = re.compile(START + r"c?import\s+([\w., \t]+)", re.MULTILINE)
CALLED = re.compile(r"([A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*)\s*\(\s*(?:\"(\d+)\"\s*[,)])?")
INDEXED = re.compile(r"\[\s*\"(\d+)\"\s*\]")
DOTTED = re.compile(r"(?<![\w.\"])[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*")


def _read_cython(source: Source, text: str) -> None:
    strings: list[str] = []

    def blank(match: re.Match[str]) -> str:
        lines = "\n" * match[0].count("\n")
        if match["comment"] is not None:
            return lines
        strings.append(match["body"])
        return f'"{len(strings) - 1}"{lines}'

    bare = STRING_OR_COMMENT.sub(blank, text).replace("\\\n", " \n")

    def line_of(match: re.Match[str]) -> int:
        leading = len(match[0]) - len(match[0].lstrip())
        return bare.count("\n", 0, match.start() + leading) + 1

    for match in FROM_IMPORT.finditer(bare):
        for name, alias in _named(match[2].strip("() \t\n")):
            source.imports.append(import_from(line_of(match), match[1], name, alias))
    for match in PLAIN_IMPORT.finditer(bare):
        for name, alias in _named(match[1]):
            source.imports.append(import_of(line_of(match), name, alias))
    for match in CALLED.finditer(bare):
        argument = strings[int(match[2])] if match[2] else None
        source.calls.append(Call(line_of(match), match[1], argument))
    source.texts += [(line_of(match), strings[int(match[1])]) for match in INDEXED.finditer(bare)]
    source.names += [(line_of(match), match[0]) for match in DOTTED.finditer(bare)]


def _named(text: str) -> Iterator[tuple[str, str | None]]:
    """``a, b as c`` gives (a, None), (b, c)."""
    for part in text.split(","):
        words = part.split()
        if words:
            yield words[0], words[2] if len(words) == 3 else None
