"""Events the engine makes itself: answers to commands, changes of instruments."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from engine.base.clock import Clock
from engine.base.errors import InternalError
from engine.base.ids import instrument_id
from engine.bus.data import DataBus
from engine.consumers.runner import Runner
from engine.observability.stages import StageTimer
from engine.orchestrator.merge import Orchestrator
from engine.pools.lease import Lease
from engine.pools.recycler import Recycler
from engine.schema.command import Ack, Result
from engine.schema.enums import EventType, InstrumentChange
from engine.schema.instrument import Instrument


class OwnEvents:
    """Fills and hands on. Owned by the engine, used on its loop.

    Args:
        recycler: the pools.
        clock: stamps them.
        bus: wakes who was offered an answer.
        runners: the engine's own, which come and go.
        tell: called as tell(kind, **metadata): telemetry.
        first: the first stage.
        timer: of the stages.
        post: answers what runs a call on the engine's loop, or None while no loop runs.
        before_added: called before an instrument that is new is told of.
    """

    def __init__(
        self,
        recycler: Recycler,
        clock: Clock,
        bus: DataBus,
        runners: Mapping[str, Runner],
        tell: Callable[..., None],
        first: Orchestrator,
        timer: StageTimer,
        post: Callable[[], Callable[[Callable[[], None]], object] | None],
        before_added: Callable[[], None],
    ) -> None:
        self._recycler = recycler
        self._clock = clock
        self._bus = bus
        self._runners = runners
        self._tell = tell
        self._first = first
        self._timer = timer
        self._post = post
        self._before_added = before_added
        self._posted: Callable[[Callable[[], None]], object] | None = None
        """What a delivery is on its way by; one loop's never arrives on the next."""

    def acknowledge(self, ack: Ack) -> None:
        """Hand an acknowledgement to the consumer that gave the command."""
        fields = ("message_id", "consumer_id", "command_type", "success", "error", "routing_version")
        self._answer(EventType.CONTROL_ACK, ack.consumer_id, {name: getattr(ack, name) for name in fields})

    def tell_result(self, result: Result) -> None:
        """Hand a result to the consumer that gave the command."""
        fields = ("message_id", "consumer_id", "command_type", "result", "routing_version")
        self._answer(EventType.CONTROL_RESULT, result.consumer_id, {name: getattr(result, name) for name in fields})

    def _answer(self, event_type: EventType, consumer_id: str, fields: dict[str, Any]) -> None:
        runner = self._runners.get(consumer_id)
        if runner is None:
            return  # an operator's, or of somebody who is not here: the reply alone tells
        lease = self._recycler.acquire_lease(event_type)
        if lease is None:
            raise InternalError(f"no slot for a {event_type.class_name}", op="control.answer")
        now_ns = self._clock.now()
        lease.fill_all(fields | {"ts_recv_ns": now_ns, "ts_emit_ns": now_ns})
        lease.publish()
        lease.offer_to(runner)
        self._bus.wake(runner.index)

    def publish_instrument(self, record: Instrument, change: InstrumentChange, changed: tuple[str, ...]) -> None:
        """Tell a change of an instrument's record."""
        if change is InstrumentChange.ADDED:
            self._before_added()  # who waits for the symbol is told of it
        lease = self._recycler.acquire_lease(EventType.INSTRUMENT_UPDATE)
        if lease is None:
            self._tell("pool.exhausted", pool="InstrumentUpdate", in_use=0, capacity=0, waited_ms=0)
            return
        now_ns = self._clock.now()
        lease.fill("instrument_id", instrument_id(record.provider, record.symbol))
        lease.fill("instrument", record)
        lease.fill("change", change)
        lease.fill("changed_fields", changed)
        lease.fill("seq_provider", record.version)
        lease.fill("seq_first", record.version)
        lease.fill("epoch", 1)
        lease.fill("price_scale", record.price_scale)
        lease.fill("qty_scale", record.qty_scale)
        lease.fill("ts_recv_ns", now_ns)
        lease.fill("ts_emit_ns", now_ns)
        lease.publish()
        self.offer_made(lease)

    def offer_made(self, lease: Lease) -> None:
        """Let an event go that no read brings: nobody may read for long, so it is delivered by itself."""
        self._timer.begin_made()
        lease.offer_to(self._first)
        post = self._post()
        if post is not None and post is not self._posted:
            self._posted = post
            post(self._deliver_made)

    def _deliver_made(self) -> None:
        self._posted = None
        self._first.deliver()
