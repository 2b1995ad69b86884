"""The journal's thread: what is queued leaves in groups, one commit each; nothing else ever touches the file.

When the disk fails, those who wait for their commit are refused at once, what need not be waited for stays in its order
and is tried again, and so is a write that changes nothing, until the disk is back.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import sqlite3
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias

from engine.base.clock import Clock, monotonic_now
from engine.base.errors import EngineError, JournalError
from engine.base.wakeup import Wakeup
from engine.base.workers import start_thread
from engine.observability.latency import LatencyHistogram
from engine.orders.journalread import read_back
from engine.orders.journalschema import Schema, create, damaged, examine, migrate
from engine.orders.journalstore import JournalStore, connect
from engine.orders.records import Recovered

GROUP_MAX = 512
"""Writes in one commit; a full group does not linger."""
RETRY_S = 0.5
IDLE_S = 5.0
PURGE_ORDERS = 256
"""Orders whose rows go in one transaction: what a submit may have to wait for."""
NS = 1_000_000_000
PURGE_EVERY_NS = 60 * NS

Answer: TypeAlias = Callable[[Any], None]
Answers: TypeAlias = list[tuple[Answer, Any]]


@dataclass(slots=True)
class Job:
    """One thing to do with the store.

    Attributes:
        answer: called on the loop with what came of it once it is committed, or with the error; a job that has one is
            not tried twice.
        report_no: of a report: those that are committed are told of by number.
    """

    work: Callable[[JournalStore], Any]
    answer: Answer | None = None
    report_no: int = 0


@dataclass(frozen=True, slots=True)
class Keeping:
    """How a journal is kept.

    Attributes:
        ids_kept_ns: how long an ended order's id stays taken.
        rows_kept_ns: how long its rows stay.
        linger_ns: from one commit to the next, at least, unless somebody waits for it.
    """

    path: Path
    durability: Literal["process", "power"]
    linger_ns: int
    ids_kept_ns: int
    rows_kept_ns: int
    schema: Schema


class JournalThread:
    """Runs jobs in order, from its making to stop(); *ended* tells the loop that it has let go of the file.

    Args:
        on_done: called on the loop after each group, as on_done(answers and what they get, what does not work, number
            of the last report that is committed).
    """

    def __init__(
        self,
        keeping: Keeping,
        clock: Clock,
        loop: asyncio.AbstractEventLoop,
        on_done: Callable[[Answers, JournalError | None, int], None],
    ) -> None:
        self._keeping = keeping
        self._clock = clock
        self._loop = loop
        self._on_done = on_done
        self._jobs: deque[Job] = deque()
        self._wakeup = Wakeup()
        self._hurry = Wakeup()
        self._is_ending = False
        self._is_asked = self._is_lingering = False
        self._is_damaged = False
        self._failure: JournalError | None = None
        self._purge_at_ns = 0
        self._lock_handle = -1
        self._connection: sqlite3.Connection | None = None
        self._store: JournalStore | None = None
        self.commits = self.writes = self.failures = self.purged = self.group_max = 0
        self.commit_ns = LatencyHistogram()
        self._kept_report_no = self._committed_ns = 0
        self.ended: asyncio.Future[None] = loop.create_future()
        start_thread("journal", self._run)

    # --- from the loop --------------------------------------------------------------------------------------

    @property
    def queued(self) -> int:
        """Jobs that wait."""
        return len(self._jobs)

    def put(self, job: Job) -> None:
        """Queue a job; never waits."""
        self._jobs.append(job)
        if job.answer is not None:
            self._is_asked = True
        self._wakeup.wake()
        if self._is_lingering and (self._is_asked or len(self._jobs) >= GROUP_MAX):
            self._hurry.wake()

    def stop(self) -> None:
        """Do what is queued, once, and end."""
        self._is_ending = True
        self._wakeup.wake()
        self._hurry.wake()

    # --- the thread -----------------------------------------------------------------------------------------

    def open(self, _: JournalStore | None = None) -> Recovered:
        """Take the file, prove it whole, read it; a job of its own, before every other.

        Raises:
            JournalError: it cannot be used; it is as it was.
        """
        keeping = self._keeping
        self._take_lock()
        try:
            version = examine(keeping.path, keeping.schema)
            if version is None:
                create(keeping.path, keeping.schema)
            connection = connect(keeping.path, keeping.durability)
            try:
                if version is not None and version != keeping.schema.version:
                    migrate(connection, keeping.path, version, keeping.schema)
                found = read_back(connection, self._clock.now() - keeping.ids_kept_ns)
            except BaseException:
                connection.close()
                raise
        except sqlite3.OperationalError as error:
            self._give_lock_back()
            raise JournalError(f"{keeping.path} cannot be used: {error}", op="journal.open") from error
        except sqlite3.DatabaseError as error:
            self._give_lock_back()
            raise damaged(str(error)) from error
        except (OSError, EngineError, ValueError) as error:
            self._give_lock_back()
            raise error if isinstance(error, JournalError) else damaged(str(error)) from error
        self._connection, self._store = connection, JournalStore(connection)
        # Not at once: an engine that starts has orders to settle.
        self._purge_at_ns = self._clock.now() + PURGE_EVERY_NS
        return found

    def _take_lock(self) -> None:
        path = self._keeping.path.with_name(self._keeping.path.name + ".lock")
        try:
            handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise JournalError(f"{path} cannot be made: {error.strerror}", op="journal.open") from error
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(handle)
            raise JournalError(
                f"{self._keeping.path} is another engine's",
                op="journal.open",
                hint="end the other engine, or give this one an engine.state_dir of its own",
            ) from error
        self._lock_handle = handle

    def _give_lock_back(self) -> None:
        if self._lock_handle >= 0:
            os.close(self._lock_handle)
            self._lock_handle = -1

    def _run(self) -> None:
        while not (self._is_ending and (not self._jobs or self._failure is not None)):
            woken = self._wakeup.wait_for(RETRY_S if self._failure is not None and self._store else IDLE_S)
            try:
                self._turn(woken)
            except Exception as error:
                self._failed([], _as_failure(error))
        self._close()
        self._on_loop(_set, self.ended)

    def _linger(self) -> None:
        """Let more come for one commit where the last one was just now, unless somebody waits for one.

        What comes after a pause goes at once. Orders that come while a commit is on its way share the next one.
        """
        left_ns = self._committed_ns + self._keeping.linger_ns - monotonic_now()
        self._is_lingering = True  # before it looks: who comes after that wakes it
        in_no_hurry = not (self._is_asked or self._is_ending) and self._failure is None
        if left_ns > 0 and len(self._jobs) < GROUP_MAX and in_no_hurry:
            self._hurry.wait_for(left_ns / NS)
        self._is_lingering = False

    def _turn(self, woken: bool) -> None:
        if self._is_damaged:
            assert self._failure is not None
            self._failed([], self._failure)
            return
        if self._failure is not None and self._store is not None and not woken and not self._jobs:
            self._group()
        while self._jobs:
            self._linger()
            if not self._group():
                return
            self._purge()
        while self._failure is None and not self._jobs and self._purge():
            pass

    def _group(self) -> bool:
        """One commit of what is queued, or of a probe; whether it worked."""
        self._is_asked = False  # before they are taken: one that comes meanwhile is in this commit, or hurries the next
        jobs = [self._jobs.popleft() for _ in range(min(len(self._jobs), GROUP_MAX))]
        if self._store is None:
            jobs = self._before_open(jobs)
            if not jobs:
                return True
        started_ns = monotonic_now()
        answers: Answers = []
        try:
            self._commit(jobs, answers)
        except sqlite3.Error as error:
            self._rolled_back()
            if isinstance(error, sqlite3.OperationalError) or not jobs:
                return self._failed(jobs, _as_failure(error))
            self._one_by_one(jobs)
            return True
        except Exception:
            # One of them cannot be done, whatever the disk does; the others are not to suffer for it.
            self._rolled_back()
            self._one_by_one(jobs)
            return True
        self._committed(jobs, monotonic_now() - started_ns, answers)
        return True

    def _commit(self, jobs: list[Job], answers: Answers) -> None:
        assert self._store is not None
        if self._failure is not None:
            self._store.probe()
        for job in jobs:
            found = job.work(self._store)
            if job.answer is not None:
                answers.append((job.answer, found))
        self._store.commit()

    def _before_open(self, jobs: list[Job]) -> list[Job]:
        """The first job opens the store; while there is none, every other one fails."""
        while jobs and self._store is None:
            job = jobs.pop(0)
            try:
                found: Any = job.work(None)  # type: ignore[arg-type]
            except JournalError as error:
                found = self._failure = error
            else:
                self._failure = None
            self._tell([(job.answer, found)] if job.answer is not None else [])
        return jobs

    def _one_by_one(self, jobs: list[Job]) -> None:
        assert self._store is not None
        self._store.looks_up = True
        try:
            self._each_alone(jobs)
        finally:
            self._store.looks_up = False

    def _each_alone(self, jobs: list[Job]) -> None:
        for place, job in enumerate(jobs):
            answers: Answers = []
            started_ns = monotonic_now()
            try:
                self._commit([job], answers)
            except sqlite3.OperationalError as error:
                self._rolled_back()
                self._failed(jobs[place:], _as_failure(error))
                return
            except Exception as error:
                self._rolled_back()
                self.failures += 1
                told = error if isinstance(error, EngineError) else _as_failure(error)
                if _is_damage(error):
                    self._is_damaged = True
                    self._failed(jobs[place:], _as_failure(error))
                    return
                self._tell([(job.answer, told)] if job.answer is not None else [])
            else:
                self._committed([job], monotonic_now() - started_ns, answers)

    def _committed(self, jobs: list[Job], took_ns: int, answers: Answers) -> None:
        self._failure = None
        self.commits += 1
        self._committed_ns = monotonic_now()
        self.writes += len(jobs)
        self.group_max = max(self.group_max, len(jobs))
        self.commit_ns.add(took_ns)
        self._kept_report_no = max(self._kept_report_no, max((job.report_no for job in jobs), default=0))
        self._tell(answers)

    def _failed(self, jobs: list[Job], error: JournalError) -> bool:
        """Refuse all who wait; keep the rest, in order."""
        self.failures += 1
        self._failure = error
        jobs = jobs + [self._jobs.popleft() for _ in range(len(self._jobs))]
        self._jobs.extendleft(job for job in reversed(jobs) if job.answer is None)
        self._tell([(job.answer, error) for job in jobs if job.answer is not None])
        return False

    def _rolled_back(self) -> None:
        assert self._store is not None
        try:
            self._store.roll_back()
        except sqlite3.Error as error:
            self._failure = _as_failure(error)

    def _purge(self) -> bool:
        """One batch of what is older than is kept, when it is time; whether there is more."""
        now_ns = self._clock.now()
        if self._store is None or now_ns < self._purge_at_ns:
            return False
        assert self._connection is not None
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            count = self._store.purge(now_ns - self._keeping.rows_kept_ns, PURGE_ORDERS)
            self._connection.execute("COMMIT")
            if count:
                self._store.free()
        except (sqlite3.Error, EngineError) as error:
            self._rolled_back()
            self._is_damaged = _is_damage(error)
            return self._failed([], _as_failure(error))
        self.purged += count
        if count < PURGE_ORDERS:
            self._purge_at_ns = now_ns + PURGE_EVERY_NS
        return count == PURGE_ORDERS

    def _tell(self, answers: Answers) -> None:
        self._on_loop(self._on_done, answers, self._failure, self._kept_report_no)

    def _on_loop(self, work: Callable[..., None], *arguments: Any) -> None:
        # A loop that has ended has nobody left who waits.
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(work, *arguments)

    def _close(self) -> None:
        try:
            if self._connection is not None:
                self._connection.close()
        except sqlite3.Error as error:
            self._failure = _as_failure(error)
        self._store = self._connection = None
        self._give_lock_back()


def _is_damage(error: Exception) -> bool:
    """Whether what the file holds is wrong: then nothing is tried again."""
    if isinstance(error, sqlite3.OperationalError | sqlite3.IntegrityError):
        return False
    return isinstance(error, sqlite3.DatabaseError | JournalError)


def _as_failure(error: Exception) -> JournalError:
    return error if isinstance(error, JournalError) else JournalError(str(error), op="journal.commit")


def _set(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
