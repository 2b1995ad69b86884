"""Books without a feed: a thousand levels a side, random changes, and what is read after each.

``update`` sets the level, ``best`` also reads best bid and ask, ``top20`` also reads the best twenty
levels of both sides.
"""
from collections.abc import Callable, Iterator
from itertools import islice
from time import thread_time_ns
from typing import Any

from engine.bench.data.book_updates import OPENING_QUANTITY, BookUpdates, book_updates, opening_levels
from engine.bench.timing import Spread, timed_passes

READS = ("update", "best", "top20")
TOP_LEVELS = 20
UPDATES_A_PASS = 20_000

ApplyAll = Callable[[Iterator[tuple[int, int, int]]], None]


def order_book_path(read: str) -> ApplyAll:
    """A fresh order_book.OrderBook of integers and the loop that drives it.

    Raises:
        KeyError: *read* is none of ``READS``.
    """
    from order_book import OrderBook

    book = OrderBook()
    book.bids, book.asks = (dict.fromkeys(side, OPENING_QUANTITY) for side in opening_levels())
    bids, asks = book.bids, book.asks
    bid_at, ask_at, ranks = bids.index, asks.index, range(TOP_LEVELS)

    def read_best() -> None:
        bid_at(0)
        ask_at(0)

    def read_top() -> None:
        for rank in ranks:
            bid_at(rank)
        for rank in ranks:
            ask_at(rank)

    after = {"update": None, "best": read_best, "top20": read_top}[read]

    def apply_all(updates: Iterator[tuple[int, int, int]]) -> None:
        for side, price, quantity in updates:
            levels = asks if side else bids
            if quantity:
                levels[price] = quantity
            elif price in levels:
                del levels[price]
            if after is not None:
                after()

    return apply_all


def sorted_dict_path(read: str) -> ApplyAll:
    """The same with two SortedDicts, bids keyed by the negative price.

    Raises:
        KeyError: *read* is none of ``READS``.
    """
    from sortedcontainers import SortedDict

    bid_prices, ask_prices = opening_levels()
    bids: Any = SortedDict({-price: OPENING_QUANTITY for price in bid_prices})
    asks: Any = SortedDict(dict.fromkeys(ask_prices, OPENING_QUANTITY))

    def read_best() -> None:
        bids.peekitem(0)
        asks.peekitem(0)

    def read_top() -> None:
        list(islice(bids.items(), TOP_LEVELS))
        list(islice(asks.items(), TOP_LEVELS))

    after = {"update": None, "best": read_best, "top20": read_top}[read]

    def apply_all(updates: Iterator[tuple[int, int, int]]) -> None:
        for side, price, quantity in updates:
            levels, key = (asks, price) if side else (bids, -price)
            if quantity:
                levels[key] = quantity
            else:
                levels.pop(key, None)
            if after is not None:
                after()

    return apply_all


PATHS: dict[str, Callable[[str], ApplyAll]] = {
    "order_book.OrderBook(int)": order_book_path,
    "SortedDict(int)": sorted_dict_path,
}


def run(path: str, read: str, seconds: float, updates: BookUpdates | None = None) -> Spread:
    """Nanoseconds an update of *path* with *read* behind it, a fresh book each pass of UPDATES_A_PASS at most.

    Raises:
        KeyError: unknown *path* or *read*.
    """
    columns = updates or book_updates(UPDATES_A_PASS)
    rows = list(islice(zip(columns.side, columns.price_ticks, columns.quantity, strict=True), UPDATES_A_PASS))

    def one_pass() -> int:
        apply_all = PATHS[path](read)
        start_ns = thread_time_ns()
        apply_all(iter(rows))
        return thread_time_ns() - start_ns

    return timed_passes(one_pass, len(rows), seconds)
