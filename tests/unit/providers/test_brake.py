"""BP-01, EVT-31: reading a provider's sockets stops for a short while where places are short, and goes on by itself."""

from __future__ import annotations

import asyncio

from engine.providers.brake import Brake


def test_reading_stops_for_so_long_at_a_time_and_goes_on_by_itself_BP_01() -> None:
    async def main() -> None:
        for most_ms in (20, 60):
            calls: list[str] = []
            brake = Brake(lambda: calls.append("pause"), lambda: calls.append("resume"), most_ms)  # noqa: B023
            loop = asyncio.get_running_loop()
            begun_s = loop.time()
            assert brake.press()
            assert not brake.press(), "again while it lasts does nothing"
            assert brake.is_pressed
            while brake.is_pressed:
                await asyncio.sleep(0.001)
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
