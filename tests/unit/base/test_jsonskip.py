"""What a decoder steps over is JSON, or the frame is refused: the same verdict as a plain parser's."""

from __future__ import annotations

import json
from random import Random

import pytest

from tests.unit.providers.coinbase.frames import wired

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


def verdicts(value: str) -> tuple[bool, bool]:
    """Whether the decoder and the plain parser take a frame that has *value* in a field of no meaning."""
    kit = wired()
    envelope = '"channel":"heartbeats","timestamp":"2026-01-01T00:00:00Z","sequence_num":1'
    text = f'{{{envelope},"x":{value},"events":[]}}'
    kit.feed(text)
    try:
        json.loads(text)
    except ValueError:
        return kit.rejects == [], False
    return kit.rejects == [], True


@pytest.mark.parametrize("shape", SHAPES)
def test_scalars(shape: str) -> None:
    for scalar in SCALARS:
        taken, is_json = verdicts(shape % scalar)
        assert taken == is_json, shape % scalar


def test_structure() -> None:
    for value in BROKEN:
        assert verdicts(value) == (False, False), value


@pytest.mark.property
def test_random_texts_of_json_characters() -> None:
    rng = Random(5)
    for _ in range(3000):
        text = "".join(rng.choice('[]{}:,"1a\\') for _ in range(rng.randint(1, 9)))
        taken, is_json = verdicts(text)
        assert taken == is_json, text
