"""A store that gives up its least important, then its oldest item first: for telemetry and dead letters."""

from collections import OrderedDict
from enum import IntEnum
from itertools import takewhile
from operator import itemgetter
from typing import Generic, TypeVar

Item = TypeVar("Item")
_NUMBER = itemgetter(0)


class Severity(IntEnum):
    """How much an operator should care; also the order in which records are kept."""

    INFO = 1
    WARN = 2
    ERROR = 3

    @property
    def text(self) -> str:
        """Spelling on every wire: ``info``."""
        return self.name.lower()


class Lanes(Generic[Item]):
    """One queue a severity. Items are known by a number that grows; not thread-safe."""

    def __init__(self) -> None:
        self._lanes: dict[Severity, OrderedDict[int, Item]] = {
            severity: OrderedDict() for severity in Severity
        }

    def __len__(self) -> int:
        return sum(map(len, self._lanes.values()))

    def put(self, number: int, severity: Severity, item: Item) -> None:
        """Add an item; its number is above all before it."""
        self._lanes[severity][number] = item

    def pop_least(self) -> tuple[Severity, Item]:
        """Take out the oldest item of the lowest severity there is.

        Raises:
            KeyError: the store is empty.
        """
        for severity, lane in self._lanes.items():
            if lane:
                return severity, lane.popitem(last=False)[1]
        raise KeyError("empty")

    def pop_oldest(self) -> Item:
        """Take out the oldest item of all.

        Raises:
            ValueError: the store is empty.
        """
        lane = min((lane for lane in self._lanes.values() if lane), key=lambda lane: next(iter(lane)))
        return lane.popitem(last=False)[1]

    def oldest_first(self) -> list[Item]:
        """All items by their number."""
        # Each lane is in order: what is sorted are three rows.
        rows = [pair for lane in self._lanes.values() for pair in lane.items()]
        return [item for _, item in sorted(rows, key=_NUMBER)]

    def newer_than(self, number: int) -> list[tuple[int, Item]]:
        """Items above a number with theirs, oldest first; it takes as long as there are of them."""
        rows: list[tuple[int, Item]] = []
        for lane in self._lanes.values():
            rows += takewhile(lambda pair: pair[0] > number, reversed(lane.items()))
        return sorted(rows, key=_NUMBER)
