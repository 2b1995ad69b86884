from libc.stdint cimport int64_t
from picows.picows cimport WSCloseCode, WSFrame, WSListener, WSMsgType, WSTransport

from engine.base.clock cimport Clock
from engine.base.pending cimport pending
from engine.base.units cimport unlikely
from engine.pools.frames cimport FramePools
from engine.schema.ports cimport RAW_WS_FRAME, FrameSink

from collections import deque

from picows import WSProtocolError


ctypedef int (*Quiet)(FrameListener, WSTransport, WSFrame) noexcept


cdef int take_frame(FrameListener listener, WSTransport transport, WSFrame frame) except -1:
    listener._take(transport, frame)
    return listener._end_read() if frame.last_in_buffer else 0


cdef class FrameListener(WSListener):
    """Hands each text message of one connection on, in place.

    Frames of one socket read share one ``ts_recv_ns``, taken at the first of them. A message that comes in several
    frames is put together in a WsFrame of the sink's pools.

    Connect with ``enable_auto_pong=False``: the listener answers pings itself, because a ping that picows answers is
    never shown, and the end of the read with it when the ping was its last frame.

    Args:
        sink: takes the messages.
        clock: stamps the reads.
        conn: the provider's number of this connection.
        message_bytes_max: a message in several frames that grows past this ends the connection.
        on_lost: called as on_lost(listener) once, when the connection has gone.
    """

    def __init__(self, FrameSink sink not None, Clock clock not None, conn: int, *,
                 message_bytes_max: int = 16777216, on_lost=None):
        self._sink = sink
        self._frames = sink.keeper if sink.keeper is not None else FramePools()
        self._clock = clock
        self.conn = conn
        self.close_code = -1
        self._message_bytes_max = message_bytes_max
        self._on_lost = on_lost

    cpdef on_ws_connected(self, WSTransport transport):
        """The handshake is done."""
        self.transport = transport

    cpdef on_ws_frame(self, WSTransport transport, WSFrame frame):
        """One frame. DANGER: it is borrowed until return."""
        if self._failed:
            return
        if unlikely((<Quiet>take_frame)(self, transport, frame) < 0):
            self._failed = True
            pending()

    cpdef is_user_specific_pong(self, WSFrame frame):
        """A pong that picows waits for is not shown as a frame; it may end a read all the same."""
        if frame.msg_type != WSMsgType.PONG:
            return False
        self.pongs += 1
        if frame.last_in_buffer and not self._failed:
            self._end_read()
        return True

    cpdef on_ws_disconnected(self, WSTransport transport):
        """The connection has gone."""
        self.transport = None
        self._drop_parts()
        if self._on_lost is not None:
            self._on_lost(self)

    def send(self, bytes text not None) -> bool:
        """Send one text frame; False where the connection has gone."""
        if self.transport is None:
            return False
        (<WSTransport>self.transport).send(WSMsgType.TEXT, text)
        return True

    def hear(self, FrameSink sink not None) -> None:
        """Hand what comes from now on to *sink*; between two reads only."""
        self._sink = sink

    cdef int _take(self, WSTransport transport, WSFrame frame) except -1:
        if self._ts_recv_ns == 0:
            self._ts_recv_ns = self._clock.now_ns()
            self.reads += 1
        if frame.msg_type == WSMsgType.TEXT and frame.fin and not self._in_parts:
            self.frames += 1
            return self._sink.on_frame(frame.payload_ptr, frame.payload_size, self._ts_recv_ns, self.conn)
        if frame.msg_type == WSMsgType.PING:
            transport.send_pong(frame.get_payload_as_bytes())
            self.pings += 1
        elif frame.msg_type == WSMsgType.CLOSE:
            self.close_code = <int>frame.get_close_code()
            transport.send_close(WSCloseCode.OK)
            transport.disconnect()
        elif frame.msg_type == WSMsgType.PONG:
            self.pongs += 1
        else:
            self._message(frame)
        return 0

    cdef int _message(self, WSFrame frame) except -1:
        """A frame of a message in parts, or a message that is not text."""
        if (frame.msg_type == WSMsgType.CONTINUATION) != self._in_parts:
            raise WSProtocolError(WSCloseCode.PROTOCOL_ERROR, "a message in parts is out of order")
        if not self._in_parts:
            if frame.fin:
                self.ignored += 1
                return 0
            self._in_parts = True
            self._in_text = frame.msg_type == WSMsgType.TEXT
        if self._in_text:
            self._add_part(frame.payload_ptr, frame.payload_size)
        if not frame.fin:
            return 0
        self._in_parts = False
        if not self._in_text:
            self.ignored += 1
            return 0
        self.frames += 1
        try:
            return self._sink.on_frame(self._parts.text, self._parts.length, self._ts_recv_ns, self.conn)
        finally:
            self._drop_parts()

    cdef int _add_part(self, const char* text, size_t length) except -1:
        cdef size_t held = self._parts.length if self._parts != NULL else 0
        if held + length > self._message_bytes_max:
            self._drop_parts()
            raise WSProtocolError(WSCloseCode.MESSAGE_TOO_BIG, "a message in parts is too big")
        if self._parts == NULL:
            self._parts = self._frames.keep(RAW_WS_FRAME, text, length, self._ts_recv_ns, self.conn)
            if self._parts == NULL:
                # What would be lost cannot be told: the connection begins anew, and with it all that it feeds.
                raise WSProtocolError(WSCloseCode.TRY_AGAIN_LATER, "no place for a message in parts: WsFrame is empty")
        elif self._frames.append(self._parts, text, length) != 0:
            self._drop_parts()
            raise MemoryError("message in parts")
        return 0

    cdef int _drop_parts(self) noexcept:
        if self._parts != NULL:
            self._frames.give_back(self._parts)
            self._parts = NULL
        return 0

    cdef int _end_read(self) except -1:
        self._ts_recv_ns = 0
        return self._sink.on_read_end()


cdef class FrameTap(FrameSink):
    """Between listeners and a stream, where frames have a recorded order and time of their own.

    Frames come in order on each connection, but nothing orders one connection after another: a frame that comes
    before its turn is copied and waits for it.

    Args:
        next: takes the frames, in turn.
        turn: called as turn(conn, length) for the first frame not handed on yet of a connection; answers the
            ``ts_recv_ns`` to hand it on with, or -1 while it is not its turn.
    """

    def __init__(self, FrameSink next not None, turn):
        self._next = next
        self._turn = turn
        self._waiting = {}

    cdef int on_frame(self, const char* text, size_t length, int64_t ts_recv_ns, int conn) except -1:
        cdef int64_t stamp_ns
        if self.waiting_count == 0 or not self._waiting.get(conn):
            stamp_ns = self._turn(conn, length)
            if stamp_ns >= 0:
                self._next.on_frame(text, length, stamp_ns, conn)
                return self._hand_on_waiting() if self.waiting_count else 0
        self._waiting.setdefault(conn, deque()).append(text[:length])
        self.waiting_count += 1
        return 0

    cdef int on_read_end(self) except -1:
        return self._next.on_read_end()

    def look(self) -> None:
        """Something else than a frame had its turn: hand on what waited for that."""
        if self.waiting_count:
            self._hand_on_waiting()
            self._next.on_read_end()

    cdef int _hand_on_waiting(self) except -1:
        """Hand on whatever has its turn, until nothing has."""
        cdef bytes frame
        cdef int64_t stamp_ns
        cdef bint moved = True
        while moved:
            moved = False
            for conn, frames in self._waiting.items():
                while frames:
                    stamp_ns = self._turn(conn, len(frames[0]))
                    if stamp_ns < 0:
                        break
                    frame = frames.popleft()
                    self.waiting_count -= 1
                    self._next.on_frame(frame, len(frame), stamp_ns, conn)
                    moved = True
        return 0


cdef class HeldFrames(FrameSink):
    """Keeps frames until somebody wants them.

    Args:
        bytes_max: what is held is dropped, and nothing kept any more, once it is larger than this.
    """

    def __init__(self, bytes_max: int):
        self._frames = []
        self._bytes_max = bytes_max

    cdef int on_frame(self, const char* text, size_t length, int64_t ts_recv_ns, int conn) except -1:
        if self.is_overfull:
            return 0
        self.held_bytes += length
        if self.held_bytes > self._bytes_max:
            self.is_overfull = True
            self._frames.clear()
            return 0
        self._frames.append((text[:length], ts_recv_ns, conn))
        return 0

    cdef int on_read_end(self) except -1:
        return 0

    def hand_on(self, FrameSink to not None) -> int:
        """Give every frame to *to*, in order, and forget them; returns how many."""
        cdef bytes frame
        frames, self._frames = self._frames, []
        self.held_bytes = 0
        for frame, ts_recv_ns, conn in frames:
            to.on_frame(frame, len(frame), ts_recv_ns, conn)
        to.on_read_end()
        return len(frames)


cdef class FrameTee(FrameSink):
    """Hands each frame to one sink, then to another."""

    def __init__(self, FrameSink first not None, FrameSink second not None):
        self._first = first
        self._second = second

    cdef int on_frame(self, const char* text, size_t length, int64_t ts_recv_ns, int conn) except -1:
        self._first.on_frame(text, length, ts_recv_ns, conn)
        return self._second.on_frame(text, length, ts_recv_ns, conn)

    cdef int on_read_end(self) except -1:
        self._first.on_read_end()
        return self._second.on_read_end()


cdef class FrameRelay(FrameSink):
    """Hands each frame to a callable.

    Args:
        take: called as take(frame, ts_recv_ns, conn) with a copy of the frame.
    """

    def __init__(self, take):
        self._take = take

    cdef int on_frame(self, const char* text, size_t length, int64_t ts_recv_ns, int conn) except -1:
        self._take(text[:length], ts_recv_ns, conn)
        return 0
