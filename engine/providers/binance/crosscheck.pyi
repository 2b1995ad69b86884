from typing import final

@final
class SecondView:
    """Compares bookTickers and partial depths with the book state of their id, each id once (BOOK-26)."""

    tickers_checked: int
    tickers_equal: int
    partials_checked: int
    partials_equal: int
    first_difference_at: int
    """Record index of a replay's first difference, -1 = none."""
    def __init__(self) -> None: ...
