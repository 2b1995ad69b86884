"""Analytics of the streams, in a process of its own: entries in, reports into the server (BUS-21 to BUS-28, RPT-15)."""

from __future__ import annotations

import logging
import os
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from engine.base.clock import Clock, SystemClock
from engine.base.errors import ConfigError
from engine.base.workers import Answer, start_thread
from engine.config.sections import EngineConfig
from engine.distribution.codec import EntryDecoder
from engine.distribution.coordinator import Coordinator
from engine.distribution.holding import Holding
from engine.distribution.keys import stream_keys
from engine.distribution.reading import ReadSettings, StreamReader
from engine.distribution.servers import connect, disconnect
from engine.distribution.store import StoredReports
from engine.distribution.streams import FIRST_PAUSE_S, check_server
from engine.observability.logs import with_fields
from engine.reports.cache import generated_ms
from engine.reports.settings import ReportSettings
from engine.reports.worker import ReportWorker
from engine.runtime.shards import ShardKeeper
from engine.runtime.symbols import StreamSymbol, StreamSymbols
from engine.schema.busentry import HeldEntry

SETTLE_MS = 50
LONGEST_PAUSE_S = 1.0
"""Reports are back two seconds after the server is (SLO-12)."""

SHARED_ANSWER_S = 0.5
LEASE_ANSWER_S = 0.2
"""How long answers are waited for where nodes share the streams: a lease is short."""

COUNT_EVERY_S = 5.0
NS_PER_MS = 1_000_000
_LOG = logging.getLogger("engine.worker")


class StreamWorker:
    """Reads its streams, keeps the analytics of their symbols, and has their reports written.

    One thread does all of it but the writing of reports. With the bus away it waits, and its reports grow old.

    Args:
        config: providers tell which venues and symbols there are.
        node_id: who writes the reports.
        shards: which streams of each venue; None = all. Nobody else may read these.
        clock: of ticks.

    Raises:
        ConfigError: the bus is none of streams, or its address is not told.
    """

    def __init__(
        self,
        config: EngineConfig,
        node_id: str = "local",
        shards: Sequence[int] | None = None,
        clock: Clock | None = None,
    ) -> None:
        bus = config.bus
        if bus.backend != "redis":
            raise ConfigError(
                "a worker reads streams, and bus.backend is inprocess", op="worker.start",
                hint="set bus.backend redis here and for the engine",
            )  # fmt: skip
        if config.reports.workers > 1:
            raise ConfigError(
                f"reports.workers is {config.reports.workers}: those of an engine's own process", op="worker.start",
                hint="leave it out here, and start `engine-run worker` so often",
            )  # fmt: skip
        self._clock = clock or SystemClock()
        self._settings = ReportSettings.of(config.reports)
        self._settle_ms = SETTLE_MS if config.reports.settle_ms == "auto" else config.reports.settle_ms
        self._block_ms = bus.read_block_ms
        self._shards = bus.shards
        is_shared = bus.coordination.enabled
        if is_shared and shards is not None:
            raise ConfigError(
                "which shards are read is told, and bus.coordination.enabled is true", op="worker.start",
                hint="leave --shards out: nodes share them out by themselves",
            )  # fmt: skip
        client = connect(_address(bus.url_env), SHARED_ANSWER_S if is_shared else None)
        from redis.exceptions import RedisError

        self._failures = (RedisError, OSError)
        self.venues = tuple(dict.fromkeys(one.venue for one in config.providers if one.enabled))
        chosen = range(bus.shards) if shards is None else shards
        self.streams = {
            stream_keys(bus.stream_key, venue, bus.shards)[shard]: venue for venue in self.venues for shard in chosen
        }
        """Keys of what may be read here, and whose they are."""
        self._client = client
        self.node_id = node_id
        self.pending: dict[str, int] = {}
        """Entries not acknowledged, by stream, when they were last counted."""
        self.errors: Counter[tuple[str, str]] = Counter()
        """(symbol, section) of what could not be calculated, and how often."""
        self.resyncs: Counter[tuple[str, str]] = Counter()
        """(venue, reason) of books that were asked for whole, and how often."""
        self.analytics = ReportWorker(
            self._settings,
            self._clock.now(),
            node_id,
            on_error=self._failed,
            on_report=self._keep,
            on_resync=self._resync,
            on_change=self._changed,
        )
        self.decoder = EntryDecoder(bus.max_entry_bytes)
        self.symbols = StreamSymbols(client, config, self.streams, self.decoder, self._known)
        kept_at = connect(_address(config.cache.url_env), SHARED_ANSWER_S if is_shared else None)
        self.store = StoredReports(kept_at, config.cache.ttl_s * 1000, self._refused if is_shared else None)
        read = ReadSettings(bus.group, bus.read_count, bus.claim_idle_ms, bus.max_deliveries, bus.dlq_key)
        streams = () if is_shared else tuple(self.streams)
        self.reader = StreamReader(
            client, read, streams, self.decoder, self._take, self.symbols.meet, self._lost, node_id
        )
        self._keeper: ShardKeeper | None = None
        self.coordinator: Coordinator | None = None
        """Of the nodes that share the streams; None where what is read here is told."""
        if is_shared:
            self._share(config, node_id)
        self._counted_s = 0.0
        self._ended: Answer[bool] | None = None
        self._is_stopping = False
        self.is_up = False
        """Whether the server of the streams answers."""
        self.losses = 0
        """Times that it did no longer."""

    # -- life -------------------------------------------------------------------------------------------------

    def open(self) -> None:
        """See that the server may be used, learn the instruments, join the group.

        Raises:
            ConfigError: the server must not be used as it is.
            RedisError: it is away.
        """
        check_server(self._client, self.venues, self._shards)
        self.symbols.learn(self.reader.streams)
        self.reader.open()
        self.is_up = True
        if self.coordinator is None:
            count = len(self.reader.streams)
            _LOG.info("%d streams are read", count, extra=_fields("shard_assigned"))
        else:
            _LOG.info("the server of the bus answers", extra=_fields("bus_connected"))

    def start(self) -> None:
        """Read from here on; a server that is away is waited for.

        Raises:
            ConfigError: the server must not be used as it is.
        """
        try:
            self.open()
        except self._failures as error:
            self._lose(error)
        self.store.start()
        if self.coordinator is not None:
            self.coordinator.start()
        self._ended = Answer()
        start_thread("engine-worker", self._run)

    def stop(self) -> None:
        """Finish and acknowledge what is in hand, write the last reports, end. Idempotent."""
        if self._ended is not None and not self._is_stopping:
            self._is_stopping = True
            if self.coordinator is not None:
                self.coordinator.wakeup.wake()
            self._ended.get(5.0)
            if self.coordinator is not None:
                self.coordinator.stop()
            self.store.stop()
            disconnect(self._client)

    def _run(self) -> None:
        pause_s = FIRST_PAUSE_S
        try:
            while not self._is_stopping:
                try:
                    if not self.is_up:
                        self.open()
                    self.turn()
                    pause_s = FIRST_PAUSE_S
                except self._failures as error:
                    self._lose(error)
                    self._tick()
                    time.sleep(pause_s)
                    pause_s = min(LONGEST_PAUSE_S, 2 * pause_s)
                except Exception as error:
                    # Told, and the next turn comes all the same: what is read here would be read by nobody else.
                    self._failed("all", "cycle", error)
                    time.sleep(FIRST_PAUSE_S)
            if self._keeper is not None:
                self._keeper.close()
        finally:
            assert self._ended is not None
            self._ended.give(True)

    def _lose(self, error: Exception) -> None:
        if self.is_up or self.losses == 0:
            _LOG.warning("the server of the bus is away: %s", error, extra=_fields("bus_lost"))
            self.losses += 1
        self.is_up = False

    # -- work -------------------------------------------------------------------------------------------------

    def turn(self) -> int:
        """Read and apply once, then take the ticks that are due; answers how many entries came.

        Raises:
            RedisError: the server is away.
        """
        if self._keeper is not None:
            self._keeper.turn()
        wait_ms = self._wait_ms()
        if self._keeper is not None and not self._keeper.may_read():
            return 0  # it has taken so long that another may be reading
        count = self._read(wait_ms)
        self.symbols.look(self.reader.streams)
        self._tick()
        now_s = time.monotonic()
        if now_s - self._counted_s >= COUNT_EVERY_S:
            self._counted_s = now_s
            self.pending = self.reader.pending()
        return count

    def now_ms(self) -> int:
        """By the clock of ticks."""
        return self._clock.now() // NS_PER_MS

    def owned(self) -> list[str]:
        """Keys of the streams whose reports are written here, sorted."""
        if self.coordinator is None:
            return sorted(self.streams)
        return [holding.key for holding in self.coordinator.held() if holding.is_active]

    def advance(self, now_ms: int) -> None:
        """Take the ticks up to a time."""
        self.analytics.advance(now_ms)
        self.store.flush()

    def _tick(self) -> None:
        self.advance(self._clock.now() // NS_PER_MS - self._settle_ms)

    def _wait_ms(self) -> int:
        """No longer than until the next tick, or until something is read back."""
        period_ms = self._settings.fast_ms
        left_ms = period_ms - (self._clock.now() // NS_PER_MS - self._settle_ms) % period_ms
        most_ms = max(1, min(self._block_ms, left_ms))
        return most_ms if self._keeper is None else self._keeper.wait_ms(most_ms)

    def _read(self, wait_ms: int) -> int:
        if self.coordinator is None or self._keeper is None:
            return self.reader.turn(wait_ms)
        if self.reader.streams and not self._keeper.is_behind():
            return self.reader.turn(wait_ms)
        # A server counts how long a reader waits by tenths of a second, which would hold up what is read back.
        self.coordinator.wakeup.wait_for(wait_ms / 1e3)
        return self.reader.turn(None) if self.reader.streams else 0

    def _take(self, entries: list[HeldEntry]) -> None:
        self.analytics.take_entries(entries, self._clock.now())

    def _known(self, symbol: StreamSymbol) -> None:
        """Symbols have their report from when the publisher has told what they are (D18)."""
        if self._keeper is not None:
            self._keeper.carry(symbol)
            return
        scales = symbol.price_scale, symbol.qty_scale
        self.analytics.carry(symbol.place, *symbol.pair, *scales, symbol.tick_raw, self._clock.now())

    def _lost(self, key: str) -> None:
        """Entries of a stream are gone: the books of its symbols are not what they were (BUS-28)."""
        for symbol in self.symbols.of(key):
            self.analytics.lose_book(symbol.place)

    # -- sharing the streams ----------------------------------------------------------------------------------

    def _share(self, config: EngineConfig, node_id: str) -> None:
        settings = config.bus.coordination
        nonce = self.reader.consumer.rpartition(".")[2]
        leases_at = connect(_address(config.bus.url_env), LEASE_ANSWER_S)
        self.coordinator = Coordinator(leases_at, settings, list(self.streams), node_id, nonce)
        self._keeper = ShardKeeper(
            self._client, self.coordinator, self.reader, self.store, self.symbols, self.decoder, self.analytics,
            self._apart, self._settings, self._clock, self._settle_ms, config.bus.read_count,
            is_warm=settings.standby == "warm",
        )  # fmt: skip

    def _apart(self) -> ReportWorker:
        """Analytics that nobody sees yet; what fails in them is told once they are seen."""
        return ReportWorker(self._settings, self._clock.now(), self.node_id, on_error=lambda *_: None)

    def _refused(self, holding: Holding) -> None:
        """On the thread of the store: another node is the writer of a stream's symbols."""
        assert self.coordinator is not None
        self.coordinator.give_up(holding, "another node is the writer of its symbols")

    # -- what comes of it -------------------------------------------------------------------------------------

    def _keep(self, venue: str, symbol: str, report: bytes) -> None:
        self.store.put(venue, symbol, report, generated_ms(report))

    def _resync(self, place: int, venue: str, reason: str) -> None:
        symbol = self.symbols.at(place).pair[1]
        self.resyncs[venue, reason] += 1
        _LOG.info("the book of a symbol is asked for whole", extra=_fields("resync_requested", f"{venue}:{symbol}"))
        try:
            self.reader.ask(venue, symbol)
        except self._failures as error:
            self._lose(error)

    def _changed(self, what: str, venue: str, symbol: str, before: str, after: str, age_ms: int | None) -> None:
        if _LOG.isEnabledFor(logging.DEBUG):
            told = {"from": before, "to": after, "lag_ms": age_ms, "data_age_ms": age_ms}
            _LOG.debug("a report went from %s to %s", before, after, extra=_fields(what, f"{venue}:{symbol}", told))

    def _failed(self, symbol: str, section: str, error: Exception) -> None:
        self.errors[symbol, section] += 1
        if self.errors[symbol, section] == 1:
            told = _fields("calculation_error", symbol)
            _LOG.error("the %s section could not be calculated: %s", section, error, extra=told)


def _address(variable: str) -> str:
    url = os.environ.get(variable, "")
    if not url:
        raise ConfigError(
            f"the environment variable {variable} is not set", op="worker.start",
            hint=f"set {variable}, as redis://127.0.0.1:6379/0",
        )  # fmt: skip
    return url


def _fields(event_type: str, symbol: str | None = None, more: Mapping[str, Any] | None = None) -> dict[str, Any]:
    fields = {"component": "worker", "symbol": symbol, "lag_ms": None, "stream_id": None, "event_type": event_type}
    return with_fields(fields | dict(more or {}))
