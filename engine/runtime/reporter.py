"""The reports of a running engine: a consumer with a thread of its own feeds them, another gives them their ticks."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Sequence
from typing import Any

from engine.base.workers import Answer, new_lock, start_thread
from engine.config.sections_providers import ProviderConfig
from engine.consumers.subscriptions import Subscription
from engine.reports.cache import InProcessCache
from engine.reports.reader import ReportReader
from engine.reports.settings import ReportSettings
from engine.reports.worker import ReportWorker
from engine.runtime.assembly import Engine
from engine.runtime.reports import CAPACITY, CONSUMER, EVENT_TYPES, carry
from engine.schema.event import Event

TOKEN = 1
SETTLE_MS = 5
NS_PER_MS = 1_000_000
_LOG = logging.getLogger(__name__)


class Reporter:
    """Analytics, composer and cache of one engine; in the process, so the consumer's mailbox is its bus.

    The engine never waits for it: when it cannot follow, its mailbox thins out books and gives up the oldest trades, as
    it does for every consumer.

    Args:
        engine: not started.
        providers: what is reported; None = those of its configuration. Of several that serve one venue, the first that
            carries a symbol.
    """

    def __init__(self, engine: Engine, providers: Sequence[ProviderConfig] | None = None) -> None:
        config = engine.config
        providers = config.providers if providers is None else providers
        self._engine = engine
        self._settings = ReportSettings.of(config.reports)
        self._ttl_ms = config.cache.ttl_s * 1000
        self._lock = new_lock()
        self._stopped: Answer[bool] = Answer()
        self._ended: Answer[bool] = Answer()
        self._is_ticking = False
        self.errors: Counter[tuple[str, str]] = Counter()
        """(symbol, section) of what could not be calculated, and how often."""
        self._feeds: dict[tuple[str, str], str] = {}
        for provider in providers:
            for symbol in provider.symbols if provider.enabled else ():
                if (provider.venue, symbol) not in {(venue, one) for (_, one), venue in self._feeds.items()}:
                    self._feeds[provider.name, symbol] = provider.venue
        self.worker = ReportWorker(
            self._settings,
            engine.clock.now(),
            on_error=self._failed,
            on_report=self._keep,
            on_unknown=self._learn,
        )
        self.cache = InProcessCache(engine.clock)
        venues = tuple(dict.fromkeys(provider.venue for provider in providers))
        pairs = [(venue, symbol) for (_, symbol), venue in self._feeds.items()]
        self.reader = ReportReader(
            self.cache, self._settings, engine.clock, pairs, config.mcp.venue_priority or venues
        )
        engine.add_consumer(CONSUMER, self, mode="thread", capacity=CAPACITY)
        awaited = frozenset(provider.name for provider in providers)
        for provider_name, symbol in self._feeds:
            wanted = Subscription(
                consumer_id=CONSUMER, symbol=symbol, providers=(provider_name,), event_types=EVENT_TYPES
            )
            engine.desk.subscribe(wanted, awaited)

    # -- the consumer -----------------------------------------------------------------------------------------

    def on_batch(self, events: list[Event], ctx: Any) -> None:
        """Apply a batch; a tick that is due before an entry of it is taken then."""
        with self._lock:
            self.worker.take(events)

    def _learn(self, event: Event) -> None:
        venue = self._feeds.get((event.provider, event.symbol or ""))
        for instrument in list(self._engine.catalogue) if venue is not None else ():
            if (instrument.provider, instrument.symbol) == (event.provider, event.symbol):
                carry(self.worker, instrument, str(venue))

    def read_all(self) -> dict[str, bytes]:
        """Every report there is, as old as it is now, by ``venue:SYMBOL``."""
        names = [f"{venue}:{symbol}" for venue, symbol in sorted(self.reader.known())]
        served = {name: self.reader.get(name) for name in names}
        return {name: one.body for name, one in served.items() if one.error is None}

    # -- ticks ------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Take ticks by the engine's clock from here on, a little after each T, so that what came by then is in."""
        self._is_ticking = True
        start_thread("reports", self._run)

    def stop(self) -> None:
        """Take no further tick; waits for the one in hand."""
        if self._is_ticking:
            self._is_ticking = False
            self._stopped.give(True)
            self._ended.get(5.0)

    def tick(self, now_ms: int) -> None:
        """Take the ticks up to a time."""
        with self._lock:
            self.worker.advance(now_ms)

    def _run(self) -> None:
        try:
            while self._stopped.get(self._left_s()) is None:
                started_ns = time.monotonic_ns()
                self.tick(self._engine.clock.now() // NS_PER_MS - SETTLE_MS)
                took_ms = (time.monotonic_ns() - started_ns) // NS_PER_MS
                if took_ms * 10 > self._settings.fast_ms * 8:
                    _LOG.warning("a cycle of %d reports took %d ms", len(self.worker.known()), took_ms)
        finally:
            self._ended.give(True)

    def _left_s(self) -> float:
        """Until the next T and the time to settle."""
        period_ns, settle_ns = self._settings.fast_ms * NS_PER_MS, SETTLE_MS * NS_PER_MS
        return (period_ns - (self._engine.clock.now() - settle_ns) % period_ns) / 1e9

    # -- what comes of it -------------------------------------------------------------------------------------

    def _keep(self, venue: str, symbol: str, report: bytes) -> None:
        self.cache.put(venue, symbol, report, self._ttl_ms, TOKEN)

    def _failed(self, symbol: str, section: str, error: Exception) -> None:
        self.errors[symbol, section] += 1
        if self.errors[symbol, section] == 1:
            _LOG.error("the %s section of %s could not be calculated: %s", section, symbol, error)
