from typing import Any

from typing_extensions import disjoint_base

from engine.providers.checkedstream import CheckedStream

@disjoint_base
class SimulatedStream(CheckedStream):
    state: str | None
    def __init__(self, provider: str, pool: Any, sink: Any, clock: Any, **hooks: Any) -> None: ...
