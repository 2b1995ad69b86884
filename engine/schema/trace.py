"""The way one event went, as a value."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class StageTrace:
    """One event's way from the frame to the first callback that saw it (ARC-01).

    Attributes:
        type: of the event.
        provider, symbol: its stream's.
        trace_id: the event's.
        stages_ns: when each of the five stages was done with it, in ns after its frame was handed in: ``provider``
            (decoded, book kept), ``orchestrator``, ``dispatcher`` (routed), ``bus`` (in every mailbox), ``consumer``
            (a callback started).
    """

    type: str
    provider: str
    symbol: str | None
    trace_id: str
    stages_ns: dict[str, int]
