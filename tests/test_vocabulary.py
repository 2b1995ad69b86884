"""INS-07, INS-12, INS-15: venue spellings stay with the venues, clocks are not mixed, no state has a default."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

pytestmark = pytest.mark.lint

# --- INS-07: how venues spell symbols -----------------------------------------------------------------------

SPELLING = re.compile(r"""["'](?:[A-Z0-9]{2,10}/[A-Z]{3,5}|[A-Z0-9]{2,8}USDT|[a-z0-9]{2,8}usdt?|X?XBT[A-Z]*)["'@]""")
VENUE_ROOMS = ("providers", "simulator", "bench")
"""Where venues are spoken to, simulated, or measured."""


def spellings(text: str) -> Iterator[int]:
    for number, line in enumerate(text.splitlines(), 1):
        if SPELLING.search(line):
            yield number


def code_files(root: Path, *patterns: str) -> Iterator[Path]:
    for folder in (root / "engine", root / "pyx"):
        for pattern in patterns:
            yield from sorted(folder.rglob(pattern))


def test_ins_07_venue_spellings_stay_with_the_venues(project_root: Path) -> None:
    found = [
        f"{path.relative_to(project_root)}:{line}"
        for path in code_files(project_root, "*.py", "*.pyx", "*.pxd")
        if path.relative_to(project_root).parts[1] not in VENUE_ROOMS
        for line in spellings(path.read_text(encoding="utf-8"))
    ]
    assert found == []


@pytest.mark.parametrize("line", ['x = "BTC/USD"', "x = 'BTCUSDT'", 'if name == "btcusdt":', 'x = "XBT"', 's = "ethusdt@trade"'])
def test_ins_07_a_venue_spelling_is_seen(line: str) -> None:
    assert list(spellings(line)) == [1]


@pytest.mark.parametrize("line", ['x = "BTC-USDT"', 'x = "USD"', 'x = "usd"', 'path = "a/B"'])
def test_ins_07_public_symbols_raise_no_alarm(line: str) -> None:
    assert list(spellings(line)) == []


# --- INS-12: venue time and ours ----------------------------------------------------------------------------

VENUE_TIME = re.compile(r"\bts_venue_ns\b|\bts_venue\b|\bvenue_ns\b")
OUR_TIME = re.compile(r"\bts_recv_ns\b|\bts_emit_ns\b|\bnow_ns\b|\bnow\(\)|\bmono_ns\b")
MIXED = re.compile(r"\s-\s|(?<!-)[<>]=?")


def mixed_clocks(text: str) -> Iterator[int]:
    """Lines that subtract or compare a venue's time and ours."""
    for number, line in enumerate(text.splitlines(), 1):
        code = line.partition("#")[0]
        for part in re.split(r",| and | or ", code):
            if VENUE_TIME.search(part) and OUR_TIME.search(part) and MIXED.search(part):
                yield number


def test_ins_12_a_venues_time_and_ours_never_meet(project_root: Path) -> None:
    """The feed delay, the clock offset and the age of reports are the three that may; none of them is built."""
    found = [
        f"{path.relative_to(project_root)}:{line}"
        for path in code_files(project_root, "*.py", "*.pyx", "*.pxd")
        for line in mixed_clocks(path.read_text(encoding="utf-8"))
    ]
    assert found == []


@pytest.mark.parametrize(
    "line",
    ["lag = event.ts_recv_ns - event.ts_venue_ns", "if h.ts_venue_ns > now_ns:", "x = clock.now() - h.ts_venue_ns"],
)
def test_ins_12_a_mix_of_clocks_is_seen(line: str) -> None:
    assert list(mixed_clocks(line)) == [1]


@pytest.mark.parametrize(
    "line",
    ["lag = now_ns - event.ts_recv_ns", "f(h.ts_venue_ns, h.ts_recv_ns)", "x = h.ts_venue_ns  # not - ts_recv_ns",
     "def f(ts_venue_ns: int) -> None: now_ns()"],
)  # fmt: skip
def test_ins_12_one_clock_raises_no_alarm(line: str) -> None:
    assert list(mixed_clocks(line)) == []


# --- INS-15, ARC-24: states of a venue ----------------------------------------------------------------------


def defaults(tree: ast.Module) -> Iterator[int]:
    """Lines that look a value up in a table (an upper-case name) and take something else where it is not there."""
    for node in ast.walk(tree):
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in ("get", "pop")):
            continue
        table = node.func.value
        name = table.id if isinstance(table, ast.Name) else table.attr if isinstance(table, ast.Attribute) else ""
        if len(node.args) == 2 and name.lstrip("_").isupper() and not _is_honest(*node.args):
            yield node.lineno


def _is_honest(key: ast.expr, default: ast.expr) -> bool:
    """None says that nothing was found; the key itself is another spelling of one name, not a state."""
    return (isinstance(default, ast.Constant) and default.value is None) or ast.dump(key) == ast.dump(default)


def test_ins_15_no_state_of_a_venue_has_a_default(project_root: Path) -> None:
    found = [
        f"{path.relative_to(project_root)}:{line}"
        for path in sorted((project_root / "engine" / "providers").rglob("*.py"))
        for line in defaults(ast.parse(path.read_text(encoding="utf-8")))
    ]
    assert found == []


@pytest.mark.parametrize("text", ["x = _STATUS.get(text, Status.TRADING)", "x = tables.SIDES.pop(text, 'buy')"])
def test_ins_15_a_default_is_seen(text: str) -> None:
    assert list(defaults(ast.parse(text))) == [1]


@pytest.mark.parametrize("text", ["x = _STATUS[text]", "x = _STATUS.get(text)", "x = _STATUS.get(text, None)", "x = kept.get(a, 0)",
                                  "x = ALIASES.get(a, a)"])  # fmt: skip
def test_ins_15_what_fails_or_is_no_table_raises_no_alarm(text: str) -> None:
    assert list(defaults(ast.parse(text))) == []
