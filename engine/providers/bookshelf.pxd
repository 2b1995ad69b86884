"""Every assembled book of an engine, by instrument: where a consumer's snapshot comes from."""
cimport cython
from cpython.object cimport PyObject
from libc.stdint cimport uint32_t

from engine.providers.assembler cimport BookAssembler
from engine.schema.ports cimport BookSource, EventPool, VersionPort


@cython.final
cdef class BookShelf(BookSource):
    """Owned by the runtime; holds the books as long as it lives."""
    cdef dict _books                     # instrument id -> BookAssembler
    cdef VersionPort _versions
    cdef readonly int made               # snapshots for one consumer

    cdef EventPool _pool_of(self, uint32_t instrument_id)
