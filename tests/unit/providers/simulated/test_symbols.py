"""Instruments of the plain feed: INS-02, INS-07, INS-21."""

from __future__ import annotations

import json
from typing import Any

import pytest

from engine.base.errors import ValidationError
from engine.providers.simulated.symbols import instruments_of, split_symbol
from engine.schema.instrument import ChecksumKind, InstrumentStatus
from tests.unit.simulator.clients import make_venue

LISTED = {
    "symbol": "BTC-USD", "status": "trading", "price_decimals": 2, "qty_decimals": 5, "tick": 5, "lot": 1,
    "min_qty": 12,
}  # fmt: skip


def read(*listed: Any, **options: Any) -> Any:
    return instruments_of(json.dumps({"instruments": listed}).encode(), "plain", 7, **options)


def test_a_listed_instrument() -> None:
    ((one,), skipped) = read(LISTED)
    assert (one.provider, one.symbol, one.venue_symbol, one.base, one.quote) == (
        "plain", "BTC-USD", "BTC-USD", "BTC", "USD",
    )  # fmt: skip
    assert (one.price_scale, one.qty_scale, one.tick_size_raw, one.lot_size_raw, one.min_qty_raw) == (2, 5, 5, 1, 12)
    assert (one.status, one.checksum, one.updated_ns) == (InstrumentStatus.TRADING, ChecksumKind.CRC32, 7)
    assert skipped == []


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"symbol": "BTCUSD"}, "makes no BASE-QUOTE"),
        ({"status": "dreaming"}, "unknown status"),
        ({"tick": "0.01"}, "Expected `int`"),
        ({"price_decimals": 40}, ""),
    ],
)
def test_what_cannot_be_an_instrument_is_left_out_and_told_INS_07(change: dict[str, Any], why: str) -> None:
    instruments, (skipped,) = read({**LISTED, **change}, {**LISTED, "symbol": "ETH-USD"})
    assert [one.symbol for one in instruments] == ["ETH-USD"]
    assert why in skipped.reason


def test_only_the_symbols_asked_for_are_read() -> None:
    instruments, skipped = read(LISTED, {"symbol": "ETH-USD"}, only=["BTC-USD"])
    assert ([one.symbol for one in instruments], skipped) == (["BTC-USD"], [])


@pytest.mark.parametrize("body", [b"", b"[]", b'{"instruments":{}}', b'{"error":"too many calls"}'])
def test_another_body_is_refused(body: bytes) -> None:
    with pytest.raises(ValidationError):
        instruments_of(body, "plain")


def test_a_spelling_that_is_no_pair_is_refused() -> None:
    assert split_symbol("BTC-USD") == ("BTC", "USD")
    with pytest.raises(ValidationError, match="BASE-QUOTE"):
        split_symbol("BTC/USD")


def test_what_the_simulated_venue_lists_is_read_whole() -> None:
    venue = make_venue("simulated", symbols=60)
    instruments, skipped = instruments_of(venue.rest("/simulated/instruments", {}).body.encode(), "plain")
    assert (len(instruments), skipped) == (60, [])
    assert {one.symbol for one in instruments} == set(venue.markets)
