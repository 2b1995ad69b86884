"""Analytics of the streams, in a process of its own: entries in, reports into the server (BUS-21 to BUS-28, RPT-15)."""

from __future__ import annotations

import logging
import os
import time
from collections import Counter
from collections.abc import Sequence
from typing import Any

import msgspec

from engine.base.clock import Clock, SystemClock
from engine.base.errors import ConfigError
from engine.base.workers import Answer, start_thread
from engine.config.sections import EngineConfig
from engine.distribution.codec import EntryDecoder
from engine.distribution.keys import instruments_key, stream_key, stream_keys
from engine.distribution.reading import ReadSettings, StreamReader
from engine.distribution.store import StoredReports
from engine.distribution.streams import FIRST_PAUSE_S, LONGEST_PAUSE_S, check_server, connect
from engine.observability.logs import with_fields
from engine.reports.cache import generated_ms
from engine.reports.settings import ReportSettings
from engine.reports.worker import ReportWorker
from engine.schema.busentry import HeldEntry

SETTLE_MS = 50
LEARN_EVERY_S = 1.0
COUNT_EVERY_S = 5.0
NOWHERE = 2**32 - 1
"""The place of what is passed over."""

NS_PER_MS = 1_000_000
_LOG = logging.getLogger("engine.worker")


class _Instrument(msgspec.Struct):
    price_scale: int
    qty_scale: int
    tick_raw: int


_INSTRUMENTS = msgspec.json.Decoder(_Instrument)


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
        from redis.exceptions import RedisError

        bus = config.bus
        if bus.backend != "redis":
            raise ConfigError(
                "a worker reads streams, and bus.backend is inprocess", op="worker.start",
                hint="set bus.backend redis here and for the engine",
            )  # fmt: skip
        self._failures = (RedisError, OSError)
        self._clock = clock or SystemClock()
        self._settings = ReportSettings.of(config.reports)
        self._settle_ms = SETTLE_MS if config.reports.settle_ms == "auto" else config.reports.settle_ms
        self._block_ms = bus.read_block_ms
        self._shards = bus.shards
        client = connect(_address(bus.url_env))
        self.venues = tuple(dict.fromkeys(one.venue for one in config.providers if one.enabled))
        chosen = range(bus.shards) if shards is None else shards
        self.streams = {
            stream_keys(bus.stream_key, venue, bus.shards)[shard]: venue for venue in self.venues for shard in chosen
        }
        """Keys, and whose they are."""
        self._awaited: dict[tuple[str, str], str] = {}
        """Streams of symbols that nobody has told what they are."""
        self._passed_over: set[tuple[str, str]] = set()
        """Symbols that no report is wanted of."""
        for provider in config.providers:
            for symbol in provider.symbols if provider.enabled else ():
                pair = (provider.venue, symbol)
                key = stream_key(bus.stream_key, *pair, bus.shards)
                wanted = config.reports.symbols
                if key in self.streams:
                    self._awaited[pair] = key
                    if wanted != "all" and f"{provider.venue}:{symbol}" not in wanted:
                        self._passed_over.add(pair)
        self._places: dict[tuple[str, str], int] = {}
        self._of_stream: dict[str, list[int]] = {key: [] for key in self.streams}
        self._looked_s = -LEARN_EVERY_S
        self._refused_s: dict[tuple[str, str], float] = {}
        """When entries of a symbol came last that cannot be read: by whom nobody knows, so not without bound."""
        self._client = client
        self.node_id = node_id
        self.symbols = len(self._awaited)
        """How many there are in these streams, by the configuration."""
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
        )
        self.decoder = EntryDecoder(bus.max_entry_bytes)
        self.store = StoredReports(connect(_address(config.cache.url_env)), config.cache.ttl_s * 1000)
        read = ReadSettings(bus.group, bus.read_count, bus.claim_idle_ms, bus.max_deliveries, bus.dlq_key)
        self.reader = StreamReader(
            client, read, tuple(self.streams), self.decoder, self._take, self._learn, self._lost, node_id
        )
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
        self._learn_all()
        self.reader.open()
        self.is_up = True
        told = _fields("shard_assigned")
        _LOG.info("%d streams are read, %d symbols", len(self.streams), len(self._places), extra=told)

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
        self._ended = Answer()
        start_thread("engine-worker", self._run)

    def stop(self) -> None:
        """Finish and acknowledge what is in hand, write the last reports, end. Idempotent."""
        if self._ended is not None and not self._is_stopping:
            self._is_stopping = True
            self._ended.get(5.0)
            self.store.stop()

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
        count = self.reader.turn(self._wait_ms())
        if self._awaited:
            self._learn_all()
        self._tick()
        now_s = time.monotonic()
        if now_s - self._counted_s >= COUNT_EVERY_S:
            self._counted_s = now_s
            self.pending = self.reader.pending()
        return count

    def advance(self, now_ms: int) -> None:
        """Take the ticks up to a time."""
        self.analytics.advance(now_ms)
        self.store.flush()

    def _tick(self) -> None:
        self.advance(self._clock.now() // NS_PER_MS - self._settle_ms)

    def _wait_ms(self) -> int:
        """No longer than until the next tick."""
        period_ms = self._settings.fast_ms
        return max(1, min(self._block_ms, period_ms - (self._clock.now() // NS_PER_MS - self._settle_ms) % period_ms))

    def _take(self, entries: list[HeldEntry]) -> None:
        self.analytics.take_entries(entries, self._clock.now())

    # -- symbols ----------------------------------------------------------------------------------------------

    def _learn_all(self) -> None:
        """Symbols of the configuration have their report from when the publisher has told what they are (D18)."""
        now_s = time.monotonic()
        if now_s - self._looked_s >= LEARN_EVERY_S:
            self._looked_s = now_s
            for venue, symbol in list(self._awaited):
                self._ask(venue, symbol)

    def _learn(self, venue: str, symbol: str) -> bool:
        """An entry of a symbol has come that nobody told of: its publisher tells before its first one, if it does."""
        now_s = time.monotonic()
        if now_s - self._refused_s.get((venue, symbol), -LEARN_EVERY_S) < LEARN_EVERY_S:
            return False
        if (venue, symbol) in self._awaited and self._ask(venue, symbol):
            return True
        self._refused_s[venue, symbol] = now_s
        return False

    def _ask(self, venue: str, symbol: str) -> bool:
        """What an instrument is, as the publisher says."""
        pair = (venue, symbol)
        key = self._awaited[pair]
        document: Any = self._client.hget(instruments_key(venue), symbol)
        if document is None:
            return False
        told = _INSTRUMENTS.decode(document)
        del self._awaited[pair]
        if pair in self._passed_over:
            self.decoder.learn(NOWHERE, venue, symbol, told.price_scale, told.qty_scale)
            return True
        place = self._places[pair] = len(self._places)
        self._of_stream[key].append(place)
        begun_ns = self._clock.now()
        self.analytics.carry(place, venue, symbol, told.price_scale, told.qty_scale, told.tick_raw, begun_ns)
        self.decoder.learn(place, venue, symbol, told.price_scale, told.qty_scale)
        return True

    def _lost(self, key: str) -> None:
        """Entries of a stream are gone: the books of its symbols are not what they were (BUS-28)."""
        for place in self._of_stream[key]:
            self.analytics.lose_book(place)

    # -- what comes of it -------------------------------------------------------------------------------------

    def _keep(self, venue: str, symbol: str, report: bytes) -> None:
        self.store.put(venue, symbol, report, generated_ms(report))

    def _resync(self, place: int, venue: str, reason: str) -> None:
        symbol = next(symbol for (_, symbol), one in self._places.items() if one == place)
        self.resyncs[venue, reason] += 1
        _LOG.info("the book of a symbol is asked for whole", extra=_fields("resync_requested", f"{venue}:{symbol}"))
        try:
            self.reader.ask(venue, symbol)
        except self._failures as error:
            self._lose(error)

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


def _fields(event_type: str, symbol: str | None = None) -> dict[str, Any]:
    return with_fields(
        {"component": "worker", "symbol": symbol, "lag_ms": None, "stream_id": None, "event_type": event_type}
    )
