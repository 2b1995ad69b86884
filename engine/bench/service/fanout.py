"""One event to many: until the last callback ends, how far apart they start, what threads and memory it takes."""
from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from engine.bench.record import Row
from engine.bench.service.desk import Notes
from engine.bench.service.figures import percentile, row
from engine.bench.service.world import PLAIN, consumer, engine_on, world

ONE_BY_ONE_RATE = 33
ALONE_NS = 15_000_000
"""An event with another one nearer than this is not one at a time."""

SLEEP_US = 10_000
GROUPS = {3: 0, 5: 0, 10: SLEEP_US}
"""Consumers of one symbol each group, and how long their callbacks sleep."""

EFFICIENT = (5, 10, 50)
HELD = 120
HOLDING_US = 1_500_000


def one_at_a_time(seconds: float) -> Iterator[Row]:
    """SC-22 and SC-32: groups of consumers, each event long after the one before."""
    with world(ONE_BY_ONE_RATE, len(GROUPS), PLAIN) as place:
        symbols = dict(zip(GROUPS, place.all_symbols(), strict=True))
        consumers = [
            consumer(f"of-{size}-{number}", "Stamper", [symbols[size]], params={"work_us": work_us})
            for size, work_us in GROUPS.items()
            for number in range(size)
        ]
        with engine_on(place, consumers) as run:
            run.pause(2 * seconds)
            ended = run.stop()
    stamps = {
        size: _by_event([ended.notes[f"of-{size}-{number}"] for number in range(size)], ended.ahead_ns)
        for size in GROUPS
    }
    alone = _alone([venue_ns for events in stamps.values() for venue_ns, *_ in events.values()], ended.began_ns)
    case = f"one event at a time, {2 * seconds:g} s"
    for size in (3, 5):
        spreads = [
            (max(starts) - min(starts)) / 1e6
            for venue_ns, starts, _ in stamps[size].values()
            if venue_ns in alone and len(starts) == size
        ]
        yield row(
            "SC-32", f"{size} consumers, {case}", "spread of the callbacks' starts, p99", percentile(spreads, 0.99),
            "ms", "at_most", 10, voided=not spreads,
            note=f"p50 {percentile(spreads, 0.5):.2f}, max {max(spreads, default=0):.2f} ms; {len(spreads)} events",
        )  # fmt: skip
    taken = [
        ((max(starts) - venue_ns) / 1e6, (max(ends) - venue_ns) / 1e6)
        for venue_ns, starts, ends in stamps[10].values()
        if venue_ns in alone and len(ends) == 10
    ]
    ends_ms = [end for _, end in taken]
    yield row(
        "SC-22", f"10 threads, callbacks sleep {SLEEP_US // 1000} ms, {case}", "venue's time to the last end, p50",
        percentile(ends_ms, 0.5), "ms", "at_most", 15, voided=not taken,
        note=f"p99 {percentile(ends_ms, 0.99):.2f} ms; to the last start p50 "
        f"{percentile([start for start, _ in taken], 0.5):.2f} ms; {len(taken)} events",
    )  # fmt: skip


Stamps = dict[int, tuple[int, list[int], list[int]]]


def _by_event(notes: Sequence[Notes], ahead_ns: int) -> Stamps:
    """Event -> (venue's time by our clock, starts, ends)."""
    found: Stamps = {}
    for one in notes:
        for number, venue_ns, started_ns, ended_ns in one.times:
            _, starts, ends = found.setdefault(number, (venue_ns - ahead_ns, [], []))
            starts.append(started_ns)
            ends.append(ended_ns)
    return found


def _alone(times_ns: Sequence[int], since_ns: int) -> set[int]:
    """Those with none near them; equal times are one frame of the venue."""
    ordered = sorted(times_ns)
    rows = zip([0, *ordered], ordered, [*ordered[1:], ordered[-1] + 2 * ALONE_NS if ordered else 0], strict=False)
    return {
        at for before, at, after in rows if at > since_ns and at - before > ALONE_NS and after - at > ALONE_NS
    }


def efficiency(seconds: float) -> Iterator[Row]:
    """SC-30: events back to back, callbacks that sleep, as many workers as subscribers."""
    events = 1000 if seconds >= 10 else int(max(50, 50 * seconds))
    sections: dict[str, Any] = {
        "profile": "throughput",
        "engine": {"shutdown_wait_ms": 60_000},
        "dispatcher": {"backpressure": {"token_rate_per_stream": "unlimited"}},
    }
    for size in EFFICIENT:
        with world(20 * events, 3, PLAIN) as place:
            params = {"work_us": SLEEP_US, "events": events}
            consumers = [
                consumer(f"of-{number}", "Stamper", place.all_symbols(), params=params, mailbox_capacity=16_384)
                for number in range(size)
            ]
            with engine_on(place, consumers, **sections) as run:
                run.pause(0.5)
                place.ask("POST", "/pause")
                run.pause(1.3 * events * SLEEP_US / 1e6)
                ended = run.stop()
        rows = [one for notes in ended.notes.values() for one in notes.times]
        wall_s = (max(one[3] for one in rows) - min(one[2] for one in rows)) / 1e9 if rows else 0.0
        busy_s = sum(end - start for *_, start, end in rows) / 1e9
        yield row(
            "SC-30", f"{size} threads, {events} events back to back, callbacks sleep {SLEEP_US // 1000} ms",
            "callbacks' time over wall time and workers", 100 * busy_s / (wall_s * size) if wall_s else 0.0, "%",
            "at_least", 90, profile="throughput", voided=len(rows) < size * events,
            note=f"callbacks {busy_s:.2f} s, wall {wall_s:.2f} s, {size} workers, {len(rows):,} callbacks",
        )  # fmt: skip


def allocations() -> Iterator[Row]:
    """SC-33: a hundred events in flight to one, ten and fifty subscribers: the same bytes each time."""
    acquired: dict[int, int] = {}
    peaks: dict[int, int] = {}
    resident: dict[int, int] = {}
    for size in (1, 10, 50):
        start = ("--held", "--load", str(HELD), "--start-us", "1764000000000000", "--seed", "7")
        with world(5 * HELD, 1, PLAIN, *start) as place:
            consumers = [
                consumer(f"of-{number}", "Holder", place.all_symbols(), params={"work_us": HOLDING_US})
                for number in range(size)
            ]
            with engine_on(place, consumers) as run:
                place.ask("POST", "/resume")
                run.pause(HOLDING_US / 1e6 - 0.2)
                resident[size] = run.resident_bytes()
                run.pause(0.5)
                ended = run.stop()
        pools = [ended.report["pools"][name] for name in ("Trade", "BookUpdate", "BookSnapshot")]
        acquired[size] = sum(pool["acquired"] for pool in pools)
        peaks[size] = sum(pool["in_use_peak"] for pool in pools)
    told = ", ".join(f"{size}: {acquired[size]} lent, {peaks[size]} at once" for size in acquired)
    for size in (10, 50):
        yield row(
            "SC-33", f"{HELD} events in flight to {size} subscribers", "events lent, against one subscriber",
            acquired[size] / acquired[1], "x", "at_most", 1.0, voided=min(peaks.values()) < 100, note=told,
        )  # fmt: skip
    first = max(1, resident[10] - resident[1]) / 9
    later = (resident[50] - resident[10]) / 40
    yield row(
        "SC-33", "from 10 to 50 subscribers", "memory each takes, against the first ten", later / first, "x", "at_most",
        1.2, voided=first < 4096,
        note=f"{first / 1024:.0f} KiB each, then {later / 1024:.0f} KiB; {resident[1] >> 20} MiB with one",
    )  # fmt: skip
