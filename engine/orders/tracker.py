"""The orders an engine knows, found by our id at the venue and by the venue's own; owners' ids are TakenIds'."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

from engine.orders.lifecycle import Track
from engine.orders.wireid import canonical
from engine.schema.order import Order, VenueReport


class Tracker:
    """Open orders, and ended ones for as long as their ids are taken. Owned by the desk.

    Args:
        retention_ns: how long an ended order is known.
    """

    def __init__(self, retention_ns: int) -> None:
        self._retention_ns = retention_ns
        self._by_wire: dict[str, Track] = {}
        self._by_venue: dict[tuple[str, str], Track] = {}
        self._open: dict[str, Track] = {}
        self._ended: deque[tuple[int, Track]] = deque()

    def __len__(self) -> int:
        return len(self._by_wire)

    def add(self, track: Track, ended_ns: int | None = None) -> None:
        """An order is known from now on.

        Args:
            track: the order.
            ended_ns: when it ended, of one that has.
        """
        order = track.order
        wire = canonical(order.wire_order_id)
        self._by_wire[wire] = track
        self.note_venue_id(track)
        if order.is_open:
            self._open[wire] = track
        else:
            self._ended.append((order.updated_ns if ended_ns is None else ended_ns, track))

    def remove(self, track: Track) -> None:
        """An order never was: nothing of it left this engine."""
        self._forget(track)
        self._open.pop(canonical(track.order.wire_order_id), None)

    def note_venue_id(self, track: Track) -> None:
        """The venue has told its own id of an order."""
        order = track.order
        if order.venue_order_id is not None:
            self._by_venue[order.request.provider, order.venue_order_id] = track

    def note_end(self, track: Track, now_ns: int) -> None:
        """An order has ended."""
        self._open.pop(canonical(track.order.wire_order_id), None)
        self._ended.append((now_ns, track))

    def knows(self, wire: str) -> bool:
        """Whether an order of this wire id, in its canonical spelling, is known."""
        return wire in self._by_wire

    def find(self, report: VenueReport) -> Track | None:
        """The order a report is about: by our id where it has one, else by the venue's."""
        if report.wire_order_id:
            track = self._by_wire.get(canonical(report.wire_order_id))
            return track if track is not None and track.order.request.provider == report.provider else None
        return None if report.venue_order_id is None else self._by_venue.get((report.provider, report.venue_order_id))

    def open_orders(
        self, *, provider: str | None = None, symbol: str | None = None, consumer_id: str | None = None
    ) -> Iterator[Track]:
        """Orders that have not ended, oldest first, of those given; a copy, so that they may end meanwhile."""
        for track in list(self._open.values()):
            asked = track.order.request
            if (
                provider in (None, asked.provider)
                and symbol in (None, asked.symbol)
                and consumer_id in (None, asked.consumer_id)
            ):
                yield track

    def orders(self) -> list[Order]:
        """Every order that is known, as it stands, in the order in which they came to be known."""
        return [track.order for track in self._by_wire.values()]

    def forget(self, now_ns: int) -> int:
        """Let go of what ended too long ago; how many."""
        count = 0
        while self._ended and self._ended[0][0] + self._retention_ns <= now_ns:
            self._forget(self._ended.popleft()[1])
            count += 1
        return count

    def _forget(self, track: Track) -> None:
        order = track.order
        self._by_wire.pop(canonical(order.wire_order_id), None)
        if order.venue_order_id is not None:
            self._by_venue.pop((order.request.provider, order.venue_order_id), None)
