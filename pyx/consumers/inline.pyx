cimport cython
from cpython.object cimport PyObject
from libc.stdint cimport int64_t, uint32_t

from engine.consumers.runner cimport Runner
from engine.schema.event cimport Event, is_critical


@cython.final
cdef class InlineRunner(Runner):
    """An inline consumer (CON-08..12); arguments as for :class:`~engine.consumers.runner.Runner`."""

    def __init__(self, *args, **settings):
        super().__init__(*args, **settings)
        self._on_loop = True
        self.mode = "inline"

    def start(self) -> None:
        """Call on_start(ctx) and begin."""
        self._begin()
        self.state = "running"

    def stop(self, within_s: float = 5.0) -> None:
        """Deliver what is queued, then call on_stop(ctx). Idempotent; there is nobody to wait for."""
        if self.state == "stopped":
            return
        self.flush()
        self.mailbox.tell_rest()
        self.state = "stopped"
        self._end()

    cdef int _offer_rare(self, PyObject* event) except -1:
        if not is_critical((<Event>event).s.type):
            self.flush()                  # nothing is coalesced for a consumer that has time
        return self.mailbox.put(event)

    cdef int flush(self) except -1:
        self._serve_up_to(0, <uint32_t>-1)
        return 0

    cdef int64_t serve(self, int64_t mono_ns) except -1:
        return self._serve_up_to(mono_ns, self._share)

    cdef int64_t _serve_up_to(self, int64_t mono_ns, uint32_t limit) except -1:
        """Empty the mailbox into the handler, *limit* events at most, in batches of at most the quantum."""
        cdef uint32_t count
        if self._busy:
            return 0                      # called from inside its own callback
        self._busy = True
        try:
            while True:
                count = <uint32_t>self.mailbox.take(self._batch, min(limit, self._quantum))
                if count == 0:
                    break
                limit -= count
                mono_ns = self._serve_batch(count, mono_ns)
            self.has_more = self.mailbox.depth() != 0
        finally:
            self._busy = False
        return mono_ns
