"""The simulated venues in this process: built from what the command line says, run until a signal."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.base.errors import UnavailableError, ValidationError
from engine.observability.logs import start_logging
from engine.runtime.capture import CaptureRecord, read_capture
from engine.runtime.live import run_on_loop, stopping
from engine.runtime.prescan import scan_capture
from engine.simulator.fault_rules import FAULTS, FaultRule, named_rules
from engine.simulator.instruments import VENUES
from engine.simulator.playback import PlaybackError
from engine.simulator.playback_host import PlaybackHost
from engine.simulator.scenario import load_scenario
from engine.simulator.server import Simulator
from engine.simulator.serving import serve

__all__ = ["FAULTS", "VENUES", "Ready", "SimulatorOptions", "fault_plan", "play_capture", "simulate"]

_OP = "simulator.start"
# A load is made at this pace of the market, whatever it is sent at.
_LOAD_FRAMES_PER_S = 50_000.0

Ready = Callable[[dict[str, dict[str, str]]], None]


@dataclass(frozen=True)
class SimulatorOptions:
    """What the command line says of simulated venues.

    Attributes:
        venues: which.
        port: of the WebSockets; REST and control have the next two; 0 = any three.
        tls: whether WebSockets and REST speak it.
        rate: frames a second of all venues; None = as fast as clients read, of a load made beforehand.
        load_frames: make so many frames before any is sent; 0 = live.
        seed: of the markets and of the faults.
        symbols: how many instruments a venue.
        start_us: the market's first moment; None = now.
        held: whether no time passes before the control port says so.
        limited: whether the venues' limits of calls, messages and orders stand.
        rules: the fault plan.
        log_level: from which level lines go to stderr.
    """

    venues: Sequence[str]
    port: int
    tls: bool
    rate: float | None
    load_frames: int
    seed: int
    symbols: int
    start_us: int | None
    held: bool
    limited: bool
    rules: Sequence[FaultRule]
    log_level: str


def fault_plan(names: Sequence[str], scenario: Path | None) -> list[FaultRule]:
    """The rules of a fault plan.

    Args:
        names: faults that come again and again.
        scenario: a file of rules.

    Raises:
        ValidationError: a name that no fault has.
        ConfigError: the file cannot be read, or has faults.
    """
    try:
        named = named_rules(names)
    except ValueError as error:
        raise ValidationError(f"--faults: {error}", op=_OP, hint="leave out or correct the name") from None
    return [*named, *(load_scenario(scenario) if scenario is not None else ())]


def simulate(options: SimulatorOptions, ready: Ready) -> dict[str, Any]:
    """Serve simulated venues until SIGINT or SIGTERM; returns how many frames there were, and how late.

    Args:
        options: of the markets.
        ready: called with the addresses when they listen.

    Raises:
        CapacityError: a port is taken.
        ValidationError: a rule fits no venue here, or a library for TLS is missing.
    """
    start_logging(options.log_level, "text")
    with ExitStack() as stack:
        tls, told = _tls(options.tls, stack)

        async def main() -> dict[str, Any]:
            simulator = _simulator(options, tls)
            await _serve(simulator, ready, told)
            frames = sum(sum(venue["frames"].values()) for venue in simulator.counts().values())
            return {"frames": frames, **simulator.lateness()}

        return run_on_loop(main())


def play_capture(path: Path, options: SimulatorOptions, speed: float | None, ready: Ready) -> dict[str, Any]:
    """Serve a recording until SIGINT or SIGTERM; returns what was played of each venue.

    Args:
        path: the capture.
        options: of the ports; which of the recording's venues.
        speed: multiple of the recorded pace; None = as fast as clients read.
        ready: called with the addresses when they listen.

    Raises:
        CapacityError: a port is taken.
        ValidationError: the file cannot be read, or has none of the venues asked for.
        UnavailableError: the playback failed.
    """
    found = scan_capture(path).venues
    venues = [venue for venue in found if venue in options.venues]
    if not venues:
        raise ValidationError(
            f"{path}: no record of {', '.join(options.venues)}", op=_OP, hint=f"it has {', '.join(found) or 'none'}"
        )
    start_logging(options.log_level, "text")
    with ExitStack() as stack:
        tls, told = _tls(options.tls, stack)

        async def main() -> dict[str, Any]:
            host = PlaybackHost(_Records(path), venues, speed=speed, port=options.port, tls=tls)
            await _serve(host, ready, told)
            return host.counts()

        try:
            return run_on_loop(main())
        except PlaybackError as error:
            raise UnavailableError(str(error), op="simulator.play") from error


class _Records:
    """The records of a file, readable again and again."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __iter__(self) -> Iterator[CaptureRecord]:
        return read_capture(self._path)


def _tls(wanted: bool, stack: ExitStack) -> tuple[ssl.SSLContext | None, dict[str, dict[str, str]]]:
    """The context for servers, and what clients are told of it."""
    if not wanted:
        return None, {}
    # Its library takes a tenth of a second to load, and few ask for it.
    from engine.simulator.tls import LoopbackTls

    tls = stack.enter_context(LoopbackTls())
    return tls.context, {"tls": {"ca_file": str(tls.ca_file)}}


def _simulator(options: SimulatorOptions, tls: ssl.SSLContext | None) -> Simulator:
    try:
        return Simulator(
            seed=options.seed,
            rate_frames_per_s=options.rate or _LOAD_FRAMES_PER_S,
            symbols=options.symbols,
            venues=options.venues,
            port=options.port,
            start_us=options.start_us,
            held=options.held,
            limited=options.limited,
            rules=options.rules,
            tls=tls,
            load_frames=options.load_frames,
            flat_out=options.rate is None,
        )
    except ValueError as error:
        raise ValidationError(str(error), op=_OP, hint="name what is served") from None


async def _serve(served: Simulator | PlaybackHost, ready: Ready, told: dict[str, dict[str, str]]) -> None:
    stopped = asyncio.Event()
    with stopping(stopped.set):
        await serve(served, lambda endpoints: ready(endpoints | told), stopped)
