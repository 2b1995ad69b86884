"""Orders, positions and risk on the surface: commands to the desk, and what it knows."""

from __future__ import annotations

import msgspec

from engine.base.errors import ValidationError
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
    rows = [
        order
        for order in call.orders().ledger.tracker.orders()
        if wanted in (None, order.request.consumer_id)
        and query.state in (None, wire_name(order.state))
        and query.symbol in (None, order.request.symbol)
    ]
    found = page("orders", rows, query)
    return Answer({**found, "orders": [order_record(order) for order in found["orders"]]})


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
    rows = [msgspec.to_builtins(row) for row in call.orders().risk.exposures() if wanted in (None, row.consumer_id)]
    return Answer(page("positions", rows, call.query))


async def limits(call: Call) -> Answer:
    """Limits in force, and what holds orders back."""
    orders = call.orders()
    breakers = orders.risk.open_breakers()
    held = {"kill_switch": msgspec.to_builtins(orders.risk.kill), "open_breakers": breakers, "held": orders.held()}
    return Answer({**orders.limits(), **held})


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
