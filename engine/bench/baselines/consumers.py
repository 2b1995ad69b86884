"""The three consumers behind every hand-rolled loop."""
from collections.abc import Callable
from typing import Any

CONSUMER_COUNT = 3


class Consumer:
    """Reads two fields of what it is handed, the best bid and the best ask, and keeps nothing."""

    def on_book(self, book: Any) -> None:
        """Called once per message."""
        book.best_bid  # noqa: B018 (the read is the work)
        book.best_ask  # noqa: B018


def consumers() -> tuple[Callable[[Any], None], ...]:
    """Bound callbacks of three separate consumers."""
    return tuple(Consumer().on_book for _ in range(CONSUMER_COUNT))
