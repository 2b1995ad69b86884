"""Recorded frames through the whole engine, on the recorded clock: the same path that live frames take."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from engine.base.clock import ManualClock
from engine.base.errors import ValidationError
from engine.config.sections import EngineConfig
from engine.providers.assembler import BookAssembler
from engine.providers.feed import BookRules, Feed
from engine.runtime.assembly import Engine
from engine.runtime.capture import CaptureRecord, read_capture
from engine.runtime.facts import FactsCollector
from engine.runtime.prescan import Scan, base_venue, scan_capture
from engine.runtime.runreport import NO_LOOP, run_report
from engine.runtime.summary import EngineSummary
from engine.schema.enums import BookReason
from engine.schema.instrument import Instrument

PROGRESS_RECORDS = 2000


@dataclass
class Incident:
    """A book that was lost during a replay."""

    record: int
    provider: str
    symbol: str
    reason: str
    healed_at: int | None = None


@dataclass
class ReplayResult:
    """What one replayed file came to."""

    path: Path
    records: int
    """How many the file holds."""
    played: int
    """How many of them were played."""
    wall_ns: int
    facts: dict[str, Any] | None
    summary: EngineSummary
    incidents: list[Incident] = field(default_factory=list)
    feeds: dict[str, Feed] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    is_stopped: bool = False
    """Whether it ended before its last record because it was told to."""
    findings: dict[str, list[str]] = field(default_factory=dict)
    """What each sample strategy found out, where the three of :mod:`engine.runtime.samples` ran."""
    setup: dict[str, Any] = field(default_factory=dict)
    """What the run was made of: :func:`engine.runtime.runreport.run_report`."""


@dataclass(frozen=True)
class ReplayOptions:
    """How to replay.

    Attributes:
        speed: None = as fast as it goes, else a factor of recorded time.
        from_ns, to_ns: records outside are left out.
        instruments: a metadata body for recordings without one, by venue order of trial.
        with_facts: collect the capture facts.
    """

    speed: float | None = None
    from_ns: int | None = None
    to_ns: int | None = None
    instruments: bytes | None = None
    with_facts: bool = False


def at_recorded_pace(config: EngineConfig) -> EngineConfig:
    """*config* without the rate limits of its profile: a recording cannot be slowed, and is played for its bursts.

    Limits that the file itself states stay.
    """
    limits = config.dispatcher.backpressure
    if "token_rate_per_stream" in limits.model_fields_set:
        return config
    limits = limits.model_copy(update={"token_rate_per_stream": "unlimited"})
    dispatcher = config.dispatcher.model_copy(update={"backpressure": limits})
    return config.model_copy(update={"dispatcher": dispatcher})


class Replay:
    """One file, one engine. Consumers may be added between construction and :meth:`run`.

    Args:
        path: the capture.
        config: consumers, ordering, pools and book rules to run with.
        options: see :class:`ReplayOptions`.

    Raises:
        ValidationError: the file cannot be read, or holds a feed that is not supported.
    """

    def __init__(self, path: Path, config: EngineConfig, options: ReplayOptions | None = None) -> None:
        self.path = path
        self.options = options or ReplayOptions()
        self.scan: Scan = scan_capture(path)
        self.clock = ManualClock()
        self.engine = Engine(at_recorded_pace(config), self.clock)
        self.incidents: list[Incident] = []
        self.is_stopped = False
        self.loop = NO_LOOP
        self._record = -1
        self._played = 0
        self._feeds: dict[str, Feed] = {}
        self._rules = _book_rules(config)
        for venue in self.scan.venues:
            self._open(venue)
        self.facts = FactsCollector(path.name, self._feeds) if self.options.with_facts else None

    # -- what is in it ----------------------------------------------------------------------------------------

    def _open(self, venue: str) -> None:
        feed = self.engine.open_provider(venue, venue, self._rules.get(venue))
        self._feeds[venue] = feed
        feed.stream.on_lost = partial(self._note_lost, venue)
        found = self.scan.venues[venue]
        known: dict[str, Instrument] = {}
        given = self.options.instruments
        is_read = False
        for body in found.metadata or ([] if given is None else [given]):
            try:
                instruments, _ = feed.read_instruments(body)
            except ValidationError:
                if body is not given:
                    raise
                continue  # a body for another venue of this file
            is_read = body is given
            known.update((instrument.venue_symbol, instrument) for instrument in instruments)
        for symbol in found.symbols:
            instrument = known.get(symbol)
            if instrument is None:
                with suppress(ValidationError):  # cannot be spelled as BASE-QUOTE: left out, its frames refused
                    instrument = feed.guess_instrument(symbol)
            if instrument is not None:
                self.engine.carry(feed, instrument)
        if given is not None and not is_read:
            why = "the recording has its own metadata" if found.metadata else f"they are none of {venue}"
            self.engine.warnings.append(f"the instruments given are not used: {why}")

    def _note_lost(self, provider: str, book: BookAssembler, reason: BookReason) -> None:
        self.incidents.append(Incident(self._record, provider, book.symbol, reason.name.lower()))

    # -- the run ----------------------------------------------------------------------------------------------

    def records(self) -> Iterator[tuple[int, CaptureRecord]]:
        """The records to play, in order, each with its place in the file."""
        for number, record in enumerate(read_capture(self.path)):
            if self.options.from_ns is not None and record.ts_ns < self.options.from_ns:
                continue
            if self.options.to_ns is not None and record.ts_ns >= self.options.to_ns:
                break
            yield number, record

    def run(self, on_progress: Callable[[int], None] | None = None) -> ReplayResult:
        """Play every record, or those until :meth:`stop`; the engine is closed at the end."""
        self.engine.start()
        started_ns = time.monotonic_ns()
        pace = _Pace(self.options.speed)
        for number, record in self.records():
            while not self.is_stopped and pace.wait(record.ts_ns):
                pass
            if self.is_stopped:
                break
            self.before(number, record)
            self.play(record)
            if on_progress is not None and number % PROGRESS_RECORDS == 0:
                on_progress(number)
        return self.finish(time.monotonic_ns() - started_ns)

    def stop(self) -> None:
        """Play no further record; the result is that of what was played."""
        self.is_stopped = True

    def before(self, number: int, record: CaptureRecord) -> None:
        """Bring clock, deadlines, checkpoints and record numbers up to just before a record."""
        if self.facts is not None:
            self.facts.before(number, record)
        self._record = number
        self._played += 1
        self._close_windows(record.ts_ns)
        self.clock.set(record.ts_ns)
        deadline_ns = self.engine.dispatcher.next_deadline_ns
        if deadline_ns is not None and deadline_ns <= self.clock.now():
            self.engine.dispatcher.poll(self.clock.now())
        if record.kind != "fixture" and not record.is_out:
            self._feeds[base_venue(record.venue)].stream.record_index = number

    def _close_windows(self, until_ns: int) -> None:
        """Merge windows end at their own time, not at that of the record after it."""
        orchestrator = self.engine.orchestrator
        while (deadline_ns := orchestrator.next_deadline_ns) is not None and deadline_ns <= until_ns:
            self.clock.set(max(self.clock.now(), deadline_ns))
            orchestrator.deliver()

    def play(self, record: CaptureRecord) -> None:
        """Hand one record to its provider."""
        if record.is_out or record.kind == "fixture":
            return
        feed = self._feeds[base_venue(record.venue)]
        if record.channel == "http":
            feed.take_http(record.url or "", record.raw.encode(), self.clock.now())
        else:
            feed.stream.feed(record.raw.encode(), self.clock.now(), record.conn)
            feed.stream.read_end()

    def finish(self, wall_ns: int) -> ReplayResult:
        """Close the engine and put the result together."""
        self.engine.close()
        for incident in self.incidents:
            incident.healed_at = self._healed_at(incident)
        summary = self.engine.summary()
        return ReplayResult(
            path=self.path,
            records=self.scan.records,
            played=self._played,
            wall_ns=wall_ns,
            facts=self.facts.entry(summary) if self.facts is not None else None,
            summary=summary,
            incidents=self.incidents,
            feeds=self._feeds,
            warnings=list(self.engine.warnings),
            is_stopped=self.is_stopped,
            setup=run_report(self.engine, self.loop),
        )

    def _healed_at(self, incident: Incident) -> int | None:
        """Where the book was valid again: at the latest before it was lost the next time."""
        later = [
            other.record
            for other in self.incidents
            if other.record > incident.record
            and (other.provider, other.symbol) == (incident.provider, incident.symbol)
        ]
        for book in self._feeds[incident.provider].stream.book_list():
            if book.symbol == incident.symbol and (later or book.is_valid):
                return later[0] if later else self._record
        return None


class _Pace:
    """Sleeps until a record is due at a factor of recorded time, in naps short enough to be told to stop."""

    NAP_S = 0.1

    def __init__(self, speed: float | None) -> None:
        self._speed = speed
        self._first_ns: int | None = None
        self._started_ns = time.monotonic_ns()

    def wait(self, ts_ns: int) -> bool:
        """Sleep a nap at most; answers whether the record is still not due."""
        if self._speed is None:
            return False
        if self._first_ns is None:
            self._first_ns = ts_ns
        due_ns = self._started_ns + int((ts_ns - self._first_ns) / self._speed)
        left_s = (due_ns - time.monotonic_ns()) / 1e9
        if left_s > 0:
            time.sleep(min(left_s, self.NAP_S))
        return left_s > self.NAP_S


def _book_rules(config: EngineConfig) -> dict[str, BookRules]:
    """Book rules of the configured providers, by venue."""
    rules: dict[str, BookRules] = {}
    for provider in config.providers:
        book = provider.book
        rules.setdefault(
            provider.venue,
            BookRules(
                depth_levels=book.depth_levels,
                kept_levels_max=book.kept_levels_max,
                diff_buffer_max=book.diff_buffer_max,
                emit_full=book.emit == "full",
                verify_checksum=book.verify_checksum,
            ),
        )
    return rules
