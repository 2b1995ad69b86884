"""The further REST calls of the venues: their shapes, and that they tell the same as the market."""

from __future__ import annotations

from decimal import Decimal
from itertools import pairwise
from typing import Any

import pytest

from engine.simulator.venue import Venue
from tests.unit.simulator.clients import connect, make_venue, parse, run, say

ROOTS = {"binance": "/api/v3/", "coinbase": "/api/v3/brokerage/market/", "kraken": "/0/public/"}


def traded(name: str) -> Venue:
    """A venue after three minutes of trade."""
    venue = make_venue(name, rate=20)
    session, _ = connect(venue, "/ws/btcusdt@bookTicker" if name == "binance" else "/v2")
    if name == "coinbase":
        say(venue, session, type="subscribe", channel="level2", product_ids=["BTC-USD"])
    elif name == "kraken":
        say(venue, session, method="subscribe", params={"channel": "book", "symbol": ["BTC/USD"]})
    run(venue, 180)
    return venue


def get(venue: Venue, call: str, status: int = 200, **query: str) -> Any:
    reply = venue.rest(ROOTS[venue.name] + call, query)
    assert reply.status == status, reply.body
    return parse(reply.body)


def test_binance_trades_and_klines_agree() -> None:
    venue = traded("binance")
    market = venue.markets["BTCUSDT"]
    trades = get(venue, "trades", symbol="BTCUSDT", limit="5")
    assert [trade["id"] for trade in trades] == [fill.trade_id for fill in list(market.recent_trades)[-5:]]
    assert Decimal(trades[-1]["price"]) * Decimal(trades[-1]["qty"]) == pytest.approx(
        Decimal(trades[-1]["quoteQty"]), abs=Decimal("0.00000001")
    )
    aggregates = get(venue, "aggTrades", symbol="BTCUSDT", limit="3")
    assert [later["f"] - earlier["l"] for earlier, later in pairwise(aggregates)] == [1, 1]
    assert (aggregates[-1]["l"], aggregates[-1]["a"] - aggregates[0]["a"]) == (market.last_trade_id, 2)
    rows = get(venue, "klines", symbol="BTCUSDT", interval="1m", limit="2")
    assert [len(row) for row in rows] == [12, 12]
    assert rows[1][0] - rows[0][0] == 60_000
    assert rows[0][6] == rows[1][0] - 1
    assert Decimal(rows[1][4]) == Decimal(get(venue, "ticker/price", symbol="BTCUSDT")["price"])
    everything = get(venue, "klines", symbol="BTCUSDT", interval="1m")
    assert sum(row[8] for row in everything) == get(venue, "ticker/24hr", symbol="BTCUSDT")["count"]


def test_binance_tickers_of_one_of_some_and_of_all() -> None:
    venue = traded("binance")
    one = get(venue, "ticker/bookTicker", symbol="BTCUSDT")
    bid, bid_qty, ask, _ = venue.markets["BTCUSDT"].top()
    assert (Decimal(one["bidPrice"]), Decimal(one["askPrice"])) == (Decimal(bid) / 100, Decimal(ask) / 100)
    assert Decimal(one["bidQty"]) == Decimal(bid_qty) / 10**5
    some = get(venue, "ticker/bookTicker", symbols='["BTCUSDT","ETHUSDT"]')
    assert [entry["symbol"] for entry in some] == ["BTCUSDT", "ETHUSDT"]
    assert len(get(venue, "ticker/price")) == 3
    assert get(venue, "avgPrice", symbol="BTCUSDT")["mins"] == 5


@pytest.mark.parametrize(
    ("call", "query", "code"),
    [
        ("trades", {"symbol": "NOPE"}, -1121),
        ("trades", {"symbol": "BTCUSDT", "limit": "0"}, -1130),
        ("klines", {"symbol": "BTCUSDT", "interval": "7m"}, -1120),
        ("klines", {"symbol": "BTCUSDT", "interval": "1m", "limit": "x"}, -1130),
        ("ticker/price", {"symbols": '["BTCUSDT","NOPE"]'}, -1121),
    ],
)
def test_binance_refuses_wrong_queries(call: str, query: dict[str, str], code: int) -> None:
    assert get(make_venue("binance"), call, 400, **query)["code"] == code


def test_coinbase_candles_come_newest_first_and_cover_the_trades() -> None:
    venue = traded("coinbase")
    now_s = venue.now_us // 10**6
    query = {"start": str(now_s - 600), "end": str(now_s), "granularity": "ONE_MINUTE"}
    candles = get(venue, "products/BTC-USD/candles", **query)["candles"]
    starts = [int(candle["start"]) for candle in candles]
    assert starts == sorted(starts, reverse=True)
    assert len(starts) == 4
    volume = get(venue, "products/BTC-USD")["volume_24h"]
    assert sum(Decimal(candle["volume"]) for candle in candles) == Decimal(volume)
    assert get(venue, "products/BTC-USD/candles", 400)["error"] == "INVALID_ARGUMENT"


def test_coinbase_lists_spot_and_nothing_else() -> None:
    venue = traded("coinbase")
    assert get(venue, "products")["num_products"] == 3
    assert get(venue, "products", product_type="SPOT")["num_products"] == 3
    assert get(venue, "products", product_type="FUTURE") == {"products": [], "num_products": 0}


def test_coinbase_ticker_has_trades_newest_first_and_the_top() -> None:
    venue = traded("coinbase")
    ticker = get(venue, "products/BTC-USD/ticker", limit="3")
    ids = [int(trade["trade_id"]) for trade in ticker["trades"]]
    assert ids == [venue.markets["BTC-USD"].last_trade_id - age for age in range(3)]
    assert Decimal(ticker["best_bid"]) < Decimal(ticker["best_ask"])
    assert get(venue, "products/NOPE-USD/ticker", 404)["error"] == "NOT_FOUND"


def test_kraken_depth_trades_ohlc_and_ticker_name_the_pair_in_the_old_spelling() -> None:
    venue = traded("kraken")
    market = venue.markets["BTC/USD"]
    depth = get(venue, "Depth", pair="XBTUSD", count="3")["result"]["XXBTZUSD"]
    assert [Decimal(level[0]) for level in depth["bids"]] == [
        Decimal(price) / 10 for price, _ in market.bids.top(3)
    ]
    trades = get(venue, "Trades", pair="XXBTZUSD")["result"]
    assert trades["XXBTZUSD"][-1][-1] == market.last_trade_id
    assert get(venue, "Trades", pair="XXBTZUSD", since=trades["last"])["result"]["XXBTZUSD"] == []
    # A name with a slash is answered under that name.
    assert list(get(venue, "AssetPairs", pair="BTC/USD,XETHZUSD")["result"]) == ["BTC/USD", "XETHZUSD"]
    rows = get(venue, "OHLC", pair="XXBTZUSD")["result"]
    assert [len(row) for row in rows["XXBTZUSD"]] == [8] * 4
    assert rows["last"] == rows["XXBTZUSD"][-2][0]
    ticker = get(venue, "Ticker", pair="XBTUSD,ETHUSD")["result"]
    assert list(ticker) == ["XXBTZUSD", "XETHZUSD"]
    assert ticker["XXBTZUSD"]["t"][1] == sum(row[7] for row in rows["XXBTZUSD"])
    assert get(venue, "Assets")["result"]["XXBT"]["altname"] == "XBT"


@pytest.mark.parametrize(
    ("call", "query", "error"),
    [
        ("Depth", {}, "EGeneral:Invalid arguments"),
        ("Depth", {"pair": "NOPE"}, "EQuery:Unknown asset pair"),
        ("Depth", {"pair": "XBTUSD", "count": "many"}, "EGeneral:Invalid arguments:count"),
        ("OHLC", {"pair": "XBTUSD", "interval": "7"}, "EGeneral:Invalid arguments:interval"),
        ("AddOrder", {}, "EGeneral:Unknown method"),
    ],
)
def test_kraken_refuses_with_status_200(call: str, query: dict[str, str], error: str) -> None:
    assert get(make_venue("kraken"), call, **query) == {"error": [error]}


def test_binances_mini_ticker_agrees_with_its_ticker() -> None:
    venue = make_venue("binance", rate=20)
    _, tape = connect(venue, "/stream?streams=btcusdt@miniTicker/btcusdt@ticker/btcusdt@bookTicker")
    run(venue, 3.01)
    told = {message["data"].get("e"): message["data"] for message in tape.messages()}
    mini, full = told["24hrMiniTicker"], told["24hrTicker"]
    assert {key: mini[key] for key in "cohlvqE"} == {key: full[key] for key in "cohlvqE"}
