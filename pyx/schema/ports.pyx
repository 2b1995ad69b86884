from cpython.object cimport PyObject
from libc.stdint cimport int64_t, uint16_t, uint32_t


cdef class EventSink:
    cdef int offer(self, PyObject* event) except -1:
        raise NotImplementedError(type(self).__name__)

    cdef int flush(self) except -1:
        return 0

    cdef int64_t serve(self, int64_t mono_ns) except -1:
        self.flush()
        return 0

    cdef int do_work(self, int64_t now_ns) except -1:
        return 0

    cdef int relieve(self, int event_type) except -1:
        return 0

    def deliver(self) -> None:
        """Hand on what is queued: for callers that offered events outside a read (Lease.offer_to)."""
        self.flush()


cdef class FrameKeeper:
    cdef RawFrame* keep(self, int kind, const char* text, size_t length, int64_t ts_recv_ns, int conn) noexcept:
        return NULL

    cdef int append(self, RawFrame* frame, const char* text, size_t length) noexcept:
        return -1

    cdef int give_back(self, RawFrame* frame) noexcept:
        return REFUSED

    cdef int provide(self, int kind, uint32_t count) noexcept:
        return 0


cdef class FrameSink:
    cdef int on_frame(self, const char* text, size_t length, int64_t ts_recv_ns, int conn) except -1:
        raise NotImplementedError(type(self).__name__)

    cdef int on_read_end(self) except -1:
        return 0

    def feed(self, bytes frame not None, ts_recv_ns: int, conn: int = 0) -> None:
        """Hand one whole frame in, as a connection would."""
        self.on_frame(frame, len(frame), ts_recv_ns, conn)

    def read_end(self) -> None:
        """Say that the frames handed in so far were one read."""
        self.on_read_end()


cdef class EventPool:
    def __init__(self, FrameKeeper keeper=None):
        self.keeper = keeper

    cdef PyObject* acquire_nowait(self, int event_type) noexcept:
        return NULL

    cdef int attach_levels(self, PyObject* event, size_t count) except -1:
        raise NotImplementedError(type(self).__name__)

    cdef int release(self, PyObject* event) noexcept:
        return REFUSED

    cdef int release_many(self, PyObject** events, uint32_t count) noexcept:
        return 0

    cdef PyObject* move_to_heap(self, PyObject* event) noexcept:
        return NULL

    cdef int release_token(self, int event_type, uint32_t index, uint32_t generation) noexcept:
        return REFUSED

    cdef int refuse(self, int event_type) noexcept:
        return REFUSED


cdef class FanoutPort:
    cdef int fan_out(self, PyObject* event, const uint16_t* consumers, uint32_t count) except -1:
        raise NotImplementedError(type(self).__name__)

    cdef int flush(self) except -1:
        return 0

    cdef int relieve(self, int event_type) except -1:
        return 0


cdef class VersionPort:
    def current_version(self) -> int:
        """The routing version in force."""
        return self.version


cdef class BookSource:
    cdef bint top(self, uint32_t instrument_id, TopOfBook* out) noexcept:
        return False

    cdef PyObject* snapshot(self, uint32_t instrument_id, int reason) except? NULL:
        return NULL

    cdef int lose(self, uint32_t instrument_id) except -1:
        return 0


cdef class ControlHandler:
    cpdef object handle(self, object command):
        """Obey one command and return its acknowledgement."""
        raise NotImplementedError(type(self).__name__)
