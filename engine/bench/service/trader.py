"""Strategies that measure and trade beside: they keep of each order what they asked, and all that was told of it."""
from __future__ import annotations

import time
from decimal import Decimal
from typing import Any, NamedTuple

import msgspec

from engine.bench.service.desk import Changer, Noting, Watcher
from engine.consumers.context import Context
from engine.schema.control import ControlAck, ControlResult
from engine.schema.enums import wire_name
from engine.schema.event import Event
from engine.schema.execution import ExecReport

_ORDERS = ("submit_order",)
_OWN = "set_trading_mode"
SENT = "submitted"


class Told(NamedTuple):
    """A row of ``texts``: one order, by its owner.

    Attributes:
        client_order_id: its id.
        asked_ns: when it was asked for.
        status: what the submit came to; empty = no answer.
        answered_ns: when that was told.
        venue_order_id: as the reports name it; empty = no report.
        filled: sum of what each report added.
        state: of the last report.
        reports: how many.
        breaks: reports whose number is not the one after the last.
    """

    client_order_id: str
    asked_ns: str
    status: str
    answered_ns: str
    venue_order_id: str
    filled: str
    state: str
    reports: str
    breaks: str


class _Order(msgspec.Struct, gc=False):
    """The collector walks none of them: its pauses would be taken for the engine's."""

    asked_ns: int
    answered_ns: int = 0
    status: str = ""
    venue_order_id: str = ""
    state: str = ""
    filled: Decimal = Decimal(0)
    reports: int = 0
    breaks: int = 0


class Trading(Noting):
    """To stand before another strategy: submits market orders, buys and sells in turn, at one venue. texts: `Told`.

    What is told of them goes no further; every other event does.

    Args:
        symbol, provider: traded.
        every_ms: between two times of asking; what came too late for its time is made up for, an event each.
        at_once: orders each time.
        for_s: from the first order on that goes to the venue; later events ask for nothing, so that all is told by
            the end.
        qty: of each order.
        more: of the other strategy.
    """

    def __init__(
        self, *, symbol: str, provider: str, every_ms: float, for_s: float, at_once: int = 1, qty: str = "0.01",
        **more: Any,
    ) -> None:  # fmt: skip
        super().__init__(**more)
        self._of = (symbol, provider, qty)
        self._every_ns = int(every_ms * 1e6)
        self._for_ns = int(for_s * 1e9)
        self._at_once = at_once
        self._next_ns = self._open_ns = 0
        self._orders: dict[str, _Order] = {}

    def on_event(self, event: Event, ctx: Context) -> None:
        """One event; what is of orders stays here."""
        if isinstance(event, ExecReport):
            self._reported(event)
        elif isinstance(event, ControlResult) and event.command_type in _ORDERS:
            self._answered(event.result)
        elif isinstance(event, ControlAck) and event.command_type in (*_ORDERS, _OWN):
            pass
        else:
            self._ask(ctx)
            super().on_event(event, ctx)  # type: ignore[misc]

    def on_stop(self, ctx: Context) -> None:
        """Write what was seen."""
        for name, order in self._orders.items():
            row = Told(
                name, str(order.asked_ns), order.status, str(order.answered_ns), order.venue_order_id,
                str(order.filled), order.state, str(order.reports), str(order.breaks),
            )  # fmt: skip
            self.seen.texts.append(tuple(row))
        super().on_stop(ctx)

    def _ask(self, ctx: Context) -> None:
        now_ns = time.time_ns()
        if not self._next_ns:
            self._next_ns = now_ns
        if now_ns < self._next_ns or (self._open_ns and now_ns - self._open_ns > self._for_ns):
            return
        self._next_ns += self._every_ns
        symbol, provider, qty = self._of
        for _ in range(self._at_once):
            name = f"{ctx.consumer_id}-{len(self._orders)}"
            side = "sell" if len(self._orders) % 2 else "buy"
            self._orders[name] = _Order(time.time_ns())
            ctx.submit(name, symbol, side=side, qty=qty, order_type="market", provider=provider)

    def _answered(self, result: Any) -> None:
        order = self._orders[result["client_order_id"]]
        order.answered_ns = time.time_ns()
        order.status = result["status"]
        if order.status == SENT and not self._open_ns:
            self._open_ns = order.answered_ns

    def _reported(self, report: ExecReport) -> None:
        order = self._orders[report.client_order_id]
        order.reports += 1
        order.breaks += report.order_report_seq != order.reports
        order.filled += Decimal(report.last_qty_raw).scaleb(-report.qty_scale)
        order.venue_order_id = report.venue_order_id or order.venue_order_id
        if report.order_state is not None:
            order.state = wire_name(report.order_state)


class Trader(Trading, Watcher):
    """A Watcher that trades."""


class TradingChanger(Trading, Changer):
    """A Changer that trades."""
