"""Instruments of the plain feed: the body of GET /simulated/instruments, or a frame of the instrument channel.

Source: docs/simulator.md. The scales are the decimals that the feed writes, with which its checksums are made too.
"""

from __future__ import annotations

from collections.abc import Collection

import msgspec

from engine.base.errors import MisuseError, UnknownEnumError, ValidationError
from engine.schema.enums import EventType, OrderingMode
from engine.schema.instrument import (
    ChecksumKind,
    Instrument,
    InstrumentStatus,
    OrderType,
    Skipped,
    TimeInForce,
    public_symbol,
)

ORDERING: dict[EventType, OrderingMode] = {
    EventType.BOOK_SNAPSHOT: OrderingMode.CONTIGUOUS,
    EventType.BOOK_UPDATE: OrderingMode.CONTIGUOUS,
    EventType.TRADE: OrderingMode.CONTIGUOUS,
    EventType.TICKER: OrderingMode.NONE,
    EventType.KLINE_SUMMARY: OrderingMode.NONE,
}
_STATUS = {
    "trading": InstrumentStatus.TRADING,
    "halted": InstrumentStatus.HALTED,
    "cancel_only": InstrumentStatus.CANCEL_ONLY,
}


class _Listed(msgspec.Struct):
    """An instrument as the feed lists it; tick, lot and least quantity are integers at the decimals told."""

    symbol: str
    status: str
    price_decimals: int
    qty_decimals: int
    tick: int
    lot: int
    min_qty: int = 0


class _Name(msgspec.Struct):
    symbol: str = "?"


class _Catalogue(msgspec.Struct):
    instruments: list[msgspec.Raw]


def instruments_of(
    body: bytes, provider: str, now_ns: int = 0, *, only: Collection[str] | None = None
) -> tuple[list[Instrument], list[Skipped]]:
    """The instruments of a body or frame, sorted by symbol, and what was left out.

    Args:
        body: as the venue sent it.
        provider: whose records they are.
        now_ns: their ``updated_ns``.
        only: symbols to read; None = all.

    Raises:
        ValidationError: the body is something else.
    """
    try:
        told = msgspec.json.decode(body, type=_Catalogue)
    except msgspec.DecodeError as error:
        raise ValidationError(f"no list of instruments: {error}", op="instruments.read", raw=body) from error
    instruments: dict[str, Instrument] = {}
    skipped: list[Skipped] = []
    for raw in told.instruments:
        name = _name_of(raw)
        if only is not None and name not in only:
            continue
        try:
            instrument = _instrument(msgspec.json.decode(raw, type=_Listed), provider, now_ns)
        except msgspec.ValidationError as error:
            skipped.append(Skipped(name, str(error)))
        except (MisuseError, UnknownEnumError) as error:
            skipped.append(Skipped(name, error.reason))
        else:
            instruments[instrument.symbol] = instrument
    return [instruments[symbol] for symbol in sorted(instruments)], skipped


def split_symbol(venue_symbol: str) -> tuple[str, str]:
    """``("BTC", "USD")`` for ``BTC-USD``: the feed spells symbols as we do.

    Raises:
        ValidationError: the spelling is no pair of assets.
    """
    base, _, quote = venue_symbol.partition("-")
    if public_symbol(base, quote) is None:
        raise ValidationError(f"{venue_symbol!r} makes no BASE-QUOTE", op="instruments.split")
    return base, quote


def _name_of(raw: bytes) -> str:
    try:
        return msgspec.json.decode(raw, type=_Name).symbol
    except msgspec.DecodeError:
        return "?"


def _instrument(listed: _Listed, provider: str, now_ns: int) -> Instrument:
    base, quote = split_symbol(listed.symbol)
    status = _STATUS.get(listed.status)
    if status is None:
        raise UnknownEnumError(f"unknown status {listed.status!r}", op="instruments.read")
    return Instrument(
        provider=provider,
        symbol=listed.symbol,
        venue_symbol=listed.symbol,
        base=base,
        quote=quote,
        status=status,
        price_scale=listed.price_decimals,
        qty_scale=listed.qty_decimals,
        tick_size_raw=listed.tick,
        lot_size_raw=listed.lot,
        min_qty_raw=listed.min_qty,
        order_types=(OrderType.LIMIT, OrderType.MARKET),
        tifs=(TimeInForce.GTC, TimeInForce.IOC, TimeInForce.FOK),
        post_only_supported=True,
        ordering_mode=ORDERING,
        checksum=ChecksumKind.CRC32,
        updated_ns=now_ns,
    )
