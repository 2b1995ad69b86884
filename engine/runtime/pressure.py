"""Places are short: who is read less, and who is told."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from engine.consumers.runner import Runner
from engine.pools.recycler import Recycler
from engine.providers.feed import Feed
from engine.runtime.reporting import Reporting
from engine.schema.enums import EventType


class Pressure:
    """Hooks of pools and mailboxes. Owned by the engine, used on its loop.

    Args:
        reporting: telemetry and dead letters.
        recycler: the pools.
        feeds, runners: the engine's own, which grow.
        clock_ns: now.
    """

    def __init__(
        self,
        reporting: Reporting,
        recycler: Recycler,
        feeds: Mapping[str, Feed],
        runners: Mapping[str, Runner],
        clock_ns: Callable[[], int],
    ) -> None:
        self._reporting = reporting
        self._recycler = recycler
        self._feeds = feeds
        self._runners = runners
        self._clock_ns = clock_ns

    def pool_exhausted(self, provider: str, symbol: str, event_type: int) -> None:
        """An event found no slot although everything queued was folded: its provider is read less, and it is lost."""
        kind = EventType(event_type).class_name
        stream_key = f"{provider}:{symbol}:{kind}"
        row = self._recycler.statistics().pools[kind]
        self._read_less(provider, row.in_use, stream_key=stream_key)
        self._reporting.pool_exhausted(stream_key, row.in_use, row.capacity, self._clock_ns())

    def mailbox_full(self, consumer_id: str, stream_key: str, depth: int) -> None:
        """Trades will be dropped. Reading less would hold up whoever keeps pace: it helps where nobody does."""
        if all(runner.mailbox.is_full for runner in self._runners.values()):
            self._read_less(stream_key.partition(":")[0], depth, consumer_id=consumer_id)

    def _read_less(self, provider: str, depth: int, **who: str) -> None:
        feed = self._feeds.get(provider)
        if feed is not None and feed.on_pressure is not None and feed.on_pressure():
            self._reporting.tell("backpressure.triggered", rung="pause", depth=depth, **who)
