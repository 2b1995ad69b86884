"""The order journal, as the desk sees it: an intent is waited for, everything else only queued (JRN-01 to JRN-04).

SQLite in WAL mode on a thread of its own. The engine's loop never waits for a disk: it awaits, or goes on.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from engine.base.clock import Clock
from engine.base.errors import EngineError, JournalError
from engine.config.sections_orders import JournalConfig
from engine.observability.latency import LatencyHistogram
from engine.orders.journalread import find
from engine.orders.journalschema import SCHEMA, Schema
from engine.orders.journalstore import JournalStore, WireIdOf
from engine.orders.journalthread import NS, Answers, Job, JournalThread, Keeping
from engine.orders.records import (
    Intended,
    JournalStatistics,
    KillState,
    Recovered,
    RecoveredOrder,
    ReportRecord,
)
from engine.schema.order import OrderRequest, Sent

FILE_NAME = "orders.db"
ROOM_FOR_THE_REST = 4
"""Reports and the like find room up to so many times queue_max: a venue speaks also while the disk is away."""
DAY_S = 86_400
log = logging.getLogger("engine.orders")


class Journal:
    """Used on the engine's loop alone; open() first, close() last.

    Args:
        config: the section `journal`.
        state_dir: where its file lies unless the section names one.
        dedupe_retention_s: how long an ended order's id stays taken.
        on_state: called on the loop as on_state(works, cause) when it begins or ceases to work.
        on_kept: called on the loop as on_kept(report_no): every report up to it is committed.
    """

    def __init__(
        self,
        config: JournalConfig,
        state_dir: Path,
        clock: Clock,
        *,
        dedupe_retention_s: int,
        on_state: Callable[[bool, str], None] | None = None,
        on_kept: Callable[[int], None] | None = None,
        schema: Schema = SCHEMA,
    ) -> None:
        self.path = Path(config.path) if config.path is not None else state_dir / FILE_NAME
        self._keeping = Keeping(
            path=self.path,
            durability=config.durability,
            linger_ns=config.commit_linger_us * 1000,
            ids_kept_ns=dedupe_retention_s * NS,
            rows_kept_ns=config.retention_days * DAY_S * NS,
            schema=schema,
        )
        self._queue_max = config.queue_max
        self._clock = clock
        self._on_state = on_state
        self._on_kept = on_kept
        self._thread: JournalThread | None = None
        self._counted: JournalThread | None = None
        """Whose counts are told; they stay when it has ended."""
        self._failure: JournalError | None = JournalError("the journal is not open", op="journal.intent")
        self._report_no = 0
        self._refused = self._unwritten = 0

    # --- how it stands --------------------------------------------------------------------------------------

    @property
    def is_available(self) -> bool:
        """Whether an order can be taken now."""
        return self._failure is None and self._thread is not None and self._thread.queued < self._queue_max

    @property
    def works(self) -> bool:
        """Whether what is said to it is committed before long."""
        return self._failure is None and self._thread is not None

    @property
    def cause(self) -> str:
        """Why none can; empty while one can."""
        if self._failure is not None:
            return self._failure.reason
        return "" if self.is_available else f"{self._queue_max} writes wait already"

    def statistics(self) -> JournalStatistics:
        """Counts since open()."""
        thread = self._counted
        if thread is None:
            return JournalStatistics(refused=self._refused, unwritten=self._unwritten)
        return JournalStatistics(
            queued=thread.queued,
            commits=thread.commits,
            writes=thread.writes,
            failures=thread.failures,
            refused=self._refused,
            unwritten=self._unwritten,
            group_max=thread.group_max,
            purged=thread.purged,
        )

    @property
    def commit_ns(self) -> LatencyHistogram:
        """What each commit took, from its first statement on; the journal's thread goes on counting."""
        return LatencyHistogram() if self._counted is None else self._counted.commit_ns

    # --- start and end --------------------------------------------------------------------------------------

    async def open(self) -> Recovered:
        """Take the file and read it; after a failure it may be tried again.

        Raises:
            JournalError: it is damaged, newer, another engine's, or cannot be written; every order is refused until
                it is open. The file is as it was.
        """
        if self._thread is not None:
            raise JournalError("the journal is open already", op="journal.open")
        thread = JournalThread(self._keeping, self._clock, asyncio.get_running_loop(), self._done)
        self._thread = self._counted = thread
        try:
            found: Recovered = await self._ask(thread.open, is_counted=False)
        except BaseException:
            self._thread = None
            thread.stop()
            await thread.ended
            raise
        self._report_no = found.next_report_no - 1
        return found

    async def close(self) -> None:
        """Write what is queued and let go of the file. Idempotent."""
        thread, self._thread = self._thread, None
        if thread is None:
            return
        ended: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        thread.put(Job(_nothing, partial(_settle, ended)))
        try:
            await ended
        except JournalError:
            self._unwritten += thread.queued
        finally:
            self._failure = JournalError("the journal is closed", op="journal.intent")
            thread.stop()
        await thread.ended

    # --- orders ---------------------------------------------------------------------------------------------

    def intent(
        self, request: OrderRequest, wire_id_of: WireIdOf, done: Callable[[Intended | EngineError], None]
    ) -> None:
        """Keep an order that is about to be sent; done(found) is called on the loop once that is committed.

        It gets a JournalError where the queue is full or the disk fails: refuse the order as JOURNAL_UNAVAILABLE; and a
        ConflictError where its wire id is another order's: refuse it.
        """
        thread = self._thread
        if not self.is_available or thread is None:
            self._refused += 1
            done(self._failure or JournalError(self.cause, op="journal.intent"))
        else:
            thread.put(Job(lambda store: store.intent(request, wire_id_of), partial(self._intended, done)))

    def _intended(self, done: Callable[[Intended | EngineError], None], found: Intended | EngineError) -> None:
        self._refused += isinstance(found, JournalError)
        done(found)

    def withdraw(self, wire_order_id: str) -> None:
        """No byte of that order left and none will: its id is free again."""
        self._put(lambda store: store.withdraw(wire_order_id))

    def sent(self, wire_order_id: str, outcome: Sent, venue_order_id: str | None = None) -> None:
        """What came of handing it to its venue."""
        now_ns = self._clock.now()
        self._put(lambda store: store.sent(wire_order_id, outcome, venue_order_id, now_ns))

    def report(self, record: ReportRecord) -> int:
        """Keep a report; returns its number, which grows for the life of the file."""
        self._report_no += 1
        self._put(partial(_report, self._report_no, record), self._report_no)
        return self._report_no

    def delivered(self, consumer_id: str, report_no: int) -> None:
        """That consumer has had every report of its own up to this one."""
        self._put(lambda store: store.delivered(consumer_id, report_no))

    def risk_state(self, state: KillState) -> None:
        """The kill switch as it stands from now on."""
        self._put(lambda store: store.risk_state(state))

    async def settled(self) -> None:
        """Everything said so far is committed.

        Raises:
            JournalError: it is not; what could be kept is tried again.
        """
        await self._ask(_nothing)

    async def find(self, wire_order_id: str) -> RecoveredOrder | None:
        """The order of a wire id, with everything said so far; None = not known, or its rows are gone.

        Raises:
            JournalError: the journal cannot be read.
        """
        found: RecoveredOrder | None = await self._ask(lambda store: find(store.readable(), wire_order_id))
        return found

    # --- the thread -----------------------------------------------------------------------------------------

    async def _ask(self, work: Callable[[Any], Any], *, is_counted: bool = True) -> Any:
        thread = self._thread
        if thread is None or (is_counted and self._failure is not None):
            raise self._failure or JournalError("the journal is closed", op="journal.ask")
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        thread.put(Job(work, partial(_settle, answer)))
        return await answer

    def _put(self, work: Callable[[JournalStore], Any], report_no: int = 0) -> None:
        thread = self._thread
        if thread is None or thread.queued >= ROOM_FOR_THE_REST * self._queue_max:
            self._unwritten += 1
        else:
            thread.put(Job(work, None, report_no))

    def _done(self, answers: Answers, failure: JournalError | None, kept_report_no: int) -> None:
        was, self._failure = self._failure, failure
        if self._on_state is not None and (was is None) != (failure is None):
            self._on_state(failure is None, "" if failure is None else failure.reason)
        for answer, found in answers:
            try:
                answer(found)
            except Exception:
                # A bug of one order ends neither the others nor the engine.
                log.exception("an order was left as it stands")
        if self._on_kept is not None:
            self._on_kept(kept_report_no)


def _settle(waiting: asyncio.Future[Any], found: Any) -> None:
    if waiting.done():
        return
    if isinstance(found, Exception):
        waiting.set_exception(found)
    else:
        waiting.set_result(found)


def _report(report_no: int, record: ReportRecord, store: JournalStore) -> None:
    store.report(report_no, record)


def _nothing(store: JournalStore) -> None:
    return None
