"""The window of one merge rule: opens on a fragment, keeps one of each provider, and gives them away when it closes."""
cimport cython
from cpython.object cimport PyObject
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t

from engine.book.fold cimport LevelFold
from engine.observability.latency cimport LatencyHistogram
from engine.schema.merged cimport MergedEvent
from engine.schema.ports cimport EventPool


cdef struct Part:
    # What one provider has given. Book updates are folded from the second on.
    PyObject* newest               # by (epoch, seq_provider); NULL = nothing yet
    LevelFold fold
    uint64_t seq_first             # of all that is folded, as the next three
    uint64_t first_update_id
    uint32_t folded_count
    uint16_t flags
    uint8_t is_folded
    uint8_t is_lost                # its updates cannot be folded: missing until the window closes


@cython.final
cdef class MergeWindow:
    """Owned by the orchestrator. Holds one reference of the engine to each part's newest event."""
    cdef EventPool _pool
    cdef Part* _parts
    cdef uint32_t _present             # parts that are there
    cdef readonly object rule          # MergeRule
    cdef readonly uint32_t instrument_id   # of merged:<rule>
    cdef uint32_t providers
    cdef uint32_t _terms
    cdef int64_t duration_ns
    cdef uint32_t most
    cdef bint closes_on_complete
    cdef bint is_in_force            # False: a rule that was taken back; its counts stay
    cdef bint is_open
    cdef int64_t open_ns
    cdef int64_t deadline_ns
    cdef int64_t last_close_ns         # of the key: what arrived before is late
    cdef int64_t _next_open_ns         # no two windows open at one instant
    cdef uint32_t count                # fragments that arrived in this window
    cdef uint64_t opened
    cdef uint64_t emitted              # the ordinal of the next one is one higher
    cdef uint64_t suppressed
    cdef uint64_t discarded
    cdef uint64_t fragments
    cdef uint64_t late
    cdef readonly LatencyHistogram dwell   # open to close of what was emitted

    cdef bint is_complete(self) noexcept
    cdef int open(self, int64_t arrived_ns) noexcept
    cdef int take(self, PyObject* event, uint32_t place) except -1
    cdef int close(self, int64_t close_ns) noexcept
    cdef bint give(self, MergedEvent merged) except -1
    cdef int drop(self) noexcept
    cdef int _fold_in(self, Part* part, PyObject* event) noexcept
    cdef int _replace(self, Part* part, PyObject* event) noexcept
    cdef PyObject* _fragment(self, Part* part) except? NULL
    cdef bint _begin_fold(self, Part* part) noexcept
    cdef int _lose(self, Part* part) noexcept
    cdef tuple present(self, bint wanted)
