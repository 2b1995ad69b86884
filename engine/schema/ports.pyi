from typing_extensions import disjoint_base

@disjoint_base
class EventSink:
    """Takes events; every stage is one and holds the next."""

    def __init__(self) -> None: ...
    def deliver(self) -> None:
        """Hand on what is queued: for callers that offered events outside a read (Lease.offer_to)."""

@disjoint_base
class FrameKeeper:
    """Venue bytes in pooled memory; the pools' FramePools is the only implementation."""

    def __init__(self) -> None: ...

@disjoint_base
class FrameSink:
    """Takes the frames of one provider's connections."""

    def __init__(self) -> None: ...
    def feed(self, frame: bytes, ts_recv_ns: int, conn: int = 0) -> None:
        """Hand one whole frame in, as a connection would."""
    def read_end(self) -> None:
        """Say that the frames handed in so far were one read."""

@disjoint_base
class EventPool:
    """What a stage may do with pooled memory; the recycler is the implementation, this base has no events to give."""

    def __init__(self, keeper: FrameKeeper | None = None) -> None: ...

@disjoint_base
class FanoutPort:
    """Hands one event to several consumers by index; the bus is the only implementation."""

    def __init__(self) -> None: ...

@disjoint_base
class VersionPort:
    """The routing version in force, stamped on every event at the orchestrator's exit."""

    def __init__(self) -> None: ...
    def current_version(self) -> int:
        """The routing version in force."""

@disjoint_base
class BookSource:
    """Assembled books by instrument; this base has none."""

    def __init__(self) -> None: ...

@disjoint_base
class ControlHandler:
    """Whoever obeys commands; the control bus only delivers."""

    def __init__(self) -> None: ...
    def handle(self, command: object) -> object:
        """Obey one command and return its acknowledgement."""
