"""Coinbase frames as text: order of keys, spelling of numbers, and every way in which a frame is refused."""

from __future__ import annotations

import json
from random import Random
from typing import Any

import pytest

from tests.twins.capture_io import exact_json, read_records
from tests.unit.providers.coinbase.frames import (
    TIME,
    candle,
    candles,
    message,
    snapshot,
    ticker,
    trade,
    trades,
    update,
    wired,
)


def shuffled(value: Any, rng: Random) -> Any:
    """The same tree with the members of every object in another order."""
    if isinstance(value, list):
        return [shuffled(item, rng) for item in value]
    if isinstance(value, dict):
        members = [(key, shuffled(item, rng)) for key, item in value.items()]
        rng.shuffle(members)
        return dict(members)
    return value


def test_key_order_never_matters() -> None:
    frames = [
        message(0, snapshot(), snapshot("B-USD")),
        message(1, update(("bid", "9", "1"))),
        trades(2, trade(2), trade(1)),
        ticker(3, price="10", best_bid="9"),
        candles(4, candle(300)),
        message(5, {"subscriptions": {"level2": ["A-USD"]}}, channel="subscriptions"),
    ]
    plain = wired()
    for frame in frames:
        plain.feed(frame)
    assert plain.rejects == []
    for seed in range(20):
        rng = Random(seed)
        other = wired()
        for frame in frames:
            other.feed(shuffled(frame, rng))
        assert other.rejects == []
        assert [e.as_dict() for e in other.events] == [
            {**e.as_dict(), "trace_id": o.trace_id} for e, o in zip(plain.events, other.events, strict=True)
        ]


def test_numbers_may_be_texts_or_numbers() -> None:
    kit = wired()
    assert kit.feed(message(0, update(("bid", 9.25, 1), ("offer", 11, 2.5))) | {"sequence_num": "0"}) == []
    full = {**update(("bid", 9.25, 1), ("offer", 11, 2.5)), "type": "snapshot"}
    event = kit.feed(message(1, full))[0]
    assert (list(event.bids), list(event.asks)) == ([(925, 100)], [(1100, 250)])
    assert kit.feed(trades(2, {**trade(7), "trade_id": 7, "price": 10.5}))[0].price_raw == 1050
    assert kit.feed(candles(3, {**candle(300), "start": 300, "open": 10}))[0].open_raw == 1000


def test_fields_that_we_do_not_know_are_ignored() -> None:
    kit = wired()
    extra = {"client_id": "", "x": [{"y": {"channel": 1}}, None, -1.5e-3, True], "events2": "\\u00e9\u00e9"}
    event = {**snapshot(), "note": {"type": "update"}}
    event["updates"] = [{**level, "venue": ["CBE"], "side2": 1} for level in event["updates"]]
    assert len(kit.feed({**extra, **message(0, event)})) == 1
    assert kit.rejects == []


def test_18_digits_and_one_more() -> None:
    kit = wired(price_scale=0, qty_scale=0)
    book = {**update(("bid", "0.123456789012345678", "9")), "type": "snapshot"}
    assert list(kit.feed(message(0, book))[0].bids) == [(123456789012345678, 9)]
    kit.feed(message(1, update(("bid", "0.1234567890123456789", "9"))))
    assert kit.rejects == [("overflow", None)]


DROP = object()
"""Stands for a member that is not there."""


def changed(tree: Any, path: tuple[Any, ...], value: Any) -> Any:
    copy = json.loads(json.dumps(tree))
    place = copy
    for step in path[:-1]:
        place = place[step]
    if value is DROP:
        del place[path[-1]]
    else:
        place[path[-1]] = value
    return copy


BOOK = message(1, update(("bid", "9", "1")))
LEVEL: tuple[Any, ...] = ("events", 0, "updates", 0)


@pytest.mark.parametrize(
    ("path", "value", "refusal"),
    [
        (("channel",), DROP, ("missing_field", "channel")),
        (("channel",), 5, ("wrong_type", "channel")),
        (("sequence_num",), DROP, ("missing_field", "sequence_num")),
        (("sequence_num",), -1, ("bad_number", "sequence_num")),
        (("sequence_num",), 1.5, ("bad_number", "sequence_num")),
        (("sequence_num",), None, ("bad_number", "sequence_num")),
        (("timestamp",), DROP, ("missing_field", "timestamp")),
        (("timestamp",), "2026-02-30T00:00:00Z", ("bad_time", "timestamp")),
        (("timestamp",), 5, ("wrong_type", "timestamp")),
        (("events",), DROP, ("missing_field", "events")),
        (("events",), {}, ("wrong_type", "events")),
        (("events",), None, ("wrong_type", "events")),
        (("events", 0), 1, ("wrong_type", "events")),
        (("events", 0, "type"), DROP, ("missing_field", "type")),
        (("events", 0, "type"), "full", ("unknown_value", "type")),
        (("events", 0, "product_id"), DROP, ("missing_field", "product_id")),
        (("events", 0, "product_id"), 1, ("wrong_type", "product_id")),
        (("events", 0, "updates"), DROP, ("missing_field", "updates")),
        (("events", 0, "updates"), None, ("wrong_type", "updates")),
        ((*LEVEL,), [], ("wrong_type", "updates")),
        ((*LEVEL, "side"), DROP, ("missing_field", "side")),
        ((*LEVEL, "side"), "ask", ("unknown_value", "side")),
        ((*LEVEL, "price_level"), DROP, ("missing_field", "price_level")),
        ((*LEVEL, "price_level"), {}, ("wrong_type", "price_level")),
        ((*LEVEL, "price_level"), "0", ("bad_value", None)),
        ((*LEVEL, "price_level"), "1e-8", ("bad_number", None)),
        ((*LEVEL, "new_quantity"), DROP, ("missing_field", "new_quantity")),
        ((*LEVEL, "new_quantity"), "-1", ("bad_value", None)),
        ((*LEVEL, "new_quantity"), "", ("bad_number", None)),
        ((*LEVEL, "new_quantity"), True, ("bad_number", None)),
    ],
)
def test_a_missing_or_malformed_field_is_named(
    path: tuple[Any, ...], value: Any, refusal: tuple[str, str | None]
) -> None:
    kit = wired()
    kit.feed(message(0, snapshot()))
    assert kit.feed(changed(BOOK, path, value)) == []
    assert kit.rejects == [refusal]


@pytest.mark.parametrize(
    ("tree", "refusal"),
    [
        (changed(trades(1, trade(1)), ("events", 0, "trades", 0, "side"), DROP), ("missing_field", "side")),
        (changed(trades(1, trade(1)), ("events", 0, "trades"), DROP), ("missing_field", "trades")),
        (changed(trades(1, trade(1)), ("events", 0, "type"), DROP), ("missing_field", "type")),
        (changed(trades(1), ("events", 0, "type"), "full"), ("unknown_value", "type")),
        (changed(ticker(1), ("events", 0, "tickers", 0), {}), ("missing_field", "product_id")),
        (changed(candles(1), ("events", 0, "candles"), DROP), ("missing_field", "candles")),
        (
            changed(candles(1, candle(300)), ("events", 0, "candles", 0, "close"), DROP),
            ("missing_field", "close"),
        ),
        (message(1, {}, channel="subscriptions"), ("missing_field", "subscriptions")),
        (message(1, {"subscriptions": []}, channel="subscriptions"), ("wrong_type", "subscriptions")),
        ({"type": "subscribe", "message": "x"}, ("missing_field", "channel")),
        ([], ("wrong_type", None)),
        ({}, ("missing_field", "channel")),
    ],
)
def test_other_channels_name_it_too(tree: Any, refusal: tuple[str, str | None]) -> None:
    kit = wired()
    kit.feed(tree)
    assert kit.rejects == [refusal]


TEXT = json.dumps(BOOK, separators=(",", ":"))


@pytest.mark.parametrize(
    ("old", "new", "name"),
    [
        ('{"channel"', '{"channel":"l2_data","channel"', "channel"),
        ('"events":', '"events":[],"events":', "events"),
        ('"sequence_num":1', '"sequence_num":1,"sequence_num":1', "sequence_num"),
        ('"type":"update"', '"type":"update","type":"update"', "type"),
        ('"updates":', '"updates":[],"updates":', "updates"),
        ('"product_id":"A-USD"', '"product_id":"A-USD","product_id":"A-USD"', "product_id"),
        ('"side":"bid"', '"side":"bid","side":"offer"', "side"),
        ('"price_level":"9"', '"price_level":"9","price_level":"9"', "price_level"),
        ('"new_quantity":"1"', '"new_quantity":"1","new_quantity":"2"', "new_quantity"),
    ],
)
def test_a_key_told_twice_is_refused(old: str, new: str, name: str) -> None:
    kit = wired()
    assert old in TEXT
    kit.feed(TEXT.replace(old, new, 1))
    assert kit.rejects == [("duplicate_key", name)]


@pytest.mark.parametrize(
    "text",
    [
        "",
        TEXT[:-1],
        TEXT + "}",
        TEXT + "{}",
        TEXT.replace('"type":"update"', '"type" "update"'),
        TEXT.replace('{"type"', '{,"type"', 1),
        TEXT.replace('"price_level":"9",', '"price_level":"9",,'),
        # Broken where nobody looks: a frame that was damaged is not to be trusted in part.
        TEXT.replace(TIME, TIME[:5] + "\\q", 1).replace('"timestamp"', '"time"', 1),
        TEXT.replace(f'"event_time":"{TIME}"', '"event_time":tru'),
        TEXT.replace(f'"event_time":"{TIME}"', '"event_time":[1,]'),
        TEXT.replace(f'"event_time":"{TIME}"', '"event_time":{"a":01}'),
        TEXT.replace('{"channel"', '{"x":{"a" 1},"channel"'),
        TEXT.replace("l2_data", "other").replace('"updates"', '"updates\\x"'),
        TEXT.replace("A-USD", "A-\\USD"),
    ],
)
def test_what_is_no_json_is_refused(text: str) -> None:
    kit = wired()
    kit.feed(text)
    assert [code for code, _ in kit.rejects] == ["not_json"]


def test_bad_utf_8_is_refused() -> None:
    kit = wired()
    kit.feed(TEXT.encode().replace(b"A-USD", b"A-\xff\xfe"))
    assert [code for code, _ in kit.rejects] == ["not_json"]


@pytest.mark.parametrize(
    ("depth", "rejects"), [(60, []), (65, [("too_deep", None)]), (5000, [("too_deep", None)])]
)
def test_nesting_is_bounded(depth: int, rejects: list[tuple[str, str | None]]) -> None:
    kit = wired()
    kit.feed(TEXT.replace('{"channel"', '{"x":' + "[" * depth + "]" * depth + ',"channel"', 1))
    assert kit.rejects == rejects


def test_every_recorded_example_decodes(captures: Any) -> None:
    kit = wired()
    kit.stream.add_book(kit.books["A-USD"])
    for record in read_records(captures / "coinbase_fixtures.jsonl.gz"):
        if record["channel"] == "ws":
            kit.feed(
                record["raw"].replace("BTC-USD", "A-USD").replace("ETH-USD", "B-USD"), conn=len(kit.rejects)
            )
            assert kit.rejects == [], exact_json(record["raw"])["channel"]
