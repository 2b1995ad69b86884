"""Faults of a connection: what reaches the client, and what does not."""

from __future__ import annotations

import json
from typing import Any

import pytest

from engine.simulator.fault_rules import read_rule
from engine.simulator.sessions import Session
from engine.simulator.venue import Venue
from tests.unit.simulator.clients import Tape, connect, make_venue, parse, run, say

KINDS = {"binance": "depthUpdate", "coinbase": "l2_data", "kraken": "book", "simulated": "book"}


def arm(venue: Venue, number: int = 1, **entry: Any) -> None:
    rule, faults = read_rule(entry)
    assert rule is not None, faults
    venue.arm(number, rule)


def listen(venue: Venue) -> tuple[Session, Tape]:
    """A client of the BTC book alone."""
    url = "/ws/btcusdt@depth@100ms" if venue.name == "binance" else "/v2"
    session, tape = connect(venue, url)
    if venue.name == "coinbase":
        say(venue, session, type="subscribe", channel="level2", product_ids=["BTC-USD"])
    elif venue.name == "kraken":
        say(venue, session, method="subscribe", params={"channel": "book", "symbol": ["BTC/USD"]})
    elif venue.name == "simulated":
        say(venue, session, op="subscribe", channel="book", symbols=["BTC-USD"])
    return session, tape


def truth(name: str, seconds: float = 2) -> list[bytes]:
    """What a client gets without a fault."""
    venue = make_venue(name, rate=300)
    _, tape = listen(venue)
    run(venue, seconds)
    return tape.frames


def struck(name: str, seconds: float = 2, **entry: Any) -> tuple[Venue, Tape]:
    venue = make_venue(name, rate=300)
    arm(venue, at_s=1, **entry)
    _, tape = listen(venue)
    run(venue, seconds)
    return venue, tape


def is_book(name: str, frame: bytes) -> bool:
    message = parse(frame)
    return KINDS[name] in (message.get("e"), message.get("channel"))


@pytest.mark.parametrize("name", KINDS)
def test_a_dropped_frame_is_the_only_one_missing(name: str) -> None:
    venue, tape = struck(name, fault="drop", count=2)
    whole = truth(name)
    missing = [frame for frame in whole if frame not in tape.frames]
    assert len(missing) == 2
    assert all(is_book(name, frame) for frame in missing)
    assert tape.frames == [frame for frame in whole if frame not in missing]
    assert venue.faults.counts == {"drop": 2}


@pytest.mark.parametrize("name", KINDS)
def test_a_duplicate_stands_beside_its_twin(name: str) -> None:
    _, tape = struck(name, fault="duplicate")
    twins = [index for index in range(1, len(tape.frames)) if tape.frames[index] == tape.frames[index - 1]]
    assert len(twins) == 1
    del tape.frames[twins[0]]
    assert tape.frames == truth(name)


@pytest.mark.parametrize("name", KINDS)
def test_a_swapped_frame_comes_after_the_next_one(name: str) -> None:
    _, tape = struck(name, fault="swap")
    whole = truth(name)
    (place,) = [index for index, frame in enumerate(tape.frames[:-1]) if frame == whole[index + 1]]
    assert tape.frames[place + 1] == whole[place]
    tape.frames[place], tape.frames[place + 1] = tape.frames[place + 1], tape.frames[place]
    assert tape.frames == whole


def test_a_swap_waits_for_the_next_of_its_own_symbol_where_each_has_numbers_of_its_own() -> None:
    venue = make_venue("binance", rate=300)
    arm(venue, fault="swap", symbol="BTC-USDT", at_s=1)
    _, tape = connect(venue, "/stream?streams=btcusdt@depth@100ms/ethusdt@depth@100ms")
    run(venue, 3)
    ids = {"BTCUSDT": [], "ETHUSDT": []}  # type: dict[str, list[int]]
    for message in tape.messages():
        ids[message["data"]["s"]].append(message["data"]["U"])
    assert ids["ETHUSDT"] == sorted(ids["ETHUSDT"])
    assert ids["BTCUSDT"] != sorted(ids["BTCUSDT"])


@pytest.mark.parametrize("name", KINDS)
def test_a_frame_that_waits_for_a_swap_is_sent_when_the_market_freezes(name: str) -> None:
    venue, tape = struck(name, seconds=1, fault="swap", stream="book")
    while not any(session.held for session in venue.sessions):
        run(venue, 0.001)
    venue.freeze()
    assert not any(session.held for session in venue.sessions)
    assert venue.counts.total() == len(tape.frames)


@pytest.mark.parametrize("name", KINDS)
def test_half_a_frame_is_no_json(name: str) -> None:
    _, tape = struck(name, fault="half_frame")
    whole = truth(name)
    (place,) = [index for index, frame in enumerate(tape.frames) if frame != whole[index]]
    assert tape.frames[place] == whole[place][: len(whole[place]) // 2]
    with pytest.raises(json.JSONDecodeError):
        parse(tape.frames[place])


@pytest.mark.parametrize("name", KINDS)
def test_a_torn_frame_ends_the_connection(name: str) -> None:
    venue, tape = struck(name, fault="torn_frame")
    assert tape.frames == truth(name)[: len(tape.frames)]
    assert tape.torn == [truth(name)[len(tape.frames)]]
    assert tape.is_closed
    assert venue.faults.counts == {"torn_frame": 1}


@pytest.mark.parametrize("name", KINDS)
def test_silence_keeps_everything_back_with_the_socket_open(name: str) -> None:
    venue, tape = struck(name, seconds=1.5, fault="silence", for_s=2)
    session = next(iter(venue.sessions))
    assert session.is_muted
    seen = len(tape.frames)
    venue.ping_received(session, b"there?")
    say(venue, session, method="ping", type="unsubscribe", channel="level2", id=1)
    run(venue, 1)
    assert (len(tape.frames), tape.pongs, tape.is_closed) == (seen, [], False)
    run(venue, 1)
    venue.ping_received(session, b"there?")
    assert tape.pongs == [b"there?"]


@pytest.mark.parametrize(("code", "shown"), [(1006, 1006), (1012, 1012)])
def test_disconnects_in_a_row_strike_one_connection_each_BOOK_03(code: int, shown: int) -> None:
    venue = make_venue("kraken", rate=300)
    arm(venue, fault="disconnect", count=5, code=code)
    for attempt in range(1, 6):
        session, tape = listen(venue)
        run(venue, 1)
        assert (tape.is_closed, tape.close_code) == (True, shown)
        assert not session.is_open
        assert venue.faults.counts["disconnect"] == attempt
        venue.disconnect(session)
    _, tape = listen(venue)
    run(venue, 1)
    assert not tape.is_closed


def test_only_the_stream_that_a_rule_names_is_struck() -> None:
    venue = make_venue("kraken", rate=1000)
    arm(venue, fault="drop", stream="trade", count=0)
    session, tape = listen(venue)
    say(venue, session, method="subscribe", params={"channel": "trade", "symbol": ["BTC/USD"]})
    run(venue, 2)
    assert venue.faults.counts["drop"] > 3
    assert {message.get("channel") for message in tape.messages()} == {"status", None, "book", "heartbeat"}


def test_a_snapshot_can_be_lost() -> None:
    venue = make_venue("kraken", rate=300)
    arm(venue, fault="drop", stream="snapshot")
    _, tape = listen(venue)
    run(venue, 1)
    types = {message["type"] for message in tape.messages() if message.get("channel") == "book"}
    assert types == {"update"}


@pytest.mark.parametrize("name", KINDS)
def test_the_same_seed_gives_the_same_bytes_with_faults_BOOK_29(name: str) -> None:
    # Binance gathers what the others tell one by one, and so gives fewer chances.
    probability = 0.3 if name == "binance" else 0.06

    def frames(seed: int) -> list[bytes]:
        venue = make_venue(name, rate=300, seed=seed)
        for number, fault in enumerate(("drop", "duplicate", "swap", "half_frame", "corrupt_level", "crossed"), 1):
            arm(venue, number, fault=fault, count=0, probability=probability)
        _, tape = listen(venue)
        run(venue, 4)
        assert len(venue.faults.counts) == 6
        return tape.frames

    assert frames(3) == frames(3)
    assert frames(3) != frames(4)
