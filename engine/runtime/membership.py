"""Consumers that join and leave an engine while it runs (SUB-12): its loop waits for none of them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from engine.base.errors import CapacityError
from engine.runtime.assembly import Engine
from engine.schema.command import Ack

BEGINS_WITHIN_S = 30.0
GRACE_S = 0.5
"""How long the callback in hand may go on when its consumer leaves, before it is interrupted."""
ENDS_WITHIN_S = 1.0
"""After this long a leaving consumer whose callback cannot be interrupted is left to itself."""
_LOOK_EVERY_S = 0.002


async def join(
    engine: Engine,
    consumer_id: str,
    handler: object,
    subscriptions: Sequence[Mapping[str, Any]] = (),
    **options: Any,
) -> list[Ack]:
    """Connect a consumer, start it and subscribe it; answers the acknowledgements of its subscriptions.

    Args:
        engine: running, on this loop.
        consumer_id: its id.
        handler: the strategy.
        subscriptions: payloads of subscribe commands.
        options: further ones of :meth:`~engine.runtime.assembly.Engine.add_consumer`.

    Raises:
        ConfigError: the name is taken, or the handler has no method to call.
        CapacityError: its on_start takes too long.
        Exception: whatever on_start raised.
    """
    for name, left in list(engine.leaving.items()):
        if left.has_ended:  # it was stalled when it left
            with suppress(Exception):
                left.stop()
            engine.forget(name)
    runner = engine.add_consumer(consumer_id, handler, **options)
    try:
        runner.begin()
        if not await _until(lambda: runner.has_begun, BEGINS_WITHIN_S):
            raise CapacityError(f"on_start of consumer {consumer_id} takes more than 30 s", op="consumers.join")
        if runner.state != "running":
            runner.stop()  # raises what on_start did
    except BaseException:
        await leave(engine, consumer_id)
        raise
    engine.reporting.tell("consumer.state", consumer_id=consumer_id, **{"from": "starting", "to": runner.state})
    return [engine.command("subscribe", payload, consumer_id=consumer_id).ack for payload in subscriptions]


async def leave(engine: Engine, consumer_id: str) -> str:
    """Disconnect a consumer; answers ``stopped``, or ``stalled`` where its callback cannot be ended.

    What is queued of market data is given back, what is critical is still delivered. One that is stalled gets nothing
    any more, and gives back what it has in hand when its callback returns.

    Raises:
        UnknownSymbolError: there is no such consumer.
        Exception: whatever on_stop raised.
    """
    runner = engine.cut_off(consumer_id)
    before = runner.state
    runner.ask_to_stop()
    if not await _until(lambda: runner.has_ended, GRACE_S):
        runner.interrupt()
        if not await _until(lambda: runner.has_ended, ENDS_WITHIN_S - GRACE_S):
            engine.forget(consumer_id)
            engine.reporting.tell("consumer.state", consumer_id=consumer_id, **{"from": before, "to": "stalled"})
            return "stalled"
    try:
        runner.stop()
    finally:
        engine.forget(consumer_id)
        engine.reporting.tell("consumer.state", consumer_id=consumer_id, **{"from": before, "to": runner.state})
    return str(runner.state)


async def _until(holds: Callable[[], bool], within_s: float) -> bool:
    """Wait for what happens in a thread that knows nothing of this loop."""
    loop = asyncio.get_running_loop()
    deadline_s = loop.time() + within_s
    while not holds():
        if loop.time() >= deadline_s:
            return False
        await asyncio.sleep(_LOOK_EVERY_S)
    return True
