"""JRN-02, JRN-03, JRN-05: the disk is full or slow, takes no file, or the process is killed at any of its writes."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from engine.base.errors import JournalError
from engine.orders.records import Recovered
from engine.schema.order import OrderState
from tests.unit.orders.faultydisk import compiled
from tests.unit.orders.kit import fill, intended, journal_in, opened, request, wire

WORLD = "tests.unit.orders.disk_world"
KILL_BEFORE, KILL_WITHIN = "1", "2"
NAMES = ["a0", "a1", "a2", "b0", "b1", "b2", "b3", "b4"]
"""In the order in which disk_world.py submits them."""


@pytest.fixture(scope="module")
def disk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The disk that fails, compiled."""
    return compiled(tmp_path_factory.mktemp("disk"))


@pytest.fixture
def in_memory(tmp_path: Path) -> Iterator[Path]:
    """A folder of a file system in memory, where there is one: what dies with a process does not ask for more."""
    memory = Path("/dev/shm")
    if not os.access(memory, os.W_OK):
        yield tmp_path
        return
    with TemporaryDirectory(dir=memory) as folder:
        yield Path(folder)


def tell(disk: Path, story: str, folder: Path, project_root: Path) -> dict[str, Any]:
    """Run a story of disk_world.py under that disk; what it told."""
    environment = os.environ | {"LD_PRELOAD": str(disk), "FAULTY_DISK_PATH": "/orders.db"}
    # The tree comes last: it is the installed engine that is tested.
    start = f"import runpy, sys; sys.path.append({str(project_root)!r}); runpy.run_module({WORLD!r}, run_name='__main__')"
    command = [sys.executable, "-c", start, story, folder]
    done = subprocess.run(command, env=environment, cwd=folder, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout))


def read(folder: Path) -> Recovered:
    async def story() -> Recovered:
        async with opened(folder) as (journal, found):
            assert journal.is_available
            return found

    return asyncio.run(story())


# --- killed -------------------------------------------------------------------------------------------------


def check_a_life(folder: Path) -> set[str]:
    """What was promised is there, what is there was submitted, in its order and whole; what was promised."""
    found = read(folder)
    written = folder / "promised"
    promised = set(written.read_text().split()) if written.exists() else set()
    names = [order.request.client_order_id for order in found.orders]
    assert names == NAMES[: len(names)]
    assert promised & set(NAMES) <= set(names)
    assert all(order.request == request(name) for order, name in zip(found.orders, names, strict=True))
    first = found.orders[0] if found.orders else None
    if "filled" in promised:
        assert first is not None
        assert (first.venue_order_id, first.fills) == ("v-0", (fill("x1", 30, "0.1"),))
    if "ended" in promised:
        assert first is not None
        assert (first.state, found.undelivered, found.kill.is_on) == (OrderState.CANCELLED, {}, True)
    if first is not None and first.fills:
        assert [str(position.net_qty) for position in found.positions] == ["0.30"]
    return promised


@pytest.mark.system
@pytest.mark.timeout(120)
@pytest.mark.parametrize("kind", [KILL_BEFORE, KILL_WITHIN])
def test_jrn_05_killed_at_any_write_what_was_promised_is_there(kind: str, disk: Path, in_memory: Path, project_root: Path) -> None:
    lives = tell(disk, kind, in_memory, project_root)["lives"]
    assert lives > 40
    promised = [check_a_life(in_memory / f"{kind}-{number}") for number in range(1, lives + 1)]
    # Deaths lie all along a life: before anything was promised, at each order, and after the last.
    assert promised[0] == set()
    assert "closed" in promised[-1]
    assert {len(each) for each in promised} >= {0, 1, 2, 3, 4, len(NAMES) + 1, len(NAMES) + 2}


# --- full, slow, closed to writing --------------------------------------------------------------------------


@pytest.mark.system
def test_jrn_03_a_full_disk_refuses_orders_keeps_reports_and_is_left_behind(disk: Path, tmp_path: Path, project_root: Path) -> None:
    told = tell(disk, "full", tmp_path, project_root)
    assert len(told["refused"]) == 2
    assert not told["was_available"]
    assert told["states"] == [True, False, True]
    found = read(tmp_path)
    assert [order.request.client_order_id for order in found.orders] == ["before", "after"]
    assert [each.report_no for each in found.undelivered["mm1"]] == told["numbers"]


@pytest.mark.system
def test_jrn_02_on_a_slow_disk_the_submit_waits_and_the_loop_does_not(disk: Path, tmp_path: Path, project_root: Path) -> None:
    told = tell(disk, "slow", tmp_path, project_root)
    assert told["took_s"] > 0.1
    assert told["turns"] > 500
    assert told["longest_s"] < told["took_s"] / 2


@pytest.mark.parametrize("place", ["/proc", "/nonexistent/folder"])
def test_jrn_03_where_no_file_can_be_made_the_journal_is_refused(place: str) -> None:
    async def story() -> None:
        journal = journal_in(Path(place))
        with pytest.raises(JournalError, match="cannot be made"):
            await journal.open()
        with pytest.raises(JournalError):
            await intended(journal, request(), wire(request()))

    asyncio.run(story())


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is closed to root")
@pytest.mark.parametrize("is_there", [False, True])
def test_jrn_03_a_read_only_directory(is_there: bool, tmp_path: Path) -> None:
    if is_there:
        read(tmp_path)
    tmp_path.chmod(0o555)
    try:
        with pytest.raises(JournalError):
            read(tmp_path)
    finally:
        tmp_path.chmod(0o755)


def test_after_a_refusal_it_can_be_opened_again(tmp_path: Path) -> None:
    async def story() -> None:
        journal = journal_in(tmp_path / "later")
        with pytest.raises(JournalError):
            await journal.open()
        (tmp_path / "later").mkdir()
        await journal.open()
        await intended(journal, request(), wire(request()))
        await journal.close()

    asyncio.run(story())
