"""A strategy written as one coroutine: ``run(ctx)`` with ``async for events in ctx.batches()`` (CTL-15), inline.

An inline callback runs inside the engine's own loop, so the coroutine is stepped there, from one batch to the next:
no task, no wake-up, and the same order in a replay as live. It may await batches and replies; anything else would
make the engine wait for it and is refused.
"""

from __future__ import annotations

import inspect
from collections.abc import Coroutine, Generator
from typing import Any, Self

from engine.base.errors import ConfigError, MisuseError
from engine.consumers.context import attach_batches


class BatchRun:
    """Drives the coroutine of one handler. Owned by its runner; engine's loop only.

    The list handed out is emptied when the coroutine asks for the next one. DANGER: a loop variable outlives its
    batch in a coroutine; ``del event`` after the loop, or that one event escapes from its pool (it stays readable).

    Args:
        handler: has a coroutine function ``run(ctx)``.
        context: handed to it.

    Raises:
        ConfigError: ``run`` is a plain method.
    """

    def __init__(self, handler: Any, context: Any) -> None:
        if not inspect.iscoroutinefunction(handler.run):
            raise ConfigError(
                f"run of handler {type(handler).__name__} is no coroutine", op="consumers.start", hint="async def run"
            )
        self._handler = handler
        self._context = context
        self._coroutine: Coroutine[Any, Any, None] | None = None
        self._batch: list[Any] = []
        self._is_ending = False
        self._has_returned = False

    def start(self) -> None:
        """Run the coroutine up to its first batch."""
        attach_batches(self._context, self)
        self._coroutine = self._handler.run(self._context)
        self._step()

    def on_batch(self, events: list[Any], ctx: Any) -> None:
        """Hand *events* to the coroutine; returns when it asks for more.

        One that failed is begun anew with the next batch, one that returned is left alone.
        """
        if self._has_returned:
            return
        if self._coroutine is None:
            self.start()
        self._batch += events
        try:
            self._step()
        finally:
            self._batch.clear()

    def stop(self) -> None:
        """There are no more batches: the coroutine's loop ends and the rest of it runs."""
        self._is_ending = True
        if self._coroutine is not None:
            self._step()

    # -- the asynchronous iterator of ctx.batches() -----------------------------------------------------------

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> list[Any]:
        await _NEXT
        if self._is_ending:
            raise StopAsyncIteration
        return self._batch

    def _step(self) -> None:
        """Run the coroutine until it waits for a batch, returns or fails."""
        coroutine, self._coroutine = self._coroutine, None
        if coroutine is None:
            return
        try:
            waits_for = coroutine.send(None)
            while waits_for is not _NEXT:
                waits_for = coroutine.throw(_refusal(waits_for))
        except StopIteration:
            self._has_returned = True
            return
        if self._is_ending:
            coroutine.close()  # it asks for more although there is no more
        else:
            self._coroutine = coroutine


class _Next:
    """What the coroutine yields to the runner while it waits for its next batch."""

    def __await__(self) -> Generator[_Next, None, None]:
        yield self


_NEXT = _Next()


def _refusal(waits_for: object) -> MisuseError:
    what = "a turn of the loop" if waits_for is None else type(waits_for).__name__
    return MisuseError(
        f"an inline run(ctx) awaits batches and replies only, not {what}",
        op="consumers.run",
        hint="leave waiting for other things to a consumer that does not run inside the engine's loop",
    )
