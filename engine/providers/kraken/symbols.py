"""Kraken's pairs as instruments: the body of GET /0/public/AssetPairs, or the data of the instrument channel.

Source: docs.kraken.com, Get Tradable Asset Pairs and spot-websocket-v2/instrument. The scales are the venue's
price and quantity precision, also where the tick would do with less: its checksums are written with them.
"""

from __future__ import annotations

from collections.abc import Collection
from decimal import Decimal

import msgspec

from engine.base.errors import MisuseError, UnknownEnumError, ValidationError
from engine.providers.kraken import manifest
from engine.schema.enums import EventType, OrderingMode
from engine.schema.instrument import (
    ChecksumKind,
    Instrument,
    InstrumentStatus,
    OrderType,
    Skipped,
    TimeInForce,
    plain_text,
    public_symbol,
    raw_at_least,
    raw_of,
)

ORDERING: dict[EventType, OrderingMode] = {
    EventType.BOOK_SNAPSHOT: OrderingMode.CONTIGUOUS,
    EventType.BOOK_UPDATE: OrderingMode.CONTIGUOUS,
    EventType.TRADE: OrderingMode.CONTIGUOUS,
    EventType.TICKER: OrderingMode.NONE,
    EventType.KLINE_SUMMARY: OrderingMode.NONE,
}
_STATUS = {
    "online": InstrumentStatus.TRADING,
    "post_only": InstrumentStatus.POST_ONLY,
    "limit_only": InstrumentStatus.LIMIT_ONLY,
    "cancel_only": InstrumentStatus.CANCEL_ONLY,
    "reduce_only": InstrumentStatus.REDUCE_ONLY,
    "maintenance": InstrumentStatus.HALTED,
    "work_in_progress": InstrumentStatus.HALTED,
    "delisted": InstrumentStatus.DELISTED,
}


class _Pair(msgspec.Struct):
    """A pair of the instrument channel; the increments are written as numbers, some with an exponent."""

    symbol: str
    status: str
    price_precision: int
    qty_precision: int
    price_increment: Decimal | None = None
    qty_increment: Decimal | None = None
    qty_min: Decimal = Decimal(0)
    cost_min: Decimal = Decimal(0)


class _AssetPair(msgspec.Struct):
    """The same pair as REST tells it."""

    wsname: str
    pair_decimals: int
    lot_decimals: int
    status: str = "online"
    tick_size: Decimal | None = None
    ordermin: Decimal = Decimal(0)
    costmin: Decimal = Decimal(0)


class _PairName(msgspec.Struct):
    symbol: str = ""
    wsname: str = ""
    altname: str = "?"


class _Catalogue(msgspec.Struct):
    pairs: list[msgspec.Raw]


class _Body(msgspec.Struct):
    """Either of the two."""

    result: dict[str, msgspec.Raw] | None = None
    data: _Catalogue | None = None
    error: list[str] = []


def instruments_of(
    body: bytes, provider: str = manifest.VENUE, now_ns: int = 0, *, only: Collection[str] | None = None
) -> tuple[list[Instrument], list[Skipped]]:
    """The instruments of an AssetPairs body or an instrument frame, sorted by symbol, and what was left out.

    Args:
        body: as the venue sent it.
        provider: whose records they are.
        now_ns: their ``updated_ns``.
        only: venue symbols to read, as WebSocket v2 spells them; None = all.

    Raises:
        ValidationError: the body is of neither shape, or the venue's refusal.
    """
    try:
        told = msgspec.json.decode(body, type=_Body)
    except msgspec.DecodeError as error:
        reason = f"neither AssetPairs nor instrument data: {error}"
        raise ValidationError(reason, op="instruments.read", raw=body) from error
    if told.data is None and told.result is None:
        reason = "; ".join(told.error) or "neither AssetPairs nor instrument data"
        raise ValidationError(reason, op="instruments.read", raw=body)
    listed = told.data.pairs if told.data is not None else list((told.result or {}).values())
    instruments: dict[str, Instrument] = {}
    skipped: list[Skipped] = []
    for raw in listed:
        if only is not None and v2_symbol(_name_of(raw)) not in only:
            continue
        try:
            pair = msgspec.json.decode(raw, type=_Pair) if told.data is not None else _pair_of_rest(raw)
            instrument = _instrument(pair, provider, now_ns)
        except msgspec.ValidationError as error:
            skipped.append(Skipped(_name_of(raw), str(error)))
        except (MisuseError, UnknownEnumError) as error:
            skipped.append(Skipped(_name_of(raw), error.reason))
        else:
            instruments[instrument.symbol] = instrument
    return [instruments[symbol] for symbol in sorted(instruments)], skipped


def split_symbol(venue_symbol: str) -> tuple[str, str]:
    """``("BTC", "USD")`` for ``BTC/USD``.

    Raises:
        ValidationError: the spelling is no pair of assets.
    """
    base, slash, quote = venue_symbol.partition("/")
    if not slash or public_symbol(base, quote) is None:
        raise ValidationError(f"{venue_symbol!r} makes no BASE-QUOTE", op="instruments.split")
    return base, quote


def v2_symbol(wsname: str) -> str:
    """``BTC/USD`` for the ``XBT/USD`` of REST and WebSocket v1."""
    return "/".join(manifest.OLD_ASSETS.get(asset, asset) for asset in wsname.split("/"))


def rest_spellings(instrument: Instrument) -> tuple[str, ...]:
    """How REST may write a pair: ``XBTUSD``, ``XXBTZUSD``, ``XBT/USD``."""
    bases, quotes = _rest_assets(instrument.base), _rest_assets(instrument.quote)
    return tuple(f"{base}{slash}{quote}" for base in bases for quote in quotes for slash in ("", "/"))


def _rest_assets(asset: str) -> list[str]:
    return [asset, *(old for table in (manifest.OLD_ASSETS, manifest.REST_ASSETS)
                     for old, new in table.items() if new == asset)]  # fmt: skip


def _pair_of_rest(raw: bytes) -> _Pair:
    listed = msgspec.json.decode(raw, type=_AssetPair)
    return _Pair(
        symbol=v2_symbol(listed.wsname),
        status=listed.status,
        price_precision=listed.pair_decimals,
        qty_precision=listed.lot_decimals,
        price_increment=listed.tick_size,
        qty_min=listed.ordermin,
        cost_min=listed.costmin,
    )


def _name_of(raw: bytes) -> str:
    try:
        name = msgspec.json.decode(raw, type=_PairName)
    except msgspec.DecodeError:
        return "?"
    return name.symbol or name.wsname or name.altname


def _instrument(pair: _Pair, provider: str, now_ns: int) -> Instrument:
    base, quote = split_symbol(pair.symbol)
    status = _STATUS.get(pair.status)
    if status is None:
        raise UnknownEnumError(f"unknown status {pair.status!r}", op="instruments.read")
    price_scale, qty_scale = pair.price_precision, pair.qty_precision
    tick, lot = pair.price_increment, pair.qty_increment
    return Instrument(
        provider=provider,
        symbol=f"{base}-{quote}",
        venue_symbol=pair.symbol,
        base=base,
        quote=quote,
        status=status,
        price_scale=price_scale,
        qty_scale=qty_scale,
        # Where no increment is told, every price and quantity of the precision is on the grid.
        tick_size_raw=raw_of(tick, price_scale) if tick is not None else 1,
        lot_size_raw=raw_of(lot, qty_scale) if lot is not None else 1,
        min_qty_raw=raw_at_least(pair.qty_min, qty_scale),
        min_notional=plain_text(pair.cost_min) if pair.cost_min else None,
        order_types=(OrderType.LIMIT, OrderType.MARKET),
        tifs=(TimeInForce.GTC, TimeInForce.IOC, TimeInForce.FOK),
        post_only_supported=True,
        ordering_mode=ORDERING,
        checksum=ChecksumKind.CRC32,
        book_depths=manifest.BOOK_DEPTHS,
        updated_ns=now_ns,
    )
