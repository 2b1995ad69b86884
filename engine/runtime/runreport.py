"""What a run was made of (QA-14): profile, sizes, limits, consumers, and the libraries that did the work."""

from __future__ import annotations

import asyncio
import platform
from importlib.metadata import version
from typing import Any

from engine.base.build import build_mode
from engine.base.jsonindex import simdjson_version
from engine.base.version import engine_version
from engine.runtime.assembly import Engine

NO_LOOP = "none: frames are read from the file"


def loop_name() -> str:
    """The class of the running event loop, as ``uvloop.Loop``."""
    try:
        kind = type(asyncio.get_running_loop())
    except RuntimeError:
        return NO_LOOP
    return f"{kind.__module__.partition('.')[0]}.{kind.__name__}"


def run_report(engine: Engine, loop: str = NO_LOOP) -> dict[str, Any]:
    """The set-up of *engine* as it runs, not as it was asked for.

    Args:
        engine: with all its consumers.
        loop: :func:`loop_name` as told on the loop that ran it.
    """
    config = engine.config
    ordering, dedupe = config.dispatcher.stream_ordering, config.dispatcher.dedupe
    return {
        "profile": config.profile,
        "build": build_mode(),
        "versions": {
            "engine": engine_version(),
            "python": platform.python_version(),
            "simdjson": simdjson_version(),
            "picows": version("picows"),
            "uvloop": version("uvloop"),
            "msgspec": version("msgspec"),
        },
        "parser": f"simdjson {simdjson_version()}",
        "loop": loop,
        "ordering": {
            "lateness_tolerance_ms": ordering.lateness_tolerance_ms,
            "flush_overrun_ms": ordering.flush_overrun_ms,
            "max_buffer_size": ordering.max_buffer_size,
        },
        "dedupe": {"horizon_ids": dedupe.horizon_ids, "horizon_s": dedupe.horizon_s},
        "quantum_events": config.dispatcher.quantum_events,
        "consumers": {
            name: {
                "name": engine.names[name],
                "mode": runner.mode,
                "handler": type(runner.handler).__name__,
                "mailbox_capacity": runner.mailbox.capacity,
                "critical_reserve": runner.mailbox.critical_reserve,
                "trading_enabled": engine.switches.is_enabled(name),
            }
            for name, runner in engine.runners.items()
        },
        "pools": {name: row.capacity for name, row in engine.recycler.statistics().pools.items()},
        "debug_recycler": engine.recycler.debug,
        "dlq": {"max_records": config.dlq.max_records, "max_bytes": config.dlq.max_bytes},
    }


def report_lines(report: dict[str, Any]) -> list[str]:
    """The same for a person, in three lines."""
    versions = report["versions"]
    pools = ", ".join(f"{name} {size:,}" for name, size in report["pools"].items())
    rows = report["consumers"].items()
    consumers = ", ".join(f"{row['name']} ({row['mode']}, {row['mailbox_capacity']:,})" for _, row in rows)
    return [
        f"profile {report['profile']}, {report['build']} build; engine {versions['engine']}, "
        f"python {versions['python']}, {report['parser']}, picows {versions['picows']}; loop {report['loop']}",
        f"consumers (mode, mailbox): {consumers or 'none'}; batches of at most {report['quantum_events']}",
        f"pools: {pools}; a gap is awaited {report['ordering']['lateness_tolerance_ms']} ms",
    ]
