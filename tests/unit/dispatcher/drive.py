"""One or several streams through a real dispatcher, beside their plain twins."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

from engine.base.ids import instrument_id
from engine.dispatcher.routing import stream_index
from engine.schema.enums import EventFlag, EventType, OrderingMode
from tests.twins.reorder_twin import MS, Arrival, Mode, Released, ReorderTwin
from tests.unit.event_kit import leased, recycler
from tests.unit.pipeline_kit import Line

MODES = {
    Mode.CONTIGUOUS: OrderingMode.CONTIGUOUS,
    Mode.RANGE: OrderingMode.RANGE,
    Mode.MONOTONIC: OrderingMode.MONOTONIC,
    Mode.NONE: OrderingMode.NONE,
}
TYPES = [EventType.TRADE, EventType.BOOK_UPDATE, EventType.CONTROL_ACK]
"""What streams may carry: two of market data and a critical one, which is delivered late too."""
COUNTERS = {
    "duplicates": "duplicates",
    "late_dropped": "late_dropped",
    "late_delivered": "late_delivered",
    "gaps": "gaps",
    "overflow_released": "overflowed",
}
"""The twin's name of each count, and the engine's."""

Row = tuple[int, int, int, bool, bool]
"""(instrument, number, receive time, after a gap, late)."""


class Watcher:
    """Notes of each event what the twin says too: which, and with which marks."""

    def __init__(self) -> None:
        self.seen: list[Row] = []

    def on_event(self, event: Any, ctx: Any) -> None:
        flags = event.flags
        self.seen.append(
            (event.instrument_id, event.seq_provider, event.ts_recv_ns, EventFlag.GAP_BEFORE in flags, EventFlag.LATE in flags)
        )

    def take(self) -> list[Row]:
        seen, self.seen = self.seen, []
        return seen


@dataclass
class Stream:
    """One stream of the dispatcher and its twin."""

    mode: Mode
    instrument: int
    event_type: EventType
    twin: ReorderTwin

    def told(self, released: Iterable[Released]) -> list[Row]:
        """The twin's answer in the watcher's form."""
        return [
            (self.instrument, entry.arrival.seq, entry.arrival.ts_recv_ns, entry.gap_before, entry.late)
            for entry in released
        ]


@dataclass
class Drive:
    """A dispatcher with one watcher on all streams; every step is made by the twins as well and compared."""

    buffer_max: int = 200
    horizon_ids: int = 8192
    streams: list[Stream] = field(default_factory=list)
    delivered: list[Row] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.line = Line(
            pools=recycler(2048, types=TYPES), rules={"buffer_max": self.buffer_max, "horizon_ids": self.horizon_ids}
        )
        self.watcher = Watcher()
        self.line.add(self.watcher, (), capacity=4096)
        self.start_ns = self.line.clock.now()

    def add(self, mode: Mode, event_type: EventType = EventType.TRADE) -> Stream:
        instrument = instrument_id("binance", f"S{len(self.streams)}-USDT")
        twin = ReorderTwin(mode, 150 * MS, self.buffer_max, self.horizon_ids)
        self.streams.append(Stream(mode, instrument, event_type, twin))
        self.line.route(0, {stream_index(stream.instrument, stream.event_type) for stream in self.streams})
        return self.streams[-1]

    def now_ns(self) -> int:
        return self.line.clock.now() - self.start_ns

    def offer(self, stream: Stream, arrival: Arrival, at_ns: int | None = None, *, reset: bool = False) -> None:
        """One event, at *at_ns* since the start; *reset*: the first of a new epoch."""
        if at_ns is not None:
            self.move_to(at_ns)
        arrival = replace(arrival, is_critical=stream.event_type is EventType.CONTROL_ACK)
        expected = stream.twin.reset(self.now_ns()) if reset else []
        expected += stream.twin.offer(arrival, self.now_ns())
        lease = leased(
            self.line.pools,
            stream.event_type,
            MODES[stream.mode],
            instrument_id=stream.instrument,
            seq_provider=arrival.seq,
            seq_first=arrival.seq_first,
            epoch=stream.twin.epoch,
            ts_recv_ns=arrival.ts_recv_ns,
        )
        assert lease.offer_to(self.line.orchestrator) == "accepted"
        self._compare(stream.told(expected))

    def move_to(self, at_ns: int) -> None:
        """Time passes for the dispatcher and for every twin."""
        self.line.clock.set(self.start_ns + at_ns)
        self.line.dispatcher.poll(self.line.clock.now())
        expected = [row for stream in self.streams for row in stream.told(stream.twin.advance(at_ns))]
        self._compare(expected, ordered=len(self.streams) == 1)

    def finish(self) -> None:
        """Shutdown: everything leaves, and every count agrees."""
        expected = [row for stream in self.streams for row in stream.told(stream.twin.flush(self.now_ns()))]
        self.line.dispatcher.flush_held()
        self._compare(expected, ordered=len(self.streams) == 1)
        for stream in self.streams:
            counts = self.counts(stream)
            assert counts.balanced
            assert counts.held == 0
            found = Counter({name: getattr(counts, own) for name, own in COUNTERS.items()})
            assert +found == +stream.twin.counters
        assert self.line.pools.statistics().balanced

    def counts(self, stream: Stream) -> Any:
        key = self.line.dispatcher.stream_key(stream_index(stream.instrument, stream.event_type))
        return self.line.dispatcher.statistics()[key]

    def _compare(self, expected: list[Row], *, ordered: bool = True) -> None:
        self.line.flush()
        seen = self.watcher.take()
        if not ordered:  # across streams no order is promised; within each it is
            seen.sort(key=lambda row: row[0])
            expected.sort(key=lambda row: row[0])
        assert seen == expected
        self.delivered += seen
        for stream in self.streams:
            due_ns = stream.twin.next_deadline_ns()
            if due_ns is not None:
                told_ns = self.line.dispatcher.next_deadline_ns
                assert told_ns is not None
                assert told_ns <= self.start_ns + due_ns
