"""What each venue is connected to and told, and how a recording without metadata is read."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import chain
from typing import Any

import pytest

from engine.base.clock import ManualClock
from engine.base.errors import MisuseError, NotPermittedError, ValidationError
from engine.config.load import default_config
from engine.providers.credentials import Credentials
from engine.providers.feed import BookRules, ConnectionPlan, Feed, Wanted
from engine.providers.registry import VENUES, facts_of, feed_class
from engine.runtime.assembly import Engine
from engine.schema.enums import BookReason

STREAMS = ("book", "trade", "ticker", "kline")


@pytest.fixture
def engine() -> Iterator[Engine]:
    with Engine(default_config(), ManualClock()) as made:
        yield made


def opened(engine: Engine, venue: str, symbols: list[str], rules: BookRules | None = None) -> Feed:
    feed = engine.open_provider(venue, venue, rules)
    for symbol in symbols:
        engine.carry(feed, feed.guess_instrument(symbol))
    return feed


def plans_of(
    feed: Feed, endpoint: str | None, streams: tuple[str, ...], intervals: tuple[str, ...], size: int = 1024
) -> list[ConnectionPlan]:
    return feed.connections(endpoint, Wanted(streams, intervals), list(feed.instruments), size)


def told(plan: ConnectionPlan) -> list[Any]:
    return [json.loads(frame) for frame in plan.frames]


def test_binance_names_its_streams_in_the_address(engine: Engine) -> None:
    feed = opened(engine, "binance", ["BTCUSDT", "ETHBTC"])
    (plan,) = plans_of(feed, "ws://venue:1", STREAMS, ("1m", "1h"))
    path, _, names = plan.url.partition("?streams=")
    assert path == "ws://venue:1/stream"
    of_btc = ["depth@100ms", "trade", "bookTicker", "ticker", "kline_1m", "kline_1h"]
    wanted = [f"btcusdt@{name}" for name in of_btc] + [f"ethbtc@{name}" for name in of_btc]
    assert names.split("/") == wanted
    assert plan.frames == ()
    assert plan.venue_symbols == ("BTCUSDT", "ETHBTC")


def test_binance_keeps_to_1024_streams_and_a_symbol_to_one_connection_BOOK_06(engine: Engine) -> None:
    feed = opened(engine, "binance", [f"X{number}USDT" for number in range(300)])
    plans = plans_of(feed, None, ("book", "trade", "ticker"), ())
    assert [len(plan.venue_symbols) for plan in plans] == [150, 150]
    assert plans[0].url.startswith("wss://stream.binance.com:9443/stream?streams=")
    assert sum((plan.venue_symbols for plan in plans), ()) == tuple(feed.instruments)
    for plan in plans:
        in_url = plan.url.partition("?streams=")[2].split("/")
        in_frames = [frame["params"] for frame in told(plan)]
        assert [len(in_url), *map(len, in_frames)] == [100] * 6
        assert all(frame["method"] == "SUBSCRIBE" for frame in told(plan))
        wanted = [
            f"{symbol.lower()}@{name}"
            for symbol in plan.venue_symbols
            for name in ("depth@100ms", "trade", "bookTicker", "ticker")
        ]
        assert [*in_url, *chain.from_iterable(in_frames)] == wanted
    ids = [frame["id"] for plan in plans for frame in told(plan)]
    assert ids == list(range(1, 11))


def test_symbols_are_spread_evenly_over_connections(engine: Engine) -> None:
    feed = opened(engine, "kraken", [f"X{number}/USD" for number in range(101)])
    plans = plans_of(feed, None, ("book",), (), 50)
    assert [len(plan.venue_symbols) for plan in plans] == [34, 34, 33]
    assert sum((plan.venue_symbols for plan in plans), ()) == tuple(feed.instruments)


@pytest.mark.parametrize("venue", ["coinbase", "kraken", "simulated"])
def test_a_control_frame_names_at_most_100_streams_BOOK_06(venue: str, engine: Engine) -> None:
    between = {"coinbase": "-", "kraken": "/", "simulated": "-"}[venue]
    symbols = [f"X{number}{between}USD" for number in range(250)]
    feed = opened(engine, venue, symbols)
    for kind in ("subscribe", "unsubscribe"):
        frames = [json.loads(frame) for frame in feed.requests(kind, Wanted(("book",)), symbols)]  # type: ignore[arg-type]
        named = [
            frame.get("product_ids") or frame.get("symbols") or frame["params"]["symbol"] for frame in frames
        ]
        assert [len(part) for part in named] == [100, 100, 50]
        assert list(chain.from_iterable(named)) == symbols
        assert {frame.get("type") or frame.get("op") or frame["method"] for frame in frames} == {kind}


def test_coinbase_subscribes_one_channel_a_message_heartbeats_first(engine: Engine) -> None:
    feed = opened(engine, "coinbase", [f"X{number}-USD" for number in range(31)])
    first, second = plans_of(feed, None, STREAMS, ("5m",))
    assert first.url == "wss://advanced-trade-ws.coinbase.com"
    channels = [message["channel"] for message in told(first)]
    assert channels == ["heartbeats", "level2", "market_trades", "ticker", "candles"]
    assert "product_ids" not in told(first)[0]
    assert all(message["product_ids"] == list(first.venue_symbols) for message in told(first)[1:])
    assert (len(first.venue_symbols), len(second.venue_symbols)) == (16, 15)


@pytest.mark.parametrize(("published", "subscribed"), [(10, 10), (11, 25), (500, 500), (501, 1000), (0, 1000)])
def test_kraken_subscribes_the_least_depth_that_holds_what_is_published(
    published: int, subscribed: int, engine: Engine
) -> None:
    feed = opened(engine, "kraken", ["BTC/USD", "ETH/USD"], BookRules(depth_levels=published))
    (plan,) = plans_of(feed, "ws://venue:1/v2", STREAMS, ("1m", "1d"))
    symbols = ["BTC/USD", "ETH/USD"]
    assert told(plan) == [
        {"method": "subscribe", "params": {"channel": "instrument"}},
        {"method": "subscribe", "params": {"channel": "book", "depth": subscribed, "symbol": symbols}, "req_id": 1},
        {"method": "subscribe", "params": {"channel": "trade", "symbol": symbols}, "req_id": 2},
        {"method": "subscribe", "params": {"channel": "ticker", "event_trigger": "bbo", "symbol": symbols}, "req_id": 3},
        {"method": "subscribe", "params": {"channel": "ohlc", "interval": 1, "symbol": symbols}, "req_id": 4},
        {"method": "subscribe", "params": {"channel": "ohlc", "interval": 1440, "symbol": symbols}, "req_id": 5},
    ]
    assert plans_of(feed, "ws://venue:1/v2", STREAMS, ("1m", "1d")) == [plan]  # its numbers as well: no growth
    anew = [json.loads(frame)["params"] for frame in feed.requests("unsubscribe", Wanted(("book",)), ["ETH/USD"])]
    assert anew == [{"channel": "book", "depth": subscribed, "symbol": ["ETH/USD"]}]


def test_the_plain_feed_subscribes_one_channel_a_message_instruments_first(engine: Engine) -> None:
    feed = opened(engine, "simulated", ["BTC-USD", "ETH-USD"])
    (plan,) = plans_of(feed, None, STREAMS, ("1m", "1d"))
    assert plan.url == "ws://127.0.0.1:8870/simulated"
    symbols = ["BTC-USD", "ETH-USD"]
    assert told(plan) == [
        {"op": "subscribe", "channel": "instrument"},
        {"op": "subscribe", "channel": "book", "symbols": symbols},
        {"op": "subscribe", "channel": "trade", "symbols": symbols},
        {"op": "subscribe", "channel": "ticker", "symbols": symbols},
        {"op": "subscribe", "channel": "kline", "symbols": symbols, "interval": "1m"},
        {"op": "subscribe", "channel": "kline", "symbols": symbols, "interval": "1d"},
    ]
    anew = [json.loads(frame) for frame in feed.requests("unsubscribe", Wanted(("book",)), ["ETH-USD"])]
    assert anew == [{"op": "unsubscribe", "channel": "book", "symbols": ["ETH-USD"]}]


def test_the_plain_feed_keeps_to_1000_streams_a_connection_BOOK_06(engine: Engine) -> None:
    feed = opened(engine, "simulated", [f"X{number}-USD" for number in range(400)])
    sizes = [len(plan.venue_symbols) for plan in plans_of(feed, None, STREAMS, ("1m", "5m"))]
    assert (sum(sizes), max(sizes) * 5 + 1 <= 1000) == (400, True)


def test_the_plain_feed_takes_no_key(engine: Engine) -> None:
    with pytest.raises(NotPermittedError, match="takes no key"):
        opened(engine, "simulated", []).key_check(Credentials("key", "secret"), None, 1)


def test_nothing_subscribed_connects_to_nothing(engine: Engine) -> None:
    assert [plans_of(opened(engine, venue, []), None, STREAMS, ("5m",)) for venue in VENUES] == [[], [], [], []]


@pytest.mark.parametrize(
    ("venue", "url"),
    [
        ("binance", "http://venue/api/v3/exchangeInfo"),
        ("coinbase", "http://venue/api/v3/brokerage/market/products?product_type=SPOT"),
        ("kraken", "http://venue/0/public/AssetPairs"),
        ("simulated", "http://venue/simulated/instruments"),
    ],
)
def test_where_the_catalogue_is(venue: str, url: str, engine: Engine) -> None:
    feed = opened(engine, venue, [])
    assert feed.instruments_url("http://venue") == url
    own = feed.instruments_url(None)
    assert own.startswith("http://127.0.0.1:8871/" if venue == "simulated" else "https://")


@pytest.mark.parametrize(
    ("venue", "spelling", "symbol"),
    [
        ("binance", "BTCUSDT", "BTC-USDT"),
        ("coinbase", "BTC-USD", "BTC-USD"),
        ("kraken", "BTC/USD", "BTC-USD"),
        ("simulated", "BTC-USD", "BTC-USD"),
    ],
)
def test_a_spelling_alone_makes_an_instrument(venue: str, spelling: str, symbol: str, engine: Engine) -> None:
    instrument = opened(engine, venue, []).guess_instrument(spelling)
    assert (instrument.symbol, instrument.venue_symbol, instrument.price_scale) == (symbol, spelling, 0)


@pytest.mark.parametrize(
    ("venue", "spelling"),
    [("coinbase", "BTCUSD"), ("coinbase", "b-usd"), ("kraken", "BTCUSD"), ("simulated", "BTC/USD")],
)
def test_a_spelling_that_is_no_pair_is_refused(venue: str, spelling: str, engine: Engine) -> None:
    with pytest.raises(ValidationError):
        opened(engine, venue, []).guess_instrument(spelling)


@pytest.mark.parametrize(
    ("venue", "asks_by"),
    [("binance", "rest"), ("coinbase", "stream"), ("kraken", "stream"), ("simulated", "stream")],
)
def test_a_lost_book_is_asked_for_where_the_venue_gives_it(venue: str, asks_by: str, engine: Engine) -> None:
    spelling = {"binance": "BTCUSDT", "kraken": "BTC/USD"}.get(venue, "BTC-USD")
    feed = opened(engine, venue, [spelling])
    asked: list[str] = []
    feed.on_snapshot_request = lambda request: asked.append("rest")
    feed.on_resubscribe = lambda index, reason: asked.append("stream")
    feed.want_snapshot(feed.stream, 0, BookReason.GAP)
    assert asked == [asks_by]


@pytest.mark.parametrize(
    ("published", "asked", "weight"), [(1, 500, 25), (50, 500, 25), (51, 1000, 50), (1000, 1000, 50), (0, 1000, 50)]
)
def test_a_binance_snapshot_is_as_deep_as_what_is_published_needs_and_is_counted_by_it_BOOK_07(
    published: int, asked: int, weight: int, engine: Engine
) -> None:
    feed = opened(engine, "binance", ["BTCUSDT"], BookRules(depth_levels=published))
    request = feed.snapshot_request(0, BookReason.GAP)
    assert request.url.endswith(f"/api/v3/depth?symbol=BTCUSDT&limit={asked}")
    assert request.weight == weight
    # One level short, and the venue has told all there is; as long as was asked for, and nothing is known beyond.
    bids = [[str(100_000 - place), "1"] for place in range(asked)]
    asks = [[str(200_000 + place), "1"] for place in range(asked - 1)]
    body = json.dumps({"lastUpdateId": 1, "bids": bids, "asks": asks}).encode()
    assert feed.snapshot_reach(body, feed.book_of("BTCUSDT")) == (100_000 - asked + 1, 2**63 - 1)


@pytest.mark.parametrize(("venue", "spellings", "together"), [("coinbase", ("A-USD", "B-USD"), 2), ("kraken", ("A/B", "C/D"), 1)])
def test_books_begin_anew_with_those_that_may_have_lost_the_same(
    venue: str, spellings: tuple[str, str], together: int, engine: Engine
) -> None:
    feed = opened(engine, venue, list(spellings))
    assert feed.begun_together(ConnectionPlan("ws://venue", (), spellings), 0) == spellings[:together]


def test_an_unknown_venue_is_refused_with_those_there_are() -> None:
    for open_it in (feed_class, facts_of):
        with pytest.raises(MisuseError) as caught:
            open_it("nasdaq")
        assert "binance, coinbase, kraken, simulated" in caught.value.hint
