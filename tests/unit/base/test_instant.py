"""INS-10 on the wire: RFC 3339 as venues write it, read by the hot path exactly as `instants` reads it."""

from __future__ import annotations

from random import Random

import pytest

from engine.base.errors import ValidationError
from engine.base.instants import from_rfc3339, to_rfc3339
from tests.unit.providers.coinbase.frames import trade, trades, wired
from tests.unit.providers.stream_kit import Wired

LAST_NS = 2**63 - 1


class Reader:
    """Reads a time as the time of a trade."""

    def __init__(self) -> None:
        self.kit: Wired = wired()
        self.number = 0

    def read(self, text: str) -> int | str:
        """Nanoseconds, or the code of the refusal."""
        self.number += 1
        refused = len(self.kit.rejects)
        events = self.kit.feed(trades(self.number, {**trade(self.number), "time": text}))
        return events[0].ts_venue_ns if len(self.kit.rejects) == refused else self.kit.rejects[-1][0]


@pytest.fixture
def reader() -> Reader:
    return Reader()


def told_by_instants(text: str) -> int | str:
    try:
        return from_rfc3339(text)
    except ValidationError:
        return "bad_time"


@pytest.mark.parametrize(
    ("text", "ts_ns"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("2026-11-20T10:00:00.793075885Z", 1_795_168_800_793_075_885),
        ("2026-11-20T10:00:00.5Z", 1_795_168_800_500_000_000),
        ("2026-11-20T10:00:00.4831220Z", 1_795_168_800_483_122_000),
        ("2026-11-20T15:30:00+05:30", 1_795_168_800_000_000_000),
        ("2026-11-20T02:00:00.25-08:00", 1_795_168_800_250_000_000),
        ("1969-12-31T23:30:00-01:00", 1_800_000_000_000),
        ("2000-02-29T23:59:59.999999999z", 951_868_799_999_999_999),
        ("2262-04-11T23:47:16.854775807Z", LAST_NS),
        ("2262-04-12T00:47:16.854775807+01:00", LAST_NS),
    ],
)
def test_known_instants(reader: Reader, text: str, ts_ns: int) -> None:
    assert reader.read(text) == ts_ns


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2026-11-20",
        "2026-11-20T10:00:00",
        "2026-11-20T10:00:00.Z",
        "2026-11-20T10:00:00.1234567890Z",
        "2026-11-20T10:00:00.12a4Z",
        "2026-11-20T10:00:00ZZ",
        "2026-11-20T10:00:00+0530",
        "2026-11-20T10:00:00+05:3",
        "2026-11-20T10:00:00+05:60",
        "2026-11-20X10:00:00Z",
        "2026/11/20T10:00:00Z",
        "2026-11-20T10.00.00Z",
        "2026-13-01T00:00:00Z",
        "2026-00-01T00:00:00Z",
        "2026-11-31T00:00:00Z",
        "2026-11-00T00:00:00Z",
        "2025-02-29T00:00:00Z",
        "2100-02-29T00:00:00Z",
        "2026-11-20T24:00:00Z",
        "2026-11-20T10:60:00Z",
        "2026-11-20T10:00:60Z",
        "1969-12-31T23:59:59Z",
        "1970-01-01T00:00:00+00:01",
        "2262-04-11T23:47:16.854775808Z",
        "2262-04-11T23:47:17Z",
        "0001-01-01T00:00:00Z",
        "9999-12-31T23:59:59Z",
        "+026-11-20T10:00:00Z",
        "2026-1 -20T10:00:00Z",
    ],
)
def test_what_is_no_instant_is_refused(reader: Reader, text: str) -> None:
    assert reader.read(text) == "bad_time"
    assert told_by_instants(text) == "bad_time"


@pytest.mark.property
def test_both_readers_agree_from_1970_to_2262() -> None:
    rng, reader = Random(3), Reader()
    for _ in range(3000):
        ts_ns = rng.randint(0, LAST_NS)
        text = to_rfc3339(ts_ns)
        assert reader.read(text) == ts_ns
        cut = text[: -1 - rng.randrange(9)] + rng.choice(("Z", "z", "+00:00", "-11:45", "+14:00"))
        assert reader.read(cut) == told_by_instants(cut)


@pytest.mark.property
def test_both_readers_agree_on_broken_texts() -> None:
    rng, reader = Random(4), Reader()
    for _ in range(3000):
        letters = list(to_rfc3339(rng.randint(0, LAST_NS)))
        for _ in range(rng.randint(1, 2)):
            letters[rng.randrange(len(letters))] = rng.choice("0123456789-:.TZ +x")
        text = "".join(letters)
        assert reader.read(text) == told_by_instants(text), text
