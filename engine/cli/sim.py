"""``engine-run sim``: the simulated venues on loopback, in the venues' own protocols."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer

from engine.cli.common import JsonFlag, LogLevelFlag, between, flags_of, one_of

if TYPE_CHECKING:
    from engine.runtime.simulate import Simulator

_VENUES = ("all", "binance", "coinbase", "kraken")
_RATE_MAX = 200_000
_SYMBOLS_MAX = 1000
_PORT_MAX = 65_533


def register(app: typer.Typer) -> None:
    """Add the verb."""

    @app.command()
    def sim(
        ctx: typer.Context,
        venue: Annotated[
            str, typer.Option(help=f"Which venues: {', '.join(_VENUES)}.", callback=one_of(_VENUES))
        ] = "all",
        port: Annotated[
            int,
            typer.Option(
                help="WebSockets; REST has the next port, control the one after; 0 = any three.",
                callback=between(0, _PORT_MAX),
            ),
        ] = 8870,
        rate: Annotated[
            float, typer.Option(help="Frames a second of all venues.", callback=between(1, _RATE_MAX))
        ] = 2000.0,
        seed: Annotated[int, typer.Option(help="The same seed gives the same market.", callback=between(0))] = 1,
        symbols: Annotated[
            int, typer.Option(help="Instruments a venue.", callback=between(1, _SYMBOLS_MAX))
        ] = 3,
        faults: Annotated[
            str | None, typer.Option("--faults", metavar="NAME[,..]", help="Bad weather, again and again.")
        ] = None,
        log_level: LogLevelFlag = None,
        as_json: JsonFlag = False,
    ) -> None:
        """Serve simulated venues on loopback until a signal; prints all addresses when ready."""
        flags = flags_of(ctx, None, (), log_level, as_json)
        if flags.config is not None or flags.sets:
            raise typer.BadParameter("sim reads no configuration; leave --config and --set out")
        from engine.observability.logs import start_logging
        from engine.runtime.simulate import fault_plan, simulate

        rules = fault_plan([name for name in (faults or "").split(",") if name])
        start_logging(flags.log_level or "info", "text")
        simulate(
            lambda simulator: _print_ready(simulator, flags.as_json),
            _print_lateness,
            venues=_VENUES[1:] if venue == "all" else (venue,),
            port=port,
            rate=rate,
            seed=seed,
            symbols=symbols,
            rules=rules,
        )


def _print_ready(simulator: Simulator, as_json: bool) -> None:
    if as_json:
        print(msgspec.json.encode(simulator.endpoints).decode(), flush=True)
        return
    for name, addresses in simulator.endpoints.items():
        print(f"{name:9}" + "".join(f"  {kind} {address}" for kind, address in addresses.items()))
    print("ready", flush=True)


def _print_lateness(simulator: Simulator) -> None:
    late: dict[str, Any] = simulator.lateness()
    frames = sum(sum(counts["frames"].values()) for counts in simulator.counts().values())
    print(
        f"sim: {frames} frames; late by p50 {late['p50_us']} us, p99 {late['p99_us']} us, max {late['max_us']} us",
        file=sys.stderr,
    )
