"""QA-10, QA-11: the public names of `engine` exist, come from one place each, and say what they are."""

from __future__ import annotations

import ast
import inspect
import re
from collections import Counter
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

pytestmark = pytest.mark.lint

SIGNATURE = re.compile(r"^[\w.]+\(.*\)(\s*->.*)?$")
"""The first line that Cython puts before a compiled function's own docstring."""


@pytest.fixture(scope="module")
def engine() -> ModuleType:
    import engine

    return engine


def told(thing: Any) -> str:
    """The docstring without the signature line; empty when there is none."""
    lines = (inspect.getdoc(thing) or "").strip().splitlines()
    if lines and SIGNATURE.match(lines[0]):
        lines = lines[1:]
    return "\n".join(lines).strip()


def public_functions(cls: type) -> dict[str, Any]:
    """Public methods and properties that *cls* itself defines; plain fields are told in its own docstring."""
    found = {}
    for name, value in vars(cls).items():
        function = value.__func__ if isinstance(value, classmethod | staticmethod) else value
        if not name.startswith("_") and (inspect.isroutine(function) or isinstance(function, property)):
            found[name] = function
    return found


def test_each_public_name_exists_once(engine: ModuleType) -> None:
    assert [name for name, count in Counter(engine.__all__).items() if count > 1] == []
    assert [name for name in engine.__all__ if not hasattr(engine, name)] == []


def test_a_name_is_looked_for_once(engine: ModuleType) -> None:
    for name in engine.__all__:
        assert getattr(engine, name) is vars(engine)[name]


def test_nothing_is_public_by_accident(engine: ModuleType) -> None:
    extra = {
        name
        for name, value in vars(engine).items()
        if not name.startswith("_") and not inspect.ismodule(value) and name not in engine.__all__
    }
    assert extra - {"annotations", "TYPE_CHECKING"} == set()


def test_no_object_is_public_under_two_names(engine: ModuleType) -> None:
    kinds = (type, *{type(value) for value in vars(engine).values() if inspect.isroutine(value)})
    things = Counter(
        id(value) for name in engine.__all__ if isinstance(value := getattr(engine, name), kinds)
    )
    assert [name for name in engine.__all__ if things[id(getattr(engine, name))] > 1] == []


def test_qa_11_each_public_name_has_a_docstring(engine: ModuleType) -> None:
    silent = []
    for name in engine.__all__:
        thing = getattr(engine, name)
        if not (isinstance(thing, type) or inspect.isroutine(thing) or inspect.ismodule(thing)):
            continue
        if not told(thing):
            silent.append(name)
        if isinstance(thing, type) and thing.__module__.startswith("engine"):
            silent += [f"{name}.{part}" for part, value in public_functions(thing).items() if not told(value)]
    assert silent == []


def test_no_module_lists_a_name_twice_or_one_it_lacks(project_root: Path) -> None:
    """``__all__`` of every Python module, read without importing it."""
    wrong = []
    for path in sorted((project_root / "engine").rglob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        listed = _listed(tree)
        wrong += [f"{path.name}: {name} twice" for name, count in Counter(listed).items() if count > 1]
        wrong += [f"{path}: {name} is not there" for name in listed if name not in _bound(tree)]
    assert wrong == []


def _listed(tree: ast.Module) -> list[str]:
    for node in tree.body:
        if isinstance(node, ast.Assign) and any(
            isinstance(t, ast.Name) and t.id == "__all__" for t in node.targets
        ):
            return list(ast.literal_eval(node.value))
    return []


def _bound(tree: ast.Module) -> set[str]:
    bound: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            bound |= {alias.asname or alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            bound.add(node.name)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            bound.add(node.id)
    return bound


def test_a_missing_docstring_is_seen() -> None:
    class Silent:
        def speak(self) -> None: ...

    class Clear:
        """Says what it is."""

        def speak(self) -> None:
            """speak(self) -> None
            Speak.
            """

        def signed(self) -> None:
            """Clear.signed(self, x=1)"""

    assert told(Silent) == ""
    assert told(Silent.speak) == ""
    assert told(Clear) == "Says what it is."
    assert told(Clear.speak) == "Speak."
    assert told(Clear.signed) == ""
    assert set(public_functions(Silent)) == {"speak"}
