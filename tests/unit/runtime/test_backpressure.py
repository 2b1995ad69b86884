"""BP-05, RTE-07, SUB-08: a consumer that gets one event in a hundred rebuilds the source's book from what it gets."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

import engine
from engine.schema.enums import EventFlag
from tests.unit.runtime.engine_kit import UNLIMITED
from tests.unit.runtime.market_kit import Market, levels_of

BOOK = ("BookUpdate",)
ONE_AT_A_TIME = (*UNLIMITED, "dispatcher.quantum_events=1", "pools.BookUpdate.capacity=16384")


class Throttled:
    """Rebuilds each book and compares it at every event; *bursts* times the market moves on while it is called."""

    def __init__(self, market: Market, bursts: int, work: Any) -> None:
        self.market = market
        self.bursts = bursts
        self.work = work
        self.books: dict[str, Any] = {}
        self.seen: Counter[str] = Counter()
        self.compared = 0
        self.folded = 0

    def on_event(self, event: Any, ctx: Any) -> None:
        kind = type(event).__name__
        self.seen[kind] += 1
        if kind in ("BookSnapshot", "BookUpdate"):
            self._take(event, kind)
        if self.bursts:
            self.bursts -= 1
            self.work(self.market)

    def _take(self, event: Any, kind: str) -> None:
        book = self.books.setdefault(event.symbol, engine.Book())
        if book.apply(event):
            assert levels_of(book, event) == self.market.twins[event.symbol].states[event.seq_provider], event.as_dict()
            self.compared += 1
        if kind == "BookSnapshot":
            self.seen[f"snapshot {event.reason.name}"] += 1
        if EventFlag.COALESCED in event.flags:
            self.folded += 1
            assert event.folded_count > 1
            assert event.first_update_id <= event.final_update_id


def burst(market: Market, events: int = 100) -> None:
    """*events* of the market, with a resync now and then."""
    for _ in range(events):
        symbol = market.rng.choice(sorted(market.twins))
        what = market.rng.random()
        if what < 0.003:
            market.resync(symbol)
        elif what < 0.1:
            market.trade(symbol)
        else:
            market.diff(symbol)


def balanced(market: Market) -> dict[str, dict[str, int]]:
    """Counts of each consumer, after the engine has shown that they add up."""
    summary = market.engine.summary()
    assert summary.imbalances == []
    return summary.consumers


@pytest.mark.property
@pytest.mark.parametrize("seed", range(12))
def test_bp_05_a_consumer_at_one_percent_of_the_rate_has_the_sources_book_at_every_event(seed: int) -> None:
    with Market(seed, ("BTC", "ETH", "SOL"), sets=ONE_AT_A_TIME) as market:
        slow = Throttled(market, 50, burst)
        fast = Throttled(market, 0, None)
        market.add("slow", slow, ("BookUpdate", "Trade"), capacity=16)
        market.add("fast", fast, BOOK, capacity=4096)
        burst(market, 3)
    rows = balanced(market)
    assert slow.compared > 20
    assert slow.folded > 5
    assert rows["slow"]["coalesced"] > 1000
    assert rows["fast"]["coalesced"] == rows["fast"]["dropped"] == rows["fast"]["skipped"] == 0, "idle: all pass"
    assert fast.compared > 800


@pytest.mark.property
@pytest.mark.parametrize("has_filter", [True, False])
@pytest.mark.parametrize("seed", range(6))
def test_rte_07_the_book_is_right_across_route_flips_too(seed: int, has_filter: bool) -> None:
    symbols = ("BTC-USDT", "ETH-USDT", "SOL-USDT")

    def flipping(market: Market) -> None:
        if market.rng.random() < 0.75:
            burst(market, 30)
            return
        held = {row.content.symbol for row in market.engine.desk.subscriptions("slow") if row.content.event_types == BOOK}
        symbol = market.rng.choice(symbols[1:])
        (market.unsubscribe if symbol in held else market.subscribe)("slow", symbol, BOOK)
        burst(market, 30)

    with Market(seed, ("BTC", "ETH", "SOL"), sets=ONE_AT_A_TIME) as market:
        slow = Throttled(market, 120, flipping)
        market.add("slow", slow, BOOK, capacity=16, version_filter=has_filter)
        burst(market, 3)
    rows = balanced(market)
    assert slow.compared > 60
    assert rows["slow"]["skipped_version"] > 0
    assert slow.seen["snapshot INITIAL"] > 5, "SUB-08: a new subscription begins with the book"
    if has_filter:
        assert slow.seen["snapshot DIRTY"] > 0


def test_types_that_may_not_coalesce_are_lost_and_mended_instead() -> None:
    sets = (*ONE_AT_A_TIME, "dispatcher.coalescable_types=[Ticker]")
    with Market(1, ("BTC", "ETH"), sets=sets) as market:
        slow = Throttled(market, 60, lambda market: burst(market, 40))
        market.add("slow", slow, BOOK, capacity=16)
        burst(market, 3)
    row = balanced(market)["slow"]
    assert row["coalesced"] == 0
    assert row["dropped"] > 500
    assert slow.seen["snapshot DIRTY"] > 5
    assert slow.compared > 20


# --- pools --------------------------------------------------------------------------------------------------


def test_mem_12_an_exhausted_pool_folds_then_asks_to_read_less_then_drops_and_never_stalls() -> None:
    """Two consumers that hold everything: each rung has its counter, books stay right, the loop goes on."""
    asked: list[str] = []
    sets = (*UNLIMITED, "dispatcher.quantum_events=1", "pools.BookUpdate.capacity=20", "pools.Trade.capacity=20")
    with Market(3, ("BTC", "ETH"), sets=sets) as market:
        market.feed.on_pressure = lambda: not asked.append("pause")  # type: ignore[func-returns-value]
        slow = Throttled(market, 40, burst)
        other = Throttled(market, 0, None)
        market.add("slow", slow, ("BookUpdate", "Trade"), capacity=256)
        market.add("other", other, ("BookUpdate", "Trade"), capacity=256)
        burst(market, 3)
        longest_ns = max(market.engine.runners["slow"].callback.max_ns, 1)
        told = market.engine.telemetry.records()
    rows = balanced(market)
    assert rows["slow"]["coalesced"] > 100, "folded, however empty the mailbox"
    assert slow.compared > 10
    assert other.compared > 10
    assert asked
    rungs = [row.metadata["rung"] for row in told if row.type.text == "backpressure.triggered"]
    assert rungs.index("coalesce") < rungs.index("pause") < rungs.index("drop"), "BP-01: in this order"
    assert any(row.type.text == "pool.exhausted" for row in told)
    dead = [row for row in market.engine.dlq.records() if row.reason.text == "pool_exhausted"]
    lost = market.feed.stream.unpublished + sum(book.unpublished for book in market.feed.stream.book_list())
    assert sum(row.count for row in dead) == lost > 0
    assert longest_ns < 5_000_000_000
