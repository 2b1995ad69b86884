"""Faults of what a book update says, and of the book itself, found the way a client would find them."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from engine.simulator.venue import Venue
from tests.unit.simulator.clients import (
    BinanceBook,
    CoinbaseBooks,
    KrakenBook,
    PlainBook,
    Side,
    Tape,
    connect,
    make_venue,
    own_book,
    parse,
    run,
    say,
)
from tests.unit.simulator.test_frame_faults import arm, listen

SYMBOLS = {"binance": "BTCUSDT", "coinbase": "BTC-USD", "kraken": "BTC/USD", "simulated": "BTC-USD"}


CHECKED = ("kraken", "simulated")
"""Those that send checksums."""


class Client:
    """One book of one venue, built from a tape by the venue's own rules."""

    def __init__(self, venue: Venue, tape: Tape) -> None:
        self.venue = venue
        self.tape = tape
        self.binance, self.coinbase = BinanceBook(), CoinbaseBooks()
        self.checked = KrakenBook(10, 1, 8) if venue.name == "kraken" else PlainBook(1, 7)
        self.crossed_count = 0
        self._taken = 0
        if venue.name == "binance":
            self.binance.on_snapshot(parse(venue.rest("/api/v3/depth", {"symbol": "BTCUSDT", "limit": "5000"}).body))

    def take(self) -> tuple[Side, Side]:
        for message in map(parse, self.tape.frames[self._taken :]):
            if self.venue.name == "binance" and message.get("e") == "depthUpdate":
                self.binance.on_diff(message)
            elif self.venue.name == "coinbase":
                self.coinbase.on_message(message)
            elif message.get("channel") == "book":
                self.checked.on_message(message)
            bids, asks = self.book()
            self.crossed_count += bool(bids and asks and max(bids) >= min(asks))
        self._taken = len(self.tape.frames)
        return self.book()

    def book(self) -> tuple[Side, Side]:
        if self.venue.name == "binance":
            return self.binance.bids, self.binance.asks
        if self.venue.name == "coinbase":
            return self.coinbase.books.get("BTC-USD", ({}, {}))
        return self.checked.bids, self.checked.asks

    def truth(self) -> tuple[Side, Side]:
        bids, asks = own_book(self.venue, SYMBOLS[self.venue.name])
        if self.venue.name != "kraken":
            return bids, asks
        return (
            {price: bids[price] for price in sorted(bids, reverse=True)[:10]},
            {price: asks[price] for price in sorted(asks)[:10]},
        )


def client_of(name: str) -> Client:
    venue = make_venue(name, rate=300)
    _, tape = listen(venue)
    return Client(venue, tape)


@pytest.mark.parametrize("name", SYMBOLS)
def test_a_corrupted_level_is_told_and_not_held_BOOK_16(name: str) -> None:
    client = client_of(name)
    run(client.venue, 1)
    arm(client.venue, fault="corrupt_level")
    while not client.venue.faults.counts:
        run(client.venue, 0.001)
        mine, theirs = client.take(), client.truth()
    (injection,) = client.venue.faults.injections
    detail = injection.detail
    side = 0 if detail["side"] == "bid" else 1
    assert mine[side][Decimal(detail["price"])] == Decimal(detail["told"])
    assert theirs[side][Decimal(detail["price"])] == Decimal(detail["true"]) != Decimal(detail["told"])
    assert injection.symbol == SYMBOLS[name]
    if name in CHECKED:
        assert client.checked.failures_count == 1


@pytest.mark.parametrize("name", CHECKED)
def test_a_wrong_checksum_comes_as_often_as_asked_with_the_right_levels_BOOK_17(name: str) -> None:
    client = client_of(name)
    arm(client.venue, fault="corrupt_checksum", count=5)
    run(client.venue, 2)
    client.venue.freeze()
    assert client.take() == client.truth()
    assert client.checked.failures_count == 5
    assert len(client.tape.frames) > 50


@pytest.mark.parametrize("name", SYMBOLS)
def test_a_crossing_update_crosses_the_clients_book_and_not_the_venues_BOOK_19(name: str) -> None:
    client = client_of(name)
    arm(client.venue, fault="crossed", at_s=1)
    while not client.venue.faults.counts:
        run(client.venue, 0.001)
        client.take()
    bids, asks = client.truth()
    assert client.crossed_count == 1
    assert max(bids) < min(asks)
    # The crossing itself is what is wrong: its checksum is right.
    assert client.checked.failures_count == 0


@pytest.mark.parametrize("name", SYMBOLS)
def test_a_hidden_divergence_moves_the_venues_book_without_a_word_BOOK_21(name: str) -> None:
    client = client_of(name)
    run(client.venue, 1)
    client.venue.freeze()
    before, seen, ids = client.truth(), len(client.tape.frames), client.venue.books()[SYMBOLS[name]]["last_update_id"]
    whole_before = own_book(client.venue, SYMBOLS[name])
    arm(client.venue, fault="divergence", symbol="btc" + {"binance": "usdt"}.get(name, "usd"))
    run(client.venue, 0.01)
    whole = own_book(client.venue, SYMBOLS[name])
    changed = [
        (side, price) for side in (0, 1) for price in whole[side] if whole[side][price] != whole_before[side].get(price)
    ]
    (injection,) = client.venue.faults.injections
    assert [price for _, price in changed] == [Decimal(injection.detail["price"])]
    assert client.venue.books()[SYMBOLS[name]]["last_update_id"] == ids
    assert [frame for frame in client.tape.frames[seen:] if b"book" in frame or b"depth" in frame] == []
    # It lies behind what a checksum of ten levels covers.
    assert client.truth() == before if name == "kraken" else injection.detail["rank"] == 40


def listening_to(name: str, **rule: Any) -> tuple[Venue, Any, Tape]:
    venue = make_venue(name, rate=300)
    arm(venue, **rule)
    session, tape = listen(venue)
    return venue, session, tape


@pytest.mark.parametrize("name", ["coinbase", "kraken", "simulated"])
def test_a_delayed_snapshot_holds_its_updates_back_BOOK_11(name: str) -> None:
    venue, _, tape = listening_to(name, fault="delay_snapshot", for_s=2)
    kinds = ("l2_data", "book")
    run(venue, 1.9)
    assert [message for message in tape.messages() if message.get("channel") in kinds] == []
    run(venue, 0.2)
    client = Client(venue, tape)
    venue.freeze()
    assert client.take() == client.truth()
    assert client.checked.failures_count == 0


@pytest.mark.parametrize("name", ["coinbase", "kraken", "simulated"])
def test_a_snapshot_that_is_late_never_comes_to_who_has_left(name: str) -> None:
    venue, session, tape = listening_to(name, fault="delay_snapshot", for_s=2)
    message = {
        "coinbase": {"type": "unsubscribe", "channel": "level2", "product_ids": ["BTC-USD"]},
        "kraken": {"method": "unsubscribe", "params": {"channel": "book", "symbol": ["BTC/USD"], "depth": 10}},
        "simulated": {"op": "unsubscribe", "channel": "book", "symbols": ["BTC-USD"]},
    }[name]
    say(venue, session, **message)
    run(venue, 3)
    assert [frame for frame in tape.frames if b'"snapshot","' in frame or b'"type":"snapshot"' in frame] == []
    assert not venue.has_subscribers


def test_a_subscription_taken_up_again_gets_one_snapshot() -> None:
    venue, session, tape = listening_to("kraken", fault="delay_snapshot", for_s=2)
    params = {"channel": "book", "symbol": ["BTC/USD"], "depth": 10}
    say(venue, session, method="unsubscribe", params=params)
    say(venue, session, method="subscribe", params=params)
    run(venue, 3)
    snapshots = [message for message in tape.messages() if message.get("type") == "snapshot"]
    assert len(snapshots) == 1


def test_a_delayed_rest_snapshot_is_of_the_moment_it_was_asked_for() -> None:
    venue = make_venue("binance")
    arm(venue, fault="delay_snapshot", for_s=1.5)
    late = venue.rest("/api/v3/depth", {"symbol": "BTCUSDT"})
    prompt = venue.rest("/api/v3/depth", {"symbol": "BTCUSDT"})
    assert (late.delay_us, prompt.delay_us) == (1_500_000, 0)
    assert late.body == prompt.body


def test_a_stale_rest_snapshot_is_older_than_the_buffer_BOOK_10() -> None:
    venue = make_venue("binance", rate=300)
    arm(venue, fault="stale_snapshot", symbol="BTC-USDT")
    run(venue, 1)
    _, tape = listen(venue)
    run(venue, 1)
    first_id = tape.messages()[0]["U"]
    query = {"symbol": "BTCUSDT", "limit": "1000"}
    stale, fresh = (parse(venue.rest("/api/v3/depth", query).body) for _ in range(2))
    assert stale["lastUpdateId"] < first_id - 1 < fresh["lastUpdateId"]
    assert stale["bids"] != fresh["bids"]


@pytest.mark.parametrize("name", CHECKED)
def test_a_stale_subscription_snapshot_is_found_by_the_next_checksum(name: str) -> None:
    venue = make_venue(name, rate=300)
    arm(venue, fault="stale_snapshot")
    run(venue, 5)
    _, tape = listen(venue)
    client = Client(venue, tape)
    client.take()
    assert client.checked.failures_count == 0
    run(venue, 1)
    client.take()
    assert client.checked.failures_count > 0


def test_a_failed_snapshot_is_a_500_and_the_next_is_whole() -> None:
    venue = make_venue("binance")
    arm(venue, fault="snapshot_error", status=500)
    replies = [venue.rest("/api/v3/depth", {"symbol": "BTCUSDT"}) for _ in range(2)]
    assert [reply.status for reply in replies] == [500, 200]
    assert parse(replies[0].body)["code"] == -1000


def test_a_fault_of_one_symbol_leaves_the_others_alone() -> None:
    venue = make_venue("kraken", rate=600)
    arm(venue, fault="corrupt_checksum", symbol="ETH-USD", count=0)
    session, tape = connect(venue, "/v2")
    say(venue, session, method="subscribe", params={"channel": "book", "symbol": ["BTC/USD", "ETH/USD"]})
    run(venue, 1)
    books = {"BTC/USD": KrakenBook(10, 1, 8), "ETH/USD": KrakenBook(10, 2, 8)}
    for message in tape.messages():
        if message.get("channel") == "book":
            books[message["data"][0]["symbol"]].on_message(message)
    assert books["BTC/USD"].failures_count == 0
    # Its snapshot is right.
    assert books["ETH/USD"].failures_count == books["ETH/USD"].checksums_count - 1 > 5
