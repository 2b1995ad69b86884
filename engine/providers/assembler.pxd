"""One instrument's book at one provider: from level texts to published events. Knows no venue's rule."""
cimport cython
from cpython.object cimport PyObject
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

from engine.base.clock cimport Clock
from engine.book.checksum cimport BookChecksum
from engine.book.ladder cimport Ladder
from engine.providers.leveltext cimport LevelRaws, LevelText, LevelTexts
from engine.schema.market cimport REASON_COUNT
from engine.schema.ports cimport EventPool, EventSink


cdef enum BookOutcome:
    BOOK_APPLIED = 0
    BOOK_CROSSED = 1
    BOOK_OVERFLOW = 2
    BOOK_CHECKSUM_FAILED = 3


cdef struct BookMessage:
    # What a venue's rule knows of the message whose levels are being applied.
    uint64_t seq
    uint64_t seq_first
    uint64_t first_update_id
    uint64_t final_update_id
    int64_t ts_venue_ns
    int64_t ts_recv_ns
    uint32_t checksum
    uint8_t has_update_ids
    uint8_t has_checksum
    uint8_t ordering


@cython.final
cdef class BookAssembler:
    """Owned by its venue's stream, used on its thread only, lives as long as it."""
    # What every message touches stands first, in as few cache lines as hold it: with hundreds of books in turn, each
    # line is fetched anew for each message.
    # -- its neighbours
    cdef readonly Ladder ladder
    cdef EventPool pool
    cdef EventSink sink
    cdef Clock clock
    cdef BookChecksum checksum               # None where the venue has none
    # -- scratch of the message in hand; its stream's once it has one: a snapshot's levels are as large as the book
    cdef LevelRaws changes
    cdef LevelRaws published
    cdef uint32_t bid_count
    cdef uint32_t ask_count
    # -- how it is kept
    cdef readonly uint32_t instrument_id
    cdef readonly int price_scale
    cdef readonly int qty_scale
    cdef readonly uint32_t depth_levels      # published per side, 0 = all
    cdef readonly uint32_t cut_levels        # kept per side, 0 = all: where the venue cuts its book, so do we
    cdef readonly uint32_t kept_levels_max
    cdef readonly bint emit_full
    # -- its state
    cdef readonly uint32_t epoch
    cdef readonly bint is_valid
    cdef bint _dirty                         # a delta could not be published: a snapshot comes next
    cdef bint _is_unsound                    # a message did not check out, and the book is not voided yet
    cdef uint64_t last_seq
    cdef uint64_t verified_through_id
    cdef readonly int64_t last_recv_ns       # of the last message that was applied, 0 = none yet
    cdef readonly uint64_t updates_published
    # -- what is rarely needed
    cdef readonly str symbol
    cdef readonly bytes venue_symbol
    cdef object on_exhausted         # called as on_exhausted(symbol, event type) for each event there was no slot for
    cdef object on_widened           # called as on_widened(assembler) before the first event at the new scale
    cdef uint32_t _depth_wanted              # published per side where the venue does not cut below it
    cdef int _reason                         # why the next snapshot is published
    cdef readonly uint32_t checksum_expected
    cdef readonly uint32_t checksum_actual
    # -- further counts since start
    cdef uint64_t[REASON_COUNT] resyncs
    cdef readonly uint64_t snapshots_published
    cdef readonly uint64_t unpublished       # events lost to an exhausted pool
    cdef readonly uint64_t rescales
    cdef readonly uint64_t checksums_compared
    cdef readonly uint64_t checksums_ok
    cdef readonly uint64_t crossed_count

    cdef int read_levels(self, const char* text, LevelTexts bids, LevelTexts asks) except -1
    cdef int read_rows(self, const char* text, const LevelText* bids, uint32_t bid_count, const LevelText* asks,
                       uint32_t ask_count) except -1
    cdef int parse(self, const char* text, uint32_t start, uint32_t end, bint is_price, int64_t* out) except -1
    cdef int set_depth(self, uint32_t depth_levels) except -1
    cdef int set_precision(self, int price_precision, int qty_precision) except -1
    cdef int update(self, const BookMessage* m) except -1
    cdef int verify(self, const BookMessage* m) except -1
    cdef int replace(self, const BookMessage* m) except -1
    cdef int invalidate(self, int reason, int64_t ts_recv_ns) except -1
    cdef int publish_snapshot(self, const BookMessage* m, int reason) except -1
    cdef int _copy_book(self, PyObject* event, int reason) except -1
    cdef int _stamp(self, PyObject* event, const BookMessage* m) except -1
    cdef PyObject* snapshot(self, int reason) except? NULL
    cdef int widen(self, int price_scale, int qty_scale) except -1
    cdef int _publish_update(self, const BookMessage* m, uint32_t bids, uint32_t asks) except -1
    cdef PyObject* _lease(self, int event_type) except? NULL
    cdef int _check(self, const BookMessage* m) except -1
    cdef int _send(self, PyObject* event, const BookMessage* m) except -1
