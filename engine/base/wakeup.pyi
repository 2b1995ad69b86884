from typing import final

@final
class Wakeup:
    """A binary signal from one thread to another."""

    def __init__(self) -> None: ...
    def wake(self) -> None:
        """End the wait in progress, or the next one; several before a wait count as one."""
    def wait_for(self, timeout_s: float) -> bool:
        """Wait at most *timeout_s*; returns whether it was woken."""
