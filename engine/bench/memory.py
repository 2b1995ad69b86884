"""Memory of one engine, watched in a process of its own: ``python -m engine.bench.memory``.

Prints one JSON line: allocations and resident bytes over many events, or with ``--streams`` the bytes a
stream takes. Each question has its own process, so that none finds what another left behind.
"""
import argparse
import gc
import os
import sys
from dataclasses import replace
from pathlib import Path

import msgspec

from engine.bench.allocations import heap_bytes, start_counting, stop_counting
from engine.bench.data.generated import generated_spot
from engine.bench.data.spread import spread
from engine.bench.endless import endless
from engine.bench.feeder import Feeder
from engine.bench.rig import Rig, cython_consumers
from engine.bench.sources import one_symbol

WARM_UP_EVENTS = 300_000
COUNTED_EVENTS = 1_000_000
CYCLE_FRAMES = 4_000
STREAMS = 200


class MemoryReport(msgspec.Struct, frozen=True):
    """What one process saw.

    Attributes:
        python_allocations: calls of Python's allocators over ``counted_events``.
        python_blocks: how many more blocks were held afterwards.
        heap_bytes: how many more bytes the C heap had given out afterwards.
        rss_bytes: resident bytes after ``counted_events`` and after ``events``, warm-up not counted.
    """

    counted_events: int
    python_allocations: int
    python_blocks: int
    heap_bytes: int
    events: int
    rss_bytes: tuple[int, int]


def resident_bytes() -> int:
    """Resident set of this process."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGESIZE")


def feed(rig: Rig, feeder: Feeder, events: int) -> int:
    """At least *events* events in whole cycles; returns how many."""
    fed = 0
    while fed < events:
        rig.play(feeder)
        feeder.next_cycle()
        fed += feeder.count
    return fed


def watch(events: int, counted: int = COUNTED_EVENTS, warm_up: int = WARM_UP_EVENTS) -> MemoryReport:
    """Feed one engine and look at memory on the way."""
    corpus = generated_spot(CYCLE_FRAMES)
    feeder = endless(corpus)
    rig = Rig(corpus, cython_consumers())
    feed(rig, feeder, warm_up)
    gc.collect()
    blocks, heap = sys.getallocatedblocks(), heap_bytes()
    start_counting()
    fed = feed(rig, feeder, counted)
    made = stop_counting()
    blocks, heap = sys.getallocatedblocks() - blocks, heap_bytes() - heap
    early = resident_bytes()
    fed_late = fed + feed(rig, feeder, events - fed) if events > fed else fed
    late = resident_bytes()
    rig.close()
    return MemoryReport(fed, made, blocks, heap, fed_late, (early, late))


def stream_bytes(streams: int = STREAMS) -> float:
    """Resident bytes each further symbol adds: book of a thousand levels a side, order state, counters."""
    one = one_symbol(generated_spot(CYCLE_FRAMES))
    wide = spread(one, one.symbols[0], streams)
    feeder = Feeder(wide.frames)
    first = replace(wide, symbols=wide.symbols[:1])
    rig = Rig(replace(first, snapshots={name: wide.snapshots[name] for name in first.symbols}), cython_consumers())
    gc.collect()
    before = resident_bytes()
    for symbol in wide.symbols[1:]:
        rig.carry(symbol)
    rig.route()
    now_ns = rig.engine.clock.now()
    for symbol in wide.symbols[1:]:
        rig.feed.take_http(f"https://bench/api/v3/depth?symbol={symbol}", wide.snapshots[symbol], now_ns)
    rig.play(feeder)
    gc.collect()
    grown = resident_bytes() - before
    rig.close()
    return grown / (streams - 1)


def main() -> None:
    """Watch and print."""
    parser = argparse.ArgumentParser(prog="python -m engine.bench.memory")
    parser.add_argument("--events", type=int, default=10_000_000)
    parser.add_argument("--streams", type=int, help="measure the bytes a stream takes instead")
    options = parser.parse_args()
    found = watch(options.events) if options.streams is None else stream_bytes(options.streams)
    print(msgspec.json.encode(found).decode(), flush=True)


if __name__ == "__main__":
    main()
