"""The simulated venues in this process: built from what the command line says, run until a signal."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from engine.base.errors import ValidationError
from engine.runtime.live import run_on_loop, stopping
from engine.simulator.fault_rules import FaultRule, named_rules
from engine.simulator.instruments import VENUES
from engine.simulator.server import Simulator
from engine.simulator.serving import serve

__all__ = ["VENUES", "Simulator", "fault_plan", "simulate"]

_OP = "simulator.start"


def fault_plan(names: Sequence[str]) -> list[FaultRule]:
    """The rules of a fault plan.

    Args:
        names: faults that come again and again.

    Raises:
        ValidationError: a name that no fault has.
    """
    try:
        return named_rules(names)
    except ValueError as error:
        raise ValidationError(f"--faults: {error}", op=_OP, hint="leave out or correct the name") from None


def simulate(
    ready: Callable[[Simulator], None],
    ended: Callable[[Simulator], None],
    *,
    venues: Sequence[str],
    port: int,
    rate: float,
    seed: int,
    symbols: int,
    rules: Sequence[FaultRule],
) -> None:
    """Serve simulated venues until SIGINT or SIGTERM.

    Args:
        ready: called when they listen.
        ended: called when they have ended.
        venues: which.
        port: of the WebSockets; REST and control have the next two; 0 = any three.
        rate: frames a second of all venues.
        seed: of the markets and of the faults.
        symbols: how many instruments a venue.
        rules: the fault plan.

    Raises:
        CapacityError: a port is taken.
        ValidationError: a rule fits no venue here.
    """
    try:
        simulator = Simulator(
            seed=seed, rate_frames_per_s=rate, symbols=symbols, venues=venues, port=port, rules=rules
        )
    except ValueError as error:
        raise ValidationError(str(error), op=_OP, hint="name one that is served") from None

    async def main() -> None:
        stopped = asyncio.Event()
        with stopping(stopped.set):
            await serve(simulator, ready, stopped)

    run_on_loop(main())
    ended(simulator)
