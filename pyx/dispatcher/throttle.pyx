cimport cython
from cpython.object cimport PyObject
from libc.stdint cimport INT64_MAX, int64_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free, malloc, realloc
from libc.string cimport memcpy, memmove, memset

from engine.base.plants cimport planted
from engine.schema.event cimport BOOK_SNAPSHOT, BOOK_UPDATE, TYPE_STRIDE, Event
from engine.schema.fold cimport (PART_BASE, PART_DELTA, PART_INVALID, SATURATED_BOOK, SATURATED_DROP_OLDEST,
                                 SATURATED_KLINE, SaturationTable, fold, is_book, part_of, stream_of)
from engine.schema.ports cimport BookSource, EventPool
from engine.schema.quotes cimport KlineSummary

cdef enum:
    FIRST_ROOM = 4
    TELL_EVERY_NS = 1_000_000_000


@cython.final
cdef class Throttle:
    """Args:
    pool: where what is folded or dropped goes.
    rate_per_s: tokens a stream gets a second.
    burst: tokens it can save up, at least 1.
    waiting_max: events of a stream that may wait; past it the oldest goes.
    table: what may coalesce.
    books: told of updates that are lost.
    on_coalesced: called as on_coalesced(stream_index, count), at most once a second a stream.
    on_dropped: called as on_dropped(stream_index, count, event, waiting), likewise, with a copy of the last one;
        None = told at the end.
    """

    def __init__(self, EventPool pool not None, rate_per_s: int, burst: int, waiting_max: int,
                 SaturationTable table not None, BookSource books not None, *, on_coalesced=None, on_dropped=None):
        self._pool = pool
        self._table = table
        self._books = books
        self._on_coalesced = on_coalesced
        self._on_dropped = on_dropped
        self._gap_ns = max(1, 1_000_000_000 // rate_per_s)
        self._slack_ns = (burst - 1) * self._gap_ns
        self._waiting_max = waiting_max
        self._listed = []
        self.next_ns = INT64_MAX

    def __dealloc__(self):
        cdef uint32_t i
        for i in range(self._bucket_count):
            if self._buckets[i] != NULL:
                free(self._buckets[i].waiting)
                free(self._buckets[i])
        free(self._buckets)

    cdef Bucket* find(self, uint32_t index) noexcept:
        return self._buckets[index] if index < self._bucket_count else NULL

    cdef Bucket* of(self, uint32_t index) except NULL:
        """The bucket of a stream, made at its first event; the book's snapshots and updates share one."""
        cdef uint32_t count
        cdef Bucket** buckets
        if index % TYPE_STRIDE == BOOK_SNAPSHOT:
            index += BOOK_UPDATE - BOOK_SNAPSHOT
        if index >= self._bucket_count:
            count = (index // TYPE_STRIDE + 8) * TYPE_STRIDE
            buckets = <Bucket**>realloc(self._buckets, count * sizeof(Bucket*))
            if buckets == NULL:
                raise MemoryError("token buckets")
            memset(buckets + self._bucket_count, 0, (count - self._bucket_count) * sizeof(Bucket*))
            self._buckets = buckets
            self._bucket_count = count
        if self._buckets[index] == NULL:
            self._buckets[index] = <Bucket*>calloc(1, sizeof(Bucket))
            if self._buckets[index] == NULL:
                raise MemoryError("token bucket")
        return self._buckets[index]

    cdef bint admit(self, PyObject* event, uint32_t index, int64_t now_ns) except -1:
        """Whether an event, not a critical one, goes on now; else it was taken over and waits, or is lost."""
        cdef int event_type = (<Event>event).s.type
        cdef Bucket* bucket = self.of(index)
        cdef bint passes
        if self.takes_token(bucket, now_ns):
            return True
        if event_type == BOOK_SNAPSHOT:
            index += BOOK_UPDATE - BOOK_SNAPSHOT
        passes = planted(b"throttle.off")
        if not passes and (event_type == BOOK_SNAPSHOT or (is_book(event_type) and part_of(event) == PART_INVALID)):
            self._supersede(bucket)
            passes = True
        if not passes:
            bucket.throttled += 1
            self._wait(event, index, bucket, now_ns)
            return False
        bucket.full_ns = max(bucket.full_ns, now_ns) + self._gap_ns
        return True

    cdef int _wait(self, PyObject* event, uint32_t index, Bucket* bucket, int64_t now_ns) except -1:
        if self._fold_in(event, bucket):
            bucket.coalesced += 1
            return self._tell(index, bucket, now_ns, False, None)
        cdef PyObject* oldest = NULL
        if bucket.count >= self._waiting_max:
            oldest = bucket.waiting[bucket.head]
            bucket.head += 1
            bucket.count -= 1
        self._push(event, bucket)
        if not bucket.is_listed:
            bucket.is_listed = 1
            self._listed.append(index)
        self.next_ns = min(self.next_ns, bucket.full_ns - self._slack_ns)
        if oldest != NULL:
            self._bury(oldest, index, bucket, now_ns)
        return 0

    cdef bint _fold_in(self, PyObject* event, Bucket* bucket) except -1:
        """Fold an event into what waits of its stream, where the table lets it; its reference is taken over then."""
        cdef int rule = self._table.rule[(<Event>event).s.type]
        cdef PyObject** row = bucket.waiting + bucket.head
        cdef uint32_t at = bucket.count
        cdef PyObject* folded
        if rule <= SATURATED_DROP_OLDEST or at == 0:
            return False
        if rule == SATURATED_BOOK:
            if part_of(event) == PART_BASE:
                self._supersede(bucket)
                return False
            if part_of(row[at - 1]) != PART_DELTA:
                return False
            at -= 1
        else:
            while at and stream_of(row[at - 1]) != stream_of(event):
                at -= 1
            if at == 0:
                return False
            at -= 1
            if rule == SATURATED_KLINE and (<KlineSummary>row[at]).k.is_closed:
                return False
        folded = fold(self._pool, row[at], event)
        if folded == NULL:
            return False
        row[at] = folded
        return True

    cdef int _push(self, PyObject* event, Bucket* bucket) except -1:
        cdef PyObject** row
        if bucket.head + bucket.count == bucket.room:
            if bucket.head > bucket.room >> 1:
                memmove(bucket.waiting, bucket.waiting + bucket.head, bucket.count * sizeof(PyObject*))
            else:
                row = <PyObject**>malloc((2 * bucket.room + FIRST_ROOM) * sizeof(PyObject*))
                if row == NULL:
                    raise MemoryError("waiting events")
                if bucket.count:
                    memcpy(row, bucket.waiting + bucket.head, bucket.count * sizeof(PyObject*))
                free(bucket.waiting)
                bucket.waiting = row
                bucket.room = 2 * bucket.room + FIRST_ROOM
            bucket.head = 0
        bucket.waiting[bucket.head + bucket.count] = event
        bucket.count += 1
        return 0

    cdef int _supersede(self, Bucket* bucket) except -1:
        """A whole book stands for every update that waits."""
        bucket.coalesced += bucket.count
        self._pool.release_many(bucket.waiting + bucket.head, bucket.count)
        bucket.head = bucket.count = 0
        return 0

    cdef int _bury(self, PyObject* event, uint32_t index, Bucket* bucket, int64_t now_ns) except -1:
        """What waited longest has no place any more; of a book everything that waits is worth nothing without it."""
        bucket.dropped += 1
        if is_book((<Event>event).s.type):
            bucket.dropped += bucket.count
            self._pool.release_many(bucket.waiting + bucket.head, bucket.count)
            bucket.head = bucket.count = 0
            self._books.lose((<Event>event).h.instrument_id)
        copy = (<Event>event).detach() if self._on_dropped is not None else None
        self._pool.release(event)
        return self._tell(index, bucket, now_ns, False, copy)

    cdef PyObject* pop_due(self, int64_t now_ns, bint is_last_call, uint32_t* index) except? NULL:
        """The next event that has a token by now, or any at the last call, and its stream; NULL where there is none."""
        cdef Bucket* bucket
        cdef int64_t due_ns
        cdef PyObject* event
        if now_ns < self.next_ns and not is_last_call:
            return NULL
        self.next_ns = INT64_MAX
        kept = []
        found = False
        for place, listed in enumerate(self._listed):
            bucket = self._buckets[<uint32_t>listed]
            if bucket.count == 0:
                bucket.is_listed = 0
                continue
            kept.append(listed)
            due_ns = bucket.full_ns - self._slack_ns
            if due_ns <= now_ns or is_last_call:
                kept += self._listed[place + 1:]
                found = True
                break
            self.next_ns = min(self.next_ns, due_ns)
        self._listed = kept
        if not found:
            return NULL
        self.next_ns = now_ns              # there may be more: asked again until there is none
        bucket.full_ns = max(bucket.full_ns, now_ns) + self._gap_ns
        event = bucket.waiting[bucket.head]
        bucket.head += 1
        bucket.count -= 1
        index[0] = listed
        return event

    cdef int _tell(self, uint32_t index, Bucket* bucket, int64_t now_ns, bint now, object event) except -1:
        """Tell what was folded and dropped since the last time, at most once a second a stream."""
        cdef uint64_t count = bucket.coalesced - bucket.coalesced_told
        if count and (now or bucket.coalesced_told == 0 or now_ns - bucket.coalesced_told_ns >= TELL_EVERY_NS):
            bucket.coalesced_told = bucket.coalesced
            bucket.coalesced_told_ns = now_ns
            if self._on_coalesced is not None:
                self._on_coalesced(index, count)
        count = bucket.dropped - bucket.dropped_told
        if count and (now or bucket.dropped_told == 0 or now_ns - bucket.dropped_told_ns >= TELL_EVERY_NS):
            bucket.dropped_told = bucket.dropped
            bucket.dropped_told_ns = now_ns
            if self._on_dropped is not None:
                self._on_dropped(index, count, event, bucket.count)
        return 0

    def tell_rest(self, now_ns: int) -> None:
        """The engine stops: what was held back for being too often is told."""
        for index in range(self._bucket_count):
            if self._buckets[<uint32_t>index] != NULL:
                self._tell(index, self._buckets[<uint32_t>index], now_ns, True, None)
