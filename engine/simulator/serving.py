"""A simulator for as long as somebody wants it: start, tell, wait for the word, stop."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from typing import Protocol

from engine.base.heap import keep_heap
from engine.base.workers import TaskScope


class Served(Protocol):
    """What can be served: live markets, or a recording."""

    endpoints: dict[str, dict[str, str]]

    async def start(self) -> None:
        """Listen; ``endpoints`` is filled on return."""

    async def work(self) -> None:
        """What is done beside the clients, to its end."""

    async def stop(self) -> None:
        """Drop every client and close every port."""


async def serve(served: Served, ready: Callable[[dict[str, dict[str, str]]], None], stopped: asyncio.Event) -> None:
    """Run *served* until *stopped* is set; *ready* is called with its addresses when it listens.

    What its work raises ends it.
    """
    await served.start()
    keep_heap()
    try:
        ready(served.endpoints)
        async with TaskScope() as scope:
            scope.start(served.work())
            await stopped.wait()
    finally:
        await served.stop()


async def stop_with_standard_input(stopped: asyncio.Event) -> None:
    """Set *stopped* when standard input ends; what comes in is not read for meaning."""

    class Watch(asyncio.Protocol):
        def connection_lost(self, exc: Exception | None) -> None:
            stopped.set()

    await asyncio.get_running_loop().connect_read_pipe(Watch, sys.stdin)
