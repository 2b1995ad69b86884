from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free, malloc
from libc.string cimport memcpy, memset

from engine.base.clock cimport SystemClock, monotonic_ns
from engine.base.jsonindex cimport JsonIndex
from engine.consumers.handler cimport Handler
from engine.schema.event cimport Event
from engine.schema.ports cimport FrameSink

cdef enum:
    PADDING = 64


cdef class Feeder:
    """Frames kept one behind the other in native memory.

    Args:
        frames: whole frames, in order.
    """

    def __init__(self, frames: list[bytes]):
        cdef size_t at = 0
        cdef uint32_t i = 0
        self._count = len(frames)
        self._bytes = sum(len(frame) for frame in frames)
        self._text = <char*>malloc(self._bytes + PADDING)
        self._start = <size_t*>calloc(self._count + 1, sizeof(size_t))
        self._length = <size_t*>calloc(self._count + 1, sizeof(size_t))
        if self._text == NULL or self._start == NULL or self._length == NULL:
            raise MemoryError(f"{self._bytes} bytes of frames")
        memset(self._text + self._bytes, 0, PADDING)
        for frame in frames:
            memcpy(self._text + at, <const char*>frame, len(frame))
            self._start[i] = at
            self._length[i] = len(frame)
            at += len(frame)
            i += 1
        self._index = JsonIndex()

    def __dealloc__(self):
        free(self._text)
        free(self._start)
        free(self._length)
        free(self._ids)

    @property
    def count(self) -> int:
        """Frames held."""
        return self._count

    @property
    def bytes(self) -> int:
        """Bytes held."""
        return self._bytes

    def feed(self, FrameSink sink not None, frames_per_read: int = 64, conn: int = 0, begin: int = 0,
             end: int = -1) -> int:
        """Feed frames [begin, end) as reads of *frames_per_read*, one arrival stamp a read; returns wall ns."""
        cdef uint32_t per_read = frames_per_read
        cdef uint32_t i
        cdef uint32_t in_read = 0
        cdef uint32_t last = self._count if end < 0 else <uint32_t>end
        cdef SystemClock clock = SystemClock()
        cdef int64_t started_ns = monotonic_ns()
        cdef int64_t ts_recv_ns = 0
        for i in range(<uint32_t>begin, last):
            if in_read == 0:
                ts_recv_ns = clock.now_ns()
            sink.on_frame(self._text + self._start[i], self._length[i], ts_recv_ns, conn)
            in_read += 1
            if in_read == per_read:
                sink.on_read_end()
                in_read = 0
        if in_read:
            sink.on_read_end()
        return monotonic_ns() - started_ns

    def follow_ids(self, places: list[tuple[int, int, int]]) -> None:
        """Tell where the update ids stand: for each frame two of (offset, digits, step of a cycle), U then u.

        Raises:
            ValueError: not two a frame.
        """
        cdef uint32_t i
        if len(places) != 2 * self._count:
            raise ValueError(f"{len(places)} ids for {self._count} frames")
        free(self._ids)
        self._ids = <IdPlace*>calloc(len(places) + 1, sizeof(IdPlace))
        if self._ids == NULL:
            raise MemoryError("ids")
        for i in range(2 * self._count):
            offset, digits, step = places[i]
            self._ids[i].at = self._start[i // 2] + <size_t>offset
            self._ids[i].digits = digits
            self._ids[i].step = step

    def next_cycle(self) -> None:
        """Write the ids of the next cycle into the frames; lengths stay.

        Raises:
            OverflowError: an id would gain a digit.
        """
        cdef uint32_t i, d
        cdef uint64_t value
        cdef char* text
        if self._ids == NULL:
            raise ValueError("follow_ids() comes first")
        for i in range(2 * self._count):
            text = self._text + self._ids[i].at
            value = 0
            for d in range(self._ids[i].digits):
                value = 10 * value + <uint64_t>(text[d] - c"0")
            value += self._ids[i].step
            for d in range(self._ids[i].digits):
                text[self._ids[i].digits - 1 - d] = c"0" + <char>(value % 10)
                value //= 10
            if value:
                raise OverflowError(f"an id of frame {i // 2} gains a digit")

    def walk(self, passes: int = 1) -> tuple[int, int]:
        """The bare simdjson on-demand walk of all frames, every field once: (wall ns, a sum over what was seen)."""
        cdef uint32_t i
        cdef int p
        cdef uint64_t seen = 0
        cdef int64_t started_ns = monotonic_ns()
        for p in range(passes):
            for i in range(self._count):
                if not self._index.walk(self._text + self._start[i], self._length[i],
                                        self._bytes + PADDING - self._start[i], &seen):
                    raise ValueError(f"frame {i} is not JSON")
        return monotonic_ns() - started_ns, seen


cdef class TwoFields(Handler):
    """A consumer in Cython that reads two fields of each event."""

    cdef int on_event(self, Event event, object ctx) except -1:
        self.events += 1
        self.first_sum += <uint64_t>event.h.ts_recv_ns
        self.second_sum += event.h.seq_provider
        return 0
