from typing import final

from engine.providers.assembler import BookAssembler
from engine.schema.market import BookSnapshot
from engine.schema.ports import BookSource, EventSink, VersionPort

@final
class BookShelf(BookSource):
    """Args:
    versions: the routing in force; what is made here is stamped with it.
    """

    made: int
    def __init__(self, versions: VersionPort) -> None: ...
    def add(self, book: BookAssembler) -> None:
        """Put a book where its instrument is looked for."""
    def is_valid(self, instrument_id: int) -> bool:
        """Whether there is a book that is in force."""
    def best_prices(self, instrument_id: int) -> tuple[int, int, int] | None:
        """(best bid, best ask, price scale) of a valid book that has both; None where there is none."""
    def offer_to(self, sink: EventSink, instrument_id: int, reason: int) -> tuple[int, int] | None:
        """Hand a book's snapshot to one consumer; (epoch, number) of the state it holds, None where there is none."""
    def copy_of(self, instrument_id: int) -> BookSnapshot | None:
        """A book as it is now, as an event to keep; None where it is not in force, or where there is no slot."""
