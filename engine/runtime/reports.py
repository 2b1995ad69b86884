"""Reports inside an engine: a consumer that feeds the analytics, and the report of one instant of a recording."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from engine.base.errors import UnknownSymbolError, ValidationError
from engine.base.instants import to_rfc3339
from engine.config.sections import EngineConfig
from engine.consumers.subscriptions import Subscription
from engine.reports.resolve import Resolved, Unresolved, resolve
from engine.reports.settings import ReportSettings
from engine.reports.worker import ReportWorker
from engine.runtime.assembly import Engine
from engine.runtime.replay import Replay, ReplayOptions
from engine.schema.instrument import Instrument

CONSUMER = "reports"
EVENT_TYPES = ("BookUpdate", "Trade", "Ticker")
CAPACITY = 65_536
NS_PER_MS = 1_000_000


class ReportFeed:
    """The consumer that feeds a worker; it is one like any other, and sends nothing back."""

    def __init__(self, worker: ReportWorker) -> None:
        self.worker = worker

    def on_batch(self, events: list[Any], ctx: Any) -> None:
        """Apply a batch."""
        self.worker.take(events)


def carry(worker: ReportWorker, instrument: Instrument, venue: str, begun_ns: int | None = None) -> None:
    """Take an instrument's symbol; its ticks count from *begun_ns*, None = as the worker's do."""
    worker.carry(
        instrument.instrument_id,
        venue,
        instrument.symbol,
        instrument.price_scale,
        instrument.qty_scale,
        instrument.tick_size_raw,
        begun_ns,
    )


def add_reports(engine: Engine, settings: ReportSettings, begun_ns: int) -> ReportWorker:
    """Connect the analytics to everything an engine carries; its providers are named as their venues."""
    worker = ReportWorker(settings, begun_ns)
    engine.add_consumer(CONSUMER, ReportFeed(worker), capacity=CAPACITY)
    for instrument in engine.catalogue:
        carry(worker, instrument, instrument.provider)
    for symbol in dict.fromkeys(instrument.symbol for instrument in engine.catalogue):
        engine.desk.subscribe(Subscription(consumer_id=CONSUMER, symbol=symbol, event_types=EVENT_TYPES))
    return worker


class RecordedReport:
    """The report of one symbol at one instant of a recording, by the engine's own path.

    Args:
        path: the recording.
        config: settings of the reports, and book rules.
        symbol: as the resolver takes it.
        at_ns: the newest report at or before this; None = the first one that has seen every record.

    Raises:
        ValidationError: the file cannot be read, the symbol cannot be spelled so or is ambiguous, or the time lies
            outside the recording.
        UnknownSymbolError: the recording has no such symbol.
    """

    def __init__(self, path: Path, config: EngineConfig, symbol: str, at_ns: int | None = None) -> None:
        settings = ReportSettings.of(config.reports)
        fast_ns = settings.fast_ms * NS_PER_MS
        replay = Replay(path, config)
        first_ns, last_ns = replay.scan.first_ns, replay.scan.last_ns
        if first_ns is None or last_ns is None:
            raise ValidationError(f"{path} holds no record", op="report.compute", path=str(path))
        end_ns = -(-last_ns // fast_ns) * fast_ns
        now_ns = end_ns if at_ns is None else at_ns // fast_ns * fast_ns
        if not first_ns <= now_ns <= end_ns:
            span = f"{to_rfc3339(first_ns)} to {to_rfc3339(end_ns)}"
            told = to_rfc3339(now_ns if at_ns is None else at_ns)
            raise ValidationError(
                f"{told} lies outside the recording, which has reports from {span}",
                op="report.compute",
                path=str(path),
                hint="give --at a time within it, or leave it out for the last report",
            )
        self.now_ns = now_ns
        replay.options = ReplayOptions(to_ns=now_ns + 1)
        self._replay = replay
        self._worker = add_reports(replay.engine, settings, first_ns)
        known = self._worker.known()
        found = resolve(symbol, known, config.mcp.venue_priority or tuple(replay.scan.venues))
        if isinstance(found, Unresolved):
            raise _refused(found)
        self.resolved: Resolved = found

    def compute(self) -> bytes:
        """Play the records up to the instant and compose its report: canonical JSON, as a cache would hold it."""
        replay = self._replay
        replay.engine.start()
        for number, record in replay.records():
            replay.before(number, record)
            replay.play(record)
        report = self._worker.report(self.resolved.venue, self.resolved.symbol, self.now_ns // NS_PER_MS)
        replay.finish(0)
        return report


def _refused(found: Unresolved) -> ValidationError | UnknownSymbolError:
    op = "report.resolve"
    if found.code == "symbol_not_indexed":
        there = ", ".join(found.others) or "none"
        return UnknownSymbolError(found.message, op=op, hint=f"there are: {there}")
    hint = f"name one of {', '.join(found.others)}" if found.others else "as BTC-USDT, or binance:BTC-USDT"
    return ValidationError(found.message, op=op, hint=hint)
