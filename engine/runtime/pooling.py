"""The pools of one engine, as large as its configuration makes them."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from engine.config.sections import EngineConfig
from engine.consumers.runner import Runner
from engine.orders.journalthread import GROUP_MAX
from engine.pools.frames import FramePools
from engine.pools.recycler import Recycler
from engine.pools.sizes import FLOORS, FRAME_FLOORS, RESERVES, capacities, frame_warnings


def build_recycler(config: EngineConfig, on_problem: Callable[..., None]) -> tuple[Recycler, list[str]]:
    """The recycler, and what is to be said of sizes that were set too small.

    Args:
        config: pools, and all that holds events.
        on_problem: called as on_problem(kind, **metadata): telemetry.
    """
    explicit = {
        event_type: size
        for event_type in FLOORS[config.profile]
        if isinstance(size := getattr(config.pools, event_type.name.lower()).capacity, int)
    }
    held = sum(consumer.mailbox_capacity for consumer in config.consumers)
    held += config.dispatcher.stream_ordering.max_buffer_size
    held += sum(len(rule.providers) for rule in config.orchestrator.merge_rules)
    trading = any(provider.orders.enabled for provider in config.providers)
    # A commit's reports wait for it, and then each consumer has room for some beside its mailbox.
    reports = GROUP_MAX + config.bus.critical_reserve * len(config.consumers) if trading else 0
    sizes, warnings = capacities(config.profile, held, explicit, reports)
    floors = FRAME_FLOORS[config.profile]
    sized = config.pools.capacities()
    set_frames = {name: size for name in floors if (size := sized[name]) is not None}
    waiting = sum(len(provider.symbols) * provider.book.diff_buffer_max for provider in config.providers)
    warnings += frame_warnings(set_frames, waiting)
    recycler = Recycler(
        sizes,
        dict(RESERVES),
        debug=config.debug.recycler,
        on_problem=on_problem,
        blocks_scale=8 if config.profile == "throughput" else 1,
        frames=FramePools(floors, set_frames, debug=config.debug.recycler),
    )
    return recycler, warnings


def holder_names(runners: Mapping[str, Runner]) -> dict[str, str]:
    """Whom the pools name as the holder of an event, by consumer id; ``engine`` stays as it is."""
    return {f"consumer {runner.index}": name for name, runner in runners.items()}
