"""order_book's Kraken checksum, apart from the decoding around it.

Every message of the corpus is decoded beforehand. One run sets its levels, the other sets them and
computes and compares the checksum; a checksum of a book that has just changed costs the difference.
"""
from dataclasses import dataclass
from decimal import Decimal
from time import thread_time_ns

from engine.bench.baselines.checked_book import CheckedBook, ChecksumError
from engine.bench.data.corpus import Corpus
from engine.bench.data.wire import read_frame, read_kraken_checksums
from engine.bench.timing import Spread, timed_passes


@dataclass(frozen=True)
class ChecksumCost:
    """Nanoseconds a message.

    Attributes:
        apply: setting the message's levels.
        apply_and_check: the same, then the checksum, compared with the venue's.
    """

    apply: Spread
    apply_and_check: Spread

    @property
    def check_ns(self) -> float:
        """Median cost of the checksum alone: the difference of the two."""
        return self.apply_and_check.median_ns - self.apply.median_ns


def run(corpus: Corpus, seconds: float) -> ChecksumCost:
    """Both runs on a Kraken *corpus*, *seconds* of timed work each.

    Raises:
        ChecksumError: a checksum is not the venue's.
    """
    decoded = [
        (message.symbol, _decimals(message.bids), _decimals(message.asks), checksum)
        for frame in corpus.frames
        for message, checksum in zip(read_frame("kraken", frame), read_kraken_checksums(frame), strict=True)
    ]

    def one_pass(checked: bool) -> int:
        books = {symbol: CheckedBook(corpus, symbol) for symbol in corpus.symbols}
        start_ns = thread_time_ns()
        for symbol, bids, asks, checksum in decoded:
            book = books[symbol]
            for price, quantity in bids:
                book.set_level(book.bids, price, quantity)
            for price, quantity in asks:
                book.set_level(book.asks, price, quantity)
            if checked and book.book.checksum() != checksum:
                raise ChecksumError(symbol)
        return thread_time_ns() - start_ns

    return ChecksumCost(
        timed_passes(lambda: one_pass(False), len(decoded), seconds),
        timed_passes(lambda: one_pass(True), len(decoded), seconds),
    )


def _decimals(levels: list[tuple[str, str]]) -> list[tuple[Decimal, Decimal]]:
    return [(Decimal(price), Decimal(quantity)) for price, quantity in levels]
