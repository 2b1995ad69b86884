"""What the cold halves of venues share whose books come with a checksum: decimals, lost connections, the proof."""

from __future__ import annotations

from engine.providers.checkedstream import CheckedStream
from engine.providers.feed import ConnectionPlan, Feed
from engine.schema.instrument import Instrument


class CheckedFeed(Feed):
    """Base of feeds whose stream is a CheckedStream."""

    stream: CheckedStream

    def adopt(self, record: Instrument, known: Instrument) -> None:
        """Put a newer record in place; checksums are written at the venue's decimals, so the stream must know them."""
        if (record.price_scale, record.qty_scale) != (known.price_scale, known.qty_scale):
            index = self.stream.index_of(record.venue_symbol.encode())
            self.stream.set_precision(index, record.price_scale, record.qty_scale)
        super().adopt(record, known)

    def void_books(self, plan: ConnectionPlan, conn: int) -> None:
        """The books of the connection wait for their snapshots."""
        self.stream.reset_connection(conn)

    def checked(self) -> tuple[int, int]:
        """Book messages that were proven by a checksum, of how many."""
        states = self.stream.symbol_states()
        messages = sum(state.continuity.snapshots + state.continuity.updates for state in states)
        return sum(state.book.checksums_ok for state in states), messages
