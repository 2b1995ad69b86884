"""How a consumer's mailbox behaves under load, and whom it tells."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from engine.schema.event import Event
from engine.schema.fold import SaturationTable
from engine.schema.ports import BookSource, VersionPort


@dataclass(frozen=True)
class MailboxSettings:
    """One for all consumers of an engine, but for the hooks, which are called with the consumer's id first.

    Attributes:
        capacity: market-data entries.
        critical_reserve: places for critical entries beside them; past it their ring grows, counted.
        saturate_at, resume_at: shares of the capacity at which coalescing begins, and under which it ends.
        spill_trades: trades past the capacity, of streams of which none may be lost.
        has_version_filter: whether market data routed before the consumer's own routes changed is skipped.
        table: what may coalesce.
        books: gives the snapshot that heals a book after a loss; the base has none.
        versions: the routing in force.
        on_coalesced: called as on_coalesced(consumer_id, stream_key, count), at most once a second a stream.
        on_dropped: called as on_dropped(consumer_id, stream_key, count, event, depth), likewise, with a copy of the
            last one; None = told when the consumer stops.
        on_saturated: called as on_saturated(consumer_id, depth) when coalescing begins.
        on_full: called as on_full(consumer_id, stream_key, depth) where folding makes no more room, before anything
            is dropped; a hundred times a second at most.
        on_spill_full: called as on_spill_full(consumer_id, event) with a copy of the first trade that is missing of a
            stream of which none may be lost; once, until its trades are kept anew.
    """

    capacity: int = 256
    critical_reserve: int = 64
    saturate_at: float = 0.75
    resume_at: float = 0.5
    spill_trades: int = 0
    has_version_filter: bool = True
    table: SaturationTable = field(default_factory=SaturationTable)
    books: BookSource = field(default_factory=BookSource)
    versions: VersionPort = field(default_factory=VersionPort)
    on_coalesced: Callable[[str, str, int], None] | None = None
    on_dropped: Callable[[str, str, int, Event | None, int], None] | None = None
    on_saturated: Callable[[str, int], None] | None = None
    on_full: Callable[[str, str, int], None] | None = None
    on_spill_full: Callable[[str, Event], None] | None = None
