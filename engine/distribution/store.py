"""Reports in a server that other processes read (RPT-15, RPT-16)."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

from engine.base.clock import monotonic_now
from engine.base.wakeup import Wakeup
from engine.base.workers import Answer, new_lock, start_thread
from engine.distribution.fencing import PUBLISH, fence_key
from engine.distribution.holding import Holding
from engine.distribution.keys import INDEX_KEY, report_key
from engine.distribution.servers import Client, batch_of, disconnect
from engine.observability.logs import with_fields

INDEX_MS = 86_400_000
PRUNE_EVERY_S = 60.0
PAUSE_S = 0.25
TOGETHER = 256
_LOG = logging.getLogger("engine.distribution")
Row = tuple[tuple[str, str], tuple[bytes, int]]


class StoredReports:
    """Writes reports from a thread of its own, so that a slow server delays no tick; of a symbol only the newest waits.

    Args:
        client: of the server.
        ttl_ms: a report that nobody replaces is gone after this.
        on_refused: where several nodes share the symbols: called with a holding whose fence is another's. Then the
            reports of a symbol are written from :meth:`hold` on. None = there is no other writer.
        now_ns: the monotonic clock, for how long a holding is good.
    """

    def __init__(
        self,
        client: Client,
        ttl_ms: int,
        on_refused: Callable[[Holding], None] | None = None,
        now_ns: Callable[[], int] = monotonic_now,
    ) -> None:
        from redis.exceptions import RedisError

        self._failures = (RedisError, OSError)
        self._client = client
        self._ttl_ms = ttl_ms
        self._on_refused = on_refused
        self._now_ns = now_ns
        self._holdings: dict[tuple[str, str], Holding] = {}
        self._lock = new_lock()
        """Held while reports are on their way: what is given up while it is taken is not written any more."""
        self._waiting: dict[tuple[str, str], tuple[bytes, int]] = {}
        self._wakeup = Wakeup()
        self._pruned_s = 0.0
        self._ended: Answer[bool] | None = None
        self._is_stopping = False
        self.is_up = True
        """Whether the server took what it was given last."""
        self.writes: Counter[str] = Counter()
        """``ok``; ``refused`` by a fence; ``lapsed``: too late for its lease; ``failed``: calls without answer."""
        self.newest_ms: dict[tuple[str, str], int] = {}
        """Instants of the reports that were written last, of the symbols that are written here."""
        self.fenced = 0
        """Writes and claims that a fence refused."""

    def put(self, venue: str, symbol: str, report: bytes, generated_ms: int) -> None:
        """Have a report written."""
        self._waiting[venue, symbol] = report, generated_ms

    def hold(self, pairs: Iterable[tuple[str, str]], holding: Holding) -> None:
        """Reports of these symbols may be written, for as long as a stream is this node's."""
        with self._lock:
            self._holdings.update(dict.fromkeys(pairs, holding))

    def forget(self, pairs: Iterable[tuple[str, str]]) -> None:
        """Reports of these symbols are not this node's any more; none is on its way when this returns."""
        with self._lock:
            for pair in pairs:
                self._holdings.pop(pair, None)
                self._waiting.pop(pair, None)
                self.newest_ms.pop(pair, None)

    def write(self) -> int:
        """Write what waits; answers how many reports. For the thread, or whoever stands in for it.

        Raises:
            RedisError: the server is away; what it did not take waits on, unless a newer one has come.
        """
        count = 0
        with self._lock:
            waiting, self._waiting = self._waiting, {}
            rows = list(waiting.items())
            if self._on_refused is not None:
                rows = self._held_rows(rows)
            try:
                for at in range(0, len(rows), TOGETHER):
                    count += self._write(rows[at : at + TOGETHER])
            except self._failures:
                self.writes["failed"] += 1
                self._waiting = {**waiting, **self._waiting}
                raise
        self.writes["ok"] += count
        return count

    def _held_rows(self, waiting: list[Row]) -> list[Row]:
        """Those whose stream is this node's; those that are not claimed yet wait on."""
        rows: list[Row] = []
        now_ns = self._now_ns()
        for pair, one in waiting:
            holding = self._holdings.get(pair)
            if holding is None:
                self._waiting.setdefault(pair, one)
            elif holding.may_write(now_ns):
                rows.append((pair, one))
            else:
                self.writes["lapsed"] += 1
        return rows

    def _write(self, rows: list[Row]) -> int:
        with batch_of(self._client) as pipe:
            for (venue, symbol), (report, _) in rows:
                name = report_key(venue, symbol)
                if self._on_refused is None:
                    pipe.at(name).set(name, report, px=self._ttl_ms)
                else:
                    fence = self._holdings[venue, symbol].fence
                    pipe.at(name).eval(PUBLISH, 2, fence_key(venue, symbol), name, fence, report, self._ttl_ms)
            found: list[Any] = pipe.execute()
        taken = [row for row, answer in zip(rows, found, strict=True) if answer]
        for (pair, _), answer in zip(rows, found, strict=True):
            if not answer:
                self._refuse(pair)
        self.newest_ms.update((pair, made_ms) for pair, (_, made_ms) in taken)
        if taken:
            self._list({f"{venue}:{symbol}": made_ms for (venue, symbol), (_, made_ms) in taken})
        return len(taken)

    def _refuse(self, pair: tuple[str, str]) -> None:
        """Another node is the writer: the whole stream is not this node's."""
        self.writes["refused"] += 1
        self.fenced += 1
        holding = self._holdings[pair]
        if not holding.is_lost:
            assert self._on_refused is not None
            self._on_refused(holding)

    def _list(self, members: dict[str, int]) -> None:
        now_s = time.monotonic()
        with batch_of(self._client) as pipe:
            pipe.at(INDEX_KEY).zadd(INDEX_KEY, members)
            if now_s - self._pruned_s >= PRUNE_EVERY_S:
                self._pruned_s = now_s
                pipe.at(INDEX_KEY).zremrangebyscore(INDEX_KEY, 0, max(members.values()) - INDEX_MS)
            pipe.execute()

    # -- the thread -------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Write from here on, whenever :meth:`flush` is called."""
        self._ended = Answer()
        start_thread("engine-store", self._run)

    def flush(self) -> None:
        """What waits may go out."""
        self._wakeup.wake()

    def stop(self) -> None:
        """Write what waits, if the server takes it, end and close the connections. Idempotent."""
        if self._ended is not None and not self._is_stopping:
            self._is_stopping = True
            self._wakeup.wake()
            self._ended.get(5.0)
            disconnect(self._client)

    def _run(self) -> None:
        is_last = False
        try:
            while not is_last:
                self._wakeup.wait_for(PAUSE_S)
                is_last = self._is_stopping
                try:
                    if self._waiting:
                        self.write()
                        self.is_up = True
                except self._failures as error:
                    if self.is_up:
                        fields = {"component": "worker", "symbol": None, "lag_ms": None, "stream_id": None}
                        told = with_fields({**fields, "event_type": "cache_lost"})
                        _LOG.warning("the server of the reports is away: %s", error, extra=told)
                    self.is_up = False
        finally:
            assert self._ended is not None
            self._ended.give(True)
