"""A bookTicker against the book of its id (BOOK-26): whichever comes first, each id once."""

from __future__ import annotations

from tests.unit.providers.binance.frames import book_ticker, diff, synced


def compared(*frames: object) -> tuple[int, int]:
    """Tickers compared and equal, after a book that stands at id 10 with 10.00 x 1.00 and 11.00 x 2.00."""
    kit = synced(10)
    for frame in frames:
        kit.feed(frame)
    view = kit.stream.symbol_states()[0].second_view
    return view.tickers_checked, view.tickers_equal


def test_a_first_ticker_of_the_id_that_the_book_stands_at_is_compared_at_once() -> None:
    assert compared(book_ticker(10)) == (1, 1)
    assert compared(book_ticker(10, B="1.01")) == (1, 0)


def test_a_ticker_ahead_of_the_book_waits_for_it() -> None:
    moved = diff(11, 12, [["10.50", "3.00"]])
    assert compared(book_ticker(12, b="10.50", B="3.00")) == (0, 0)
    assert compared(book_ticker(12, b="10.50", B="3.00"), moved) == (1, 1)
    assert compared(book_ticker(12), moved) == (1, 0)


def test_a_ticker_behind_the_book_is_compared_with_the_state_of_its_id() -> None:
    moved = diff(11, 12, [["10.50", "3.00"]]), diff(13, 13, [["10.60", "1.00"]])
    assert compared(book_ticker(10), *moved, book_ticker(12, b="10.50", B="3.00")) == (2, 2)
    assert compared(book_ticker(10), *moved, book_ticker(12)) == (2, 1)


def test_an_id_that_the_book_stepped_over_is_compared_with_nothing() -> None:
    assert compared(book_ticker(10), book_ticker(11), diff(11, 12, [["10.50", "3.00"]]), book_ticker(11)) == (1, 1)


def test_each_id_is_compared_once() -> None:
    assert compared(book_ticker(10), book_ticker(10)) == (1, 1)
