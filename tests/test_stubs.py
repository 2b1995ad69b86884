"""QA-10: every compiled module has declarations and stubs, the stubs tell the truth, and the types hold."""

from __future__ import annotations

import ast
import importlib
import inspect
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

pytestmark = pytest.mark.lint

CACHES = ".mypy_cache"
"""One folder in it a check: two that run at once and share one find it half written."""

ALLOWED_UNSTUBBED = "\n".join(
    (
        # What Cython adds to every module and class of its own.
        r".*\.__reduce_cython__",
        r".*\.__setstate_cython__",
        r".*\.__pyx_capi__",
        r".*\.__pyx_vtable__",
        r".*\.__test__",
    )
)


def compiled_modules(root: Path) -> list[str]:
    paths = sorted(path.relative_to(root / "pyx") for path in (root / "pyx").rglob("*.pyx"))
    return [".".join(("engine", *path.with_suffix("").parts)) for path in paths]


def run_mypy(module: str, *arguments: str, cwd: Path, cache: Path) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, "-m", module, *arguments],
        cwd=cwd,
        env={**os.environ, "MYPY_CACHE_DIR": str(cache), "PYTHONSAFEPATH": ""},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    return done.returncode, done.stdout + done.stderr


def package_parent() -> Path:
    """The folder that the imported `engine` lies in: site-packages, or the tree when built in place."""
    import engine

    return Path(engine.__file__).resolve().parent.parent


def test_every_source_has_its_declarations_and_its_stub(project_root: Path) -> None:
    missing = [
        f"{module}{suffix}"
        for module in compiled_modules(project_root)
        for suffix in (".pxd", ".pyi")
        if not project_root.joinpath(*module.split(".")).with_suffix(suffix).is_file()
    ]
    assert missing == []


def test_every_declaration_and_stub_has_its_source(project_root: Path) -> None:
    sources = {
        path.relative_to(project_root / "pyx").with_suffix("") for path in project_root.glob("pyx/**/*.pyx")
    }
    orphans = []
    for path in sorted(project_root.glob("engine/**/*.p[xy][di]")):
        if path.relative_to(project_root / "engine").with_suffix("") in sources:
            continue
        # A declaration of inline bodies and enums alone needs no module of its own.
        if path.suffix != ".pxd" or "cdef class" in path.read_text(encoding="utf-8"):
            orphans.append(str(path.relative_to(project_root)))
    assert orphans == []


def test_every_compiled_module_is_in_the_package(project_root: Path) -> None:
    parent = package_parent()
    absent = [
        f"{module}{suffix}"
        for module in compiled_modules(project_root)
        for suffix in (".*.so", ".pxd", ".pyi")
        if not any(parent.glob(module.replace(".", "/") + suffix))
    ]
    assert absent == []
    assert (parent / "engine" / "py.typed").is_file()


def test_stubs_agree_with_the_binaries(project_root: Path, tmp_path: Path) -> None:
    allowed = tmp_path / "allowed"
    allowed.write_text(ALLOWED_UNSTUBBED, encoding="utf-8")
    code, output = run_mypy(
        "mypy.stubtest",
        *compiled_modules(project_root),
        "--allowlist",
        str(allowed),
        "--ignore-unused-allowlist",
        "--mypy-config-file",
        str(project_root / "pyproject.toml"),
        "--concise",
        # Built in place, the tree is where engine comes from; installed, the tree must not be seen.
        cwd=project_root if package_parent() == project_root else tmp_path,
        cache=project_root / CACHES / "stubs",
    )
    assert code == 0, output


def test_a_stub_that_promises_too_much_is_caught(tmp_path: Path) -> None:
    (tmp_path / "thing.py").write_text("def there() -> int:\n    return 1\n", encoding="utf-8")
    (tmp_path / "thing.pyi").write_text(
        "def there() -> int: ...\ndef absent() -> int: ...\n", encoding="utf-8"
    )
    code, output = run_mypy("mypy.stubtest", "thing", cwd=tmp_path, cache=tmp_path / "cache")
    assert code == 1
    assert "thing.absent is not present at runtime" in output


CALL = re.compile(r"^[\w.]+\(.*\)( -> .*)?$")
FIELD = re.compile(r"^[\w.]+: \w.*$")
# Stages that a strategy, an operator or a test of one may hold; the decoders' own are typed where they are used.
TOLD = (
    "base.clock", "book.local", "bus.data", "consumers.handler", "consumers.mailbox", "consumers.runner",
    "dispatcher.dispatcher", "dispatcher.routing", "observability.latency", "orchestrator.merge", "pools.lease",
    "pools.recycler", "schema.arrays", "schema.control", "schema.event", "schema.market", "schema.ports",
    "schema.quotes",
)  # fmt: skip


def documented(tree: ast.AST, owner: object) -> Iterator[tuple[str, str, str]]:
    """(name, docstring in the stub, docstring at run time) of what a stub documents, and of what it should."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and not node.name.startswith("__"):
            thing = inspect.getattr_static(owner, node.name)
            yield node.name, ast.get_docstring(node) or "", without_signature(getattr(thing, "__func__", thing))
            if isinstance(node, ast.ClassDef):
                yield from documented(node, thing)


def without_signature(thing: object) -> str:
    """The docstring less the line that the compiler puts before it."""
    text = (inspect.getdoc(thing) or "").strip()
    first, _, rest = text.partition("\n")
    if CALL.match(first) and not rest:
        return ""
    return rest.strip() if rest.startswith("\n") and (CALL.match(first) or FIELD.match(first)) else text


@pytest.mark.parametrize("name", TOLD)
def test_qa_11_an_editor_shows_what_the_binary_says(name: str, project_root: Path) -> None:
    stub = project_root.joinpath("engine", *name.split(".")).with_suffix(".pyi")
    rows = list(documented(ast.parse(stub.read_text(encoding="utf-8")), importlib.import_module(f"engine.{name}")))
    assert [row for row in rows if row[1] != row[2]] == []
    assert any(docstring for _, docstring, _ in rows)


@pytest.mark.parametrize("name", TOLD)
def test_what_a_user_reads_has_a_type(name: str, project_root: Path) -> None:
    """`Any` is for values that may really be anything: those of fill(), of which each field checks its own."""
    stub = project_root.joinpath("engine", *name.split(".")).with_suffix(".pyi")
    tree = ast.parse(stub.read_text(encoding="utf-8"))
    told = [
        f"{node.name}: {ast.unparse(part)}"
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        for part in (node.returns, *(argument.annotation for argument in node.args.args + node.args.kwonlyargs))
        if part is not None and "Any" in ast.unparse(part)
    ]
    assert [line for line in told if not line.startswith(("fill:", "__setattr__:"))] == []


def test_types_hold(project_root: Path) -> None:
    code, output = run_mypy(
        "mypy", "--strict", "engine", cwd=project_root, cache=project_root / CACHES / "types"
    )
    assert code == 0, output
