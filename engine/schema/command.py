"""Commands on the control bus and their answers (model.md CTL-30)."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any

import msgspec

from engine.base.errors import CapacityError, EngineError, MisuseError, ValidationError

MESSAGE_ID_MAX = 64
MARKET_TYPES = ("BookSnapshot", "BookUpdate", "Trade", "Ticker", "KlineSummary", "InstrumentUpdate")
SUBSCRIBABLE_TYPES = (*MARKET_TYPES, "BalanceUpdate")
COMMAND_KEYS: dict[str, frozenset[str]] = {
    "subscribe": frozenset({"symbol", "providers", "event_types"}),
    "unsubscribe": frozenset({"symbol", "providers", "event_types"}),
    "merged_subscribe": frozenset({"symbol", "providers", "event_types", "merge_config"}),
    "merged_unsubscribe": frozenset({"symbol", "providers", "event_types", "merge_config"}),
}
"""Commands that are obeyed, and the payload keys of each."""


class Command(msgspec.Struct, frozen=True, kw_only=True):
    """One command of a consumer.

    Attributes:
        message_id: 1..64 characters, unique per consumer; the same one again gets the first answer again.
        consumer_id: who gives it.
        type: a key of :data:`COMMAND_KEYS`.
        payload: what it is about.
        ts_ns: when it was given.
    """

    message_id: str
    consumer_id: str
    type: str
    payload: dict[str, Any]
    ts_ns: int

    def check(self) -> None:
        """Refuse what cannot be obeyed.

        Raises:
            ValidationError: an unknown type or payload key, or a message_id of the wrong length.
        """
        if not 1 <= len(self.message_id) <= MESSAGE_ID_MAX:
            raise ValidationError(f"message_id has {len(self.message_id)} characters, not 1..64", op=self.type)
        keys = COMMAND_KEYS.get(self.type)
        if keys is None:
            raise ValidationError(f"unknown command {self.type!r}", op="control.handle")
        unknown = sorted(set(self.payload) - keys)
        if unknown:
            raise ValidationError(f"unknown payload key {unknown[0]!r}", op=self.type)


class Ack(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to one command; also delivered as a ControlAck event."""

    message_id: str
    consumer_id: str
    command_type: str
    success: bool
    routing_version: int
    error: dict[str, str] | None = None


class Reply:
    """What a command returns at once: its acknowledgement, now or once it is there.

    Args:
        command_type: what was asked for.
        get: called as get(timeout_s): the acknowledgement, or None when it is not there in time.
    """

    def __init__(self, command_type: str, get: Callable[[float], Ack | None]) -> None:
        self._command_type = command_type
        self._get = get

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


def error_record(error: EngineError) -> dict[str, str]:
    """``{"code", "message"}`` of an error, as acknowledgements carry it."""
    return {"code": error.code, "message": str(error)}


Handler = Callable[[Command], None]
"""Obeys one kind of command or raises."""
