"""``python -m engine.simulator``: serve the simulated venues until told to stop."""

import argparse
import asyncio
import signal
import sys

import msgspec
import uvloop

from engine.simulator.fault_rules import named_rules
from engine.simulator.instruments import VENUES
from engine.simulator.server import Simulator
from engine.simulator.serving import serve, stop_with_standard_input
from engine.simulator.venue import DEFAULT_DEPTH_LEVELS


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m engine.simulator",
        description="Simulated Binance, Coinbase and Kraken, and a plain feed, on loopback. One JSON line with all "
        "addresses says that they are ready.",
    )
    parser.add_argument("--seed", type=int, default=1, help="the same seed gives the same market (1)")
    parser.add_argument("--rate", type=float, default=2000, help="frames a second of all venues (2000)")
    parser.add_argument("--symbols", default="3", help="how many, or a list of base assets: BTC,ETH (3)")
    parser.add_argument("--venues", default=",".join(VENUES), help="which venues (all)")
    parser.add_argument("--depth-levels", type=int, default=DEFAULT_DEPTH_LEVELS, help="of a side of a book")
    parser.add_argument("--start-us", type=int, help="the market's first moment, us since 1970 (now)")
    parser.add_argument("--held", action="store_true", help="let no time pass before POST /resume")
    parser.add_argument("--unlimited", action="store_true", help="lift the limits of calls, messages and orders")
    parser.add_argument("--faults", default="", metavar="NAME[,..]", help="bad weather, again and again")
    parser.add_argument("--exit-with-parent", action="store_true", help="stop when standard input ends")
    return parser.parse_args()


async def _serve(arguments: argparse.Namespace) -> None:
    symbols: str = arguments.symbols
    simulator = Simulator(
        seed=arguments.seed,
        rate_frames_per_s=arguments.rate,
        symbols=int(symbols) if symbols.isdecimal() else symbols.split(","),
        venues=arguments.venues.split(","),
        depth_levels=arguments.depth_levels,
        start_us=arguments.start_us,
        held=arguments.held,
        limited=not arguments.unlimited,
        rules=named_rules(filter(None, arguments.faults.split(","))),
    )
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    if arguments.exit_with_parent:
        await stop_with_standard_input(stopped)
    await serve(simulator, _print_endpoints, stopped)


def _print_endpoints(endpoints: dict[str, dict[str, str]]) -> None:
    sys.stdout.write(f"{msgspec.json.encode(endpoints).decode()}\n")
    sys.stdout.flush()


def main() -> int:
    """Exit code 0 after a stop by signal or by the end of standard input, 2 for wrong arguments."""
    arguments = _arguments()
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(_serve(arguments))
    except ValueError as error:
        sys.stderr.write(f"simulator: {error}\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
