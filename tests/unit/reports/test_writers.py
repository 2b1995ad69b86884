"""DST-12: a report of an earlier writer is not answered with while the later one's is good, and is counted."""

from __future__ import annotations

import json
import logging

import pytest

from engine.reports.writers import NewestWriters

PAIR = ("binance", "BTC-USDT")
OTHER = ("kraken", "BTC-USD")
TTL_MS = 120_000
MS = 1_000_000


class Clock:
    now_ns = 0

    def __call__(self) -> int:
        return self.now_ns


def signed(token: int, number: int = 0) -> bytes:
    return json.dumps({"number": number, "writer": {"node_id": f"node-{token}", "token": token}}).encode()


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_the_last_report_of_the_highest_token_stands_until_it_is_no_longer_good(clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    writers = NewestWriters(TTL_MS, clock)
    assert [writers.pick(PAIR, signed(2, number)) for number in (1, 2)] == [signed(2, 1), signed(2, 2)]
    assert writers.pick(PAIR, signed(3, 3)) == signed(3, 3)
    clock.now_ns += (TTL_MS - 1) * MS
    with caplog.at_level(logging.WARNING, "engine.reports"):
        assert writers.pick(PAIR, signed(2, 4)) == signed(3, 3)
        assert writers.pick(PAIR, signed(1, 5)) == signed(3, 3)
    assert writers.pick(OTHER, signed(1, 6)) == signed(1, 6)
    assert writers.regressions == 2
    (line,) = caplog.records
    assert line.__dict__["engine_fields"]["symbol"] == "binance:BTC-USDT"
    clock.now_ns += MS
    assert writers.pick(PAIR, signed(2, 7)) == signed(2, 7)
    assert writers.regressions == 3
    assert writers.pick(PAIR, signed(4, 8)) == signed(4, 8)
    assert writers.regressions == 3


def test_a_token_is_forgotten_once_there_was_no_report_for_as_long_as_one_lives(clock: Clock) -> None:
    writers = NewestWriters(TTL_MS, clock)
    writers.pick(PAIR, signed(5))
    assert writers.pick(PAIR, None) is None
    clock.now_ns += (TTL_MS - 1) * MS
    assert writers.pick(PAIR, None) is None
    # It was there in between, if only an earlier one: nothing is forgotten.
    assert writers.pick(PAIR, signed(1)) == signed(5)
    clock.now_ns += 2 * MS
    assert writers.pick(PAIR, None) is None
    assert writers.pick(PAIR, signed(1, 1)) == signed(1, 1)
    assert writers.regressions == 2
    assert writers.pick(PAIR, None) is None
    clock.now_ns += TTL_MS * MS
    assert writers.pick(PAIR, None) is None
    assert writers.pick(PAIR, signed(1, 2)) == signed(1, 2)
    assert writers.regressions == 2
    assert writers.pick(PAIR, None) is None


def test_what_cannot_be_read_is_left_to_whoever_answers(clock: Clock) -> None:
    writers = NewestWriters(TTL_MS, clock)
    writers.pick(PAIR, signed(5))
    for text in (b"{", b"{}", b'{"writer":{"token":"x"}}'):
        assert writers.pick(PAIR, text) == text
    assert writers.regressions == 0
