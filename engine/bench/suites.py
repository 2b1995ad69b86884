"""The suites by name: ``micro``: parts; ``pipeline``: the whole path, the process; ``service``: it runs under load."""
from collections.abc import Iterator

from engine.bench import (
    suite_growth,
    suite_libraries,
    suite_micro,
    suite_orders,
    suite_pipeline,
    suite_process,
    suite_publishing,
    suite_reports,
    suite_service,
    suite_socket,
)
from engine.bench.record import Row
from engine.bench.sources import Note, Sources

SERVICE = "service"
BUILT = ("micro", "pipeline", SERVICE)
ALL = "all"
EVENTS_A_SECOND = 2_000_000
"""The long run watches memory over this many events a second asked for, ten million at most."""


def run(suite: str, sources: Sources, seconds: float, note: Note) -> Iterator[Row]:
    """Rows of *suite* as they are measured, *seconds* of measuring a figure.

    Raises:
        WrongResultError: a run ended with wrong books or counts.
        ValueError: no such suite, or one that is not built.
    """
    if suite not in (*BUILT, ALL):
        raise ValueError(f"suite {suite} is not one of {', '.join((*BUILT, ALL))}")
    if suite in ("micro", ALL):
        yield from suite_micro.run(sources, seconds)
        yield from suite_orders.run(seconds)
        yield from suite_libraries.run(sources, seconds, note)
    if suite in ("pipeline", ALL):
        yield from suite_pipeline.run(sources, seconds, note)
        yield from suite_socket.run(sources, seconds)
        yield from suite_growth.run(sources)
        yield from suite_reports.run(seconds)
        yield from suite_publishing.run(sources, seconds, note)
        yield from suite_process.run(
            min(suite_process.EVENTS, max(2_000_000, int(EVENTS_A_SECOND * 3 * seconds))), note
        )
    if suite in (SERVICE, ALL):
        yield from suite_service.run(seconds, note)
