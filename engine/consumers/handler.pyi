from typing_extensions import disjoint_base

@disjoint_base
class Handler:
    """A consumer in Cython. Subclass it with ``cimport engine.consumers.handler`` and override ``cdef on_event``."""

    def __init__(self) -> None: ...
