"""Merge windows: closed in time, never too large, never with a provider missing."""
from __future__ import annotations

from collections.abc import Iterator

from engine.bench.record import Row
from engine.bench.service.figures import NORMAL_RATE, row
from engine.bench.service.world import consumer, engine_on, world

VENUES = ("coinbase", "kraken", "simulated")
BY_TIME_MS, BY_COUNT = 250, 25
QUIET_S = 1.0
"""A venue says nothing of the symbol for so long: windows that miss it must not be emitted."""


def windows(seconds: float) -> Iterator[Row]:
    """SC-09 and SC-10: one rule that time closes, one that a count closes."""
    rules = [
        {"name": "by_time", "merge_key": "BTC-USD:Trade", "providers": VENUES, "window_duration_ms": BY_TIME_MS},
        {"name": "by_count", "merge_key": "BTC-USD:BookUpdate", "providers": VENUES, "window_max_events": BY_COUNT},
    ]
    with world(NORMAL_RATE, 3, VENUES) as place:
        consumers = [
            consumer(name, "Windows", ["BTC-USD"], params={"duration_ms": duration_ms}, merged=merged)
            for name, duration_ms, merged in (
                ("time", BY_TIME_MS, {"Trade": "by_time"}),
                ("count", 10_000, {"BookUpdate": "by_count"}),
            )
        ]
        with engine_on(place, consumers, orchestrator={"merge_rules": rules}) as run:
            run.pause(seconds / 2)
            quiet = {"fault": "quiet", "venue": "kraken", "symbol": "BTC-USD", "for_s": QUIET_S}
            place.ask("POST", "/faults", [quiet])
            run.pause(max(seconds / 2, 2 * QUIET_S))
            ended = run.stop()
    counts = ended.report["pipeline"]["windows"]
    timed = [behind for _, behind in ended.notes["time"].times if behind >= 0]
    in_time = sum(behind <= 100_000_000 for behind in timed)
    case = f"windows of {BY_TIME_MS} ms and of {BY_COUNT} events, {seconds:g} s"
    yield row(
        "SC-09", case, "closed within 100 ms of the limit", 100 * in_time / len(timed) if timed else 0.0, "%",
        "at_least", 95, voided=not timed,
        note=f"{len(timed)} windows; the latest {max(timed, default=0) / 1e6:.2f} ms behind, callback included",
    )  # fmt: skip
    largest = max((fragments for fragments, _ in ended.notes["count"].times), default=0)
    filled = sum(fragments == BY_COUNT for fragments, _ in ended.notes["count"].times)
    yield row(
        "SC-09", case, f"fragments of the largest window of {BY_COUNT}", largest, "", "at_most", BY_COUNT,
        voided=filled == 0, note=f"{filled} windows closed by their count",
    )  # fmt: skip
    suppressed = sum(one["suppressed"] for one in counts.values())
    emitted = sum(one["emitted"] for one in counts.values())
    incomplete = sum(notes.counts["incomplete"] for notes in ended.notes.values())
    yield row(
        "SC-10", case, "incomplete windows emitted", incomplete, "windows", "at_most", 0, voided=suppressed == 0,
        note=f"{emitted} emitted, {suppressed} suppressed, one venue quiet for {QUIET_S:g} s",
    )  # fmt: skip
