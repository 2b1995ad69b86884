from collections.abc import Callable

from picows import WSFrame, WSListener, WSTransport
from typing_extensions import disjoint_base

from engine.base.clock import Clock
from engine.schema.ports import FrameSink

@disjoint_base
class FrameListener(WSListener):
    conn: int
    transport: WSTransport | None
    close_code: int
    frames: int
    reads: int
    ignored: int
    pings: int
    pongs: int
    def __init__(
        self,
        sink: FrameSink,
        clock: Clock,
        conn: int,
        *,
        message_bytes_max: int = 16777216,
        on_lost: Callable[[FrameListener], None] | None = None,
    ) -> None: ...
    def on_ws_connected(self, transport: WSTransport) -> None: ...
    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None: ...
    def on_ws_disconnected(self, transport: WSTransport) -> None: ...
    def is_user_specific_pong(self, frame: WSFrame) -> bool: ...
    def send(self, text: bytes) -> bool: ...
    def hear(self, sink: FrameSink) -> None: ...

@disjoint_base
class FrameTap(FrameSink):
    waiting_count: int
    def __init__(self, next: FrameSink, turn: Callable[[int, int], int]) -> None: ...
    def look(self) -> None: ...

@disjoint_base
class HeldFrames(FrameSink):
    held_bytes: int
    is_overfull: bool
    def __init__(self, bytes_max: int) -> None: ...
    def hand_on(self, to: FrameSink) -> int: ...

@disjoint_base
class FrameTee(FrameSink):
    def __init__(self, first: FrameSink, second: FrameSink) -> None: ...

@disjoint_base
class FrameRelay(FrameSink):
    def __init__(self, take: Callable[[bytes, int, int], None]) -> None: ...
