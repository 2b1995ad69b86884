"""Reports in a server that other processes read (RPT-15, RPT-16)."""

from __future__ import annotations

import logging
import time
from collections import Counter
from typing import TYPE_CHECKING

from engine.base.wakeup import Wakeup
from engine.base.workers import Answer, start_thread
from engine.distribution.keys import INDEX_KEY, report_key
from engine.observability.logs import with_fields

if TYPE_CHECKING:
    from redis import Redis

INDEX_MS = 86_400_000
PRUNE_EVERY_S = 60.0
PAUSE_S = 0.25
TOGETHER = 256
_LOG = logging.getLogger("engine.distribution")


class StoredReports:
    """Writes reports from a thread of its own, so that a slow server delays no tick; of a symbol only the newest waits.

    Args:
        client: of the server.
        ttl_ms: a report that nobody replaces is gone after this.
    """

    def __init__(self, client: Redis, ttl_ms: int) -> None:
        from redis.exceptions import RedisError

        self._failures = (RedisError, OSError)
        self._client = client
        self._ttl_ms = ttl_ms
        self._waiting: dict[tuple[str, str], tuple[bytes, int]] = {}
        self._wakeup = Wakeup()
        self._pruned_s = 0.0
        self._ended: Answer[bool] | None = None
        self._is_stopping = False
        self.is_up = True
        """Whether the server took what it was given last."""
        self.writes: Counter[str] = Counter()
        """``ok``, and ``failed`` for round trips that the server did not answer."""

    def put(self, venue: str, symbol: str, report: bytes, generated_ms: int) -> None:
        """Have a report written."""
        self._waiting[venue, symbol] = report, generated_ms

    def write(self) -> int:
        """Write what waits; answers how many reports. For the thread, or whoever stands in for it.

        Raises:
            RedisError: the server is away; what it did not take waits on, unless a newer one has come.
        """
        waiting, self._waiting = self._waiting, {}
        rows = list(waiting.items())
        try:
            for at in range(0, len(rows), TOGETHER):
                self._write(rows[at : at + TOGETHER])
        except self._failures:
            self.writes["failed"] += 1
            self._waiting = {**waiting, **self._waiting}
            raise
        self.writes["ok"] += len(rows)
        return len(rows)

    def _write(self, rows: list[tuple[tuple[str, str], tuple[bytes, int]]]) -> None:
        now_s = time.monotonic()
        with self._client.pipeline(transaction=False) as pipe:
            for (venue, symbol), (report, _) in rows:
                pipe.set(report_key(venue, symbol), report, px=self._ttl_ms)
            pipe.zadd(INDEX_KEY, {f"{venue}:{symbol}": made_ms for (venue, symbol), (_, made_ms) in rows})
            if now_s - self._pruned_s >= PRUNE_EVERY_S:
                self._pruned_s = now_s
                pipe.zremrangebyscore(INDEX_KEY, 0, max(made_ms for _, (_, made_ms) in rows) - INDEX_MS)
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
        """Write what waits, if the server takes it, and end. Idempotent."""
        if self._ended is not None and not self._is_stopping:
            self._is_stopping = True
            self._wakeup.wake()
            self._ended.get(5.0)

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
