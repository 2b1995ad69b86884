"""Debug only: where each event was acquired and where it was recycled, by the event's identity.

A note keeps the frames' code and instructions, not their text: some microseconds, so that debug switched on in a loaded
engine slows it and does not stop it. The text is made when somebody asks.
"""

from __future__ import annotations

import linecache
import sys
import time
from dataclasses import dataclass, field
from types import CodeType

DEPTH = 12
"""Frames kept of each stack, the innermost ones."""

Place = tuple[CodeType, int]
"""A frame's code and the offset of the instruction it was at."""


@dataclass(slots=True)
class History:
    """The last life of one event."""

    acquired_at: tuple[Place, ...] = ()
    acquired_ns: int = field(default_factory=time.monotonic_ns)
    recycled_at: tuple[Place, ...] = ()

    @property
    def acquired(self) -> str:
        """The stack that took the event, as text."""
        return as_text(self.acquired_at)

    @property
    def recycled(self) -> str:
        """The stack that gave it back, as text; empty while it is out."""
        return as_text(self.recycled_at)


_histories: dict[int, History] = {}


def note_acquired(event_address: int) -> None:
    """A life begins: forget the one before."""
    _histories[event_address] = History(_places())


def note_recycled(event_address: int) -> None:
    """The life ends; the stack of its beginning stays until the next one."""
    _histories.setdefault(event_address, History()).recycled_at = _places()


def history_of(event_address: int) -> History | None:
    """What is known of an event; None when debug was off."""
    return _histories.get(event_address)


def describe(event_address: int) -> str:
    """Both stacks as text, for the error about a recycled event."""
    known = _histories.get(event_address, History())
    return f"\nacquired at:\n{known.acquired}recycled at:\n{known.recycled}"


def current_stack() -> str:
    """The caller's stack as text, without the frames of this module."""
    return as_text(_places())


def as_text(places: tuple[Place, ...]) -> str:
    """As a traceback shows it, the outermost frame first."""
    return "".join(_line(code, at) for code, at in reversed(places))


def _places() -> tuple[Place, ...]:
    frame = sys._getframe(1)
    while frame.f_back is not None and frame.f_code.co_filename == __file__:
        frame = frame.f_back
    places: list[Place] = []
    while len(places) < DEPTH:
        places.append((frame.f_code, frame.f_lasti))
        if frame.f_back is None:
            break
        frame = frame.f_back
    return tuple(places)


def _line(code: CodeType, at: int) -> str:
    number = line_number(code, at)
    source = linecache.getline(code.co_filename, number).strip()
    return f'  File "{code.co_filename}", line {number}, in {code.co_name}\n' + (f"    {source}\n" if source else "")


def line_number(code: CodeType, at: int) -> int:
    """The line of the instruction at *at*; the function's first line where the code does not say."""
    for start, end, number in code.co_lines():
        if start <= at < end and number is not None:
            return number
    return code.co_firstlineno
