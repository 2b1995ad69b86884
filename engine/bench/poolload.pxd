"""Get and put: through the recycler's port, and through a bare C slab behind the same kind of call."""
from engine.schema.ports cimport EventPool


cdef class PoolLoad:
    cdef EventPool _pool
