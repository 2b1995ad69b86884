"""Pool sizes (model.md section 4) and the frozen records that tell their use."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from engine.schema.enums import EventType

BLOCK_LEVELS = (16, 128, 1024, 8192, 65_536)
BLOCK_SLOTS = (2048, 512, 128, 16, 4)
CRITICAL_RESERVE = 64
HEADROOM = 3
"""A pool holds this many times the use computed from the config (MEM-02)."""

FLOORS: Mapping[str, Mapping[EventType, int]] = {
    "service": {
        EventType.BOOK_SNAPSHOT: 300,
        EventType.BOOK_UPDATE: 300,
        EventType.TRADE: 300,
        EventType.TICKER: 300,
        EventType.KLINE_SUMMARY: 300,
        EventType.INSTRUMENT_UPDATE: 300,
        EventType.BALANCE_UPDATE: 300,
        EventType.EXEC_REPORT: 20,
        EventType.MERGED_EVENT: 50,
        EventType.CONTROL_ACK: 20,
        EventType.CONTROL_RESULT: 20,
        EventType.RISK_CONTROL: 20,
    },
    "throughput": {
        EventType.BOOK_SNAPSHOT: 4096,
        EventType.BOOK_UPDATE: 65_536,
        EventType.TRADE: 65_536,
        EventType.TICKER: 4096,
        EventType.KLINE_SUMMARY: 4096,
        EventType.INSTRUMENT_UPDATE: 4096,
        EventType.BALANCE_UPDATE: 4096,
        EventType.EXEC_REPORT: 1024,
        EventType.MERGED_EVENT: 1024,
        EventType.CONTROL_ACK: 1024,
        EventType.CONTROL_RESULT: 1024,
        EventType.RISK_CONTROL: 1024,
    },
}
FRAME_FLOORS: Mapping[str, dict[str, int]] = {
    "service": {"WsFrame": 200, "ProviderRaw": 200},
    "throughput": {"WsFrame": 1024, "ProviderRaw": 1024},
}
"""Slots of the pools of venue bytes. ProviderRaw grows with the books that may keep diffs (MEM-02)."""
RESERVES: Mapping[EventType, int] = dict.fromkeys(
    (EventType.EXEC_REPORT, EventType.CONTROL_ACK, EventType.CONTROL_RESULT, EventType.RISK_CONTROL), CRITICAL_RESERVE
)


_OF_ORDERS = (EventType.EXEC_REPORT, EventType.CONTROL_ACK, EventType.CONTROL_RESULT)


@dataclass(frozen=True)
class PoolStatistics:
    """One pool at a moment: slots, use and what became of them since start."""

    capacity: int
    reserve: int
    in_use: int
    in_use_peak: int
    acquired: int
    recycled: int
    escaped: int
    overflowed: int
    refused: int
    exhausted: int

    @property
    def balanced(self) -> bool:
        """At rest: everything that was acquired came back or escaped."""
        return self.in_use == 0 and self.acquired == self.recycled + self.escaped


@dataclass(frozen=True)
class RecyclerStatistics:
    """Every pool by type name, level blocks by size, escapes by consumer index (place 0: outside callbacks)."""

    pools: Mapping[str, PoolStatistics]
    blocks: Mapping[int, PoolStatistics]
    escapes_by_consumer: tuple[int, ...]

    @property
    def balanced(self) -> bool:
        """Whether every pool is at rest."""
        return all(row.balanced for row in (*self.pools.values(), *self.blocks.values()))

    def out(self) -> dict[str, int]:
        """Pools with something out, and how much."""
        rows = {name: row.in_use for name, row in self.pools.items() if row.in_use}
        rows.update({f"levels[{size}]": row.in_use for size, row in self.blocks.items() if row.in_use})
        return rows


def capacities(
    profile: str, peak_use: int, explicit: Mapping[EventType, int] | None = None, critical_use: int = 0
) -> tuple[dict[EventType, int], list[str]]:
    """Slots per type, and warnings for explicit sizes below the computed one.

    *peak_use* is the number of events that mailboxes, reorder buffers and windows can hold at once; *critical_use* the
    same of reports of orders and answers to commands.
    """
    sizes: dict[EventType, int] = {}
    warnings: list[str] = []
    held = dict.fromkeys((EventType.BOOK_UPDATE, EventType.TRADE), peak_use)
    held |= dict.fromkeys(_OF_ORDERS, critical_use)
    for event_type, floor in FLOORS[profile].items():
        auto = max(floor, HEADROOM * held.get(event_type, 0))
        sizes[event_type] = auto
        if explicit and event_type in explicit:
            sizes[event_type] = explicit[event_type]
            if explicit[event_type] < auto:
                warnings.append(
                    f"pools.{event_type.class_name}.capacity {explicit[event_type]} is below {auto}, "
                    "the size computed from mailboxes, buffers and windows"
                )
    return sizes, warnings


def frame_warnings(explicit: Mapping[str, int], waiting: int) -> list[str]:
    """What is to be said of set sizes for venue bytes when books may keep *waiting* messages at once."""
    set_to = explicit.get("ProviderRaw")
    if set_to is None or set_to >= HEADROOM * waiting:
        return []
    return [
        f"pools.ProviderRaw.capacity {set_to} is below {HEADROOM * waiting}, the size computed from the symbols and "
        "their book.diff_buffer_max"
    ]
