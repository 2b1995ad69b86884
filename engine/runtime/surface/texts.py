"""JSON of what never changes, made once however often it is asked for."""

from __future__ import annotations

from typing import Protocol

import msgspec

KEPT_MAX = 8192


class Told(Protocol):
    """A value that is told as it was made: an instrument's record, a record of telemetry."""

    def to_json(self) -> bytes:
        """One JSON object."""


class Texts:
    """What the surface's thread has told already. Used on that thread alone.

    Args:
        kept_max: texts held; with one more all are made anew as they are asked for.
    """

    def __init__(self, kept_max: int = KEPT_MAX) -> None:
        self._kept_max = kept_max
        # By identity: what is held here keeps its own, and equal values need not be looked into.
        self._kept: dict[int, tuple[Told, msgspec.Raw]] = {}

    @property
    def held_count(self) -> int:
        """Texts held now."""
        return len(self._kept)

    def of(self, told: Told) -> msgspec.Raw:
        """The JSON of *told*."""
        found = self._kept.get(id(told))
        if found is None:
            if len(self._kept) >= self._kept_max:
                self._kept.clear()
            found = self._kept[id(told)] = told, msgspec.Raw(told.to_json())
        return found[1]
