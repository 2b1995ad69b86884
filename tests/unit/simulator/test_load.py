"""Loads made beforehand: the same frames as live, whole, by the schedule or flat out."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import aiohttp
import pytest

from engine.observability.latency import LatencyHistogram
from engine.simulator.load import LoadRun
from engine.simulator.server import Simulator
from engine.simulator.wires import text_frame
from tests.unit.simulator.clients import KrakenBook, SocketClient, as_side, make_venue, parse, say
from tests.unit.simulator.test_server import fetch


class Wire:
    """A connection without a socket."""

    def __init__(self, venue: Any) -> None:
        self.venue = venue
        self.live: list[bytes] = []
        self.written: list[bytes] = []
        self.tape: list[tuple[int, bytes]] = []
        self.is_taping = False

    def send(self, frame: bytes) -> None:
        if self.is_taping:
            self.tape.append((self.venue.timeline.now_us, text_frame(frame)))
        else:
            self.live.append(frame)

    def begin_tape(self) -> None:
        self.is_taping = True

    def end_tape(self) -> None:
        self.is_taping = False

    def write(self, wire_bytes: bytes) -> None:
        self.written.append(wire_bytes)

    async def writable(self) -> None:
        return None

    async def drained(self) -> None:
        return None


def listening() -> tuple[Any, Wire]:
    venue = make_venue("kraken", rate=2000)
    wire = Wire(venue)
    session = venue.connect("/v2", {}, wire)  # type: ignore[arg-type]
    say(venue, session, method="subscribe", params={"channel": "book", "symbol": ["BTC/USD"]})
    return venue, wire


@pytest.mark.parametrize("lateness", [None, LatencyHistogram()])
def test_what_was_made_is_what_is_written_whole_and_in_order(lateness: LatencyHistogram | None) -> None:
    venue, wire = listening()
    report = asyncio.run(LoadRun([venue], [wire], 400, lateness).run())
    frames = [wire_bytes for _, wire_bytes in wire.tape]
    assert b"".join(wire.written) == b"".join(frames)
    assert report.frames == len(frames) >= 400
    assert report.wire_bytes == sum(map(len, frames))
    assert report.frames_per_s == pytest.approx(report.frames / report.send_s)
    if lateness is not None:
        assert lateness.count == report.frames
        # 400 frames at 2000 a second.
        assert report.send_s == pytest.approx((wire.tape[-1][0] - wire.tape[0][0]) / 1e6, rel=0.5)


def test_a_load_without_a_listener_ends_at_once() -> None:
    venue = make_venue("kraken")
    report = asyncio.run(LoadRun([venue], [], 1000, None).run())
    assert (report.frames, report.frames_per_s) == (0, 0.0)


@pytest.mark.parametrize("size", [0, 125, 126, 65_535, 65_536])
def test_a_frame_has_the_header_of_its_size(size: int) -> None:
    frame = text_frame(b"x" * size)
    header = 2 if size < 126 else 4 if size < 65_536 else 10
    assert (len(frame), frame[0]) == (header + size, 0x81)
    assert int.from_bytes(frame[2:header], "big") == (size if header > 2 else 0)
    assert frame[1] == {2: size, 4: 126, 10: 127}[header]


def test_a_client_builds_the_venues_book_from_a_load() -> None:
    async def main() -> None:
        simulator = Simulator(rate_frames_per_s=5000, symbols=1, depth_levels=60, load_frames=600, flat_out=True)
        await simulator.start()
        work = asyncio.ensure_future(simulator.work())
        client = await SocketClient.open(simulator.endpoints["kraken"]["ws"])
        client.say(method="subscribe", params={"channel": "book", "symbol": ["BTC/USD"]})
        await client.until(lambda: len(client.frames) == 3)
        async with aiohttp.ClientSession() as http:
            control = simulator.endpoints["control"]["rest"]
            assert await fetch(http, f"{control}/resume", "POST") == {"paused": False}
            await work
            told = await fetch(http, f"{control}/lateness")
            assert told["load"]["frames"] >= 600
            await client.until(lambda: len(client.frames) == 3 + told["load"]["frames"])
            books = await fetch(http, f"{control}/books?venue=kraken")
        view = KrakenBook(10, 1, 8)
        for message in map(parse, client.frames):
            if message.get("channel") == "book":
                view.on_message(message)
        assert view.failures_count == 0
        assert view.bids == as_side(books["kraken"]["BTC/USD"]["bids"][:10])
        client.transport.disconnect()
        await simulator.stop()

    asyncio.run(main())


def test_a_load_is_the_same_bytes_as_the_live_market() -> None:
    venue, wire = listening()
    asyncio.run(LoadRun([venue], [wire], 100, None).run())
    live_venue, live_wire = listening()
    before = len(live_wire.live)
    while len(live_wire.live) - before < 100:
        live_venue.advance(live_venue.timeline.now_us + 1000)
    made = b"".join(wire_bytes for _, wire_bytes in wire.tape[:100])
    assert made == b"".join(text_frame(frame) for frame in live_wire.live[before : before + 100])
    assert json.loads(live_wire.live[-1])
