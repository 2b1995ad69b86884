"""The rules of a Binance book, one by one, on captures of a few records."""

from typing import Any

import pytest

from tests.twins.capture_io import Record
from tests.twins.facts_compare import EMPTY_BOOK, has
from tests.twins.facts_twin import facts_of_records
from tests.twins.frames import binance_diff, binance_snapshot, binance_ticker, frame


def binance_book(*records: Record) -> dict[str, Any]:
    book: dict[str, Any] = facts_of_records(list(records))["books"]["AB"]
    return book


def test_buffer_joins_the_snapshot() -> None:
    book = binance_book(
        binance_diff(5, 9),
        binance_diff(10, 12, [["9", "2"]]),
        binance_diff(13, 14, asks=[["11", "0"]]),
        binance_snapshot(10),
    )
    assert has(book, in_sync=True, last_update_id=14, diffs=3, applied=2, stale_dropped=1, gaps=0)
    assert has(book, overlapping_applied=1, top_bids=[["10", "1"], ["9", "2"]], top_asks=[])


@pytest.mark.parametrize(("snapshot_id", "in_sync"), [(3, False), (4, True)])
def test_snapshot_just_before_the_buffer_is_the_oldest_accepted(snapshot_id: int, in_sync: bool) -> None:
    book = binance_book(binance_diff(5, 9), binance_snapshot(snapshot_id))
    assert has(book, in_sync=in_sync, snapshots=1)
    assert book.get("snapshots_too_old", 0) == (not in_sync)


def test_old_snapshot_keeps_the_buffer() -> None:
    book = binance_book(binance_diff(5, 9), binance_snapshot(2), binance_diff(10, 12), binance_snapshot(6))
    assert has(book, in_sync=True, last_update_id=12, applied=2, snapshots=2, snapshots_too_old=1)


def test_snapshot_in_sync_is_counted_only() -> None:
    book = binance_book(binance_snapshot(10), binance_snapshot(12, bids=[["9", "5"]]), binance_diff(11, 11))
    assert has(book, last_update_id=11, applied=1, snapshots_ignored_in_sync=1, top_bids=[["10", "1"]])


def test_gap_loses_the_book_until_a_snapshot_that_reaches_the_gapping_diff() -> None:
    records = [binance_snapshot(10), binance_diff(11, 12), binance_diff(14, 15), binance_diff(16, 17)]
    lost = binance_book(*records)
    assert has(lost, in_sync=False, last_update_id=None, gaps=1, gap_at=[[12, 14]], applied=1, **EMPTY_BOOK)
    assert has(lost, stream_breaks_U_ne_prev_u_plus_1=1)
    assert has(binance_book(*records, binance_snapshot(12)), in_sync=False, snapshots_too_old=1)
    assert has(
        binance_book(*records, binance_snapshot(13)), in_sync=True, last_update_id=17, applied=3, gaps=1
    )


def test_gap_inside_the_buffer_keeps_what_follows_it() -> None:
    records = [binance_diff(5, 9), binance_diff(11, 12), binance_diff(13, 14), binance_snapshot(5)]
    assert has(binance_book(*records), in_sync=False, gap_at=[[9, 11]], applied=1)
    assert has(
        binance_book(*records, binance_snapshot(12)),
        in_sync=True,
        last_update_id=14,
        applied=2,
        stale_dropped=1,
    )


def test_crossing_loses_the_book_and_spends_the_diff() -> None:
    records = [binance_snapshot(10), binance_diff(11, 12, [["11", "1"]]), binance_diff(13, 13)]
    book = binance_book(*records)
    assert has(book, in_sync=False, crossed_after_apply=1, applied=1, **EMPTY_BOOK)
    assert has(
        binance_book(*records, binance_snapshot(12)), in_sync=True, last_update_id=13, crossed_after_apply=1
    )


def test_duplicate_and_swapped_diffs() -> None:
    twice = binance_book(binance_snapshot(10), binance_diff(11, 12), binance_diff(11, 12))
    assert has(twice, in_sync=True, applied=1, stale_dropped=1, stream_breaks_U_ne_prev_u_plus_1=1)
    swapped = binance_book(
        binance_snapshot(10), binance_diff(12, 13), binance_diff(11, 11), binance_diff(14, 14)
    )
    assert has(swapped, in_sync=False, gap_at=[[10, 12]], stream_breaks_U_ne_prev_u_plus_1=2)


@pytest.mark.parametrize(
    "records",
    [
        [binance_snapshot(10), binance_ticker(10)],
        [binance_ticker(10), binance_snapshot(10)],
        [binance_ticker(10), binance_ticker(10), binance_snapshot(10), binance_ticker(10)],
        [
            binance_ticker(8),
            binance_diff(5, 8),
            binance_diff(9, 9, [["9.5", "1"]]),
            binance_snapshot(7),
            binance_ticker(8),
        ],
        [binance_snapshot(10), binance_ticker(11), binance_diff(11, 11)],
        [
            binance_snapshot(10),
            binance_ticker(11),
            binance_ticker(12),
            binance_diff(11, 12),
            binance_ticker(13),
        ],
    ],
    ids=["after", "before", "once", "replayed", "ahead", "between"],
)
def test_ticker_is_checked_once_where_the_book_reaches_its_id(records: list[Record]) -> None:
    assert has(binance_book(*records), book_ticker_checked=1, book_ticker_equal=1)


@pytest.mark.parametrize("wrong", [{"bid": "9"}, {"bid_qty": "2"}, {"ask": "12"}, {"ask_qty": "1.5"}])
def test_ticker_that_differs_is_checked_and_unequal(wrong: dict[str, str]) -> None:
    assert has(
        binance_book(binance_snapshot(10), binance_ticker(10, **wrong)),
        book_ticker_checked=1,
        book_ticker_equal=0,
    )


def test_trades_and_klines() -> None:
    trades = [
        {"e": "trade", "s": "AB", "t": number, "p": "1.50", "q": "0.1", "m": number == 8}
        for number in (7, 8, 8, 10)
    ]
    kline = {"e": "kline", "s": "AB", "k": {"i": "1m"}}
    facts = facts_of_records([frame(message) for message in [*trades, kline, kline]])
    tally = {
        "count": 4,
        "first_id": 7,
        "last_id": 10,
        "volume": "0.4",
        "buyer_maker": 2,
        "id_breaks": 2,
        "last_price": "1.5",
    }
    assert facts["trades"] == {"AB trade": tally}
    assert facts["klines"] == {"AB 1m": 2}
