"""A recording of the plain feed, made by the simulated venue on the spot: the same for the same seed."""

from __future__ import annotations

from typing import Any

from tests.unit.simulator.clients import SECOND_US, START_US, Tape, make_venue, run, say

URL = "ws://venue/simulated"
SYMBOLS = ("BTC-USD", "ETH-USD")
CHANNELS: tuple[dict[str, Any], ...] = (
    {"channel": "instrument"},
    {"channel": "book", "symbols": SYMBOLS},
    {"channel": "trade", "symbols": SYMBOLS},
    {"channel": "ticker", "symbols": SYMBOLS},
    {"channel": "kline", "symbols": SYMBOLS, "interval": "1m"},
)

Record = dict[str, Any]


class _Recorder(Tape):
    """Keeps when each frame came."""

    def __init__(self, venue: Any) -> None:
        super().__init__()
        self._venue = venue
        self.times_us: list[int] = []

    def send(self, frame: bytes) -> None:
        super().send(frame)
        self.times_us.append(self._venue.timeline.now_us)


def plain_recording(seed: int = 3, *, seconds: float = 8, rate: float = 200, levels: int = 30) -> list[Record]:
    """Records of one connection that carries every channel of two instruments, and of the list of instruments."""
    venue = make_venue("simulated", seed=seed, symbols=len(SYMBOLS), rate=rate, levels=levels)
    recorder = _Recorder(venue)
    session = venue.connect("/simulated", {}, recorder)
    for request in CHANNELS:
        say(venue, session, op="subscribe", **request)
    run(venue, seconds)
    body = venue.rest("/simulated/instruments", {}).body
    listed = _record(START_US, "http", -1, "http://venue/simulated/instruments", body)
    frames = zip(recorder.times_us, recorder.frames, strict=True)
    return [listed, *(_record(at_us, "ws", 0, URL, frame.decode()) for at_us, frame in frames)]


def _record(at_us: int, channel: str, conn: int, url: str, raw: str) -> Record:
    at_ns = at_us * (1_000_000_000 // SECOND_US)
    return {"ts_ns": at_ns, "venue": "simulated", "channel": channel, "conn": conn, "url": url, "raw": raw}
