"""A simulator for as long as somebody wants it: start, tell, wait for the word, stop."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable

from engine.simulator.server import Simulator


async def serve(simulator: Simulator, ready: Callable[[Simulator], None], stopped: asyncio.Event) -> None:
    """Run *simulator* until *stopped* is set; *ready* is called when it listens."""
    await simulator.start()
    try:
        ready(simulator)
        await stopped.wait()
    finally:
        await simulator.stop()


async def stop_with_standard_input(stopped: asyncio.Event) -> None:
    """Set *stopped* when standard input ends; what comes in is not read for meaning."""

    class Watch(asyncio.Protocol):
        def connection_lost(self, exc: Exception | None) -> None:
            stopped.set()

    await asyncio.get_running_loop().connect_read_pipe(Watch, sys.stdin)
