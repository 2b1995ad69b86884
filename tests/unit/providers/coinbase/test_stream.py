"""From frames to books and events: BOOK-14, BOOK-25, BOOK-27, EVT-11 to EVT-15 as Coinbase feeds them."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest

from engine.schema.enums import BookReason, Side, UpdateType
from tests.unit.providers.coinbase.frames import (
    TIME_NS,
    candle,
    candles,
    message,
    snapshot,
    ticker,
    trade,
    trades,
    update,
    wired,
)
from tests.unit.providers.stream_kit import RECV_NS

# --- books --------------------------------------------------------------------------------------------------


def test_a_snapshot_then_updates() -> None:
    kit = wired()
    full = kit.feed(message(0, snapshot()))[0]
    assert (full.symbol, full.reason, full.epoch, full.seq_provider) == ("A-USD", BookReason.INITIAL, 1, 1)
    assert (list(full.bids), list(full.asks)) == ([(1000, 100)], [(1100, 200)])
    assert (full.first_update_id, full.final_update_id, full.verified_through_id) == (0, 0, 1)
    assert (full.ts_venue_ns, full.ts_recv_ns) == (TIME_NS, RECV_NS)
    kit.feed(message(1, {"current_time": "x"}, channel="heartbeats"))
    delta = kit.feed(message(2, update(("offer", "11", "0"), ("bid", "10.5", "3"), ("offer", "12", "1"))))[0]
    assert (delta.update_type, delta.epoch, delta.seq_provider) == (UpdateType.DELTA, 1, 2)
    assert (delta.first_update_id, delta.final_update_id) == (2, 2)
    assert (list(delta.bids), list(delta.asks)) == ([(1050, 300)], [(1100, 0), (1200, 100)])
    assert kit.levels("A-USD") == (
        [(Decimal("10.5"), Decimal(3)), (Decimal(10), Decimal(1))],
        [(Decimal(12), Decimal(1))],
    )
    kit.assert_balanced()


def test_sides_of_a_snapshot_may_be_mixed_and_a_side_empty() -> None:
    kit = wired()
    mixed = update(("offer", "12", "1"), ("bid", "9", "1"), ("offer", "11", "2"), ("bid", "10", "2"))
    full = kit.feed(message(0, {**mixed, "type": "snapshot"}))[0]
    assert (list(full.bids), list(full.asks)) == ([(1000, 200), (900, 100)], [(1100, 200), (1200, 100)])
    assert kit.feed(message(1, {**update(), "type": "snapshot"}))[0].bids[:] == []
    assert kit.books["A-USD"].is_valid


def test_an_empty_update_publishes_nothing_and_counts() -> None:
    kit = wired()
    kit.feed(message(0, snapshot()))
    assert kit.feed(message(1, update())) == []
    ordinals = [kit.feed(message(n, update(("bid", "9", str(n)))))[0].seq_provider for n in (2, 3)]
    assert ordinals == [2, 3]
    state = kit.stream.symbol_states()[0]
    assert (state.snapshots, state.updates, state.empty_updates) == (1, 3, 1)


def test_several_products_share_a_frame() -> None:
    kit = wired()
    caused = kit.feed(message(0, snapshot("A-USD"), snapshot("B-USD", bid="5", ask="6")))
    assert [(e.symbol, e.seq_provider, e.final_update_id) for e in caused] == [
        ("A-USD", 1, 0),
        ("B-USD", 1, 0),
    ]
    changes = [update(("bid", "4", "1"), product="B-USD"), update(("bid", "9", "1"))]
    assert [(e.symbol, e.seq_provider) for e in kit.feed(message(1, *changes))] == [
        ("B-USD", 2),
        ("A-USD", 2),
    ]


def test_events_of_one_product_in_one_frame_are_one_change_of_its_book() -> None:
    kit = wired()
    kit.feed(message(0, snapshot(), snapshot("B-USD")))
    caused = kit.feed(
        message(
            1,
            update(("bid", "11.5", "1")),  # would cross, were the message not applied whole
            update(("bid", "9", "1"), product="B-USD"),
            update(("offer", "11", "0"), ("offer", "12", "4"), ("bid", "11.5", "2")),
        )
    )
    assert [(e.symbol, e.seq_provider) for e in caused] == [("A-USD", 2), ("B-USD", 2)]
    assert (list(caused[0].bids), list(caused[0].asks)) == ([(1150, 200)], [(1100, 0), (1200, 400)])
    assert kit.stream.symbol_states()[0].updates == 2
    assert kit.books["A-USD"].crossed_count == 0


def test_a_snapshot_among_the_events_of_a_product_replaces_what_was_before_it() -> None:
    kit = wired()
    kit.feed(message(0, snapshot()))
    caused = kit.feed(
        message(1, update(("bid", "99", "1")), snapshot(bid="8", ask="9"), update(("bid", "8.5", "1")))
    )
    assert [type(e).__name__ for e in caused] == ["BookSnapshot"]
    assert list(caused[0].bids) == [(850, 100), (800, 100)]
    assert (caused[0].epoch, caused[0].seq_provider) == (2, 2)


def test_a_crossed_book_is_lost_until_its_snapshot() -> None:
    kit = wired()
    kit.feed(message(0, snapshot()))
    caused = kit.feed(message(1, update(("bid", "11", "1"))))
    assert [(e.update_type, e.invalid_reason) for e in caused] == [(UpdateType.INVALID, BookReason.CROSSED)]
    assert kit.wanted == [("A-USD", BookReason.CROSSED)]
    assert kit.feed(message(2, update(("offer", "11", "0")))) == []
    assert kit.feed(message(3, snapshot()))[0].reason is BookReason.CROSSED
    assert kit.books["A-USD"].crossed_count == 1
    assert kit.stream.connections()[0].sequence_gaps == 0


def test_a_crossed_snapshot_gives_no_book() -> None:
    kit = wired()
    assert kit.feed(message(0, snapshot(bid="11", ask="11"))) == []
    assert kit.wanted == [("A-USD", BookReason.CROSSED)]
    assert kit.feed(message(1, update(("bid", "1", "1")))) == []


def test_too_many_levels_are_an_overflow() -> None:
    kit = wired(book_options={"kept_levels_max": 2})
    kit.feed(message(0, snapshot()))
    kit.feed(message(1, update(("bid", "9", "1"))))
    assert kit.feed(message(2, update(("bid", "8", "1"))))[0].invalid_reason is BookReason.OVERFLOW


def test_updates_before_the_first_snapshot_are_ignored() -> None:
    kit = wired()
    assert kit.feed(message(0, update(("bid", "9", "1")))) == []
    assert kit.levels("A-USD") == ([], [])
    assert (kit.wanted, kit.rejects) == ([], [])


def test_a_digit_beyond_the_scale_widens_it() -> None:
    kit = wired()
    kit.feed(message(0, snapshot()))
    delta = kit.feed(message(1, update(("bid", "9.001", "0.12345678"))))[0]
    assert (delta.price_scale, delta.qty_scale, list(delta.bids)) == (3, 8, [(9001, 12345678)])
    assert kit.levels("A-USD")[0][0] == (Decimal(10), Decimal(1))


def test_an_unknown_product_costs_neither_its_neighbours_nor_the_number() -> None:
    kit = wired()
    kit.feed(message(0, snapshot(), snapshot("C-USD")))
    caused = kit.feed(message(1, update(("bid", "1", "1"), product="C-USD"), update(("bid", "9", "1"))))
    assert [e.symbol for e in caused] == ["A-USD"]
    assert kit.rejects == [("unknown_symbol", "product_id")] * 2
    assert kit.stream.unknown_symbols == 2
    assert kit.stream.connections()[0].sequence_gaps == 0


def test_a_frame_with_one_bad_event_changes_no_book() -> None:
    kit = wired()
    kit.feed(message(0, snapshot(), snapshot("B-USD")))
    before = (kit.levels("A-USD"), kit.levels("B-USD"))
    bad = update(("bid", "9", "1" + "0" * 19), product="B-USD")
    assert kit.feed(message(1, update(("bid", "9", "1")), bad)) == []
    assert kit.rejects == [("overflow", None)]
    assert (kit.levels("A-USD"), kit.levels("B-USD")) == before
    assert kit.stream.symbol_states()[0].updates == 0


# --- trades -------------------------------------------------------------------------------------------------


def test_trades_leave_oldest_first_with_the_aggressors_side() -> None:
    kit = wired()
    rows = [trade(9, "SELL", "10.2"), trade(8, "BUY", "10.1"), trade(7, "BUY", "10")]
    caused = kit.feed(trades(0, *rows))
    assert [(e.trade_id, e.side, e.price_raw, e.qty_raw) for e in caused] == [
        ("7", Side.SELL, 1000, 50),
        ("8", Side.SELL, 1010, 50),
        ("9", Side.BUY, 1020, 50),
    ]
    assert {(e.ts_venue_ns, e.match_count) for e in caused} == {(TIME_NS, 1)}
    tape = kit.stream.symbol_states()[0].trades
    assert (tape.count, tape.first_id, tape.last_id, tape.flagged_count, tape.id_breaks) == (3, 7, 9, 2, 0)
    assert (tape.volume_raw(), tape.last_price_raw) == (150, 1020)


def test_recent_trades_of_a_snapshot_are_counted_but_not_published() -> None:
    kit = wired()
    assert kit.feed(trades(0, trade(8), trade(7), kind="snapshot")) == []
    assert [e.trade_id for e in kit.feed(trades(1, trade(9)))] == ["9"]
    tape = kit.stream.symbol_states()[0].trades
    assert (tape.count, tape.first_id, tape.id_breaks) == (3, 7, 0)


def test_trades_of_several_products_and_events() -> None:
    kit = wired()
    frame = trades(0, trade(2), trade(5, product="B-USD"), trade(1))
    frame["events"].append({"type": "update", "trades": [trade(3)]})
    assert [(e.symbol, e.trade_id) for e in kit.feed(frame)] == [
        ("A-USD", "1"),
        ("B-USD", "5"),
        ("A-USD", "2"),
        ("A-USD", "3"),
    ]
    assert kit.stream.symbol_states()[0].trades.id_breaks == 0


@pytest.mark.parametrize(
    ("change", "refusal"),
    [
        ({"trade_id": "x1"}, ("bad_value", "trade_id")),
        ({"trade_id": "-1"}, ("bad_value", "trade_id")),
        ({"trade_id": str(2**64)}, ("overflow", "trade_id")),
        ({"price": "0"}, ("bad_value", "price")),
        ({"size": "-1"}, ("bad_value", "size")),
        ({"size": "1e3"}, ("bad_number", None)),
        ({"side": "UNKNOWN_ORDER_SIDE"}, ("unknown_value", "side")),
        ({"side": 1}, ("wrong_type", "side")),
        ({"time": "2026-13-01T00:00:00Z"}, ("bad_time", "time")),
        ({"product_id": None}, ("wrong_type", "product_id")),
    ],
)
def test_a_trade_that_cannot_be_is_refused(
    change: dict[str, object], refusal: tuple[str, str | None]
) -> None:
    kit = wired()
    assert kit.feed(trades(0, trade(2), {**trade(1), **change})) == []
    assert kit.rejects == [refusal]
    assert kit.stream.symbol_states()[0].trades.count == 0


# --- tickers ------------------------------------------------------------------------------------------------


FIELDS = {
    "last_price_raw": ("price", "10.5", 1050),
    "bid_price_raw": ("best_bid", "10", 1000),
    "bid_qty_raw": ("best_bid_quantity", "1.5", 150),
    "ask_price_raw": ("best_ask", "11", 1100),
    "ask_qty_raw": ("best_ask_quantity", "2", 200),
    "high_24h_raw": ("high_24_h", "12", 1200),
    "low_24h_raw": ("low_24_h", "9", 900),
    "volume_24h_raw": ("volume_24_h", "1234.5", 123450),
}


def sent(*keys: str) -> dict[str, str]:
    return {wire_key: text for wire_key, text, _ in FIELDS.values() if wire_key in keys}


@pytest.mark.parametrize("missing", ["", *FIELDS])
@pytest.mark.parametrize("absent", [None, ""])
def test_a_ticker_has_exactly_the_fields_that_were_sent(missing: str, absent: str | None) -> None:
    kit = wired()
    fields = {key: absent if name == missing else text for name, (key, text, _) in FIELDS.items()}
    told = kit.feed(ticker(0, low_52_w="1", high_52_w="100", price_percent_chg_24_h="-1.5", **fields))[0]
    assert {name: getattr(told, name) for name in FIELDS} == {
        name: None if name == missing else raw for name, (_, _, raw) in FIELDS.items()
    }
    assert told.open_24h_raw is None
    assert told.ts_venue_ns == TIME_NS


def test_the_batched_ticker_has_no_best_bid_and_ask() -> None:
    kit = wired()
    told = kit.feed(ticker(0, "ticker_batch", **sent("price", "volume_24_h")))[0]
    assert (told.last_price_raw, told.volume_24h_raw, told.bid_price_raw) == (1050, 123450, None)


def test_a_ticker_without_any_price_is_refused() -> None:
    kit = wired()
    assert kit.feed(ticker(0, **sent("volume_24_h", "high_24_h"))) == []
    assert kit.rejects == [("missing_field", "price")]


def test_a_last_price_outside_the_days_range_is_refused_but_its_number_was_read() -> None:
    kit = wired()
    kit.feed(message(0, snapshot()))
    assert kit.feed(ticker(1, price="12.5", **sent("high_24_h", "low_24_h"))) == []
    assert kit.rejects == [("bad_value", "price")]
    assert [type(e).__name__ for e in kit.feed(message(2, update(("bid", "9", "1"))))] == ["BookUpdate"]


# --- candles ------------------------------------------------------------------------------------------------


def test_a_newer_start_closes_the_candle_before() -> None:
    kit = wired()
    first = kit.feed(candles(0, candle(1_795_168_800)))[0]
    assert (first.interval, first.open_time_ns, first.close_time_ns) == (
        "5m",
        1_795_168_800 * 10**9,
        1_795_169_100 * 10**9,
    )
    assert (first.open_raw, first.high_raw, first.low_raw, first.close_raw) == (1000, 1200, 900, 1100)
    assert (first.volume_raw, first.trade_count, first.is_closed) == (350, None, False)
    kit.feed(candles(1, candle(1_795_168_800, close="11.5")))
    closed, opened = kit.feed(candles(2, candle(1_795_169_100)))
    assert (closed.is_closed, closed.close_raw, closed.open_time_ns) == (True, 1150, first.open_time_ns)
    assert (opened.is_closed, opened.open_time_ns) == (False, first.close_time_ns)
    assert kit.feed(candles(3, candle(1_795_168_800, close="9.5"))) == [], "a closed candle stays as it is"


def test_candles_of_a_frame_are_taken_oldest_first_whatever_their_order() -> None:
    kit = wired()
    newest_first = [candle(900), candle(600), candle(600, "B-USD"), candle(300)]
    caused = kit.feed(candles(0, *newest_first))
    seen = [(e.symbol, e.open_time_ns // 10**9, e.is_closed) for e in caused if e.symbol == "A-USD"]
    assert [(start, closed) for _, start, closed in seen] == [
        (300, False),
        (300, True),
        (600, False),
        (600, True),
        (900, False),
    ]
    assert [e.open_time_ns // 10**9 for e in caused if e.symbol == "B-USD"] == [600]


@pytest.mark.parametrize(
    ("change", "refusal"),
    [
        ({"low": "10.5"}, ("bad_value", "candles")),
        ({"high": "10.5"}, ("bad_value", "candles")),
        ({"volume": "-1"}, ("bad_value", "candles")),
        ({"start": "99999999999"}, ("bad_time", "start")),
        ({"start": "x"}, ("bad_number", "start")),
        ({"open": ""}, ("bad_number", None)),
        ({"close": None}, ("bad_number", None)),
    ],
)
def test_an_impossible_candle_is_refused(change: dict[str, object], refusal: tuple[str, str | None]) -> None:
    kit = wired()
    assert kit.feed(candles(0, {**candle(300), **change})) == []
    assert kit.rejects == [refusal]


# --- the rest -----------------------------------------------------------------------------------------------


def test_acknowledgements_tell_the_whole_current_set() -> None:
    told: list[tuple[int, dict[str, list[str]]]] = []
    kit = wired(on_subscriptions=lambda conn, current: told.append((conn, current)))
    current = {"level2": ["A-USD", 1, "B-USD"], "x": 7, "heartbeats": ["heartbeats"], "ticker": [], "y": {}}
    kit.feed(message(0, {"subscriptions": current}, channel="subscriptions"), conn=3)
    assert told == [(3, {"level2": ["A-USD", "B-USD"], "heartbeats": ["heartbeats"]})]


def test_heartbeats_and_unknown_channels_are_counted() -> None:
    kit = wired()
    kit.feed(
        message(0, {"current_time": "2026 +0000 UTC m=+1.5", "heartbeat_counter": "7"}, channel="heartbeats")
    )
    kit.feed(message(1, {"type": "snapshot", "orders": []}, channel="user"))
    kit.feed({"channel": "of another kind", "x": 1})
    assert (kit.stream.heartbeats, kit.stream.ignored, kit.stream.frames, kit.rejects) == (1, 2, 3, [])


def test_a_product_spelled_with_escapes_is_the_same_product() -> None:
    kit = wired()
    text = json.dumps(message(0, snapshot())).replace("A-USD", "\\u0041-USD")
    assert [e.symbol for e in kit.feed(text)] == ["A-USD"]
