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
        drain_within_ns: so long after it was asked to stop all that is queued is still delivered; then only what must not
            be lost.
    """

    drain_within_ns: int

    def __init__(self, *args: Any, in_step: bool = False, **settings: Any) -> None: ...
