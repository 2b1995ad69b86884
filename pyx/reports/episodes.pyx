from libc.stdint cimport int64_t, uint32_t
from libc.stdlib cimport free
from libc.string cimport memset

from engine.reports.depth cimport STATE_LOCKED, STATE_NORMAL, DepthBook, Touch, best
from engine.reports.line cimport (Line, line_at, line_clear, line_drop, line_find, line_find_after, line_insert,
                                  line_key)
from engine.reports.wide cimport (scale_raw, wide, wide_add, wide_difference, wide_is_below, wide_of, wide_scale,
                                  wide_times)


cdef inline bint _is_far(int64_t price_raw, int64_t middle2, int64_t spread) noexcept nogil:
    """abs(price - mid) > 3 * spread; *middle2* is twice the mid."""
    cdef wide distance = wide_difference(wide_times(wide_of(price_raw), 2), wide_of(middle2))
    if wide_is_below(distance, wide_of(0)):
        distance = wide_times(distance, -1)
    return wide_is_below(wide_times(wide_of(spread), 6), distance)


cdef bint _rescale_all(Line* episodes, int64_t price_by, int64_t qty_by) noexcept nogil:
    cdef Episode* episode
    cdef uint32_t i, j
    cdef bint fits = True
    for i in range(episodes.count):
        episode = <Episode*>line_at(episodes, sizeof(Episode), i)
        fits &= scale_raw(&episode.key, price_by)
        fits &= scale_raw(&episode.threshold_raw, qty_by)
        fits &= scale_raw(&episode.peak_raw, qty_by)
        fits &= scale_raw(&episode.reduction_raw, qty_by)
        wide_scale(&episode.filled, qty_by)
        for j in range(episode.prints.count):
            fits &= scale_raw(&(<Print*>line_at(&episode.prints, sizeof(Print), j)).qty_raw, qty_by)
    return fits


cdef class Episodes:
    """Open ones by price, closed ones until the next slow tick, and what they were for as long as is looked back."""

    def __init__(self, window_ms: int, age_max_ms: int):
        self.window_ms = window_ms
        self.age_max_ms = age_max_ms

    def __dealloc__(self):
        self.discard_all()
        for side in range(2):
            free(self.open[side].items)
            free(self.closed[side].items)
        free(self.verdicts.items)

    # -- the book ---------------------------------------------------------------------------------------------

    cdef int entry_applied(self, DepthBook book, int64_t ms, int state) except -1 nogil:
        """A whole entry was applied to a book in sync; *state* is what the book is now, *ms* the entry's venue time."""
        cdef bint is_paired = state == STATE_NORMAL or state == STATE_LOCKED
        cdef int64_t middle2 = 0
        cdef int64_t spread = 0
        cdef uint32_t i
        cdef int side
        if is_paired:
            middle2 = best(book, 0).key - best(book, 1).key
            spread = -best(book, 1).key - best(book, 0).key
        for i in range(book.touches.count):
            self._touched(book, i, ms, is_paired, middle2, spread)
        if is_paired:
            for side in range(2):
                while self.open[side].count and not _is_far(
                        (1 if side == 0 else -1) * line_key(&self.open[side], sizeof(Episode), self.open[side].count - 1),
                        middle2, spread):
                    self._discard(side, self.open[side].count - 1)
        return 0

    cdef int _touched(self, DepthBook book, uint32_t at, int64_t ms, bint is_paired,
                      int64_t middle2, int64_t spread) except -1 nogil:
        cdef Touch* touch = <Touch*>line_at(&book.touches, sizeof(Touch), at)
        cdef int side = <int>touch.side
        cdef int64_t key = touch.price_raw if side == 0 else -touch.price_raw
        cdef uint32_t place
        cdef Episode* episode
        cdef int64_t left_raw
        if self.open[side].count:
            place = line_find(&self.open[side], sizeof(Episode), key)
            if place < self.open[side].count and line_key(&self.open[side], sizeof(Episode), place) == key:
                episode = <Episode*>line_at(&self.open[side], sizeof(Episode), place)
                left_raw = book.quantity(side, touch.price_raw)
                if ms - episode.open_ms > self.age_max_ms:
                    self._discard(side, place)
                elif left_raw < episode.threshold_raw:
                    return self._close(side, place, ms, left_raw)
                else:
                    episode.peak_raw = max(episode.peak_raw, left_raw)
                    return 0
        if self.threshold_raw == 0 or not is_paired or touch.before_raw >= self.threshold_raw \
                or touch.after_raw < self.threshold_raw:
            return 0
        left_raw = book.quantity(side, touch.price_raw)
        if left_raw < self.threshold_raw or self._was_large(book, at) or not _is_far(touch.price_raw, middle2, spread):
            return 0
        place = line_find(&self.open[side], sizeof(Episode), key)
        episode = <Episode*>line_insert(&self.open[side], sizeof(Episode), place)
        if episode == NULL:
            with gil:
                raise MemoryError("episodes")
        memset(episode, 0, sizeof(Episode))
        episode.key = key
        episode.open_ms = ms
        episode.threshold_raw = self.threshold_raw
        episode.peak_raw = left_raw
        return 0

    cdef bint _was_large(self, DepthBook book, uint32_t at) noexcept nogil:
        """Whether the level was large before the entry, which names its price twice."""
        cdef Touch* touch = <Touch*>line_at(&book.touches, sizeof(Touch), at)
        cdef Touch* earlier
        cdef uint32_t i
        for i in range(at):
            earlier = <Touch*>line_at(&book.touches, sizeof(Touch), i)
            if earlier.price_raw == touch.price_raw and earlier.side == touch.side:
                return earlier.before_raw >= self.threshold_raw
        return False

    cdef int _close(self, int side, uint32_t at, int64_t ms, int64_t left_raw) except -1 nogil:
        cdef Episode* here = <Episode*>line_at(&self.open[side], sizeof(Episode), at)
        cdef uint32_t place = line_find_after(&self.closed[side], sizeof(Episode), here.key)
        cdef Episode* closed = <Episode*>line_insert(&self.closed[side], sizeof(Episode), place)
        cdef Print* done
        cdef uint32_t i
        if closed == NULL:
            with gil:
                raise MemoryError("episodes")
        closed[0] = here[0]
        memset(&closed.prints, 0, sizeof(Line))
        closed.close_ms = ms
        closed.reduction_raw = here.peak_raw - left_raw
        for i in range(here.prints.count):
            done = <Print*>line_at(&here.prints, sizeof(Print), i)
            if done.ms <= ms:
                wide_add(&closed.filled, wide_of(done.qty_raw))
        self._discard(side, at)
        return 0

    cdef void _discard(self, int side, uint32_t at) noexcept nogil:
        free((<Episode*>line_at(&self.open[side], sizeof(Episode), at)).prints.items)
        line_drop(&self.open[side], sizeof(Episode), at)

    cdef void discard_all(self) noexcept nogil:
        """The book begins anew: what was open is forgotten."""
        cdef int side
        for side in range(2):
            while self.open[side].count:
                self._discard(side, self.open[side].count - 1)

    # -- trades -----------------------------------------------------------------------------------------------

    cdef int trade(self, int side, int64_t price_raw, int64_t ms, int64_t qty_raw) except -1 nogil:
        """A trade against a resting side: it counts for the oldest episode it fits."""
        cdef int64_t key = price_raw if side == 0 else -price_raw
        cdef uint32_t at
        cdef Episode* episode
        cdef Print* done
        if self.closed[side].count:
            at = line_find(&self.closed[side], sizeof(Episode), key)
            while at < self.closed[side].count and line_key(&self.closed[side], sizeof(Episode), at) == key:
                episode = <Episode*>line_at(&self.closed[side], sizeof(Episode), at)
                if episode.open_ms <= ms <= episode.close_ms:
                    wide_add(&episode.filled, wide_of(qty_raw))
                    return 0
                at += 1
        if self.open[side].count:
            at = line_find(&self.open[side], sizeof(Episode), key)
            if at < self.open[side].count and line_key(&self.open[side], sizeof(Episode), at) == key:
                episode = <Episode*>line_at(&self.open[side], sizeof(Episode), at)
                if episode.open_ms <= ms <= episode.open_ms + self.age_max_ms:
                    done = <Print*>line_insert(&episode.prints, sizeof(Print), episode.prints.count)
                    if done == NULL:
                        with gil:
                            raise MemoryError("episodes")
                    done.ms = ms
                    done.qty_raw = qty_raw
        return 0

    # -- scales -----------------------------------------------------------------------------------------------

    cdef bint rescale(self, int64_t price_by, int64_t qty_by) noexcept nogil:
        """Prices and quantities are at wider scales from here on; False = some do not fit them."""
        cdef uint32_t i
        cdef int side
        cdef bint fits = scale_raw(&self.threshold_raw, qty_by)
        for side in range(2):
            fits &= _rescale_all(&self.open[side], price_by, qty_by)
            fits &= _rescale_all(&self.closed[side], price_by, qty_by)
        for i in range(self.verdicts.count):
            fits &= scale_raw(&(<Verdict*>line_at(&self.verdicts, sizeof(Verdict), i)).price_raw, price_by)
        return fits

    # -- the slow tick ----------------------------------------------------------------------------------------

    cdef dict outcomes(self, int64_t now_ms):
        """Classify what has closed by now; answers {(side, price_raw): [cancels, fills]} over the window."""
        cdef dict found = {}
        cdef Line* closed
        cdef Episode* episode
        cdef Verdict* verdict
        cdef uint32_t i, kept
        cdef int side
        cdef list counts
        for side in range(2):
            closed = &self.closed[side]
            kept = 0
            for i in range(closed.count):
                episode = <Episode*>line_at(closed, sizeof(Episode), i)
                if episode.close_ms > now_ms:
                    (<Episode*>line_at(closed, sizeof(Episode), kept))[0] = episode[0]
                    kept += 1
                    continue
                verdict = <Verdict*>line_insert(&self.verdicts, sizeof(Verdict), self.verdicts.count)
                if verdict == NULL:
                    raise MemoryError("episodes")
                verdict.close_ms = episode.close_ms
                verdict.price_raw = episode.key if side == 0 else -episode.key
                verdict.side = side
                # reduction - filled >= reduction / 2
                verdict.is_cancel = not wide_is_below(wide_of(episode.reduction_raw), wide_times(episode.filled, 2))
            closed.count = kept
        kept = 0
        for i in range(self.verdicts.count):
            verdict = <Verdict*>line_at(&self.verdicts, sizeof(Verdict), i)
            if verdict.close_ms <= now_ms - self.window_ms:
                continue
            (<Verdict*>line_at(&self.verdicts, sizeof(Verdict), kept))[0] = verdict[0]
            kept += 1
            counts = found.setdefault((verdict.side, verdict.price_raw), [0, 0])
            counts[0 if verdict.is_cancel else 1] += 1
        self.verdicts.count = kept
        return found
