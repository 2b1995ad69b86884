"""The plain feed from frames to books and events: BOOK-09, BOOK-12, BOOK-16, BOOK-22, EVT-13 to EVT-15."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest

from engine.base.errors import ScaleOverflowError
from engine.schema.enums import BookReason, ChecksumState, Side, UpdateType
from tests.unit.providers.simulated.frames import (
    ASKS,
    BIDS,
    TIME_NS,
    book,
    candle,
    candles,
    checksum_of,
    snapshot,
    ticker,
    trade,
    trades,
    update,
    wired,
)
from tests.unit.providers.stream_kit import RECV_NS, Wired

E3 = 1000
MINUTE_NS = 60_000_000_000
START_NS = TIME_NS // MINUTE_NS * MINUTE_NS


def ids_of(kit: Wired, index: int = 0) -> Any:
    return kit.stream.symbol_states()[index].continuity


def resyncs(kit: Wired, symbol: str = "A-B") -> dict[str, int]:
    return kit.books[symbol].counts_by_reason()


def bid(qty: str) -> tuple[dict[str, str], dict[str, str]]:
    """The book after its best bid has this quantity, and the change that makes it so."""
    return {**BIDS, "10.0": qty}, {"10.0": qty}


# --- books --------------------------------------------------------------------------------------------------


def test_a_snapshot_then_updates() -> None:
    kit = wired()
    full = kit.feed(snapshot())[0]
    assert (full.symbol, full.reason, full.epoch, full.seq_provider) == ("A-B", BookReason.INITIAL, 1, 1)
    assert (list(full.bids), list(full.asks)) == ([(100, E3), (95, 2 * E3)], [(110, 1500), (120, 3 * E3)])
    assert (full.checksum, full.checksum_state) == (checksum_of(BIDS, ASKS), ChecksumState.VERIFIED)
    assert (full.ts_venue_ns, full.ts_recv_ns) == (TIME_NS, RECV_NS)
    after = ({"10.0": "1", "9.6": "4"}, {"11.0": "1.5"})
    delta = kit.feed(update(2, after, {"9.5": "0", "9.6": "4"}, {"12": "0"}))[0]
    assert (delta.update_type, delta.epoch, delta.seq_provider, delta.verified_through_id) == (
        UpdateType.DELTA, 1, 2, 2,
    )  # fmt: skip
    assert (list(delta.bids), list(delta.asks)) == ([(96, 4 * E3), (95, 0)], [(120, 0)])
    assert kit.levels("A-B") == (
        [(Decimal(10), Decimal(1)), (Decimal("9.6"), Decimal(4))], [(Decimal(11), Decimal("1.5"))],
    )  # fmt: skip
    kit.assert_balanced()


def test_a_number_stepped_over_voids_the_book_and_asks_for_a_snapshot_BOOK_12() -> None:
    kit = wired()
    kit.feed(snapshot())
    (invalid,) = kit.feed(update(3, (bid("2")[0], ASKS), bid("2")[1]), record=7)
    assert (invalid.update_type, invalid.invalid_reason) == (UpdateType.INVALID, BookReason.GAP)
    assert kit.wanted == [("A-B", BookReason.GAP)]
    ids = ids_of(kit)
    assert (ids.gaps, ids.missing, ids.gap_at_record, ids.in_sync) == (1, 1, [7], False)
    assert kit.feed(update(4, (BIDS, ASKS), {"10.0": "1"})) == []
    (healed,) = kit.feed(snapshot())
    assert (healed.reason, healed.epoch, healed.seq_provider) == (BookReason.GAP, 2, 1)
    assert kit.telemetry[-1][0] == "book.resync"
    assert kit.feed(update(2, (bid("2")[0], ASKS), bid("2")[1]))[0].seq_provider == 2
    assert kit.wanted == [("A-B", BookReason.GAP)]


def test_a_gap_is_of_its_symbol_alone() -> None:
    kit = wired()
    kit.feed(snapshot())
    kit.feed(snapshot(symbol="C-D"))
    kit.feed(update(5, (BIDS, ASKS), {"10.0": "1"}))
    assert [kit.books[symbol].is_valid for symbol in ("A-B", "C-D")] == [False, True]


def test_a_repeated_number_is_counted_and_ignored() -> None:
    kit = wired()
    kit.feed(snapshot())
    message = update(2, (bid("2")[0], ASKS), bid("2")[1])
    assert len(kit.feed(message)) == 1
    assert kit.feed(message) == []
    ids = ids_of(kit)
    assert (ids.repeats, ids.gaps, ids.last, ids.updates) == (1, 0, 2, 2)
    assert kit.feed(update(3, (bid("3")[0], ASKS), bid("3")[1]))[0].seq_provider == 3


def test_a_snapshot_of_a_book_in_sync_is_a_refresh_and_numbers_begin_again() -> None:
    kit = wired()
    kit.feed(snapshot())
    kit.feed(update(2, (bid("2")[0], ASKS), bid("2")[1]))
    (again,) = kit.feed(snapshot())
    assert (again.reason, again.epoch) == (BookReason.REFRESH, 2)
    assert kit.feed(update(2, (bid("4")[0], ASKS), bid("4")[1]))[0].seq_provider == 2


def test_an_update_of_another_connection_is_ignored() -> None:
    kit = wired()
    kit.feed(snapshot(), conn=1)
    assert kit.feed(update(2, (BIDS, ASKS), {"10.0": "1"}), conn=0) == []
    assert ids_of(kit).gaps == 0
    assert len(kit.feed(update(2, (BIDS, ASKS), {"10.0": "1"}), conn=1)) == 1


def test_an_empty_update_has_a_number_and_is_proven() -> None:
    kit = wired()
    kit.feed(snapshot())
    (event,) = kit.feed(update(2, (BIDS, ASKS)))
    assert (event.seq_provider, list(event.bids), list(event.asks)) == (2, [], [])
    assert (ids_of(kit).empty_updates, kit.books["A-B"].checksums_ok) == (1, 2)


def test_a_wrong_checksum_voids_the_book_until_the_next_snapshot_BOOK_16() -> None:
    kit = wired()
    kit.feed(snapshot())
    (invalid,) = kit.feed(book("update", 2, {"10.0": "5"}, {}, 99), record=4)
    assert invalid.invalid_reason is BookReason.CHECKSUM
    assert kit.telemetry[0] == (
        "checksum.failed",
        {"provider": "simulated", "symbol": "A-B", "expected": 99, "actual": checksum_of(bid("5")[0], ASKS)},
    )
    assert ids_of(kit).checksum_failed_at_record == [4]
    assert kit.feed(update(3, (BIDS, ASKS), {"10.0": "1"})) == []
    assert kit.feed(snapshot())[0].reason is BookReason.CHECKSUM


def test_a_crossed_book_is_voided_though_its_checksum_is_right_BOOK_19() -> None:
    kit = wired()
    kit.feed(snapshot())
    after = ({"11.0": "1", **BIDS}, ASKS)
    assert kit.feed(update(2, after, {"11.0": "1"}))[0].invalid_reason is BookReason.CROSSED
    assert resyncs(kit) == {"crossed": 1}


def test_without_verification_nothing_is_compared() -> None:
    kit = wired(verify_checksum=False)
    kit.feed(book("snapshot", 1, BIDS, ASKS, 1))
    (event,) = kit.feed(book("update", 2, {"10.0": "5"}, {}, 2))
    assert event.checksum_state is not ChecksumState.VERIFIED
    assert kit.books["A-B"].checksums_compared == 0


def test_decimals_come_from_the_first_snapshot_where_no_metadata_told_them() -> None:
    kit = wired(with_precision=False)
    (full,) = kit.feed(snapshot())
    assert (full.price_scale, full.qty_scale, full.checksum_state) == (1, 3, ChecksumState.VERIFIED)
    assert kit.feed(update(2, (bid("2")[0], ASKS), bid("2")[1]))[0].checksum_state is ChecksumState.VERIFIED


def test_decimals_past_any_instruments_void_the_book() -> None:
    kit = wired(with_precision=False)
    assert kit.feed(snapshot({"10." + "0" * 400: "1"}, {})) == []
    assert resyncs(kit) == {"overflow": 1}


def test_zeros_that_no_decimals_call_for_change_no_checksum() -> None:
    kit = wired()
    kit.feed(snapshot())
    (event,) = kit.feed(update(2, (bid("2")[0], ASKS), {"10.0000": "2.00000"}))
    assert (event.price_scale, event.qty_scale, event.checksum_state) == (1, 3, ChecksumState.VERIFIED)


def test_more_decimals_than_were_told_widen_the_scales_and_leave_the_checksum_as_it_was() -> None:
    kit = wired()
    kit.feed(snapshot())
    after = ({"10.0": "1", "9.5": "2", "9.125": "1"}, ASKS)
    (event,) = kit.feed(update(2, after, {"9.125": "1"}))
    assert (event.price_scale, event.checksum_state) == (3, ChecksumState.VERIFIED)


def test_newer_decimals_are_those_of_the_checksum_from_then_on() -> None:
    kit = wired()
    kit.feed(snapshot())
    kit.stream.set_precision(0, 2, 3)
    finer = checksum_of(bid("2")[0], ASKS, (2, 3))
    (event,) = kit.feed(book("update", 2, bid("2")[1], {}, finer))
    assert event.checksum_state is ChecksumState.VERIFIED
    with pytest.raises(ScaleOverflowError, match="A-B at 18 and 3 decimals"):
        kit.stream.set_precision(0, 18, 3)


def test_a_reconnect_voids_the_books_of_its_connection_and_no_other() -> None:
    kit = wired()
    kit.feed(snapshot(), conn=1)
    kit.feed(snapshot(symbol="C-D"), conn=2)
    kit.stream.reset_connection(1)
    kit.stream.read_end()
    assert resyncs(kit) == {"reconnect": 1}
    assert resyncs(kit, "C-D") == {}


# --- broken frames ------------------------------------------------------------------------------------------

WHOLE = json.dumps(update(2, (BIDS, ASKS), {"10.0": "1"}))


@pytest.mark.parametrize(
    ("frame", "why"),
    [
        (WHOLE[: WHOLE.index(str(TIME_NS)) + 5], ("not_json", None)),
        (WHOLE.replace('"seq": 2', '"seq": 0'), ("bad_value", "seq")),
        (WHOLE.replace('"seq": 2', '"seq": 1'), ("bad_value", "seq")),
        (WHOLE.replace('"seq": 2', '"seq": -2'), ("bad_number", "seq")),
        (WHOLE.replace("update", "snapshot"), ("bad_value", "seq")),
        (WHOLE.replace("update", "diff"), ("unknown_value", "type")),
        (WHOLE.replace('"checksum"', '"crc"'), ("missing_field", "checksum")),
        (WHOLE.replace('"1"', '"1x"'), ("bad_number", "bids or asks")),
        (WHOLE.replace('"10.0"', '"0"'), ("bad_value", "bids or asks")),
        (WHOLE.replace('"1"', '"-1"'), ("bad_value", "bids or asks")),
        (WHOLE.replace(f"{TIME_NS}", f"{2**63}"), ("bad_time", "time_ns")),
        (WHOLE.replace(f"{checksum_of(BIDS, ASKS)}", f"{2**32}"), ("overflow", "checksum")),
    ],
)
def test_a_refused_book_frame_is_kept_and_is_a_gap_of_its_book_BOOK_09(frame: str, why: tuple[str, str | None]) -> None:
    kit = wired()
    kit.feed(snapshot())
    kit.feed(snapshot(symbol="C-D"))
    (invalid,) = kit.feed(frame)
    assert invalid.invalid_reason is BookReason.GAP
    ((code, field),) = kit.rejects
    assert code == why[0]
    assert why[1] is None or field == why[1]
    assert kit.dead == [frame.encode()]
    assert kit.books["C-D"].is_valid


@pytest.mark.parametrize("frame", [b"", b"{", b"[1]", b'{"channel":', b'{"symbol":"A-B"}', b'{"channel":"book"', b"\xff"])
def test_a_frame_that_does_not_say_whose_it_is_may_be_any_books_of_its_connection(frame: bytes) -> None:
    kit = wired()
    kit.feed(snapshot(), conn=1)
    kit.feed(snapshot(symbol="C-D"), conn=2)
    kit.feed(frame, conn=1)
    assert (resyncs(kit), resyncs(kit, "C-D")) == ({"gap": 1}, {})
    assert kit.dead == [frame]


def test_a_refused_trade_voids_no_book() -> None:
    kit = wired()
    kit.feed(snapshot())
    assert kit.feed(trades(trade(1), trade(2, side="bought"))) == []
    assert (kit.rejects, resyncs(kit)) == ([("unknown_value", "side")], {})


def test_a_symbol_that_is_not_ours_is_dead_lettered_and_the_rest_counts() -> None:
    kit = wired()
    assert len(kit.feed(trades(trade(1, symbol="X-Y"), trade(2)))) == 1
    assert kit.feed(snapshot(symbol="X-Y")) == []
    assert kit.rejects == [("unknown_symbol", "symbol")] * 2


# --- the other channels -------------------------------------------------------------------------------------


def test_trades_carry_the_takers_side_EVT_13() -> None:
    kit = wired()
    bought, sold = kit.feed(trades(trade(7), trade(8, side="sell", price="10.4")))
    assert (bought.trade_id, bought.side, bought.price_raw, bought.qty_raw) == ("7", Side.BUY, 105, 500)
    assert (sold.trade_id, sold.side, sold.price_raw, sold.ts_venue_ns) == ("8", Side.SELL, 104, TIME_NS)
    tape = kit.stream.symbol_states()[0].trades
    assert (tape.count, tape.first_id, tape.last_id, tape.id_breaks, tape.flagged_count) == (2, 7, 8, 0, 1)


def test_a_ticker_tells_what_it_was_told_EVT_14() -> None:
    kit = wired()
    (event,) = kit.feed(ticker(last="10.5", bid="10.4", low="9", high="11", time_ns=TIME_NS))
    assert (event.last_price_raw, event.bid_price_raw, event.ask_price_raw) == (105, 104, None)
    assert event.ts_venue_ns == TIME_NS
    assert kit.feed(ticker(last="12", high="11")) == []
    assert kit.feed(ticker()) == []
    assert kit.rejects == [("bad_value", "last"), ("missing_field", "last")]


def test_a_newer_candle_closes_the_one_before_EVT_15() -> None:
    kit = wired()
    (first,) = kit.feed(candles(candle(START_NS)))
    assert (first.open_time_ns, first.close_time_ns, first.is_closed) == (START_NS, START_NS + MINUTE_NS, False)
    assert (first.open_raw, first.volume_raw, first.trade_count) == (100, 3500, 4)
    closed, second = kit.feed(candles(candle(START_NS + MINUTE_NS)))
    assert (closed.open_time_ns, closed.is_closed, second.is_closed) == (START_NS, True, False)


@pytest.mark.parametrize(
    ("row", "why"),
    [
        (candle(START_NS, interval="2m"), ("unknown_value", "interval")),
        (candle(9_223_371_500_000_000_000, interval="1d"), ("bad_time", "start_ns")),
        (candle(2**63), ("bad_time", "start_ns")),
        (candle(START_NS, high="8"), ("bad_value", "data")),
        (candle(START_NS, volume=None), ("bad_number", "volume")),
    ],
)
def test_a_candle_that_cannot_be_is_refused(row: dict[str, Any], why: tuple[str, str]) -> None:
    kit = wired()
    assert kit.feed(candles(row)) == []
    assert kit.rejects == [why]


def test_heartbeats_states_and_replies() -> None:
    told: list[tuple[int, str]] = []
    kit = wired(on_error=lambda conn, text: told.append((conn, text)))
    kit.feed({"channel": "heartbeat", "time_ns": TIME_NS})
    kit.feed({"channel": "status", "state": "ending", "time_ns": TIME_NS})
    kit.feed({"channel": "reply", "op": "subscribe", "ok": True, "to": "book", "symbol": "A-B"})
    kit.feed({"channel": "reply", "op": "subscribe", "ok": False, "error": "no such symbol", "to": "book"}, conn=3)
    kit.feed({"channel": "later", "data": [1]})
    stream = kit.stream
    assert (stream.heartbeats, stream.state, stream.errors, stream.ignored) == (1, "ending", 1, 1)
    assert told == [(3, "no such symbol")]
    kit.feed({"channel": "status", "state": "asleep"})
    kit.feed({"channel": "reply", "ok": 1})
    assert kit.rejects == [("unknown_value", "state"), ("wrong_type", "ok")]


def test_keys_in_any_order_and_of_no_meaning_to_us() -> None:
    kit = wired()
    message = snapshot()
    other = {"x": [{"bids": 1}], **dict(reversed(list(message.items()))), "later": None}
    (event,) = kit.feed(other)
    assert (list(event.bids), event.seq_provider, kit.rejects) == ([(100, E3), (95, 2 * E3)], 1, [])


@pytest.mark.parametrize("key", ["channel", "type", "symbol", "seq", "bids", "asks", "checksum", "time_ns"])
def test_a_key_twice_is_refused(key: str) -> None:
    kit = wired()
    kit.feed(snapshot())
    text = json.dumps(update(2, (BIDS, ASKS), {"10.0": "1"}))
    kit.feed(text[:-1] + f', "{key}": {json.dumps(update(2, (BIDS, ASKS))[key])}}}')
    assert kit.rejects == [("duplicate_key", key)]
    assert resyncs(kit) == {"gap": 1}
