from collections.abc import Callable
from typing import Any, final

from typing_extensions import disjoint_base

from engine.base.clock import Clock
from engine.pools.frames import FrameQueue
from engine.providers.assembler import BookAssembler
from engine.providers.binance.continuity import DiffContinuity
from engine.providers.binance.crosscheck import SecondView
from engine.providers.tape import TradeTape
from engine.providers.venuestream import VenueStream
from engine.schema.ports import EventPool, EventSink, FrameKeeper

@disjoint_base
class BinanceSymbol:
    """What one symbol's streams need besides its book."""

    book: BookAssembler
    continuity: DiffContinuity
    second_view: SecondView
    waiting: FrameQueue
    """Diffs that wait for a snapshot."""
    trades: TradeTape
    aggregates: TradeTape
    def __init__(self, book: BookAssembler, frames: FrameKeeper) -> None: ...

@final
class BinanceStream(VenueStream):
    """Frames of Binance market streams and bodies of GET /api/v3/depth.

    Args:
        diff_buffer_max: diffs a symbol kept while a snapshot is awaited; past it the wait starts over.
        on_reply: called as on_reply(id, refusal) for each answer to a control frame.
        on_shutdown: called as on_shutdown(conn) when the venue announces the end of the connection.
    """

    diff_buffer_max: int
    buffer_overflows: int
    """Times a wait for a snapshot started over: its diffs were too many, or their pool was exhausted."""
    shutdown_announced: bool
    def __init__(
        self,
        provider: str,
        pool: EventPool,
        sink: EventSink,
        clock: Clock,
        *,
        diff_buffer_max: int = 10_000,
        on_reply: Callable[[int, str | None], None] | None = None,
        on_shutdown: Callable[[int], None] | None = None,
        **hooks: Any,
    ) -> None: ...
    def add_book(self, book: BookAssembler) -> int:
        """Take charge of a symbol, known by its upper-case name and, in stream names, the lower-case one."""
    def close(self) -> None:
        """Give back the diffs that wait for a snapshot. Idempotent."""
    def symbol_states(self) -> list[BinanceSymbol]:
        """The symbols' states by symbol index."""
    def drop_book(self, index: int, reason: int = ...) -> None:
        """What fed the book has gone: forget it and what waits for it; no snapshot is asked for."""
    def take_snapshot(self, index: int, body: bytes, ts_recv_ns: int) -> str:
        """Start a symbol's book; returns ``taken``, ``too_old``, ``ignored`` or ``rejected``."""
