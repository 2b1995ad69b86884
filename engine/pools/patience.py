"""Callers off the hot path that wait for a slot, from a thread or a coroutine, up to a deadline (MEM-14)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol, TypeVar

from engine.base.errors import PoolTimeoutError, WrongThreadError
from engine.base.workers import Waiting
from engine.pools.sizes import RecyclerStatistics
from engine.schema.enums import EventType

Taken = TypeVar("Taken")


class Pools(Protocol):
    """What of the Recycler is asked here."""

    def statistics(self) -> RecyclerStatistics:
        """Every pool."""

    def outstanding(self, limit: int = ...) -> list[dict[str, Any]]:
        """What is out, longest first."""


class Patience:
    """Waits until look() finds something. One of each Recycler, made when the first caller has to wait.

    Args:
        pools: what is waited for.
        tell: called as tell(kind, **metadata) when a caller waited in vain.
    """

    def __init__(self, pools: Pools, tell: Callable[..., None]) -> None:
        self._pools = pools
        self._tell = tell
        self._waiting = Waiting()
        self.notify = self._waiting.notify

    def wait(self, event_type: EventType, look: Callable[[], Taken | None], timeout_s: float) -> Taken:
        """Wait in this thread.

        Raises:
            PoolTimeoutError: nothing came back in time; names pool, use, capacity and the longest holder.
        """
        found = self._waiting.until(look, timeout_s)
        if found is None:
            raise self.timed_out(event_type, timeout_s)
        return found

    async def wait_async(self, event_type: EventType, look: Callable[[], Taken | None], timeout_s: float) -> Taken:
        """The same in a coroutine, without holding its loop."""
        found = await self._waiting.until_async(look, timeout_s)
        if found is None:
            raise self.timed_out(event_type, timeout_s)
        return found

    def drained(self, timeout_s: float) -> bool:
        """Wait in this thread until every pool is at rest; whether it is."""
        return self._waiting.until(lambda: self._pools.statistics().balanced or None, timeout_s) is not None

    def timed_out(self, event_type: EventType, timeout_s: float) -> PoolTimeoutError:
        """The error of a caller that waited in vain."""
        name = event_type.class_name
        row = self._pools.statistics().pools[name]
        out: list[Mapping[str, Any]] = [held for held in self._pools.outstanding() if held["type"] == name]
        holder = f"slot {out[0]['index']} of {out[0]['holder']}" if out else None
        waited_ms = int(timeout_s * 1000)
        self._tell("pool.exhausted", pool=name, in_use=row.in_use, capacity=row.capacity, waited_ms=waited_ms)
        return PoolTimeoutError(
            f"no {name} in {waited_ms} ms: {row.in_use} of {row.capacity} in use, longest: {holder}",
            op="pools.acquire",
            pool=name,
            in_use=row.in_use,
            capacity=row.capacity,
            holder=holder,
        )


def refuse_on_loop(op: str, what: str, hint: str) -> None:
    """Raise where an event loop runs.

    Raises:
        WrongThreadError: waiting would hold the loop.
    """
    if Waiting.on_loop():
        raise WrongThreadError(f"{what} waits and was called on an event loop's thread", op=op, hint=hint)
