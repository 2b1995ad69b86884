"""A consumer with a thread of its own: what it does, it does to itself (and to the users of the interpreter's lock)."""
cimport cython
from libc.stdint cimport int64_t, uint32_t

from engine.base.wakeup cimport Wakeup
from engine.consumers.runner cimport Runner


@cython.final
cdef class ThreadRunner(Runner):
    """Owned by the runtime. Offered to on the engine's loop; its batches are taken and released in its thread.

    Both sides hold the interpreter's lock and neither calls Python half-way through the mailbox, so it needs no lock.
    """
    cdef Wakeup _work                    # something is queued, or it is to stop
    cdef Wakeup _rest                    # in step: it has nothing left to do
    cdef Wakeup _begun
    cdef bint _idle                      # waits for _work
    cdef bint _stopping
    cdef public int64_t batch_within_ns  # a batch is to take no longer: what must not be lost waits for its end
    cdef public int64_t drain_within_ns  # so long after it was asked to stop all that is queued is still delivered
    cdef int64_t _drain_until_ns         # monotonic: from then on a consumer that stops gives market data back uncalled
    cdef bint _is_interrupted            # no callback is begun any more
    cdef uint32_t _most                  # events of the next batch
    cdef bint _in_step                   # the engine waits at the end of each read until it has nothing left to do
    cdef object _thread
    cdef list _errors                    # what on_start or on_stop raised

    cdef int _serve_all(self) except -1
    cdef uint32_t _take(self) except? 0xFFFFFFFF
    cdef int _serve_timed(self, uint32_t count) except -1
    cdef uint32_t _give_back_market(self, uint32_t count) except? 0xFFFFFFFF
