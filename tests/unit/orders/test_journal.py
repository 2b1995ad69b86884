"""The order journal: what is committed, what is read back, what waits for whom (JRN-01 to JRN-06, JRN-11 to JRN-13)."""

from __future__ import annotations

import asyncio
import os
import sqlite3
from decimal import Decimal
from pathlib import Path
from typing import Self

import pytest

from engine.base.clock import ManualClock
from engine.base.errors import ConflictError, JournalError
from engine.orders import journalstore
from engine.orders.journal import Journal
from engine.orders.journalschema import PAGE_BYTES
from engine.orders.journalstore import connect
from engine.orders.records import Intended, KillState, Position
from engine.schema.enums import Side
from engine.schema.order import Breach, Fee, OrderState, Sent
from tests.unit.orders.kit import (
    DAY_NS,
    NS,
    START_NS,
    fill,
    first_wire,
    intended,
    journal_in,
    opened,
    plain,
    report,
    request,
    taken,
    wire,
)

TABLES = {"intent", "sent", "report", "fill", "terminal", "position", "risk_state"}


def rows(folder: Path, query: str) -> list[tuple[object, ...]]:
    connection = sqlite3.connect(folder / "orders.db")
    try:
        return connection.execute(query).fetchall()
    finally:
        connection.close()


# --- what it holds ------------------------------------------------------------------------------------------


def test_jrn_01_the_tables_are_these_and_nothing_else(tmp_path: Path) -> None:
    async def story() -> None:
        async with opened(tmp_path):
            pass

    asyncio.run(story())
    assert {row[0] for row in rows(tmp_path, "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")} == TABLES
    assert rows(tmp_path, "PRAGMA journal_mode") == [("wal",)]


@pytest.mark.parametrize(("durability", "pragma"), [("process", 1), ("power", 2)])
def test_jrn_04_the_disk_is_synced_as_configured(durability: str, pragma: int, tmp_path: Path) -> None:
    sqlite3.connect(tmp_path / "x.db").close()
    connection = connect(tmp_path / "x.db", durability)  # type: ignore[arg-type]
    assert connection.execute("PRAGMA synchronous").fetchone() == (pragma,)
    connection.close()


def test_jrn_06_an_order_is_read_back_as_it_was(tmp_path: Path) -> None:
    asked = request()

    async def first() -> None:
        async with opened(tmp_path) as (journal, found):
            assert found.orders == ()
            assert await intended(journal, asked, wire(asked)) == Intended("w-mm1-mm1-1-1", 1)
            journal.sent(first_wire(asked), Sent.TAKEN, "v-1")
            journal.report(report(asked, 1, OrderState.ACKED, venue_order_id="v-1"))
            journal.report(report(asked, 2, OrderState.PARTIALLY_FILLED, fill=fill("x1", 50, "0.1"), venue_order_id="v-1"))

    async def second() -> None:
        async with opened(tmp_path) as (journal, found):
            (order,) = found.orders
            assert order.request == asked
            assert (order.wire_order_id, order.use_no, order.sent, order.venue_order_id) == ("w-mm1-mm1-1-1", 1, Sent.TAKEN, "v-1")
            assert (order.state, order.report_seq, order.filled_qty_raw) == (OrderState.PARTIALLY_FILLED, 2, 50)
            assert order.ended_ns is None
            assert order.fills == (fill("x1", 50, "0.1"),)
            assert found.exec_ids == {("simulated", "BTC-USD", "x1")}
            assert found.last_fill_ns == {("simulated", "BTC-USD"): START_NS}
            assert found.positions == (
                Position(consumer_id="mm1", provider="simulated", symbol="BTC-USD", net_qty=Decimal("0.50"), fees=(Fee("USD", Decimal("0.1")),)),
            )
            assert await journal.find("w-mm1-mm1-1-1") == order
            assert await journal.find("w-none") is None

    asyncio.run(first())
    asyncio.run(second())


def test_jrn_05_an_intent_without_a_word_of_its_sending_is_unknown(tmp_path: Path) -> None:
    async def story() -> None:
        async with opened(tmp_path) as (journal, _):
            await intended(journal, request(), wire(request()))
        async with opened(tmp_path) as (_, found):
            assert [(order.state, order.sent) for order in found.orders] == [(OrderState.UNKNOWN, None)]

    asyncio.run(story())


def test_jrn_11_a_replayed_fill_adds_nothing(tmp_path: Path) -> None:
    asked, other = request("a"), request("b", side=Side.SELL)

    async def story() -> None:
        async with opened(tmp_path) as (journal, _):
            for each in (asked, other):
                await intended(journal, each, wire(each))
            for seq, exec_id, qty in ((1, "x1", 30), (2, "x2", 70), (3, "x1", 30), (4, "x2", 70)):
                journal.report(report(asked, seq, OrderState.PARTIALLY_FILLED, fill=fill(exec_id, qty)))
            journal.report(report(other, 1, OrderState.PARTIALLY_FILLED, fill=fill("", 5)))
            journal.report(report(other, 2, OrderState.PARTIALLY_FILLED, fill=fill("", 5)))
        async with opened(tmp_path) as (_, found):
            assert [order.filled_qty_raw for order in found.orders] == [100, 10]
            assert [position.net_qty for position in found.positions] == [Decimal("0.90")]

    asyncio.run(story())


def test_jrn_12_reports_without_a_word_of_delivery_come_again_by_consumer_and_in_order(tmp_path: Path) -> None:
    mine, theirs = request("a"), request("a", consumer_id="mm2")

    async def story() -> None:
        async with opened(tmp_path) as (journal, _):
            for each in (mine, theirs):
                await intended(journal, each, wire(each))
            numbers = [journal.report(report(mine, seq, OrderState.ACKED)) for seq in (1, 2, 3)]
            journal.report(report(theirs, 1, OrderState.ACKED))
            assert numbers == [1, 2, 3]
            journal.delivered("mm1", numbers[1])
        async with opened(tmp_path) as (journal, found):
            assert {name: [(each.report_no, each.order_report_seq) for each in reports] for name, reports in found.undelivered.items()} == {
                "mm1": [(3, 3)],
                "mm2": [(4, 1)],
            }
            assert found.undelivered["mm1"][0].body == b'{"report":3}'
            assert journal.report(report(mine, 4, OrderState.ACKED)) == 5
            journal.delivered("mm1", 5)
        async with opened(tmp_path) as (_, found):
            assert list(found.undelivered) == ["mm2"]

    asyncio.run(story())


def test_rsk_10_the_kill_switch_is_read_back(tmp_path: Path) -> None:
    state = KillState(is_on=True, since_ns=5, breach=Breach.PRICE_BAND, breaker_opens=4, operator="anna", text="enough")

    async def story() -> None:
        async with opened(tmp_path) as (journal, found):
            assert not found.kill.is_on
            journal.risk_state(KillState(is_on=True))
            journal.risk_state(state)
        async with opened(tmp_path) as (_, found):
            assert found.kill == state

    asyncio.run(story())


# --- ids ----------------------------------------------------------------------------------------------------


def test_trd_05_the_next_use_of_a_known_id_is_numbered_and_a_withdrawn_one_is_not_used(tmp_path: Path) -> None:
    asked = request()

    async def story() -> None:
        async with opened(tmp_path) as (journal, _):
            assert (await intended(journal, asked, wire(asked))).use_no == 1
            journal.withdraw(first_wire(asked))
            assert (await intended(journal, asked, wire(asked))).use_no == 1
            assert await intended(journal, asked, wire(asked)) == Intended("w-mm1-mm1-1-2", 2)
        async with opened(tmp_path) as (journal, _):
            assert (await intended(journal, asked, wire(asked))).use_no == 3

    asyncio.run(story())


def test_trd_06_a_wire_id_that_is_anothers_is_refused_and_the_others_of_its_group_are_not(tmp_path: Path) -> None:
    asked = [request(str(number)) for number in range(5)]

    async def story() -> None:
        async with opened(tmp_path) as (journal, _):
            await intended(journal, request("first"), lambda _: "taken")
            found = await asyncio.gather(
                *(intended(journal, each, (lambda _: "taken") if each.client_order_id == "2" else wire(each)) for each in asked),
                return_exceptions=True,
            )
            assert [type(each) for each in found] == [Intended, Intended, ConflictError, Intended, Intended]
            assert journal.is_available
        async with opened(tmp_path) as (_, found):
            assert [order.request.client_order_id for order in found.orders] == ["first", "0", "1", "3", "4"]

    asyncio.run(story())


def test_trd_04_an_ended_order_is_known_until_its_id_is_free(tmp_path: Path) -> None:
    clock, asked = ManualClock(START_NS), request()

    async def known() -> list[OrderState]:
        async with opened(tmp_path, clock) as (_, found):
            return [order.state for order in found.orders]

    async def story() -> None:
        async with opened(tmp_path, clock) as (journal, _):
            await intended(journal, asked, wire(asked))
            journal.report(report(asked, 1, OrderState.CANCELLED))
        clock.advance(59 * 60 * NS)
        assert await known() == [OrderState.CANCELLED]
        clock.advance(2 * 60 * NS)
        assert await known() == []

    asyncio.run(story())


def test_ordm_20_a_late_fill_changes_the_end_and_not_when_it_was(tmp_path: Path) -> None:
    asked = request()

    async def story() -> None:
        async with opened(tmp_path) as (journal, _):
            await intended(journal, asked, wire(asked))
            journal.report(report(asked, 1, OrderState.CANCELLED))
            journal.report(report(asked, 2, OrderState.FILLED, fill=fill("late", 200)))
        async with opened(tmp_path) as (_, found):
            (order,) = found.orders
            assert (order.state, order.ended_ns, order.filled_qty_raw) == (OrderState.FILLED, START_NS + 1, 200)

    asyncio.run(story())


# --- who waits for whom -------------------------------------------------------------------------------------


@pytest.fixture(autouse=True)
def _patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """However slow the machine, a stall ends when its test says so."""
    monkeypatch.setattr(journalstore, "BUSY_TIMEOUT_S", 60.0)


class Stall:
    """The disk stands still: another writer holds the file. Ended at the latest by leaving it."""

    def __init__(self, folder: Path) -> None:
        self._connection = sqlite3.connect(folder / "orders.db", isolation_level=None)

    def __enter__(self) -> Self:
        self._connection.execute("BEGIN IMMEDIATE")
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._connection.close()

    def end(self) -> None:
        self._connection.execute("ROLLBACK")


def test_jrn_02_a_submit_waits_for_its_commit_and_the_loop_does_not(tmp_path: Path) -> None:
    async def story() -> None:
        async with opened(tmp_path) as (journal, _):
            with Stall(tmp_path) as stall:
                waiting = asyncio.gather(intended(journal, request(), wire(request())))
                for _ in range(1000):
                    await asyncio.sleep(0)
                assert not waiting.done()
                stall.end()
                assert await waiting == [Intended("w-mm1-mm1-1-1", 1)]

    asyncio.run(story())


def test_jrn_03_what_comes_while_a_commit_lasts_is_one_commit(tmp_path: Path) -> None:
    async def story() -> None:
        async with opened(tmp_path) as (journal, _):
            with Stall(tmp_path) as stall:
                first = asyncio.gather(intended(journal, request("first"), wire(request("first"))))
                await taken(journal)
                before = journal.statistics().commits
                rest = asyncio.gather(*(intended(journal, request(str(n)), wire(request(str(n)))) for n in range(100)))
                await asyncio.sleep(0)
                stall.end()
                await asyncio.gather(first, rest)
                after = journal.statistics()
                assert (after.commits - before, after.group_max) == (2, 100)

    asyncio.run(story())


def test_what_commits_took_is_counted(tmp_path: Path) -> None:
    async def story() -> None:
        async with opened(tmp_path) as (journal, _):
            for name in "abc":
                await intended(journal, request(name), wire(request(name)))
            assert journal.commit_ns.count == journal.statistics().commits == 3
            assert 0 < journal.commit_ns.min_ns <= journal.commit_ns.max_ns
        assert journal.statistics().commits == journal.commit_ns.count >= 3          # and is told when it has closed

    asyncio.run(story())


def test_jrn_03_a_full_queue_refuses_orders_and_takes_reports(tmp_path: Path) -> None:
    asked = [request(str(number)) for number in range(16)]

    async def story() -> None:
        async with opened(tmp_path, queue_max=16) as (journal, _):
            with Stall(tmp_path) as stall:
                first = asyncio.gather(intended(journal, request("first"), wire(request("first"))))
                await taken(journal)
                rest = asyncio.gather(*(intended(journal, each, wire(each)) for each in asked))
                await asyncio.sleep(0)
                assert not journal.is_available
                assert journal.cause == "16 writes wait already"
                with pytest.raises(JournalError, match="16 writes wait already"):
                    await intended(journal, request("one too many"), wire(request("one too many")))
                journal.report(report(asked[0], 1, OrderState.ACKED))
                stall.end()
                await asyncio.gather(first, rest)
                assert journal.is_available
                assert journal.statistics().refused == 1
        async with opened(tmp_path) as (_, found):
            assert len(found.orders) == 17
            assert len(found.undelivered["mm1"]) == 1

    asyncio.run(story())


def test_reports_past_four_times_the_queue_are_counted_and_not_kept(tmp_path: Path) -> None:
    async def story() -> None:
        async with opened(tmp_path, queue_max=16) as (journal, _):
            await intended(journal, request(), wire(request()))
            with Stall(tmp_path) as stall:
                journal.delivered("mm1", 0)
                await taken(journal)
                for seq in range(1, 71):
                    journal.report(report(request(), seq, OrderState.ACKED))
                stall.end()
                await journal.settled()
                assert journal.statistics().unwritten == 6
        async with opened(tmp_path) as (_, found):
            assert [each.order_report_seq for each in found.undelivered["mm1"]] == list(range(1, 65))

    asyncio.run(story())


def test_a_journal_that_is_not_open_refuses(tmp_path: Path) -> None:
    async def story() -> None:
        journal = journal_in(tmp_path)
        assert not journal.is_available
        with pytest.raises(JournalError, match="not open"):
            await intended(journal, request(), wire(request()))
        await journal.open()
        with pytest.raises(JournalError, match="open already"):
            await journal.open()
        await journal.close()
        await journal.close()
        assert journal.cause == "the journal is closed"
        with pytest.raises(JournalError, match="closed"):
            await intended(journal, request(), wire(request()))

    asyncio.run(story())


def test_two_engines_never_share_a_journal(tmp_path: Path) -> None:
    async def story() -> None:
        async with opened(tmp_path) as (journal, _):
            with pytest.raises(JournalError, match="another engine's"):
                await journal_in(tmp_path).open()
            await intended(journal, request(), wire(request()))
        async with opened(tmp_path) as (_, found):
            assert len(found.orders) == 1

    asyncio.run(story())


# --- retention ----------------------------------------------------------------------------------------------


def test_jrn_13_rows_go_after_their_days_and_the_positions_stay(tmp_path: Path) -> None:
    clock = ManualClock(START_NS)
    sides = (Side.BUY, Side.SELL, Side.BUY)

    async def story() -> None:
        async with opened(tmp_path, clock, retention_days=30) as (journal, _):
            await intended(journal, request("open"), wire(request("open")))
            journal.report(report(request("open"), 1, OrderState.PARTIALLY_FILLED, fill=fill("open", 1, "0.5", clock.now())))
            for number in range(600):
                asked = request(str(number), side=sides[number % 3], symbol=("BTC-USD", "ETH-USD")[number % 2])
                await intended(journal, asked, wire(asked))
                ended = report(asked, 1, OrderState.FILLED, fill=fill(f"x{number}", 7 + number, "-0.001"), ts_ns=clock.now())
                journal.report(ended)
        async with opened(tmp_path, clock, retention_days=30) as (journal, found):
            before = found.positions
            assert len(before) == 2
            clock.advance(30 * DAY_NS)
            await journal.settled()
            await journal.settled()
            assert journal.statistics().purged == 0
            clock.advance(60 * NS)
            while journal.statistics().purged < 600:
                await journal.settled()
        async with opened(tmp_path, clock, retention_days=30) as (journal, found):
            assert found.positions == before
            assert [order.request.client_order_id for order in found.orders] == ["open"]
            assert (await intended(journal, request("1"), wire(request("1")))).use_no == 1
        counts = {table: rows(tmp_path, f"SELECT count(*) FROM {table}")[0][0] for table in TABLES}
        assert counts == {"intent": 2, "sent": 0, "report": 1, "fill": 1, "terminal": 0, "position": 2, "risk_state": 0}

    asyncio.run(story())


def test_jrn_13_the_file_stays_bounded(tmp_path: Path) -> None:
    clock = ManualClock(START_NS)
    sizes: list[int] = []

    async def day(journal: Journal, number: int) -> None:
        asked = [request(f"{number}-{each}", created_ns=clock.now()) for each in range(150)]
        await asyncio.gather(*(intended(journal, each, wire(each)) for each in asked))
        for each in asked:
            made = fill(each.client_order_id, 1, "0.01", clock.now())
            journal.report(report(each, 1, OrderState.FILLED, fill=made, ts_ns=clock.now()))

    async def story() -> None:
        async with opened(tmp_path, clock, retention_days=2) as (journal, _):
            for number in range(10):
                await day(journal, number)
                clock.advance(DAY_NS)
                wanted = max(0, number - 1) * 150
                await journal.settled()
                while journal.statistics().purged < wanted:
                    await journal.settled()
                assert rows(tmp_path, "PRAGMA freelist_count") == [(0,)]
                sizes.append(rows(tmp_path, "PRAGMA page_count")[0][0])  # type: ignore[arg-type]
        async with opened(tmp_path, clock, retention_days=2) as (_, found):
            assert found.positions[0].net_qty == Decimal(10 * 150).scaleb(-2)
            assert found.positions[0].fees == (Fee("USD", Decimal("15.00")),)

    asyncio.run(story())
    assert max(sizes[5:]) <= 1.1 * max(sizes[:5])


def test_the_same_is_read_twice(tmp_path: Path) -> None:
    async def story() -> None:
        async with opened(tmp_path) as (journal, _):
            for number in range(20):
                asked = request(str(number))
                await intended(journal, asked, wire(asked))
                journal.report(report(asked, 1, OrderState.FILLED if number % 2 else OrderState.ACKED, fill=fill(str(number), 3)))
        async with opened(tmp_path) as (_, first):
            pass
        async with opened(tmp_path) as (_, second):
            assert plain(first) == plain(second)

    asyncio.run(story())


# --- a month of it ------------------------------------------------------------------------------------------

ORDERS = int(os.environ.get("ENGINE_JOURNAL_ORDERS", "30000"))
A_DAY = 3_000


@pytest.mark.soak
def test_jrn_13_a_long_life_levels_off(tmp_path: Path) -> None:
    clock, sizes, counts = ManualClock(START_NS), list[int](), list[int]()
    days = ORDERS // A_DAY
    net = Decimal(0)

    async def story() -> None:
        nonlocal net
        async with opened(tmp_path, clock, retention_days=3, queue_max=2 * A_DAY) as (journal, _):
            for day in range(days):
                asked = [request(f"{day}-{each}", created_ns=clock.now(), side=Side.SELL if each % 3 else Side.BUY) for each in range(A_DAY)]
                await asyncio.gather(*(intended(journal, each, wire(each)) for each in asked))
                for number, each in enumerate(asked):
                    journal.report(report(each, 1, OrderState.FILLED, fill=fill(each.client_order_id, 1 + number, "0.01", clock.now()), ts_ns=clock.now()))
                    net += Decimal((1 + number) * (-1 if number % 3 else 1)).scaleb(-2)
                await journal.settled()
                clock.advance(DAY_NS)
                while journal.statistics().purged < max(0, day - 2) * A_DAY:
                    await journal.settled()
                # With what is still in the log: the file itself follows when that is full.
                sizes.append(rows(tmp_path, "PRAGMA page_count")[0][0])  # type: ignore[arg-type]
                counts.append(rows(tmp_path, "SELECT count(*) FROM intent")[0][0])  # type: ignore[arg-type]
        async with opened(tmp_path, clock, retention_days=3) as (_, found):
            assert [each.net_qty for each in found.positions] == [net]

    asyncio.run(story())
    assert max(counts) <= 5 * A_DAY
    assert max(sizes[days // 2 :]) <= 1.1 * max(sizes[: days // 2])
    assert (tmp_path / "orders.db").stat().st_size <= PAGE_BYTES * max(sizes)
