from typing import final

from engine.observability.latency import LatencyHistogram
from engine.schema.trace import StageTrace

STAGE_NAMES: tuple[str, ...]

@final
class StageTimer:
    """Times the stages of sampled frames, and follows the first event of each through to a callback.

    At most one event of a type is followed at a time, so what follows them is fixed in size and in cost. Owned by the
    runtime; each stage marks when it is done.

    Args:
        sampling: share of the frames that is timed, 0..1; 0 = none. The clock is read six times for one.
    """

    def __init__(self, sampling: float = 1.0) -> None: ...
    def begin_made(self) -> None:
        """An event starts that comes from no frame."""
    def histograms(self) -> dict[str, LatencyHistogram]:
        """Stage name -> histogram of the sampled frames."""
    def traces(self) -> list[StageTrace]:
        """The newest whole way of each type of event that was followed."""
