"""The merged event: one event of each provider of a merge rule, from one window."""
cimport cython
from cpython.object cimport PyObject
from libc.stdint cimport int64_t, uint8_t, uint32_t

from engine.schema.event cimport Event

cdef enum:
    FRAGMENTS_MAX = 16


cdef enum CloseReasonC:
    CLOSE_TIME = 1
    CLOSE_COUNT = 2
    CLOSE_COMPLETE = 3


cdef struct MergedData:
    int64_t window_open_ns
    int64_t window_close_ns
    uint32_t terms             # place in the process-wide list of (rule, expected providers), + 1
    uint32_t fragment_count    # all that arrived
    uint8_t close_reason


@cython.final
cdef class MergedEvent(Event):
    """Owes one reference of the engine for each fragment, until its pool has it back or it leaves for good."""
    cdef MergedData m
    # Beside the data, which pools clear and poison as a piece.
    cdef PyObject* fragment_refs[FRAGMENTS_MAX]
    cdef uint8_t fragments_held
    cdef bint is_python_owner      # detached or escaped: the references are Python's

    cdef int own_by_python(self) except -1
    cdef int forget_fragments(self) except -1


cdef uint32_t keep_terms(str rule, tuple providers) except? 0
