"""Strategies that measure: they run inside the engine, know its public API alone, and write what they saw at the end.

Times are those of the machine's clock, taken when a callback is entered, and the venue's own from the frame; no stamp
of the engine's is among them.
"""
from __future__ import annotations

import ctypes
import random
import statistics
import sys
import time
from collections import Counter
from pathlib import Path

import msgspec

from engine.consumers.context import Context
from engine.schema.control import ControlAck
from engine.schema.enums import CloseReason, EventFlag, EventType
from engine.schema.event import Event
from engine.schema.market import BookSnapshot
from engine.schema.merged import MergedEvent

VENUES = ("binance", "coinbase", "kraken", "simulated")
NUMBERS = {name: number for number, name in enumerate(VENUES)}
"""What stands for a venue in a row of times."""
KEPT_BACK = ("coinbase", EventType.TRADE)
"""Trades that their venue gathers for up to 250 ms: their time is not that of their frame."""
_PR_SET_TIMERSLACK = 29
"""From linux/prctl.h."""
_SLEEPS_TRIED, _TRIED_S = 51, 1e-4
"""A sleep ends late; by how much, so many tell."""


class Notes(msgspec.Struct):
    """What a strategy writes.

    Attributes:
        times: rows of numbers; what stands in one is told by the strategy.
        counts: by name.
        texts: by name.
    """

    times: list[tuple[int, ...]] = []
    counts: dict[str, int] = {}
    texts: list[tuple[str, ...]] = []

    def __post_init__(self) -> None:
        """What was not counted is 0."""
        self.counts = Counter(self.counts)


def is_timed(event: Event) -> bool:
    """Whether the venue's time of an event is that at which its frame was due."""
    is_kept_back = event.type is KEPT_BACK[1] and event.provider == KEPT_BACK[0]
    return event.ts_venue_ns > 0 and type(event) is not BookSnapshot and not is_kept_back


class Noting:
    """What all of them share.

    Args:
        notes: file to write when it stops.
        work_us: how long each callback on market data takes, sleeping.
    """

    def __init__(self, notes: str, work_us: int = 0) -> None:
        self._notes = Path(notes)
        self._work_s = work_us / 1e6
        self.seen = Notes()

    def on_start(self, ctx: Context) -> None:
        """Learn how late a sleep of this consumer's thread ends."""
        if self._work_s:
            self._work_s = max(0.0, self._work_s - _wakes_late_s())

    def on_stop(self, ctx: Context) -> None:
        """Write what was seen."""
        self._notes.write_bytes(msgspec.msgpack.encode(self.seen))

    def work(self) -> None:
        """Take as long as was asked."""
        if self._work_s:
            time.sleep(self._work_s)


def _wakes_late_s() -> float:
    """By how much a sleep of the calling thread exceeds what it was told, in the median.

    The kernel adds up to 50 us to each, unless it is told not to; from here on it is.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_TIMERSLACK, 1, 0, 0, 0)
    took_s = []
    for _ in range(_SLEEPS_TRIED):
        started_s = time.perf_counter()
        time.sleep(_TRIED_S)
        took_s.append(time.perf_counter() - started_s)
    return statistics.median(took_s) - _TRIED_S


class Watcher(Noting):
    """Takes the time of each event, and looks at the order of each stream.

    times: (venue's time, time of the callback's start, number of the venue). counts: ``events``, ``out_of_order``,
    ``missing``, ``late``.

    Args:
        notes, work_us: see :class:`Noting`.
        fail_every: one callback in so many fails.
        keep: how many times to keep.
    """

    def __init__(self, notes: str, work_us: int = 0, fail_every: int = 0, keep: int = 10_000_000) -> None:
        super().__init__(notes, work_us)
        self._fail_every = fail_every
        self._keep = keep
        self._last: dict[tuple[int, EventType], tuple[int, int]] = {}

    def on_event(self, event: Event, ctx: Context) -> None:
        """One event."""
        now_ns = time.time_ns()
        counts = self.seen.counts
        counts["events"] += 1
        if event.type is EventType.TRADE:
            self._check(event)
        if is_timed(event) and len(self.seen.times) < self._keep:
            self.seen.times.append((event.ts_venue_ns, now_ns, NUMBERS[event.provider]))
        self.work()
        if self._fail_every and counts["events"] % self._fail_every == 0:
            counts["planted"] += 1
            raise ValueError(f"planted failure {counts['planted']}")

    def _check(self, event: Event) -> None:
        key, number = (event.instrument_id, event.type), (event.epoch, event.seq_provider)
        last = self._last.get(key)
        self._last[key] = max(number, last or number)
        if last is None or EventFlag.LATE in event.flags:
            return
        if number <= last:
            self.seen.counts["out_of_order"] += 1
        elif number[0] == last[0]:
            self.seen.counts["missing"] += number[1] - last[1] - 1


class Changer(Watcher):
    """Changes one of its own subscriptions again and again, and takes the time until it is in force.

    times: (0, ns from Subscribe to the stream's first event) and (1, ns from Unsubscribe to its last one). counts:
    ``commands``, ``acks``, ``refused``, ``old`` (market data of an older version than one acknowledged).

    Args:
        notes: see :class:`Noting`.
        changed: symbols whose books it takes and gives up in turn.
        change_ms: between two changes.
    """

    def __init__(self, notes: str, changed: list[str], change_ms: int) -> None:
        super().__init__(notes, keep=0)
        self._changed = changed
        self._change_ns = change_ms * 1_000_000
        self._changed_ns = 0
        self._taken: dict[str, int] = {}
        self._given_up: dict[str, int] = {}
        self._waiting: dict[str, int] = {}
        self._version = 0

    def on_event(self, event: Event, ctx: Context) -> None:
        """One event, and a change when it is time for one."""
        now_ns = time.time_ns()
        if isinstance(event, ControlAck):
            self._acknowledged(event)
        if event.is_critical:
            return
        super().on_event(event, ctx)
        if event.routing_version < self._version and EventFlag.SYNTHETIC not in event.flags:
            self.seen.counts["old"] += 1
        symbol = event.symbol or ""
        if event.type is not EventType.TRADE:
            if (since_ns := self._waiting.pop(symbol, None)) is not None:
                self.seen.times.append((0, now_ns - since_ns))
            elif (gave_up_ns := self._given_up.get(symbol)) is not None:
                self.seen.times.append((1, now_ns - gave_up_ns))
        if now_ns - self._changed_ns >= self._change_ns:
            self._changed_ns = now_ns
            self._change(ctx)

    def _acknowledged(self, ack: ControlAck) -> None:
        self.seen.counts["acks"] += 1
        self.seen.counts["refused"] += not ack.success
        self._version = max(self._version, ack.routing_version)

    def _change(self, ctx: Context) -> None:
        symbol = self._changed[self.seen.counts["commands"] // 2 % len(self._changed)]
        self.seen.counts["commands"] += 1
        if self.seen.counts["commands"] % 2:
            self._given_up.pop(symbol, None)
            self._waiting[symbol] = time.time_ns()
            ctx.subscribe(symbol, event_types=["BookUpdate"])
        else:
            # What was asked for and has not come by now is late: it counts with all of its wait.
            if (since_ns := self._waiting.pop(symbol, None)) is not None:
                self.seen.times.append((0, time.time_ns() - since_ns))
            self._given_up[symbol] = time.time_ns()
            ctx.unsubscribe(symbol, event_types=["BookUpdate"])


class Blocked(Noting):
    """Sleeps at each event and gives commands meanwhile: their answers must come through whatever is full.

    counts: ``commands``, ``acks``, ``results``, ``market``.

    Args:
        notes, work_us: see :class:`Noting`.
        symbol: of the commands, which ask for what it has already.
        commands: given at once, with every fourth event.
    """

    def __init__(self, notes: str, work_us: int, symbol: str, commands: int) -> None:
        super().__init__(notes, work_us)
        self._symbol = symbol
        self._commands = commands

    def on_event(self, event: Event, ctx: Context) -> None:
        """One event."""
        counts = self.seen.counts
        if event.is_critical:
            counts["acks" if isinstance(event, ControlAck) else "results"] += 1
            return
        counts["market"] += 1
        if counts["market"] % 4 == 1:
            for _ in range(self._commands):
                counts["commands"] += 1
                ctx.subscribe(self._symbol, event_types=["Trade"])
        self.work()


class Stamper(Noting):
    """Takes the start and the end of each callback.

    times: (what tells the event, venue's time, start, end).

    Args:
        notes, work_us: see :class:`Noting`.
        events: so many, from the first on; the others are taken without work.
    """

    def __init__(self, notes: str, work_us: int = 0, events: int = 1_000_000) -> None:
        super().__init__(notes, work_us)
        self._events = events

    def on_event(self, event: Event, ctx: Context) -> None:
        """One event."""
        if len(self.seen.times) >= self._events or not is_timed(event):
            return
        number = event.instrument_id << 48 ^ int(event.type) << 40 ^ event.seq_provider
        started_ns = time.time_ns()
        self.work()
        self.seen.times.append((number, event.ts_venue_ns, started_ns, time.time_ns()))


class Windows(Noting):
    """Looks at merged events.

    times: (fragments, ns from the window's limit to the callback; -1 for one closed by its count). counts:
    ``incomplete``.

    Args:
        notes: see :class:`Noting`.
        duration_ms: of the windows.
    """

    def __init__(self, notes: str, duration_ms: int) -> None:
        super().__init__(notes)
        self._duration_ns = duration_ms * 1_000_000

    def on_event(self, event: Event, ctx: Context) -> None:
        """One merged event."""
        now_ns = time.time_ns()
        if not isinstance(event, MergedEvent):
            return
        self.seen.counts[event.rule] += 1
        there = {fragment.provider for fragment in event.fragments}
        self.seen.counts["incomplete"] += there != set(event.expected_providers)
        behind_ns = -1
        if event.close_reason is CloseReason.TIME:
            behind_ns = now_ns - (event.window_open_ns + self._duration_ns)
        self.seen.times.append((event.fragment_count, behind_ns))


class Failing(Noting):
    """Fails at random, each time with an error of its own. texts: (trace id, the error's text) of each.

    Args:
        notes: see :class:`Noting`.
        share: of the callbacks.
        seed: of the choice.
    """

    def __init__(self, notes: str, share: float, seed: int) -> None:
        super().__init__(notes)
        self._share = share
        self._rng = random.Random(seed)
        self._name = f"seed {seed}"

    def on_event(self, event: Event, ctx: Context) -> None:
        """One event."""
        self.seen.counts["events"] += 1
        if self._rng.random() < self._share:
            self.seen.texts.append((event.trace_id, f"planted {len(self.seen.texts)} of {self._name}"))
            raise ValueError(self.seen.texts[-1][1])


class Holder(Noting):
    """Holds up its thread in its first callback, so that what comes meanwhile stays queued. counts: ``events``."""

    def on_event(self, event: Event, ctx: Context) -> None:
        """One event."""
        self.seen.counts["events"] += 1
        if self.seen.counts["events"] == 1:
            self.work()


class Sleeper:
    """Does not return from its first callback for so long that nobody waits for it.

    Args:
        seconds: how long.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    def on_event(self, event: Event, ctx: Context) -> None:
        """One event."""
        time.sleep(self._seconds)
