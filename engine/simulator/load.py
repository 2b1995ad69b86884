"""Load for benchmarks: the market's frames made and framed beforehand, then sent by the schedule or flat out."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from itertools import accumulate
from typing import Protocol

import msgspec

from engine.observability.latency import LatencyHistogram
from engine.simulator.timeline import Timeline

_PREPARED_US = 20_000
_CHUNK_BYTES = 1 << 18
_TURN_S = 0.001

Tape = list[tuple[int, bytes]]


class Taped(Protocol):
    """A connection whose frames can be kept instead of sent."""

    def begin_tape(self) -> None:
        """Keep what is sent from now on."""

    @property
    def tape(self) -> Tape:
        """What has been kept: when it was due, in microseconds of the market's time, and its bytes on the wire."""

    def end_tape(self) -> None:
        """Send again as usual."""

    def write(self, wire_bytes: bytes) -> None:
        """Send bytes as they are."""

    async def writable(self) -> None:
        """Return when the socket takes more."""

    async def drained(self) -> None:
        """Return when the socket has taken everything."""


class Market(Protocol):
    """A venue as the load sees it."""

    timeline: Timeline

    def advance(self, to_us: int) -> None:
        """Let the venue's time pass."""

    @property
    def has_subscribers(self) -> bool:
        """Whether anything is listened to."""


class LoadReport(msgspec.Struct, frozen=True):
    """What a load run came to; times in seconds, rates in frames a second."""

    frames: int
    wire_bytes: int
    prepare_s: float
    send_s: float
    frames_per_s: float


class LoadRun:
    """One run over the connections that are there when it begins.

    Args:
        markets: whose frames.
        connections: where to.
        frames_count: at least so many frames in all.
        lateness: where a paced run notes how late each frame went; None = send flat out.
    """

    def __init__(
        self, markets: Sequence[Market], connections: Sequence[Taped], frames_count: int,
        lateness: LatencyHistogram | None,
    ) -> None:  # fmt: skip
        self._markets = [market for market in markets if market.has_subscribers]
        self._connections = connections
        self._frames_count = frames_count
        self._lateness = lateness

    async def run(self) -> LoadReport:
        """Make the frames, send them; returns when the sockets have taken the last. Without a listener: at once."""
        began_s = time.monotonic()
        for connection in self._connections:
            connection.begin_tape()
        while self._markets and sum(len(connection.tape) for connection in self._connections) < self._frames_count:
            for market in self._markets:
                market.advance(market.timeline.now_us + _PREPARED_US)
            await asyncio.sleep(0)
        tapes = [connection.tape for connection in self._connections]
        for connection in self._connections:
            connection.end_tape()
        prepared_s = time.monotonic()
        if self._lateness is None:
            await asyncio.gather(
                *(_flat_out(connection, tape) for connection, tape in zip(self._connections, tapes, strict=True))
            )
        else:
            await self._paced(tapes, self._lateness)
        await asyncio.gather(*(connection.drained() for connection in self._connections))
        sent_s = time.monotonic() - prepared_s
        frames = sum(map(len, tapes))
        wire_bytes = sum(len(wire_bytes) for tape in tapes for _, wire_bytes in tape)
        return LoadReport(frames, wire_bytes, prepared_s - began_s, sent_s, frames / sent_s if sent_s else 0.0)

    async def _paced(self, tapes: list[Tape], lateness: LatencyHistogram) -> None:
        """Send each frame when it is due, counted from the first: a late turn shifts nothing after it."""
        first_us = min((tape[0][0] for tape in tapes if tape), default=0)
        places = [0] * len(tapes)
        began_ns = time.monotonic_ns()
        while any(place < len(tape) for place, tape in zip(places, tapes, strict=True)):
            now_ns = time.monotonic_ns() - began_ns
            for index, (connection, tape) in enumerate(zip(self._connections, tapes, strict=True)):
                place = begin = places[index]
                while place < len(tape) and (due_ns := (tape[place][0] - first_us) * 1000) <= now_ns:
                    lateness.add(now_ns - due_ns)
                    place += 1
                if place > begin:
                    connection.write(b"".join([wire_bytes for _, wire_bytes in tape[begin:place]]))
                    places[index] = place
            await asyncio.sleep(_TURN_S)


async def _flat_out(connection: Taped, tape: Tape) -> None:
    for chunk in _chunks(tape):
        await connection.writable()
        connection.write(chunk)


def _chunks(tape: Tape) -> list[bytes]:
    """The frames of a tape, whole, joined to pieces of a good size for a socket."""
    frames = [wire_bytes for _, wire_bytes in tape]
    ends = list(accumulate(map(len, frames)))
    chunks, begin, begun_bytes = [], 0, 0
    for index, end in enumerate(ends):
        if end - begun_bytes >= _CHUNK_BYTES or index == len(ends) - 1:
            chunks.append(b"".join(frames[begin : index + 1]))
            begin, begun_bytes = index + 1, end
    return chunks
