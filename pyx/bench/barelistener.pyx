from picows.picows cimport WSFrame, WSListener, WSMsgType, WSTransport


cdef class BareListener(WSListener):
    """Counts.

    Args:
        on_lost: called without arguments when the connection has gone.
    """

    def __init__(self, on_lost):
        self._on_lost = on_lost

    cpdef on_ws_connected(self, WSTransport transport):
        """The handshake is done."""
        self.transport = transport

    cpdef on_ws_frame(self, WSTransport transport, WSFrame frame):
        """One frame."""
        if frame.msg_type == WSMsgType.CLOSE:
            transport.disconnect()
            return
        self.frames += 1
        self.byte_count += frame.payload_size
        if frame.last_in_buffer:
            self.reads += 1

    cpdef on_ws_disconnected(self, WSTransport transport):
        """The connection has gone."""
        self._on_lost()

    def send(self, bytes text not None) -> None:
        """Send one text frame."""
        (<WSTransport>self.transport).send(WSMsgType.TEXT, text)
