"""The orchestrator: what no merge rule covers passes at once; all that leaves carries the routing version."""
cimport cython
from cpython.object cimport PyObject
from libc.stdint cimport uint64_t

from engine.observability.latency cimport StageTimer
from engine.schema.ports cimport EventSink, VersionPort


@cython.final
cdef class Orchestrator(EventSink):
    """Owned by the runtime, called on the engine's loop by every provider."""
    cdef EventSink _next
    cdef VersionPort _versions
    cdef StageTimer _timer
    cdef readonly uint64_t passed

