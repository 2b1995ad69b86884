"""The simulated Coinbase Advanced Trade keeps the rules that clients rely on."""

from __future__ import annotations

from decimal import Decimal
from itertools import pairwise
from typing import Any

import pytest

from engine.simulator.venue import Session, Venue
from tests.unit.simulator.clients import (
    SECOND_US,
    START_US,
    CoinbaseBooks,
    Tape,
    connect,
    make_venue,
    own_book,
    parse,
    run,
    say,
)

PRODUCTS = ["BTC-USD", "ETH-USD", "SOL-USD"]


def subscribe(venue: Venue, session: Session, *channels: str, products: list[str] | None = None) -> None:
    for channel in channels:
        say(venue, session, type="subscribe", channel=channel, product_ids=products or PRODUCTS)


def connected(*channels: str, **market: Any) -> tuple[Venue, Session, Tape]:
    venue = make_venue("coinbase", **market)
    session, tape = connect(venue)
    subscribe(venue, session, *channels)
    return venue, session, tape


def of(tape: Tape, channel: str) -> list[Any]:
    return [message for message in tape.messages() if message.get("channel") == channel]


def test_the_same_seed_and_the_same_client_give_the_same_bytes() -> None:
    tapes = []
    for seed in (7, 7, 8):
        venue, _, tape = connected("heartbeats", "level2", "market_trades", "ticker", seed=seed)
        run(venue, 1.5)
        tapes.append(tape.frames)
    assert tapes[0] == tapes[1]
    assert tapes[0] != tapes[2]


def test_one_sequence_over_everything_and_books_that_equal_the_venues() -> None:
    venue, session, tape = connected("heartbeats", "level2", "market_trades", "ticker", "candles")
    run(venue, 1.5)
    say(venue, session, type="unsubscribe", channel="ticker", product_ids=["ETH-USD"])
    run(venue, 1)
    venue.freeze()
    client = CoinbaseBooks()
    for message in tape.messages():
        client.on_message(message)
    assert client.next_sequence == len(tape.frames) > 1000
    assert {product: client.books[product] for product in PRODUCTS} == {
        product: own_book(venue, product) for product in PRODUCTS
    }


def test_two_connections_count_for_themselves() -> None:
    venue, _, _ = connected("level2")
    run(venue, 0.5)
    session, tape = connect(venue)
    subscribe(venue, session, "level2", products=["BTC-USD"])
    run(venue, 0.5)
    client = CoinbaseBooks()
    for message in tape.messages():
        client.on_message(message)
    assert client.books["BTC-USD"] == own_book(venue, "BTC-USD")


def test_snapshots_come_before_the_ack_which_names_the_whole_set() -> None:
    venue, session, tape = connected("level2")
    say(venue, session, type="subscribe", channel="market_trades", product_ids=["ETH-USD", "NOPE-USD"])
    say(venue, session, type="subscribe", channel="heartbeats")
    snapshots, acks = tape.messages()[:3], tape.messages()[3:]
    assert [message["events"][0]["type"] for message in snapshots] == ["snapshot"] * 3
    assert [message["events"][0]["subscriptions"] for message in acks] == [
        {"level2": PRODUCTS},
        {"level2": PRODUCTS, "market_trades": ["ETH-USD"]},
        {"level2": PRODUCTS, "market_trades": ["ETH-USD"], "heartbeats": ["heartbeats"]},
    ]


def test_a_resubscribe_brings_a_new_snapshot_and_an_unsubscribe_silence() -> None:
    venue, session, tape = connected("level2")
    run(venue, 0.3)
    say(venue, session, type="unsubscribe", channel="level2", product_ids=["BTC-USD"])
    tape.frames.clear()
    run(venue, 0.3)
    assert {event["product_id"] for m in of(tape, "l2_data") for event in m["events"]} == set(PRODUCTS[1:])
    tape.frames.clear()
    subscribe(venue, session, "level2", products=["BTC-USD"])
    (snapshot,) = of(tape, "l2_data")
    assert snapshot["events"][0]["type"] == "snapshot"
    assert len(snapshot["events"][0]["updates"]) == sum(map(len, own_book(venue, "BTC-USD")))


def test_every_tenth_update_is_preceded_by_an_empty_one() -> None:
    venue, _, tape = connected("level2")
    run(venue, 1)
    updates = [m["events"][0] for m in of(tape, "l2_data") if m["events"][0]["type"] == "update"]
    empty = sum(not event["updates"] for event in updates)
    assert len(updates) / 13 < empty < len(updates) / 9


def test_trades_come_newest_first_with_the_makers_side_every_250_ms() -> None:
    venue, _, tape = connected("level2", "market_trades")
    run(venue, 3)
    ids, times_us = [], []
    for message in of(tape, "market_trades"):
        (event,) = message["events"]
        if event["type"] == "snapshot" or event["trades"][0]["product_id"] != "BTC-USD":
            continue
        ids += [int(trade["trade_id"]) for trade in reversed(event["trades"])]
        times_us.append(message["timestamp"])
        assert {trade["side"] for trade in event["trades"]} <= {"BUY", "SELL"}
    assert ids == list(range(ids[0], ids[0] + len(ids)))
    assert 10 <= len(times_us) <= 12


def test_the_makers_side_is_the_side_of_the_book_that_was_eaten() -> None:
    venue, _, tape = connected("level2", "market_trades", rate=200)
    run(venue, 10)
    books = CoinbaseBooks()
    levels_gone: dict[str, list[tuple[Decimal, str]]] = {}
    checked = 0
    for message in tape.messages():
        for event in message["events"] if message["channel"] == "l2_data" else ():
            for update in event["updates"]:
                side = "SELL" if update["side"] == "offer" else "BUY"
                levels_gone.setdefault(event["product_id"], []).append((Decimal(update["price_level"]), side))
        books.on_message(message)
        for event in message["events"] if message["channel"] == "market_trades" else ():
            for trade in event["trades"] if event["type"] == "update" else ():
                touched = levels_gone[trade["product_id"]]
                assert (Decimal(trade["price"]), trade["side"]) in touched
                checked += 1
    assert checked > 50


def test_a_new_trade_reader_sees_no_trade_twice() -> None:
    venue, _, _ = connected("market_trades")
    run(venue, 0.6)
    session, tape = connect(venue)
    subscribe(venue, session, "market_trades", products=["BTC-USD"])
    run(venue, 1)
    ids = [
        int(trade["trade_id"])
        for message in of(tape, "market_trades")
        for trade in reversed(message["events"][0]["trades"])
    ]
    assert ids == list(range(ids[0], ids[0] + len(ids)))


def test_heartbeats_count_the_servers_seconds() -> None:
    venue = make_venue("coinbase", rate=50)
    run(venue, 7)
    session, tape = connect(venue)
    say(venue, session, type="subscribe", channel="heartbeats")
    run(venue, 4)
    counters = [message["events"][0]["heartbeat_counter"] for message in of(tape, "heartbeats")]
    assert counters == [8, 9, 10, 11]
    assert of(tape, "heartbeats")[0]["events"][0]["current_time"].endswith("+0000 UTC m=+8.250000")


def test_heartbeats_stop_and_start_again_once_a_second() -> None:
    venue, session, tape = connected("heartbeats", rate=50)
    say(venue, session, type="unsubscribe", channel="heartbeats")
    run(venue, 3)
    assert of(tape, "heartbeats") == []
    subscribe(venue, session, "heartbeats", "heartbeats")
    run(venue, 3)
    assert len(of(tape, "heartbeats")) == 3


def test_the_ticker_follows_each_match_with_the_top_of_the_book() -> None:
    venue, _, tape = connected("level2", "ticker", rate=500)
    run(venue, 2)
    books, checked = CoinbaseBooks(), 0
    for message in tape.messages():
        books.on_message(message)
        if message["channel"] == "ticker" and message["events"][0]["type"] == "update":
            (ticker,) = message["events"][0]["tickers"]
            bids, asks = books.books[ticker["product_id"]]
            assert (Decimal(ticker["best_bid"]), Decimal(ticker["best_ask"])) == (max(bids), min(asks))
            assert Decimal(ticker["best_bid_quantity"]) == bids[max(bids)]
            checked += 1
    assert checked > 20


def test_candles_and_the_batched_ticker_go_by_the_clock() -> None:
    venue, _, tape = connected("candles", "ticker_batch", rate=100)
    run(venue, 10.1)
    candles = [m for m in of(tape, "candles") if m["events"][0]["candles"][0]["product_id"] == "BTC-USD"]
    assert len(candles) == 11
    assert candles[0]["events"][0]["candles"][0]["start"] == str(START_US // SECOND_US // 300 * 300)
    tickers = [m["events"][0]["tickers"][0] for m in of(tape, "ticker_batch")]
    assert len(tickers) == 9
    assert not any("best_bid" in ticker for ticker in tickers)


def test_numbers_have_no_trailing_zeros_and_times_nine_digits() -> None:
    venue, _, tape = connected("level2", "market_trades")
    run(venue, 0.5)
    texts = [
        update[key]
        for message in of(tape, "l2_data")
        for event in message["events"]
        for update in event["updates"]
        for key in ("price_level", "new_quantity")
    ]
    assert "0" in texts
    assert not [text for text in texts if "." in text and text[-1] in ".0"]
    assert all(len(m["timestamp"].partition(".")[2]) == 10 for m in of(tape, "l2_data"))
    stamps = [message["timestamp"] for message in tape.messages()]
    assert all(early <= late for early, late in pairwise(stamps))


@pytest.mark.parametrize(
    ("message", "text"),
    [
        ({"type": "subscribe", "channel": "level3"}, "authentication failure"),
        ({"type": "hello"}, "malformed message"),
    ],
)
def test_a_refusal_has_no_envelope_and_takes_no_number(message: dict[str, str], text: str) -> None:
    venue = make_venue("coinbase")
    session, tape = connect(venue)
    say(venue, session, **message)
    subscribe(venue, session, "level2", products=["BTC-USD"])
    refusal, snapshot, _ = tape.messages()
    assert refusal == {"type": "error", "message": text}
    assert snapshot["sequence_num"] == 0


def test_usdc_is_another_name_of_usd() -> None:
    venue = make_venue("coinbase")
    session, tape = connect(venue)
    subscribe(venue, session, "level2", products=["BTC-USDC"])
    snapshot, acknowledged = tape.messages()
    assert snapshot["events"][0]["product_id"] == "BTC-USD"
    assert acknowledged["events"][0]["subscriptions"] == {"level2": ["BTC-USD"]}


def test_products_tell_the_grid_that_the_market_keeps() -> None:
    venue, _, tape = connected("market_trades")
    run(venue, 1)
    body = parse(venue.rest("/api/v3/brokerage/market/products", {}).body)
    assert body["num_products"] == 3
    grids = {
        product["product_id"]: (Decimal(product["price_increment"]), Decimal(product["base_increment"]))
        for product in body["products"]
    }
    assert list(grids) == PRODUCTS
    for message in of(tape, "market_trades"):
        for trade in message["events"][0]["trades"]:
            tick, lot = grids[trade["product_id"]]
            assert Decimal(trade["price"]) % tick == 0
            assert Decimal(trade["size"]) % lot == 0


def test_single_product_time_book_and_what_is_not_there() -> None:
    venue = make_venue("coinbase")
    root = "/api/v3/brokerage/"
    assert parse(venue.rest(f"{root}market/products/ETH-USD", {}).body)["base_name"] == "ETH"
    assert venue.rest(f"{root}market/products/NOPE-USD", {}).status == 404
    assert parse(venue.rest(f"{root}time", {}).body)["epochMillis"] == str(START_US // 1000)
    book = parse(venue.rest(f"{root}market/product_book", {"product_id": "BTC-USD", "limit": "3"}).body)
    bids, _ = own_book(venue, "BTC-USD")
    assert [Decimal(level["price"]) for level in book["pricebook"]["bids"]] == sorted(bids, reverse=True)[:3]
    assert venue.rest(f"{root}accounts", {}).status == 404
