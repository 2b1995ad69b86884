"""The venues' published limits: the counters by themselves, then what each venue does about a breach. BOOK-06, BOOK-07."""

from __future__ import annotations

from typing import Any

import pytest

from engine.simulator.gate import BINANCE_LIMITS, COINBASE_LIMITS, KRAKEN_LIMITS, Gate
from engine.simulator.limits import (
    Block,
    CounterBudget,
    RateBudget,
    Refusal,
    SlidingWindow,
    WeightBudget,
)
from engine.simulator.venue import Venue
from tests.unit.simulator.clients import START_US, Tape, connect, make_venue, parse, run, say
from tests.unit.simulator.test_frame_faults import arm

SECOND_US = 1_000_000
MINUTE_US = 60 * SECOND_US
# The start of a minute of the clock.
MINUTE_START_US = START_US // MINUTE_US * MINUTE_US


# --- the counters -------------------------------------------------------------------------------------------


def test_a_window_slides() -> None:
    window = SlidingWindow(2, SECOND_US)
    assert [window.take(at) for at in (0, 400_000, 999_999, 1_000_000, 1_000_001, 1_400_000)] == [
        True, True, False, True, False, True
    ]  # fmt: skip
    assert window.wait_s(1_400_000) == 1
    assert window.left(3_000_000) == 2


def test_binances_weight_is_counted_by_the_minute_of_the_clock() -> None:
    budget = WeightBudget()
    late_us = MINUTE_START_US + 59 * SECOND_US
    assert budget.take(6000, late_us) is None
    assert budget.headers(late_us)["X-MBX-USED-WEIGHT-1M"] == "6000"
    assert budget.take(1, late_us) == Refusal(429, 1, "weight")
    assert budget.take(250, late_us + SECOND_US) is None
    assert budget.headers(late_us + SECOND_US)["X-MBX-USED-WEIGHT-1M"] == "250"


def test_who_carries_on_after_429_is_banned_each_time_for_longer() -> None:
    budget = WeightBudget()
    spans = []
    now_us = MINUTE_START_US
    for _ in range(3):
        assert budget.take(6000, now_us) is None
        statuses = [refusal.status for _ in range(10) if (refusal := budget.take(1, now_us)) is not None]
        assert statuses == [429] * 9 + [418]
        refusal = budget.take(1, now_us)
        assert refusal is not None
        spans.append(refusal.retry_after_s)
        now_us += refusal.retry_after_s * SECOND_US
    assert spans == [120, 240, 480]


def test_coinbases_calls_are_counted_by_the_second() -> None:
    budget = RateBudget()
    assert [budget.take(1, START_US) for _ in range(11)] == [None] * 10 + [Refusal(429, 0, "requests")]
    assert budget.headers(START_US) == {
        "x-ratelimit-limit": "10", "x-ratelimit-remaining": "0", "x-ratelimit-reset": "1",
    }  # fmt: skip
    assert budget.take(1, START_US + SECOND_US) is None


def test_krakens_counter_falls_with_time() -> None:
    budget = CounterBudget()
    taken = sum(budget.take(1, START_US) is None for _ in range(30))
    assert taken == 15
    assert [budget.take(1, START_US + 2 * SECOND_US) is None for _ in range(3)] == [True, True, False]


def test_a_block_stands_until_its_time() -> None:
    block = Block()
    assert block.check(START_US) is None
    assert block.set(418, 2_500_000, START_US) == Refusal(418, 3, "")
    assert block.check(START_US + 1_000_000) == Refusal(418, 2, "called_while_refused")
    assert block.check(START_US + 2_500_000) is None


def test_kraken_keeps_out_who_connects_too_often() -> None:
    gate = Gate(KRAKEN_LIMITS)
    assert all(gate.connect(START_US) is None for _ in range(150))
    assert gate.connect(START_US) == Refusal(429, 600, "connects")
    # The ban counts from the breach, not from the first connect.
    assert gate.connect(START_US + 599 * SECOND_US) == Refusal(429, 1, "connects")
    assert gate.connect(START_US + 600 * SECOND_US) is None


@pytest.mark.parametrize(("limits", "count", "window_s"), [(BINANCE_LIMITS, 300, 300), (COINBASE_LIMITS, 8, 1)])
def test_connects_are_counted_in_a_window(limits: Any, count: int, window_s: int) -> None:
    gate = Gate(limits)
    assert all(gate.connect(START_US) is None for _ in range(count))
    assert gate.connect(START_US) == Refusal(429, window_s, "connects")
    assert gate.connect(START_US + window_s * SECOND_US) is None


# --- what the venues do -------------------------------------------------------------------------------------


class Clock:
    """The time that limits are counted by, moved by hand."""

    def __init__(self, venue: Venue) -> None:
        self.now_us = MINUTE_START_US
        venue.true_us = lambda: self.now_us

    def pass_s(self, seconds: float) -> None:
        self.now_us += round(seconds * SECOND_US)


def clocked(name: str) -> tuple[Venue, Clock]:
    venue = make_venue(name)
    return venue, Clock(venue)


def test_binance_ends_who_speaks_more_than_five_times_a_second() -> None:
    venue, clock = clocked("binance")
    session, tape = connect(venue, "/ws")
    for number in range(5):
        say(venue, session, method="LIST_SUBSCRIPTIONS", id=number)
    clock.pass_s(1)
    for number in range(5):
        say(venue, session, method="LIST_SUBSCRIPTIONS", id=number)
    assert not tape.is_closed
    say(venue, session, method="LIST_SUBSCRIPTIONS", id=9)
    assert (tape.close_code, len(tape.frames)) == (1008, 10)
    assert venue.breaches == {"messages": 1}


def test_binance_counts_pings_and_pongs_too() -> None:
    venue, _ = clocked("binance")
    session, tape = connect(venue, "/ws")
    venue.ping_received(session, b"a")
    venue.pong_received(session, b"b")
    for number in range(3):
        say(venue, session, method="LIST_SUBSCRIPTIONS", id=number)
    assert (tape.is_closed, tape.pongs) == (False, [b"a"])
    venue.pong_received(session, b"c")
    assert tape.close_code == 1008


def test_each_binance_connection_has_messages_of_its_own() -> None:
    venue, _ = clocked("binance")
    for _ in range(3):
        session, tape = connect(venue, "/ws")
        for number in range(5):
            say(venue, session, method="LIST_SUBSCRIPTIONS", id=number)
        assert not tape.is_closed


def test_binance_takes_1024_streams_a_connection() -> None:
    venue = make_venue("binance")
    session, tape = connect(venue, "/ws")
    names = [f"btcusdt@kline_1m{number}" for number in range(1024)]
    say(venue, session, method="SUBSCRIBE", params=names, id=1)
    assert not tape.is_closed
    say(venue, session, method="SUBSCRIBE", params=["ethusdt@trade"], id=2)
    assert tape.close_code == 1008
    assert venue.breaches == {"streams": 1}


def test_binance_ends_who_leaves_its_pings_unanswered_for_a_minute() -> None:
    venue = make_venue("binance", rate=1)
    answering, kept = connect(venue, "/ws")
    _, ended = connect(venue, "/ws")
    for _ in range(5):
        run(venue, 20.001)
        venue.pong_received(answering, kept.pings[-1])
    assert (kept.is_closed, ended.is_closed, ended.close_code) == (False, True, 1008)
    assert len(ended.pings) == 3
    assert venue.breaches == {"pong": 1}


def test_a_pong_with_another_payload_answers_nothing() -> None:
    venue = make_venue("binance", rate=1)
    session, tape = connect(venue, "/ws")
    for _ in range(4):
        run(venue, 20.001)
        venue.pong_received(session, b"")
    assert tape.is_closed


def test_binance_ends_a_connection_after_a_day() -> None:
    venue = make_venue("binance", rate=0.001)
    session, tape = connect(venue, "/ws")
    for _ in range(24 * 180):
        run(venue, 20)
        if tape.pings:
            venue.pong_received(session, tape.pings[-1])
    assert tape.close_code == 1001


def test_binance_says_its_weights_and_then_429_and_418() -> None:
    venue, clock = clocked("binance")
    deep = {"symbol": "BTCUSDT", "limit": "5000"}
    used = []
    for query in (deep, deep | {"limit": "1000"}, deep | {"limit": "500"}, deep | {"limit": "100"}):
        reply = venue.rest("/api/v3/depth", query)
        used.append(int(reply.headers["X-MBX-USED-WEIGHT-1M"]))
    assert used == [250, 300, 325, 330]
    while (reply := venue.rest("/api/v3/depth", deep)).status == 200:
        pass
    assert (reply.status, reply.headers["Retry-After"], parse(reply.body)["code"]) == (429, "60", -1003)
    statuses = [venue.rest("/api/v3/depth", deep).status for _ in range(9)]
    assert statuses == [429] * 8 + [418]
    assert venue.breaches == {"weight": 9, "banned": 1}
    clock.pass_s(119)
    reply = venue.rest("/api/v3/ping", {})
    assert (reply.status, reply.headers["Retry-After"]) == (418, "1")
    clock.pass_s(1)
    assert venue.rest("/api/v3/ping", {}).status == 200


def test_coinbase_counts_messages_of_all_connections() -> None:
    venue, clock = clocked("coinbase")
    sessions = [connect(venue, "/") for _ in range(2)]
    for number in range(8):
        say(venue, sessions[number % 2][0], type="subscribe", channel="heartbeats")
    clock.pass_s(1)
    for number in range(9):
        say(venue, sessions[number % 2][0], type="subscribe", channel="heartbeats")
    assert [tape.close_code for _, tape in sessions] == [1008, 0]
    assert venue.breaches == {"messages": 1}


def test_coinbase_ends_who_says_nothing_for_five_seconds() -> None:
    venue = make_venue("coinbase")
    _, silent = connect(venue, "/")
    session, tape = connect(venue, "/")
    run(venue, 4.9)
    say(venue, session, type="subscribe", channel="heartbeats")
    assert not silent.is_closed
    run(venue, 0.2)
    assert (silent.close_code, tape.is_closed) == (1008, False)
    assert venue.breaches == {"first_subscribe": 1}


def test_coinbase_ends_a_connection_on_which_nothing_is_sent() -> None:
    venue = make_venue("coinbase", rate=1)
    quiet, tape = connect(venue, "/")
    say(venue, quiet, type="subscribe", channel="level2", product_ids=["NOPE-USD"])
    kept, other = connect(venue, "/")
    say(venue, kept, type="subscribe", channel="heartbeats")
    run(venue, 95)
    assert (tape.close_code, other.is_closed) == (1001, False)


def test_coinbase_refuses_calls_as_documented() -> None:
    venue, _ = clocked("coinbase")
    replies = [venue.rest("/api/v3/brokerage/time", {}) for _ in range(11)]
    assert [reply.status for reply in replies] == [200] * 10 + [429]
    assert parse(replies[-1].body) == {"errors": [{"id": "rate_limit_exceeded", "message": "Too many requests"}]}
    assert "Retry-After" not in replies[-1].headers


def test_kraken_answers_who_speaks_too_often_and_stays() -> None:
    venue, clock = clocked("kraken")
    session, tape = connect(venue, "/v2")
    for number in range(11):
        say(venue, session, method="ping", req_id=number)
    assert tape.frames[-1] == b'{"Error":"Exceeded msg rate"}'
    assert not tape.is_closed
    clock.pass_s(1)
    say(venue, session, method="ping", req_id=99)
    assert tape.messages()[-1]["req_id"] == 99
    assert venue.breaches == {"messages": 1}


def test_kraken_ends_idle_sockets_after_a_minute() -> None:
    venue = make_venue("kraken", rate=1)
    _, idle = connect(venue, "/v2")
    session, busy = connect(venue, "/v2")
    say(venue, session, method="subscribe", params={"channel": "instrument"})
    run(venue, 61)
    assert (idle.close_code, busy.is_closed) == (1001, False)


def test_kraken_refuses_calls_with_status_200() -> None:
    venue, _ = clocked("kraken")
    replies = [venue.rest("/0/public/Time", {}) for _ in range(16)]
    assert {reply.status for reply in replies} == {200}
    assert parse(replies[-1].body) == {"error": ["EGeneral:Too many requests"]}


@pytest.mark.parametrize("name", ["binance", "coinbase", "kraken", "simulated"])
def test_connects_over_the_limit_are_refused_at_the_upgrade(name: str) -> None:
    venue, _ = clocked(name)
    limit = venue.wire_limits.connects
    assert all(venue.admit() is None for _ in range(limit))
    refusal = venue.admit()
    assert refusal is not None
    assert refusal.status == 429
    assert venue.breaches == {"connects": 1}


# --- refusals on request ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("fault", "status"), [("rate_limited", 429), ("banned", 418)])
def test_a_refusal_on_request_stands_for_its_time_BOOK_07(fault: str, status: int) -> None:
    venue, clock = clocked("binance")
    arm(venue, fault=fault, retry_after_s=5)
    first = venue.rest("/api/v3/depth", {"symbol": "BTCUSDT"})
    assert (first.status, first.headers["Retry-After"]) == (status, "5")
    # What strikes by our own doing is no breach of the client's; calling on is.
    assert venue.breaches == {}
    clock.pass_s(3)
    assert venue.rest("/api/v3/ping", {}).headers["Retry-After"] == "2"
    assert venue.breaches == {"called_while_refused": 1}
    clock.pass_s(2)
    assert venue.rest("/api/v3/ping", {}).status == 200


def test_kraken_tells_until_when_it_throttles() -> None:
    venue, _ = clocked("kraken")
    arm(venue, fault="rate_limited", retry_after_s=7)
    reply = venue.rest("/0/public/Time", {})
    assert parse(reply.body) == {"error": [f"EService:Throttled: {START_US // SECOND_US + 7}"]}


def test_connections_are_refused_on_request() -> None:
    venue, _ = clocked("kraken")
    arm(venue, fault="refuse", status=503, count=2)
    assert [refusal and refusal.status for refusal in (venue.admit() for _ in range(3))] == [503, 503, None]
    assert venue.breaches == {}


def test_who_has_been_ended_is_heard_no_more() -> None:
    venue, _ = clocked("binance")
    session, tape = connect(venue, "/ws")
    session.close(1001)
    say(venue, session, method="SUBSCRIBE", params=["btcusdt@trade"], id=1)
    assert isinstance(tape, Tape)
    assert (tape.frames, venue.has_subscribers) == ([], False)
