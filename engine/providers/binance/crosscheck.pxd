"""Second views of one book (BOOK-26): bookTicker and partial depth carry the book's id, so they must agree with it.

U and u prove that nothing was lost on the way; only a second view proves that the book is right.
"""
cimport cython
from libc.stdint cimport int64_t, uint32_t, uint64_t

from engine.base.units cimport prefetch
from engine.book.ladder cimport Ladder
from engine.providers.leveltext cimport LevelRaws


cdef struct Top:
    uint64_t id
    int64_t bid_raw
    int64_t bid_qty_raw
    int64_t ask_raw
    int64_t ask_qty_raw


cdef enum:
    STATES_KEPT = 64             # tops of the book's last states, for tickers that come late
    TICKERS_MAX = 65536          # tickers waiting for a book that is not in sync


@cython.final
cdef class SecondView:
    """Compares a ticker with the book state of its id, whichever comes first, each id once. Owned by a stream."""
    cdef bint _has_tickers               # first what every message of the book reads
    cdef uint64_t _partial_id
    cdef uint64_t _state_count
    cdef uint32_t _waiting_count
    cdef uint32_t _capacity
    cdef Top* _waiting
    cdef uint64_t _last_checked_id
    cdef LevelRaws _partial              # newest partial depth that is ahead of the book
    cdef uint32_t _partial_bids
    cdef uint32_t _partial_asks
    cdef readonly uint64_t tickers_checked
    cdef readonly uint64_t tickers_equal
    cdef readonly uint64_t partials_checked
    cdef readonly uint64_t partials_equal
    cdef readonly int64_t first_difference_at    # record index of the first difference, -1 = none
    cdef Top[STATES_KEPT] _states

    cdef int ticker(self, const Top* top, Ladder book, uint64_t book_id, bint in_sync, int64_t record_index) except -1
    cdef int partial(self, uint64_t id, LevelRaws levels, uint32_t bids, uint32_t asks, Ladder book,
                     uint64_t book_id, bint in_sync, int64_t record_index) except -1
    cdef inline void expect(self) noexcept:
        """The book is about to be brought to a further id: fetch where its top will be noted."""
        if self._has_tickers:
            prefetch(&self._states[self._state_count % STATES_KEPT])

    cdef inline bint is_needed(self, uint64_t id) noexcept:
        """Whether anything is, or will be, compared with the book as it stands at *id*."""
        return self._has_tickers or self._partial_id == id

    cdef int reached(self, uint64_t id, Ladder book, int64_t record_index) except -1
    cdef int _note(self, uint64_t id, Ladder book, int64_t record_index) except -1
    cdef int _compare_waiting(self, const Top* state, int64_t record_index) except -1
    cdef int rescale(self, int price_by, int qty_by) except -1
    cdef void _compare(self, const Top* ticker, const Top* state, int64_t record_index) noexcept
    cdef void _compare_partial(self, Ladder book, int64_t record_index) noexcept
