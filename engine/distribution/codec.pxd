"""Reads entries of the report bus: exact decimals, no number through a float, every fault named (BUS-06 to BUS-10, BUS-26)."""
cimport cython
from libc.stdint cimport int64_t, uint32_t, uint64_t

from engine.base.jsonindex cimport JsonIndex
from engine.base.jsonwalk cimport Cursor
from engine.schema.busentry cimport HeldEntry
from engine.schema.market cimport Level


cdef enum EntryFaultC:
    # Why an entry is invalid; FAULTS has their texts, in this order.
    FAULT_NONE = 0
    FAULT_NOT_JSON = 1
    FAULT_TOO_LARGE = 2
    FAULT_MISSING = 3
    FAULT_WRONG_TYPE = 4
    FAULT_BAD_VALUE = 5
    FAULT_UNKNOWN_TYPE = 6
    FAULT_BAD_TIME = 7
    FAULT_UNSORTED = 8
    FAULT_DECIMALS = 9
    FAULT_RANGE = 10
    FAULT_DUPLICATE = 11
    FAULT_UNKNOWN_INSTRUMENT = 12


cdef struct Levels:
    Level* items
    uint32_t count
    uint32_t capacity


@cython.final
cdef class EntryDecoder:
    """Reads entries of the symbols it was told. Owned by one thread."""
    cdef JsonIndex _index
    cdef Cursor _cursor
    cdef dict _symbols             # b"venue:SYMBOL": (place, venue, symbol, price scale, quantity scale)
    cdef size_t _limit
    cdef Levels[2] _sides
    cdef int _at                   # the member that a fault is at, 0 = the whole
    cdef int _needed               # decimals that a value with too many has
    cdef tuple _whose              # venue and symbol that nobody told of
    cdef list _kept                # texts with escapes, resolved; alive while the entry is read

    cdef int _read(self, HeldEntry held, bytes data) except -1
    cdef int _members(self, uint32_t* at) except -1
    cdef int _head(self, HeldEntry held, const uint32_t* at) except -1
    cdef int _symbol(self, HeldEntry held, const uint32_t* at) except -1
    cdef int _scales(self, HeldEntry held, uint32_t token_at) except -1
    cdef int _trade(self, HeldEntry held, const uint32_t* at) except -1
    cdef int _book(self, HeldEntry held, const uint32_t* at) except -1
    cdef int _ticker(self, HeldEntry held, const uint32_t* at) except -1
    cdef int _fault(self, int fault, int member) noexcept
    cdef int _need(self, const uint32_t* at, const int* members, int count) noexcept
    cdef int _string(self, const uint32_t* at, int member, const char** start, const char** end) except -1
    cdef int _resolve(self, const char** start, const char** end) except -1
    cdef int _whole(self, const uint32_t* at, int member, uint64_t least, uint64_t most, uint64_t* out) noexcept
    cdef int _decimal(self, uint32_t token_at, int member, int scale, int64_t* out) except -1
    cdef int _odd_decimal(self, str text, int member, int scale, int64_t* out) except -1
    cdef int _side(self, HeldEntry held, uint32_t token_at, int member, int side) except -1
    cdef int _pair(self, HeldEntry held, int member, Level* out) except -1
