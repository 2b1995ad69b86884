"""The plain book: dictionaries and Decimals. Slow, and the judge of every other path's final prices."""
from collections.abc import Callable
from decimal import Decimal

from engine.bench.data.corpus import Corpus
from engine.bench.data.wire import BookMessage, Level, read_binance_snapshot, read_frame

Top = tuple[Decimal, Decimal]
"""Best bid and best ask price."""


class PlainBook:
    """One symbol's levels, price -> (price text, quantity text)."""

    def __init__(self, depth_levels: int = 0) -> None:
        self.bids: dict[Decimal, Level] = {}
        self.asks: dict[Decimal, Level] = {}
        self.last_id = 0
        self.depth_levels = depth_levels

    def apply(self, message: BookMessage) -> None:
        """Set the levels of *message*; a snapshot replaces both sides first."""
        if message.is_snapshot:
            self.bids.clear()
            self.asks.clear()
        for side, levels in ((self.bids, message.bids), (self.asks, message.asks)):
            for price, quantity in levels:
                if Decimal(quantity):
                    side[Decimal(price)] = (price, quantity)
                else:
                    side.pop(Decimal(price), None)
        if self.depth_levels:
            for beyond in sorted(self.bids, reverse=True)[self.depth_levels:]:
                del self.bids[beyond]
            for beyond in sorted(self.asks)[self.depth_levels:]:
                del self.asks[beyond]
        self.last_id = message.last_id

    def top(self) -> Top:
        """Best bid and ask. Raises ValueError when a side is empty."""
        return max(self.bids), min(self.asks)


def opening_books(corpus: Corpus) -> dict[str, PlainBook]:
    """Books as the snapshots of *corpus* leave them."""
    books = {}
    for symbol, raw in corpus.snapshots.items():
        book = books[symbol] = PlainBook(corpus.depth_levels)
        if corpus.venue == "binance":
            book.apply(read_binance_snapshot(symbol, raw))
        else:
            for message in read_frame(corpus.venue, raw):
                book.apply(message)
    return books


def replay(
    corpus: Corpus, after_message: Callable[[BookMessage, PlainBook], None] | None = None
) -> dict[str, PlainBook]:
    """Books after all frames of *corpus*, with *after_message* called behind each message.

    Raises:
        ValueError: an update id (Binance) or sequence number (Coinbase) does not follow the one before.
    """
    books = opening_books(corpus)
    sequence = max((book.last_id for book in books.values()), default=0)
    for index, frame in enumerate(corpus.frames):
        for message in read_frame(corpus.venue, frame):
            book = books[message.symbol]
            if corpus.venue == "binance" and not message.first_id <= book.last_id + 1 <= message.last_id:
                raise ValueError(f"{corpus.name} frame {index}: {message.first_id} after {book.last_id}")
            if corpus.venue == "coinbase":
                if message.first_id != sequence + 1:
                    raise ValueError(f"{corpus.name} frame {index}: {message.first_id} after {sequence}")
                sequence = message.first_id
            book.apply(message)
            if after_message is not None:
                after_message(message, book)
    return books


def final_tops(corpus: Corpus) -> dict[str, Top]:
    """Best bid and ask of every symbol after all frames: what each path of a comparison must end with."""
    return {symbol: book.top() for symbol, book in replay(corpus).items()}
