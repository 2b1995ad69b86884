"""The base of consumers written in Cython: override on_event and no Python call stands between bus and strategy."""
from engine.schema.event cimport Event


cdef class Handler:
    # DANGER: the event is valid until return; detach() to keep it. An exception is one failure of this consumer.
    cdef int on_event(self, Event event, object ctx) except -1
