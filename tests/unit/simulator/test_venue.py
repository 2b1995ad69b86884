"""What all venues share: the rate, the pause, the count of frames, their books."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest

from engine.simulator.sessions import Session
from engine.simulator.venue import Venue
from tests.unit.simulator.clients import VENUE_TYPES, Tape, connect, make_venue, run

PATHS = {
    "binance": "/stream?streams=btcusdt@trade/btcusdt@bookTicker/btcusdt@depth@100ms/ethusdt@bookTicker",
    "coinbase": "/",
    "kraken": "/v2",
    "simulated": "/simulated",
}


def listen(venue: Venue) -> tuple[Session, Tape]:
    session, tape = connect(venue, PATHS[venue.name])
    symbols = list(venue.markets)
    messages: list[dict[str, Any]] = []
    if venue.name == "coinbase":
        for channel in ("level2", "market_trades"):
            messages.append({"type": "subscribe", "channel": channel, "product_ids": symbols})
    elif venue.name == "kraken":
        for channel in ("book", "trade"):
            messages.append({"method": "subscribe", "params": {"channel": channel, "symbol": symbols}})
    elif venue.name == "simulated":
        for channel in ("book", "trade"):
            messages.append({"op": "subscribe", "channel": channel, "symbols": symbols})
    for message in messages:
        venue.receive(session, json.dumps(message).encode())
    return session, tape


@pytest.mark.parametrize("name", VENUE_TYPES)
def test_the_rate_is_met_whatever_one_subscribes_to(name: str) -> None:
    venue = make_venue(name, rate=2000)
    _, tape = listen(venue)
    before = len(tape.frames)
    run(venue, 5)
    assert (len(tape.frames) - before) / 5 == pytest.approx(2000, rel=0.02)


@pytest.mark.parametrize("name", VENUE_TYPES)
def test_a_second_reader_does_not_slow_the_market_down(name: str) -> None:
    venue = make_venue(name, rate=1000)
    (_, first), (_, second) = listen(venue), listen(venue)
    first.frames.clear()
    second.frames.clear()
    run(venue, 3)
    assert len(first.frames) == len(second.frames)
    assert len(first.frames) / 3 == pytest.approx(1000, rel=0.03)


@pytest.mark.parametrize("name", VENUE_TYPES)
def test_every_frame_is_counted(name: str) -> None:
    venue = make_venue(name)
    tapes = [listen(venue)[1], listen(venue)[1]]
    run(venue, 1.2)
    assert venue.counts.total() == sum(len(tape.frames) for tape in tapes)
    assert len(venue.counts) >= 2


@pytest.mark.parametrize("name", VENUE_TYPES)
def test_a_frozen_market_rests_with_everything_told_and_thaws_once(name: str) -> None:
    venue = make_venue(name, rate=2000)
    _, tape = listen(venue)
    run(venue, 0.537)
    venue.freeze()
    books, frames_count = venue.books(), len(tape.frames)
    run(venue, 0.3)
    assert venue.books() == books
    assert len(tape.frames) == frames_count
    venue.thaw()
    venue.thaw()
    before = len(tape.frames)
    run(venue, 3)
    assert venue.books() != books
    assert (len(tape.frames) - before) / 3 == pytest.approx(2000, rel=0.05)


@pytest.mark.parametrize("name", VENUE_TYPES)
def test_freezing_and_thawing_at_once_keeps_one_market(name: str) -> None:
    venue = make_venue(name, rate=2000)
    _, tape = listen(venue)
    for _ in range(20):
        venue.freeze()
        venue.thaw()
    before = len(tape.frames)
    run(venue, 3)
    assert (len(tape.frames) - before) / 3 == pytest.approx(2000, rel=0.05)


@pytest.mark.parametrize("name", VENUE_TYPES)
def test_books_are_whole_best_first_and_without_trailing_zeros(name: str) -> None:
    venue = make_venue(name, symbols=2, levels=60)
    run(venue, 0.5)
    for symbol, book in venue.books().items():
        market = venue.markets[symbol]
        assert (len(book["bids"]), len(book["asks"])) == (len(market.bids), len(market.asks))
        assert book["last_update_id"] == market.last_update_id
        prices = [Decimal(price) for price, _ in book["bids"]]
        assert prices == sorted(prices, reverse=True)
        texts = [text for level in book["bids"] + book["asks"] for text in level]
        assert not [text for text in texts if "." in text and text.endswith(("0", "."))]


@pytest.mark.parametrize("name", VENUE_TYPES)
def test_a_quiet_subscription_does_not_set_the_market_racing(name: str) -> None:
    venue = make_venue(name, rate=100)
    url = {"binance": "/stream?streams=btcusdt@kline_1m"}.get(name, PATHS[name])
    session, _ = connect(venue, url)
    quiet = {
        "coinbase": {"type": "subscribe", "channel": "candles", "product_ids": ["BTC-USD"]},
        "kraken": {"method": "subscribe", "params": {"channel": "ohlc", "symbol": ["BTC/USD"]}},
        "simulated": {"op": "subscribe", "channel": "kline", "symbols": ["BTC-USD"], "interval": "1m"},
    }
    if name in quiet:
        venue.receive(session, json.dumps(quiet[name]).encode())
    before = sum(market.last_update_id for market in venue.markets.values())
    run(venue, 2)
    changes = sum(market.last_update_id for market in venue.markets.values()) - before
    assert 0 < changes < 5000
