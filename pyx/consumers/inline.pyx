cimport cython
from libc.stdint cimport int64_t, uint32_t

from engine.consumers.runner cimport Runner


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

    def stop(self) -> None:
        """Deliver what is queued, then call on_stop(ctx). Idempotent."""
        if self.state == "stopped":
            return
        self.flush()
        self.state = "stopped"
        self._end()

    cdef int flush(self) except -1:
        self.serve(0)
        return 0

    cdef int64_t serve(self, int64_t mono_ns) except -1:
        """Empty the mailbox into the handler, in batches of at most the quantum."""
        cdef uint32_t count
        if self._busy:
            return 0                      # called from inside its own callback
        self._busy = True
        try:
            count = self.mailbox.take(self._batch, self._quantum)
            while count:
                mono_ns = self._serve_batch(count, mono_ns)
                count = self.mailbox.take(self._batch, self._quantum)
        finally:
            self._busy = False
        return mono_ns
