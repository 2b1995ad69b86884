from typing import Any, final

from engine.consumers.runner import Runner

class ConsumerInterrupted(BaseException):
    """Raised inside a callback that did not return when its consumer was stopped."""

@final
class ThreadRunner(Runner):
    """A consumer with a thread of its own (CTL-12).

    Args:
        in_step: the engine waits at the end of each read until this consumer has nothing left to do: for a replay,
            whose clock must stand while a callback looks at it.
        args, settings: as for :class:`~engine.consumers.runner.Runner`.

    Attributes:
        batch_within_ns: how long a batch is to take at most, which reports of orders wait for; a slow callback gets fewer
            events at a time, as many as its last batch shows.
        drain_within_ns: so long after it was asked to stop all that is queued is still delivered; then only what must not
            be lost.
    """

    batch_within_ns: int
    drain_within_ns: int

    def __init__(self, *args: Any, in_step: bool = False, **settings: Any) -> None: ...
