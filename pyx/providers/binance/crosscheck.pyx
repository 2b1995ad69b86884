cimport cython
from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.stdlib cimport free, realloc
from libc.string cimport memcpy

from engine.base.units cimport ENGINE_POW10
from engine.book.ladder cimport SIDE_ASK, SIDE_BID, BookSide, Ladder, best, key_of
from engine.providers.leveltext cimport LevelRaws
from engine.schema.market cimport Level


@cython.final
cdef class SecondView:
    def __cinit__(self):
        self.first_difference_at = -1
        self._partial = LevelRaws()

    def __dealloc__(self):
        free(self._waiting)

    cdef int ticker(self, const Top* top, Ladder book, uint64_t book_id, bint in_sync, int64_t record_index) except -1:
        """Compare with a state the book has reached, else wait for it; *book_id* is the one it stands at *in_sync*."""
        cdef uint64_t kept, i
        cdef uint32_t capacity
        cdef Top* rows
        if not self._has_tickers:
            self._has_tickers = True
            if in_sync:
                self._note(book_id, book, record_index)
        kept = self._state_count if self._state_count < STATES_KEPT else STATES_KEPT
        for i in range(kept):
            if self._states[(self._state_count - 1 - i) % STATES_KEPT].id == top.id:
                self._compare(top, &self._states[(self._state_count - 1 - i) % STATES_KEPT], record_index)
                return 0
            if self._states[(self._state_count - 1 - i) % STATES_KEPT].id < top.id:
                break
        if self._state_count and self._states[(self._state_count - 1) % STATES_KEPT].id > top.id:
            return 0                          # the book stepped over this id
        if self._waiting_count == self._capacity:
            if self._capacity == TICKERS_MAX:
                self._waiting_count -= 1
                memmove_tops(self._waiting, self._waiting + 1, self._waiting_count)
            else:
                capacity = 2 * self._capacity if self._capacity else 32
                rows = <Top*>realloc(self._waiting, capacity * sizeof(Top))
                if rows == NULL:
                    raise MemoryError("waiting tickers")
                self._waiting = rows
                self._capacity = capacity
        self._waiting[self._waiting_count] = top[0]
        self._waiting_count += 1
        return 0

    cdef int reached(self, uint64_t id, Ladder book, int64_t record_index) except -1:
        """The book stands at *id*: compare what waited for it. Tops are noted once there are tickers to compare them with."""
        if self._has_tickers:
            self._note(id, book, record_index)
        if self._partial_id == id:
            self._compare_partial(book, record_index)
        return 0

    cdef int _note(self, uint64_t id, Ladder book, int64_t record_index) except -1:
        """Note the book's top, compare the tickers that waited for it, forget those it stepped over."""
        cdef Top* state = &self._states[self._state_count % STATES_KEPT]
        cdef const BookSide* bids = &book.sides[SIDE_BID]
        cdef const BookSide* asks = &book.sides[SIDE_ASK]
        state.id = id
        state.bid_raw = best(bids).price_raw if bids.count else 0
        state.bid_qty_raw = best(bids).qty_raw if bids.count else 0
        state.ask_raw = -best(asks).price_raw if asks.count else 0
        state.ask_qty_raw = best(asks).qty_raw if asks.count else 0
        self._state_count += 1
        if self._waiting_count:
            self._compare_waiting(state, record_index)
        return 0

    cdef int _compare_waiting(self, const Top* state, int64_t record_index) except -1:
        """The book has reached *state*: tickers of older ids are forgotten, those of newer ones wait on."""
        cdef uint32_t i
        cdef uint32_t kept = 0
        for i in range(self._waiting_count):
            if self._waiting[i].id == state.id:
                self._compare(&self._waiting[i], state, record_index)
            elif self._waiting[i].id > state.id:
                self._waiting[kept] = self._waiting[i]
                kept += 1
        self._waiting_count = kept
        return 0

    cdef void _compare(self, const Top* ticker, const Top* state, int64_t record_index) noexcept:
        if ticker.id == self._last_checked_id:
            return
        self._last_checked_id = ticker.id
        self.tickers_checked += 1
        if ticker.bid_raw == state.bid_raw and ticker.bid_qty_raw == state.bid_qty_raw \
                and ticker.ask_raw == state.ask_raw and ticker.ask_qty_raw == state.ask_qty_raw:
            self.tickers_equal += 1
        elif self.first_difference_at < 0:
            self.first_difference_at = record_index

    cdef int partial(self, uint64_t id, LevelRaws levels, uint32_t bids, uint32_t asks, Ladder book,
                     uint64_t book_id, bint in_sync, int64_t record_index) except -1:
        """A whole top of the book with its id: compare now, or keep it until the book gets there."""
        if in_sync and id < book_id:
            return 0
        self._partial.reserve(bids + asks)
        memcpy(self._partial.rows, levels.rows, (bids + asks) * sizeof(Level))
        self._partial_id = id
        self._partial_bids = bids
        self._partial_asks = asks
        if in_sync and id == book_id:
            self._compare_partial(book, record_index)
        return 0

    cdef void _compare_partial(self, Ladder book, int64_t record_index) noexcept:
        cdef const BookSide* side
        cdef const Level* place
        cdef uint32_t i
        cdef int s
        cdef uint32_t count
        cdef const Level* told = self._partial.rows
        cdef bint equal = True
        for s in (SIDE_BID, SIDE_ASK):
            side = &book.sides[s]
            count = self._partial_bids if s == SIDE_BID else self._partial_asks
            if count > side.count:
                equal = False
                break
            place = side.levels + side.head + side.count
            for i in range(count):
                place -= 1
                if key_of(s, told[i].price_raw) != place.price_raw or told[i].qty_raw != place.qty_raw:
                    equal = False
            told += count
        self._partial_id = 0
        self.partials_checked += 1
        if equal:
            self.partials_equal += 1
        elif self.first_difference_at < 0:
            self.first_difference_at = record_index

    cdef int rescale(self, int price_by, int qty_by) except -1:
        """The book's scales were widened: so are the figures that wait for it."""
        cdef uint32_t i
        for i in range(self._waiting_count):
            _widen(&self._waiting[i], price_by, qty_by)
        for i in range(STATES_KEPT):
            _widen(&self._states[i], price_by, qty_by)
        for i in range(self._partial_bids + self._partial_asks if self._partial_id else 0):
            self._partial.rows[i].price_raw *= ENGINE_POW10[price_by]
            self._partial.rows[i].qty_raw *= ENGINE_POW10[qty_by]
        return 0


cdef void _widen(Top* top, int price_by, int qty_by) noexcept:
    top.bid_raw *= ENGINE_POW10[price_by]
    top.ask_raw *= ENGINE_POW10[price_by]
    top.bid_qty_raw *= ENGINE_POW10[qty_by]
    top.ask_qty_raw *= ENGINE_POW10[qty_by]


cdef void memmove_tops(Top* to, const Top* rows, uint32_t count) noexcept:
    cdef uint32_t i
    for i in range(count):
        to[i] = rows[i]
