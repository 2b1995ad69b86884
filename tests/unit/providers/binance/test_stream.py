"""Binance diffs that wait for a snapshot: kept, judged again, and refused for good where they cannot be used."""

from __future__ import annotations

import json
from decimal import Decimal

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
