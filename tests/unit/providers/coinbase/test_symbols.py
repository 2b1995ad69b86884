"""INS-20, INS-07: the products body as instruments."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from engine.base.errors import ValidationError
from engine.providers.coinbase.symbols import alias_map, instruments_of
from engine.schema.instrument import InstrumentStatus, OrderType, TimeInForce
from tests.twins.capture_io import read_records

PRODUCT: dict[str, Any] = {
    "product_id": "BTC-USD",
    "base_increment": "0.00000001",
    "quote_increment": "0.01",
    "price_increment": "0.01",
    "quote_min_size": "1",
    "quote_max_size": "150000000",
    "base_min_size": "0.00000001",
    "base_max_size": "3400",
    "status": "online",
    "product_type": "SPOT",
    "base_currency_id": "BTC",
    "quote_currency_id": "USD",
    "alias": "",
    "alias_to": ["BTC-USDC"],
}


def body(*products: dict[str, Any]) -> bytes:
    return json.dumps({"products": list(products), "num_products": len(products)}).encode()


def other(**fields: Any) -> dict[str, Any]:
    return {**PRODUCT, **fields}


def test_the_recorded_product(captures: Path) -> None:
    records = read_records(captures / "coinbase_fixtures.jsonl.gz")
    raw = next(record["raw"] for record in records if record["name"].endswith("http_product.json"))
    (instrument,), skipped = instruments_of(raw.encode(), now_ns=5)
    assert skipped == []
    assert (instrument.provider, instrument.symbol, instrument.venue_symbol) == (
        "coinbase",
        "BTC-USD",
        "BTC-USD",
    )
    assert (instrument.price_scale, instrument.tick_size_raw) == (2, 1)
    assert (instrument.qty_scale, instrument.lot_size_raw) == (8, 1)
    assert (instrument.min_qty_raw, instrument.max_qty_raw) == (1, 340_000_000_000)
    assert (instrument.min_notional, instrument.max_notional) == ("1", "150000000")
    assert (instrument.status, instrument.post_only_supported) == (InstrumentStatus.TRADING, True)
    assert instrument.order_types == (OrderType.LIMIT, OrderType.MARKET)
    assert instrument.tifs == (TimeInForce.GTC, TimeInForce.IOC, TimeInForce.FOK)
    assert (instrument.aliases, instrument.version, instrument.updated_ns) == (("BTC-USDC",), 1, 5)


def test_a_list_is_sorted_and_spelled_for_the_provider() -> None:
    eth = other(product_id="ETH-EUR", base_currency_id="ETH", quote_currency_id="EUR", alias_to=[])
    instruments, _ = instruments_of(body(eth, PRODUCT), "cb2")
    assert [(one.provider, one.symbol) for one in instruments] == [("cb2", "BTC-USD"), ("cb2", "ETH-EUR")]


def test_an_alias_is_another_name_and_no_instrument_of_its_own() -> None:
    alias = other(product_id="BTC-USDC", quote_currency_id="USDC", alias="BTC-USD", alias_to=[])
    real = other(
        product_id="USDT-USDC", base_currency_id="USDT", quote_currency_id="USDC", alias="", alias_to=[]
    )
    instruments, skipped = instruments_of(body(alias, PRODUCT, real))
    assert ([one.symbol for one in instruments], skipped) == (["BTC-USD", "USDT-USDC"], [])
    assert alias_map(instruments) == {"BTC-USDC": "BTC-USD"}


def test_an_alias_alone_speaks_the_wire_of_its_target() -> None:
    alias = other(product_id="BTC-USDC", quote_currency_id="USDC", alias="BTC-USD", alias_to=[])
    (instrument,), _ = instruments_of(body(alias))
    assert (instrument.symbol, instrument.venue_symbol) == ("BTC-USDC", "BTC-USD")


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"status": "offline"}, InstrumentStatus.HALTED),
        ({"status": "delisted", "cancel_only": True}, InstrumentStatus.DELISTED),
        ({"trading_disabled": True, "cancel_only": True}, InstrumentStatus.HALTED),
        ({"is_disabled": True}, InstrumentStatus.HALTED),
        ({"view_only": True}, InstrumentStatus.HALTED),
        ({"cancel_only": True, "limit_only": True}, InstrumentStatus.CANCEL_ONLY),
        ({"post_only": True, "limit_only": True}, InstrumentStatus.POST_ONLY),
        ({"limit_only": True}, InstrumentStatus.LIMIT_ONLY),
        ({"auction_mode": True}, InstrumentStatus.LIMIT_ONLY),
    ],
)
def test_the_strictest_of_the_switches_is_the_status(
    fields: dict[str, Any], status: InstrumentStatus
) -> None:
    (instrument,), _ = instruments_of(body(other(**fields)))
    assert instrument.status is status


def test_the_tick_is_the_price_increment_however_it_is_spelled() -> None:
    fields = {
        "price_increment": 1e-5,
        "quote_increment": "0.01",
        "base_increment": "5e-1",
        "base_min_size": "0.7",
    }
    (instrument,), _ = instruments_of(body(other(**fields)))
    assert (instrument.price_scale, instrument.tick_size_raw) == (5, 1)
    assert (instrument.qty_scale, instrument.lot_size_raw) == (1, 5)
    assert instrument.min_qty_raw == 7
    (older,), _ = instruments_of(body({k: v for k, v in PRODUCT.items() if k != "price_increment"}))
    assert older.price_scale == 2


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"base_currency_id": "btc"}, "'btc' and 'USD' make no BASE-QUOTE"),
        ({"base_currency_id": "A" * 21}, "make no BASE-QUOTE"),
        ({"status": "paused"}, "unknown status 'paused'"),
        ({"price_increment": "0.0000000000000000001"}, "price_scale 19 lies outside 0..18"),
        ({"base_increment": "x"}, "Invalid decimal"),
        ({"base_increment": "NaN"}, "'NaN' is not a number"),
        ({"base_min_size": "1e30"}, "does not fit 64 bits"),
    ],
)
def test_what_cannot_be_told_is_left_out_and_named(fields: dict[str, Any], reason: str) -> None:
    instruments, skipped = instruments_of(body(other(product_id="X-Y", **fields), PRODUCT))
    assert [one.symbol for one in instruments] == ["BTC-USD"]
    assert [one.venue_symbol for one in skipped] == ["X-Y"]
    assert reason in skipped[0].reason


def test_other_kinds_of_product_are_none_of_ours() -> None:
    assert instruments_of(body(other(product_type="FUTURE"))) == ([], [])


@pytest.mark.parametrize("raw", [b"", b"[]", b"{}", b'{"products":5}', b"nope"])
def test_another_body_is_refused(raw: bytes) -> None:
    with pytest.raises(ValidationError):
        instruments_of(raw)
