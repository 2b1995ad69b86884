from collections.abc import Sequence

from typing_extensions import disjoint_base

from engine.book.ladder import Ladder

MODES: tuple[str, str, str]

@disjoint_base
class ChecksumLoad:
    """One workload on a few books.

    Args:
        messages: (book index, [(side, price_raw, qty_raw), ..], expected checksum), prices and quantities at the
            instrument's precision.
        book_count: books the messages are of.
        depth_levels: a book is cut to this many levels a side after each message, as the venue does.
    """

    def __init__(
        self,
        messages: Sequence[tuple[int, Sequence[tuple[int, int, int]], int]],
        book_count: int,
        depth_levels: int,
    ) -> None: ...
    @property
    def ladders(self) -> list[Ladder]: ...
    @property
    def messages(self) -> int:
        """Messages in one run; each is worth one checksum."""

    def open(self, book: int, bids: list[tuple[int, int]], asks: list[tuple[int, int]]) -> None:
        """Load the book a run starts from."""

    def run(self, mode: str) -> tuple[int, int]:
        """Play every message; (wall ns, messages whose checksum was not the expected one).

        *mode* of MODES: only apply; apply and the engine's checksum; apply and the plain one.

        Raises:
            ValueError: *mode* is none of MODES.
        """
