"""The simulated Binance Spot keeps the rules that clients rely on."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from engine.simulator.venue import Venue
from tests.unit.simulator.clients import (
    START_US,
    BinanceBook,
    Tape,
    as_side,
    connect,
    make_venue,
    own_book,
    parse,
    run,
    say,
)

SYMBOLS = ("btcusdt", "ethusdt", "solusdt")


def streams_url(*kinds: str) -> str:
    return "/stream?streams=" + "/".join(f"{symbol}@{kind}" for symbol in SYMBOLS for kind in kinds)


def payloads(tape: Tape, suffix: str) -> list[Any]:
    return [m["data"] for m in tape.messages() if m.get("stream", "").endswith(f"@{suffix}")]


def snapshot(venue: Venue, symbol: str, limit: int = 5000) -> Any:
    reply = venue.rest("/api/v3/depth", {"symbol": symbol, "limit": str(limit)})
    assert reply.status == 200
    return parse(reply.body)


def test_the_same_seed_and_the_same_client_give_the_same_bytes() -> None:
    tapes = []
    for seed in (7, 7, 8):
        venue = make_venue("binance", seed=seed)
        _, tape = connect(venue, streams_url("depth@100ms", "bookTicker", "trade", "aggTrade", "kline_1m"))
        run(venue, 1)
        tapes.append(tape.frames)
    assert tapes[0] == tapes[1]
    assert tapes[0] != tapes[2]


def test_the_step_of_time_changes_no_byte() -> None:
    tapes = []
    for steps in (1, 97):
        venue = make_venue("binance")
        _, tape = connect(venue, streams_url("depth@100ms", "trade"))
        for _ in range(steps):
            run(venue, 0.97 / steps)
        tapes.append(tape.frames)
    assert tapes[0] == tapes[1]


def test_diffs_join_the_snapshot_and_rebuild_the_book() -> None:
    venue = make_venue("binance")
    _, tape = connect(venue, streams_url("depth@100ms"))
    run(venue, 0.43)
    snapshots = {symbol: snapshot(venue, symbol.upper()) for symbol in SYMBOLS}
    run(venue, 2)
    venue.freeze()
    diffs = payloads(tape, "depth@100ms")
    for symbol in SYMBOLS:
        book, last_id = BinanceBook(), None
        own = [diff for diff in diffs if diff["s"] == symbol.upper()]
        for place, diff in enumerate(own):
            assert last_id in (None, diff["U"] - 1)
            last_id = diff["u"]
            if place == 2:
                book.on_snapshot(snapshots[symbol])
            book.on_diff(diff)
        assert (book.bids, book.asks) == own_book(venue, symbol.upper())
        assert book.update_id == venue.books()[symbol.upper()]["last_update_id"]


def test_a_book_ticker_equals_the_book_where_the_ids_coincide() -> None:
    venue = make_venue("binance", rate=600)
    _, tape = connect(venue, streams_url("depth@100ms", "bookTicker"))
    book, tickers, checked = BinanceBook(), {}, 0
    book.on_snapshot(snapshot(venue, "BTCUSDT"))
    run(venue, 5)
    for message in tape.messages():
        data = message["data"]
        if data["s"] != "BTCUSDT":
            continue
        if "U" not in data:
            tickers[data["u"]] = data
            continue
        book.on_diff(data)
        if ticker := tickers.get(data["u"]):
            best_bid, best_ask = max(book.bids), min(book.asks)
            assert (Decimal(ticker["b"]), Decimal(ticker["B"])) == (best_bid, book.bids[best_bid])
            assert (Decimal(ticker["a"]), Decimal(ticker["A"])) == (best_ask, book.asks[best_ask])
            checked += 1
    assert checked >= 5


def test_partial_depth_is_the_top_of_the_book_at_a_diffs_id() -> None:
    venue = make_venue("binance")
    _, tape = connect(venue, streams_url("depth@100ms", "depth5@100ms"))
    book, checked = BinanceBook(), 0
    book.on_snapshot(snapshot(venue, "ETHUSDT"))
    run(venue, 1)
    for message in tape.messages():
        data = message["data"]
        if message["stream"] == "ethusdt@depth@100ms":
            book.on_diff(data)
        elif message["stream"] == "ethusdt@depth5@100ms":
            assert data["lastUpdateId"] == book.update_id
            best = sorted(book.bids, reverse=True)[:5]
            assert as_side(data["bids"]) == {price: book.bids[price] for price in best}
            assert list(as_side(data["asks"])) == sorted(book.asks)[:5]
            checked += 1
    assert checked >= 8


def test_diffs_come_ten_times_a_second_or_once() -> None:
    venue = make_venue("binance")
    _, tape = connect(venue, "/stream?streams=btcusdt@depth@100ms/btcusdt@depth")
    run(venue, 3)
    fast, slow = payloads(tape, "depth@100ms"), payloads(tape, "depth")
    assert len(fast) in (29, 30, 31)
    assert len(slow) in (2, 3)
    assert [diff["U"] for diff in slow[1:]] == [diff["u"] + 1 for diff in slow[:-1]]


def test_trades_have_consecutive_ids_and_aggregates_cover_them() -> None:
    venue = make_venue("binance")
    _, tape = connect(venue, streams_url("trade", "aggTrade"))
    run(venue, 2)
    trades = [trade for trade in payloads(tape, "trade") if trade["s"] == "BTCUSDT"]
    ids = [trade["t"] for trade in trades]
    assert len(ids) > 100
    assert ids == list(range(ids[0], ids[0] + len(ids)))
    by_id = {trade["t"]: trade for trade in trades}
    aggregates = [aggregate for aggregate in payloads(tape, "aggTrade") if aggregate["s"] == "BTCUSDT"]
    numbers = [aggregate["a"] for aggregate in aggregates]
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
    assert any(aggregate["l"] > aggregate["f"] for aggregate in aggregates)
    for aggregate in aggregates:
        covered = [by_id[trade_id] for trade_id in range(aggregate["f"], aggregate["l"] + 1)]
        assert {trade["p"] for trade in covered} == {aggregate["p"]}
        assert sum(Decimal(trade["q"]) for trade in covered) == Decimal(aggregate["q"])


def test_numbers_are_strings_with_eight_decimals() -> None:
    venue = make_venue("binance")
    _, tape = connect(venue, streams_url("depth@100ms", "trade"))
    run(venue, 0.5)
    texts = [text for diff in payloads(tape, "depth@100ms") for level in diff["b"] for text in level]
    texts += [trade[key] for trade in payloads(tape, "trade") for key in "pq"]
    assert texts
    assert all(len(text.partition(".")[2]) == 8 for text in texts)


def test_a_kline_runs_and_closes_once_after_its_end() -> None:
    venue = make_venue("binance", rate=400)
    _, tape = connect(venue, "/stream?streams=btcusdt@kline_1s/btcusdt@trade")
    run(venue, 6)
    trades = payloads(tape, "trade")
    closed = [frame["k"] for frame in payloads(tape, "kline_1s") if frame["k"]["x"]]
    assert [candle["t"] for candle in closed] == [START_US // 1_000_000 * 1000 + s * 1000 for s in range(6)]
    for candle in closed:
        inside = [trade for trade in trades if candle["t"] <= trade["T"] <= candle["T"]]
        assert candle["n"] == len(inside) > 0
        assert Decimal(candle["v"]) == sum(Decimal(trade["q"]) for trade in inside)
        assert Decimal(candle["q"]) == sum(Decimal(trade["q"]) * Decimal(trade["p"]) for trade in inside)
        assert (candle["f"], candle["L"]) == (inside[0]["t"], inside[-1]["t"])
        assert (candle["o"], candle["c"]) == (inside[0]["p"], inside[-1]["p"])
    assert any(not frame["k"]["x"] for frame in payloads(tape, "kline_1s"))


def test_a_frozen_market_goes_on_closing_empty_klines() -> None:
    venue = make_venue("binance")
    venue.freeze()
    _, tape = connect(venue, "/stream?streams=btcusdt@kline_1s")
    run(venue, 4)
    candle = [frame["k"] for frame in payloads(tape, "kline_1s") if frame["k"]["x"]][-1]
    assert (candle["f"], candle["L"], candle["n"]) == (-1, -1, 0)
    assert candle["o"] == candle["h"] == candle["l"] == candle["c"]


def test_the_day_ticker_sums_the_trades() -> None:
    venue = make_venue("binance", rate=300)
    _, tape = connect(venue, "/stream?streams=btcusdt@ticker/btcusdt@trade")
    run(venue, 3)
    trades: list[Any] = []
    tickers = 0
    for message in tape.messages():
        if message["stream"].endswith("trade"):
            trades.append(message["data"])
            continue
        ticker = message["data"]
        tickers += 1
        assert ticker["n"] == len(trades)
        assert Decimal(ticker["v"]) == sum(Decimal(trade["q"]) for trade in trades)
        assert ticker["c"] == trades[-1]["p"]
        assert (ticker["F"], ticker["L"]) == (trades[0]["t"], trades[-1]["t"])
        assert Decimal(ticker["p"]) == Decimal(ticker["c"]) - Decimal(ticker["o"])
    assert tickers == 3


# --- control frames -----------------------------------------------------------------------------------------


def test_control_frames_on_a_raw_connection() -> None:
    venue = make_venue("binance")
    session, tape = connect(venue, "/ws")
    say(venue, session, method="SUBSCRIBE", params=["btcusdt@trade", "nopeusdt@trade"], id=1)
    say(venue, session, method="LIST_SUBSCRIPTIONS", id="abc")
    run(venue, 0.5)
    say(venue, session, method="UNSUBSCRIBE", params=["btcusdt@trade"], id=None)
    frames_count = len(tape.frames)
    run(venue, 0.5)
    assert len(tape.frames) == frames_count
    first, second, *trades, last = tape.messages()
    assert first == {"result": None, "id": 1}
    assert second == {"result": ["btcusdt@trade", "nopeusdt@trade"], "id": "abc"}
    assert {trade["e"] for trade in trades} == {"trade"}
    assert last == {"result": None, "id": None}


def test_the_combined_envelope_is_a_property_of_the_connection() -> None:
    venue = make_venue("binance")
    session, tape = connect(venue, "/ws/btcusdt@trade")
    run(venue, 0.3)
    assert all("stream" not in message for message in tape.messages())
    tape.frames.clear()
    say(venue, session, method="SET_PROPERTY", params=["combined", True], id=5)
    run(venue, 0.3)
    acknowledged, *frames = tape.messages()
    assert acknowledged == {"result": None, "id": 5}
    assert {frame["stream"] for frame in frames} == {"btcusdt@trade"}


@pytest.mark.parametrize(
    ("frame", "code", "request_id"),
    [
        (b"{", 3, None),
        (b'{"method":"SUBSCRIBE","params":"x","id":4}', 1, 4),
        (b'{"method":"JUMP","params":[],"id":4}', 2, 4),
        (b'{"method":"SET_PROPERTY","params":["colour",true],"id":4}', 0, 4),
    ],
)
def test_a_wrong_control_frame_is_answered_with_its_code(frame: bytes, code: int, request_id: int) -> None:
    venue = make_venue("binance")
    session, tape = connect(venue, "/ws")
    venue.receive(session, frame)
    (reply,) = tape.messages()
    assert (reply["code"], reply["id"]) == (code, request_id)
    assert reply["msg"]


def test_it_pings_every_20_seconds_and_forgets_who_left() -> None:
    venue = make_venue("binance", rate=20)
    session, tape = connect(venue, "/ws/btcusdt@trade")
    run(venue, 41)
    assert tape.pings == [str(START_US // 1000 + s * 1000).encode() for s in (20, 40)]
    venue.disconnect(session)
    frames_count = len(tape.frames)
    run(venue, 41)
    assert (len(tape.frames), len(tape.pings), venue.has_subscribers) == (frames_count, 2, False)


def test_it_serves_the_two_roots_only() -> None:
    venue = make_venue("binance")
    served = {path: venue.serves(path) for path in ("/ws", "/ws/a@trade", "/stream", "/", "/v2")}
    assert served == {"/ws": True, "/ws/a@trade": True, "/stream": True, "/": False, "/v2": False}


# --- REST ---------------------------------------------------------------------------------------------------


def test_exchange_info_tells_the_grid_that_the_market_keeps() -> None:
    venue = make_venue("binance")
    _, tape = connect(venue, streams_url("trade"))
    run(venue, 1)
    info = parse(venue.rest("/api/v3/exchangeInfo", {}).body)
    assert [symbol["symbol"] for symbol in info["symbols"]] == ["BTCUSDT", "ETHUSDT", "SOLUSDT"]
    grids = {}
    for symbol in info["symbols"]:
        filters = {entry["filterType"]: entry for entry in symbol["filters"]}
        grids[symbol["symbol"]] = (
            Decimal(filters["PRICE_FILTER"]["tickSize"]),
            Decimal(filters["LOT_SIZE"]["stepSize"]),
        )
    assert grids["BTCUSDT"] == (Decimal("0.01"), Decimal("0.00001"))
    for trade in payloads(tape, "trade"):
        tick, lot = grids[trade["s"]]
        assert Decimal(trade["p"]) % tick == 0
        assert Decimal(trade["q"]) % lot == 0
    one = parse(venue.rest("/api/v3/exchangeInfo", {"symbols": '["ETHUSDT"]'}).body)
    assert [symbol["symbol"] for symbol in one["symbols"]] == ["ETHUSDT"]


@pytest.mark.parametrize(
    ("path", "query", "status", "code"),
    [
        ("depth", {"symbol": "NOPE"}, 400, -1121),
        ("depth", {"symbol": "BTCUSDT", "limit": "-3"}, 400, -1130),
        ("exchangeInfo", {"symbol": "NOPE"}, 400, -1121),
        ("nothing", {}, 404, -1000),
    ],
)
def test_rest_refusals(path: str, query: dict[str, str], status: int, code: int) -> None:
    reply = make_venue("binance").rest(f"/api/v3/{path}", query)
    assert (reply.status, parse(reply.body)["code"]) == (status, code)


def test_depth_and_time() -> None:
    venue = make_venue("binance")
    assert len(snapshot(venue, "BTCUSDT", 5)["bids"]) == 5
    assert parse(venue.rest("/api/v3/time", {}).body) == {"serverTime": START_US // 1000}
    assert venue.rest("/api/v3/ping", {}).body == "{}"
