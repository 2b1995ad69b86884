"""The control bus: commands flow back, each is answered exactly once, the same message_id gets the same answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from engine.base.build import planted
from engine.base.errors import ConflictError, EngineError
from engine.base.workers import Waiting
from engine.schema.command import COMMANDS, Ack, Command, Handler, Outcome, Result, error_record

REPEAT_WINDOW_NS = 300 * 1_000_000_000


class _Answered(msgspec.Struct, gc=False):
    """One command that was answered, for as long as it may come again."""

    command: Command
    at_ns: int
    ack: Ack
    outcome: Outcome | None = None

    def is_repeated_by(self, command: Command) -> bool:
        return (self.command.type, self.command.payload) == (command.type, command.payload)


class ControlBus:
    """Delivers commands to whoever obeys them. Owned by the runtime; engine's loop only, but for wait_outcome().

    Args:
        handlers: command type -> who obeys it.
        version: the routing version in force.
        on_ack: called with each new acknowledgement, to deliver it as an event.
        on_result: called with each result, always after its acknowledgement.
        clock_ns: now.
    """

    def __init__(
        self,
        handlers: Mapping[str, Handler],
        version: Callable[[], int],
        on_ack: Callable[[Ack], None],
        on_result: Callable[[Result], None],
        clock_ns: Callable[[], int],
    ) -> None:
        self._handlers = dict(handlers)
        self._version = version
        self._on_ack = on_ack
        self._on_result = on_result
        self._clock_ns = clock_ns
        self._answered: dict[tuple[tuple[str, str], str], _Answered] = {}
        self._waiting = Waiting()

    def handle(self, command: Command, refusal: EngineError | None = None) -> Ack:
        """Obey *command* once; a refusal is an answer, not an exception.

        Args:
            command: of any shape.
            refusal: why it is not obeyed whatever it asks for.
        """
        now_ns = self._clock_ns()
        self._forget(now_ns)
        known = None if planted("control.obey_repeats") else self._known(command)
        if known is not None and known.is_repeated_by(command):
            return known.ack
        outcome, error = None, refusal
        try:
            if error is None:
                outcome = self._obey(command, is_id_taken=known is not None)
        except EngineError as refused:
            # Without its frames: they would keep those that called, and what a callback has in hand with them.
            error = refused.with_traceback(None)
        ack = Ack(
            message_id=_text(command.message_id),
            consumer_id=_text(command.consumer_id),
            command_type=_text(command.type),
            success=error is None,
            routing_version=self._version(),
            error=None if error is None else error_record(error),
        )
        if known is None and _is_named(command):
            self._answered[command.issuer, command.message_id] = _Answered(command, now_ns, ack)
        is_early = planted("control.result_first")
        if outcome is not None and is_early:
            self.finish(command, outcome)
        self._on_ack(ack)
        if outcome is not None and not is_early:
            self.finish(command, outcome)
        return ack

    def finish(self, command: Command, outcome: Outcome) -> None:
        """Tell what an acknowledged command came to; once."""
        entry = self._known(command)
        if entry is not None:
            entry.outcome = outcome
        self._on_result(
            Result(
                message_id=command.message_id,
                consumer_id=command.consumer_id,
                command_type=command.type,
                routing_version=self._version(),
                result=outcome,
            )
        )
        self._waiting.notify()

    def outcome_of(self, command: Command) -> Outcome | None:
        """What a command came to, while its message_id is remembered; None = nothing, or not yet."""
        entry = self._known(command)
        return None if entry is None else entry.outcome

    def wait_outcome(self, command: Command, timeout_s: float) -> Outcome | None:
        """As outcome_of(), waiting for it; for threads other than the engine's."""
        return self._waiting.until(lambda: self.outcome_of(command), timeout_s)

    async def until_outcome(self, command: Command, timeout_s: float) -> Outcome | None:
        """As wait_outcome(), for coroutines on the engine's loop."""
        return await self._waiting.until_async(lambda: self.outcome_of(command), timeout_s)

    def forget_issuer(self, consumer_id: str) -> None:
        """A consumer joins: message ids of an earlier one of its name are none of its own."""
        for key in [key for key in self._answered if key[0] == (consumer_id, "")]:
            del self._answered[key]

    def _obey(self, command: Command, *, is_id_taken: bool) -> Outcome | None:
        command.check()
        if is_id_taken:
            raise ConflictError(
                f"message_id {command.message_id} was used for another command", op=command.type, hint="use a new one"
            )
        return self._handlers[command.type](command)

    def _known(self, command: Command) -> _Answered | None:
        return self._answered.get((command.issuer, command.message_id)) if _is_named(command) else None

    def _forget(self, now_ns: int) -> None:
        while self._answered:
            oldest = next(iter(self._answered))
            if now_ns - self._answered[oldest].at_ns < REPEAT_WINDOW_NS:
                return
            del self._answered[oldest]


def has_outcome(command: Command) -> bool:
    """Whether a result follows the acknowledgement of success."""
    kind = COMMANDS.get(command.type)
    return kind is not None and kind.has_outcome


def _is_named(command: Command) -> bool:
    """Whether issuer and message_id can be remembered."""
    is_given = isinstance(command.consumer_id, str) and isinstance(command.operator, str)
    return is_given and isinstance(command.message_id, str)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
