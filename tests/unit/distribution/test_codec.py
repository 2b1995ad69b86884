"""BUS-05 to BUS-11: entries written from events are the events' own figures, and what is read is exact or refused by name.

Nothing of the engine reads what is compared here: the oracle is the standard library's JSON and decimals.
"""

from __future__ import annotations

import json
import random
from decimal import ROUND_HALF_EVEN, Context, Decimal
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from engine.distribution.codec import EntryDecoder
from engine.distribution.entrytext import encode
from engine.distribution.faults import InvalidEntryError
from engine.schema.busentry import HeldEntry
from engine.schema.busschema import entry_schema
from engine.schema.enums import EventType
from engine.schema.event import Event
from tests.unit.event_kit import BUILT

pytestmark = pytest.mark.timeout(30)  # seconds of CPU, on a machine that may be busy

VALIDATOR = Draft202012Validator(entry_schema())
AT_NS = 1_767_225_600_000_000_123  # 2026-01-01T00:00:00.000000123Z
AT = "2026-01-01T00:00:00.000000123Z"
TRADE: dict[str, Any] = {
    "symbol": "BTC-USDT", "venue": "binance", "type": "trade_tick", "ts_event": AT,
    "payload": {"price": 64100.5, "qty": 0.25, "side": "buy", "trade_id": "17"},
}  # fmt: skip
DEPTH = {**TRADE, "type": "order_book_depth", "payload": {"bids": [[100, 1], [99, 2]], "asks": [[101, 3]], "levels": 2}}
DELTAS = {**TRADE, "type": "order_book_deltas", "payload": {"bids_upd": [[100, 0]], "asks_upd": []}}
DAY = {"last_price": 100, "price_change_pct": -1.25, "high_24h": 110, "low_24h": 90, "volume_24h": 7}
TICKER = {**TRADE, "type": "ticker_24h", "payload": DAY}


def decoder(price_scale: int = 2, qty_scale: int = 8, **options: Any) -> EntryDecoder:
    made = EntryDecoder(**options)
    made.learn(7, "binance", "BTC-USDT", price_scale, qty_scale)
    return made


def read(document: Any, **scales: int) -> HeldEntry:
    text = document if isinstance(document, bytes) else json.dumps(document).encode()
    return decoder(**scales).decode(text)


def refused(document: Any, **scales: int) -> tuple[str, str]:
    with pytest.raises(InvalidEntryError) as caught:
        read(document, **scales)
    return caught.value.why, caught.value.member


def payload(base: dict[str, Any], **members: Any) -> dict[str, Any]:
    return {**base, "payload": {**base["payload"], **members}}


def event(event_type: EventType, **fields: Any) -> Event:
    common = {"provider": "binance", "symbol": "BTC-USDT", "price_scale": 2, "qty_scale": 8, "ts_venue_ns": AT_NS, "ts_recv_ns": AT_NS + 5}
    return BUILT[event_type].from_dict({**common, **fields})


def written(source: Event, seq: int = 9, prev_seq: int = 8) -> Any:
    """What an event is on the bus, as anybody reads it; numbers stay texts' worth."""
    held = HeldEntry.of(source, "binance", seq, prev_seq)
    if held is None:
        return None
    text = encode(held)
    document = json.loads(text, parse_float=Decimal, parse_int=Decimal)
    assert b" " not in text
    assert list(VALIDATOR.iter_errors(json.loads(text))) == []
    back = decoder(held.price_scale, held.qty_scale).decode(text)
    assert (back.type, back.seq, back.prev_seq, back.n, back.ts_event_ns, back.ts_recv_ns) == (
        held.type, held.seq, held.prev_seq, held.n, held.ts_event_ns, held.ts_recv_ns)  # fmt: skip
    assert back.payload() == held.payload()
    assert encode(back) == text
    return document


# -- writing -------------------------------------------------------------------------------------------------------


def test_bus_06_a_trade_is_written_with_every_member() -> None:
    found = written(event(EventType.TRADE, price_raw=6410050, qty_raw=25_000_000, side=1, trade_id=17, folded_count=3))
    assert found == {
        "v": 1, "symbol": "BTC-USDT", "venue": "binance", "type": "trade_tick", "ts_event": AT, "ts_event_ns": AT_NS,
        "ts_recv_ns": AT_NS + 5, "seq": 9, "prev_seq": 8, "n": 1,
        "payload": {"price": Decimal("64100.5"), "qty": Decimal("0.25"), "side": "buy", "trade_id": "17"},
    }  # fmt: skip


@pytest.mark.parametrize(("side", "told"), [(0, "none"), (1, "buy"), (2, "sell")])
def test_bus_09_an_unknown_aggressor_is_none(side: int, told: str) -> None:
    assert written(event(EventType.TRADE, price_raw=1, qty_raw=1, side=side, trade_id=1))["payload"]["side"] == told


def test_bus_10_numbers_are_the_shortest_plain_text_of_the_exact_value() -> None:
    rng = random.Random(11)
    plain = Context(prec=60)
    for _ in range(3000):
        scales = rng.randrange(19), rng.randrange(19)
        raws = [rng.randrange(1, 10 ** rng.randrange(1, 19)) * 10 ** rng.randrange(3) % (2**63 - 1) or 1 for _ in range(2)]
        held = HeldEntry.of(
            event(EventType.TRADE, price_raw=raws[0], qty_raw=raws[1], side=1, trade_id=1, price_scale=scales[0], qty_scale=scales[1]),
            "binance", 1, 0,
        )  # fmt: skip
        assert held is not None
        text = encode(held).decode()
        for name, raw, scale in zip(("price", "qty"), raws, scales, strict=True):
            shortest = f"{Decimal(raw).scaleb(-scale, plain).normalize(plain):f}"
            assert f'"{name}":{shortest},' in text


def test_bus_11_books_and_what_is_never_published() -> None:
    levels = {"bids": [(10_050, 100_000_000), (10_000, 5)], "asks": [(10_100, 7)]}
    depth = written(event(EventType.BOOK_SNAPSHOT, **levels, folded_count=4))
    assert (depth["type"], depth["n"], depth["scales"]) == ("order_book_depth", 4, [2, 8])
    assert depth["payload"] == {
        "bids": [[Decimal("100.5"), 1], [100, Decimal("0.00000005")]], "asks": [[101, Decimal("0.00000007")]],
        "levels": 2, "complete": True,
    }  # fmt: skip
    assert written(event(EventType.BOOK_SNAPSHOT, **levels, depth_levels=3))["payload"]["complete"] is True
    assert written(event(EventType.BOOK_SNAPSHOT, **levels, depth_levels=2))["payload"]["complete"] is False
    assert written(event(EventType.BOOK_UPDATE, **levels, update_type=2))["type"] == "order_book_depth"
    deltas = written(event(EventType.BOOK_UPDATE, bids=[(10_000, 0)], asks=[], update_type=1))
    assert deltas["payload"] == {"bids_upd": [[100, 0]], "asks_upd": []}
    assert written(event(EventType.BOOK_UPDATE, **levels, update_type=3)) is None
    for event_type in BUILT:
        if event_type not in (EventType.BOOK_SNAPSHOT, EventType.BOOK_UPDATE, EventType.TRADE, EventType.TICKER):
            assert HeldEntry.of(BUILT[event_type](), "binance", 1, 0) is None


def test_bus_11_a_ticker_is_whole_or_not_there() -> None:
    day = {"last_price_raw": 9_875, "open_24h_raw": 10_000, "high_24h_raw": 11_000, "low_24h_raw": 9_000, "volume_24h_raw": 7 * 10**8}
    assert written(event(EventType.TICKER, **day))["payload"] == {
        "last_price": Decimal("98.75"), "price_change_pct": Decimal("-1.25"), "high_24h": 110, "low_24h": 90, "volume_24h": 7
    }  # fmt: skip
    best = {"bid_price_raw": 9_800, "bid_qty_raw": 10**8, "ask_price_raw": 9_900}
    told = written(event(EventType.TICKER, **day, **best))["payload"]
    assert (told["best_bid"], "best_ask" in told) == ([98, 1], False)
    for lacking in day:
        assert written(event(EventType.TICKER, **{**day, lacking: None})) is None
    for wrong in ({"open_24h_raw": 0}, {"high_24h_raw": 8_000}, {"volume_24h_raw": -1}):
        assert written(event(EventType.TICKER, **{**day, **wrong})) is None


def test_bus_11_the_change_of_a_day_is_half_even_with_four_decimals() -> None:
    rng = random.Random(5)
    exact = Context(prec=80)
    pairs = [(rng.randrange(1, 10 ** rng.randrange(1, 18)), rng.randrange(1, 10 ** rng.randrange(1, 18))) for _ in range(2000)]
    # Halves: open 2,000,000 gives steps of 0.00005.
    pairs += [(2_000_000 + step, 2_000_000) for step in range(-7, 8)]
    for last, first in pairs:
        day = {"last_price_raw": last, "open_24h_raw": first, "high_24h_raw": last, "low_24h_raw": 1, "volume_24h_raw": 0}
        change = exact.divide(exact.multiply(Decimal(last - first), Decimal(100)), Decimal(first))
        wanted = change.quantize(Decimal("0.0001"), ROUND_HALF_EVEN, exact)
        found = written(event(EventType.TICKER, **day))
        assert (found["payload"]["price_change_pct"] == wanted) if abs(wanted) < 2**63 // 10**4 else found is None


# -- reading -------------------------------------------------------------------------------------------------------


def test_bus_10_numbers_and_texts_read_the_same_and_exactly() -> None:
    for price in (64100.5, "64100.5", "64100.50", "64100.500000000"):
        assert read(payload(TRADE, price=price)).payload()["price"] == 6_410_050
    for text, raw in (("1e-8", 1), ("1E2", 10**10), ("12.5e-1", 125_000_000), ("92233720368.54775807", 2**63 - 1)):
        whole = json.dumps(payload(TRADE, qty="HERE")).replace('"HERE"', text).encode()
        assert read(whole).payload()["qty"] == raw
    change = payload(TICKER, price_change_pct="-0.12345")
    assert read(change).payload()["price_change_pct"] == -1234
    assert read(payload(TICKER, price_change_pct="0.00015")).payload()["price_change_pct"] == 2


def test_bus_06_what_may_lack_and_what_nobody_knows() -> None:
    bare = read(TRADE)
    assert (bare.seq, bare.n, bare.ts_recv_ns, bare.ts_event_ns, bare.place) == (0, 1, 0, AT_NS, 7)
    assert (bare.venue, bare.symbol, bare.payload()["trade_id"]) == ("binance", "BTC-USDT", 17)
    assert read({**TRADE, "seq": 5}).prev_seq is None
    assert read({**TRADE, "seq": 5, "prev_seq": 0}).prev_seq == 0
    assert read({**TRADE, "ts_event_ns": 12}).ts_event_ns == 12
    odd = {"more": {"a": [1, {"b": None}]}, "price": "not mine", **payload(TRADE, more=[[]])}
    assert read(odd).payload() == bare.payload()
    assert read(dict(reversed(TRADE.items()))).payload() == bare.payload()
    assert read(payload(DEPTH, levels=2)).payload()["complete"] is True
    assert read(payload(DEPTH, complete=False)).payload()["complete"] is False
    assert read({**DELTAS, "n": 0}).n == 0
    empty = read({**DEPTH, "payload": {"bids": [], "asks": [], "levels": 0}})
    assert empty.payload() == {"bids": [], "asks": [], "complete": True}


@pytest.mark.parametrize(
    ("text", "ns"),
    [("2026-01-01T00:00:00Z", 0), ("2026-01-01T00:00:00.5Z", 500_000_000), ("2026-01-01T00:00:00.000000001Z", 1)],
)
def test_bus_08_times_have_up_to_nine_digits(text: str, ns: int) -> None:
    assert read({**TRADE, "ts_event": text}).ts_event_ns == 1_767_225_600_000_000_000 + ns


def test_bus_23_an_id_that_is_no_number_is_one_of_its_own() -> None:
    ids = ["17", "017", "a-17", "a/17", "18446744073709551616", "-1", " 17", "é"]
    numbers = [read(payload(TRADE, trade_id=one)).payload()["trade_id"] for one in ids]
    assert len(set(numbers)) == len(ids)
    escaped = json.dumps(payload(TRADE, trade_id="a/17")).replace("a/17", "a\\/17").encode()
    assert read(escaped).payload()["trade_id"] == numbers[3]


def test_scales_that_an_entry_tells_hold_from_it_on_and_never_narrow() -> None:
    reader = decoder()
    wide = payload({**TRADE, "scales": [3, 7]}, price="1.005")
    found = [reader.decode(json.dumps(one).encode()) for one in (TRADE, wide, TRADE, {**TRADE, "scales": [0, 0]})]
    assert [(one.price_scale, one.qty_scale, one.payload()["price"]) for one in found] == [
        (2, 8, 6_410_050), (3, 8, 1_005), (3, 8, 64_100_500), (3, 8, 64_100_500)
    ]  # fmt: skip


def test_a_snapshot_of_many_levels_is_read_whole() -> None:
    bids = [[Decimal(10_000 - i) / 100, Decimal(i + 1) / 1000] for i in range(500)]
    text = json.dumps(payload(DEPTH, bids=[[float(price), str(qty)] for price, qty in bids], asks=[], levels=500))
    assert read(text.encode()).payload()["bids"] == [(int(price * 100), int(qty * 10**8)) for price, qty in bids]


NO_JSON = [b"", b"{", b"null", b"[1]", b"nonsense", b"{}{}", b'{"a":}', b'{"a":1,}', b'{"\xff":1}', b'{"a":"\\x"}', b'{"a":01}']


@pytest.mark.parametrize("text", NO_JSON)
def test_bus_26_what_is_no_json_object(text: bytes) -> None:
    assert refused(text) == ("not_json", "entry")


WRONG: dict[str, tuple[dict[str, Any], tuple[str, str]]] = {
    "symbol in the venue's spelling": ({**TRADE, "symbol": "BTC/USD"}, ("bad_value", "symbol")),
    "symbol in lower case": ({**TRADE, "symbol": "btc-usd"}, ("bad_value", "symbol")),
    "symbol without a dash": ({**TRADE, "symbol": "BTCUSDT"}, ("bad_value", "symbol")),
    "symbol with two": ({**TRADE, "symbol": "BTC-USD-T"}, ("bad_value", "symbol")),
    "symbol too long": ({**TRADE, "symbol": "A" * 21 + "-USD"}, ("bad_value", "symbol")),
    "symbol nobody knows": ({**TRADE, "symbol": "ETH-USDT"}, ("unknown_instrument", "symbol")),
    "venue nobody knows": ({**TRADE, "venue": "kraken"}, ("unknown_instrument", "symbol")),
    "venue too short": ({**TRADE, "venue": "b"}, ("bad_value", "venue")),
    "venue in upper case": ({**TRADE, "venue": "Binance"}, ("bad_value", "venue")),
    "type nobody knows": ({**TRADE, "type": "trade"}, ("unknown_type", "type")),
    "type is a number": ({**TRADE, "type": 1}, ("wrong_type", "type")),
    "another version": ({**TRADE, "v": 2}, ("bad_value", "v")),
    "version is text": ({**TRADE, "v": "1"}, ("wrong_type", "v")),
    "time with an offset": ({**TRADE, "ts_event": "2026-01-01T00:00:00+00:00"}, ("bad_time", "ts_event")),
    "time in lower case": ({**TRADE, "ts_event": "2026-01-01t00:00:00z"}, ("bad_time", "ts_event")),
    "time of ten digits": ({**TRADE, "ts_event": "2026-01-01T00:00:00.0000000001Z"}, ("bad_time", "ts_event")),
    "no such day": ({**TRADE, "ts_event": "2026-02-30T00:00:00Z"}, ("bad_time", "ts_event")),
    "nanoseconds below 0": ({**TRADE, "ts_event_ns": -1}, ("bad_value", "ts_event_ns")),
    "seq 0": ({**TRADE, "seq": 0}, ("bad_value", "seq")),
    "prev_seq not before seq": ({**TRADE, "seq": 5, "prev_seq": 5}, ("bad_value", "prev_seq")),
    "a merged trade": ({**TRADE, "n": 2}, ("bad_value", "n")),
    "n with decimals": ({**DEPTH, "n": 1.5}, ("bad_value", "n")),
    "scales of one": ({**TRADE, "scales": [2]}, ("wrong_type", "scales")),
    "scales of text": ({**TRADE, "scales": ["2", 8]}, ("bad_value", "scales")),
    "scales too wide": ({**TRADE, "scales": [2, 19]}, ("bad_value", "scales")),
    "payload is a list": ({**TRADE, "payload": []}, ("wrong_type", "payload")),
    "payload of another type": ({**TRADE, "payload": DELTAS["payload"]}, ("missing_member", "price")),
    "price 0": (payload(TRADE, price=0), ("bad_value", "price")),
    "price below 0": (payload(TRADE, price=-1), ("bad_value", "price")),
    "price with an exponent as text": (payload(TRADE, price="1e2"), ("bad_value", "price")),
    "price is null": (payload(TRADE, price=None), ("wrong_type", "price")),
    "price is a list": (payload(TRADE, price=[1]), ("wrong_type", "price")),
    "price with too many decimals": (payload(TRADE, price=1.005), ("too_many_decimals", "price")),
    "price with too many by exponent": (payload(TRADE, price=1e-7), ("too_many_decimals", "price")),
    "price beyond 64 bits": (payload(TRADE, price=92233720368547758.08), ("out_of_range", "price")),
    "price far beyond": (payload(TRADE, price=1e300), ("out_of_range", "price")),
    "quantity 0": (payload(TRADE, qty=0), ("bad_value", "qty")),
    "side nobody knows": (payload(TRADE, side="bid"), ("bad_value", "side")),
    "id is empty": (payload(TRADE, trade_id=""), ("bad_value", "trade_id")),
    "id is a number": (payload(TRADE, trade_id=17), ("wrong_type", "trade_id")),
    "bids ascending": (payload(DEPTH, bids=[[99, 2], [100, 1]]), ("unsorted_prices", "bids")),
    "bids repeated": (payload(DEPTH, bids=[[99, 2], [99, 1]]), ("unsorted_prices", "bids")),
    "asks descending": (payload(DEPTH, asks=[[102, 1], [101, 1]]), ("unsorted_prices", "asks")),
    "a level of 0": (payload(DEPTH, asks=[[101, 0]]), ("bad_value", "asks")),
    "levels not the longer": (payload(DEPTH, levels=3), ("bad_value", "levels")),
    "complete is a number": (payload(DEPTH, complete=1), ("wrong_type", "complete")),
    "a pair of one": (payload(DEPTH, bids=[[100], [99]]), ("wrong_type", "bids")),
    "a pair of three": (payload(DEPTH, bids=[[100, 1, 1], [99, 2]]), ("wrong_type", "bids")),
    "a pair is an object": (payload(DEPTH, bids=[{"price": 100}, [99, 2]]), ("wrong_type", "bids")),
    "levels are an object": (payload(DELTAS, bids_upd={}), ("wrong_type", "bids_upd")),
    "a change below 0": (payload(DELTAS, bids_upd=[[100, -1]]), ("bad_value", "bids_upd")),
    "high below low": (payload(TICKER, high_24h=80), ("bad_value", "high_24h")),
    "volume below 0": (payload(TICKER, volume_24h=-1), ("bad_value", "volume_24h")),
    "best bid is a number": (payload(TICKER, best_bid=100), ("wrong_type", "best_bid")),
}  # fmt: skip


def test_bus_30_the_schema_ties_payload_to_type_and_refuses_what_the_codec_refuses() -> None:
    """All but what no schema can tell: order, an instrument's decimals, a calendar, a sum, 64 bits, who is known."""
    beyond = {"unsorted_prices", "too_many_decimals", "bad_time", "out_of_range", "unknown_instrument"}
    known = {"levels not the longer", "prev_seq not before seq", "high below low"}
    taken = {case for case, (document, _) in WRONG.items() if VALIDATOR.is_valid(document)}
    assert {case for case in taken if WRONG[case][1][0] not in beyond} == known
    assert not VALIDATOR.is_valid({**TRADE, "payload": DELTAS["payload"]})


@pytest.mark.parametrize("case", WRONG)
def test_bus_26_what_is_wrong_is_told_with_its_place(case: str) -> None:
    document, told = WRONG[case]
    assert refused(document) == told


@pytest.mark.parametrize("base", [TRADE, DEPTH, DELTAS, TICKER], ids=lambda base: base["type"])
def test_bus_06_every_mandatory_member_is_missed_by_name_and_none_may_stand_twice(base: dict[str, Any]) -> None:
    """BUS-30: by the codec and by the published schema alike."""
    assert VALIDATOR.is_valid(base)
    for name in base:
        lacking = {key: value for key, value in base.items() if key != name}
        assert refused(lacking) == ("missing_member", name)
        assert not VALIDATOR.is_valid(lacking)
    for name in base["payload"]:
        inner = {key: value for key, value in base["payload"].items() if key != name}
        assert refused({**base, "payload": inner}) == ("missing_member", name)
        assert not VALIDATOR.is_valid({**base, "payload": inner})
    again = json.dumps(base)[:-1] + ', "symbol": "BTC-USDT"}'
    assert refused(again.encode()) == ("duplicate_member", "symbol")


def test_bus_26_a_value_with_too_many_decimals_tells_how_many() -> None:
    with pytest.raises(InvalidEntryError, match=r"price has more decimals than the instrument") as caught:
        read(payload(TRADE, price="1.00125"))
    assert caught.value.decimals == 5


def test_bus_26_an_entry_that_is_too_large_is_not_looked_at() -> None:
    text = json.dumps(TRADE).encode()
    assert decoder(max_entry_bytes=len(text)).decode(text).symbol == "BTC-USDT"
    with pytest.raises(InvalidEntryError) as caught:
        decoder(max_entry_bytes=len(text) - 1).decode(text)
    assert caught.value.why == "too_large"


def test_a_broken_entry_leaves_the_next_one_alone() -> None:
    reader = decoder()
    for document, _ in WRONG.values():
        with pytest.raises(InvalidEntryError):
            reader.decode(json.dumps(document).encode())
        assert reader.decode(json.dumps(DEPTH).encode()).payload()["bids"] == [(10_000, 10**8), (9_900, 2 * 10**8)]


def test_mutants_are_read_as_json_reads_them_or_refused() -> None:
    """Never a crash, and never another value than the document has."""
    rng = random.Random(3)
    reader = decoder()
    texts = [json.dumps(base).encode() for base in (TRADE, DEPTH, DELTAS, TICKER)]
    taken = 0
    for _ in range(20_000):
        text = bytearray(rng.choice(texts))
        for _ in range(rng.randrange(1, 3)):
            at = rng.randrange(len(text))
            text[at : at + rng.randrange(2)] = bytes([rng.choice(b'{}[],:"0123456789.-eabZ \\')])
        try:
            entry = reader.decode(bytes(text))
        except InvalidEntryError:
            continue
        taken += 1
        document = json.loads(bytes(text), parse_float=Decimal, parse_int=Decimal)
        if entry.type == "trade_tick":
            assert entry.payload()["price"] == Decimal(document["payload"]["price"]) * 100
            assert entry.payload()["qty"] == Decimal(document["payload"]["qty"]) * 10**8
        elif entry.type == "order_book_depth":
            assert entry.payload()["bids"] == [(Decimal(p) * 100, Decimal(q) * 10**8) for p, q in document["payload"]["bids"]]
    assert taken > 500
