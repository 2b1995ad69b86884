from typing import final

from typing_extensions import disjoint_base

from engine.schema.ports import VersionPort

@final
class RoutingTable:
    version: int
    def __init__(self) -> None: ...
    def consumers_of(self, instrument: int, event_type: int) -> list[int]: ...

@disjoint_base
class RoutingBoard(VersionPort):
    history_count: int
    def __init__(self, *args: object) -> None: ...
    def set_routes(self, consumer: int, streams: frozenset[int]) -> int: ...
    def current(self) -> RoutingTable: ...

def stream_index(instrument: int, event_type: int) -> int: ...
