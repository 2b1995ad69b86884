"""A part of a running engine's reports: a tap at its fan-out, and one thread that applies, computes and hands on."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

from engine.base.ids import instrument_id
from engine.base.workers import Answer, start_thread
from engine.dispatcher.routing import stream_index
from engine.observability.logs import with_fields
from engine.reports.settings import ReportSettings
from engine.reports.tap import ReportTap
from engine.reports.worker import ReportWorker
from engine.runtime.assembly import Engine
from engine.runtime.reports import carry
from engine.schema.enums import EventType

OBSERVER = "engine:reports"
EVENT_TYPES = (EventType.BOOK_SNAPSHOT, EventType.BOOK_UPDATE, EventType.TRADE, EventType.TICKER)
NS_PER_MS = 1_000_000
_WARN_EVERY_S = 60.0
_END_WITHIN_S = 5.0
_LOG = logging.getLogger("engine.reports")


class ReportLane:
    """Some symbols, and all that is done for their reports. Owned by the reporter.

    The engine never waits for it: the tap copies what passes, and folds books, then gives up trades where the thread
    does not follow. Only the thread of :meth:`start`, or whoever calls :meth:`tick` instead, touches the analytics.

    Args:
        engine: not started.
        number: among the lanes, from 0 on.
        symbols: venues by (provider, symbol).
        settings: windows and limits.
        settle_ms: how long after a T what was received by then may still come.
        keep: called as keep(venue, symbol, report), on this lane's thread; answers whether it was kept.
    """

    def __init__(
        self,
        engine: Engine,
        number: int,
        symbols: Mapping[tuple[str, str], str],
        settings: ReportSettings,
        settle_ms: int,
        keep: Callable[[str, str, bytes], bool],
    ) -> None:
        self._engine = engine
        self._number = number
        self._settings = settings
        self._settle_ms = settle_ms
        self._ended: Answer[bool] | None = None
        self._is_stopping = False
        self._warned_s = -_WARN_EVERY_S
        self._awaited = dict(symbols)
        """Those of which no venue has told yet what they are."""
        self.venues = {instrument_id(*pair): venue for pair, venue in symbols.items()}
        """By instrument id, of all that are reported here."""
        self._keep = keep
        self.writes: Counter[str] = Counter()
        """What was given to the cache: ``ok``, or ``refused`` for a newer writer's sake."""
        self.errors: Counter[tuple[str, str]] = Counter()
        """(symbol, section) of what could not be calculated, and how often."""
        self.resyncs: Counter[tuple[str, str]] = Counter()
        """(venue, reason) of books that were asked for whole, and how often."""
        self.worker = ReportWorker(
            settings,
            engine.clock.now(),
            on_error=self._failed,
            on_report=self._written,
            on_resync=self._resync,
            on_change=self._changed,
        )
        bus = engine.config.bus
        self.tap = ReportTap(
            engine.recycler, engine.shelf, engine.timer, bus.ring_capacity_entries, bus.coalesce_span_ms
        )
        streams = (stream_index(place, int(kind)) for place in self.venues for kind in EVENT_TYPES)
        self._index = engine.bus.add(self.tap)
        engine.reporting.names[self._index] = OBSERVER
        engine.board.set_routes(self._index, frozenset(streams))
        for place in self.venues:
            if engine.shelf.is_valid(place):
                self.tap.want(place)

    # -- life -------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Take ticks by the engine's clock from here on, a little after each T, so that what came by then is in."""
        self._ended = Answer()
        start_thread(f"engine-reports-{self._number}", self._run)

    def let_go(self) -> None:
        """Look at nothing any more, and end after the tick in hand. Idempotent."""
        self._engine.board.set_routes(self._index, frozenset())
        self._engine.bus.remove(self._index)
        self._is_stopping = True
        self.tap.wakeup.wake()

    def wait_ended(self) -> None:
        """Wait for the tick in hand."""
        if self._ended is not None:
            self._ended.get(_END_WITHIN_S)

    def tick(self, now_ms: int) -> None:
        """Apply what has come, then take the ticks up to a time."""
        if self._awaited:
            self._take_symbols()
        self.worker.drain(self.tap, self._engine.clock.now())
        self.worker.advance(now_ms)

    def _run(self) -> None:
        try:
            while True:
                self.tap.wakeup.wait_for(self._left_s())
                if self._is_stopping:
                    return
                self._cycle()
        finally:
            assert self._ended is not None
            self._ended.give(True)

    def _cycle(self) -> None:
        """One tick; what fails in it is told, and the next one comes all the same (RPT-17)."""
        started_s = time.monotonic()
        try:
            self.tick(self._engine.clock.now() // NS_PER_MS - self._settle_ms)
        except Exception as error:
            self._failed("all", "cycle", error)
        self._judge(started_s, time.monotonic())

    def _left_s(self) -> float:
        """Until the next T and the time to settle."""
        period_ns, settle_ns = self._settings.fast_ms * NS_PER_MS, self._settle_ms * NS_PER_MS
        return (period_ns - (self._engine.clock.now() - settle_ns) % period_ns) / 1e9

    def _judge(self, started_s: float, ended_s: float) -> None:
        """A cycle that leaves little of its period is told, once a minute (RPT-13)."""
        took_ms = (ended_s - started_s) * 1e3
        if took_ms > self._settings.fast_ms * 0.8 and ended_s - self._warned_s >= _WARN_EVERY_S:
            self._warned_s = ended_s
            count = len(self.worker.known())
            _LOG.warning("a cycle of %d reports took %.0f ms", count, took_ms, extra=with_fields(_fields("cycle_slow")))

    def _take_symbols(self) -> None:
        """Symbols have their report from when their venue has told what they are (D18)."""
        for (provider, symbol), venue in list(self._awaited.items()):
            instrument = self._engine.catalogue.of_provider(provider, symbol)
            if instrument is not None:
                carry(self.worker, instrument, venue, self._engine.clock.now())
                del self._awaited[provider, symbol]

    # -- what comes of it -------------------------------------------------------------------------------------

    def _written(self, venue: str, symbol: str, report: bytes) -> None:
        self.writes["ok" if self._keep(venue, symbol, report) else "refused"] += 1

    def _resync(self, place: int, venue: str, reason: str) -> None:
        self.resyncs[venue, reason] += 1
        self.tap.want(place)
        told = {**_fields("resync_requested"), "venue": venue, "reason": reason}
        _LOG.info("the book of a symbol is asked for whole", extra=with_fields(told))

    def _changed(self, what: str, venue: str, symbol: str, before: str, after: str, age_ms: int | None) -> None:
        if _LOG.isEnabledFor(logging.DEBUG):
            fields = {**_fields(what, f"{venue}:{symbol}"), "lag_ms": age_ms}
            told = {**fields, "from": before, "to": after, "data_age_ms": age_ms}
            _LOG.debug("a report went from %s to %s", before, after, extra=with_fields(told))

    def _failed(self, symbol: str, section: str, error: Exception) -> None:
        self.errors[symbol, section] += 1
        if self.errors[symbol, section] == 1:
            _LOG.error("the %s section could not be calculated: %s", section, error,
                       extra=with_fields(_fields("calculation_error", symbol)))  # fmt: skip


def _fields(event_type: str, symbol: str | None = None) -> dict[str, Any]:
    """What every line of the reports carries (SLO-32)."""
    return {"component": "reports", "symbol": symbol, "lag_ms": None, "stream_id": None, "event_type": event_type}
