"""A store that gives up its least important, then its oldest item first: for telemetry and dead letters."""

from collections import OrderedDict
from collections.abc import Iterator
from enum import IntEnum
from heapq import merge
from typing import Generic, TypeVar

Item = TypeVar("Item")


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

    def oldest_first(self) -> Iterator[Item]:
        """All items by their number; the store must not change meanwhile."""
        for _, item in merge(*(lane.items() for lane in self._lanes.values()), key=lambda pair: pair[0]):
            yield item
