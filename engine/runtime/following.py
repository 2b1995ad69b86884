"""Reads a stream back, beside its group: what whoever read it before knew, and a warm standby (DST-09, DST-10)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from engine.distribution.codec import EntryDecoder
from engine.distribution.faults import InvalidEntryError
from engine.distribution.servers import Client
from engine.reports.worker import ReportWorker
from engine.schema.busentry import HeldEntry

NS_PER_MS = 1_000_000
END = "+"
"""The id of whatever comes last."""


def id_before(entry_id: str, span_ms: int) -> str:
    """The id that an entry so long before another one may have at the least."""
    return f"{max(0, int(entry_id.partition('-')[0]) - span_ms)}-0"


def is_reached(at: str, goal: str) -> bool:
    """Whether an id is another one, or comes after it."""
    return _parts(at) >= _parts(goal)


def _parts(entry_id: str) -> tuple[int, int]:
    ms, _, number = entry_id.partition("-")
    return int(ms), int(number or 0)


class Follower:
    """Applies the entries of one stream to analytics of its own; it takes no ticks but slow ones. On one thread.

    Args:
        client: of the server.
        key: of the stream.
        after_id: where it begins.
        count: most entries of a step.
        decoder: of entries, which knows the symbols.
        analytics: without reports; carries nothing yet.
        begin: called as begin(follower, begun_ns) before the first entry: carries the symbols, from when it says.
    """

    def __init__(
        self,
        client: Client,
        key: str,
        after_id: str,
        count: int,
        decoder: EntryDecoder,
        analytics: ReportWorker,
        begin: Callable[[Follower, int], None],
    ) -> None:
        self._client = client
        self._count = count
        self._decoder = decoder
        self._begin = begin
        self.key = key
        self.analytics = analytics
        self.last_id = after_id
        """Of the entry that was applied last."""
        self.last_recv_ns = 0
        """When the engine had that; 0 = there was none."""
        self.has_begun = False
        self.ticked_ms = 0
        """Slow ticks up to here have been taken."""

    def begin(self, begun_ns: int) -> None:
        """Carry the symbols, unless it does already."""
        if not self.has_begun:
            self.has_begun = True
            self.ticked_ms = begun_ns // NS_PER_MS
            self._begin(self, begun_ns)

    def catch_up(self, until_ms: int, most_ms: int) -> bool:
        """Take slow ticks that nothing has come after, of so long a time at most; whether none is left to a time."""
        self.ticked_ms = min(until_ms, max(self.ticked_ms, self.last_recv_ns // NS_PER_MS) + most_ms)
        self.analytics.advance(self.ticked_ms)
        return self.ticked_ms >= until_ms

    def step(self, until_id: str = END) -> int:
        """Apply some entries up to an id; answers how many there were, 0 = it is level.

        Raises:
            RedisError: the server is away.
        """
        rows: Any = self._client.xrange(self.key, f"({self.last_id}", until_id, self._count)
        entries: list[HeldEntry] = []
        for _, fields in rows:
            try:
                entries.append(self._decoder.decode((fields or {}).get(b"data", b"")))
            except InvalidEntryError:
                continue  # the group's reader has put it aside
        if entries:
            self.begin(max(0, (entries[0].ts_recv_ns or entries[0].ts_event_ns) - 1))
            self._apply(entries)
            self.last_recv_ns = max(self.last_recv_ns, entries[-1].ts_recv_ns or entries[-1].ts_event_ns)
        if rows:
            self.last_id = rows[-1][0].decode()
        return len(rows)

    def _apply(self, entries: list[HeldEntry]) -> None:
        try:
            self.analytics.take_entries(entries)
        except Exception:
            # One of them: each by itself; those that were applied are known by their numbers.
            for entry in entries:
                try:
                    self.analytics.take_entries([entry])
                except Exception:
                    continue  # the group's reader tells of it
