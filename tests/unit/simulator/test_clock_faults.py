"""Faults that come by the market's time: notices, clocks, instruments, silence in one symbol."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest

from engine.simulator.venue import Venue
from tests.unit.simulator.clients import START_US, KrakenBook, Tape, connect, make_venue, own_book, parse, run, say
from tests.unit.simulator.test_frame_faults import KINDS, arm, listen

BTC = {"binance": "BTCUSDT", "coinbase": "BTC-USD", "kraken": "BTC/USD", "simulated": "BTC-USD"}


@pytest.mark.parametrize(("url", "notice"), [
    ("/ws/btcusdt@trade", {"e": "serverShutdown", "E": START_US // 1000 + 1000}),
    ("/stream?streams=btcusdt@trade",
     {"stream": "!serverShutdown", "data": {"e": "serverShutdown", "E": START_US // 1000 + 1000}}),
])  # fmt: skip
def test_binance_announces_its_shutdown_BOOK_05(url: str, notice: dict[str, Any]) -> None:
    venue = make_venue("binance", rate=50)
    arm(venue, fault="shutdown", at_s=1, for_s=3)
    _, tape = connect(venue, url)
    run(venue, 1.1)
    assert notice in tape.messages()
    session, later = connect(venue, url)
    run(venue, 2.8)
    assert not tape.is_closed
    run(venue, 0.2)
    assert (tape.is_closed, tape.close_code) == (True, 1001)
    # Who came after the notice stays.
    run(venue, 5)
    assert session.is_open
    assert not later.is_closed


def test_kraken_tells_its_status_before_it_shuts_down() -> None:
    venue = make_venue("kraken")
    arm(venue, fault="shutdown", at_s=1, for_s=3)
    _, tape = connect(venue, "/v2")
    run(venue, 5)
    first, last = (message["data"][0] for message in tape.messages())
    assert (first["system"], last["system"]) == ("online", "maintenance")
    assert first["connection_id"] == last["connection_id"]
    assert tape.close_code == 1001


def shown_us(venue: Venue) -> int:
    """The venue's time, as it tells it."""
    path = {
        "binance": "/api/v3/time", "coinbase": "/api/v3/brokerage/time", "kraken": "/0/public/Time",
        "simulated": "/simulated/time",
    }[venue.name]  # fmt: skip
    body = parse(venue.rest(path, {}).body)
    if venue.name == "simulated":
        return int(body["time_ns"]) // 1000
    if venue.name == "binance":
        return int(body["serverTime"]) * 1000
    return int(body["epochMillis"]) * 1000 if venue.name == "coinbase" else int(body["result"]["unixtime"]) * 10**6


@pytest.mark.parametrize("name", KINDS)
def test_a_wrong_clock_shows_in_every_time_and_changes_no_pace_BOOK_30(name: str) -> None:
    right, wrong = make_venue(name, rate=300), make_venue(name, rate=300)
    arm(wrong, fault="clock_offset", offset_ms=-2000)
    for venue in (right, wrong):
        run(venue, 0)
    tapes = [listen(venue)[1] for venue in (right, wrong)]
    for venue in (right, wrong):
        run(venue, 3)
    assert shown_us(right) - shown_us(wrong) == 2_000_000
    assert len(tapes[0].frames) == len(tapes[1].frames)
    for one, other in zip(*(tape.messages() for tape in tapes), strict=True):
        if (at := told_at(one)) is not None:
            late = told_at(other)
            assert late is not None
            assert milliseconds(at) - milliseconds(late) == 2000


def told_at(message: Any) -> int | str | None:
    """The time in a message: milliseconds, or a text."""
    if "time_ns" in message:
        return int(message["time_ns"]) // 10**6
    at: int | str | None = message.get("E") or message.get("timestamp") or message.get("data", [{}])[0].get("timestamp")
    return at


def milliseconds(at: int | str) -> int:
    if isinstance(at, int):
        return at
    return round(datetime.fromisoformat(at[:26].rstrip("Z") + "+00:00").timestamp() * 1000)


def listed_tick(venue: Venue) -> Decimal:
    """BTC's tick, as the venue's catalogue tells it."""
    if venue.name == "binance":
        (symbol,) = parse(venue.rest("/api/v3/exchangeInfo", {"symbol": "BTCUSDT"}).body)["symbols"]
        return Decimal(symbol["filters"][0]["tickSize"])
    if venue.name == "coinbase":
        return Decimal(parse(venue.rest("/api/v3/brokerage/market/products/BTC-USD", {}).body)["price_increment"])
    if venue.name == "simulated":
        one = plain_listing(venue)
        return Decimal(one["tick"]).scaleb(-one["price_decimals"])
    pair = parse(venue.rest("/0/public/AssetPairs", {"pair": "XBTUSD"}).body)["result"]["XXBTZUSD"]
    return Decimal(pair["tick_size"])


def plain_listing(venue: Venue) -> Any:
    """BTC on the list of the plain feed."""
    listed = parse(venue.rest("/simulated/instruments", {}).body)["instruments"]
    return next(one for one in listed if one["symbol"] == "BTC-USD")


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("finer", [False, True])
def test_an_instrument_changes_its_tick_while_running_INS_22(name: str, finer: bool) -> None:
    venue = make_venue(name, rate=300)
    before = listed_tick(venue)
    after = before / 10 if finer else before * 10
    arm(venue, fault="tick_size", symbol="BTC-USD" if name != "binance" else "BTC-USDT", at_s=1, tick=str(after))
    run(venue, 0.9)
    whole = own_book(venue, BTC[name])
    assert listed_tick(venue) == before
    run(venue, 0.1)
    assert listed_tick(venue) == after
    # What rests is what it was, at the finer scale too.
    kept = own_book(venue, BTC[name])
    assert sum(kept[0].get(price) == qty for price, qty in whole[0].items()) > len(whole[0]) * 0.8
    run(venue, 4)
    fresh = [price for side, old in zip(own_book(venue, BTC[name]), whole, strict=True) for price in side if price not in old]
    assert fresh
    assert all(price % after == 0 for price in fresh)
    if finer:
        assert any(price % before != 0 for price in fresh)


def test_without_a_tick_it_is_ten_times_the_listed_one_and_then_that_again() -> None:
    venue = make_venue("kraken")
    arm(venue, fault="tick_size", symbol="BTC-USD", count=3, every_s=1, at_s=0.5)
    ticks = []
    for _ in range(4):
        ticks.append(listed_tick(venue))
        run(venue, 1)
    assert ticks == [Decimal(text) for text in ("0.1", "1", "0.1", "1")]


def test_kraken_pushes_a_changed_pair_and_its_checksums_stay_right() -> None:
    venue = make_venue("kraken", rate=300)
    arm(venue, fault="tick_size", symbol="BTC-USD", at_s=1, tick="0.001")
    session, tape = listen(venue)
    say(venue, session, method="subscribe", params={"channel": "instrument"})
    run(venue, 3)
    updates = [m for m in tape.messages() if m.get("channel") == "instrument" and m["type"] == "update"]
    (pair,) = updates[0]["data"]["pairs"]
    assert (pair["symbol"], pair["price_increment"], pair["price_precision"]) == ("BTC/USD", Decimal("0.001"), 3)
    before, after = KrakenBook(10, 1, 8), KrakenBook(10, 3, 8)
    book = before
    for message in tape.messages():
        if message.get("channel") == "instrument" and message["type"] == "update":
            after.bids, after.asks = before.bids, before.asks
            book = after
        elif message.get("channel") == "book":
            book.on_message(message)
    assert before.checksums_count > 20
    assert after.checksums_count > 20
    assert (before.failures_count, after.failures_count) == (0, 0)


def test_a_status_is_told_as_each_venue_spells_it_BOOK_28() -> None:
    spelled: dict[str, list[Any]] = {}
    for name in KINDS:
        venue = make_venue(name)
        symbol = {"binance": "BTC-USDT"}.get(name, "BTC-USD")
        for number, state in enumerate(("halted", "cancel_only", "trading"), 1):
            arm(venue, number, fault="instrument_status", symbol=symbol, state=state, at_s=number)
        for _ in range(3):
            run(venue, 1)
            spelled.setdefault(name, []).append(status_of(venue))
    assert spelled == {
        "binance": ["HALT", "CANCEL_ONLY", "TRADING"],
        "coinbase": [(True, False), (False, True), (False, False)],
        "kraken": ["maintenance", "cancel_only", "online"],
        "simulated": ["halted", "cancel_only", "trading"],
    }


def status_of(venue: Venue) -> Any:
    if venue.name == "binance":
        return parse(venue.rest("/api/v3/exchangeInfo", {"symbol": "BTCUSDT"}).body)["symbols"][0]["status"]
    if venue.name == "coinbase":
        product = parse(venue.rest("/api/v3/brokerage/market/products/BTC-USD", {}).body)
        return product["trading_disabled"], product["cancel_only"]
    if venue.name == "simulated":
        return plain_listing(venue)["status"]
    return parse(venue.rest("/0/public/AssetPairs", {"pair": "BTC/USD"}).body)["result"]["BTC/USD"]["status"]


def symbols_heard(tape: Tape, since: int) -> set[str]:
    return {
        message["data"][0]["symbol"] for message in map(parse, tape.frames[since:]) if message.get("channel") == "book"
    }


def test_a_quiet_symbol_rests_beside_live_ones_and_misses_nothing_BOOK_02() -> None:
    venue = make_venue("kraken", rate=600)
    arm(venue, fault="quiet", symbol="BTC-USD", at_s=1, for_s=5)
    session, tape = connect(venue, "/v2")
    say(venue, session, method="subscribe", params={"channel": "book", "symbol": ["BTC/USD", "ETH/USD"]})
    run(venue, 1)
    seen = len(tape.frames)
    run(venue, 4.9)
    assert symbols_heard(tape, seen) == {"ETH/USD"}
    seen = len(tape.frames)
    run(venue, 2)
    assert symbols_heard(tape, seen) == {"BTC/USD", "ETH/USD"}
    book = KrakenBook(10, 1, 8)
    for message in tape.messages():
        if message.get("channel") == "book" and message["data"][0]["symbol"] == "BTC/USD":
            book.on_message(message)
    assert book.failures_count == 0


def test_a_rule_that_was_disarmed_does_not_come_due() -> None:
    venue = make_venue("kraken")
    arm(venue, fault="tick_size", symbol="BTC-USD", at_s=1)
    venue.faults.disarm()
    run(venue, 2)
    assert listed_tick(venue) == Decimal("0.1")
    assert venue.faults.counts == {}


def test_coinbase_pushes_a_changed_product_on_its_status_channel() -> None:
    venue = make_venue("coinbase")
    arm(venue, fault="instrument_status", symbol="BTC-USD", at_s=1)
    session, tape = connect(venue, "/")
    say(venue, session, type="subscribe", channel="status", product_ids=["BTC-USD"])
    run(venue, 2)
    told = [message["events"][0] for message in tape.messages() if message["channel"] == "status"]
    assert [(event["type"], event["products"][0]["status"]) for event in told] == [
        ("snapshot", "online"), ("update", "offline"),
    ]  # fmt: skip
    assert not venue.has_subscribers
