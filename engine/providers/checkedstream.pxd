"""What venues share whose books come with a checksum: symbols, decimals, connections that are lost, the catalogue."""
from libc.stdint cimport int64_t, uint64_t

from engine.providers.assembler cimport BookAssembler
from engine.providers.rowstream cimport RowStream
from engine.providers.tape cimport TradeTape


cdef class CheckedContinuity:
    """Where one symbol's book stands. Owned by its stream, used on its thread only. A subclass knows the rule."""
    cdef readonly bint in_sync
    cdef readonly int conn                   # connection of the last message that counted, -1 = none yet
    # -- messages as received, ignored ones too
    cdef readonly uint64_t snapshots
    cdef readonly uint64_t updates
    cdef readonly uint64_t empty_updates
    cdef readonly list checksum_failed_at_record     # replay: the records of wrong checksums

    cdef int failed(self, int64_t record_index) except -1
    cdef void lose(self) noexcept


cdef class CheckedSymbol:
    """What one symbol needs besides its book."""
    cdef readonly BookAssembler book
    cdef readonly CheckedContinuity continuity
    cdef readonly TradeTape trades
    cdef readonly bint has_precision           # the venue's decimals are known


cdef class CheckedStream(RowStream):
    """Owned by the provider, used on the engine's loop only. A subclass knows the frames."""
    cdef list states                   # CheckedSymbol by symbol index
    cdef list _tapes                   # theirs
    cdef readonly bint verify_checksum
    cdef readonly uint64_t heartbeats
    cdef readonly uint64_t errors      # frames in which the venue refuses something
    cdef object on_error               # called as on_error(conn, text)
    cdef object on_instruments         # called as on_instruments(frame)

    cdef CheckedSymbol new_symbol(self, BookAssembler book)
    cdef int lose(self, int index, int reason, int64_t ts_recv_ns) except -1
    cdef int lose_connection(self, int conn, int reason, int64_t ts_recv_ns) except -1
    cdef int fail(self, int index, int outcome, int64_t ts_recv_ns) except -1
    cdef int take_instruments(self, const char* text, size_t length, const char* field) except -1
