"""Loads `normal` and `peak`: latency, order, holds, pools, and three consumers against one."""
from __future__ import annotations

import statistics
from collections.abc import Iterator

from engine.bench.paired import MIN_PAIRS
from engine.bench.record import Row
from engine.bench.service.figures import (
    CALLBACK_US,
    FULL_S,
    NORMAL_RATE,
    PEAK_RATE,
    RUNS_FULL,
    SYMBOLS,
    Timed,
    delays_row,
    failure,
    lost,
    percentile,
    row,
    waits_alone,
)
from engine.bench.service.turns import times_p99
from engine.bench.service.world import THREE, Ended, World, consumer, engine_on, world

FAIL_EVERY = 200
FRAMES_FOR_AS_MANY = 5 / 3
"""One venue of ten symbols sends so many frames for the events that a consumer has of three with fifty."""
EVENTS_APART_MAX = 0.05
"""Two loads are the same as far as that."""
DISPLACED = ("swap", "drop", "duplicate")


def watchers(place: World, count: int, symbols: list[str] | None = None) -> list[dict[str, object]]:
    """*count* consumers in threads, callbacks of 100 us, one in 200 failing."""
    wanted = place.all_symbols() if symbols is None else symbols
    params = {"work_us": CALLBACK_US, "fail_every": FAIL_EVERY}
    return [consumer(f"watcher-{number}", "Watcher", wanted, params=params) for number in range(count)]


def delays_of(ended: Ended) -> list[int]:
    """All watchers' together."""
    return [delay for name in ended.notes if name.startswith("watcher") for delay in ended.delays_ns(name)]


def timed(rate: int, seconds: float) -> Timed:
    """One run of three consumers on everything three venues send."""
    with world(rate, SYMBOLS) as place:
        with engine_on(place, watchers(place, 3)) as run:
            run.pause(seconds)
            ended = run.stop()
        return Timed(delays_of(ended), ended, place.ask("GET", "/lateness")["p99_us"] / 1e3)


def several(rate: int, seconds: float) -> list[Timed]:
    """As many runs as their length is worth."""
    return [timed(rate, seconds) for _ in range(RUNS_FULL if seconds >= FULL_S else 1)]


def normal(seconds: float) -> Iterator[Row]:
    """SC-01, and SC-14 at 1000/s."""
    runs = several(NORMAL_RATE, seconds)
    case = f"3 x {SYMBOLS} x 3, {NORMAL_RATE}/s, {seconds:g} s"
    yield delays_row("SC-01", case, runs, 200)
    yield delays_row("SC-14", case, runs, 150)


def peak(seconds: float) -> Iterator[Row]:
    """SC-14 at 2000/s."""
    yield delays_row("SC-14", f"3 x {SYMBOLS} x 3, {PEAK_RATE}/s, {seconds:g} s", several(PEAK_RATE, seconds), 150)


def disorder(seconds: float) -> Iterator[Row]:
    """SC-02 and SC-36: trades that come displaced, doubled or not at all."""
    with world(NORMAL_RATE, SYMBOLS) as place, engine_on(place, watchers(place, 3)) as run:
        rules = [{"fault": fault, "stream": "trade", "count": 0, "every_s": 0.05} for fault in DISPLACED]
        place.ask("POST", "/faults", rules)
        run.pause(seconds)
        struck = place.ask("GET", "/faults")["counts"]
        place.ask("DELETE", "/faults")
        run.pause(0.5)
        ended = run.stop()
    counts = {fault: sum(rows.get(fault, 0) for rows in struck.values()) for fault in DISPLACED}
    told = ", ".join(f"{count} x {fault}" for fault, count in counts.items())
    wrong = sum(notes.counts["out_of_order"] for notes in ended.notes.values())
    seen = sum(notes.counts["events"] for notes in ended.notes.values())
    case = f"3 x {SYMBOLS} x 3, {NORMAL_RATE}/s with gaps, {seconds:g} s"
    yield row(
        "SC-02", case, "deliveries out of order", wrong, "events", "at_most", 0,
        voided=counts["swap"] == 0, note=f"{seen:,} deliveries; {told}",
    )  # fmt: skip
    hold = ended.report["gap_hold"]
    yield row(
        "SC-36", case, "longest hold of an event that waits for a gap", hold["max_ns"] / 1e6, "ms", "at_most", 200,
        voided=hold["count"] == 0,
        note=f"{hold['count']} held, p50 {hold['p50_ns'] / 1e6:.1f} ms, p99 {hold['p99_ns'] / 1e6:.1f} ms; {told}",
    )  # fmt: skip
    # What waits for nobody has no hold: the median of all deliveries lies far below the tolerance.
    yield row(
        "SC-36", case, "venue's writing to callback of most events, p50", percentile(delays_of(ended), 0.5) / 1e6, "ms",
        "at_most", 150, note="events in order are not held",
    )  # fmt: skip


def fan10(seconds: float) -> Iterator[Row]:
    """SC-24: ten subscribers of the same streams."""
    with world(NORMAL_RATE, SYMBOLS) as place, engine_on(place, watchers(place, 10)) as run:
        run.pause(seconds)
        ended = run.stop()
    used = {
        name: 100 * pool["in_use_peak"] / pool["capacity"]
        for name, pool in ended.report["pools"].items()
        if pool["acquired"] and pool["capacity"]
    }
    fullest = max(used, key=lambda name: used[name])
    told = ", ".join(f"{name} {share:.1f} %" for name, share in sorted(used.items(), key=lambda one: -one[1])[:4])
    failed = failure(ended)
    yield row(
        "SC-24", f"fan10, {NORMAL_RATE}/s, {seconds:g} s", f"fullest pool at its peak: {fullest}", used[fullest], "%",
        "at_most", 80, note=f"{told}; {failed}" if failed else told,
    )  # fmt: skip


def _served(ended: Ended) -> tuple[list[int], list[int]]:
    """Of the first consumer, in the part that counts: when its events were written, and when its callbacks began."""
    times = ended.notes["watcher-0"].times
    rows = [(ended.written.at_ns(number, venue_ns), started_ns) for venue_ns, started_ns, number in times]
    counted = [row for row in rows if ended.began_ns <= row[0] <= ended.ended_ns]
    return [row[0] for row in counted], [row[1] for row in counted]


def grown(seconds: float, rate: int = NORMAL_RATE, pairs: int = MIN_PAIRS) -> Iterator[Row]:
    """SC-11: 3 consumers x 50 symbols x 3 providers against 1 x 10 x 1 at the same events a second, in turns."""
    delays: dict[str, list[list[int]]] = {"small": [], "large": []}
    events: dict[str, list[float]] = {"small": [], "large": []}
    waits: dict[str, list[float]] = {"small": [], "large": []}
    losses = 0
    for turn in range(2 * pairs + 1):
        name, count = ("large", 3) if turn % 2 else ("small", 1)
        # Venues count what an address asks of them in a minute: each run has its own.
        venues = world(rate, SYMBOLS) if turn % 2 else world(round(rate * FRAMES_FOR_AS_MANY), 10, THREE[:1])
        with venues as place, engine_on(place, watchers(place, count)) as run:
            run.pause(seconds)
            ended = run.stop()
        delays[name].append(delays_of(ended))
        events[name].append(len(delays[name][-1]) / count / seconds)
        waits[name].append(percentile(waits_alone(*_served(ended)), 0.99))
        losses += lost(ended) if turn % 2 else 0
    apart = statistics.median(events["large"]) / statistics.median(events["small"]) - 1
    void = [f"its load is {apart:+.0%}"] if abs(apart) > EVENTS_APART_MAX else []
    case = f"3 x {SYMBOLS} x 3 against 1 x 10 x 1, {rate}/s, {seconds:g} s each"
    yield times_p99(
        "SC-11", case, "p99, venue's writing to callback", delays["small"], delays["large"], 0.20, void,
        f"a consumer has {statistics.median(events['large']):.0f} events/s of each",
    )  # fmt: skip
    large_ms, small_ms = (statistics.median(waits[name]) / 1e6 for name in ("large", "small"))
    yield row(
        "SC-11", case, "p99 of a queue of the same arrivals and callbacks, with nothing else", large_ms / small_ms, "x",
        "shown", None, note=f"{large_ms:.2f} ms against {small_ms:.2f} ms",
    )  # fmt: skip
    yield row("SC-11", case, "events lost by the three", losses, "events", "at_most", 0)
