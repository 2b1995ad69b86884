"""Debug only: where each event was acquired and where it was recycled, by the event's identity."""

from __future__ import annotations

import time
import traceback
from dataclasses import dataclass, field

DEPTH = 12
"""Frames kept of each stack, the innermost ones."""


@dataclass(slots=True)
class History:
    """The last life of one event."""

    acquired: str = ""
    acquired_ns: int = field(default_factory=time.monotonic_ns)
    recycled: str = ""


_histories: dict[int, History] = {}


def note_acquired(event_address: int) -> None:
    """A life begins: forget the one before."""
    _histories[event_address] = History(acquired=current_stack())


def note_recycled(event_address: int) -> None:
    """The life ends; the stack of its beginning stays until the next one."""
    _histories.setdefault(event_address, History()).recycled = current_stack()


def history_of(event_address: int) -> History | None:
    """What is known of an event; None when debug was off."""
    return _histories.get(event_address)


def describe(event_address: int) -> str:
    """Both stacks as text, for the error about a recycled event."""
    known = _histories.get(event_address, History())
    return f"\nacquired at:\n{known.acquired}recycled at:\n{known.recycled}"


def current_stack() -> str:
    """The caller's stack as text, without the frames of this module."""
    return "".join(line for line in traceback.format_stack(limit=DEPTH + 2) if __file__ not in line)
