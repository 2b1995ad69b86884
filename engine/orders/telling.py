"""Reports of orders and of risk as pooled events, on their way to whom they are about (EVT-16, EVT-22, TRD-23)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from functools import partial

from engine.base.errors import InternalError
from engine.base.ids import instrument_id
from engine.orders.lifecycle import Transition
from engine.orders.reportfields import put_report
from engine.pools.lease import Lease
from engine.pools.recycler import Recycler
from engine.schema.codec import to_json
from engine.schema.enums import EventFlag, EventType
from engine.schema.event import Event
from engine.schema.execution import ExecReport
from engine.schema.order import Breach, RiskControlKind, RiskScope, RiskStatus, VenueReport

_COPIED = tuple(name for name in ExecReport().as_dict() if name not in (
    "type", "kind", "schema_version", "event_id", "merge_id", "venue_meta", "remaining_qty_raw", "is_open", "flags",
    "provider", "symbol", "seq_provider", "seq_first", "epoch", "ts_emit_ns", "routing_version",
))  # fmt: skip


class Teller:
    """Makes the events and lets them go. Owned by the desk, used on the engine's loop.

    Args:
        recycler: the pools; those of critical kinds never refuse.
        offer: lets a published event go to the first stage.
        now_ns: the engine's clock.
        hold: called as hold(report_no, go): calls go() once the journal has that report; see Outbox.put().
    """

    def __init__(
        self,
        recycler: Recycler,
        offer: Callable[[Lease], None],
        now_ns: Callable[[], int],
        hold: Callable[[int, Callable[[], None]], None],
    ) -> None:
        self._recycler = recycler
        self._offer = offer
        self._now_ns = now_ns
        self._hold = hold
        self._numbers: Counter[tuple[EventType, int]] = Counter()
        self.on_told: Callable[[str, int, bytes], None] = lambda consumer_id, report_no, body: None
        """Called with the owner, the number and the JSON of each report, when it goes."""

    def report(
        self, done: Transition, told: VenueReport, keep: Callable[[bytes], int], goes: Callable[[bytes], None]
    ) -> None:
        """Tell what a report made of an order, once the journal has it.

        Args:
            done: what it made of it.
            told: the report itself.
            keep: gives the event's JSON to the journal, and returns the report's number there.
            goes: called with it when the report goes.
        """
        asked = done.order.request
        instrument = instrument_id(asked.provider, asked.symbol)
        lease = self._slot(EventType.EXEC_REPORT)
        stream = (EventType.EXEC_REPORT, instrument)
        self._numbers[stream] += 1
        try:
            put_report(lease, self._numbers[stream], instrument, done, told, self._now_ns())
            body = to_json(lease.event())
            report_no = keep(body)
        except BaseException:
            lease.publish()
            lease.release()
            self._numbers[stream] -= 1
            raise
        lease.publish()
        self._hold(report_no, partial(self._goes, lease, asked.consumer_id, report_no, body, goes))

    def _goes(
        self, lease: Lease, consumer_id: str, report_no: int, body: bytes, goes: Callable[[bytes], None]
    ) -> None:
        goes(body)
        self.on_told(consumer_id, report_no, body)
        self._offer(lease)

    def again(self, event: Event) -> None:
        """Tell a report again that nobody confirmed before a restart, as it was, marked *reconciled*."""
        # Behind those that wait: it has a later number in its stream.
        self._hold(0, partial(self._again, event))

    def _again(self, event: Event) -> None:
        lease = self._lease(EventType.EXEC_REPORT, event.instrument_id)
        lease.fill_all({name: getattr(event, name) for name in _COPIED})
        lease.fill("flags", {*event.flags, EventFlag.RECONCILED})
        self._go(lease)

    def risk(
        self,
        status: RiskStatus,
        control: RiskControlKind,
        scope: RiskScope,
        text: str,
        *,
        breach: Breach = Breach.NONE,
        breach_count: int = 0,
        until_ns: int | None = None,
        operator: str = "",
    ) -> None:
        """Tell everyone that orders are held back, or no longer."""
        lease = self._lease(EventType.RISK_CONTROL, instrument_id("engine", None))
        lease.fill("ts_recv_ns", self._now_ns())
        lease.fill("status", status)
        lease.fill("control", control)
        lease.fill("scope", scope)
        lease.fill("breach", breach or None)
        lease.fill("breach_count", breach_count)
        lease.fill("until_ns", until_ns)
        lease.fill("operator", operator or None)
        lease.fill("text", text)
        self._go(lease)

    def _lease(self, event_type: EventType, instrument: int) -> Lease:
        lease = self._slot(event_type)
        stream = (event_type, instrument)
        self._numbers[stream] += 1
        number = self._numbers[stream]
        lease.fill_all({"instrument_id": instrument, "seq_provider": number, "seq_first": number, "epoch": 1})
        return lease

    def _slot(self, event_type: EventType) -> Lease:
        lease = self._recycler.acquire_lease(event_type)
        if lease is None:
            raise InternalError(f"no slot for a {event_type.class_name}", op="order.tell")
        return lease

    def _go(self, lease: Lease) -> None:
        lease.fill("ts_emit_ns", self._now_ns())
        lease.publish()
        self._offer(lease)

