"""SIGINT and SIGTERM for work that runs without a loop; :func:`engine.runtime.live.stopping` is the one on a loop."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from engine.base.errors import InternalError

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM)
# Who signals a process and its whole group, as timeout(1) does, means it once.
_SAME_SIGNAL_S = 0.25


@contextmanager
def stopping_by_signal(stop: Callable[[], None]) -> Iterator[None]:
    """Call *stop* at the first SIGINT or SIGTERM; a second one ends the work inside at once. In the main thread only.

    Raises:
        InternalError: it was ended by the second one.
    """
    first_s: float | None = None
    was_cut = False

    def on_signal(_number: int, _frame: FrameType | None) -> None:
        nonlocal first_s, was_cut
        if first_s is None:
            first_s = time.monotonic()
            stop()
        elif time.monotonic() - first_s > _SAME_SIGNAL_S:
            was_cut = True
            raise KeyboardInterrupt

    before = {number: signal.signal(number, on_signal) for number in STOP_SIGNALS}
    try:
        yield
    except KeyboardInterrupt:
        if not was_cut:
            raise
        hint = "the first signal alone would have ended it in order"
        raise InternalError("ended by a second signal", op="run", hint=hint) from None
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
