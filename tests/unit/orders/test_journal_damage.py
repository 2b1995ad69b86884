"""JRN-14: a journal that cannot be believed is refused, typed, and kept as it is; an older one is brought up, or kept."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
from pathlib import Path
from random import Random
from typing import Any

import pytest

from engine.base.errors import JournalError
from engine.orders.journalschema import APPLICATION_ID, PAGE_BYTES, SCHEMA, Schema
from engine.orders.records import KillState
from engine.schema.enums import Side
from engine.schema.order import OrderState, Sent
from tests.unit.orders.kit import fill, first_wire, intended, journal_in, opened, plain, report, request, wire


async def write(folder: Path) -> None:
    """Orders in every state, two positions, a kill switch."""
    async with opened(folder) as (journal, _):
        journal.risk_state(KillState(is_on=True, operator="anna"))
        for number in range(12):
            asked = request(f"id-{number}", side=(Side.BUY, Side.SELL)[number % 2], consumer_id=("mm1", "mm2")[number // 6])
            await intended(journal, asked, wire(asked))
            journal.sent(first_wire(asked), Sent.TAKEN, f"v-{number}")
            journal.report(report(asked, 1, OrderState.ACKED))
            if number % 3 == 0:
                journal.report(report(asked, 2, OrderState.PARTIALLY_FILLED, fill=fill(f"x{number}", 10 + number, "0.5")))
            if number % 4 == 0:
                number_of_report = journal.report(report(asked, 3, OrderState.CANCELLED))
                if number == 4:
                    journal.delivered("mm1", number_of_report)


def read(folder: Path) -> Any:
    async def story() -> Any:
        async with opened(folder) as (_, found):
            return plain(found)

    return asyncio.run(story())


def bytes_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.glob("orders.db*")) if path.suffix not in (".lock",) and not path.name.endswith("-shm")}


def refused(folder: Path, match: str | None = None) -> None:
    """The journal does not open, is the same afterwards, and refuses orders."""
    before = bytes_of(folder)

    async def story() -> None:
        journal = journal_in(folder)
        with pytest.raises(JournalError, match=match):
            await journal.open()
        assert not journal.is_available
        with pytest.raises(JournalError):
            await intended(journal, request(), wire(request()))

    asyncio.run(story())
    after = bytes_of(folder)
    assert {name: after.get(name) for name in before} == before


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    asyncio.run(write(tmp_path))
    assert len(read(tmp_path)["orders"]) == 12
    return tmp_path


@pytest.mark.parametrize("left", [0, 1, 99, 100, 4096, 10_000])
def test_a_truncated_file_is_refused(left: int, folder: Path) -> None:
    path = folder / "orders.db"
    path.write_bytes(path.read_bytes()[:left])
    refused(folder)


def test_a_file_without_its_last_page_is_refused(folder: Path) -> None:
    path = folder / "orders.db"
    path.write_bytes(path.read_bytes()[:-PAGE_BYTES])
    refused(folder, "shorter than it says")


@pytest.mark.property
def test_flipped_bytes_are_refused_or_change_nothing(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    random = Random(14)
    truth, whole = read(folder), (folder / "orders.db").read_bytes()
    outcomes = {"refused": 0, "unchanged": 0}
    for number in range(250):
        place = tmp_path_factory.mktemp(f"flip-{number}")
        damaged = bytearray(whole)
        for _ in range(random.choice((1, 1, 4))):
            damaged[random.randrange(len(damaged))] ^= 1 << random.randrange(8)
        (place / "orders.db").write_bytes(damaged)
        try:
            found = read(place)
        except JournalError:
            assert (place / "orders.db").read_bytes() == damaged
            outcomes["refused"] += 1
        else:
            assert found == truth
            outcomes["unchanged"] += 1
        shutil.rmtree(place)
    assert min(outcomes.values()) > 10


def left_behind(tmp_path: Path, orders: int) -> Path:
    """A journal as a death leaves it: orders in the WAL, one commit each."""
    live, left = tmp_path / "live", tmp_path / "left"
    live.mkdir()

    async def story() -> None:
        async with opened(live) as (journal, _):
            for number in range(orders):
                asked = request(f"id-{number}")
                await intended(journal, asked, wire(asked))
                await journal.settled()
            shutil.copytree(live, left)

    asyncio.run(story())
    (left / "orders.db-shm").unlink()
    return left


@pytest.fixture
def unfinished(tmp_path: Path) -> Path:
    """With ten orders."""
    return left_behind(tmp_path, 10)


def test_a_wal_that_was_not_finished_is_read(unfinished: Path) -> None:
    wal = unfinished / "orders.db-wal"
    wal.write_bytes(wal.read_bytes()[:-100])
    assert len(read(unfinished)["orders"]) == 9


def test_a_death_while_the_wal_is_moved_into_the_file_is_no_damage(tmp_path: Path) -> None:
    """Pages are written in their order, the first of which tells already how many there will be."""
    unfinished = left_behind(tmp_path, 60)
    before, whole = (unfinished / "orders.db").read_bytes(), tmp_path / "whole"
    shutil.copytree(unfinished, whole)
    writer = sqlite3.connect(whole / "orders.db", isolation_level=None)
    assert writer.execute("PRAGMA wal_checkpoint(FULL)").fetchone()[0] == 0
    moved = (whole / "orders.db").read_bytes()
    writer.close()
    truth = read(whole)
    assert len(moved) >= len(before) + 4 * PAGE_BYTES
    for written in range(0, len(moved), PAGE_BYTES // 2):  # half a page as well
        place = tmp_path / f"at-{written}"
        shutil.copytree(unfinished, place)
        (place / "orders.db").write_bytes(moved[:written] + before[written:])
        assert read(place) == truth
        if written > len(before):
            (place / "orders.db").write_bytes(moved[:written])  # the log has gone with it: now it is damage
            assert not (place / "orders.db-wal").exists()
            refused(place, "shorter than it says")


def test_a_page_that_is_neither_in_the_file_nor_in_its_wal_is_damage(unfinished: Path) -> None:
    path = unfinished / "orders.db"
    path.write_bytes(path.read_bytes()[:PAGE_BYTES])
    refused(unfinished, "shorter than it says")


@pytest.mark.property
def test_flipped_bytes_of_a_wal_are_refused_or_cost_its_last_commit_alone(unfinished: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    random = Random(15)
    whole = (unfinished / "orders.db-wal").read_bytes()
    refusals = 0
    for number in range(100):
        place = tmp_path_factory.mktemp(f"wal-{number}") / "journal"
        shutil.copytree(unfinished, place)
        damaged = bytearray(whole)
        damaged[random.randrange(len(damaged))] ^= 1 << random.randrange(8)
        (place / "orders.db-wal").write_bytes(damaged)
        before = bytes_of(place)
        try:
            found = read(place)
        except JournalError:
            assert bytes_of(place) == before
            refusals += 1
        else:
            assert len(found["orders"]) >= 9
        shutil.rmtree(place)
    assert 60 < refusals < 100


def test_a_wal_in_its_second_use_is_read(tmp_path: Path) -> None:
    """What an earlier use left behind the frames of this one is no damage."""
    live, left = tmp_path / "live", tmp_path / "left"
    live.mkdir()

    async def story() -> None:
        async with opened(live) as (journal, _):
            for number in range(30):
                await intended(journal, request(f"id-{number}"), wire(request(f"id-{number}")))
            other = sqlite3.connect(live / "orders.db", isolation_level=None)
            assert other.execute("PRAGMA wal_checkpoint(RESTART)").fetchone()[0] == 0
            other.close()
            for number in range(30, 33):
                await intended(journal, request(f"id-{number}"), wire(request(f"id-{number}")))
            shutil.copytree(live, left)

    asyncio.run(story())
    assert len(read(left)["orders"]) == 33


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE intent SET request = replace(request, '\"qty_raw\":200', '\"qty_raw\":900') WHERE order_no = 3",
        "UPDATE fill SET qty_raw = qty_raw + 1 WHERE exec_id = 'x3'",
        "UPDATE terminal SET ended_ns = ended_ns + 1",
        "UPDATE report SET state = 7 WHERE report_seq = 1",
        "UPDATE sent SET outcome = 2",
        "UPDATE risk_state SET state = replace(state, 'true', 'false')",
        "UPDATE report SET delivered = 1 WHERE delivered = 0",
    ],
)
def test_a_row_that_is_not_what_was_written_is_refused(change: str, folder: Path) -> None:
    connection = sqlite3.connect(folder / "orders.db", isolation_level=None)
    connection.execute(change)
    connection.close()
    refused(folder, "not what was written")


def test_a_newer_journal_is_refused(folder: Path) -> None:
    connection = sqlite3.connect(folder / "orders.db", isolation_level=None)
    connection.execute(f"PRAGMA user_version = {SCHEMA.version + 1}")
    connection.close()
    refused(folder, "version 2, this program knows 1")


def test_another_database_is_refused(tmp_path: Path) -> None:
    connection = sqlite3.connect(tmp_path / "orders.db", isolation_level=None)
    connection.execute("CREATE TABLE x (y)")
    connection.close()
    refused(tmp_path, "not an order journal")


def test_a_journal_of_which_only_the_wal_is_left_is_refused(folder: Path) -> None:
    (folder / "orders.db").rename(folder / "orders.db-wal")
    refused(folder, "is gone")


def test_damage_found_while_running_stops_trading_for_good(folder: Path) -> None:
    async def story() -> None:
        states: list[tuple[bool, str]] = []
        async with opened(folder, on_state=lambda works, cause: states.append((works, cause))) as (journal, _):
            other = sqlite3.connect(folder / "orders.db", isolation_level=None)
            other.execute("UPDATE sent SET outcome = 2")
            other.close()
            with pytest.raises(JournalError, match="not what was written"):
                await journal.find(first_wire(request("id-1")))
            await asyncio.sleep(0)
            assert not journal.is_available
            with pytest.raises(JournalError, match="damaged"):
                await intended(journal, request("new"), wire(request("new")))
            assert [works for works, _ in states] == [True, False]

    asyncio.run(story())


# --- versions -----------------------------------------------------------------------------------------------

OLD = Schema(version=7, create=SCHEMA.create.replace("venue_order_id TEXT, ts_ns INTEGER NOT NULL,\n  seal", "ts_ns INTEGER NOT NULL,\n  seal", 1))
STEP = """
ALTER TABLE sent RENAME TO old_sent;
CREATE TABLE sent (
  order_no INTEGER PRIMARY KEY, outcome INTEGER NOT NULL, venue_order_id TEXT, ts_ns INTEGER NOT NULL,
  seal INTEGER NOT NULL);
DROP TABLE old_sent;
"""
NEW = Schema(version=9, create=SCHEMA.create, steps={7: "", 8: STEP})


def old_journal(folder: Path) -> None:
    connection = sqlite3.connect(folder / "orders.db", isolation_level=None)
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    connection.executescript(f"{OLD.create}PRAGMA user_version = 7;")
    connection.execute("PRAGMA journal_mode = WAL")
    connection.close()


def test_an_older_journal_is_copied_aside_and_brought_up(tmp_path: Path) -> None:
    old_journal(tmp_path)
    before = (tmp_path / "orders.db").read_bytes()

    async def story() -> None:
        async with opened(tmp_path, schema=NEW) as (journal, _):
            await intended(journal, request(), wire(request()))
            journal.sent(first_wire(request()), Sent.TAKEN, "v")
        async with opened(tmp_path, schema=NEW) as (_, found):
            assert found.orders[0].venue_order_id == "v"

    asyncio.run(story())
    copy = sqlite3.connect(tmp_path / "orders.db.v7")
    assert copy.execute("PRAGMA user_version").fetchone() == (7,)
    assert "venue_order_id" not in copy.execute("SELECT sql FROM sqlite_schema WHERE name = 'sent'").fetchone()[0]
    copy.close()
    assert before


@pytest.mark.parametrize("step", ["CREATE TABLE sent (x)", "DROP TABLE sent", "nonsense"])
def test_a_step_that_fails_leaves_the_older_journal(step: str, tmp_path: Path) -> None:
    old_journal(tmp_path)

    async def story() -> None:
        broken = Schema(version=9, create=SCHEMA.create, steps={7: STEP, 8: step + ";"})
        with pytest.raises(JournalError, match="version 7 could not be brought to 9"):
            await journal_in(tmp_path, schema=broken).open()

    asyncio.run(story())
    connection = sqlite3.connect(tmp_path / "orders.db")
    assert connection.execute("PRAGMA user_version").fetchone() == (7,)
    assert "venue_order_id" not in connection.execute("SELECT sql FROM sqlite_schema WHERE name = 'sent'").fetchone()[0]
    connection.close()


def test_a_version_that_never_was_is_refused(tmp_path: Path) -> None:
    old_journal(tmp_path)

    async def story() -> None:
        with pytest.raises(JournalError, match="never was"):
            await journal_in(tmp_path, schema=Schema(version=9, create=SCHEMA.create, steps={8: ""})).open()

    asyncio.run(story())
