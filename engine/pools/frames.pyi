from collections.abc import Mapping
from typing import final

from engine.pools.sizes import PoolStatistics
from engine.schema.ports import FrameKeeper

FRAME_FLOORS: Mapping[str, dict[str, int]]
HEADROOM: int
RAW_NAMES: tuple[str, ...]

@final
class FramePools(FrameKeeper):
    """Both pools of venue bytes: WsFrame and ProviderRaw."""

    def __init__(
        self, floors: dict[str, int] = ..., explicit: dict[str, int] | None = None, *, debug: bool = False
    ) -> None: ...
    def statistics(self) -> dict[str, PoolStatistics]:
        """Both pools by name."""
    def outstanding(self) -> list[dict[str, object]]:
        """What is out, newest first, in the shape of Recycler.outstanding()."""

@final
class FrameQueue:
    """Frames of one holder, oldest first; what is left in it goes back with it."""

    count: int
    def __init__(self, keeper: FrameKeeper) -> None: ...
