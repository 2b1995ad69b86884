"""The simulated venues as a child process: started, asked for their books, ended with their parent.

Nothing heavy is imported here: the child is started first, and gets ready while its parent does.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from engine.base.errors import ProtocolError, UnavailableError

if TYPE_CHECKING:
    from engine.providers.rest import RestClient

READY_WITHIN_S = 20.0
_STOP_WITHIN_S = 5.0
_OP = "simulator.start"

REAL_VENUES = ("binance", "coinbase", "kraken")
"""Those whose protocols the simulator speaks beside its own plain feed."""

Sides = dict[str, list[list[str]]]


def _surroundings() -> dict[str, str]:
    """An environment in which a child runs this very package, whatever the working folder has under its name."""
    home = str(Path(__file__).parents[2])
    path = os.pathsep.join(filter(None, (home, os.environ.get("PYTHONPATH"))))
    return {**os.environ, "PYTHONSAFEPATH": "1", "PYTHONPATH": path}


class SimulatedVenues:
    """``python -m engine.simulator`` and its control port: started by construction, ended by the context.

    Args:
        venues: which.
        rate: frames a second of all venues together.
        seed: the same seed gives the same market.
        bases: base assets to trade; none = the simulator's own choice.
        faults: names of faults that strike again and again.

    Raises:
        UnavailableError: it cannot be started.
    """

    def __init__(
        self, venues: Iterable[str], rate: float, seed: int, bases: Sequence[str] = (), faults: Sequence[str] = ()
    ) -> None:
        arguments = ["--exit-with-parent", "--venues", ",".join(venues), "--rate", str(rate), "--seed", str(seed)]
        if bases:
            arguments += ["--symbols", ",".join(bases)]
        if faults:
            arguments += ["--faults", ",".join(faults)]
        try:
            self._process = subprocess.Popen(
                (sys.executable, "-m", "engine.simulator", *arguments),
                env=_surroundings(),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                start_new_session=True,  # a Ctrl-C is for us: we still want to ask it for its books
            )
        except OSError as error:
            raise UnavailableError(f"the simulated venues cannot be started: {error}", op=_OP) from error
        self._output: asyncio.StreamReader | None = None
        self._transport: asyncio.ReadTransport | None = None
        self._control: RestClient | None = None
        self.endpoints: dict[str, dict[str, str]] = {}
        """By venue, and ``control``: addresses under ``ws`` and ``rest``."""

    async def __aenter__(self) -> Self:
        """Wait until it listens.

        Raises:
            UnavailableError: it does not.
        """
        from engine.providers.rest import RestClient

        self._control = RestClient("simulator")
        output = self._output = asyncio.StreamReader()
        loop = asyncio.get_running_loop()
        try:
            self._transport, _ = await loop.connect_read_pipe(
                lambda: asyncio.StreamReaderProtocol(output), self._process.stdout
            )
            self.endpoints = await self._addresses(output)
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
        assert self._output is not None
        await self._output.read()
        raise UnavailableError(f"the simulated venues have ended, {self._exit_text()}", op="simulator.run")

    async def pause(self) -> None:
        """Freeze every market with all its frames sent."""
        assert self._control is not None
        await self._control.post(f"{self.endpoints['control']['rest']}/pause")

    async def disarm(self) -> dict[str, dict[str, int]]:
        """Let no fault strike any more; returns how often each has: venue -> fault -> count."""
        import msgspec

        assert self._control is not None
        url = f"{self.endpoints['control']['rest']}/faults"
        await self._control.delete(url)
        struck: Any = msgspec.json.decode(await self._control.get(url))
        return {venue: counts for venue, counts in struck["counts"].items() if counts}

    async def books(self) -> dict[str, dict[str, Sides]]:
        """Venue -> venue symbol -> ``bids`` and ``asks`` of [price, quantity], best first, whole."""
        import msgspec

        assert self._control is not None
        found: Any = msgspec.json.decode(await self._control.get(f"{self.endpoints['control']['rest']}/books"))
        return {
            venue: {symbol: {side: book[side] for side in ("bids", "asks")} for symbol, book in books.items()}
            for venue, books in found.items()
        }

    async def orders(self, venue: str) -> list[dict[str, Any]]:
        """Every order that a venue has ever taken, but those of others: ``side``, ``filled`` and ``cost`` as texts."""
        import msgspec

        assert self._control is not None
        url = f"{self.endpoints['control']['rest']}/orders?venue={venue}"
        found: Any = msgspec.json.decode(await self._control.get(url))
        return [order for orders in found[venue].values() for order in orders if not order["foreign"]]

    async def _addresses(self, output: asyncio.StreamReader) -> dict[str, dict[str, str]]:
        import msgspec

        try:
            async with asyncio.timeout(READY_WITHIN_S):
                line = await output.readline()
        except TimeoutError:
            raise UnavailableError(
                f"the simulated venues were not ready within {READY_WITHIN_S:.0f} s", op=_OP
            ) from None
        if not line:
            raise UnavailableError(f"the simulated venues did not start, {self._exit_text()}", op=_OP)
        try:
            return msgspec.json.decode(line, type=dict[str, dict[str, str]])
        except msgspec.MsgspecError as error:
            raise ProtocolError(f"the simulated venues told no addresses: {error}", op=_OP, raw=line) from None

    def _exit_text(self) -> str:
        # It has closed its output: it is on its way out.
        try:
            return f"exit code {self._process.wait(_STOP_WITHIN_S)}"
        except subprocess.TimeoutExpired:
            return "no exit code yet"

    async def _end(self) -> None:
        if self._control is not None:
            await self._control.close()
        process = self._process
        if process.stdin is not None:
            process.stdin.close()
        try:
            if self._output is not None and self._transport is not None:
                async with asyncio.timeout(_STOP_WITHIN_S):
                    await self._output.read()
            process.wait(_STOP_WITHIN_S)
        except (TimeoutError, subprocess.TimeoutExpired):
            process.kill()
            process.wait()
        if self._transport is not None:
            self._transport.close()
