"""The faults of orders: requests and answers that are lost, fills and reports that come late, twice or out of turn."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from engine.simulator.desk import Change, ChangeKind, OrderDesk, Refused
from engine.simulator.fault_rules import FaultRule, Point
from engine.simulator.faults import FaultPlan
from engine.simulator.market import SymbolMarket
from engine.simulator.messages import RestReply
from engine.simulator.orders import SimAccount, SimOrder, Terms
from engine.simulator.sessions import Session
from engine.simulator.timeline import Timeline

PLACE, CANCEL = "place", "cancel"
_ABNORMAL = 1006
# Faults that say by themselves which request they are of.
_CALLS = {"reject_order": PLACE, "partial_fill": PLACE, "cancel_race": CANCEL}
_SILENT = ("lost_request", "lost_reply")


class Placed(NamedTuple):
    """What became of a request. *order*: None where it never came, a refusal where none was taken."""

    order: SimOrder | Refused | None
    rule: FaultRule | None


class OrderGate:
    """Requests about orders on their way to the desk, and the answers on their way back.

    Args:
        desk: of the venue.
        plan: of the venue.
        timeline: of the venue.
    """

    def __init__(self, desk: OrderDesk, plan: FaultPlan, timeline: Timeline) -> None:
        self._desk = desk
        self._plan = plan
        self._timeline = timeline

    def place(self, account: SimAccount, market: SymbolMarket, terms: Terms) -> Placed:
        """Let an order through, or do to it what a rule says."""
        rule = self._draw(PLACE, market.instrument.venue_symbol, client_id=terms.client_id)
        fault = "" if rule is None else rule.fault
        if fault == "lost_request":
            return Placed(None, rule)
        if fault == "reject_order":
            return Placed(Refused.VENUE, rule)
        order = self._desk.place(account, market, terms)
        if fault == "partial_fill" and isinstance(order, SimOrder):
            lots = order.leaves_raw // market.instrument.lot_raw
            if lots > 1:
                self._desk.fill(order, lots // 2 * market.instrument.lot_raw)
        return Placed(order, rule)

    def cancel(self, order: SimOrder, request: str = "") -> tuple[bool, FaultRule | None]:
        """End an order, or do what a rule says; whether it has ended by that, and the rule."""
        rule = self._draw(CANCEL, order.symbol, order=order.number) if order.is_open else None
        fault = "" if rule is None else rule.fault
        if fault == "lost_request":
            return False, rule
        if fault == "cancel_race":
            self._desk.fill(order, order.leaves_raw)
        return self._desk.cancel(order, request=request), rule

    def hides(self, order: SimOrder) -> bool:
        """Whether a query is told that there is no such order."""
        rule = self._strike(Point.QUERY, order.symbol, lambda rule: rule.fault == "hidden_order", order=order.number)
        return rule is not None

    def open_orders_delay_us(self) -> int:
        """How long the list of open orders is held back."""
        rule = self._strike(Point.QUERY, "", lambda rule: rule.fault == "delay_open_orders")
        return 0 if rule is None else round(rule.for_s * 1e6)

    def answer(
        self, session: Session, rule: FaultRule | None, send: Callable[[], None], fail: Callable[[], None]
    ) -> None:
        """Answer by WebSocket, or do what the rule says. *fail*: answers that the outcome is not known."""
        fault = "" if rule is None else rule.fault
        if fault in _SILENT:
            return
        if fault == "failed_reply":
            fail()
        elif rule is not None and fault == "late_reply":
            self._timeline.after(round(rule.for_s * 1e6), send)
        elif fault == "disconnect_after_accept":
            session.close(_ABNORMAL)
        else:
            send()

    @staticmethod
    def rest_answer(rule: FaultRule | None, reply: RestReply, failed: RestReply) -> RestReply:
        """The same by REST, where a lost answer is a connection that ends without one."""
        fault = "" if rule is None else rule.fault
        if fault in _SILENT or fault == "disconnect_after_accept":
            return reply._replace(is_lost=True)
        if fault == "failed_reply":
            return failed
        if rule is not None and fault == "late_reply":
            return reply._replace(delay_us=round(rule.for_s * 1e6))
        return reply

    def _draw(self, call: str, symbol: str, **detail: Any) -> FaultRule | None:
        def fits(rule: FaultRule) -> bool:
            return _CALLS.get(rule.fault, rule.call) in (call, "any")

        return self._strike(Point.ORDER, symbol, fits, call=call, **detail)

    def _strike(
        self, point: Point, symbol: str, fits: Callable[[FaultRule], bool], **detail: Any
    ) -> FaultRule | None:
        if not self._plan.has(point):
            return None
        now_us = self._timeline.now_us
        armed = self._plan.draw(point, now_us, symbol, fits)
        if armed is None:
            return None
        self._plan.strike(armed, now_us, symbol, **detail)
        return armed.rule


class ReportFaults:
    """What is told of orders on its way to those who listen.

    Args:
        plan: of the venue.
        timeline: of the venue.
        tell: tells one change to all who listen to its account.
    """

    def __init__(self, plan: FaultPlan, timeline: Timeline, tell: Callable[[Change], None]) -> None:
        self._plan = plan
        self._timeline = timeline
        self._tell = tell
        self._held: dict[SimAccount, Change] = {}

    def pass_on(self, change: Change) -> None:
        """Tell a change, or do to it what a rule says."""
        account = change.order.account
        before = self._held.pop(account, None)
        if before is not None:
            self._tell(change)
            self._tell(before)
            return
        rule = self._draw(change) if self._plan.has(Point.REPORT) else None
        match "" if rule is None else rule.fault:
            case "late_fill" if rule is not None:
                self._timeline.after(round(rule.for_s * 1e6), lambda: self._tell(change))
            case "duplicate_report":
                self._tell(change)
                self._tell(change)
            case "swap_reports":
                self._held[account] = change
            case "lost_report":
                pass
            case _:
                self._tell(change)

    def release(self) -> None:
        """Tell what waits for a next change, which will not come for now."""
        held, self._held = self._held, {}
        for change in held.values():
            self._tell(change)

    def _draw(self, change: Change) -> FaultRule | None:
        now_us, order = self._timeline.now_us, change.order
        is_fill = change.kind is ChangeKind.TRADE
        armed = self._plan.draw(
            Point.REPORT, now_us, order.symbol,
            lambda rule: change.kind is not ChangeKind.TAKEN and (is_fill or rule.fault != "late_fill"),
        )  # fmt: skip
        if armed is None:
            return None
        self._plan.strike(armed, now_us, order.symbol, order=order.number, what=change.kind.value)
        return armed.rule
