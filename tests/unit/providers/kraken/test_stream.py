"""From frames to books and events: BOOK-15 to BOOK-17, BOOK-22, BOOK-25, BOOK-27, EVT-11 to EVT-15."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from engine.base.errors import ScaleOverflowError
from engine.schema.enums import BookReason, ChecksumState, UpdateType
from tests.unit.providers.kraken.frames import (
    ASKS,
    BIDS,
    TIME_NS,
    book,
    checksum_of,
    entry,
    granted,
    reply,
    snapshot,
    ticker,
    trade,
    trades,
    update,
    wired,
)
from tests.unit.providers.stream_kit import RECV_NS, Wired

E8 = 10**8


def state_of(kit: Wired, index: int = 0) -> Any:
    return kit.stream.symbol_states()[index]


def resyncs(kit: Wired, symbol: str = "A-B") -> dict[str, int]:
    return kit.books[symbol].counts_by_reason()


# --- books --------------------------------------------------------------------------------------------------


def test_a_snapshot_then_updates() -> None:
    kit = wired()
    full = kit.feed(snapshot())[0]
    assert (full.symbol, full.reason, full.epoch, full.seq_provider) == ("A-B", BookReason.INITIAL, 1, 1)
    assert (list(full.bids), list(full.asks)) == ([(100, E8), (95, 2 * E8)], [(110, 15 * 10**7), (120, 3 * E8)])
    assert (full.first_update_id, full.final_update_id, full.verified_through_id) == (None, None, 1)
    assert (full.checksum, full.checksum_state) == (checksum_of(BIDS, ASKS), ChecksumState.VERIFIED)
    assert (full.ts_venue_ns, full.ts_recv_ns) == (TIME_NS, RECV_NS)
    after = ({"10": "1", "9.6": "4"}, {"11": "1.5"})
    delta = kit.feed(update(after, {"9.5": "0", "9.6": "4"}, {"12": "0"}))[0]
    assert (delta.update_type, delta.epoch, delta.seq_provider, delta.verified_through_id) == (
        UpdateType.DELTA,
        1,
        2,
        2,
    )
    assert (list(delta.bids), list(delta.asks)) == ([(96, 4 * E8), (95, 0)], [(120, 0)])
    assert (delta.checksum, delta.checksum_state) == (checksum_of(*after), ChecksumState.VERIFIED)
    assert kit.levels("A-B") == (
        [(Decimal(10), Decimal(1)), (Decimal("9.6"), Decimal(4))],
        [(Decimal(11), Decimal("1.5"))],
    )
    kit.assert_balanced()


def test_a_price_told_twice_is_applied_in_order_and_an_unknown_delete_is_normal() -> None:
    kit = wired()
    kit.feed(snapshot())
    message = update(({"10": "7", "9.5": "2"}, ASKS), {"10": "7"}, {"11.5": "0"})
    message["data"][0]["bids"].insert(0, {"price": 10, "qty": 0})
    delta = kit.feed(message)[0]
    assert (list(delta.bids), list(delta.asks)) == ([(100, 7 * E8)], [])
    assert kit.rejects == []


def test_an_empty_update_is_verified_counted_and_publishes_nothing() -> None:
    kit = wired()
    kit.feed(snapshot())
    assert kit.feed(update((BIDS, ASKS))) == []
    state = state_of(kit)
    ids, kept = state.continuity, state.book
    assert (ids.snapshots, ids.updates, ids.empty_updates) == (1, 1, 1)
    assert (kept.checksums_compared, kept.checksums_ok) == (2, 2)


def test_an_empty_update_takes_no_number() -> None:
    kit = wired()
    kit.feed(granted(10))
    kit.feed(snapshot())
    kit.feed(update((BIDS, ASKS)))
    numbers = [kit.feed(update((BIDS, {"11": str(n), "12": "3"}), {}, {"11": str(n)}))[0].seq_provider for n in (5, 6)]
    assert numbers == [2, 3]


def test_an_empty_update_with_a_wrong_checksum_loses_the_book() -> None:
    kit = wired()
    kit.feed(snapshot())
    assert kit.feed(book("update", entry({}, {}, 5)))[0].invalid_reason is BookReason.CHECKSUM
    assert resyncs(kit) == {"checksum": 1}


def test_several_symbols_share_a_frame() -> None:
    kit = wired()
    both = book("snapshot", *snapshot()["data"], *snapshot({"5": "1"}, {"6": "1"}, symbol="C/D")["data"])
    assert [(e.symbol, e.seq_provider) for e in kit.feed(both)] == [("A-B", 1), ("C-D", 1)]


def test_a_symbol_twice_in_a_frame_is_two_messages() -> None:
    kit = wired()
    kit.feed(granted(10))
    kit.feed(snapshot())
    first = entry({"9": "1"}, {}, checksum_of({**BIDS, "9": "1"}, ASKS))
    second = entry({"9": "0"}, {"11": "4"}, checksum_of(BIDS, {"11": "4", "12": "3"}))
    assert [list(e.bids) for e in kit.feed(book("update", first, second))] == [[(90, E8)], [(90, 0)]]
    assert state_of(kit).book.checksums_ok == 3


def test_updates_before_the_first_snapshot_are_counted_and_ignored() -> None:
    kit = wired()
    assert kit.feed(update((BIDS, ASKS), {"10": "1"})) == []
    state = state_of(kit)
    assert (state.continuity.updates, state.book.checksums_compared, kit.wanted) == (1, 0, [])


def test_a_snapshot_of_a_book_in_sync_is_a_refresh() -> None:
    kit = wired()
    kit.feed(snapshot())
    kit.feed(update(({"10": "2", "9.5": "2"}, ASKS), {"10": "2"}))
    full = kit.feed(snapshot({"8": "1"}, {"9": "1"}))[0]
    assert (full.reason, full.epoch, full.seq_provider, full.flags) == (BookReason.REFRESH, 2, 1, frozenset())
    assert list(full.bids) == [(80, E8)]


# --- depth (BOOK-15) ----------------------------------------------------------------------------------------


def test_the_book_is_cut_to_the_depth_that_was_granted() -> None:
    kit = wired()
    kit.feed(granted(2))
    kit.feed(snapshot())
    after = ({"10": "1", "9.8": "5"}, ASKS)
    delta = kit.feed(update(after, {"9.8": "5"}))[0]
    assert list(delta.bids) == [(98, 5 * E8), (95, 0)]
    assert [len(side) for side in kit.levels("A-B")] == [2, 2]
    # The level that was pushed out is not remembered: its place stays empty until the venue tells it again.
    delta = kit.feed(update(({"10": "1"}, ASKS), {"9.8": "0"}))[0]
    assert list(delta.bids) == [(98, 0)]
    assert state_of(kit).continuity.depth_levels == 2


def test_without_a_reply_the_longer_side_of_the_first_snapshot_is_the_depth() -> None:
    kit = wired()
    kit.feed(snapshot({"10": "1"}, {"11": "1", "12": "1", "13": "1"}))
    assert state_of(kit).continuity.depth_levels == 3
    kit.feed(snapshot({"10": "1"}, {"11": "1"}))
    assert state_of(kit).continuity.depth_levels == 3
    assert kit.books["A-B"].cut_levels == 3


def test_a_reply_after_the_snapshot_tells_the_depth_all_the_same() -> None:
    kit = wired()
    kit.feed(snapshot())
    kit.feed(granted(3))
    after = ({"10": "1", "9.8": "5", "9.5": "2"}, ASKS)
    assert list(kit.feed(update(after, {"9.8": "5"}))[0].bids) == [(98, 5 * E8)]
    kit.feed(granted(1))
    full = kit.feed(update(({"10": "4"}, {"11": "1.5"}), {"10": "4"}))[0]
    assert (full.reason, list(full.bids), list(full.asks)) == (BookReason.DIRTY, [(100, 4 * E8)], [(110, 15 * 10**7)])
    delta = kit.feed(update(({"10": "5"}, {"11": "1.5"}), {"10": "5"}))[0]
    assert (full.epoch, delta.epoch, delta.seq_provider) == (2, 2, full.seq_provider + 1)


@pytest.mark.parametrize(
    "answer",
    [
        granted(25, symbol="X/Y"),
        {**granted(25), "success": False},
        {**granted(25), "method": "unsubscribe"},
        reply(result={"channel": "trade", "symbol": "A/B", "depth": 25}),
        reply(result={"channel": "book", "symbol": "A/B"}),
    ],
)
def test_other_replies_tell_no_depth(answer: dict[str, Any]) -> None:
    kit = wired()
    kit.feed(answer)
    assert [state.continuity.depth_levels for state in kit.stream.symbol_states()] == [0, 0]
    assert kit.rejects == []


def test_less_may_be_published_than_is_kept() -> None:
    kit = wired(book_options={"depth_levels": 1})
    kit.feed(granted(10))
    assert list(kit.feed(snapshot())[0].bids) == [(100, E8)]
    delta = kit.feed(update(({"10.5": "3", **BIDS}, ASKS), {"10.5": "3"}))[0]
    assert list(delta.bids) == [(105, 3 * E8), (100, 0)]
    assert len(kit.levels("A-B")[0]) == 3


# --- checksums (BOOK-16, BOOK-17, BOOK-22) ------------------------------------------------------------------


def test_a_wrong_checksum_voids_the_book_until_the_next_snapshot() -> None:
    kit = wired()
    kit.feed(snapshot())
    kit.feed(snapshot(symbol="C/D"))
    wrong = book("update", entry({"10": "2"}, {}, 1))
    notice = kit.feed(wrong, record=17)[0]
    assert (notice.update_type, notice.invalid_reason, len(notice.bids)) == (UpdateType.INVALID, BookReason.CHECKSUM, 0)
    assert kit.wanted == [("A-B", BookReason.CHECKSUM)]
    assert kit.telemetry[0][0] == "checksum.failed"
    assert kit.telemetry[0][1]["expected"] == 1
    assert kit.telemetry[0][1]["actual"] == checksum_of({"10": "2", "9.5": "2"}, ASKS)
    assert kit.feed(update((BIDS, ASKS), {"10": "1"})) == []
    full = kit.feed(snapshot())[0]
    assert (full.reason, full.epoch) == (BookReason.CHECKSUM, 2)
    state = state_of(kit)
    assert (state.book.checksums_compared, state.book.checksums_ok) == (3, 2)
    assert state.continuity.checksum_failed_at_record == [17]
    assert kit.books["C-D"].is_valid
    kit.assert_balanced()


def test_the_snapshots_own_checksum_counts() -> None:
    kit = wired()
    assert kit.feed(book("snapshot", entry(BIDS, ASKS, 1)), record=3) == []
    assert kit.wanted == [("A-B", BookReason.CHECKSUM)]
    assert state_of(kit).continuity.checksum_failed_at_record == [3]
    assert not kit.books["A-B"].is_valid
    assert kit.feed(snapshot())[0].reason is BookReason.CHECKSUM


def test_a_crossed_book_is_a_resync() -> None:
    kit = wired()
    kit.feed(granted(10))
    kit.feed(snapshot())
    crossing = update(({"11": "1", **BIDS}, ASKS), {"11": "1"})
    assert kit.feed(crossing)[0].invalid_reason is BookReason.CROSSED
    assert (resyncs(kit), kit.books["A-B"].crossed_count, kit.books["A-B"].checksums_ok) == ({"crossed": 1}, 1, 2)


def test_a_message_may_be_wrong_in_both_ways() -> None:
    kit = wired()
    kit.feed(snapshot())
    assert kit.feed(book("update", entry({"11": "1"}, {}, 1)))[0].invalid_reason is BookReason.CHECKSUM
    kept = kit.books["A-B"]
    assert (kept.crossed_count, kept.checksums_compared, kept.checksums_ok) == (1, 2, 1)
    assert resyncs(kit) == {"checksum": 1}


def test_checksums_can_be_left_alone() -> None:
    kit = wired(verify_checksum=False)
    full = kit.feed(book("snapshot", entry(BIDS, ASKS, 1)))[0]
    assert (full.checksum, full.checksum_state) == (1, ChecksumState.NOT_APPLICABLE)
    assert kit.feed(book("update", entry({"10": "2"}, {}, 2)))[0].checksum_state is ChecksumState.NOT_APPLICABLE
    assert (kit.books["A-B"].checksums_compared, kit.books["A-B"].is_valid) == (0, True)


def test_the_scale_may_be_wider_than_the_venues_precision() -> None:
    kit = wired()
    kit.feed(granted(10))
    kit.feed(snapshot())
    # An eleventh level with a digit more than the precision has: no checksum covers it.
    many = {str(n): "1" for n in range(11, 21)}
    kit.feed(update((BIDS, {**many, "11": "1.5", "12": "3"}), {}, {n: q for n, q in many.items() if int(n) > 12}))
    widened = kit.feed(trades(trade(1, price=10.25)))[0]
    assert (widened.price_scale, widened.price_raw, kit.books["A-B"].price_scale) == (2, 1025, 2)
    delta = kit.feed(update(({"10": "6", "9.5": "2"}, {**many, "11": "1.5", "12": "3"}), {"10": "6"}))[0]
    assert (delta.price_scale, list(delta.bids)) == (2, [(1000, 6 * E8)])


def test_decimals_that_no_metadata_told_are_found_from_the_snapshot() -> None:
    kit = wired(with_precision=False)
    kit.feed(trades(trade(1)))
    full = kit.feed(snapshot())[0]
    assert (full.price_scale, full.qty_scale, full.checksum_state) == (1, 8, ChecksumState.VERIFIED)
    assert state_of(kit).has_precision
    kit.feed(update(({"10": "2.5", "9.5": "2"}, ASKS), {"10": "2.5"}))
    assert (kit.books["A-B"].checksums_ok, kit.books["A-B"].is_valid) == (2, True)


def test_decimals_are_looked_for_again_after_a_wrong_snapshot_and_an_empty_one_proves_none() -> None:
    kit = wired(with_precision=False)
    kit.feed(book("snapshot", entry(BIDS, ASKS, 1)))
    assert (kit.books["A-B"].checksums_compared, kit.books["A-B"].checksums_ok) == (1, 0)
    kit.feed(granted(10))
    kit.feed(book("snapshot", entry({}, {}, 0)))
    assert (kit.books["A-B"].is_valid, state_of(kit).has_precision) == (True, False)
    kit.feed(update(({"10": "1"}, {"11": "2"}), {"10": "1"}, {"11": "2"}))
    assert (kit.books["A-B"].is_valid, state_of(kit).has_precision) == (True, True)
    assert (kit.books["A-B"].checksums_compared, kit.books["A-B"].checksums_ok) == (3, 2)


def test_decimals_under_which_a_level_leaves_64_bits_are_no_book() -> None:
    kit = wired(with_precision=False)
    bids = {"900000000000": "1"}
    assert kit.feed(book("snapshot", entry(bids, {}, checksum_of(bids, {}, (10, 0))))) == []
    assert (kit.wanted, kit.books["A-B"].is_valid) == ([("A-B", BookReason.OVERFLOW)], False)


def test_metadata_may_come_late_and_must_fit() -> None:
    kit = wired(with_precision=False)
    kit.stream.set_precision(0, 1, 8)
    kit.feed(snapshot({"90000000000": "1"}, {}))
    assert kit.books["A-B"].is_valid
    with pytest.raises(ScaleOverflowError, match=r"\[kraken\] book.widen failed: A-B at 10 and 8 decimals"):
        kit.stream.set_precision(0, 10, 8)


# --- refused frames (BOOK-09) -------------------------------------------------------------------------------


def both_in_sync() -> Wired:
    kit = wired()
    kit.feed(snapshot())
    kit.feed(snapshot(symbol="C/D"), conn=1)
    return kit


@pytest.mark.parametrize(
    "frame",
    [
        '{"channel":"book","type":"update","data":[{"symbol":"A/B","bids":[],"as',
        '{"channel":"trade","type":"update","data":[',
        '{"type":"update","data":[]}',
        '{"channel":"book","type":"update","data":[{"symbol":"A/B","bids":[],"asks":[]}]}',
        '{"channel":"trade","channel":"trade"}',
        "\\xff",
        "",
    ],
)
def test_a_frame_that_cannot_be_read_voids_the_books_of_its_connection(frame: str) -> None:
    kit = both_in_sync()
    notices = kit.feed(frame.encode().replace(b"\\xff", b"\xff"))
    assert [(notice.symbol, notice.invalid_reason) for notice in notices] == [("A-B", BookReason.GAP)]
    assert (resyncs(kit), resyncs(kit, "C-D"), len(kit.rejects)) == ({"gap": 1}, {}, 1)
    assert kit.feed(frame.encode().replace(b"\\xff", b"\xff")) == []
    assert resyncs(kit) == {"gap": 1}


@pytest.mark.parametrize("level", [{"price": 10, "qty": "1e-8"}, {"price": 10**18, "qty": 1}, {"price": 0, "qty": 1}])
def test_a_book_frame_whose_numbers_cannot_be_used_voids_the_books_it_names(level: dict[str, Any]) -> None:
    kit = wired()
    kit.feed(snapshot())
    kit.feed(snapshot(symbol="C/D"))
    good = update(({"10": "2", "9.5": "2"}, ASKS), {"10": "2"}, symbol="C/D")
    bad = entry({}, {}, 0)
    bad["asks"] = [level]
    assert [notice.symbol for notice in kit.feed(book("update", bad))] == ["A-B"]
    kit.feed(snapshot())
    notices = kit.feed(book("update", *good["data"], bad))
    assert {notice.symbol for notice in notices} == {"A-B", "C-D"}
    assert {name for _, name in kit.rejects} == {"asks"}


def test_a_refused_frame_of_another_channel_voids_nothing() -> None:
    kit = both_in_sync()
    kit.feed(trades({**trade(1), "side": "none"}))
    kit.feed(trades(trade(1), trade(2, price="x")))
    kit.feed(ticker())
    assert (resyncs(kit), kit.books["A-B"].is_valid) == ({}, True)
    assert kit.rejects == [("unknown_value", "side"), ("bad_number", "price"), ("missing_field", "last")]
    assert state_of(kit).trades.count == 0


def test_a_symbol_that_is_not_ours_is_dead_lettered_and_the_rest_counts() -> None:
    kit = wired()
    caused = kit.feed(book("snapshot", *snapshot(symbol="X/Y")["data"], *snapshot()["data"]))
    assert [event.symbol for event in caused] == ["A-B"]
    assert kit.rejects == [("unknown_symbol", "symbol")]
    assert len(kit.feed(trades(trade(1, symbol="X/Y"), trade(2)))) == 1


def test_a_connection_made_anew_voids_its_books() -> None:
    kit = both_in_sync()
    kit.stream.reset_connection(1)
    kit.stream.read_end()
    assert (resyncs(kit), resyncs(kit, "C-D")) == ({}, {"reconnect": 1})
    assert kit.feed(snapshot(symbol="C/D"), conn=1)[0].reason is BookReason.RECONNECT


# --- the rest -----------------------------------------------------------------------------------------------


def test_replies_status_and_catalogue_go_to_their_hooks() -> None:
    heard: list[Any] = []
    kit = wired(
        on_reply=lambda *told: heard.append(told),
        on_error=lambda *told: heard.append(told),
        on_pong=lambda *told: heard.append(told),
        on_status=lambda *told: heard.append(told),
        on_instruments=lambda *told: heard.append(told),
    )
    failure = {"error": "Currency pair not supported NOPE/USD", "symbol": "NOPE/USD"}
    catalogue = b'{"data":{"assets":[],"pairs":[]},"type":"snapshot","channel":"instrument"}'
    connection_id = 18266300427528990701
    kit.feed(granted(10))
    kit.feed(reply("unsubscribe", result={"channel": "trade", "symbol": "A/B"}))
    kit.feed(reply(success=False, **failure, req_id=8))
    kit.feed({"method": "subscribe", "error": None, "req_id": "mine"})
    kit.feed({"Error": "Exceeded msg rate"})
    kit.feed({"method": "pong", "req_id": 101})
    kit.feed({"channel": "status", "type": "update", "data": [{"system": "online", "connection_id": connection_id}]})
    kit.feed(catalogue)
    kit.feed({"channel": "heartbeat"})
    assert heard == [
        (7, None, True, "book", "A/B"),
        (None, None, False, "trade", "A/B"),
        (8, "Currency pair not supported NOPE/USD", True, None, "NOPE/USD"),
        (None, "no reason given", True, None, None),
        (0, "Exceeded msg rate"),
        (101,),
        ("online",),
        (catalogue,),
    ]
    assert (kit.stream.errors, kit.stream.heartbeats, kit.stream.system, kit.rejects) == (3, 1, "online", [])


def test_other_channels_and_methods_are_counted_and_ignored() -> None:
    kit = both_in_sync()
    kit.feed({"channel": "level3", "type": "snapshot", "data": [{"bids": 1}]})
    kit.feed({"channel": "executions", "data": 5})
    kit.feed({"method": "add_order", "result": [], "success": True})
    assert (kit.stream.ignored, kit.rejects, kit.books["A-B"].is_valid) == (3, [], True)


def test_frames_and_bytes_are_counted() -> None:
    kit = wired()
    kit.feed({"channel": "heartbeat"})
    kit.feed("{")
    assert (kit.stream.frames, kit.stream.frame_bytes, kit.stream.rejected_by_code()) == (2, 25, {"not_json": 1})
