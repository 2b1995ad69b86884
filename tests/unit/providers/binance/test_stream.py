"""Binance diffs that wait for a snapshot: kept, judged again, and refused for good where they cannot be used."""

from __future__ import annotations

import gc
import json
from decimal import Decimal
from typing import Any

from engine.pools.frames import FramePools
from engine.schema.enums import BookReason, UpdateType
from tests.unit.providers.binance.frames import depth_body, diff, synced, wired
from tests.unit.providers.stream_kit import Wired

HUGEST = "92233720368547758.07"
"""The largest quantity at two decimals; at three it leaves 64 bits."""
BODY_OF_THREE_DECIMALS = b'{"lastUpdateId":10,"bids":[["10.00","1.001"]],"asks":[["11.00","2.00"]]}'


def raw(first_id: int, final_id: int, *bids: list[str]) -> bytes:
    return json.dumps(diff(first_id, final_id, list(bids)), separators=(",", ":")).encode()


def snapshot(kit: Wired, body: bytes) -> str:
    told: str = kit.stream.take_snapshot(0, body, 1)
    kit.stream.read_end()
    return told


def bids_of(kit: Wired) -> list[tuple[Decimal, Decimal]]:
    return kit.levels("AB-USDT")[0]


def test_diffs_wait_for_their_snapshot_and_are_carried_through_BOOK_11() -> None:
    kit = wired()
    for number in (9, 10, 11, 12):
        assert kit.feed(raw(number, number, [f"{number - 4}.00", "5.00"])) == []
    assert kit.wanted == [("AB-USDT", BookReason.INITIAL)]
    assert snapshot(kit, depth_body(10)) == "taken"
    assert bids_of(kit) == [(Decimal(price), Decimal(qty)) for price, qty in ((10, 1), (8, 5), (7, 5))]
    assert [event.seq_provider for event in kit.events] == [10, 11, 12]
    kit.assert_balanced()


def test_a_waiting_diff_that_cannot_be_used_is_dead_lettered_and_shows_as_a_gap_BOOK_09() -> None:
    kit = wired()
    bad = raw(11, 11, ["x", "5.00"])
    kit.feed(raw(10, 10, ["9.00", "5.00"]))
    assert kit.feed(bad) == []
    kit.feed(raw(12, 12, ["9.50", "5.00"]))
    assert (kit.rejects, kit.dead) == ([("bad_number", None)], [bad])
    assert snapshot(kit, depth_body(10)) == "taken"
    book = kit.books["AB-USDT"]
    assert (book.is_valid, book.counts_by_reason()) == (False, {"gap": 1})
    assert kit.wanted[-1] == ("AB-USDT", BookReason.GAP)
    assert snapshot(kit, depth_body(11)) == "taken"
    assert bids_of(kit) == [(Decimal("10.00"), Decimal("1.00")), (Decimal("9.50"), Decimal("5.00"))]
    assert len(kit.rejects) == 1
    kit.assert_balanced()


def test_a_waiting_diff_that_no_longer_fits_the_books_scale_is_dead_lettered_and_the_book_begins_anew() -> None:
    kit = wired()
    huge = raw(11, 11, ["9.00", HUGEST])
    kit.feed(huge)
    kit.feed(raw(12, 12, ["9.50", "5.00"]))
    assert kit.rejects == []
    assert snapshot(kit, BODY_OF_THREE_DECIMALS) == "taken"
    book = kit.books["AB-USDT"]
    assert (kit.rejects, kit.dead) == ([("overflow", None)], [huge])
    assert (book.is_valid, book.counts_by_reason()) == (False, {"gap": 1})
    assert kit.wanted == [("AB-USDT", BookReason.INITIAL), ("AB-USDT", BookReason.GAP)]
    assert [event.update_type.name for event in kit.events if hasattr(event, "update_type")] == ["INVALID"]
    assert snapshot(kit, depth_body(11)) == "taken"
    assert bids_of(kit) == [(Decimal("10.00"), Decimal("1.00")), (Decimal("9.50"), Decimal("5.00"))]
    assert (len(kit.rejects), book.is_valid) == (1, True)
    kit.assert_balanced()


def test_a_bad_diff_in_sync_is_a_gap_and_a_bad_stale_one_is_not() -> None:
    kit = wired()
    snapshot(kit, depth_body(10))
    kit.feed(raw(9, 10, ["x", "1"]))
    assert kit.books["AB-USDT"].is_valid
    kit.feed(raw(11, 11, ["10.00", "-1"]))
    assert kit.rejects == [("bad_number", None), ("bad_value", None)]
    assert kit.books["AB-USDT"].counts_by_reason() == {"gap": 1}
    assert kit.wanted == [("AB-USDT", BookReason.GAP)]
    kit.assert_balanced()


def test_a_lost_diff_voids_the_book_until_a_snapshot_that_joins_BOOK_11() -> None:
    kit = synced(10)
    kit.feed(raw(11, 12, ["9.00", "5.00"]))
    (voided,) = kit.feed(raw(14, 15, ["9.50", "5.00"]))
    assert (voided.update_type, voided.invalid_reason) == (UpdateType.INVALID, BookReason.GAP)
    assert kit.books["AB-USDT"].counts_by_reason() == {"gap": 1}
    assert kit.wanted == [("AB-USDT", BookReason.GAP)]
    assert kit.feed(raw(16, 16, ["8.00", "1.00"])) == []
    assert snapshot(kit, depth_body(12)) == "too_old"
    assert snapshot(kit, depth_body(13)) == "taken"
    assert [price for price, _ in bids_of(kit)] == [Decimal("10.00"), Decimal("9.50"), Decimal("8.00")]
    kit.assert_balanced()


# --- the pool that the waiting diffs are in (ProviderRaw) -----------------------------------------------------


def raws(kit: Wired) -> Any:
    return kit.pool.statistics().pools["ProviderRaw"]


def in_use(kit: Wired) -> int:
    used: int = raws(kit).in_use
    return used


def keeping(*numbers: int, **options: Any) -> Wired:
    """A stream that keeps diffs of these numbers for its snapshot."""
    kit = wired(**options)
    for number in numbers:
        kit.feed(raw(number, number, ["9.00", "5.00"]))
    return kit


def test_waiting_diffs_are_in_slots_of_their_pool_and_go_back_when_carried_through_MEM_01() -> None:
    kit = keeping(11, 12, 13)
    assert (in_use(kit), raws(kit).acquired) == (3, 3)
    out = kit.pool.outstanding()
    assert [(row["type"], row["holder"]) for row in out] == [("ProviderRaw", "engine")] * 3
    snapshot(kit, depth_body(10))
    assert (in_use(kit), raws(kit).acquired, raws(kit).recycled) == (0, 3, 3)
    assert kit.books["AB-USDT"].is_valid
    assert kit.pool.statistics().balanced


def test_a_slot_is_used_again_and_its_memory_with_it() -> None:
    kit = keeping(11)
    for book_id in range(10, 60):
        snapshot(kit, depth_body(book_id))
        kit.stream.drop_book(0)
        kit.feed(raw(book_id + 2, book_id + 2, ["9.00", "5.00"]))
    assert (raws(kit).acquired, raws(kit).in_use_peak, in_use(kit)) == (51, 1, 1)


def test_every_path_gives_the_slots_back_MEM_15() -> None:
    lost = keeping(11, 12)
    lost.stream.drop_book(0)
    stale = keeping(9, 10)
    snapshot(stale, depth_body(10))
    refused = wired()
    refused.feed(raw(11, 11, ["9.00", HUGEST]))
    refused.feed(raw(12, 12))
    closed = keeping(11, 12)
    closed.stream.close()
    closed.stream.close()
    assert [in_use(kit) for kit in (lost, stale, closed)] == [0, 0, 0]
    snapshot(refused, BODY_OF_THREE_DECIMALS)
    assert (refused.rejects, in_use(refused), kit_waits(refused)) == ([("overflow", None)], 1, 1)
    gone = keeping(11, 12)
    pool = gone.pool
    gone.stream.close()
    del gone
    gc.collect()
    assert pool.statistics().balanced


def kit_waits(kit: Wired) -> int:
    count: int = kit.stream.symbol_states()[0].waiting.count
    return count


def test_a_gap_among_the_waiting_diffs_keeps_what_is_behind_it_in_its_slots() -> None:
    kit = keeping(11, 13, 14)
    snapshot(kit, depth_body(10))
    assert (in_use(kit), kit_waits(kit), raws(kit).acquired) == (2, 2, 3)
    snapshot(kit, depth_body(12))
    assert (in_use(kit), raws(kit).acquired, kit.books["AB-USDT"].is_valid) == (0, 3, True)


def test_a_full_buffer_begins_again_with_the_newest_diff_and_is_counted_BOOK_11() -> None:
    kit = keeping(11, 12, 13, diff_buffer_max=3)
    assert (kit.stream.buffer_overflows, in_use(kit)) == (0, 3)
    kit.feed(raw(14, 14, ["9.00", "6.00"]))
    assert (kit.stream.buffer_overflows, in_use(kit)) == (1, 1)
    assert kit.wanted == [("AB-USDT", BookReason.INITIAL), ("AB-USDT", BookReason.OVERFLOW)]
    assert snapshot(kit, depth_body(12)) == "too_old"
    assert snapshot(kit, depth_body(13)) == "taken"
    assert (kit.books["AB-USDT"].is_valid, in_use(kit)) == (True, 0)


def test_an_exhausted_pool_is_an_overflow_of_the_book_that_meets_it_BOOK_11() -> None:
    kit = wired(frames=FramePools(explicit={"ProviderRaw": 2}))
    kit.feed(raw(11, 11))
    kit.feed(raw(12, 12))
    other = {**diff(5, 5), "s": "CDBTC"}
    kit.feed(other)
    assert (raws(kit).capacity, in_use(kit), raws(kit).exhausted) == (2, 2, 2)
    assert kit.stream.buffer_overflows == 1
    assert kit.wanted[1:] == [("CD-BTC", BookReason.INITIAL), ("CD-BTC", BookReason.OVERFLOW)]
    snapshot(kit, depth_body(10))
    assert (kit.books["AB-USDT"].is_valid, in_use(kit)) == (True, 0)
    kit.feed({**diff(6, 6), "s": "CDBTC"})
    assert (in_use(kit), kit.stream.buffer_overflows) == (1, 1)
    kit.stream.take_snapshot(1, depth_body(5), 1)
    assert (kit.books["CD-BTC"].is_valid, in_use(kit)) == (True, 0)
    kit.stream.read_end()


def test_the_pool_has_room_for_what_the_books_may_keep_MEM_02() -> None:
    kit = wired(diff_buffer_max=1000)
    assert raws(kit).capacity == 3 * 2 * 1000
    assert raws(wired(diff_buffer_max=1)).capacity == 200
    assert raws(wired(frames=FramePools(explicit={"ProviderRaw": 7}))).capacity == 7


def test_in_debug_what_went_back_is_overwritten() -> None:
    kit = keeping(11, frames=FramePools(debug=True))
    snapshot(kit, depth_body(10))
    kit.stream.drop_book(0)
    kit.feed(raw(21, 21, ["9.00", "7.00"]))
    snapshot(kit, depth_body(20))
    assert bids_of(kit)[1] == (Decimal("9.00"), Decimal("7.00"))
    assert kit.rejects == []
