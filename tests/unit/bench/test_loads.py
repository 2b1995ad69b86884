"""Each load of the micro suite proves its answer, and refuses a figure when the answer is wrong."""

from __future__ import annotations

import re
import zlib
from dataclasses import replace

import pytest

from engine.bench import suite_micro
from engine.bench.bookload import READS, BookLoad
from engine.bench.checksumload import MODES, ChecksumLoad
from engine.bench.data.book_updates import OPENING_QUANTITY, book_updates, opening_levels
from engine.bench.data.generated import generated_kraken
from engine.bench.data.krakenload import checksum_load
from engine.bench.poolload import PoolLoad
from engine.bench.rig import WrongResultError
from engine.pools.recycler import Recycler
from engine.schema.enums import EventType, OrderingMode

TINY_S = 0.001


@pytest.mark.parametrize("read", READS)
def test_the_book_load_ends_with_the_book_of_a_plain_ladder(read: str) -> None:
    updates = book_updates(1_000)
    load = BookLoad(updates.side, updates.price_ticks, updates.quantity)
    bids, asks = ([(price, OPENING_QUANTITY) for price in side] for side in opening_levels())
    load.open(bids, asks)
    assert load.run(read) > 0
    plain = [dict(bids), dict(asks)]
    for side, price, quantity in zip(updates.side, updates.price_ticks, updates.quantity, strict=True):
        if quantity:
            plain[side][price] = quantity
        else:
            plain[side].pop(price, None)
    assert load.ladder.levels(0) == sorted(plain[0].items(), reverse=True)
    assert load.ladder.levels(1) == sorted(plain[1].items())
    assert load.count == 1_000


@pytest.mark.timeout(30)
def test_the_book_rows_are_refused_when_the_ladder_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    right = suite_micro._plain_book
    monkeypatch.setattr(suite_micro, "_plain_book", lambda updates: [side[1:] for side in right(updates)])
    with pytest.raises(WrongResultError, match="side 0"):
        list(suite_micro.book(TINY_S, 200))


@pytest.mark.parametrize("mode", MODES[1:])
def test_both_checksums_are_the_ones_on_the_wire(mode: str) -> None:
    corpus = generated_kraken(300)
    load, open_books = checksum_load(corpus)
    open_books(load)
    _, wrong = load.run(mode)
    assert wrong == 0
    assert load.messages == 300


@pytest.mark.parametrize("mode", MODES[1:])
def test_a_wrong_checksum_is_counted(mode: str) -> None:
    asks, bids = [(2_000, 5), (2_001, 7)], [(1_999, 3)]
    text = "".join(f"{price}{qty}" for price, qty in [(2_000, 9), *asks[1:], *bids])
    right = zlib.crc32(text.encode())
    load = ChecksumLoad([(0, [(1, 2_000, 9)], right), (0, [(1, 2_000, 8)], right)], 1, 10)
    load.open(0, bids, asks)
    _, wrong = load.run(mode)
    assert wrong == 1


def test_the_checksum_rows_are_refused_when_one_is_wrong() -> None:
    corpus = generated_kraken(50)
    frames = [*corpus.frames[:-1], re.sub(rb'"checksum":\d+', b'"checksum":1', corpus.frames[-1])]
    with pytest.raises(WrongResultError, match="not those on the wire"):
        list(suite_micro.checksum(replace(corpus, frames=frames), TINY_S))


def test_the_pool_load_leaves_the_pool_at_rest() -> None:
    recycler = Recycler({EventType.BOOK_UPDATE: 64})
    assert PoolLoad(recycler).run(640, 16) > 0
    row = recycler.statistics().pools["BookUpdate"]
    assert (row.acquired, row.recycled, row.in_use, row.in_use_peak) == (640, 640, 0, 16)
    assert PoolLoad.run_slab(640, 16) > 0
    with pytest.raises(ValueError, match=r"1\.\.64"):
        PoolLoad(recycler).run(1, 65)


def test_the_fan_out_reaches_every_consumer() -> None:
    fan = suite_micro.Fan(4)
    fanout_ns, whole_ns = fan.run(3)
    assert 0 < fanout_ns <= whole_ns
    fan.prove()
    fan.bursts += 1
    with pytest.raises(WrongResultError, match="deliveries"):
        fan.prove()


def test_late_orders_are_late_by_what_they_say_and_repeat() -> None:
    order = suite_micro.late_order(5_000)
    assert sorted(order) == list(range(5_000))
    assert order == suite_micro.late_order(5_000)
    behind = [max(order[:place], default=0) - number for place, number in enumerate(order)]
    late = [distance for distance in behind if distance > 0]
    assert 0.04 < len(late) / len(order) < 0.06
    assert max(late) <= suite_micro.LATE_PLACES_MAX


@pytest.mark.parametrize("late", [False, True])
def test_the_order_load_brings_every_event_through_once(late: bool) -> None:
    order = suite_micro.Order(suite_micro.late_order(4_096) if late else list(range(4_096)))
    for _ in range(2):
        assert order.run(OrderingMode.CONTIGUOUS) > 0
    (row,) = order.dispatcher.statistics().values()
    assert (row.held_total > 0) == late
    order.prove()


def test_a_lost_event_is_seen() -> None:
    order = suite_micro.Order([0, 2, 3])
    order.run(OrderingMode.CONTIGUOUS)
    with pytest.raises(WrongResultError, match="3 events became"):
        order.prove()
    order.dispatcher.flush_held()
    order.load.close()
