"""One stream put in order, in plain Python with the time told from outside: the rules EVT-60 to EVT-62.

1. The first event of an epoch sets the baseline; it survives an empty buffer until `reset`.
2. The next in order goes at once: contiguous last + 1; range first <= last + 1 <= final; monotonic any
   greater; none everything.
3. What is ahead of a gap waits, each event until its own deadline. When one has waited long enough, it and
   everything before it goes, in order of (number, receive time); what follows a missing number says so.
4. A full buffer lets the lowest go; nothing is ever thrown away for want of room.
5. A number at or below the last is a duplicate if it was seen inside the horizon, else late. Late market data
   is dropped, a late critical event goes at once with its mark.
"""

from collections import Counter
from dataclasses import dataclass, field
from enum import Enum

MS = 1_000_000


class Mode(Enum):
    CONTIGUOUS = "contiguous"
    RANGE = "range"
    MONOTONIC = "monotonic"
    NONE = "none"


@dataclass(frozen=True)
class Arrival:
    """One event offered: venue numbers *first_id* to *seq*, receive time, lasting identity."""

    seq: int
    ts_recv_ns: int = 0
    first_id: int | None = None
    ident: str | None = None
    is_critical: bool = False

    @property
    def seq_first(self) -> int:
        return self.seq if self.first_id is None else self.first_id

    @property
    def identity(self) -> str:
        return str(self.seq) if self.ident is None else self.ident


@dataclass(frozen=True)
class Released:
    """One event let go, with its marks and how long it was held."""

    arrival: Arrival
    gap_before: bool = False
    late: bool = False
    held_ns: int = 0


@dataclass(order=True)
class _Waiting:
    key: tuple[int, int, int]
    arrival: Arrival = field(compare=False)
    arrived_ns: int = field(compare=False)


class ReorderTwin:
    """The buffer of one stream.

    *numbers_identify*: a number names one event, so a repeated number is judged by the watermark; where it
    does not (times in ms), an equal number with another identity is in order, and identities are remembered.
    """

    def __init__(
        self,
        mode: Mode,
        tolerance_ns: int = 150 * MS,
        buffer_limit: int = 200,
        horizon_ids: int = 8192,
        horizon_ns: int = 300_000 * MS,
        numbers_identify: bool = True,
    ) -> None:
        self.mode = mode
        self.counters: Counter[str] = Counter()
        self.last_emitted: int | None = None
        self.epoch = 1
        self._tolerance_ns = tolerance_ns
        self._buffer_limit = buffer_limit
        self._horizon_ids = horizon_ids
        self._horizon_ns = horizon_ns
        self._by_number = numbers_identify and mode is not Mode.NONE
        self._waiting: list[_Waiting] = []
        self._seen_numbers: dict[int, int] = {}
        self._seen_identities: dict[str, int] = {}
        self._arrival_count = 0

    def offer(self, arrival: Arrival, now_ns: int) -> list[Released]:
        """Take one event; returns what goes at *now_ns*, in order."""
        released = self.advance(now_ns)
        if self._is_duplicate(arrival, now_ns):
            self.counters["duplicates"] += 1
            return released
        if self._is_behind(arrival):
            return released + self._late(arrival, now_ns)
        self._remember(arrival, now_ns)
        if self._is_next(arrival):
            self._emitted(arrival)
            return [*released, Released(arrival), *self._drain(now_ns)]
        self._arrival_count += 1
        key = (arrival.seq, arrival.ts_recv_ns, self._arrival_count)
        self._waiting.append(_Waiting(key, arrival, now_ns))
        self._waiting.sort()
        if len(self._waiting) > self._buffer_limit:
            self.counters["overflow_released"] += 1
            released += self._let_go(now_ns)
        return released + self._drain(now_ns)

    def advance(self, now_ns: int) -> list[Released]:
        """Let go what has waited its time by *now_ns*, with everything ahead of it."""
        oldest_ns = now_ns - self._tolerance_ns
        due = [place for place, entry in enumerate(self._waiting) if entry.arrived_ns <= oldest_ns]
        if not due:
            return []
        return self._let_go(now_ns, due[-1] + 1) + self._drain(now_ns)

    def next_deadline_ns(self) -> int | None:
        """When `advance` has work next; None with nothing waiting."""
        if not self._waiting:
            return None
        return min(entry.arrived_ns for entry in self._waiting) + self._tolerance_ns

    def flush(self, now_ns: int) -> list[Released]:
        """Let everything go, in order."""
        return self._let_go(now_ns, len(self._waiting))

    def reset(self, now_ns: int) -> list[Released]:
        """Begin a new epoch: what waits goes first, then the next event sets the baseline anew."""
        released = self.flush(now_ns)
        self.epoch += 1
        self.last_emitted = None
        self._seen_numbers.clear()
        return released

    @property
    def held_count(self) -> int:
        return len(self._waiting)

    def _is_duplicate(self, arrival: Arrival, now_ns: int) -> bool:
        if self._by_number:
            seen_ns = self._seen_numbers.get(arrival.seq)
            in_reach = self.last_emitted is None or arrival.seq > self.last_emitted - self._horizon_ids
        else:
            seen_ns = self._seen_identities.get(arrival.identity)
            in_reach = True
        return seen_ns is not None and in_reach and now_ns - seen_ns < self._horizon_ns

    def _is_behind(self, arrival: Arrival) -> bool:
        if self.mode is Mode.NONE or self.last_emitted is None:
            return False
        return arrival.seq < self.last_emitted or (self._by_number and arrival.seq == self.last_emitted)

    def _is_next(self, arrival: Arrival) -> bool:
        if self.last_emitted is None or self.mode in (Mode.MONOTONIC, Mode.NONE):
            return True
        if self.mode is Mode.RANGE:
            return arrival.seq_first <= self.last_emitted + 1
        again = not self._by_number and arrival.seq == self.last_emitted
        return again or arrival.seq == self.last_emitted + 1

    def _late(self, arrival: Arrival, now_ns: int) -> list[Released]:
        if not arrival.is_critical:
            self.counters["late_dropped"] += 1
            return []
        self.counters["late_delivered"] += 1
        self._remember(arrival, now_ns)
        return [Released(arrival, late=True)]

    def _drain(self, now_ns: int) -> list[Released]:
        released: list[Released] = []
        while self._waiting and self._may_go(self._waiting[0].arrival):
            released += self._let_go(now_ns)
        return released

    def _may_go(self, arrival: Arrival) -> bool:
        return self._is_next(arrival) or self._is_behind(arrival)

    def _let_go(self, now_ns: int, count: int = 1) -> list[Released]:
        released = []
        for _ in range(count):
            entry = self._waiting.pop(0)
            if self._is_behind(entry.arrival):
                # A wider range went past it while it waited.
                released += self._late(entry.arrival, now_ns)
                continue
            gap_before = not self._is_next(entry.arrival)
            self.counters["gaps"] += gap_before
            self._emitted(entry.arrival)
            released.append(Released(entry.arrival, gap_before=gap_before, held_ns=now_ns - entry.arrived_ns))
        return released

    def _emitted(self, arrival: Arrival) -> None:
        if self.mode is not Mode.NONE:
            self.last_emitted = arrival.seq

    def _remember(self, arrival: Arrival, now_ns: int) -> None:
        if self._by_number:
            self._seen_numbers[arrival.seq] = now_ns
            return
        self._seen_identities.pop(arrival.identity, None)
        self._seen_identities[arrival.identity] = now_ns
        # Insertion order is age: the oldest identities beyond the horizon are forgotten first.
        while len(self._seen_identities) > self._horizon_ids:
            del self._seen_identities[next(iter(self._seen_identities))]
