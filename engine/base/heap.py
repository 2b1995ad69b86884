"""What the cycle collector walks: not what lives as long as the process."""

from __future__ import annotations

import gc


def keep_heap() -> None:
    """Exempt what is there now from the cycle collector, once a process has begun and before it says that it has.

    Modules and what was made at the start live as long as the process. Walking some hundred thousand of their objects
    takes a tenth of a second each time, in which no frame is read and no call is answered.
    """
    gc.collect()
    gc.freeze()


def release_heap() -> None:
    """Give the collector back what was exempted, for a process that goes on."""
    gc.unfreeze()
