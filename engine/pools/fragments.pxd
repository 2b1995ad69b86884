"""What a merged event owes when its last reference comes back: its fragments go first. Inline only."""
from cpython.object cimport PyObject
from libc.stdint cimport uint32_t

from engine.base.plants cimport planted
from engine.schema.event cimport CONSUMER_NONE, SLOT_PUBLISHED, Event
from engine.schema.merged cimport MergedEvent
from engine.schema.ports cimport EventPool


cdef inline int settle_fragments(EventPool pool, PyObject* event, bint stays_readable) except -1:
    """Give back the engine's references; one that user code keeps holds its fragments by Python's from here on."""
    cdef MergedEvent merged = <MergedEvent>event
    cdef bint is_owed = not merged.is_python_owner
    cdef PyObject* fragment
    cdef int i
    if is_owed:
        if stays_readable:
            merged.own_by_python()
        for i in range(merged.fragments_held):
            fragment = merged.fragment_refs[i]
            if stays_readable and (<Event>fragment).s.consumer == CONSUMER_NONE:
                (<Event>fragment).s.consumer = merged.s.consumer       # kept by whoever keeps the merged event
            if not planted(b"recycler.keep_fragments"):
                pool.release(fragment)
    if not stays_readable:
        merged.forget_fragments()
    return 0


cdef inline int leave_with_fragments(PyObject** events, uint32_t count) except -1:
    """The pools go: merged events that somebody still holds take their fragments along."""
    cdef MergedEvent merged
    cdef uint32_t i
    for i in range(count):
        merged = <MergedEvent>events[i]
        if not merged.is_python_owner and merged.s.state == SLOT_PUBLISHED:
            merged.own_by_python()
    return 0
