from typing import final

from typing_extensions import disjoint_base

from engine.schema.ports import VersionPort

@final
class RoutingTable:
    """Stream index (instrument_id * TYPE_STRIDE + type) -> consumer indices. Never changes once built."""

    version: int
    def __init__(self) -> None: ...
    def consumers_of(self, instrument: int, event_type: int) -> list[int]:
        """Consumer indices of (instrument id, event type), in subscription order."""

@disjoint_base
class RoutingBoard(VersionPort):
    """The routing in force. Each change adds exactly 1 to the version; a change that changes nothing adds none."""

    history_count: int
    def __init__(self, *args: object) -> None: ...
    def set_routes(self, consumer: int, streams: frozenset[int]) -> int:
        """Make *streams* (stream indices) the routes of a consumer; returns the version then in force."""
    def current(self) -> RoutingTable:
        """The table in force."""

def stream_index(instrument: int, event_type: int) -> int:
    """Dense index of the stream (instrument id, event type)."""
