"""The control bus: commands flow back, each is answered exactly once, the same message_id gets the same answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from engine.base.errors import EngineError
from engine.schema.command import Ack, Command, Handler, error_record

REPEAT_WINDOW_NS = 300 * 1_000_000_000


class ControlBus:
    """Delivers commands to whoever obeys them. Owned by the runtime; engine's loop only.

    Args:
        handlers: command type -> who obeys it.
        version: the routing version in force.
        on_ack: called with each new acknowledgement, to deliver it as an event.
        clock_ns: now.
    """

    def __init__(
        self,
        handlers: Mapping[str, Handler],
        version: Callable[[], int],
        on_ack: Callable[[Ack], None],
        clock_ns: Callable[[], int],
    ) -> None:
        self._handlers = dict(handlers)
        self._version = version
        self._on_ack = on_ack
        self._clock_ns = clock_ns
        self._answered: dict[tuple[str, str], tuple[int, Ack]] = {}

    def handle(self, command: Command) -> Ack:
        """Obey *command* once; a refusal is an answer, not an exception."""
        now_ns = self._clock_ns()
        key = (command.consumer_id, command.message_id)
        known = self._answered.get(key)
        if known is not None and now_ns - known[0] < REPEAT_WINDOW_NS:
            return known[1]
        error: EngineError | None = None
        try:
            command.check()
            self._handlers[command.type](command)
        except EngineError as refused:
            error = refused
        ack = Ack(
            message_id=command.message_id,
            consumer_id=command.consumer_id,
            command_type=command.type,
            success=error is None,
            routing_version=self._version(),
            error=None if error is None else error_record(error),
        )
        self._forget(now_ns)
        self._answered[key] = (now_ns, ack)
        self._on_ack(ack)
        return ack

    def _forget(self, now_ns: int) -> None:
        while self._answered:
            oldest = next(iter(self._answered))
            if now_ns - self._answered[oldest][0] < REPEAT_WINDOW_NS:
                return
            del self._answered[oldest]
