"""BP-01, EVT-31: reading a provider's sockets stops for a short while where places are short, and goes on by itself."""

from __future__ import annotations

import asyncio
from functools import partial

from engine.providers.brake import Brake


def test_reading_stops_for_so_long_at_a_time_and_goes_on_by_itself_BP_01() -> None:
    async def main() -> None:
        for most_ms in (20, 60):
            calls: list[str] = []
            resumed = asyncio.Event()

            def resume(calls: list[str] = calls, resumed: asyncio.Event = resumed) -> None:
                calls.append("resume")
                resumed.set()

            brake = Brake(partial(calls.append, "pause"), resume, most_ms)
            loop = asyncio.get_running_loop()
            begun_s = loop.time()
            assert brake.press()
            assert not brake.press(), "again while it lasts does nothing"
            assert brake.is_pressed
            await resumed.wait()
            assert not brake.is_pressed
            assert calls == ["pause", "resume"]
            assert loop.time() - begun_s >= most_ms / 1e3
            assert brake.paused_s >= most_ms / 1e3
            assert brake.press()
            brake.release()
            assert (calls, brake.pauses_count) == (["pause", "resume"] * 2, 2)

    asyncio.run(main())


def test_a_pause_of_nothing_never_begins() -> None:
    brake = Brake(lambda: None, lambda: None, 0)
    assert not brake.press()
    brake.release()
    assert (brake.is_pressed, brake.pauses_count) == (False, 0)
