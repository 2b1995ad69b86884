"""Coinbase's products as instruments: the body of GET /api/v3/brokerage/market/products (or of one product).

Source: docs.cdp.coinbase.com, List Public Products.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

import msgspec

from engine.base.errors import MisuseError, UnknownEnumError, ValidationError
from engine.providers.coinbase import manifest
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
    EventType.BOOK_SNAPSHOT: OrderingMode.CONTIGUOUS,
    EventType.BOOK_UPDATE: OrderingMode.CONTIGUOUS,
    EventType.TRADE: OrderingMode.CONTIGUOUS,
    EventType.TICKER: OrderingMode.NONE,
    EventType.KLINE_SUMMARY: OrderingMode.NONE,
}
_STATUS = {
    "online": InstrumentStatus.TRADING,
    "offline": InstrumentStatus.HALTED,
    "delisted": InstrumentStatus.DELISTED,
}


class _Product(msgspec.Struct):
    product_id: str
    base_currency_id: str
    quote_currency_id: str
    base_increment: Decimal
    status: str
    price_increment: Decimal | None = None
    quote_increment: Decimal | None = None
    base_min_size: Decimal | None = None
    base_max_size: Decimal | None = None
    quote_min_size: Decimal | None = None
    quote_max_size: Decimal | None = None
    product_type: str = "SPOT"
    alias: str = ""
    alias_to: list[str] = []
    trading_disabled: bool = False
    is_disabled: bool = False
    view_only: bool = False
    cancel_only: bool = False
    post_only: bool = False
    limit_only: bool = False
    auction_mode: bool = False


class _Products(msgspec.Struct):
    products: list[msgspec.Raw]


class _ProductName(msgspec.Struct):
    product_id: str = "?"


def instruments_of(
    body: bytes, provider: str = manifest.VENUE, now_ns: int = 0
) -> tuple[list[Instrument], list[Skipped]]:
    """The spot instruments of a products body, sorted by symbol, and what had to be left out.

    A product that is another name of one in the same body (BTC-USDC of BTC-USD) is no instrument of its own:
    it stands in the other's aliases.

    Raises:
        ValidationError: the body is not of that shape.
    """
    instruments: dict[str, Instrument] = {}
    skipped: list[Skipped] = []
    products = []
    for raw in _listed(body):
        try:
            product = msgspec.json.decode(raw, type=_Product)
        except msgspec.ValidationError as error:
            skipped.append(Skipped(_name_of(raw), str(error)))
            continue
        if product.product_type == "SPOT":
            products.append(product)
    names = {product.product_id for product in products}
    for product in products:
        if product.alias in names:
            continue
        try:
            instrument = _instrument(product, provider, now_ns)
        except (MisuseError, UnknownEnumError) as error:
            skipped.append(Skipped(product.product_id, error.reason))
            continue
        instruments[instrument.symbol] = instrument
    return [instruments[symbol] for symbol in sorted(instruments)], skipped


def alias_map(instruments: Iterable[Instrument]) -> dict[str, str]:
    """Public symbol of each other name to the symbol under which market data comes: BTC-USDC to BTC-USD.

    The venue answers a subscription of the one with messages of the other.
    """
    return {alias: instrument.symbol for instrument in instruments for alias in instrument.aliases}


def _listed(body: bytes) -> list[msgspec.Raw]:
    try:
        return msgspec.json.decode(body, type=_Products).products
    except msgspec.ValidationError:
        # No list: perhaps a single product.
        if _name_of(body) != "?":
            return [msgspec.Raw(body)]
        raise ValidationError("not a products body", op="instruments.read", raw=body) from None
    except msgspec.DecodeError as error:
        raise ValidationError(f"not JSON: {error}", op="instruments.read", raw=body) from error


def _name_of(raw: bytes) -> str:
    try:
        return msgspec.json.decode(raw, type=_ProductName).product_id
    except msgspec.DecodeError:
        return "?"


def _instrument(product: _Product, provider: str, now_ns: int) -> Instrument:
    base, quote = product.base_currency_id, product.quote_currency_id
    symbol = public_symbol(base, quote)
    if symbol is None:
        raise ValidationError(f"{base!r} and {quote!r} make no BASE-QUOTE", op="instruments.read")
    tick = product.price_increment if product.price_increment is not None else product.quote_increment
    if tick is None:
        raise ValidationError("no price_increment", op="instruments.read")
    price_scale, qty_scale = decimals_of(tick), decimals_of(product.base_increment)
    return Instrument(
        provider=provider,
        symbol=symbol,
        # Where only the other name is listed, the wire still speaks the alias' target.
        venue_symbol=product.alias or product.product_id,
        aliases=tuple(sorted(alias for alias in product.alias_to if _is_symbol(alias))),
        base=base,
        quote=quote,
        status=_status(product),
        price_scale=price_scale,
        qty_scale=qty_scale,
        tick_size_raw=raw_of(tick, price_scale),
        lot_size_raw=raw_of(product.base_increment, qty_scale),
        min_qty_raw=raw_at_least(product.base_min_size or Decimal(0), qty_scale),
        max_qty_raw=raw_at_most(product.base_max_size, qty_scale) if product.base_max_size else None,
        min_notional=plain_text(product.quote_min_size) if product.quote_min_size else None,
        max_notional=plain_text(product.quote_max_size) if product.quote_max_size else None,
        order_types=(OrderType.LIMIT, OrderType.MARKET),
        tifs=(TimeInForce.GTC, TimeInForce.IOC, TimeInForce.FOK),
        post_only_supported=True,
        ordering_mode=ORDERING,
        book_depths=manifest.BOOK_DEPTHS,
        updated_ns=now_ns,
    )


def _status(product: _Product) -> InstrumentStatus:
    """The strictest of what the product says of itself."""
    status = _STATUS.get(product.status)
    if status is None:
        raise UnknownEnumError(f"unknown status {product.status!r}", op="instruments.read")
    if status is not InstrumentStatus.TRADING:
        return status
    if product.trading_disabled or product.is_disabled or product.view_only:
        return InstrumentStatus.HALTED
    if product.cancel_only:
        return InstrumentStatus.CANCEL_ONLY
    if product.post_only:
        return InstrumentStatus.POST_ONLY
    if product.limit_only or product.auction_mode:
        return InstrumentStatus.LIMIT_ONLY
    return InstrumentStatus.TRADING


def _is_symbol(text: str) -> bool:
    base, _, quote = text.partition("-")
    return public_symbol(base, quote) is not None
