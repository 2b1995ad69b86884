"""What is asked for, as an order: checked, its provider found, its texts made integers (ORDM-01, TRD-01, 07, 08)."""

from __future__ import annotations

from collections.abc import Mapping
from uuid import uuid4

from engine.base.decimals import to_raw
from engine.base.errors import ScaleOverflowError, UnknownSymbolError, ValidationError
from engine.orders.wireid import checked_client_order_id
from engine.schema.enums import Side
from engine.schema.event import parse_uuid
from engine.schema.instrument import Instrument, OrderType, TimeInForce
from engine.schema.order import OrderRequest
from engine.schema.payloads import SubmitRequest

_OP = "submit_order"
_TIFS = {OrderType.LIMIT: TimeInForce.GTC, OrderType.MARKET: TimeInForce.IOC}


def order_of(
    asked: SubmitRequest,
    consumer_id: str,
    instruments: Mapping[str, Instrument],
    *,
    now_ns: int,
    timeout_ms: int,
    trace_id: str = "",
) -> OrderRequest:
    """The order of a payload.

    Args:
        asked: the payload.
        consumer_id: whose order.
        instruments: the symbol's, by provider that takes orders of it.
        now_ns: stamps it.
        timeout_ms: where the payload says none.
        trace_id: of the event that led to it; a new one is made where none did.

    Raises:
        ValidationError: a field that cannot be, by its name.
        ScaleOverflowError: price or quantity does not fit 64 bits.
        UnknownSymbolError: no provider takes orders of the symbol, or several and none is named.
    """
    checked_client_order_id(asked.client_order_id)
    instrument = _instrument(asked, instruments)
    order_type = OrderType[asked.order_type.upper()]
    if (asked.price is None) is not (order_type is OrderType.MARKET):
        needs = "takes no price" if order_type is OrderType.MARKET else "needs a price"
        raise ValidationError(f"price: a {asked.order_type} order {needs}", op=_OP)
    tif = _TIFS[order_type] if asked.tif is None else TimeInForce[asked.tif.upper()]
    if order_type is OrderType.MARKET and tif is TimeInForce.GTC:
        raise ValidationError("tif: a market order does not stand", op=_OP)
    if asked.post_only and (order_type is OrderType.MARKET or tif is not TimeInForce.GTC):
        raise ValidationError("post_only: only an order that may stand makes alone", op=_OP)
    return OrderRequest(
        client_order_id=asked.client_order_id,
        consumer_id=consumer_id,
        provider=instrument.provider,
        symbol=asked.symbol,
        side=Side[asked.side.upper()],
        order_type=order_type,
        price_raw=None if asked.price is None else _positive("price", asked.price, instrument.price_scale),
        qty_raw=_positive("qty", asked.qty, instrument.qty_scale),
        price_scale=instrument.price_scale,
        qty_scale=instrument.qty_scale,
        created_ns=now_ns,
        tif=tif,
        post_only=asked.post_only,
        timeout_ms=asked.timeout_ms or timeout_ms,
        trace_id=_uuid("trace_id", trace_id) if trace_id else str(uuid4()),
        decision_id="" if asked.decision_id is None else _uuid("decision_id", asked.decision_id),
    )


def _instrument(asked: SubmitRequest, instruments: Mapping[str, Instrument]) -> Instrument:
    if asked.provider is not None:
        found = instruments.get(asked.provider)
        if found is None:
            raise UnknownSymbolError(
                f"provider {asked.provider} takes no orders of {asked.symbol}", op=_OP, symbol=asked.symbol
            )
        return found
    if len(instruments) != 1:
        who = f"{', '.join(sorted(instruments))} take" if instruments else "no provider takes"
        ask = ": name one" if instruments else ""
        raise UnknownSymbolError(f"{who} orders of {asked.symbol}{ask}", op=_OP, symbol=asked.symbol)
    return next(iter(instruments.values()))


def _positive(name: str, text: str, scale: int) -> int:
    try:
        raw = to_raw(text, scale)
    except (ValidationError, ScaleOverflowError) as error:
        raise type(error)(f"{name}: {error.reason}", op=_OP, hint=error.hint) from None
    if raw <= 0:
        raise ValidationError(f"{name}: {text} is not above 0", op=_OP)
    return raw


def _uuid(name: str, text: str) -> str:
    try:
        halves = parse_uuid(text)
    except ValueError as error:
        raise ValidationError(f"{name}: {error}", op=_OP) from None
    if halves == (0, 0):
        raise ValidationError(f"{name}: 0 names nothing", op=_OP)
    return text
