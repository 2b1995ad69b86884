"""The simulated Kraken keeps the rules that clients rely on, its checksum first of all."""

from __future__ import annotations

from decimal import Decimal
from types import SimpleNamespace
from typing import Any, cast

import pytest

from engine.simulator.checksum import checksum_of
from engine.simulator.ladder import Ladder
from engine.simulator.market import SymbolMarket
from engine.simulator.venue import Session, Venue
from tests.unit.simulator.clients import (
    START_US,
    KrakenBook,
    Tape,
    connect,
    make_venue,
    own_book,
    parse,
    run,
    say,
)

SYMBOLS = ["BTC/USD", "ETH/USD", "SOL/USD"]
DECIMALS = {"BTC/USD": (1, 8), "ETH/USD": (2, 8), "SOL/USD": (2, 8)}


def subscribe(venue: Venue, session: Session, channel: str, **params: Any) -> None:
    say(venue, session, method="subscribe", params={"channel": channel, "symbol": SYMBOLS} | params, req_id=7)


def connected(**market: Any) -> tuple[Venue, Session, Tape]:
    venue = make_venue("kraken", **market)
    session, tape = connect(venue, "/v2")
    return venue, session, tape


def of(tape: Tape, channel: str) -> list[Any]:
    return [message for message in tape.messages() if message.get("channel") == channel]


def replies(tape: Tape) -> list[Any]:
    return [message for message in tape.messages() if "success" in message or "method" in message]


def test_the_same_seed_and_the_same_client_give_the_same_bytes() -> None:
    tapes = []
    for seed in (7, 7, 8):
        venue, session, tape = connected(seed=seed)
        for channel in ("book", "trade", "ticker", "ohlc", "instrument"):
            subscribe(venue, session, channel)
        run(venue, 1.5)
        tapes.append(tape.frames)
    assert tapes[0] == tapes[1]
    assert tapes[0] != tapes[2]


# --- the book -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("depth", "levels"), [(10, 60), (25, 60), (100, 80)])
def test_every_checksum_verifies_with_a_client_that_cuts_to_the_depth(depth: int, levels: int) -> None:
    venue, session, tape = connected(levels=levels)
    subscribe(venue, session, "book", depth=depth)
    run(venue, 1.5)
    books = {symbol: KrakenBook(depth, *DECIMALS[symbol]) for symbol in SYMBOLS}
    for message in of(tape, "book"):
        books[message["data"][0]["symbol"]].on_message(message)
    for symbol, book in books.items():
        assert book.checksums_count > 200
        assert book.failures_count == 0
        bids, asks = own_book(venue, symbol)
        assert book.bids == {price: bids[price] for price in sorted(bids, reverse=True)[:depth]}
        assert book.asks == {price: asks[price] for price in sorted(asks)[:depth]}


def test_a_client_that_does_not_cut_fails() -> None:
    venue, session, tape = connected()
    subscribe(venue, session, "book", depth=10)
    run(venue, 1.5)
    careless = KrakenBook(10, *DECIMALS["BTC/USD"], truncate=False)
    for message in of(tape, "book"):
        if message["data"][0]["symbol"] == "BTC/USD":
            careless.on_message(message)
    assert careless.failures_count > careless.checksums_count / 20


def test_the_checksum_of_the_protocols_short_book() -> None:
    bids, asks = Ladder(is_bid=True), Ladder(is_bid=False)
    for price_raw, qty_raw in ((627105, 93111634), (627106, 50000000), (627110, 120000000)):
        asks.set_level(price_raw, qty_raw)
    for price_raw, qty_raw in ((627104, 1000000), (627091, 200000000)):
        bids.set_level(price_raw, qty_raw)
    market = cast(SymbolMarket, SimpleNamespace(bids=bids, asks=asks))
    assert checksum_of(market) == 1396696505
    assert checksum_of(cast(SymbolMarket, SimpleNamespace(bids=Ladder(True), asks=Ladder(False)))) == 0


def test_readers_of_other_depths_and_later_ones_see_their_own_book() -> None:
    venue, first, first_tape = connected()
    subscribe(venue, first, "book", depth=10)
    run(venue, 0.5)
    second, second_tape = connect(venue, "/v2")
    subscribe(venue, second, "book", depth=25)
    third, third_tape = connect(venue, "/v2")
    subscribe(venue, third, "book", depth=10, symbol=["BTC/USD"])
    run(venue, 0.5)
    for tape, depth in ((first_tape, 10), (second_tape, 25), (third_tape, 10)):
        book = KrakenBook(depth, *DECIMALS["BTC/USD"])
        for message in of(tape, "book"):
            if message["data"][0]["symbol"] == "BTC/USD":
                book.on_message(message)
        assert (book.failures_count, len(book.bids)) == (0, depth)
        assert book.checksums_count > 50


def test_numbers_are_json_numbers_at_the_pairs_precision() -> None:
    venue, session, tape = connected()
    subscribe(venue, session, "book", symbol=["BTC/USD"])
    run(venue, 0.5)
    levels = [level for m in of(tape, "book") for side in ("bids", "asks") for level in m["data"][0][side]]
    assert levels
    for level in levels:
        assert isinstance(level["price"], Decimal)
        assert (-level["price"].as_tuple().exponent, -level["qty"].as_tuple().exponent) == (1, 8)
    assert any(str(level["qty"]).endswith("0") for level in levels)


# --- subscriptions ------------------------------------------------------------------------------------------


def test_status_first_then_one_ack_a_symbol_then_the_snapshots() -> None:
    venue, session, tape = connected()
    subscribe(venue, session, "book", depth=25)
    status, *acks = tape.messages()[:4]
    assert status["data"][0]["system"] == "online"
    assert status["data"][0]["connection_id"] > 2**53
    assert [ack["result"] for ack in acks] == [
        {"channel": "book", "depth": 25, "snapshot": True, "symbol": symbol} for symbol in SYMBOLS
    ]
    assert {(ack["method"], ack["success"], ack["req_id"]) for ack in acks} == {("subscribe", True, 7)}
    assert [message["type"] for message in tape.messages()[4:]] == ["snapshot"] * 3


@pytest.mark.parametrize(
    ("params", "error"),
    [
        ({"channel": "book", "symbol": ["NOPE/USD"]}, "Currency pair not supported NOPE/USD"),
        ({"channel": "book", "symbol": ["BTC/USD"], "depth": 11}, "Subscription depth not supported"),
        ({"channel": "books", "symbol": ["BTC/USD"]}, "Subscription name invalid"),
        (
            {"channel": "ohlc", "symbol": ["BTC/USD"], "interval": 2},
            "Subscription ohlc interval not supported",
        ),
    ],
)
def test_a_refused_subscription_says_why(params: dict[str, Any], error: str) -> None:
    venue, session, tape = connected()
    say(venue, session, method="subscribe", params=params, req_id=3)
    run(venue, 1)
    (reply,) = replies(tape)
    assert (reply["success"], reply["error"], reply["req_id"]) == (False, error, 3)
    assert not of(tape, "book")


def test_one_bad_symbol_does_not_stop_the_others() -> None:
    venue, session, tape = connected()
    subscribe(venue, session, "book", symbol=["NOPE/USD", "ETH/USD"])
    assert [reply["success"] for reply in replies(tape)] == [False, True]
    assert [message["data"][0]["symbol"] for message in of(tape, "book")] == ["ETH/USD"]


def test_a_book_has_one_depth_on_a_connection() -> None:
    venue, session, tape = connected()
    subscribe(venue, session, "book", symbol=["BTC/USD"], depth=10)
    subscribe(venue, session, "book", symbol=["BTC/USD"], depth=25)
    assert replies(tape)[1]["error"] == "Already subscribed"


def test_an_unsubscribe_must_name_the_depth() -> None:
    venue, session, tape = connected()
    subscribe(venue, session, "book", symbol=["BTC/USD"], depth=25)
    gone = {"channel": "book", "symbol": ["BTC/USD"]}
    say(venue, session, method="unsubscribe", params=gone, req_id=8)
    say(venue, session, method="unsubscribe", params=gone | {"depth": 25}, req_id=9)
    _, wrong, right = replies(tape)
    assert (wrong["success"], wrong["error"]) == (False, "Subscription Not Found")
    assert right["result"] == {"channel": "book", "depth": 25, "symbol": "BTC/USD"}
    tape.frames.clear()
    run(venue, 0.5)
    assert not of(tape, "book")
    subscribe(venue, session, "book", symbol=["BTC/USD"], depth=25)
    assert of(tape, "book")[0]["type"] == "snapshot"


def test_a_heartbeat_each_second_once_something_was_asked_for() -> None:
    venue, session, tape = connected(rate=20)
    run(venue, 3)
    assert not of(tape, "heartbeat")
    subscribe(venue, session, "trade")
    run(venue, 5)
    assert len(of(tape, "heartbeat")) == 5


@pytest.mark.parametrize(("request_id", "echoed"), [(101, {"req_id": 101}), ("x", {}), (None, {})])
def test_ping_is_answered_and_only_an_integer_id_is_echoed(request_id: Any, echoed: dict[str, int]) -> None:
    venue, session, tape = connected()
    say(venue, session, method="ping", req_id=request_id)
    (pong,) = replies(tape)
    assert pong.pop("time_in") == pong.pop("time_out") == "2023-11-14T22:13:20.250000Z"
    assert pong == {"method": "pong"} | echoed


def test_what_is_no_request_is_refused() -> None:
    venue, session, tape = connected()
    venue.receive(session, b"{")
    say(venue, session, method="dance", req_id=1)
    assert [(reply["success"], reply["error"]) for reply in replies(tape)] == [
        (False, "Malformed request"),
        (False, "Unsupported event"),
    ]


def test_who_left_gets_nothing_more() -> None:
    venue, session, tape = connected()
    subscribe(venue, session, "book")
    venue.disconnect(session)
    frames_count = len(tape.frames)
    run(venue, 2)
    assert (len(tape.frames), venue.has_subscribers) == (frames_count, False)


# --- other channels -----------------------------------------------------------------------------------------


def test_trades_have_consecutive_ids_and_the_snapshot_is_for_who_asks() -> None:
    venue, session, tape = connected(rate=300)
    subscribe(venue, session, "trade", symbol=["BTC/USD"])
    run(venue, 2)
    assert {message["type"] for message in of(tape, "trade")} == {"update"}
    ids = [trade["trade_id"] for message in of(tape, "trade") for trade in message["data"]]
    assert len(ids) > 50
    assert ids == list(range(ids[0], ids[0] + len(ids)))
    late, late_tape = connect(venue, "/v2")
    subscribe(venue, late, "trade", symbol=["BTC/USD"], snapshot=True)
    (snapshot,) = of(late_tape, "trade")
    assert [trade["trade_id"] for trade in snapshot["data"]] == ids[-50:]


def test_a_trade_prints_at_the_side_that_it_ate() -> None:
    venue, session, tape = connected(rate=300)
    subscribe(venue, session, "book", symbol=["BTC/USD"], depth=25)
    subscribe(venue, session, "trade", symbol=["BTC/USD"])
    run(venue, 5)
    book, checked = KrakenBook(25, *DECIMALS["BTC/USD"]), 0
    for message in tape.messages():
        if message.get("channel") == "book":
            book.on_message(message)
        elif message.get("channel") == "trade":
            first = message["data"][0]
            assert first["price"] == (min(book.asks) if first["side"] == "buy" else max(book.bids))
            checked += 1
    assert checked > 20


def test_the_bbo_ticker_is_the_top_of_the_book() -> None:
    venue, session, tape = connected(rate=600)
    subscribe(venue, session, "book", symbol=["BTC/USD"])
    subscribe(venue, session, "ticker", symbol=["BTC/USD"], event_trigger="bbo")
    run(venue, 3)
    book, checked = KrakenBook(10, *DECIMALS["BTC/USD"]), 0
    for message in tape.messages():
        if message.get("channel") == "book":
            book.on_message(message)
        elif message.get("channel") == "ticker":
            (ticker,) = message["data"]
            best_bid, best_ask = max(book.bids), min(book.asks)
            assert (ticker["bid"], ticker["bid_qty"]) == (best_bid, book.bids[best_bid])
            assert (ticker["ask"], ticker["ask_qty"]) == (best_ask, book.asks[best_ask])
            checked += 1
    assert checked > 50
    say(venue, session, method="unsubscribe", params={"channel": "ticker", "symbol": ["BTC/USD"]})
    assert replies(tape)[-1]["success"] is True


def test_the_default_ticker_moves_on_trades_only() -> None:
    venue, session, tape = connected()
    for channel in ("ticker", "trade"):
        subscribe(venue, session, channel, symbol=["BTC/USD"])
    run(venue, 1)
    tickers = [message for message in of(tape, "ticker") if message["type"] == "update"]
    assert len(tickers) == len(of(tape, "trade")) > 20
    assert tickers[-1]["data"][0]["last"] == of(tape, "trade")[-1]["data"][-1]["price"]


def test_ohlc_comes_with_trades_and_sums_them() -> None:
    venue, session, tape = connected()
    for channel in ("ohlc", "trade"):
        subscribe(venue, session, channel, symbol=["BTC/USD"])
    run(venue, 1)
    (snapshot, *_), updates = of(tape, "ohlc"), of(tape, "ohlc")[1:]
    assert [candle["trades"] for candle in snapshot["data"]] == [0] * 5
    trades = [trade for message in of(tape, "trade") for trade in message["data"]]
    (candle,) = updates[-1]["data"]
    assert candle["interval_begin"] == "2023-11-14T22:13:00.000000Z"
    assert candle["volume"] == sum(trade["qty"] for trade in trades)
    assert (candle["open"], candle["close"]) == (trades[0]["price"], trades[-1]["price"])
    assert candle["trades"] == len(trades)


def test_instruments_and_asset_pairs_tell_the_same_grid() -> None:
    venue, session, tape = connected()
    say(venue, session, method="subscribe", params={"channel": "instrument"}, req_id=1)
    (snapshot,) = of(tape, "instrument")
    pairs = {pair["symbol"]: pair for pair in snapshot["data"]["pairs"]}
    assert list(pairs) == SYMBOLS
    assert {asset["id"] for asset in snapshot["data"]["assets"]} == {"BTC", "ETH", "SOL", "USD"}
    assert b'"qty_increment":1e-08' in tape.frames[-1]
    rest = parse(venue.rest("/0/public/AssetPairs", {}).body)
    assert rest["error"] == []
    assert list(rest["result"]) == ["XXBTZUSD", "XETHZUSD", "SOLUSD"]
    assert rest["result"]["XXBTZUSD"]["wsname"] == "XBT/USD"
    for pair, listed in zip(pairs.values(), rest["result"].values(), strict=True):
        assert (pair["price_precision"], pair["qty_precision"]) == DECIMALS[pair["symbol"]]
        assert (listed["pair_decimals"], listed["lot_decimals"]) == DECIMALS[pair["symbol"]]
        assert Decimal(listed["tick_size"]) == pair["price_increment"]
        assert Decimal(listed["ordermin"]) == pair["qty_min"]


@pytest.mark.parametrize(
    ("name", "key"),
    [("XBTUSD", "XXBTZUSD"), ("XXBTZUSD", "XXBTZUSD"), ("XBT/USD", "XBT/USD"), ("BTC/USD", "BTC/USD")],
)
def test_a_pair_answers_to_all_its_names(name: str, key: str) -> None:
    """Under the name asked for where that has a slash: a Python SDK of the venue looks it up so."""
    venue = make_venue("kraken")
    assert list(parse(venue.rest("/0/public/AssetPairs", {"pair": name}).body)["result"]) == [key]


def test_rest_time_status_and_refusals() -> None:
    venue = make_venue("kraken")
    assert parse(venue.rest("/0/public/Time", {}).body)["result"]["unixtime"] == START_US // 10**6
    assert parse(venue.rest("/0/public/SystemStatus", {}).body)["result"]["status"] == "online"
    unknown = venue.rest("/0/public/AssetPairs", {"pair": "NOPEUSD"})
    assert (unknown.status, parse(unknown.body)["error"]) == (200, ["EQuery:Unknown asset pair"])
    assert parse(venue.rest("/0/public/Nothing", {}).body)["error"] == ["EGeneral:Unknown method"]
    assert [venue.serves(path) for path in ("/v2", "/v2/", "/")] == [True, True, False]
