from engine.schema.event cimport Event


cdef class Handler:
    """A consumer in Cython. Subclass it with ``cimport engine.consumers.handler`` and override ``cdef on_event``."""

    cdef int on_event(self, Event event, object ctx) except -1:
        """Take one event; called once for each, in mailbox order."""
        raise NotImplementedError(f"{type(self).__name__} overrides no on_event")
