"""What a strategy gets beside its events (CTL-15): commands, the clock, its parameters, a log. Nothing else."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from engine.base.build import planted
from engine.base.errors import MisuseError
from engine.schema.command import Command, Outcome, Reply
from engine.schema.order import SubmitReply
from engine.schema.orderrecords import OrderView, order_view, submit_reply


class Context:
    """One consumer's way to speak to the engine. Handed to every callback; valid while the consumer runs."""

    __slots__ = (
        "_batches", "_clock_ns", "_commands", "_consumer_id", "_is_trading", "_log", "_number", "_params", "_trace",
    )  # fmt: skip

    def __init__(
        self,
        consumer_id: str,
        commands: Callable[[Command], Reply[Outcome]],
        clock_ns: Callable[[], int],
        params: Mapping[str, Any] | None = None,
    ) -> None:
        self._consumer_id = consumer_id
        self._commands = commands
        self._clock_ns = clock_ns
        self._params = MappingProxyType(dict(params or {}))
        self._log = logging.getLogger(f"engine.consumer.{consumer_id}")
        self._number = 0
        self._batches: AsyncIterator[list[Any]] | None = None
        self._trace: Callable[[], str] = str
        self._is_trading: Callable[[], bool] = lambda: True

    @property
    def consumer_id(self) -> str:
        """The consumer's name."""
        return self._consumer_id

    @property
    def params(self) -> Mapping[str, Any]:
        """``consumers[].params`` of the configuration, read-only."""
        return self._params

    @property
    def log(self) -> logging.Logger:
        """The consumer's own logger."""
        return self._log

    def now_ns(self) -> int:
        """Nanoseconds since 1970 UTC by the engine's clock: recorded time in a replay."""
        return self._clock_ns()

    def batches(self) -> AsyncIterator[list[Any]]:
        """The events as they come, for ``async for events in ctx.batches()`` in a ``run(ctx)`` coroutine.

        A batch is at most ``dispatcher.quantum_events`` in mailbox order, and valid until the next one is asked for.

        Raises:
            MisuseError: the handler has another method, which is called with its events.
        """
        if self._batches is None:
            raise MisuseError("only a run(ctx) coroutine takes batches", op="consumers.batches")
        return self._batches

    def subscribe(
        self,
        symbol: str,
        *,
        event_types: Sequence[str],
        providers: Sequence[str] = (),
        merged: Mapping[str, Any] | None = None,
        never_drop_trades: bool = False,
        message_id: str | None = None,
    ) -> Reply[Outcome]:
        """Ask for *event_types* of *symbol*, from *providers* or from all that carry it.

        With *merged* (``window_duration_ms``, ``window_max_events``, ``close_on_complete``; ``{}`` = the defaults) one
        MergedEvent comes for each window in which every one of *providers* spoke, instead of their own events.

        With *never_drop_trades* trades that find the mailbox full are kept beside it, ``bus.spill_trades`` of them;
        past that the subscription is suspended and a ControlResult names the first trade that is missing.

        The answer comes as a ControlAck event as well, what came of it as a ControlResult; inline, both at once.
        Asking again for what is held changes nothing.
        """
        keeping = {"never_drop_trades": True} if never_drop_trades else {}
        return self._ask("subscribe", symbol, event_types, providers, merged, message_id, keeping)

    def unsubscribe(
        self,
        symbol: str,
        *,
        event_types: Sequence[str],
        providers: Sequence[str] = (),
        merged: Mapping[str, Any] | None = None,
        message_id: str | None = None,
    ) -> Reply[Outcome]:
        """Give up what subscribe() with the same arguments asked for."""
        return self._ask("unsubscribe", symbol, event_types, providers, merged, message_id, {})

    def set_trading_mode(self, enabled: bool, *, message_id: str | None = None) -> Reply[Outcome]:
        """Switch one's own trading on or off; off counts from the acknowledgement."""
        return self._give("set_trading_mode", {"enabled": enabled}, message_id)

    def submit(
        self,
        client_order_id: str,
        symbol: str,
        *,
        side: str,
        qty: str,
        order_type: str = "limit",
        price: str | None = None,
        provider: str | None = None,
        tif: str | None = None,
        post_only: bool = False,
        timeout_ms: int | None = None,
        decision_id: str | None = None,
        trace_id: str | None = None,
        message_id: str | None = None,
    ) -> Reply[SubmitReply]:
        """Ask for an order; price and quantity are decimal texts. What it came to is the answer to the submit
        (``status``: submitted, suppressed, duplicate, rejected), what becomes of the order comes as ExecReports.

        A *client_order_id* is taken until an hour after its order ended: the same one again sends nothing.

        The order, its reports and its telemetry have the *trace_id* of the event whose callback asks; of a batch it is
        the first one's, unless another is given.
        """
        payload = {
            "client_order_id": client_order_id, "symbol": symbol, "side": side, "order_type": order_type, "qty": qty,
            "price": price, "provider": provider, "tif": tif, "post_only": post_only, "timeout_ms": timeout_ms,
            "decision_id": decision_id,
        }  # fmt: skip
        return self._give("submit_order", payload, message_id, trace_id).read_by(submit_reply)

    def cancel(self, client_order_id: str, *, message_id: str | None = None) -> Reply[OrderView]:
        """Ask for an order's end; it has ended when a report says so. What it came to is the order as it stands."""
        return self._give("cancel_order", {"client_order_id": client_order_id}, message_id).read_by(order_view)

    def cancel_all(
        self, *, provider: str | None = None, symbol: str | None = None, message_id: str | None = None
    ) -> Reply[int]:
        """Ask for the end of all of one's own orders; what it came to says how many."""
        reply = self._give("cancel_all", {"provider": provider, "symbol": symbol}, message_id)
        return reply.read_by(lambda outcome: int(outcome["requested"]))

    def query(self, client_order_id: str, *, message_id: str | None = None) -> Reply[OrderView]:
        """Ask how an order stands, at its venue where it has not ended."""
        return self._give("query_order", {"client_order_id": client_order_id}, message_id).read_by(order_view)

    def _ask(
        self,
        kind: str,
        symbol: str,
        event_types: Sequence[str],
        providers: Sequence[str],
        merged: Mapping[str, Any] | None,
        message_id: str | None,
        more: Mapping[str, Any],
    ) -> Reply[Outcome]:
        payload: dict[str, Any] = {
            "symbol": symbol,
            "providers": list(providers),
            "event_types": list(event_types),
            **more,
        }
        if merged is not None:
            kind, payload["merge_config"] = f"merged_{kind}", dict(merged)
        return self._give(kind, payload, message_id)

    def _give(
        self, kind: str, payload: dict[str, Any], message_id: str | None, trace_id: str | None = None
    ) -> Reply[Outcome]:
        self._number += 1
        command = Command(
            message_id=message_id or f"{self._consumer_id}-{self._number}",
            consumer_id=self._consumer_id,
            type=kind,
            payload=payload,
            ts_ns=self._clock_ns(),
            trace_id=self._trace() if trace_id is None else trace_id,
            was_trading=self._is_trading() or planted("orders.no_consumer_switch"),
        )
        return self._commands(command)


def attach_batches(context: Context, batches: AsyncIterator[list[Any]]) -> None:
    """Give a context what ``batches()`` answers; the runner's business, no part of what a strategy sees."""
    context._batches = batches


def attach_state(context: Context, trace_in_hand: Callable[[], str], is_trading: Callable[[], bool]) -> None:
    """Let commands have the trace of the event that leads to them (INS-14), and how the switch stood (CTL-14)."""
    context._trace = trace_in_hand
    context._is_trading = is_trading
