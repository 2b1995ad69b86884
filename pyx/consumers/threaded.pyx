cimport cython
from cpython.object cimport PyObject
from libc.stdint cimport int64_t, uint32_t

from engine.base.clock cimport monotonic_ns
from engine.base.wakeup cimport Wakeup
from engine.consumers.runner cimport Runner
from engine.schema.event cimport Event, is_critical

from engine.base.errors import CapacityError
from engine.base.workers import start_thread
from engine.consumers.runner import forget_locals

cdef extern from "Python.h":
    int PyThreadState_SetAsyncExc(unsigned long thread_id, PyObject* error)

cdef int64_t START_WITHIN_NS = 30 * 1_000_000_000
cdef int64_t DRAIN_WITHIN_NS = 2 * 1_000_000_000
cdef int64_t BATCH_WITHIN_NS = 10_000_000


class ConsumerInterrupted(BaseException):
    """Raised inside a callback that did not return when its consumer was stopped."""


@cython.final
cdef class ThreadRunner(Runner):
    """A consumer with a thread of its own (CTL-12).

    Args:
        in_step: the engine waits at the end of each read until this consumer has nothing left to do: for a replay,
            whose clock must stand while a callback looks at it.
        args, settings: as for :class:`~engine.consumers.runner.Runner`.
    """

    def __init__(self, *args, in_step: bool = False, **settings):
        super().__init__(*args, **settings)
        self.mode = "thread"
        self.worker = f"engine-consumer-{self.consumer_id}"
        self._work = Wakeup()
        self._rest = Wakeup()
        self._begun = Wakeup()
        self._in_step = in_step
        self.drain_within_ns = DRAIN_WITHIN_NS
        self.batch_within_ns = BATCH_WITHIN_NS
        self._most = self._quantum
        self._errors = []

    def begin(self) -> None:
        """Start the thread; has_begun tells when on_start(ctx) has returned."""
        self._thread = start_thread(self.worker, self._run)

    def start(self) -> None:
        """Start the thread; returns when on_start(ctx) has.

        Raises:
            CapacityError: it did not within half a minute.
        """
        self.begin()
        if not self._begun.wait(START_WITHIN_NS):
            raise CapacityError(f"on_start of consumer {self.consumer_id} takes more than 30 s", op="consumers.start",
                                hint="do long work in callbacks, or before the engine starts")
        if self._errors:
            self.state = "stopped"
            raise self._errors.pop()

    @property
    def has_begun(self) -> bool:
        """Whether on_start(ctx) has returned or raised."""
        return self.state != "starting" or len(self._errors) != 0

    @property
    def has_ended(self) -> bool:
        """Whether its thread has ended."""
        return self._thread is None or not self._thread.is_alive()

    def ask_to_stop(self) -> None:
        """Have the thread deliver what is queued, call on_stop(ctx) and end; has_ended tells when it has.

        Of a consumer that is slower than that, market data is given back uncalled after *drain_within_ns*, two seconds; reports of
        orders and answers to commands are still delivered (SHUT-01).
        """
        if not self._stopping:
            self._drain_until_ns = monotonic_ns() + self.drain_within_ns
        self._stopping = True
        self._work.post()

    def interrupt(self) -> None:
        """Raise :class:`ConsumerInterrupted` inside the callback in hand; what is still queued is given back uncalled.

        It is raised by the next line of Python the callback runs: what waits in a system call comes to that later.
        """
        self._is_interrupted = True
        if not self.has_ended:
            PyThreadState_SetAsyncExc(self._thread.ident, <PyObject*>ConsumerInterrupted)

    def stop(self, within_s: float = 5.0) -> None:
        """Deliver what is queued, call on_stop(ctx), end the thread. Idempotent.

        A thread whose callback does not return in time is left behind, as ``stalled``: what it holds stays out.
        """
        if self.state == "stopped":
            return
        if self._thread is not None:
            self.ask_to_stop()
            self._thread.join(within_s)
            if self._thread.is_alive():
                self.state = "stalled"
                return
        self.state = "stopped"
        self.mailbox.tell_rest()
        if self._errors:
            raise self._errors.pop()

    # -- the engine's side ------------------------------------------------------------------------------------

    cdef int offer(self, PyObject* event) except -1:
        cdef int answer
        if self._in_step and not self.mailbox.has_room(event) and not is_critical((<Event>event).s.type):
            self.flush()                  # nothing is coalesced in a replay, whose clock waits for this consumer
        answer = self.mailbox.put(event)
        if self._idle:
            self._idle = False
            self._work.post()
        return answer

    cdef int flush(self) except -1:
        self.serve(0)
        return 0

    cdef int64_t serve(self, int64_t mono_ns) except -1:
        """Its thread was woken by the offer; in step, wait until it rests."""
        if self._in_step:
            while self.state == "running" and (self._in_hand or self.mailbox.depth() or not self._idle):
                self._rest.wait(-1)
        return 0

    # -- its thread's side ------------------------------------------------------------------------------------

    def _run(self) -> None:
        try:
            self._begin()
        except BaseException as error:
            self._errors.append(error)
            self._begun.post()
            return
        self.state = "running"
        self._begun.post()
        while True:
            self._serve_all()
            if self._stopping:
                break
            self._idle = True
            if self._in_step:
                self._rest.post()
            self._work.wait(-1)
            self._idle = False
        try:
            self._end()
        except BaseException as error:
            self._errors.append(error)

    cdef int _serve_all(self) except -1:
        """Empty the mailbox into the handler. Whatever a callback raises, SystemExit included, is its failure."""
        cdef uint32_t count = self._take()
        while count:
            try:
                if self._is_interrupted:
                    self.cancelled += count
                    self._pool.release_many(self._batch, count)
                    count = 0
                elif self._stopping and monotonic_ns() > self._drain_until_ns:
                    count = self._give_back_market(count)
                if count:
                    self._serve_timed(count)
            except BaseException as error:
                forget_locals(error)
                self.failures += 1
                if self._on_error is not None:
                    self._on_error(self.consumer_id, error, "", "", self.worker)
            count = self._take()
        return 0

    cdef uint32_t _take(self) except? 0xFFFFFFFF:
        return <uint32_t>self.mailbox.take(self._batch, self._quantum if self._in_step else self._most)

    cdef int _serve_timed(self, uint32_t count) except -1:
        """One batch. A report of an order leaves the mailbox first, but not before the batch in hand is done: so that one
        of a slow callback is short, and grows again by doubling once it is not.
        """
        cdef int64_t took_ns = -self.busy_ns
        try:
            self._serve_batch(count, 0)
        finally:
            took_ns += self.busy_ns
            if took_ns > self.batch_within_ns:
                self._most = max(1, <uint32_t>(count * self.batch_within_ns // took_ns))
            else:
                self._most = min(self._quantum, 2 * self._most)
        return 0

    cdef uint32_t _give_back_market(self, uint32_t count) except? 0xFFFFFFFF:
        """Let go of a batch but for what must not be lost; how many that is."""
        cdef uint32_t i
        cdef uint32_t kept = 0
        for i in range(count):
            if is_critical((<Event>self._batch[i]).s.type):
                self._batch[kept] = self._batch[i]
                kept += 1
            else:
                self.cancelled += 1
                self._pool.release(self._batch[i])
        return kept
