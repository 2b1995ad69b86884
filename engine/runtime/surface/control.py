"""Commands of operators and of consumers, by HTTP."""

from __future__ import annotations

from engine.runtime.surface.calls import Answer, Call, acknowledged
from engine.runtime.surface.requests import payload_of

_ACCEPTED = 202


async def subscribe(call: Call) -> Answer:
    """Subscribe a consumer; the same content again is the same subscription."""
    return await _in_the_name_of_a_consumer(call, "subscribe")


async def unsubscribe(call: Call) -> Answer:
    """End a subscription of a consumer."""
    return await _in_the_name_of_a_consumer(call, "unsubscribe")


async def merged_subscribe(call: Call) -> Answer:
    """Subscribe a consumer to several providers' events as one."""
    return await _in_the_name_of_a_consumer(call, "merged_subscribe")


async def _in_the_name_of_a_consumer(call: Call, kind: str) -> Answer:
    consumer_id = call.consumer(call.body.consumer_id) or ""
    return Answer(acknowledged(*await call.obey(kind, payload_of(call.body), consumer_id=consumer_id)))


async def set_trading_mode(call: Call) -> Answer:
    """Switch a consumer's trading on or off; off counts from the answer on."""
    consumer_id = call.consumer(call.body.consumer_id) or ""
    if call.caller.consumer_id:
        found = await call.obey("set_trading_mode", payload_of(call.body), consumer_id=consumer_id)
    else:
        found = await call.obey("set_trading_mode", {**payload_of(call.body), "consumer_id": consumer_id})
    return Answer(acknowledged(*found))


async def start_provider(call: Call) -> Answer:
    """Bring a stopped provider up."""
    found = await call.obey("provider_start", {"provider": call.provider()})
    return Answer(acknowledged(*found), _ACCEPTED)


async def stop_provider(call: Call) -> Answer:
    """End a provider's connections; the engine goes on."""
    found = await call.obey("provider_stop", {"provider": call.provider()})
    return Answer(acknowledged(*found), _ACCEPTED)


async def drain(call: Call) -> Answer:
    """Take dead letters out, oldest first."""
    return Answer(await call.result("drain_dlq", {"limit": call.query.limit}))


async def set_debug(call: Call) -> Answer:
    """Poison recycled events, or no longer."""
    return Answer(await call.result("set_debug", payload_of(call.body)))


async def set_log_level(call: Call) -> Answer:
    """Log lines from a level on."""
    return Answer(await call.result("set_log_level", payload_of(call.body)))


async def shutdown(call: Call) -> Answer:
    """End the run in order, as SIGTERM does."""
    call.stop()
    return Answer({"stopping": True}, _ACCEPTED)
