"""What a decoder steps over is JSON, or the frame is refused: the same verdict as a plain parser's."""

from __future__ import annotations

import json
from random import Random
from typing import Any

import pytest

from tests.unit.providers.binance import frames as binance
from tests.unit.providers.coinbase import frames as coinbase
from tests.unit.providers.kraken import frames as kraken
from tests.unit.providers.stream_kit import close_streams

SCALARS = [
    *(
        "0",
        "-0",
        "1",
        "-1",
        "10",
        "1.5",
        "0.0",
        "1e5",
        "1E+5",
        "-1.25e-10",
        "01",
        "-",
        "+1",
        ".5",
        "1.",
        "1.e1",
    ),
    *(
        "1e",
        "1e+",
        "0x1",
        "1_0",
        "--1",
        "1 2",
        "true",
        "false",
        "null",
        "tru",
        "truee",
        "nul",
        "None",
        "True",
        "a",
    ),
    *(
        '""',
        '"a"',
        '"\\""',
        '"\\\\"',
        '"\\/\\b\\f\\n\\r\\t"',
        '"\\u00e9"',
        '"\\uD800"',
        '"\\uFFFg"',
        '"\\u12"',
    ),
    *('"\\x"', '"\\', '"\\"', '"a"b', "'a'", '"é"', '"tab\tin"', "\\u0031", "12\\", '"\\U0031"'),
]
SHAPES = ["[%s]", '{"k":%s}', "[[],%s,{}]", '{"k":{"l":[%s]},"m":1}', "%s"]
BROKEN = [
    *(
        "[1,]",
        "[,1]",
        "[1 1]",
        "[1:1]",
        '{"a"}',
        '{"a":}',
        '{"a":1,}',
        '{,"a":1}',
        '{"a":1 "b":2}',
        '{"a","b"}',
    ),
    *("{1:2}", "[}", "{]", "[[]", "[]]", '{"\\q":1}', '{"a":[1,{"b":2]}}', ":", ",", "{}{}", "[][]"),
]


MARK = '"\\u2603"'
# Where a frame of each venue has a value that nobody reads; `wired` of its kit takes all of it.
PLACES: dict[str, tuple[Any, Any]] = {
    "binance trade, one letter": (binance.wired, binance.trade(M="\u2603")),
    "binance trade, a word": (binance.wired, binance.trade(zz="\u2603")),
    "binance ticker": (binance.wired, binance.day_ticker(P="\u2603")),
    "binance candle": (binance.wired, binance.kline(B="\u2603")),
    "binance trade, as if of a book": (binance.wired, binance.trade(b="\u2603", k="\u2603", asks="\u2603")),
    "binance envelope": (binance.wired, {"stream": "x@trade", "zz": "\u2603", "data": binance.trade()}),
    "binance stream name": (binance.synced, {"stream": "\u2603", "data": binance.diff(11, 12)}),
    "binance level": (binance.synced, binance.diff(11, 12, [["10", "1", "\u2603"]])),
    "binance reply": (binance.wired, {"result": "\u2603", "id": 1}),
    "binance, no event of ours": (binance.wired, {"e": "avgPrice", "w": "\u2603", "s": "\u2603"}),
    "coinbase envelope": (coinbase.wired, {**coinbase.message(0, channel="heartbeats"), "x": "\u2603"}),
    "coinbase level": (coinbase.wired, coinbase.message(0, {**coinbase.snapshot(), "x": "\u2603"})),
    "coinbase trade": (coinbase.wired, coinbase.trades(0, {**coinbase.trade(1), "x": "\u2603"})),
    "kraken envelope": (kraken.wired, {**kraken.trades(kraken.trade(1)), "x": "\u2603"}),
    "kraken trade": (kraken.wired, kraken.trades({**kraken.trade(1), "ord_type": "\u2603"})),
    "kraken level": (kraken.wired, {**kraken.snapshot(), "x": "\u2603"}),
    "kraken reply": (kraken.wired, kraken.reply(result={"channel": "trade", "warnings": "\u2603"})),
    "kraken instrument": (kraken.wired, {"channel": "instrument", "data": {"pairs": ["\u2603"]}}),
    "kraken, no channel of ours": (kraken.wired, {"channel": "\u2603"}),
}
STRINGS_ONLY = {"binance stream name", "kraken, no channel of ours"}


def verdicts(place: str, value: str) -> tuple[bool, bool]:
    """Whether the decoder and the plain parser take a frame that has *value* where no value matters."""
    wired, frame = PLACES[place]
    text = json.dumps(frame, separators=(",", ":"))
    assert MARK in text
    text = text.replace(MARK, value)
    kit = wired()
    kit.feed(text)
    close_streams()
    try:
        json.loads(text)
    except ValueError:
        return kit.rejects == [], False
    return kit.rejects == [], True


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("shape", SHAPES)
def test_scalars(shape: str, place: str) -> None:
    for scalar in SCALARS:
        taken, is_json = verdicts(place, shape % scalar)
        if place in STRINGS_ONLY and not (shape == "%s" and scalar.startswith('"')):
            assert not taken or is_json
        else:
            # In the place of levels or of a candle another shape is refused, JSON or not.
            assert taken == is_json or (place.endswith("of a book") and not taken), shape % scalar


@pytest.mark.parametrize("place", PLACES)
def test_structure(place: str) -> None:
    for value in BROKEN:
        assert verdicts(place, value) == (False, False), value


@pytest.mark.property
@pytest.mark.parametrize("place", PLACES)
def test_random_texts_of_json_characters(place: str) -> None:
    rng = Random(5)
    for _ in range(600):
        text = "".join(rng.choice('[]{}:,"1a\\') for _ in range(rng.randint(1, 9)))
        taken, is_json = verdicts(place, text)
        assert not taken or is_json, text
        if place not in STRINGS_ONLY and not place.endswith("of a book"):
            assert taken == is_json, text
