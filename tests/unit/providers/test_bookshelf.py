"""RSK-02: risk reads the best prices of our own book, and of none that is not valid."""

from __future__ import annotations

from engine.providers.bookshelf import BookShelf
from engine.schema.ports import VersionPort
from tests.unit.providers.simulated.frames import ASKS, BIDS, snapshot, update, wired


def test_best_prices_are_those_of_a_valid_book() -> None:
    kit, shelf = wired(), BookShelf(VersionPort())
    book = kit.books["A-B"]
    assert shelf.best_prices(book.instrument_id) is None
    shelf.add(book)
    assert shelf.best_prices(book.instrument_id) is None
    kit.feed(snapshot())
    assert shelf.best_prices(book.instrument_id) == (100, 110, 1)
    better = {"10.5": "1", **BIDS}
    kit.feed(update(2, (better, ASKS), {"10.5": "1"}, {}))
    assert shelf.best_prices(book.instrument_id) == (105, 110, 1)
    kit.feed(update(9, (better, ASKS), {"10.6": "1"}, {}))
    assert shelf.best_prices(book.instrument_id) is None
