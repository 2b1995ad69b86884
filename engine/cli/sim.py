"""``engine-run sim``: the simulated venues on loopback, in the venues' own protocols."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from engine.cli.common import JsonFlag, LogLevelFlag, between, flags_of, one_of

_VENUES = ("all", "binance", "coinbase", "kraken", "simulated")
_RATE_MAX = 200_000
_SYMBOLS_MAX = 1000
_PORT_MAX = 65_533
_LOAD_MAX = 2_000_000
_LOAD = 500_000


def _read_rate(text: str) -> str:
    if text != "max":
        try:
            rate = float(text)
        except ValueError:
            raise typer.BadParameter(f"{text!r} is no number; nearest valid: max") from None
        between(1, _RATE_MAX)(rate)
    return text


def _read_venues(text: str) -> str:
    for name in text.split(","):
        one_of(_VENUES)(name)
    return text


def register(app: typer.Typer) -> None:
    """Add the verb."""

    @app.command()
    def sim(
        ctx: typer.Context,
        venue: Annotated[
            str,
            typer.Option(metavar="NAME[,..]", help=f"Which venues: {', '.join(_VENUES)}.", callback=_read_venues),
        ] = "all",
        port: Annotated[
            int,
            typer.Option(
                help="WebSockets; REST has the next port, control the one after; 0 = any three.",
                callback=between(0, _PORT_MAX),
            ),
        ] = 8870,
        tls: Annotated[
            bool, typer.Option("--tls", help="TLS for WebSockets and REST; the file to trust is printed.")
        ] = False,
        rate: Annotated[
            str,
            typer.Option(
                metavar="NUMBER|max", callback=_read_rate,
                help="Frames a second of all venues; max = made beforehand, then as fast as clients read.",
            ),
        ] = "2000",
        seed: Annotated[int, typer.Option(help="The same seed gives the same bytes.", callback=between(0))] = 1,
        symbols: Annotated[
            int, typer.Option(help="Instruments a venue.", callback=between(1, _SYMBOLS_MAX))
        ] = 3,
        load: Annotated[
            int | None,
            typer.Option(
                "--load", metavar="FRAMES", callback=between(1, _LOAD_MAX),
                help=f"Make so many frames beforehand, sent from POST /resume on (with --rate max: {_LOAD}).",
            ),
        ] = None,
        start_us: Annotated[
            int | None,
            typer.Option("--start-us", help="The market's first moment, us since 1970 (now).", callback=between(0)),
        ] = None,
        held: Annotated[
            bool, typer.Option("--held", help="Let no time pass before POST /resume: the same bytes each time.")
        ] = False,
        unlimited: Annotated[
            bool, typer.Option("--unlimited", help="Lift the venues' limits of calls, messages and orders.")
        ] = False,
        scenario: Annotated[
            Path | None, typer.Option("--scenario", metavar="FILE", help="A fault plan, as YAML.")
        ] = None,
        capture: Annotated[
            Path | None, typer.Option("--capture", metavar="FILE", help="Play a recording in place of a market.")
        ] = None,
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
        if capture is not None and (faults or scenario or load):
            raise typer.BadParameter("--capture plays what was recorded; leave --faults, --scenario and --load out")
        from engine.runtime.simulate import SimulatorOptions, fault_plan, play_capture, simulate

        options = SimulatorOptions(
            venues=_VENUES[1:] if "all" in venue.split(",") else venue.split(","),
            port=port,
            tls=tls,
            rate=None if rate == "max" else float(rate),
            load_frames=load or (_LOAD if rate == "max" and capture is None else 0),
            seed=seed,
            symbols=symbols,
            start_us=start_us,
            held=held,
            limited=not unlimited,
            rules=fault_plan([name for name in (faults or "").split(",") if name], scenario),
            log_level=flags.log_level or "info",
        )

        def ready(endpoints: dict[str, dict[str, str]]) -> None:
            _print_ready(endpoints, flags.as_json)

        if capture is None:
            _print_summary(simulate(options, ready))
        else:
            _print_played(play_capture(capture, options, None if rate == "max" else 1.0, ready))


def _print_ready(endpoints: dict[str, dict[str, str]], as_json: bool) -> None:
    if as_json:
        print(msgspec.json.encode(endpoints).decode(), flush=True)
        return
    for name, addresses in endpoints.items():
        print(f"{name:9}" + "".join(f"  {kind} {address}" for kind, address in addresses.items()))
    print("ready", flush=True)


def _print_summary(result: dict[str, Any]) -> None:
    line = f"sim: {result['frames']} frames"
    if result["count"]:
        line += f"; late by p50 {result['p50_us']} us, p99 {result['p99_us']} us, max {result['max_us']} us"
    if (load := result.get("load")) is not None:
        line += f"; load of {load.frames} frames sent in {load.send_s:.2f} s, {load.frames_per_s:.0f} frames/s"
    print(line, file=sys.stderr)


def _print_played(counts: dict[str, Any]) -> None:
    for venue, played in counts.items():
        print(f"sim: {venue} {played['frames_sent']} frames played", file=sys.stderr)
