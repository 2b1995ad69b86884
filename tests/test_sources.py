"""QA-03, QA-10, ARC-19: the linter is content, files stay small, money is no float, tests do not sleep."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

pytestmark = pytest.mark.lint

LINES_MAX = 450
MONEY = (
    r"(?:\w*_)?(?:price|prices|qty|quantity|amount|notional|balance|fee|volume|bid|ask|raw)(?:_raw|_text)?"
)
CAST = re.compile(rf"(?:\bfloat\s*\(\s*|<\s*(?:double|float)\s*>\s*)(?:[\w\]\[]+\.)*{MONEY}\b(?!\s*[(.])")
DECLARED = re.compile(rf"\b(?:double|float)\s+{MONEY}\b|\b{MONEY}\s*:\s*float\b")
FUNCTION = re.compile(r"^\s*(?:async\s+def|def|cpdef|cdef)\b[^=(]*?(\w+)\s*\(")


def source_files(root: Path) -> list[Path]:
    suffixes = {".py", ".pyi", ".pyx", ".pxd", ".pxi"}
    return sorted(
        path for folder in ("engine", "pyx") for path in (root / folder).rglob("*") if path.suffix in suffixes
    )


def run_ruff(*arguments: str, cwd: Path) -> tuple[int, str]:
    command = [sys.executable, "-m", "ruff", "check", "--no-cache", "--output-format=concise", *arguments]
    done = subprocess.run(command, cwd=cwd, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    return done.returncode, done.stdout + done.stderr


# --- linter -------------------------------------------------------------------------------------------------


def test_the_linter_is_content(project_root: Path) -> None:
    code, output = run_ruff(".", cwd=project_root)
    assert code == 0, output


@pytest.mark.parametrize(
    ("place", "text", "code"),
    [
        ("engine/a.py", '"""A."""\n\nimport json\n\nprint = json\n', "TID251"),
        ("engine/a.py", '"""A."""\n\nimport threading\n\nx = threading\n', "TID251"),
        ("engine/a.py", '"""A."""\n\nimport os\n', "F401"),
        ("engine/a.py", "x = 1\n", "D100"),
        ("engine/a.py", '"""A."""\n\ntry:\n    x = 1\nexcept:\n    x = 2\n', "E722"),
        ("engine/a.py", '"""A."""\n\nfrom .b import c\n\nx = c\n', "TID252"),
    ],
)
def test_the_linter_sees_a_planted_fault(
    place: str, text: str, code: str, project_root: Path, tmp_path: Path
) -> None:
    path = tmp_path / place
    path.parent.mkdir(parents=True)
    path.write_text(text, encoding="utf-8")
    (tmp_path / "pyproject.toml").write_text((project_root / "pyproject.toml").read_text(encoding="utf-8"))
    status, output = run_ruff(".", cwd=tmp_path)
    assert status == 1
    assert code in output


# --- size ---------------------------------------------------------------------------------------------------


def test_files_stay_small(project_root: Path) -> None:
    lengths = {
        path: len(path.read_text(encoding="utf-8").splitlines()) for path in source_files(project_root)
    }
    assert {str(path.relative_to(project_root)): n for path, n in lengths.items() if n > LINES_MAX} == {}


# --- money --------------------------------------------------------------------------------------------------


def money_as_float(text: str) -> Iterator[int]:
    """Line numbers where money becomes a float, outside functions named ``*_float``."""
    function, function_indent = "", 0
    for number, line in enumerate(text.splitlines(), 1):
        indent = len(line) - len(line.lstrip())
        if (match := FUNCTION.match(line)) is not None:
            function, function_indent = match[1], indent
        elif line.strip() and indent <= function_indent:
            function, function_indent = "", 0
        code = line.partition("#")[0]
        if not function.endswith("_float") and (CAST.search(code) or DECLARED.search(code)):
            yield number


def test_arc_19_money_is_never_a_float(project_root: Path) -> None:
    found = [
        f"{path.relative_to(project_root)}:{number}"
        for path in source_files(project_root)
        if "baselines" not in path.parts  # what others do by hand, floats and all, is what we are measured against
        for number in money_as_float(path.read_text(encoding="utf-8"))
    ]
    assert found == []


@pytest.mark.parametrize(
    "line",
    [
        "x = float(price)",
        "x = float(level.price_raw)",
        "x = float( self.bids[0].qty )",
        "    y = <double>ev.quantity_raw / 10",
        "    cdef double last_price = 0",
        "def f(best_bid: float) -> None: ...",
    ],
)
def test_arc_19_a_float_of_money_is_seen(line: str) -> None:
    assert list(money_as_float(line)) == [1]


@pytest.mark.parametrize(
    "text",
    [
        "x = float(delay_ns)",
        "x = Decimal(price)",
        "def price_float(self) -> float:\n    return float(self.price_raw)",
        "# float(price) is wrong",
        "cdef double lag_ms = 0",
    ],
)
def test_arc_19_what_is_no_money_raises_no_alarm(text: str) -> None:
    assert list(money_as_float(text)) == []


# --- sleep --------------------------------------------------------------------------------------------------


def sleeps(tree: ast.Module) -> Iterator[int]:
    """Line numbers that let time pass; ``asyncio.sleep(0)`` only yields to the loop and may stay."""
    renamed = {
        alias.asname or alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module in {"time", "asyncio"}
        for alias in node.names
        if alias.name == "sleep"
    }
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        called = node.func
        by_attribute = isinstance(called, ast.Attribute) and called.attr == "sleep"
        by_name = isinstance(called, ast.Name) and called.id in renamed
        yields = bool(node.args) and isinstance(node.args[0], ast.Constant) and node.args[0].value == 0
        if (by_attribute or by_name) and not yields:
            yield node.lineno


def test_qa_03_tests_do_not_sleep(project_root: Path) -> None:
    found = [
        f"{path.relative_to(project_root)}:{line}"
        for path in sorted((project_root / "tests").rglob("*.py"))
        for line in sleeps(ast.parse(path.read_text(encoding="utf-8")))
    ]
    assert found == []


@pytest.mark.parametrize(
    "text",
    [
        "import time\ntime.sleep(1)",
        "from time import sleep as rest\nrest(0.1)",
        "import asyncio\nasync def f():\n    await asyncio.sleep(0.5)",
    ],
)
def test_qa_03_a_sleep_is_seen(text: str) -> None:
    assert len(list(sleeps(ast.parse(text)))) == 1


def test_qa_03_a_yield_to_the_loop_is_no_sleep() -> None:
    assert list(sleeps(ast.parse("import asyncio\nasync def f():\n    await asyncio.sleep(0)"))) == []
