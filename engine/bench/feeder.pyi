from typing_extensions import disjoint_base

from engine.consumers.handler import Handler
from engine.schema.ports import FrameSink

@disjoint_base
class Feeder:
    """Frames kept one behind the other in native memory.

    Args:
        frames: whole frames, in order.
    """

    def __init__(self, frames: list[bytes]) -> None: ...
    @property
    def count(self) -> int:
        """Frames held."""

    @property
    def bytes(self) -> int:
        """Bytes held."""

    def feed(
        self, sink: FrameSink, frames_per_read: int = 64, conn: int = 0, begin: int = 0, end: int = -1
    ) -> int:
        """Feed frames [begin, end) as reads of *frames_per_read*, one arrival stamp a read; returns wall ns."""

    def follow_ids(self, places: list[tuple[int, int, int]]) -> None:
        """Tell where the update ids stand: for each frame two of (offset, digits, step of a cycle), U then u.

        Raises:
            ValueError: not two a frame.
        """

    def next_cycle(self) -> None:
        """Write the ids of the next cycle into the frames; lengths stay.

        Raises:
            OverflowError: an id would gain a digit.
        """

    def walk(self, passes: int = 1) -> tuple[int, int]:
        """The bare simdjson on-demand walk of all frames, every field once: (wall ns, a sum over what was seen)."""

@disjoint_base
class TwoFields(Handler):
    """A consumer in Cython that reads two fields of each event."""

    @property
    def events(self) -> int: ...
    @property
    def first_sum(self) -> int: ...
    @property
    def second_sum(self) -> int: ...
