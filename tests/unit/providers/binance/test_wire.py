"""Binance frames as text: every payload, order of keys, spelling of numbers, and every way to be refused."""

from __future__ import annotations

import json
from random import Random
from typing import Any

import pytest

from engine.schema.enums import Side
from tests.unit.providers.binance.frames import (
    EVENT_MS,
    EVENT_NS,
    aggregate,
    book_ticker,
    combined,
    day_ticker,
    depth_body,
    diff,
    kline,
    synced,
    trade,
    wired,
)

# --- what each payload becomes ------------------------------------------------------------------------------


def test_a_diff() -> None:
    kit = synced()
    event = kit.feed(diff(9, 12, [["10.50", "3.00"]], [["11.00", "0.00"], ["12.00", "1.00"]]))[0]
    assert (list(event.bids), list(event.asks)) == ([(1050, 300)], [(1100, 0), (1200, 100)])
    assert (event.first_update_id, event.final_update_id, event.seq_provider) == (9, 12, 12)
    assert event.ts_venue_ns == EVENT_NS


def test_a_trade_and_an_aggregate() -> None:
    kit = wired()
    event = kit.feed(trade())[0]
    assert (event.trade_id, event.side, event.price_raw, event.qty_raw) == ("7", Side.SELL, 1050, 25)
    assert (event.match_count, event.ts_venue_ns) == (1, EVENT_NS)
    kit = wired()
    event = kit.feed(aggregate())[0]
    assert (event.trade_id, event.side, event.match_count) == ("3", Side.BUY, 3)


def test_one_trade_stream_of_a_symbol_is_published_both_are_counted() -> None:
    kit = wired()
    assert len(kit.feed(trade(5))) == 1
    assert kit.feed(aggregate()) == []
    state = kit.stream.symbol_states()[0]
    assert (state.trades.count, state.aggregates.count) == (1, 1)


def test_a_book_ticker_has_four_fields() -> None:
    event = wired().feed(book_ticker())[0]
    assert (event.bid_price_raw, event.bid_qty_raw, event.ask_price_raw, event.ask_qty_raw) == (
        1000,
        100,
        1100,
        200,
    )
    assert (event.last_price_raw, event.volume_24h_raw, event.ts_venue_ns) == (None, None, 0)


def test_a_day_ticker_has_all_nine() -> None:
    event = wired().feed(day_ticker())[0]
    prices = (event.last_price_raw, event.bid_price_raw, event.ask_price_raw, event.open_24h_raw)
    assert prices == (1050, 1000, 1100, 950)
    assert (event.high_24h_raw, event.low_24h_raw, event.volume_24h_raw) == (1200, 900, 123450)


def test_a_candle() -> None:
    event = wired().feed(kline(x=True))[0]
    assert (event.interval, event.open_time_ns, event.close_time_ns) == (
        "1m",
        1_795_168_800_000_000_000,
        1_795_168_860_000_000_000,
    )
    assert (event.open_raw, event.high_raw, event.low_raw, event.close_raw) == (1000, 1200, 900, 1100)
    assert (event.volume_raw, event.trade_count, event.is_closed) == (350, 9, True)


def test_partial_depth_is_compared_with_the_book_of_its_id() -> None:
    kit = synced(10)
    frame = combined("abusdt@depth5@100ms", json.loads(depth_body(10)))
    assert kit.feed(frame) == []
    view = kit.stream.symbol_states()[0].second_view
    assert (view.partials_checked, view.partials_equal) == (1, 1)


def test_control_replies_and_the_announced_end() -> None:
    told: list[tuple[int, str | None]] = []
    ended: list[bool] = []
    kit = wired(
        on_reply=lambda number, text: told.append((number, text)), on_shutdown=lambda conn: ended.append(True)
    )
    kit.feed({"result": None, "id": 1})
    kit.feed({"result": ["abusdt@trade"], "id": 2})
    kit.feed({"code": 2, "msg": "Invalid request", "id": 3})
    kit.feed({"result": None, "id": None})
    kit.feed({"e": "serverShutdown", "E": EVENT_MS})
    kit.feed(combined("!serverShutdown", {"e": "serverShutdown", "E": EVENT_MS}))
    assert told == [(1, None), (2, None), (3, "Invalid request"), (0, None)]
    assert (ended, kit.stream.shutdown_announced, kit.rejects) == ([True, True], True, [])


def test_streams_that_we_have_no_event_for_are_ignored() -> None:
    kit = wired()
    kit.feed({"e": "avgPrice", "E": EVENT_MS, "s": "ABUSDT", "i": "5m", "w": "1", "T": 1})
    assert (kit.stream.ignored, kit.rejects) == (1, [])


# --- spelling -----------------------------------------------------------------------------------------------


PAYLOADS = {
    "diff": lambda: diff(11, 12, [["10.50", "3.00"]], [["12.00", "1.00"]]),
    "trade": trade,
    "aggregate": aggregate,
    "book_ticker": book_ticker,
    "day_ticker": day_ticker,
    "kline": kline,
}


def told_by(*frames: Any) -> list[dict[str, Any]]:
    kit = synced()
    for frame in frames:
        kit.feed(frame)
    assert kit.rejects == []
    return [{k: v for k, v in event.as_dict().items() if k != "trace_id"} for event in kit.events]


def shuffled(value: Any, rng: Random) -> Any:
    if not isinstance(value, dict):
        return value
    members = [(key, shuffled(item, rng)) for key, item in value.items()]
    rng.shuffle(members)
    return dict(members)


@pytest.mark.parametrize("name", PAYLOADS)
def test_key_order_envelope_and_unknown_fields_change_nothing(name: str) -> None:
    payload = PAYLOADS[name]()
    want = told_by(payload)
    assert len(want) == 2
    rng = Random(name)
    unknown = {"zz": {"e": "trade", "b": [[1]]}, "new": None, "Z": [1, {"s": 2}]}
    for _ in range(10):
        frame = shuffled(payload, rng)
        assert told_by(frame) == want
        assert told_by(combined("abusdt@x", frame)) == want
        assert told_by({"data": frame, "stream": "abusdt@x"}) == want
        assert told_by(shuffled({**frame, **unknown}, rng)) == want


def test_numbers_may_be_texts_or_numbers() -> None:
    spelled = diff(11, 12, [[10.5, 3]], [[12, "1.00"]])
    spelled["U"], spelled["u"], spelled["E"] = "11", "12", str(EVENT_MS)
    assert told_by(spelled) == told_by(PAYLOADS["diff"]())
    assert told_by(trade(p=10.5, q=0.25, t="7")) == told_by(trade())


def test_microseconds_where_they_were_asked_for() -> None:
    kit = synced()
    event = kit.feed(trade(T=EVENT_MS * 1000 + 456, E=EVENT_MS * 1000))[0]
    assert event.ts_venue_ns == EVENT_NS + 456_000


def test_ids_beyond_2_to_53_keep_every_digit() -> None:
    kit = synced(2**60 + 1)
    event = kit.feed(diff(2**60 + 2, 2**60 + 3, [["10.50", "3.00"]]))[0]
    assert (event.first_update_id, event.final_update_id) == (2**60 + 2, 2**60 + 3)
    assert kit.feed(trade(2**64 - 1))[0].trade_id == str(2**64 - 1)


def test_further_elements_of_a_level_are_ignored() -> None:
    event = synced().feed(diff(11, 12, [["10.50", "3.00", [], {"x": 1}]]))[0]
    assert list(event.bids) == [(1050, 300)]


# --- refusals -----------------------------------------------------------------------------------------------


def without(payload: dict[str, Any], key: str) -> dict[str, Any]:
    return {name: value for name, value in payload.items() if name != key}


@pytest.mark.parametrize(
    ("payload", "key"),
    [
        *((PAYLOADS["diff"](), key) for key in "EsUuba"),
        *((trade(), key) for key in "EstpqTm"),
        *((aggregate(), key) for key in "EsapqflTm"),
        *((day_ticker(), key) for key in "EscbBaAohlv"),
        *((book_ticker(), key) for key in "sbBaA"),
    ],
)
def test_a_missing_field_is_named(payload: dict[str, Any], key: str) -> None:
    kit = synced()
    assert kit.feed(without(payload, key)) == []
    assert kit.rejects == [("missing_field", key)]


@pytest.mark.parametrize("key", list("tTiochlvnx"))
def test_a_missing_field_of_a_candle_is_refused(key: str) -> None:
    kit = wired()
    payload = kline()
    del payload["k"][key]
    assert kit.feed(payload) == []
    assert kit.rejects == [("missing_field", "k")]


@pytest.mark.parametrize(
    ("payload", "code"),
    [
        (diff(11, 12, [["x", "1"]]), "bad_number"),
        (diff(11, 12, [["1e-8", "1"]]), "bad_number"),
        (diff(11, 12, [["0", "1"]]), "bad_value"),
        (diff(11, 12, [["10", "-1"]]), "bad_value"),
        (diff(11, 12, [["92233720368547758.08", "1"]]), "overflow"),
        (diff(11, 12, [["10.0000000000000000001", "1"]]), "overflow"),
        (diff(11, 12, [["10"]]), "wrong_type"),
        (diff(11, 12, [[["10"], "1"]]), "wrong_type"),
        ({**diff(11, 12), "b": "x"}, "wrong_type"),
        ({**diff(11, 12), "a": None}, "wrong_type"),
        ({**diff(11, 12), "U": -1}, "bad_number"),
        ({**diff(11, 12), "U": 1.5}, "bad_number"),
        ({**diff(11, 12), "u": 2**64}, "overflow"),
        ({**diff(12, 11), "s": "ABUSDT"}, "bad_value"),
        ({**diff(11, 12), "s": "XYUSDT"}, "unknown_symbol"),
        ({**diff(11, 12), "E": 2**63}, "bad_time"),
        ({**diff(11, 12), "E": 10**13}, "bad_time"),
        (trade(T=2**64 - 1), "bad_time"),
        (trade(p="0"), "bad_value"),
        (trade(q="-1"), "bad_value"),
        (trade(m="true"), "wrong_type"),
        (trade(m=1), "wrong_type"),
        (trade(t="abc"), "bad_number"),
        (trade(e=5), "wrong_type"),
        (aggregate(f=8), "bad_value"),
        (kline(i="7m"), "unknown_value"),
        (kline(l="11.5"), "bad_value"),
        (kline(T=1), "bad_value"),
        (kline(t=2**62), "bad_time"),
        ({**kline(), "k": 5}, "missing_field"),
        ({"lastUpdateId": 1, "bids": []}, "missing_field"),
        ([], "wrong_type"),
        ({}, "missing_field"),
        ({"x": "[" * 3}, "missing_field"),
    ],
)
def test_a_malformed_field_is_refused(payload: Any, code: str) -> None:
    kit = synced()
    kit.feed(payload)
    assert [told for told, _ in kit.rejects] == [code]


TEXT = json.dumps(PAYLOADS["diff"](), separators=(",", ":"))


@pytest.mark.parametrize(
    ("old", "new", "name"),
    [
        ('"U":11', '"U":11,"U":11', "U"),
        ('"s":', '"s":"CDBTC","s":', "s"),
        ('"b":', '"b":[],"b":', "b"),
        ('"e":', '"e":"trade","e":', "e"),
    ],
)
def test_a_key_told_twice_is_refused(old: str, new: str, name: str) -> None:
    kit = synced()
    kit.feed(TEXT.replace(old, new, 1))
    assert kit.rejects == [("duplicate_key", name)]
    kit = synced()
    kit.feed(f'{{"stream":"a","data":{TEXT},"data":{TEXT}}}')
    assert [code for code, _ in kit.rejects] == ["duplicate_key"]


@pytest.mark.parametrize(
    "text",
    [
        "",
        TEXT[:-1],
        TEXT + "}",
        TEXT + TEXT,
        TEXT.replace('"U":11', '"U" 11'),
        TEXT.replace('"U":11,', '"U":11,,'),
        TEXT.replace("[[", "[[,"),
        TEXT.replace("}", "]"),
    ],
)
def test_what_is_no_json_is_refused(text: str) -> None:
    kit = synced()
    kit.feed(text)
    assert [code for code, _ in kit.rejects] in (["not_json"], ["wrong_type"])
    assert kit.books["AB-USDT"].updates_published == 0


USUAL = (
    '{"stream":"abusdt@depth@100ms","data":{"e":"depthUpdate","E":1795168800123,"s":"ABUSDT","U":11,"u":12,'
    '"b":[["10.50000000","3.00000000"]],"a":[["12.00000000","1.00000000"]]}}'
)


@pytest.mark.parametrize(
    ("changes", "reject"),
    [
        ({"ABUSDT": "ABBUSDT"}, "unknown_symbol"),
        ({"ABUSDT": "ABBUSDT", "]]}}": "]]}"}, "not_json"),
        ({"11": "13"}, "bad_value"),
        ({"11": "13", "]]}}": "]]}}}"}, "not_json"),
        ({"10.50000000": "0.00000000"}, "bad_value"),
        ({"1.00000000": "-1.00000000"}, "bad_value"),
        ({"12.00000000": "12.0000O000"}, "bad_number"),
        ({'"1.00000000"': "true"}, "bad_number"),
        ({'"b":': '"a":[],"b":'}, "duplicate_key"),
        ({"]]}}": ']],"u":13}}'}, "duplicate_key"),
        ({"abusdt": "ab\\usdt"}, "not_json"),
        ({"]]}}": "]]}},"}, "not_json"),
    ],
)
def test_what_is_wrong_behind_a_usual_beginning_is_told_as_what_it_is(changes: dict[str, str], reject: str) -> None:
    kit = synced()
    text = USUAL
    for old, new in changes.items():
        text = text.replace(old, new)
    kit.feed(text)
    assert [code for code, _ in kit.rejects] == [reject]
    assert kit.books["AB-USDT"].updates_published == 0
    assert kit.stream.symbol_states()[0].continuity.book_id == 10


def test_a_usual_diff_may_need_wider_scales() -> None:
    kit = synced()
    (event,) = kit.feed(USUAL.replace("10.50000000", "10.50000001"))
    assert (event.price_scale, event.bids, event.asks) == (8, [(1_050_000_001, 300)], [(1_200_000_000, 100)])


@pytest.mark.parametrize("kind", ["depthUpdate", "lepthUpdate"])
def test_a_field_that_nobody_reads_is_json_whatever_it_is_called_BOOK_09(kind: str) -> None:
    for key in [*map(chr, range(32, 127)), "", "55", "data5", "uu"]:
        name = json.dumps(key)
        if f"{name}:" in TEXT or key == "k":           # one that is read, as what it has to be
            continue
        for value in ("4=5", "4x", "-", "tru", "[1", '{"5":x}'):
            kit = synced()
            kit.feed(TEXT.replace("depthUpdate", kind).replace('"U":', f'{name}:{value},"U":'))
            assert [code for code, _ in kit.rejects] == ["not_json"], (key, value)
            assert kit.books["AB-USDT"].updates_published == 0


def test_bad_utf_8_is_refused() -> None:
    kit = synced()
    kit.feed(TEXT.encode().replace(b"ABUSDT", b"AB\xff\xfe"))
    assert kit.rejects == [("not_json", None)]


@pytest.mark.parametrize(("depth", "rejects"), [(60, []), (5000, [("too_deep", None)])])
def test_nesting_is_bounded(depth: int, rejects: list[Any]) -> None:
    kit = synced()
    kit.feed(TEXT.replace('{"e"', '{"zz":' + "[" * depth + "]" * depth + ',"e"', 1))
    assert kit.rejects == rejects
