from collections.abc import Callable
from typing import final

from engine.base.clock import Clock
from engine.book.checksum import BookChecksum
from engine.book.ladder import Ladder
from engine.schema.ports import EventPool, EventSink

@final
class BookAssembler:
    """One instrument's book at one provider: applies whole messages or nothing, publishes what changed.

    Args:
        provider: provider name.
        symbol: public symbol.
        venue_symbol: the venue's spelling, as on the wire.
        price_scale, qty_scale: decimals of the tick and of the lot.
        depth_levels: published per side, 0 = all.
        cut_levels: kept per side, 0 = every level the venue told.
        kept_levels_max: past this many levels a side the book is an overflow.
        emit_full: publish the whole published book instead of deltas.
        checksum: the venue's checksum, or None.
        on_widened: called as on_widened(assembler) before the first event at a new scale.
    """

    instrument_id: int
    symbol: str
    venue_symbol: bytes
    price_scale: int
    qty_scale: int
    depth_levels: int
    cut_levels: int
    kept_levels_max: int
    emit_full: bool
    ladder: Ladder
    is_valid: bool
    epoch: int
    last_recv_ns: int
    """Arrival of the last message that was applied, 0 = none yet."""
    checksum_expected: int
    checksum_actual: int
    snapshots_published: int
    updates_published: int
    unpublished: int
    """Events lost to an exhausted pool."""
    rescales: int
    checksums_compared: int
    checksums_ok: int
    crossed_count: int
    def __init__(
        self,
        provider: str,  # by name, like the others; a signature without any positional argument cannot be checked
        *,
        symbol: str,
        venue_symbol: bytes,
        price_scale: int,
        qty_scale: int,
        pool: EventPool,
        sink: EventSink,
        clock: Clock,
        depth_levels: int = 1000,
        cut_levels: int = 0,
        kept_levels_max: int = 65536,
        emit_full: bool = False,
        checksum: BookChecksum | None = None,
        on_widened: Callable[[BookAssembler], None] | None = None,
    ) -> None: ...
    def counts_by_reason(self) -> dict[str, int]:
        """Resyncs by reason, those that happened."""
    def top(self, side: int, limit: int = 20) -> list[tuple[int, int]]:
        """(price_raw, qty_raw) of a side, best first; empty while the book is invalid."""
