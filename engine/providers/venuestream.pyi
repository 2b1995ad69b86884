from collections.abc import Callable

from typing_extensions import disjoint_base

from engine.base.clock import Clock
from engine.observability.stages import StageTimer
from engine.providers.assembler import BookAssembler
from engine.schema.enums import BookReason
from engine.schema.ports import EventPool, EventSink, FrameSink

WIRE_CODE_NAMES: tuple[str, ...]
RAW_KEPT_BYTES: int

@disjoint_base
class VenueStream(FrameSink):
    """Base of the venues' streams: one provider's frames become events.

    Args:
        provider: provider name.
        pool, sink, clock: the engine's ports.
        timer: stage times.
        on_reject: called as on_reject(provider, code, field, raw, length) for each refused frame.
        on_want_snapshot: called as on_want_snapshot(stream, symbol_index, reason) when a book needs one.
        on_telemetry: called as on_telemetry(kind, **metadata).
    """

    provider: str
    on_exhausted: Callable[[str, int], None] | None
    """Called as on_exhausted(symbol, event type) for each event there was no slot for; set before books are added."""
    record_index: int
    """Replay: the record in hand, else -1."""
    catching_up: bool
    """Frames held back pass: what has no number was told by others already."""
    frames: int
    frame_bytes: int
    ignored: int
    """Well-formed frames of no stream we have an event for."""
    unknown_symbols: int
    unpublished: int
    """Trades, tickers and candles lost to an exhausted pool."""
    on_lost: Callable[[BookAssembler, BookReason], None] | None
    """Called when a book can no longer be trusted; telemetry waits until it is valid again."""
    def __init__(
        self,
        provider: str,
        pool: EventPool,
        sink: EventSink,
        clock: Clock,
        *,
        timer: StageTimer | None = None,
        on_reject: Callable[[str, str, str | None, bytes, int], None] | None = None,
        on_want_snapshot: Callable[[VenueStream, int, BookReason], None] | None = None,
        on_telemetry: Callable[..., None] | None = None,
    ) -> None: ...
    def close(self) -> None:
        """Give back what is kept for later, and tell of books that never came back. Idempotent."""
    def add_book(self, book: BookAssembler) -> int:
        """Take charge of an instrument; returns its symbol index."""
    def abandon(self, index: int, reason: int) -> None:
        """Void a book for a reason (BookReason) that is not in its messages, and ask for a snapshot."""
    def drop_book(self, index: int, reason: int = ...) -> None:
        """What fed the book has gone: forget it and what waits for it; no snapshot is asked for."""
    def restart_streams(self, index: int) -> None:
        """The connection that brings a symbol's trades, tickers and candles was made anew: a new epoch (STR-11).

        Raises:
            IndexError: no such symbol.
        """
    def book_list(self) -> list[BookAssembler]:
        """The books by symbol index."""
    def index_of(self, venue_symbol: bytes) -> int:
        """Symbol index of a venue spelling, -1 when unknown."""
    def rejected_by_code(self) -> dict[str, int]:
        """Refused frames by code."""
    def kline_frames(self) -> dict[tuple[int, int], int]:
        """Candles told by the venue: (symbol index, interval_ns) -> count."""
