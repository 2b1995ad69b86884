"""The one WebSocket listener: picows' frames, borrowed, handed to a provider's stream."""
from libc.stdint cimport int64_t
from picows.picows cimport WSFrame, WSListener, WSTransport

from engine.base.clock cimport Clock
from engine.schema.ports cimport FrameKeeper, FrameSink, RawFrame


cdef class FrameListener(WSListener):
    """One connection. Owned by its session; lives as long as its socket, used on the engine's loop only."""
    cdef readonly int conn                   # the provider's number of this connection
    cdef readonly object transport           # WSTransport while connected, else None
    cdef readonly int close_code             # what the venue closed with, -1 = it did not
    cdef FrameSink _sink
    cdef Clock _clock
    cdef object _on_lost                     # called as on_lost(listener) once, when the connection has gone
    cdef int64_t _ts_recv_ns                 # of the read in hand, 0 = the next frame begins a read
    cdef bint _failed                        # a stage raised: what else the read holds is not handed on
    # -- a message in several frames
    cdef FrameKeeper _frames
    cdef RawFrame* _parts                    # NULL = none is being put together
    cdef size_t _message_bytes_max
    cdef bint _in_parts                      # its first frame has come, its last has not
    cdef bint _in_text                       # and that first frame was text
    # -- counts since start
    cdef readonly unsigned long long frames  # text messages handed on
    cdef readonly unsigned long long reads   # socket reads that brought any frame
    cdef readonly unsigned long long ignored # messages that are not text
    cdef readonly unsigned long long pings   # of the venue, answered
    cdef readonly unsigned long long pongs   # answers to ours

    cdef int _take(self, WSTransport transport, WSFrame frame) except -1
    cdef int _message(self, WSFrame frame) except -1
    cdef int _add_part(self, const char* text, size_t length) except -1
    cdef int _drop_parts(self) noexcept
    cdef int _end_read(self) except -1


cdef class FrameTap(FrameSink):
    """Stands before a sink and hands frames on in the order and at the time that somebody else says."""
    cdef FrameSink _next
    cdef object _turn                        # called as turn(conn, length): ts_recv_ns, or -1 = not yet
    cdef dict _waiting                       # connection -> deque of frames that came before their turn
    cdef readonly int waiting_count

    cdef int _hand_on_waiting(self) except -1


cdef class HeldFrames(FrameSink):
    """Keeps the frames of a connection that is not to be heard yet."""
    cdef list _frames                        # (bytes, ts_recv_ns, conn)
    cdef readonly size_t held_bytes
    cdef readonly bint is_overfull           # more came than may be kept: what is held is of no use
    cdef size_t _bytes_max


cdef class FrameTee(FrameSink):
    """Hands each frame to two sinks."""
    cdef FrameSink _first
    cdef FrameSink _second


cdef class FrameRelay(FrameSink):
    """Hands a copy of each frame to a Python callable: off the hot path only."""
    cdef object _take                        # called as take(frame, ts_recv_ns, conn)
