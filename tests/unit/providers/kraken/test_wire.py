"""Kraken frames as text: order of keys, spelling of numbers, and every way in which a frame is refused."""

from __future__ import annotations

import json
from random import Random
from typing import Any

import pytest

from tests.unit.providers.kraken.frames import (
    ASKS,
    BIDS,
    TIME,
    book,
    candle,
    candles,
    entry,
    granted,
    reply,
    snapshot,
    ticker,
    trade,
    trades,
    update,
    wired,
)

AFTER = ({"10": "2", "9.5": "2"}, ASKS)
BOOK = update(AFTER, {"10": "2"}, {"11.5": "0"})


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
        granted(10),
        book("snapshot", *snapshot()["data"], *snapshot(symbol="C/D")["data"]),
        BOOK,
        trades(trade(2), trade(3)),
        ticker(last=10, bid=9),
        candles(candle("2026-11-20T09:59:00Z")),
        {"channel": "status", "type": "update", "data": [{"system": "online", "version": "2.0.10"}]},
    ]
    plain = wired()
    for frame in frames:
        plain.feed(frame)
    assert (plain.rejects, len(plain.events)) == ([], 7)
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
    tree = snapshot()
    for row in tree["data"][0]["bids"] + tree["data"][0]["asks"]:
        row.update(price=str(row["price"]), qty=str(row["qty"]))
    tree["data"][0]["checksum"] = str(tree["data"][0]["checksum"])
    assert [level[0] for level in kit.feed(tree)[0].bids] == [100, 95]
    assert kit.feed(trades({**trade("7"), "price": "10.5"}))[0].price_raw == 105
    assert kit.feed(candles(candle("2026-11-20T09:59:00Z", interval="5", open="10.5")))[0].open_raw == 105
    assert kit.rejects == []


def test_trailing_zeros_and_white_space_mean_nothing() -> None:
    kit = wired()
    text = json.dumps(snapshot(), indent=3).replace("9.5", "9.50000000000000000000000000000")
    assert len(kit.feed("\n\t " + text + " \r\n")) == 1
    assert kit.rejects == []


def test_fields_that_we_do_not_know_are_ignored() -> None:
    kit = wired()
    tree = snapshot()
    level = {"price": 1, "bids": [[1]], "n": None}
    tree["data"][0] = {"seq": {"checksum": [1]}, **tree["data"][0], "level": level, "price": "x", "system": 4}
    for side in ("bids", "asks"):
        tree["data"][0][side] = [{"orders": [{"qty": 1}], **row, "x": "\\"} for row in tree["data"][0][side]]
    assert len(kit.feed({"asset_class": "spot", **tree, "sequence": -1.5e-3, "warnings": ["é"]})) == 1
    assert kit.feed(trades({**trade(1), "bids": 5, "checksum": {}, "liquidity": [None]}))[0].trade_id == "1"
    assert kit.rejects == []


def test_an_escaped_symbol_is_the_same_symbol() -> None:
    kit = wired()
    assert len(kit.feed(json.dumps(snapshot()).replace("A/B", "A\\/B"))) == 1
    kit.feed(json.dumps(granted(25)).replace("A/B", "\\u0041\\/B"))
    assert kit.stream.symbol_states()[0].continuity.depth_levels == 25


def test_numbers_beyond_53_bits_are_exact_or_none_of_our_business() -> None:
    kit = wired()
    assert kit.feed(trades(trade(18_446_744_073_709_551_615)))[0].trade_id == "18446744073709551615"
    kit.feed(trades(trade(18_446_744_073_709_551_616)))
    assert kit.rejects == [("overflow", "trade_id")]
    system = {"system": "online", "connection_id": 10**40}
    kit.feed({"channel": "status", "type": "update", "data": [system]})
    assert (kit.stream.system, len(kit.rejects)) == ("online", 1)


def test_18_digits_and_one_more() -> None:
    kit = wired(with_precision=False, verify_checksum=False)
    tree = book("snapshot", entry({}, {}, 0))
    tree["data"][0]["bids"] = [{"price": "0.123456789012345678", "qty": 9}]
    assert list(kit.feed(tree)[0].bids) == [(123456789012345678, 9)]
    tree["data"][0]["bids"] = [{"price": "0.1234567890123456789", "qty": 9}]
    kit.feed(tree)
    assert kit.rejects == [("overflow", "bids")]


def test_a_whole_book_of_a_thousand_levels() -> None:
    kit = wired()
    bids = {str(5000 - n): "1" for n in range(1000)}
    asks = {str(5001 + n): "1" for n in range(1000)}
    full = kit.feed(snapshot(bids, asks))[0]
    assert (len(full.bids), len(full.asks), full.asks[999]) == (1000, 1000, (60000, 10**8))


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


ENTRY: tuple[Any, ...] = ("data", 0)
LEVEL: tuple[Any, ...] = ("data", 0, "bids", 0)


@pytest.mark.parametrize(
    ("path", "value", "refusal"),
    [
        (("channel",), DROP, ("missing_field", "channel")),
        (("channel",), 5, ("wrong_type", "channel")),
        (("type",), DROP, ("missing_field", "type")),
        (("type",), "full", ("unknown_value", "type")),
        (("type",), None, ("wrong_type", "type")),
        (("timestamp",), "yesterday", ("bad_time", "timestamp")),
        (("data",), DROP, ("missing_field", "data")),
        (("data",), {}, ("wrong_type", "data")),
        (("data",), None, ("wrong_type", "data")),
        (ENTRY, 1, ("wrong_type", "data")),
        (ENTRY, {}, ("missing_field", "symbol")),
        ((*ENTRY, "symbol"), DROP, ("missing_field", "symbol")),
        ((*ENTRY, "symbol"), 1, ("wrong_type", "symbol")),
        ((*ENTRY, "bids"), DROP, ("missing_field", "bids")),
        ((*ENTRY, "bids"), None, ("wrong_type", "bids")),
        ((*ENTRY, "asks"), DROP, ("missing_field", "asks")),
        ((*ENTRY, "asks"), {}, ("wrong_type", "asks")),
        ((*ENTRY, "checksum"), DROP, ("missing_field", "checksum")),
        ((*ENTRY, "checksum"), None, ("bad_number", "checksum")),
        ((*ENTRY, "checksum"), [], ("wrong_type", "checksum")),
        ((*ENTRY, "checksum"), -1, ("bad_number", "checksum")),
        ((*ENTRY, "checksum"), 1.5, ("bad_number", "checksum")),
        ((*ENTRY, "checksum"), 4_294_967_296, ("overflow", "checksum")),
        ((*ENTRY, "timestamp"), "2026-02-30T00:00:00Z", ("bad_time", "timestamp")),
        ((*ENTRY, "timestamp"), 5, ("wrong_type", "timestamp")),
        (LEVEL, [10, 1], ("wrong_type", "bids")),
        (LEVEL, {}, ("missing_field", "price")),
        ((*LEVEL, "price"), DROP, ("missing_field", "price")),
        ((*LEVEL, "price"), {}, ("wrong_type", "price")),
        ((*LEVEL, "price"), 0, ("bad_value", "bids")),
        ((*LEVEL, "price"), -1, ("bad_value", "bids")),
        ((*LEVEL, "price"), "1e-8", ("bad_number", "bids")),
        ((*LEVEL, "price"), 10**19, ("overflow", "bids")),
        ((*LEVEL, "qty"), DROP, ("missing_field", "qty")),
        ((*LEVEL, "qty"), [1], ("wrong_type", "qty")),
        ((*LEVEL, "qty"), -1, ("bad_value", "bids")),
        ((*LEVEL, "qty"), "", ("bad_number", "bids")),
        ((*LEVEL, "qty"), None, ("bad_number", "bids")),
        ((*LEVEL, "qty"), True, ("bad_number", "bids")),
        (("data", 0, "asks", 0, "qty"), "1E5", ("bad_number", "asks")),
    ],
)
def test_a_missing_or_malformed_field_is_named(
    path: tuple[Any, ...], value: Any, refusal: tuple[str, str | None]
) -> None:
    for rng in (None, Random(1), Random(2)):
        kit = wired()
        kit.feed(snapshot())
        tree = changed(BOOK, path, value)
        kit.feed(tree if rng is None else shuffled(tree, rng))
        assert kit.rejects == [refusal]
        assert not kit.books["A-B"].is_valid


@pytest.mark.parametrize("missing", ["timestamp", "time"])
def test_a_book_may_come_without_its_time(missing: str) -> None:
    kit = wired()
    tree = snapshot()
    tree["data"][0].pop("timestamp")
    if missing == "time":
        tree["data"][0]["timestamp"] = None
    assert kit.feed(tree)[0].ts_venue_ns == 0


ROW: tuple[Any, ...] = ("data", 0)
CANDLE = candles(candle("2026-11-20T09:59:00Z"))
STATUS = {"channel": "status", "type": "update", "data": [{"system": "online"}]}


@pytest.mark.parametrize(
    ("tree", "refusal"),
    [
        (changed(trades(trade(1)), ("type",), DROP), ("missing_field", "type")),
        (changed(trades(trade(1)), ("data",), 1), ("wrong_type", "data")),
        (changed(trades(trade(1)), (*ROW, "symbol"), DROP), ("missing_field", "symbol")),
        (changed(trades(trade(1)), (*ROW, "side"), DROP), ("missing_field", "side")),
        (changed(trades(trade(1)), (*ROW, "side"), "BUY"), ("unknown_value", "side")),
        (changed(trades(trade(1)), (*ROW, "trade_id"), 1.5), ("bad_number", "trade_id")),
        (changed(trades(trade(1)), (*ROW, "price"), None), ("bad_number", "price")),
        (changed(trades(trade(1)), (*ROW, "qty"), "1e5"), ("bad_number", "qty")),
        (changed(trades(trade(1)), (*ROW, "timestamp"), DROP), ("missing_field", "timestamp")),
        (changed(trades(trade(1)), (*ROW, "timestamp"), "x"), ("bad_time", "timestamp")),
        (changed(ticker(last=1), (*ROW, "symbol"), DROP), ("missing_field", "symbol")),
        (ticker(volume=5), ("missing_field", "last")),
        (ticker(last=5, ask_qty="x"), ("bad_number", "ask_qty")),
        (changed(CANDLE, (*ROW, "close"), DROP), ("missing_field", "close")),
        (changed(CANDLE, (*ROW, "interval_begin"), DROP), ("missing_field", "interval_begin")),
        (changed(CANDLE, (*ROW, "interval"), "1m"), ("bad_number", "interval")),
        (changed(STATUS, (*ROW, "system"), DROP), ("missing_field", "system")),
        (changed(STATUS, (*ROW, "system"), "asleep"), ("unknown_value", "system")),
        ({"channel": "instrument", "type": "snapshot", "data": []}, ("wrong_type", "data")),
        (reply(success="yes"), ("wrong_type", "success")),  # type: ignore[arg-type]
        (reply(result=[]), ("wrong_type", "result")),
        (reply(result={"channel": "book", "depth": "x"}), ("bad_number", "depth")),
        (reply(result={"channel": "book", "depth": 2**32}), ("overflow", "depth")),
        ({"method": 5}, ("wrong_type", "method")),
        ({"Error": {}}, ("wrong_type", "error")),
        ([], ("wrong_type", None)),
        ({}, ("missing_field", "channel")),
        ({"data": []}, ("missing_field", "channel")),
    ],
)
def test_other_frames_name_it_too(tree: Any, refusal: tuple[str, str | None]) -> None:
    for rng in (None, Random(1), Random(2)):
        kit = wired()
        kit.feed(tree if rng is None else shuffled(tree, rng))
        assert kit.rejects == [refusal]


BOOK_TEXT = json.dumps(BOOK, separators=(",", ":"))


@pytest.mark.parametrize(
    ("old", "new", "name"),
    [
        ('{"channel"', '{"channel":"book","channel"', "channel"),
        ('"type":', '"type":"update","type":', "type"),
        ('"data":', '"data":[],"data":', "data"),
        ('"symbol":', '"symbol":"C/D","symbol":', "symbol"),
        ('"bids":', '"bids":[],"bids":', "bids"),
        ('"asks":', '"asks":[],"asks":', "asks"),
        ('"checksum":', '"checksum":1,"checksum":', "checksum"),
        ('"timestamp":', f'"timestamp":"{TIME}","timestamp":', "timestamp"),
        ('"price":10.0', '"price":10.0,"price":9.0', "price"),
        ('"qty":2.0', '"qty":2.0,"qty":9.0', "qty"),
    ],
)
def test_a_key_told_twice_is_refused(old: str, new: str, name: str) -> None:
    kit = wired()
    assert old in BOOK_TEXT
    kit.feed(BOOK_TEXT.replace(old, new, 1))
    assert kit.rejects == [("duplicate_key", name)]


def test_a_key_of_a_trade_told_twice_is_refused() -> None:
    kit = wired()
    kit.feed(json.dumps(trades(trade(1))).replace('"qty"', '"price": 9, "qty"'))
    assert kit.rejects == [("duplicate_key", "price")]


@pytest.mark.parametrize(
    "text",
    [
        BOOK_TEXT + "x",
        BOOK_TEXT + "{}",
        BOOK_TEXT[:-1],
        BOOK_TEXT.replace('"price":10.0,', '"price":10.0 '),
        BOOK_TEXT.replace('{"price"', '["price"', 1),
        BOOK_TEXT.replace("}],", "},],", 1),
        BOOK_TEXT.replace('"type":', '"type"', 1),
        "",
        "   ",
        '"book"',
        "[" * 2000,
    ],
)
def test_broken_text_is_refused(text: str) -> None:
    kit = wired()
    kit.feed(text)
    assert len(kit.rejects) == 1
    assert kit.rejects[0][0] in ("not_json", "wrong_type")


def test_what_is_nested_too_deep_is_refused() -> None:
    kit = wired()
    kit.feed(BOOK_TEXT.replace('"type"', '"x":' + "[" * 70 + "]" * 70 + ',"type"'))
    kit.feed(BOOK_TEXT.replace('"type"', '"x":' + "[" * 60 + "]" * 60 + ',"type"'))
    assert kit.rejects == [("too_deep", None)]


def test_nothing_of_a_frame_is_used_unless_all_of_it_can_be() -> None:
    kit = wired()
    kit.feed(snapshot())
    bad = entry({"10": "5"}, {}, 1, symbol="C/D")
    bad["bids"][0]["qty"] = "many"
    caused = kit.feed(book("snapshot", *snapshot({"8": "1"}, {"9": "1"})["data"], bad))
    assert [event.update_type.name for event in caused] == ["INVALID"]
    assert kit.feed(trades(trade(1), {**trade(2), "qty": 0})) == []
    assert kit.feed(snapshot())[0].bids[0] == (100, 10**8)
    assert list(BIDS) == ["10", "9.5"]
