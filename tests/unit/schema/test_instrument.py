"""INS-02, INS-06, INS-07, INS-20, INS-21: the instrument record and the exact decimals of venue metadata."""

from __future__ import annotations

from decimal import Decimal
from random import Random
from typing import Any

import msgspec
import pytest

from engine.base.errors import ScaleOverflowError, ValidationError
from engine.schema.enums import EventType, OrderingMode
from engine.schema.instrument import (
    ChecksumKind,
    Instrument,
    InstrumentStatus,
    OrderType,
    decimals_of,
    plain_text,
    public_symbol,
    raw_at_least,
    raw_at_most,
    raw_of,
)


def made(**fields: Any) -> Instrument:
    known: dict[str, Any] = {
        "provider": "binance",
        "symbol": "BTC-USDT",
        "venue_symbol": "BTCUSDT",
        "base": "BTC",
        "quote": "USDT",
        "status": InstrumentStatus.TRADING,
        "price_scale": 2,
        "qty_scale": 5,
        "tick_size_raw": 1,
        "lot_size_raw": 10,
        "min_qty_raw": 10,
    }
    return Instrument(**{**known, **fields})


@pytest.mark.parametrize(
    ("text", "decimals"),
    [
        ("0.01000000", 2),
        ("1", 0),
        ("100", 0),
        ("1.0", 0),
        ("1e-8", 8),
        ("2.50E-1", 2),
        ("1E+3", 0),
        ("0", 0),
        ("0.000", 0),
        ("-0.5", 1),
        ("0.000000000000000001", 18),
    ],
)
def test_decimals(text: str, decimals: int) -> None:
    assert decimals_of(text) == decimals
    assert decimals_of(Decimal(text)) == decimals


@pytest.mark.parametrize(
    "text", ["", "x", "NaN", "Infinity", "1_0", " 1", ".5", "1.", "1e", "1e999", "0x1", "1" * 41]
)
def test_what_is_no_number_is_refused(text: str) -> None:
    for read in (decimals_of, plain_text):
        with pytest.raises(ValidationError):
            read(text)


def test_raws_are_exact_or_refused() -> None:
    assert raw_of("0.1", 18) == 10**17
    assert raw_of("1e-8", 8) == 1
    assert raw_of("9223372036854775807", 0) == 2**63 - 1
    with pytest.raises(ScaleOverflowError):
        raw_of("9223372036854775808", 0)
    with pytest.raises(ScaleOverflowError):
        raw_of("9.3", 18)
    with pytest.raises(ValidationError, match="needs more than 1 decimals"):
        raw_of("0.15", 1)


def test_limits_come_onto_the_grid_from_inside() -> None:
    assert (raw_at_least("0.15", 1), raw_at_least("0.2", 1)) == (2, 2)
    assert (raw_at_most("0.15", 1), raw_at_most("0.2", 1)) == (1, 2)
    assert raw_at_most("1e30", 8) is None
    with pytest.raises(ScaleOverflowError):
        raw_at_least("1e30", 8)


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("5.00000000", "5"),
        ("1.5e3", "1500"),
        ("1E-8", "0.00000001"),
        ("-0.50", "-0.5"),
        ("0e5", "0"),
        ("10", "10"),
    ],
)
def test_plain_text(text: str, plain: str) -> None:
    assert plain_text(text) == plain


@pytest.mark.property
def test_decimals_and_raws_against_decimal() -> None:
    rng = Random(9)
    for _ in range(2000):
        number = Decimal(rng.randint(-(10**15), 10**15)).scaleb(-rng.randint(0, 15))
        text = rng.choice((format(number, "f"), f"{number:e}"))
        scale = decimals_of(text)
        raw = raw_of(text, scale)
        assert Decimal(raw).scaleb(-scale) == number == Decimal(plain_text(text))
        assert scale == 0 or raw % 10 != 0


@pytest.mark.parametrize(("base", "quote"), [("BTC", "USDT"), ("1INCH", "USD"), ("A" * 20, "B" * 20)])
def test_a_symbol_is_base_quote(base: str, quote: str) -> None:
    assert public_symbol(base, quote) == f"{base}-{quote}"


@pytest.mark.parametrize(
    ("base", "quote"),
    [
        ("btc", "USD"),
        ("AAPLx", "USD"),
        ("", "USD"),
        ("BTC", ""),
        ("A" * 21, "USD"),
        ("A-B", "USD"),
        ("BTC\n", "USD"),
        ("BTC", "US D"),
        ("BTC.S", "USD"),
        ("Ä", "USD"),
        ("１", "USD"),
    ],
)
def test_what_cannot_be_spelled_has_no_symbol(base: str, quote: str) -> None:
    assert public_symbol(base, quote) is None


def test_a_record_is_frozen_and_numbered() -> None:
    one = made()
    with pytest.raises(AttributeError):
        one.version = 2  # type: ignore[misc]
    assert one.version == 1
    assert one.instrument_id == made(version=2).instrument_id != made(provider="other").instrument_id
    assert "instrument_id" not in one.to_record()


@pytest.mark.parametrize(
    "fields",
    [{"price_scale": 19}, {"qty_scale": -1}, {"symbol": "BTC-USD"}, {"symbol": "btc-usdt", "base": "btc"}],
)
def test_an_impossible_record_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        made(**fields)


def test_the_json_form_has_texts_for_money_and_no_raws() -> None:
    one = made(
        max_qty_raw=900_000_000,
        min_notional="5",
        order_types=(OrderType.LIMIT,),
        checksum=ChecksumKind.CRC32,
        updated_ns=1_500_000_000,
    )
    record = one.to_record()
    assert record["tick_size"] == "0.01"
    assert (record["lot_size"], record["min_qty"], record["max_qty"]) == ("0.00010", "0.00010", "9000.00000")
    assert (record["status"], record["kind"], record["checksum"]) == ("trading", "spot", "crc32")
    assert (record["order_types"], record["max_notional"]) == (["limit"], None)
    assert record["updated"] == "1970-01-01T00:00:01.500000000Z"
    assert not [name for name in record if name.endswith(("_raw", "_ns"))]
    assert msgspec.json.decode(msgspec.json.encode(record)) == record


# --- the record, read back ----------------------------------------------------------------------------------


def test_a_record_gives_the_same_instrument_again() -> None:
    one = made(
        max_qty_raw=2**63 - 1,
        min_notional="5.00",
        aliases=("XBT-USDT",),
        order_types=(OrderType.LIMIT, OrderType.MARKET),
        post_only_supported=True,
        ordering_mode={EventType.TRADE: OrderingMode.CONTIGUOUS},
        checksum=ChecksumKind.CRC32,
        book_depths=(10, 25),
        version=4,
        updated_ns=1_700_000_000_000_000_001,
    )
    for instrument in (one, made()):
        assert Instrument.from_record(msgspec.json.decode(msgspec.json.encode(instrument.to_record()))) == instrument


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("status", "asleep"),
        ("checksum", None),
        ("tick_size", "0.015"),
        ("min_qty", "x"),
        ("price_scale", "two"),
        ("order_types", ["limit", "iceberg"]),
        ("ordering_mode", {"Trade": "guess"}),
        ("updated", "yesterday"),
        ("version", "4"),
        ("weight", 1),
    ],
)
def test_a_wrong_record_is_refused(key: str, value: object) -> None:
    with pytest.raises(ValidationError):
        Instrument.from_record({**made().to_record(), key: value})
    with pytest.raises(ValidationError, match=r"'lot_size' is missing"):
        Instrument.from_record({name: part for name, part in made().to_record().items() if name != "lot_size"})
