"""Takes what venues say of orders into them: the order, its room, its row in the journal, its event; all or nothing.

One step on the engine's loop, without a wait in it: what a consumer is told is what the journal was told.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from decimal import Decimal
from functools import partial
from typing import Any

import msgspec

from engine.observability.lanes import Severity
from engine.orders.counts import OrderCounts
from engine.orders.idempotency import TakenIds
from engine.orders.lifecycle import Track, Transition, added, apply
from engine.orders.ports import JournalPort, RiskPort, RoomPort
from engine.orders.records import FillRecord, RecoveredOrder, ReportRecord
from engine.orders.reportfields import FEES_MAX
from engine.orders.telling import Teller
from engine.orders.tracker import Tracker
from engine.orders.wireid import canonical
from engine.schema.codec import from_json
from engine.schema.enums import wire_name
from engine.schema.execution import ExecReport
from engine.schema.instrument import OrderType, TimeInForce
from engine.schema.order import (
    WIDE_CONTEXT,
    Anomaly,
    Fee,
    Order,
    OrderKey,
    OrderRequest,
    OrderState,
    ReportSource,
    VenueReport,
)

log = logging.getLogger("engine.orders")
_OF_THE_VENUE = (ReportSource.STREAM, ReportSource.REPLY)
_NO_BOOK_KINDS = (TimeInForce.IOC, TimeInForce.FOK)


class Claim(msgspec.Struct, eq=False, gc=False):
    """What has an owner's id: an order that is asked for, and once it is journaled its track."""

    request: OrderRequest
    track: Track | None = None


class Ledger:
    """Every order of this engine. Owned by the desk, used on the engine's loop.

    Args:
        tracker: finds them by the ids that venues know.
        ids: by their owners' ids, and which of those are taken.
        teller: tells their owners.
        journal: keeps what is told.
        risk: gives room.
        tell: called as tell(kind, **metadata): telemetry.
        tell_as: called as tell_as(severity, kind, **metadata).
        now_ns: the engine's clock.
    """

    def __init__(
        self,
        tracker: Tracker,
        ids: TakenIds[Claim],
        teller: Teller,
        journal: JournalPort,
        risk: RiskPort,
        tell: Callable[..., None],
        tell_as: Callable[..., None],
        now_ns: Callable[[], int],
    ) -> None:
        self.tracker = tracker
        self.ids = ids
        self._teller = teller
        self._journal = journal
        self._risk = risk
        self._tell = tell
        self._tell_as = tell_as
        self._now_ns = now_ns
        self._rooms: dict[str, RoomPort] = {}
        self._claims: dict[str, Claim] = {}
        self.counts = OrderCounts()
        self.on_doubt: Callable[[Track], None] = lambda track: None
        """Called with an order of which a venue says what does not fit together."""

    # -- orders that come and go ------------------------------------------------------------------------------

    def of_key(self, key: OrderKey) -> Track | None:
        """The order that has an owner's id; None also while it is not journaled yet."""
        claim = self.ids.find(key)
        return None if claim is None else claim.track

    def open(self, claim: Claim, order: Order, room: RoomPort) -> Track:
        """An order is about to be sent."""
        track = claim.track = Track(order)
        self.tracker.add(track)
        self._claims[canonical(order.wire_order_id)] = claim
        self._rooms[canonical(order.wire_order_id)] = room
        return track

    def withdraw(self, claim: Claim) -> None:
        """No byte of an order left, and none will: it never was, and its id is free."""
        self.ids.release(claim.request.key, claim)
        track = claim.track
        if track is None:
            return
        wire = canonical(track.order.wire_order_id)
        self._rooms.pop(wire).release()
        del self._claims[wire]
        self.tracker.remove(track)
        self._journal.withdraw(track.order.wire_order_id)

    def restore(self, found: RecoveredOrder) -> Track:
        """An order that the journal knows: as it stood when this engine was last there."""
        track = restored(found)
        order = track.order
        self.tracker.add(track, found.ended_ns)
        claim = Claim(found.request, track)
        self._claims[canonical(order.wire_order_id)] = claim
        self.ids.claim(order.key, claim)
        if not order.is_open:
            self.ids.note_end(order.key, claim, found.ended_ns)
        if order.is_open:
            self._rooms[canonical(order.wire_order_id)] = self._risk.adopt(order.request, order.remaining_qty_raw)
        return track

    def become(self, track: Track, state: OrderState) -> None:
        """An order's outcome is not known, without a report that says so."""
        if track.order.state is OrderState.SUBMITTED:
            track.order = msgspec.structs.replace(track.order, state=state, updated_ns=self._now_ns())

    def note(self, track: Track, *, venue_order_id: str | None = None, cancel_requested: bool = False) -> None:
        """The venue's id of an order is known, or its end was asked for."""
        track.order = msgspec.structs.replace(
            track.order,
            venue_order_id=venue_order_id or track.order.venue_order_id,
            cancel_requested=cancel_requested or track.order.cancel_requested,
        )
        self.tracker.note_venue_id(track)

    # -- reports ----------------------------------------------------------------------------------------------

    def take(self, track: Track, report: VenueReport) -> Transition:
        """Take a report of this very order."""
        was, identified_raw, is_known = track.order, track.identified_raw, report.exec_id in track.fills_raw
        now_ns, counts, provider = self._now_ns(), self.counts, track.order.request.provider
        done = apply(track, report, now_ns)
        if done.is_duplicate:
            counts.duplicates[provider] += 1
            return done
        try:
            self._teller.report(done, report, partial(self._keep, done, report), partial(self._goes, track, done))
        except BaseException:
            # Nobody was told: it never came, so that the next one has the next number.
            track.order, track.identified_raw = was, identified_raw
            if report.exec_id is not None and not is_known:
                track.fills_raw.pop(report.exec_id, None)
            raise
        counts.reports[provider, wire_name(done.report)] += 1
        if was.state is OrderState.SUBMITTED and report.source in _OF_THE_VENUE:
            counts.ack_ns[provider].add(now_ns - was.created_ns)
        order, wire = done.order, canonical(done.order.wire_order_id)
        self.tracker.note_venue_id(track)
        room = self._rooms.get(wire)
        if room is not None:
            if done.last_qty_raw:
                room.fill(done.last_qty_raw, done.fees)
            if done.has_ended:
                room.release()
                self.tracker.note_end(track, order.updated_ns)
                self.ids.note_end(order.key, self._claims[wire], order.updated_ns)
        self._tell_odd(was, done)
        if done.must_query:
            self.on_doubt(track)
        return done

    def forget(self, now_ns: int) -> int:
        """Let go of what ended too long ago; how many."""
        count = self.tracker.forget(now_ns)
        if count:
            self._rooms = {wire: room for wire, room in self._rooms.items() if self.tracker.knows(wire)}
            self._claims = {wire: claim for wire, claim in self._claims.items() if self.tracker.knows(wire)}
        return count

    @staticmethod
    def _goes(track: Track, done: Transition, body: bytes) -> None:
        track.last_report = None if done.order.state.is_terminal else body

    def _keep(self, done: Transition, report: VenueReport, body: bytes) -> int:
        order = done.order
        fill = None
        if done.last_qty_raw:
            scale = order.request.qty_scale
            qty = Decimal(done.last_qty_raw).scaleb(-scale)
            # A difference that is not the fill's own has no id: told again by it, the fill would be missing.
            is_its_own = report.exec_id is not None and report.last_qty == qty
            fill = FillRecord(
                exec_id=(report.exec_id or "") if is_its_own else "",
                qty_raw=done.last_qty_raw,
                price=WIDE_CONTEXT.divide(done.last_notional, qty),
                ts_ns=report.ts_recv_ns,
                fees=done.fees,
            )
        return self._journal.report(
            ReportRecord(
                wire_order_id=order.wire_order_id,
                order_report_seq=order.order_report_seq,
                state=order.state,
                ts_ns=report.ts_recv_ns,
                body=body,
                venue_order_id=order.venue_order_id,
                fill=fill,
            )
        )

    def _tell_odd(self, was: Order, done: Transition) -> None:
        order = done.order
        who = named(order.request)
        if was.state is OrderState.UNKNOWN:
            self._tell("order.recovered", **who, took_ms=(order.updated_ns - was.updated_ns) // 1_000_000)
        if done.anomaly is not Anomaly.NONE:
            self.counts.anomalies[order.request.provider, wire_name(done.anomaly)] += 1
            severity = Severity.INFO if is_usual(order) else Severity.WARN
            self._tell_as(severity, "order.anomaly", **who, anomaly=done.anomaly.name.lower(),
                          report=done.report.name.lower(), state=order.state.name.lower())  # fmt: skip
        if len(done.fees) > FEES_MAX:
            # Its event has the first ones alone; the order and the journal have them all.
            log.error("order %s: %d fees of one report, told %d", order.wire_order_id, len(done.fees), FEES_MAX)
            self.counts.anomalies[order.request.provider, "fees_cut"] += 1
            self._tell_as(Severity.WARN, "order.anomaly", **who, anomaly="fees_cut", report=done.report.name.lower(),
                          state=order.state.name.lower())  # fmt: skip


def named(asked: OrderRequest) -> dict[str, Any]:
    """Whose order it is, and what led to it, as telemetry has them."""
    return {
        "trace_id": asked.trace_id or None,
        "consumer_id": asked.consumer_id,
        "client_order_id": asked.client_order_id,
    }


def is_usual(order: Order) -> bool:
    """Whether odd reports are usual for an order: one that rests in no book ends before anybody acknowledges it."""
    return order.request.order_type is OrderType.MARKET or order.request.tif in _NO_BOOK_KINDS


def restored(found: RecoveredOrder) -> Track:
    """An order as the journal has it; what it cost and how much was asked for as its last report said."""
    asked = found.request
    last = None if found.last_report is None else from_json(found.last_report)
    cost = Decimal(0)
    for fill in found.fills:
        cost = WIDE_CONTEXT.add(cost, fill.price * Decimal(fill.qty_raw).scaleb(-asked.qty_scale))
    own = {fill.exec_id: fill.qty_raw for fill in found.fills if "#" not in fill.exec_id and fill.exec_id}
    order = Order(
        request=asked,
        wire_order_id=found.wire_order_id,
        qty_raw=last.qty_raw if isinstance(last, ExecReport) else asked.qty_raw,
        created_ns=asked.created_ns,
        updated_ns=found.updated_ns,
        state=OrderState.UNKNOWN if found.state is OrderState.SUBMITTED else found.state,
        venue_order_id=found.venue_order_id,
        filled_qty_raw=found.filled_qty_raw,
        cum_notional=last.cum_notional if isinstance(last, ExecReport) else cost,
        fees=_sum_of_fees(found),
        order_report_seq=found.report_seq,
        last_reason=last.reason if isinstance(last, ExecReport) else None,
    )
    return Track(order, own, sum(own.values()), last_report=found.last_report if order.is_open else None)


def _sum_of_fees(found: RecoveredOrder) -> tuple[Fee, ...]:
    fees: tuple[Fee, ...] = ()
    for fill in found.fills:
        fees = added(fees, fill.fees)
    return fees
