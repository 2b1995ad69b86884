"""Orders, positions and risk on the surface: commands to the desk, and what it knows."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from engine.base.errors import ValidationError
from engine.base.instants import to_rfc3339
from engine.orders.records import KillState
from engine.orders.refusals import Exposure
from engine.runtime.catalogue import Catalogue
from engine.runtime.surface.calls import Answer, Call, page
from engine.runtime.surface.requests import payload_of
from engine.schema.enums import wire_name
from engine.schema.order import OrderState
from engine.schema.orderrecords import order_record

_ACCEPTED = 202
_STATES = tuple(wire_name(state) for state in OrderState)


async def orders(call: Call) -> Answer:
    """Orders that are known, of a consumer, in a state, of a symbol."""
    query = call.query
    wanted = call.consumer(query.consumer_id)
    if query.state is not None and query.state not in _STATES:
        raise ValidationError(f"state {query.state!r} is none of {', '.join(_STATES)}", op="orders.list")
    known = call.orders().ledger.tracker.orders()

    def told() -> dict[str, Any]:
        rows = [
            order
            for order in known
            if wanted in (None, order.request.consumer_id)
            and query.state in (None, wire_name(order.state))
            and query.symbol in (None, order.request.symbol)
        ]
        found = page("orders", rows, query)
        return {**found, "orders": [order_record(order) for order in found["orders"]]}

    return Answer(told)


async def submit(call: Call) -> Answer:
    """Submit an order of a consumer; 202 where it was sent, 200 where there was nothing to send."""
    consumer_id = call.consumer(call.body.consumer_id) or ""
    reply = await call.result("submit_order", payload_of(call.body), consumer_id=consumer_id)
    return Answer(reply, _ACCEPTED if reply.get("status") == "submitted" else 200)


async def order(call: Call) -> Answer:
    """One order as its venue has it."""
    return Answer(await call.result("query_order", _named(call), consumer_id=_owner(call)))


async def cancel(call: Call) -> Answer:
    """Ask for the end of one order, which comes as a report."""
    return Answer(await call.result("cancel_order", _named(call), consumer_id=_owner(call)), _ACCEPTED)


def _owner(call: Call) -> str:
    return call.consumer(call.path["consumer_id"]) or ""


def _named(call: Call) -> dict[str, str]:
    return {"client_order_id": call.path["client_order_id"]}


async def cancel_all(call: Call) -> Answer:
    """Ask for the end of all open orders, of a consumer, at a provider, of a symbol."""
    consumer_id = call.consumer(call.body.consumer_id) or ""
    return Answer(await call.result("cancel_all", payload_of(call.body), consumer_id=consumer_id), _ACCEPTED)


async def positions(call: Call) -> Answer:
    """Positions by consumer, provider and symbol."""
    wanted = call.consumer(call.query.consumer_id)
    found = page("positions", [row for row in call.orders().risk.exposures() if wanted in (None, row.consumer_id)],
                 call.query)  # fmt: skip
    return Answer({**found, "positions": [_position(row, call.live.engine.catalogue) for row in found["positions"]]})


def _position(row: Exposure, catalogue: Catalogue) -> dict[str, Any]:
    """At the instrument's own scale, where it is known."""
    instrument = catalogue.of_symbol(row.symbol).get(row.provider)
    scale = None if instrument is None else instrument.qty_scale
    return {
        "consumer_id": row.consumer_id,
        "provider": row.provider,
        "symbol": row.symbol,
        **{name: _text(getattr(row, name), scale) for name in ("net_qty", "open_buy", "open_sell")},
        "open_orders": row.open_orders,
        "fees": [{"asset": fee.asset, "amount": f"{fee.amount:f}"} for fee in row.fees],
    }


def _text(value: Decimal, scale: int | None) -> str:
    if scale is not None and value == (fitting := round(value, scale)):
        return f"{fitting:f}"
    return f"{value:f}"


async def limits(call: Call) -> Answer:
    """Limits in force, and what holds orders back."""
    orders = call.orders()
    breakers = {name: to_rfc3339(until_ns) for name, until_ns in orders.risk.open_breakers().items()}
    return Answer({**orders.limits(), "kill_switch": _kill(orders.risk.kill), "open_breakers": breakers,
                   "held": orders.held()})  # fmt: skip


def _kill(state: KillState) -> dict[str, Any]:
    return {
        "is_on": state.is_on,
        "since": to_rfc3339(state.since_ns) if state.since_ns else None,
        "breach": wire_name(state.breach) if state.breach else None,
        "breaker_opens": state.breaker_opens,
        "operator": state.operator or None,
        "text": state.text,
    }


async def set_limits(call: Call) -> Answer:
    """Change limits; those in force afterwards. 422: they cannot be, and the old ones stay."""
    payload = {**payload_of(call.body), **_of_consumer(call)}
    return Answer(await call.result("set_risk_limits", payload, is_422=True))


async def kill(call: Call) -> Answer:
    """Throw the kill switch, or release it."""
    return Answer(await call.result("set_kill_switch", payload_of(call.body)))


async def clear(call: Call) -> Answer:
    """Close a consumer's circuit breaker before its time, or release a provider whose reconciliation is overdue."""
    return Answer(await call.result("clear_breaker", {**payload_of(call.body), **_of_consumer(call)}))


def _of_consumer(call: Call) -> dict[str, str]:
    named = call.consumer(call.body.consumer_id)
    return {} if named is None else {"consumer_id": named}
