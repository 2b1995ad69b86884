"""The simulated venues as a child process: started, asked for their books, ended with their parent."""

from __future__ import annotations

import asyncio
import sys
from types import TracebackType
from typing import Any, Self

import msgspec

from engine.base.errors import ProtocolError, UnavailableError
from engine.providers.rest import RestClient

READY_WITHIN_S = 20.0
_STOP_WITHIN_S = 5.0
_OP = "simulator.start"

Sides = dict[str, list[list[str]]]


class SimulatedVenues:
    """``python -m engine.simulator`` and its control port: an async context manager.

    Args:
        rate: frames a second of all venues together.
        seed: the same seed gives the same market.
    """

    def __init__(self, rate: float, seed: int) -> None:
        self._arguments = ("--exit-with-parent", "--rate", str(rate), "--seed", str(seed))
        self._process: asyncio.subprocess.Process | None = None
        self._control = RestClient("simulator")
        self.endpoints: dict[str, dict[str, str]] = {}

    async def __aenter__(self) -> Self:
        """Start it and wait until it listens.

        Raises:
            UnavailableError: it cannot be started.
        """
        try:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "engine.simulator", *self._arguments,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                start_new_session=True,  # a Ctrl-C is for us: we still want to ask it for its books
            )  # fmt: skip
        except OSError as error:
            raise UnavailableError(f"the simulated venues cannot be started: {error}", op=_OP) from error
        try:
            self.endpoints = await self._addresses(self._process)
        except BaseException:
            await self._end()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._end()

    async def ended(self) -> None:
        """Wait for an end that nobody asked for.

        Raises:
            UnavailableError: always, when it has come.
        """
        assert self._process is not None
        code = await self._process.wait()
        raise UnavailableError(f"the simulated venues have ended, exit code {code}", op="simulator.run")

    async def pause(self) -> None:
        """Freeze every market with all its frames sent."""
        await self._control.post(f"{self.endpoints['control']['rest']}/pause")

    async def books(self) -> dict[str, dict[str, Sides]]:
        """Venue -> venue symbol -> ``bids`` and ``asks`` of [price, quantity], best first, whole."""
        body = await self._control.get(f"{self.endpoints['control']['rest']}/books")
        found: Any = msgspec.json.decode(body)
        return {
            venue: {
                symbol: {side: book[side] for side in ("bids", "asks")} for symbol, book in books.items()
            }
            for venue, books in found.items()
        }

    async def _addresses(self, process: asyncio.subprocess.Process) -> dict[str, dict[str, str]]:
        assert process.stdout is not None
        try:
            async with asyncio.timeout(READY_WITHIN_S):
                line = await process.stdout.readline()
        except TimeoutError:
            raise UnavailableError(
                f"the simulated venues were not ready within {READY_WITHIN_S:.0f} s", op=_OP
            ) from None
        if not line:
            code = await process.wait()
            raise UnavailableError(f"the simulated venues did not start, exit code {code}", op=_OP)
        try:
            return msgspec.json.decode(line, type=dict[str, dict[str, str]])
        except msgspec.MsgspecError as error:
            raise ProtocolError(f"the simulated venues told no addresses: {error}", op=_OP, raw=line) from None

    async def _end(self) -> None:
        await self._control.close()
        process = self._process
        if process is None or process.returncode is not None:
            return
        if process.stdin is not None:
            process.stdin.close()
        try:
            async with asyncio.timeout(_STOP_WITHIN_S):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()
