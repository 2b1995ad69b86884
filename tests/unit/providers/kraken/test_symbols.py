"""Kraken's catalogue as instruments: INS-02, INS-07, INS-20."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from engine.base.errors import ValidationError
from engine.providers.kraken.symbols import instruments_of, split_symbol, v2_symbol
from engine.schema.instrument import ChecksumKind, InstrumentStatus
from tests.twins.capture_io import read_records

PAIR = {
    "symbol": "ETH/BTC",
    "base": "ETH",
    "quote": "BTC",
    "status": "online",
    "price_precision": 5,
    "qty_precision": 8,
    "price_increment": 0.00050,
    "qty_increment": 1e-08,
    "qty_min": 0.002,
    "cost_min": 0.00002,
    "tick_size": 0.0005,
    "marginable": True,
}
ASSET_PAIR = {
    "altname": "XBTUSD",
    "wsname": "XBT/USD",
    "pair_decimals": 1,
    "lot_decimals": 8,
    "tick_size": "0.1",
    "ordermin": "0.00005",
    "costmin": "0.5",
    "status": "online",
}


def frame(*pairs: dict[str, Any]) -> bytes:
    data = {"assets": [{"id": "ETH"}], "pairs": list(pairs)}
    return json.dumps({"channel": "instrument", "type": "snapshot", "data": data}).encode()


def body(**pairs: dict[str, Any]) -> bytes:
    return json.dumps({"error": [], "result": pairs}).encode()


def test_a_pair_of_the_instrument_channel() -> None:
    (instrument,), skipped = instruments_of(frame(PAIR), "kraken2", 5)
    assert skipped == []
    assert (instrument.provider, instrument.symbol, instrument.venue_symbol) == ("kraken2", "ETH-BTC", "ETH/BTC")
    assert (instrument.price_scale, instrument.qty_scale, instrument.updated_ns) == (5, 8, 5)
    assert (instrument.tick_size_raw, instrument.lot_size_raw, instrument.min_qty_raw) == (50, 1, 200_000)
    assert (instrument.min_notional, instrument.max_qty_raw) == ("0.00002", None)
    assert (instrument.checksum, instrument.book_depths) == (ChecksumKind.CRC32, (10, 25, 100, 500, 1000))


def test_a_pair_of_rest_in_its_old_spelling() -> None:
    doge = {**ASSET_PAIR, "wsname": "XDG/XBT", "pair_decimals": 8, "lot_decimals": 3, "tick_size": None}
    (bitcoin, dogecoin), skipped = instruments_of(body(XXBTZUSD=ASSET_PAIR, XDGXBT=doge))
    assert skipped == []
    assert (bitcoin.symbol, bitcoin.venue_symbol, bitcoin.base, bitcoin.quote) == ("BTC-USD", "BTC/USD", "BTC", "USD")
    assert (bitcoin.price_scale, bitcoin.tick_size_raw, bitcoin.lot_size_raw, bitcoin.min_qty_raw) == (1, 1, 1, 5000)
    assert (dogecoin.venue_symbol, dogecoin.price_scale, dogecoin.qty_scale, dogecoin.tick_size_raw) == (
        "DOGE/BTC",
        8,
        3,
        1,
    )


def test_the_recorded_pairs(captures: Path) -> None:
    records = read_records(captures / "kraken_v2_btc_eth_d10_20260707.jsonl.gz")
    instruments, skipped = instruments_of(records[0]["raw"].encode())
    assert skipped == []
    assert {one.symbol: (one.price_scale, one.qty_scale) for one in instruments} == {
        "BTC-USD": (1, 8),
        "DOGE-USD": (7, 8),
        "ETH-USD": (2, 8),
        "SOL-USD": (2, 8),
        "XRP-USD": (5, 8),
    }


@pytest.mark.parametrize(
    ("status", "meaning"),
    [
        ("online", "TRADING"),
        ("cancel_only", "CANCEL_ONLY"),
        ("post_only", "POST_ONLY"),
        ("limit_only", "LIMIT_ONLY"),
        ("reduce_only", "REDUCE_ONLY"),
        ("maintenance", "HALTED"),
        ("work_in_progress", "HALTED"),
        ("delisted", "DELISTED"),
    ],
)
def test_each_status_has_its_meaning(status: str, meaning: str) -> None:
    (instrument,), _ = instruments_of(frame({**PAIR, "status": status}))
    assert instrument.status is InstrumentStatus[meaning]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"status": "asleep"}, "unknown status 'asleep'"),
        ({"symbol": "ETH.M/USD"}, "makes no BASE-QUOTE"),
        ({"symbol": "ETHUSD"}, "makes no BASE-QUOTE"),
        ({"price_increment": 0.000001}, "more than 5 decimals"),
        ({"qty_precision": 19}, "qty_scale 19 lies outside 0..18"),
        ({"price_precision": "x"}, "price_precision"),
        ({"qty_increment": "x"}, "qty_increment"),
    ],
)
def test_what_cannot_be_used_is_left_out_with_its_reason(change: dict[str, Any], reason: str) -> None:
    good = {**PAIR, "symbol": "A/B"}
    instruments, skipped = instruments_of(frame({**PAIR, **change}, good))
    assert [instrument.symbol for instrument in instruments] == ["A-B"]
    assert [one.venue_symbol for one in skipped] == [change.get("symbol", "ETH/BTC")]
    assert reason in skipped[0].reason


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (b"{", "neither AssetPairs nor instrument data"),
        (b"{}", "neither AssetPairs nor instrument data"),
        (b'{"data":[]}', "neither AssetPairs nor instrument data"),
        (b'{"error":["EQuery:Unknown asset pair"]}', "EQuery:Unknown asset pair"),
    ],
)
def test_another_body_is_refused(text: bytes, reason: str) -> None:
    with pytest.raises(ValidationError, match=reason):
        instruments_of(text)


def test_spellings() -> None:
    assert [v2_symbol(name) for name in ("XBT/USD", "ETH/XBT", "XDG/EUR", "SOL/USD")] == [
        "BTC/USD",
        "ETH/BTC",
        "DOGE/EUR",
        "SOL/USD",
    ]
    assert split_symbol("BTC/USD") == ("BTC", "USD")
    for text in ("BTCUSD", "btc/usd", "BTC/", "A/B/C"):
        with pytest.raises(ValidationError):
            split_symbol(text)
