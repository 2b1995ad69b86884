"""How commands get to the control bus: from the engine's loop, from a consumer's thread, from an operator's."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from engine.base.errors import CapacityError, WrongThreadError
from engine.base.workers import Answer, Waiting
from engine.bus.control import ControlBus, has_outcome
from engine.schema.command import Ack, Command, Outcome, Reply, as_it_is

Post = Callable[[Callable[[], None]], object]


class Issuing:
    """Owned by the engine.

    Args:
        control: the bus.
        post: answers what runs a call on the engine's loop, or None while no loop runs.
        capacity: commands of one issuer that may wait for the loop; those beyond are refused.
        deliver: hands on what a command queued, where no read of a venue does.
        clock_ns: now.
    """

    def __init__(
        self,
        control: ControlBus,
        post: Callable[[], Post | None],
        capacity: int,
        deliver: Callable[[], None],
        clock_ns: Callable[[], int],
    ) -> None:
        self._control = control
        self._post = post
        self._capacity = capacity
        self._deliver = deliver
        self._clock_ns = clock_ns
        self._waiting: Counter[tuple[str, str]] = Counter()
        self._numbered = 0

    def on_loop(self, command: Command) -> Reply[Outcome]:
        """Obey at once: for callbacks on the engine's loop, or where its thread waits for the caller's."""
        ack = self._control.handle(command)
        return Reply(command.type, lambda timeout_s: ack, self._outcome_of(command, self._outcome_now), as_it_is)

    def from_thread(self, command: Command) -> Reply[Outcome]:
        """Obey on the engine's loop; the reply waits for it."""
        post = self._post()
        if post is None:
            return self.on_loop(command)
        refusal = None
        if self._waiting[command.issuer] >= self._capacity:
            refusal = CapacityError(
                f"{self._capacity} commands wait already",
                op=command.type,
                hint="wait for replies, or raise bus.control_capacity",
            )
        self._waiting[command.issuer] += 1
        answer: Answer[Ack] = Answer()
        post(partial(self._answer, command, refusal, answer))
        return Reply(command.type, answer.get, self._outcome_of(command, self._control.wait_outcome), as_it_is)

    def of_operator(
        self, kind: str, payload: Mapping[str, Any], consumer_id: str, operator: str, message_id: str | None
    ) -> Reply[Outcome]:
        """A command from whichever thread, of an operator or in a consumer's name."""
        command = self._command(kind, payload, consumer_id, operator, message_id)
        if self._post() is not None and not Waiting.on_loop():
            return self.from_thread(command)
        reply = self.on_loop(command)
        self._deliver()
        return reply

    def _command(
        self, kind: str, payload: Mapping[str, Any], consumer_id: str, operator: str, message_id: str | None
    ) -> Command:
        self._numbered += 1
        return Command(
            message_id=message_id or f"{consumer_id or operator}:{self._numbered}",
            consumer_id=consumer_id,
            operator="" if consumer_id else operator,
            type=kind,
            payload=dict(payload),
            ts_ns=self._clock_ns(),
        )

    async def obeyed(
        self, kind: str, payload: Mapping[str, Any], consumer_id: str, operator: str, message_id: str | None,
        timeout_s: float,
    ) -> tuple[Ack, Outcome | None]:
        """As of_operator(), in a coroutine on the engine's loop; with what came of it where that takes no longer."""
        command = self._command(kind, payload, consumer_id, operator, message_id)
        ack = self._control.handle(command)
        self._deliver()
        if not ack.success or not has_outcome(command):
            return ack, None
        return ack, await self._control.until_outcome(command, timeout_s)

    def _answer(self, command: Command, refusal: CapacityError | None, answer: Answer[Ack]) -> None:
        self._waiting[command.issuer] -= 1
        if not self._waiting[command.issuer]:
            del self._waiting[command.issuer]
        answer.give(self._control.handle(command, refusal))
        self._deliver()

    def _outcome_now(self, command: Command, timeout_s: float) -> Outcome:
        outcome = self._control.outcome_of(command)
        if outcome is None:
            raise WrongThreadError(f"{command.type} takes more than a moment, and the engine's loop must not wait",
                                   op=command.type, hint="the ControlResult event tells what came of it")  # fmt: skip
        return outcome

    @staticmethod
    def _outcome_of(
        command: Command, find: Callable[[Command, float], Outcome | None]
    ) -> Callable[[float], Outcome | None] | None:
        return partial(find, command) if has_outcome(command) else None
