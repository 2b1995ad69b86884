"""Binance Spot's symbols as instruments: the body of GET /api/v3/exchangeInfo, or a bare spelling.

Source: binance-spot-api-docs, rest-api.md (exchange information) and filters.md.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal

import msgspec

from engine.base.errors import MisuseError, UnknownEnumError, ValidationError
from engine.providers.binance import manifest
from engine.schema.enums import EventType, OrderingMode
from engine.schema.instrument import (
    Instrument,
    InstrumentStatus,
    OrderType,
    Skipped,
    TimeInForce,
    decimals_of,
    plain_text,
    public_symbol,
    raw_at_least,
    raw_at_most,
    raw_of,
)

ORDERING: dict[EventType, OrderingMode] = {
    EventType.BOOK_SNAPSHOT: OrderingMode.RANGE,
    EventType.BOOK_UPDATE: OrderingMode.RANGE,
    EventType.TRADE: OrderingMode.CONTIGUOUS,
    EventType.TICKER: OrderingMode.NONE,
    EventType.KLINE_SUMMARY: OrderingMode.NONE,
}
_STATUS = {
    "TRADING": InstrumentStatus.TRADING,
    "CANCEL_ONLY": InstrumentStatus.CANCEL_ONLY,
    "HALT": InstrumentStatus.HALTED,
    "BREAK": InstrumentStatus.HALTED,
    "END_OF_DAY": InstrumentStatus.HALTED,
}
_ORDER_TYPES = {"LIMIT": OrderType.LIMIT, "MARKET": OrderType.MARKET}
_POST_ONLY = "LIMIT_MAKER"
_FALLBACK_QUOTE_CHARS = 3


class _Filter(msgspec.Struct, rename="camel"):
    filter_type: str
    tick_size: Decimal = Decimal(0)
    step_size: Decimal = Decimal(0)
    min_qty: Decimal = Decimal(0)
    max_qty: Decimal = Decimal(0)
    min_notional: Decimal = Decimal(0)
    max_notional: Decimal = Decimal(0)


class _Symbol(msgspec.Struct, rename="camel"):
    symbol: str
    status: str
    base_asset: str
    quote_asset: str
    base_asset_precision: int = 8
    quote_asset_precision: int = 8
    order_types: list[str] = []
    filters: list[_Filter] = []
    is_spot_trading_allowed: bool = True


class _SymbolName(msgspec.Struct):
    symbol: str = "?"


class _ExchangeInfo(msgspec.Struct):
    symbols: list[msgspec.Raw]


class _RateLimit(msgspec.Struct, rename="camel"):
    rate_limit_type: str = ""
    interval: str = ""
    interval_num: int = 1
    limit: int = 0
    count: int = 0


class _Limits(msgspec.Struct, rename="camel"):
    rate_limits: list[_RateLimit] | None = None


_NO_FILTER = _Filter("")


def instruments_of(
    body: bytes, provider: str = manifest.VENUE, now_ns: int = 0
) -> tuple[list[Instrument], list[Skipped]]:
    """The instruments of an exchangeInfo body, sorted by symbol, and what had to be left out.

    Raises:
        ValidationError: the body is not of that shape.
    """
    try:
        listed = msgspec.json.decode(body, type=_ExchangeInfo).symbols
    except msgspec.DecodeError as error:
        reason = f"not an exchangeInfo body: {error}"
        raise ValidationError(reason, op="instruments.read", raw=body) from error
    instruments: dict[str, Instrument] = {}
    skipped: list[Skipped] = []
    for raw in listed:
        try:
            instrument = _instrument(msgspec.json.decode(raw, type=_Symbol), provider, now_ns)
        except msgspec.ValidationError as error:
            skipped.append(Skipped(_name_of(raw), str(error)))
        except (MisuseError, UnknownEnumError) as error:
            skipped.append(Skipped(_name_of(raw), error.reason))
        else:
            instruments[instrument.symbol] = instrument
    return [instruments[symbol] for symbol in sorted(instruments)], skipped


def order_limits(body: bytes) -> list[tuple[float, int]] | None:
    """(s, orders) of each limit of orders in an exchangeInfo body; None where it tells no limits at all."""
    try:
        told = msgspec.json.decode(body, type=_Limits).rate_limits
    except msgspec.DecodeError:
        return None
    return None if told is None else [(length_s, limit) for length_s, limit, _ in _order_counts(told)]


def _order_counts(rows: Iterable[_RateLimit]) -> Iterator[tuple[float, int, int]]:
    for row in rows:
        unit_s = manifest.INTERVALS_S.get(row.interval)
        if row.rate_limit_type == "ORDERS" and unit_s is not None:
            yield unit_s * row.interval_num, row.limit, row.count


def order_counts(rows: object) -> list[tuple[float, int, int]]:
    """(s, limit, count) of each limit of orders in the ``rateLimits`` of an answer; none of what is not understood."""
    try:
        return list(_order_counts(msgspec.convert(rows or [], list[_RateLimit])))
    except msgspec.ValidationError:
        return []


def split_symbol(venue_symbol: str, quotes: Sequence[str] = manifest.QUOTE_ASSETS) -> tuple[str, str]:
    """``("BTC", "USDT")`` for ``BTCUSDT``: a known quote asset it ends with, else its last three letters.

    A guess, for recordings that have no exchangeInfo: the spelling alone does not say where the base ends.
    Among several quotes the one that leaves a known asset as base is taken (``BNB`` and ``USD``, not ``BN``
    and ``BUSD``), else the first.

    Raises:
        ValidationError: the spelling is too short to hold two assets.
    """
    splits = [
        (venue_symbol.removesuffix(quote), quote)
        for quote in quotes
        if venue_symbol.endswith(quote) and venue_symbol != quote
    ]
    for base, quote in splits:
        if base in quotes:
            return base, quote
    if splits:
        return splits[0]
    if len(venue_symbol) <= _FALLBACK_QUOTE_CHARS:
        raise ValidationError(f"{venue_symbol!r} is no pair of assets", op="instruments.split")
    return venue_symbol[:-_FALLBACK_QUOTE_CHARS], venue_symbol[-_FALLBACK_QUOTE_CHARS:]


def _name_of(raw: bytes) -> str:
    try:
        return msgspec.json.decode(raw, type=_SymbolName).symbol
    except msgspec.DecodeError:
        return "?"


def _instrument(listed: _Symbol, provider: str, now_ns: int) -> Instrument:
    symbol = public_symbol(listed.base_asset, listed.quote_asset)
    if symbol is None:
        raise ValidationError(
            f"{listed.base_asset!r} and {listed.quote_asset!r} make no BASE-QUOTE", op="instruments.read"
        )
    filters = {entry.filter_type: entry for entry in listed.filters}
    price, lot = filters.get("PRICE_FILTER", _NO_FILTER), filters.get("LOT_SIZE", _NO_FILTER)
    # NOTIONAL took the place of MIN_NOTIONAL; old recordings have the one, the venue of today the other.
    notional = filters.get("NOTIONAL") or filters.get("MIN_NOTIONAL", _NO_FILTER)
    price_scale = decimals_of(price.tick_size) if price.tick_size else listed.quote_asset_precision
    qty_scale = decimals_of(lot.step_size) if lot.step_size else listed.base_asset_precision
    return Instrument(
        provider=provider,
        symbol=symbol,
        venue_symbol=listed.symbol,
        base=listed.base_asset,
        quote=listed.quote_asset,
        status=_status(listed),
        price_scale=price_scale,
        qty_scale=qty_scale,
        tick_size_raw=raw_of(price.tick_size, price_scale),
        lot_size_raw=raw_of(lot.step_size, qty_scale),
        min_qty_raw=raw_at_least(lot.min_qty, qty_scale),
        max_qty_raw=raw_at_most(lot.max_qty, qty_scale) if lot.max_qty else None,
        min_notional=plain_text(notional.min_notional) if notional.min_notional else None,
        max_notional=plain_text(notional.max_notional) if notional.max_notional else None,
        order_types=tuple(kind for name, kind in _ORDER_TYPES.items() if name in listed.order_types),
        tifs=(TimeInForce.GTC, TimeInForce.IOC, TimeInForce.FOK),
        post_only_supported=_POST_ONLY in listed.order_types,
        ordering_mode=ORDERING,
        book_depths=manifest.BOOK_DEPTHS,
        updated_ns=now_ns,
    )


def _status(listed: _Symbol) -> InstrumentStatus:
    status = _STATUS.get(listed.status)
    if status is None:
        raise UnknownEnumError(f"unknown status {listed.status!r}", op="instruments.read")
    if status is InstrumentStatus.TRADING and not listed.is_spot_trading_allowed:
        return InstrumentStatus.HALTED
    return status
