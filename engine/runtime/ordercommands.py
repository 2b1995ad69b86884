"""Commands of orders and of risk: what is asked for goes to the order desk, where this engine has one (CTL-30)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

from engine.base.clock import Clock
from engine.base.errors import CapacityError, NotPermittedError, UnknownSymbolError, ValidationError
from engine.consumers.runner import Runner
from engine.schema.command import Command, Handler, Outcome
from engine.schema.order import Breach, OrderKey, RiskScope, SubmitReason, SubmitReply, SubmitStatus
from engine.schema.orderrecords import submit_record
from engine.schema.payloads import (
    CancelAllRequest,
    ClearBreakerRequest,
    KillSwitchRequest,
    OrderRequestId,
    RiskLimitsRequest,
    SubmitRequest,
)

Done = Callable[[Outcome], None]
_NO_ORDERS = "this run sends no orders: it was started with --no-orders"


class Orders(Protocol):
    """What commands may ask of the orders; an engine without any has none to ask."""

    def submit(
        self,
        asked: SubmitRequest,
        consumer_id: str,
        trace_id: str,
        done: Callable[[SubmitReply], None],
        *,
        was_trading: bool = True,
    ) -> None:
        """Take an order; done(reply) is called once. *was_trading*: its owner's switch was on when it was asked for.

        Raises:
            MisuseError: it is none.
        """

    def cancel(self, key: OrderKey, done: Done) -> None:
        """Ask for an order's end; done(order) once.

        Raises:
            UnknownSymbolError: it is not known.
        """

    def query(self, key: OrderKey, done: Done) -> None:
        """Ask how an order stands; as cancel()."""

    def cancel_all(self, consumer_id: str | None, provider: str | None, symbol: str | None) -> int:
        """Ask for the end of all open orders of a consumer, or of all; how many."""

    def set_limits(self, scope: RiskScope, limits: Mapping[str, object]) -> Outcome:
        """Other limits, in force at once; answers those of the scope.

        Raises:
            ValidationError: they cannot be, and nothing has changed.
        """

    def set_kill(self, is_on: bool, operator: str, text: str) -> None:
        """Refuse every new order, or no longer."""

    def clear_breaker(self, consumer_id: str, operator: str) -> bool:
        """Close a consumer's breaker before its time; False = it was not open."""

    def release(self, provider: str, operator: str) -> bool:
        """Let orders go to a provider whose reconciliation takes too long; False = it is not held.

        Raises:
            UnknownSymbolError: there is no such provider.
            CapacityError: it is not overdue, or the provider is down.
        """


class NoOrders:
    """Orders of a run that sends none: each is rejected, and nothing else is known of any (CLI-11).

    Args:
        clock: for the time of the answers.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def submit(
        self,
        asked: SubmitRequest,
        consumer_id: str,
        trace_id: str,
        done: Callable[[SubmitReply], None],
        *,
        was_trading: bool = True,
    ) -> None:
        """Reject it."""
        reason = SubmitReason(code="unavailable", breach=Breach.PROVIDER_DOWN, text=_NO_ORDERS)
        done(SubmitReply(client_order_id=asked.client_order_id, status=SubmitStatus.REJECTED, ts_ns=self._clock.now(),
                         reason=reason, trace_id=trace_id))  # fmt: skip

    def cancel(self, key: OrderKey, done: Done) -> None:
        """Raises:
        UnknownSymbolError: always.
        """
        raise UnknownSymbolError(f"{key[0]} has no order {key[1]}", op="order.find", hint=_NO_ORDERS)

    def query(self, key: OrderKey, done: Done) -> None:
        """As cancel()."""
        self.cancel(key, done)

    def cancel_all(self, consumer_id: str | None, provider: str | None, symbol: str | None) -> int:
        """None is open."""
        return 0

    def set_limits(self, scope: RiskScope, limits: Mapping[str, object]) -> Outcome:
        """Raises:
        CapacityError: always.
        """
        raise CapacityError(_NO_ORDERS, op="set_risk_limits")

    def set_kill(self, is_on: bool, operator: str, text: str) -> None:
        """Raises:
        CapacityError: always.
        """
        raise CapacityError(_NO_ORDERS, op="set_kill_switch")

    def clear_breaker(self, consumer_id: str, operator: str) -> bool:
        """Raises:
        CapacityError: always.
        """
        raise CapacityError(_NO_ORDERS, op="clear_breaker")

    def release(self, provider: str, operator: str) -> bool:
        """As clear_breaker()."""
        return self.clear_breaker("", operator)


class OrderCommands:
    """Obeys, on the engine's loop. Owned by the engine's commands.

    Args:
        runners: the engine's own, which come and go.
        finish: called as finish(command, outcome) for what takes more than a moment.
    """

    def __init__(self, runners: Mapping[str, Runner], finish: Callable[[Command, Outcome], None]) -> None:
        self._runners = runners
        self._finish = finish
        self.desk: Orders | None = None
        """None: this engine sends no orders."""

    def handlers(self) -> dict[str, Handler]:
        """By type of command."""
        return {
            "submit_order": self._submit,
            "cancel_order": self._cancel,
            "query_order": self._query,
            "cancel_all": self._cancel_all,
            "set_risk_limits": self._set_limits,
            "set_kill_switch": self._set_kill,
            "clear_breaker": self._clear_breaker,
        }

    def _submit(self, command: Command) -> Outcome | None:
        request = command.read(SubmitRequest)
        owner = self._owner(command, request.consumer_id)
        at_once: list[Outcome] = []
        is_over = False

        def done(reply: SubmitReply) -> None:
            if is_over:
                self._finish(command, submit_record(reply))
            else:
                at_once.append(submit_record(reply))

        self._desk(command).submit(request, owner, command.trace_id, done, was_trading=command.was_trading)
        is_over = True
        return at_once[0] if at_once else None

    def _cancel(self, command: Command) -> None:
        request = command.read(OrderRequestId)
        key = self._owner(command, request.consumer_id), request.client_order_id
        self._desk(command).cancel(key, lambda outcome: self._finish(command, outcome))

    def _query(self, command: Command) -> None:
        request = command.read(OrderRequestId)
        key = self._owner(command, request.consumer_id), request.client_order_id
        self._desk(command).query(key, lambda outcome: self._finish(command, outcome))

    def _cancel_all(self, command: Command) -> Outcome:
        request = command.read(CancelAllRequest)
        is_everyones = not command.consumer_id and request.consumer_id is None
        owner = None if is_everyones else self._owner(command, request.consumer_id)
        return {"requested": self._desk(command).cancel_all(owner, request.provider, request.symbol)}

    def _set_limits(self, command: Command) -> Outcome:
        request = command.read(RiskLimitsRequest)
        scope = RiskScope(provider=request.provider, symbol=request.symbol, consumer_id=request.consumer_id)
        return self._desk(command).set_limits(scope, request.limits)

    def _set_kill(self, command: Command) -> Outcome:
        request = command.read(KillSwitchRequest)
        self._desk(command).set_kill(request.on, command.operator, request.text)
        return {"on": request.on}

    def _clear_breaker(self, command: Command) -> Outcome:
        request = command.read(ClearBreakerRequest)
        if (request.consumer_id is None) == (request.provider is None):
            raise ValidationError("one of consumer_id and provider: whose breaker, or which hold?", op=command.type)
        desk = self._desk(command)
        if request.provider is not None:
            return {"cleared": desk.release(request.provider, command.operator)}
        return {"cleared": desk.clear_breaker(request.consumer_id or "", command.operator)}

    def _desk(self, command: Command) -> Orders:
        if self.desk is None:
            raise CapacityError("no provider of this engine takes orders", op=command.type,
                                hint="set providers[].orders.enabled, and run it live")  # fmt: skip
        return self.desk

    def _owner(self, command: Command, named: str | None) -> str:
        own = command.consumer_id
        if own and named not in (None, own):
            raise NotPermittedError(f"orders of {named} are not {own}'s", op=command.type)
        owner = own or named
        if owner is None:
            raise ValidationError("consumer_id is missing: whose order?", op=command.type)
        if owner not in self._runners:
            raise UnknownSymbolError(f"there is no consumer {owner}", op=command.type)
        return owner
