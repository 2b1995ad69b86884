"""Commands on the control bus and their answers (model.md CTL-30)."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeAlias, TypeVar

import msgspec

from engine.base.errors import CapacityError, EngineError, MisuseError, NotPermittedError, ValidationError

MESSAGE_ID_MAX = 64
OPERATOR_MAX = 64
MARKET_TYPES = ("BookSnapshot", "BookUpdate", "Trade", "Ticker", "KlineSummary", "InstrumentUpdate")
SUBSCRIBABLE_TYPES = (*MARKET_TYPES, "BalanceUpdate")
Found = TypeVar("Found")
Other = TypeVar("Other")
Payload = TypeVar("Payload", bound=msgspec.Struct)
Shape: TypeAlias = type[Payload]
Outcome = dict[str, Any]
"""What a command came to: a JSON object, by type of command."""


@dataclass(frozen=True)
class CommandKind:
    """One type of command.

    Attributes:
        by_consumer, by_operator: who may give it.
        has_outcome: whether a result follows the acknowledgement of success.
    """

    by_consumer: bool = True
    by_operator: bool = True
    has_outcome: bool = True


_OWN = CommandKind(by_operator=False)
_OPERATORS = CommandKind(by_consumer=False)
COMMANDS: Mapping[str, CommandKind] = {
    "subscribe": _OWN,
    "unsubscribe": _OWN,
    "merged_subscribe": _OWN,
    "merged_unsubscribe": _OWN,
    "set_trading_mode": CommandKind(has_outcome=False),
    "submit_order": CommandKind(),
    "cancel_order": CommandKind(),
    "query_order": CommandKind(),
    "cancel_all": CommandKind(),
    "request_snapshot": CommandKind(),
    "provider_start": _OPERATORS,
    "provider_stop": _OPERATORS,
    "set_risk_limits": _OPERATORS,
    "set_kill_switch": _OPERATORS,
    "clear_breaker": _OPERATORS,
    "set_debug": _OPERATORS,
    "set_log_level": _OPERATORS,
    "drain_dlq": _OPERATORS,
}
"""Every type of command there is."""


class Command(msgspec.Struct, frozen=True, kw_only=True, gc=False, forbid_unknown_fields=True):
    """One command of a consumer, or of an operator.

    Attributes:
        message_id: 1..64 characters, unique per issuer; the same one again gets the first answer again.
        type: a key of :data:`COMMANDS`.
        payload: what it is about.
        ts_ns: when it was given.
        consumer_id, operator: who gives it, one of the two; the other is empty.
        trace_id: of the event that led to it, where there is one.
        was_trading: whether the consumer that gives it might trade when it did.
    """

    message_id: str
    type: str
    payload: dict[str, Any]
    ts_ns: int
    consumer_id: str = ""
    operator: str = ""
    trace_id: str = ""
    was_trading: bool = True

    @property
    def issuer(self) -> tuple[str, str]:
        """Who gives it: (consumer_id, operator)."""
        return self.consumer_id, self.operator

    def check(self) -> None:
        """Refuse what nobody could obey.

        Raises:
            ValidationError: a field of the wrong kind or length, an unknown type.
            NotPermittedError: it is not the issuer's to give.
        """
        for name in ("message_id", "type", "consumer_id", "operator", "trace_id"):
            if not isinstance(getattr(self, name), str):
                raise ValidationError(f"{name} is no text", op="control.handle")
        if not isinstance(self.ts_ns, int) or isinstance(self.ts_ns, bool) or self.ts_ns < 0:
            raise ValidationError("ts_ns is no time in ns since 1970", op="control.handle")
        if not 1 <= len(self.message_id) <= MESSAGE_ID_MAX:
            raise ValidationError(f"message_id has {len(self.message_id)} characters, not 1..64", op=self.type)
        if bool(self.consumer_id) == bool(self.operator) or len(self.operator) > OPERATOR_MAX:
            raise ValidationError("a command is of one consumer or of one operator, of 1..64 characters", op=self.type)
        kind = COMMANDS.get(self.type)
        if kind is None:
            raise ValidationError(f"unknown command {self.type!r}", op="control.handle")
        if not (kind.by_consumer if self.consumer_id else kind.by_operator):
            whose = "an operator's" if self.consumer_id else "a consumer's"
            raise NotPermittedError(f"{self.type} is {whose} to give", op=self.type)

    def read(self, shape: Shape[Payload]) -> Payload:
        """The payload as *shape*.

        Raises:
            ValidationError: a key that is missing, unknown or of the wrong kind.
        """
        try:
            return msgspec.convert(self.payload, shape)
        except msgspec.ValidationError as error:
            raise ValidationError(str(error), op=self.type) from None


class Ack(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The answer to one command; also delivered as a ControlAck event to the consumer that gave it."""

    message_id: str
    consumer_id: str
    command_type: str
    success: bool
    routing_version: int
    error: dict[str, str] | None = None


class Result(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What an obeyed command came to; also delivered as a ControlResult event to the consumer that gave it."""

    message_id: str
    consumer_id: str
    command_type: str
    routing_version: int
    result: Outcome


class Reply(Generic[Found]):
    """What a command returns at once: its acknowledgement and what it came to, now or once they are there.

    Args:
        command_type: what was asked for.
        get: called as get(timeout_s): the acknowledgement, or None when it is not there in time.
        get_outcome: likewise for the outcome; None = the command has none.
        read: makes the value of an outcome that :meth:`outcome` returns.
    """

    def __init__(
        self,
        command_type: str,
        get: Callable[[float], Ack | None],
        get_outcome: Callable[[float], Outcome | None] | None,
        read: Callable[[Outcome], Found],
    ) -> None:
        self._command_type = command_type
        self._get = get
        self._get_outcome = get_outcome
        self._read = read

    def read_by(self, read: Callable[[Outcome], Other]) -> Reply[Other]:
        """The same reply, with another value of its outcome."""
        return Reply(self._command_type, self._get, self._get_outcome, read)

    def result(self, timeout_s: float = 1.0) -> Ack:
        """The acknowledgement. Inline consumers have it at once, those with a thread of their own wait for it.

        Raises:
            MisuseError: the command was refused.
            CapacityError: no answer in time; the ControlAck event tells later.
        """
        ack = self._wait(timeout_s)
        if not ack.success and ack.error is not None:
            raise MisuseError(ack.error["message"], op=self._command_type)
        return ack

    def outcome(self, timeout_s: float = 1.0) -> Found:
        """What the command came to: a value, of an order a SubmitReply, an OrderView or how many; else the JSON
        object that the ControlResult event tells, empty for a command that has no outcome.

        Raises:
            MisuseError: the command was refused.
            CapacityError: it is not there in time; the ControlResult event tells later.
            WrongThreadError: called on the engine's loop for what takes more than a moment.
        """
        self.result(timeout_s)
        if self._get_outcome is None:
            return self._read({})
        found = self._get_outcome(timeout_s)
        if found is None:
            raise CapacityError(f"no result within {timeout_s:g} s", op=self._command_type)
        return self._read(found)

    def __await__(self) -> Generator[Any, None, Ack]:
        """``await reply``: as :meth:`result`, in a coroutine."""
        yield from ()
        return self.result()

    @property
    def ack(self) -> Ack:
        """The acknowledgement, also of a refusal; waits for it as :meth:`result` does."""
        return self._wait(1.0)

    def _wait(self, timeout_s: float) -> Ack:
        ack = self._get(timeout_s)
        if ack is None:
            raise CapacityError(f"no answer within {timeout_s:g} s", op=self._command_type)
        return ack


def as_it_is(outcome: Outcome) -> Outcome:
    """The outcome of a command whose value is the JSON object itself."""
    return outcome


def error_record(error: EngineError) -> dict[str, str]:
    """``{"code", "message"}`` of an error, as acknowledgements carry it."""
    return {"code": error.code, "message": str(error)}


Handler = Callable[[Command], Outcome | None]
"""Obeys one type of command or raises; answers what it came to, or None where there is nothing to tell, or not yet."""
