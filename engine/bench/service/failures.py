"""Consumers that fail, and one that keeps what is not its own: what is told of it, what stays behind."""
from __future__ import annotations

import re
from collections.abc import Iterator

import msgspec

from engine.bench.record import Row
from engine.bench.service.figures import row
from engine.bench.service.world import PLAIN, consumer, engine_on, world

RATE_FOR = {"thread": 0.10, "inline": 0.10, "hundredth": 0.01}
"""Share of failing callbacks by consumer."""

EVENTS_MIN = 10_000
EVENTS_FULL = 100_000
HOLDERS = ("first", "second")
OUTSTANDING = 3
WAIT_S, REST_S = 5.0, 1.0
_FAILURE = re.compile(r"consumer\.error consumer_id=(?P<consumer>\S+) .* worker=\S+ trace_id=(?P<trace>\S+)$")


def failing(seconds: float) -> Iterator[Row]:
    """SC-26, SC-27 and SC-34: callbacks that raise at random."""
    events = EVENTS_FULL if seconds >= 30 else EVENTS_MIN
    rate = int(max(2500, events / max(1.0, seconds)))
    with world(rate, 20, PLAIN) as place:
        consumers = [
            consumer(
                name, "Failing", place.all_symbols(), params={"share": share, "seed": seed},
                mode="inline" if name == "inline" else "thread", mailbox_capacity=4096,
            )
            for seed, (name, share) in enumerate(RATE_FOR.items())
        ]  # fmt: skip
        with engine_on(place, consumers, dispatcher={"backpressure": {"token_rate_per_stream": 100_000}}) as run:
            workers, children = run.threads(), run.children()
            run.pause(events / rate + 0.5)
            place.ask("POST", "/pause")
            run.pause(0.5)
            more = run.threads() - workers + run.children() - children
            ended = run.stop()
    seen = min(notes.counts["events"] for notes in ended.notes.values())
    short = "" if seen >= EVENTS_FULL else f"{seen:,} events; {EVENTS_FULL:,} from --seconds 30 on"
    case = f"{len(RATE_FOR)} consumers, {rate}/s"
    yield row(
        "SC-26", case, "threads and processes more than at the start", more, "", "at_most", 0,
        note="; ".join(filter(None, (f"{workers} threads throughout", short))),
    )  # fmt: skip
    planted = {
        (name, trace_id, text) for name, notes in ended.notes.items() for trace_id, text in map(tuple, notes.texts)
    }
    letters = {
        (letter["consumer_id"], letter["trace_id"], letter["error"]["message"].rpartition("ValueError: ")[2])
        for letter in ended.dead_letters
        if letter["reason"] == "callback_failed"
    }
    logged = _logged(ended.log)
    told = {one for one in planted & letters if (one[0], one[1]) in logged}
    yield row(
        "SC-27", case, "failures told with trace, consumer, worker and stack",
        100 * len(told) / len(planted) if planted else 0.0, "%", "at_least", 100, voided=not planted,
        note=f"{len(told):,} of {len(planted):,} planted; {len(planted & letters):,} among the dead letters, "
        f"{len(logged):,} in the log",
    )  # fmt: skip
    out = sum(ended.report["pipeline"]["pools_out"].values())
    yield row(
        "SC-34", case, "events out of their pools at the end", out, "events", "at_most", 0,
        voided=seen < EVENTS_MIN / 2, note=f"{seen:,} events to each, one callback in ten or in a hundred raised",
    )  # fmt: skip


def _logged(log: str) -> set[tuple[str, str]]:
    """(consumer, trace id) of each failure that the log tells with its worker and its stack."""
    found = set()
    for line in log.splitlines():
        if not line.startswith("{"):
            continue
        told = msgspec.json.decode(line)
        match = _FAILURE.match(told["message"])
        if match and told.get("stack"):
            found.add((match["consumer"], match["trace"]))
    return found


def outstanding() -> Iterator[Row]:
    """SC-35: two consumers that hold events when the engine is told to stop, and do not return."""
    with world(200, 1, PLAIN) as place:
        consumers = [
            consumer(name, "Sleeper", place.all_symbols(), ("Trade",), params={"seconds": 60.0}) for name in HOLDERS
        ]
        with engine_on(place, consumers) as run:
            run.pause(1.0)
            ended = run.stop()
    named = all(any("pool" in line and name in line for line in ended.log.splitlines()) for name in HOLDERS)
    out = sum(ended.report["pipeline"]["pools_out"].values())
    right = ended.code == OUTSTANDING and named and out > 0
    yield row(
        "SC-35", f"{len(HOLDERS)} consumers that do not return", "SIGTERM to the end of the process", ended.stop_s, "s",
        "at_most", WAIT_S + REST_S, voided=not right,
        note=f"the wait is {WAIT_S:g} s, {REST_S:g} s are for the rest of the end; exit code {ended.code}, {out} out, "
        f"the log {'names' if named else 'does not name'} the holders",
    )  # fmt: skip
