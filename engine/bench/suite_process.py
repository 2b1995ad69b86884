"""G12, G13 and allocations: what is asked of a whole process, each in one of its own."""
import statistics
from collections.abc import Iterator
from importlib.util import find_spec

import msgspec

from engine.bench.children import ProcessFailedError, python
from engine.bench.measure import REPEATS_MIN
from engine.bench.memory import STREAMS, MemoryReport
from engine.bench.record import Row
from engine.bench.sources import Note

EVENTS = 10_000_000
IMPORT = "from time import perf_counter_ns as t; a = t(); import engine; print(t() - a)"
FLAT_BYTES = 0.01
"""Resident bytes an event that still count as none: a few pages over ten million events."""


def run(events: int, note: Note) -> Iterator[Row]:
    """Every row; *events* in the long run."""
    yield from memory(events)
    yield stream()
    yield import_time()
    if find_spec("engine.cli.demo") is None:
        note("G13: no demo to time")
        return
    yield demo_time()


def memory(events: int) -> Iterator[Row]:
    """Allocations and resident memory an event, 3 Cython consumers."""
    report = msgspec.json.decode(
        python("-m", "engine.bench.memory", "--events", str(events)), type=MemoryReport
    )
    counted = report.counted_events
    case = f"{counted / 1e6:.1f} M events, 3 Cython consumers"
    yield Row(
        "G5", case, "calls of Python's allocators, an event", report.python_allocations / counted, "calls",
        "at_most", 0.01, note=f"{report.python_allocations} in all; blocks held {report.python_blocks:+d}; "
        "C heap calls are counted by bench/instructions.py",
    )  # fmt: skip
    yield Row(
        "G5", case, "C heap, an event", max(report.heap_bytes, 0) / counted, "bytes", "at_most", 0.01,
        note=f"{report.heap_bytes:+d} bytes in all",
    )  # fmt: skip
    early, late = report.rss_bytes
    between = max(1, report.events - counted)
    yield Row(
        "G12", f"from {counted / 1e6:.1f} M to {report.events / 1e6:.1f} M events", "resident memory, an event",
        max(0, late - early) / between, "bytes", "at_most", FLAT_BYTES,
        note=f"{early >> 10} KiB, then {late >> 10} KiB, warm-up of 0.3 M events before",
    )  # fmt: skip


def stream(streams: int = STREAMS) -> Row:
    """Resident memory a stream with a thousand levels a side takes."""
    taken = float(python("-m", "engine.bench.memory", "--streams", str(streams)))
    return Row(
        "G12", f"{streams} symbols, 1000 levels a side", "resident memory, a stream", taken / 1024, "KiB",
        "at_most", 64, note="book, order state, counters, instrument record",
    )  # fmt: skip


def import_time() -> Row:
    """``import engine`` in a fresh process."""
    found_ms = [int(python("-c", IMPORT)) / 1e6 for _ in range(REPEATS_MIN + 2)]
    return Row(
        "G13", "fresh process", "import engine", statistics.median(found_ms), "ms", "at_most", 150,
        figure_min=min(found_ms), figure_max=max(found_ms),
    )  # fmt: skip


def demo_time() -> Row:
    """From the start of ``engine-run demo`` to the first event a consumer got."""
    found_s = [_first_event_s() for _ in range(3)]
    return Row(
        "G13", "fresh process", "engine-run demo to the first event", statistics.median(found_s), "s", "at_most", 2,
        figure_min=min(found_s), figure_max=max(found_s),
    )  # fmt: skip


def _first_event_s() -> float:
    """The demo says so itself: from the start of its process, by the kernel's clock, to the first callback."""
    result = msgspec.json.decode(python("-m", "engine", "demo", "--seconds", "1", "--json"))
    first_ms = result["first_event_ms"]
    if first_ms is None:
        raise ProcessFailedError("the demo ended without an event")
    return float(first_ms) / 1e3
