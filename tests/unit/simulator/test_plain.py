"""The plain feed as docs/simulator.md describes it, to a client that knows nothing else."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from engine.simulator.venue import Venue
from tests.unit.simulator.clients import START_US, PlainBook, Tape, connect, make_venue, own_book, parse, run, say
from tests.unit.simulator.test_frame_faults import arm

START_NS = START_US * 1000


def opened(**market: Any) -> tuple[Venue, Any, Tape]:
    venue = make_venue("simulated", **market)
    session, tape = connect(venue, "/simulated")
    return venue, session, tape


def told(tape: Tape, channel: str) -> list[Any]:
    return [message for message in tape.messages() if message["channel"] == channel]


def listed(venue: Venue) -> dict[str, Any]:
    return {one["symbol"]: one for one in parse(venue.rest("/simulated/instruments", {}).body)["instruments"]}


def test_the_greeting_comes_first_and_a_heartbeat_each_second_BOOK_02() -> None:
    venue, _, tape = opened()
    assert tape.messages() == [{"channel": "status", "state": "online", "time_ns": START_NS}]
    run(venue, 3.5)
    assert [beat["time_ns"] - START_NS for beat in told(tape, "heartbeat")] == [10**9, 2 * 10**9, 3 * 10**9]


def test_books_are_numbered_from_1_and_every_checksum_is_right_BOOK_29() -> None:
    venue, session, tape = opened(rate=600, levels=40)
    say(venue, session, op="subscribe", channel="book", symbols=list(venue.markets), id=7)
    run(venue, 4)
    instruments = listed(venue)
    books = {s: PlainBook(one["price_decimals"], one["qty_decimals"]) for s, one in instruments.items()}
    for message in told(tape, "book"):
        books[message["symbol"]].on_message(message)
    for symbol, book in books.items():
        assert book.last_seq > 100
        assert book.failures_count == 0
        assert (book.bids, book.asks) == own_book(venue, symbol)
    assert [(reply["ok"], reply["to"], reply["symbol"], reply["id"]) for reply in told(tape, "reply")] == [
        (True, "book", symbol, 7) for symbol in venue.markets
    ]


def test_numbers_are_written_with_all_their_decimals() -> None:
    venue, session, tape = opened(rate=300)
    say(venue, session, op="subscribe", channel="book", symbols=["BTC-USD"])
    run(venue, 1)
    one = listed(venue)["BTC-USD"]
    for message in told(tape, "book"):
        for price, qty in message["bids"] + message["asks"]:
            assert len(price.partition(".")[2]) == one["price_decimals"]
            assert len(qty.partition(".")[2]) == one["qty_decimals"]


def test_numbers_begin_again_with_each_subscription_and_clients_have_their_own() -> None:
    venue, session, tape = opened(rate=300)
    other, later = connect(venue, "/simulated")
    say(venue, session, op="subscribe", channel="book", symbols=["BTC-USD"])
    run(venue, 1)
    say(venue, other, op="subscribe", channel="book", symbols=["BTC-USD"])
    for op in ("unsubscribe", "subscribe"):
        say(venue, session, op=op, channel="book", symbols=["BTC-USD"])
    run(venue, 1)
    first = [message["seq"] for message in told(tape, "book")]
    again = first.index(1, 1)
    assert first[:again] == list(range(1, again + 1))
    assert first[again:] == [message["seq"] for message in told(later, "book")] == list(range(1, len(first) - again + 1))


def test_trades_tickers_and_candles_tell_what_happens() -> None:
    venue, session, tape = opened(rate=600)
    for channel, more in (("trade", {}), ("ticker", {}), ("kline", {"interval": "1m"})):
        say(venue, session, op="subscribe", channel=channel, symbols=["BTC-USD"], **more)
    before = venue.markets["BTC-USD"].last_trade_id
    run(venue, 5)
    rows = [row for message in told(tape, "trade") for row in message["data"]]
    assert [row["id"] for row in rows] == list(range(before + 1, venue.markets["BTC-USD"].last_trade_id + 1))
    assert {row["side"] for row in rows} == {"buy", "sell"}
    (last,) = told(tape, "ticker")[-1]["data"]
    bids, asks = own_book(venue, "BTC-USD")
    assert (Decimal(last["bid"]), Decimal(last["ask"])) == (max(bids), min(asks))
    assert Decimal(last["last"]) == Decimal(rows[-1]["price"])
    (candle,) = told(tape, "kline")[-1]["data"]
    assert (candle["interval"], Decimal(candle["close"])) == ("1m", Decimal(rows[-1]["price"]))
    assert candle["start_ns"] == START_NS // (60 * 10**9) * 60 * 10**9
    assert sum(Decimal(row["qty"]) for row in rows) == Decimal(candle["volume"])
    assert candle["trades"] == len(rows)


@pytest.mark.parametrize(
    ("request_", "error"),
    [
        ({"op": "subscribe", "channel": "books", "symbols": ["BTC-USD"]}, "no such channel"),
        ({"op": "subscribe", "channel": "book", "symbols": ["BTCUSD"]}, "no such symbol"),
        ({"op": "subscribe", "channel": "book", "symbols": []}, "no symbols"),
        ({"op": "subscribe", "channel": "book", "symbols": "BTC-USD"}, "no symbols"),
        ({"op": "subscribe", "channel": "kline", "symbols": ["BTC-USD"], "interval": "2m"}, "no such interval"),
        ({"op": "unsubscribe", "channel": "book", "symbols": ["BTC-USD"]}, "not subscribed"),
        ({"op": "order"}, "no such request"),
        ({}, "no such request"),
    ],
)
def test_what_cannot_be_is_refused_with_its_reason(request_: dict[str, Any], error: str) -> None:
    venue, session, tape = opened()
    say(venue, session, **request_)
    (reply,) = told(tape, "reply")
    assert (reply["ok"], reply["error"]) == (False, error)
    assert not venue.has_subscribers


def test_a_ping_is_answered_with_its_id() -> None:
    venue, session, tape = opened()
    say(venue, session, op="ping", id=12)
    venue.receive(session, b"no json")
    assert told(tape, "reply") == [
        {"channel": "reply", "op": "ping", "ok": True, "id": 12},
        {"channel": "reply", "op": "", "ok": False, "error": "no such request"},
    ]


def test_a_subscription_twice_and_one_too_many_are_refused_BOOK_06() -> None:
    venue = make_venue("simulated", symbols=3, rate=1)
    session, tape = connect(venue, "/simulated")
    for _ in range(2):
        say(venue, session, op="subscribe", channel="book", symbols=["BTC-USD"])
    assert told(tape, "reply")[-1]["error"] == "already subscribed"
    many = make_venue("simulated", symbols=501, rate=1, levels=16)
    session, tape = connect(many, "/simulated")
    for channel in ("trade", "ticker"):
        say(many, session, op="subscribe", channel=channel, symbols=list(many.markets))
    refused = [reply for reply in told(tape, "reply") if not reply["ok"]]
    assert [reply["error"] for reply in refused] == ["too many streams"] * 2
    assert many.breaches == {"streams": 2}


def test_who_speaks_too_often_is_disconnected_BOOK_06() -> None:
    venue, session, tape = opened()
    venue.true_us = lambda: START_US
    for number in range(21):
        say(venue, session, op="ping", id=number)
    assert (tape.close_code, venue.breaches) == (1008, {"messages": 1})
    assert len(told(tape, "reply")) == 20


def test_calls_over_the_limit_are_refused_with_the_time_to_wait_for_BOOK_07() -> None:
    venue = make_venue("simulated")
    arm(venue, fault="rate_limited", retry_after_s=3)
    reply = venue.rest("/simulated/time", {})
    assert (reply.status, reply.headers["Retry-After"], parse(reply.body)) == (429, "3", {"error": "too many calls"})
    assert venue.rest("/simulated/nothing", {}).status == 429
    for _ in range(3):  # a second passes with each
        reply = venue.rest("/simulated/nothing", {})
    assert reply.status == 404


def test_the_end_is_announced_BOOK_05() -> None:
    venue, _, tape = opened()
    arm(venue, fault="shutdown", at_s=1, for_s=3)
    run(venue, 5)
    assert [status["state"] for status in told(tape, "status")] == ["online", "ending"]
    assert tape.close_code == 1001


def test_changed_decimals_are_pushed_before_they_are_used_and_checksums_stay_right_INS_22() -> None:
    venue, session, tape = opened(rate=300)
    arm(venue, fault="tick_size", symbol="BTC-USD", at_s=1, tick="0.001")
    say(venue, session, op="subscribe", channel="instrument")
    say(venue, session, op="subscribe", channel="book", symbols=["BTC-USD"])
    run(venue, 3)
    whole, changed = told(tape, "instrument")
    assert {one["symbol"] for one in whole["instruments"]} == set(venue.markets)
    ((one,),) = [changed["instruments"]]
    assert (one["symbol"], one["price_decimals"], one["tick"]) == ("BTC-USD", 3, 1)
    book = PlainBook(1, one["qty_decimals"])
    for message in tape.messages():
        if message == changed:
            finer = PlainBook(3, one["qty_decimals"])
            finer.bids, finer.asks, finer.last_seq = book.bids, book.asks, book.last_seq
            assert (book.failures_count, book.last_seq > 20) == (0, True)
            book = finer
        elif message["channel"] == "book":
            book.on_message(message)
    assert book.failures_count == 0
    assert (book.bids, book.asks) == own_book(venue, "BTC-USD")
