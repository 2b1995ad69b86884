"""Which reports have reached their owners, and what one that joins is told of its orders (JRN-12, TRD-22)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from engine.consumers.runner import Runner
from engine.orders.lifecycle import Track
from engine.orders.records import Undelivered
from engine.orders.telling import Teller
from engine.schema.codec import from_json


class Deliveries:
    """Owned by the orders of a live engine, used on its loop.

    A report is kept until its owner has nothing left to take; only then the journal is told that it was delivered. So
    an owner that joins, after a crash or after it had left, misses none: what it was told before comes again, under the
    same ids and marked *reconciled*.

    Args:
        runners: the engine's own, which come and go.
        teller: tells a report again.
        delivered: called as delivered(consumer_id, report_no): all up to it have been delivered.
        open_tracks: the open orders of a consumer, oldest first.
    """

    def __init__(
        self,
        runners: Mapping[str, Runner],
        teller: Teller,
        delivered: Callable[[str, int], None],
        open_tracks: Callable[[str], Iterable[Track]],
    ) -> None:
        self._runners = runners
        self._teller = teller
        self._delivered = delivered
        self._open_tracks = open_tracks
        self._waiting: dict[str, list[tuple[int, bytes]]] = {}

    def restore(self, undelivered: Mapping[str, Iterable[Undelivered]]) -> None:
        """What nobody confirmed before a restart waits for its owners; those that are here are told."""
        for consumer_id, rows in undelivered.items():
            self._waiting[consumer_id] = [(row.report_no, row.body) for row in rows]
        for consumer_id in list(self._runners):
            self.joined(consumer_id)

    def told(self, consumer_id: str, report_no: int, body: bytes) -> None:
        """A report goes to its owner, if that is here."""
        self._waiting.setdefault(consumer_id, []).append((report_no, body))

    def joined(self, consumer_id: str) -> None:
        """A consumer is here: it is told what it may have missed, then how each of its open orders stands."""
        known = set()
        for _, body in self._waiting.get(consumer_id, ()):
            known.add(body)
            self._teller.again(from_json(body))
        for track in self._open_tracks(consumer_id):
            if track.last_report is not None and track.last_report not in known:
                self._teller.again(from_json(track.last_report))

    def confirm(self) -> None:
        """Reports whose owner has nothing left to take have been delivered."""
        for consumer_id, rows in list(self._waiting.items()):
            runner = self._runners.get(consumer_id)
            if runner is not None and not runner.statistics()["pinned"]:
                self._delivered(consumer_id, rows[-1][0])
                del self._waiting[consumer_id]
