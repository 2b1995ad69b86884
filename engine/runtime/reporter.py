"""The reports of a running engine: their symbols shared out over lanes, one cache for what comes of it."""

from __future__ import annotations

from collections.abc import Sequence

from engine.base.errors import ConfigError
from engine.config.sections_providers import ProviderConfig
from engine.reports.cache import InProcessCache
from engine.reports.reader import ReportReader
from engine.reports.settings import ReportSettings
from engine.runtime.assembly import Engine
from engine.runtime.reportlane import NS_PER_MS, ReportLane

TOKEN = 1
SETTLE_MS = 5


class Reporter:
    """Analytics, composer and cache of one engine, within its process, in ``reports.workers`` lanes.

    Args:
        engine: not started.
        providers: what is reported, as ``reports.symbols`` allows; None = those of its configuration. Of several that
            serve one venue, the first that carries a symbol.

    Raises:
        ConfigError: the cache is none that can be written.
    """

    def __init__(self, engine: Engine, providers: Sequence[ProviderConfig] | None = None) -> None:
        config = engine.config
        if config.cache.backend == "http":
            why = "cache.backend: http is for processes that only read, as `engine-run mcp`"
            raise ConfigError(why, op="run.start")
        providers = [one for one in (config.providers if providers is None else providers) if one.enabled]
        self._engine = engine
        settings = ReportSettings.of(config.reports)
        settle_ms = SETTLE_MS if config.reports.settle_ms == "auto" else config.reports.settle_ms
        self._ttl_ms = config.cache.ttl_s * 1000
        whose: dict[tuple[str, str], tuple[str, str]] = {}
        for provider in providers:
            for symbol in provider.symbols:
                if _is_chosen(config.reports.symbols, provider.venue, symbol):
                    whose.setdefault((provider.venue, symbol), (provider.name, symbol))
        self.cache = InProcessCache(engine.clock)
        names = tuple(dict.fromkeys(provider.venue for provider in providers))
        self.reader = ReportReader(
            self.cache, settings, engine.clock, set(whose), config.mcp.venue_priority or names
        )
        # In turn: venues list what trades most first.
        shared = list(whose.items())
        count = max(1, min(config.reports.workers, len(shared)))
        self.lanes = [
            ReportLane(
                engine, number, {key: venue for (venue, _), key in shared[number::count]}, settings, settle_ms,
                self._keep,
            )
            for number in range(count)
        ]  # fmt: skip

    def read_all(self) -> dict[str, bytes]:
        """Every report there is, as old as it is now, by ``venue:SYMBOL``."""
        names = [f"{venue}:{symbol}" for venue, symbol in sorted(self.reader.known())]
        served = {name: self.reader.get(name) for name in names}
        return {name: one.body for name, one in served.items() if one.error is None}

    def now_ms(self) -> int:
        """The engine's time."""
        return self._engine.clock.now() // NS_PER_MS

    def start(self) -> None:
        """Take ticks by the engine's clock from here on, each lane in its own thread."""
        for lane in self.lanes:
            lane.start()

    def stop(self) -> None:
        """Look at nothing any more; waits for the ticks in hand. Idempotent."""
        for lane in self.lanes:
            lane.let_go()
        for lane in self.lanes:
            lane.wait_ended()

    def tick(self, now_ms: int) -> None:
        """Apply what has come, then take the ticks up to a time."""
        for lane in self.lanes:
            lane.tick(now_ms)

    def _keep(self, venue: str, symbol: str, report: bytes) -> bool:
        # Lanes have symbols of their own: no two write one entry of the cache.
        return self.cache.put(venue, symbol, report, self._ttl_ms, TOKEN)


def _is_chosen(symbols: Sequence[str] | str, venue: str, symbol: str) -> bool:
    return symbols == "all" or f"{venue}:{symbol}" in symbols
