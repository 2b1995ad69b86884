cimport cython
from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free, realloc
from libc.string cimport memcpy, memset

from engine.schema.ports cimport RAW_KINDS, RECYCLED, REFUSED, FrameKeeper, RawFrame

from engine.pools.sizes import FRAME_FLOORS, HEADROOM, PoolStatistics

cdef enum:
    ROOM_MIN = 512
    POISON = 0xDE


@cython.final
cdef class FramePools(FrameKeeper):
    """Both pools.

    Args:
        floors: slots of each pool by its name (``WsFrame``, ``ProviderRaw``) while nothing asks for more.
        explicit: capacities that stay as they are, by name; the others follow what holders may keep (MEM-02).
        debug: overwrite what comes back.
    """

    def __init__(self, floors: dict[str, int] = FRAME_FLOORS["service"], explicit: dict[str, int] | None = None, *,
                 debug: bool = False):
        cdef int kind
        for kind, name in enumerate(RAW_NAMES):
            self._pools[kind].floor = floors[name]
            self._pools[kind].is_auto = name not in (explicit or {})
            self._pools[kind].capacity = floors[name] if self._pools[kind].is_auto else explicit[name]
        self.debug = debug

    def __dealloc__(self):
        cdef int kind
        cdef RawFrame* frame
        for kind in range(RAW_KINDS):
            while self._pools[kind].all != NULL:
                frame = self._pools[kind].all
                self._pools[kind].all = frame.sibling
                free(frame.text)
                free(frame)

    cdef int provide(self, int kind, uint32_t count) noexcept:
        """A holder may keep *count* frames more at once: the capacity follows, unless it was set."""
        cdef FramePool* pool = &self._pools[kind]
        pool.wanted += count
        if pool.is_auto and pool.wanted * <uint64_t>HEADROOM > pool.capacity:
            pool.capacity = pool.wanted * <uint64_t>HEADROOM
        return 0

    cdef RawFrame* keep(self, int kind, const char* text, size_t length, int64_t ts_recv_ns, int conn) noexcept:
        """A copy of these bytes in a slot of the pool; NULL where it is exhausted, or memory is."""
        cdef FramePool* pool = &self._pools[kind]
        cdef RawFrame* frame = pool.at_rest
        if frame != NULL:
            pool.at_rest = frame.next
            pool.at_rest_count -= 1
        elif pool.slots < pool.capacity:
            frame = self._new_slot(pool)
        if frame == NULL:
            pool.exhausted += 1
            return NULL
        frame.kind = kind
        frame.is_out = True
        frame.ts_recv_ns = ts_recv_ns
        frame.conn = conn
        frame.next = NULL
        frame.newer = NULL
        frame.older = pool.newest_out
        if frame.older != NULL:
            frame.older.newer = frame
        pool.newest_out = frame
        pool.acquired += 1
        if pool.acquired - pool.recycled > pool.in_use_peak:
            pool.in_use_peak = pool.acquired - pool.recycled
        if self.append(frame, text, length) != 0:
            self.give_back(frame)
            return NULL
        return frame

    cdef RawFrame* _new_slot(self, FramePool* pool) noexcept:
        cdef RawFrame* frame = <RawFrame*>calloc(1, sizeof(RawFrame))
        if frame != NULL:
            frame.sibling = pool.all
            pool.all = frame
            pool.slots += 1
        return frame

    cdef int append(self, RawFrame* frame, const char* text, size_t length) noexcept:
        """More bytes at the end of a frame that is out; -1 without memory, and the frame stays as it was."""
        cdef size_t wanted = frame.length + length
        cdef size_t room = frame.room if frame.room else ROOM_MIN
        cdef char* place
        if wanted > frame.room:
            while room < wanted:
                room *= 2
            place = <char*>realloc(frame.text, room)
            if place == NULL:
                return -1
            frame.text = place
            frame.room = room
        if length:
            memcpy(frame.text + frame.length, text, length)
        frame.length = wanted
        return 0

    cdef int give_back(self, RawFrame* frame) noexcept:
        """The holder is done with it. A second time it is refused and counted. Answers a Released."""
        cdef FramePool* pool = &self._pools[frame.kind]
        if not frame.is_out:
            pool.refused += 1
            return REFUSED
        if frame.newer != NULL:
            frame.newer.older = frame.older
        else:
            pool.newest_out = frame.older
        if frame.older != NULL:
            frame.older.newer = frame.newer
        if self.debug and frame.room:
            memset(frame.text, POISON, frame.room)
        if pool.at_rest_count >= pool.floor:
            free(frame.text)
            frame.text = NULL
            frame.room = 0
        frame.is_out = False
        frame.length = 0
        frame.ts_recv_ns = 0
        frame.conn = 0
        frame.newer = frame.older = NULL
        frame.next = pool.at_rest
        pool.at_rest = frame
        pool.at_rest_count += 1
        pool.recycled += 1
        return RECYCLED

    # -- operators and tests ----------------------------------------------------------------------------------

    def statistics(self) -> dict[str, PoolStatistics]:
        """Both pools by name."""
        cdef FramePool* pool
        found = {}
        for kind, name in enumerate(RAW_NAMES):
            pool = &self._pools[<int>kind]
            found[name] = PoolStatistics(
                capacity=pool.capacity, reserve=0, in_use=pool.acquired - pool.recycled,
                in_use_peak=pool.in_use_peak, acquired=pool.acquired, recycled=pool.recycled, escaped=0,
                overflowed=0, refused=pool.refused, exhausted=pool.exhausted)
        return found

    def outstanding(self) -> list[dict[str, object]]:
        """What is out, newest first, in the shape of Recycler.outstanding()."""
        cdef RawFrame* frame
        found = []
        for kind, name in enumerate(RAW_NAMES):
            frame = self._pools[<int>kind].newest_out
            while frame != NULL:
                found.append({"type": name, "index": None, "refs": 1, "holder": "engine",
                              "ts_recv_ns": frame.ts_recv_ns, "age_ns": None, "acquired_at": None})
                frame = frame.older
        return found


RAW_NAMES = ("WsFrame", "ProviderRaw")


@cython.final
@cython.no_gc_clear
cdef class FrameQueue:
    """Args: keeper: where its frames come from."""

    def __init__(self, FrameKeeper keeper not None):
        self._keeper = keeper

    def __dealloc__(self):
        if self._keeper is not None:
            self.clear()

    cdef bint keep(self, int kind, const char* text, size_t length, int64_t ts_recv_ns, int conn) noexcept:
        """Put a copy of these bytes at the end; False where the pool is exhausted."""
        cdef RawFrame* frame = self._keeper.keep(kind, text, length, ts_recv_ns, conn)
        if frame == NULL:
            return False
        self.push(frame)
        return True

    cdef void push(self, RawFrame* frame) noexcept:
        """Take a frame over, as the newest."""
        frame.next = NULL
        if self._first == NULL:
            self._first = frame
        else:
            self._last.next = frame
        self._last = frame
        self.count += 1

    cdef RawFrame* pop(self) noexcept:
        """Hand the oldest over to the caller; NULL when there is none."""
        cdef RawFrame* frame = self._first
        if frame != NULL:
            self._first = frame.next
            frame.next = NULL
            self.count -= 1
        return frame

    cdef void clear(self) noexcept:
        """Give everything back."""
        cdef RawFrame* frame = self.pop()
        while frame != NULL:
            self._keeper.give_back(frame)
            frame = self.pop()
