"""INS-20, INS-21, INS-07: exchangeInfo as instruments, and the splitting of a bare spelling."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from engine.base.errors import ValidationError
from engine.providers.binance.symbols import instruments_of, split_symbol
from engine.schema.instrument import InstrumentStatus, OrderType
from tests.twins.capture_io import read_records

SYMBOL: dict[str, Any] = {
    "symbol": "BTCUSDT",
    "status": "TRADING",
    "baseAsset": "BTC",
    "quoteAsset": "USDT",
    "baseAssetPrecision": 8,
    "quoteAssetPrecision": 8,
    "orderTypes": ["LIMIT", "LIMIT_MAKER", "MARKET", "STOP_LOSS_LIMIT"],
    "isSpotTradingAllowed": True,
}
PRICE = {
    "filterType": "PRICE_FILTER",
    "minPrice": "0.01000000",
    "maxPrice": "1000000",
    "tickSize": "0.01000000",
}
LOT = {
    "filterType": "LOT_SIZE",
    "minQty": "0.00001000",
    "maxQty": "9000.00000000",
    "stepSize": "0.00001000",
}


def body(*filters: dict[str, Any], **fields: Any) -> bytes:
    return json.dumps({"symbols": [{**SYMBOL, **fields, "filters": list(filters)}]}).encode()


@pytest.fixture(scope="module")
def recorded(captures: Path) -> bytes:
    records = read_records(captures / "binance_spot_2021_4pairs.jsonl.gz")
    return next(r["raw"] for r in records if r["channel"] == "http" and "exchangeInfo" in r["url"]).encode()


def test_the_recorded_exchange_info(recorded: bytes) -> None:
    instruments, skipped = instruments_of(recorded)
    assert (len(instruments), skipped) == (1695, [])
    known = {one.venue_symbol: one for one in instruments}
    for venue_symbol, symbol, scales, minimum, notional in (
        ("NKNUSDT", "NKN-USDT", (4, 0), 1, "10"),
        ("BLZETH", "BLZ-ETH", (8, 0), 1, "0.005"),
        ("LRCBTC", "LRC-BTC", (8, 0), 1, "0.0001"),
        ("RUNEEUR", "RUNE-EUR", (3, 1), 1, "10"),
        ("BTCUSDT", "BTC-USDT", (2, 5), 1, "10"),
    ):
        one = known[venue_symbol]
        assert (one.symbol, (one.price_scale, one.qty_scale)) == (symbol, scales)
        assert (one.tick_size_raw, one.lot_size_raw, one.min_qty_raw) == (1, 1, minimum)
        assert (one.min_notional, one.max_notional) == (notional, None)
        assert (one.status, one.post_only_supported) == (InstrumentStatus.TRADING, True)
        assert one.order_types == (OrderType.LIMIT, OrderType.MARKET)
    assert known["BTCUSDT"].max_qty_raw == 900_000_000
    # 433 are in a BREAK, 40 leveraged tokens are not for the spot market.
    assert sum(one.status is InstrumentStatus.HALTED for one in instruments) == 473
    assert len({one.symbol for one in instruments}) == 1695


def test_every_recorded_spelling_splits_as_the_venue_says(recorded: bytes) -> None:
    for one in instruments_of(recorded)[0]:
        assert split_symbol(one.venue_symbol) == (one.base, one.quote)


@pytest.mark.parametrize(
    ("spelling", "parts"),
    [
        ("BTCUSDT", ("BTC", "USDT")),
        ("BNBUSD", ("BNB", "USD")),
        ("BNBBUSD", ("BNB", "BUSD")),
        ("BUSDUSDT", ("BUSD", "USDT")),
        ("TUSDT", ("T", "USDT")),
        ("1000SHIBFDUSD", ("1000SHIB", "FDUSD")),
        ("WAVESXYZ", ("WAVES", "XYZ")),
        ("USDXYZ", ("USD", "XYZ")),
    ],
)
def test_split(spelling: str, parts: tuple[str, str]) -> None:
    assert split_symbol(spelling) == parts


@pytest.mark.parametrize("spelling", ["", "BTC", "USD"])
def test_a_spelling_of_one_asset_cannot_be_split(spelling: str) -> None:
    with pytest.raises(ValidationError):
        split_symbol(spelling)


def test_filters_of_today() -> None:
    notional = {
        "filterType": "NOTIONAL",
        "minNotional": "5.00000000",
        "applyMinToMarket": True,
        "maxNotional": "9000000.00000000",
        "applyMaxToMarket": False,
        "avgPriceMins": 5,
    }
    percent = {"filterType": "PERCENT_PRICE_BY_SIDE", "bidMultiplierUp": "5", "avgPriceMins": 5}
    old = {"filterType": "MIN_NOTIONAL", "minNotional": "10"}
    (one,), _ = instruments_of(body(percent, LOT, old, notional, PRICE))
    assert (one.min_notional, one.max_notional) == ("5", "9000000")


def test_a_filter_of_0_is_off() -> None:
    off = [
        {**PRICE, "tickSize": "0.00000000"},
        {**LOT, "stepSize": "0.00000000", "minQty": "0", "maxQty": "0"},
    ]
    (one,), _ = instruments_of(body(*off, quoteAssetPrecision=7))
    assert (one.price_scale, one.qty_scale, one.tick_size_raw, one.lot_size_raw) == (7, 8, 0, 0)
    assert (one.min_qty_raw, one.max_qty_raw, one.min_notional) == (0, None, None)
    assert (one.is_price_on_grid(123), one.is_qty_on_grid(7)) == (True, True)
    (none,), _ = instruments_of(body())
    assert (none.tick_size_raw, none.lot_size_raw) == (0, 0)


def test_the_grid_is_tested_in_integers() -> None:
    (one,), _ = instruments_of(body({**PRICE, "tickSize": "0.05"}, {**LOT, "stepSize": "0.002"}))
    assert (one.price_scale, one.tick_size_raw, one.qty_scale, one.lot_size_raw) == (2, 5, 3, 2)
    assert [one.is_price_on_grid(raw) for raw in (5, 9, 10, 11)] == [True, False, True, False]
    assert [one.is_qty_on_grid(raw) for raw in (1, 2)] == [False, True]


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"status": "BREAK"}, InstrumentStatus.HALTED),
        ({"status": "HALT"}, InstrumentStatus.HALTED),
        ({"status": "END_OF_DAY"}, InstrumentStatus.HALTED),
        ({"status": "CANCEL_ONLY"}, InstrumentStatus.CANCEL_ONLY),
        ({"isSpotTradingAllowed": False}, InstrumentStatus.HALTED),
    ],
)
def test_status(fields: dict[str, Any], status: InstrumentStatus) -> None:
    (one,), _ = instruments_of(body(PRICE, LOT, **fields))
    assert one.status is status


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"status": "AWAKE"}, "unknown status 'AWAKE'"),
        ({"baseAsset": "币安"}, "make no BASE-QUOTE"),
        ({"baseAsset": 5}, "Expected `str`"),
    ],
)
def test_what_cannot_be_told_is_left_out_and_named(fields: dict[str, Any], reason: str) -> None:
    instruments, (skipped,) = instruments_of(body(PRICE, LOT, **fields))
    assert (instruments, skipped.venue_symbol) == ([], "BTCUSDT")
    assert reason in skipped.reason


@pytest.mark.parametrize("raw", [b"", b"[]", b"{}", b'{"symbols":{}}'])
def test_another_body_is_refused(raw: bytes) -> None:
    with pytest.raises(ValidationError):
        instruments_of(raw)
