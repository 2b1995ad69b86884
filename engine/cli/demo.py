"""``engine-run demo``: a seeded market on loopback, through the real sessions, to sample strategies."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from engine.cli.common import JsonFlag, LogLevelFlag, SetFlag, between, flags_of
from engine.cli.exit_codes import ExitCode
from engine.cli.output import print_json

if TYPE_CHECKING:
    from engine.cli.demo_view import View
    from engine.config.sections import EngineConfig
    from engine.runtime.demo import DemoResult
    from engine.runtime.venues import SimulatedVenues

_RATE_MAX = 200_000


def _not_built(what: str) -> Any:
    def refuse(value: Any) -> Any:
        if value:
            raise typer.BadParameter(f"not built yet: {what}; leave the flag out")
        return value

    return refuse


def register(app: typer.Typer) -> None:
    """Add the verb."""

    @app.command()
    def demo(
        ctx: typer.Context,
        seconds: Annotated[
            float, typer.Option(help="How long; 0 = until Ctrl-C.", callback=between(0, 86_400))
        ] = 6.0,
        rate: Annotated[
            float, typer.Option(help="Frames a second of all venues.", callback=between(1, _RATE_MAX))
        ] = 2000.0,
        seed: Annotated[int, typer.Option(help="The same seed gives the same market.", callback=between(0))] = 1,
        faults: Annotated[
            str | None,
            typer.Option("--faults", metavar="NAME[,..]", help="Bad weather at the venues, again and again."),
        ] = None,
        reports: Annotated[
            bool, typer.Option("--reports", help="Market reports too: how each symbol stood when the market ended.")
        ] = False,
        web: Annotated[
            bool, typer.Option("--web", help="The live page (not built yet).", callback=_not_built("the live page"))
        ] = False,
        sets: SetFlag = None,
        log_level: LogLevelFlag = None,
        as_json: JsonFlag = False,
    ) -> None:
        """Show the engine at work: three simulated venues, no network and no file needed."""
        flags = flags_of(ctx, None, sets, log_level, as_json)
        if flags.config is not None:
            raise typer.BadParameter("demo reads no file; leave --config out, or set single values with --set")
        from engine.runtime.venues import REAL_VENUES, SimulatedVenues

        names = [name for name in (faults or "").split(",") if name]
        if names:
            from engine.runtime.simulate import fault_plan

            fault_plan(names, None)  # a wrong name is told before anything starts
        config = _config(flags.sets, flags.log_level or "error")
        venues = SimulatedVenues(REAL_VENUES, rate, seed, faults=names)
        from engine.cli.demo_view import as_json_document, print_result, view

        with view(seconds) as shown:
            result = _run(config, venues, seconds, shown, with_reports=reports)
        if flags.as_json:
            print_json(as_json_document(result))
        else:
            print_result(result)
        raise typer.Exit(_exit_code(result))


def _config(sets: tuple[str, ...], log_level: str) -> EngineConfig:
    from engine.config.load import load_config
    from engine.runtime.environment import begin_logging

    config = load_config(None, (*sets, f"log.level={log_level}"))
    begin_logging(config)
    return config


def _run(
    config: EngineConfig, venues: SimulatedVenues, seconds: float, shown: View, *, with_reports: bool
) -> DemoResult:
    from engine.runtime.demo import Demo
    from engine.runtime.live import run_on_loop, stopping

    async def main() -> DemoResult:
        demo = Demo(config, venues, seconds, shown.show, with_reports=with_reports)
        with stopping(demo.stop):
            return await demo.run()

    return run_on_loop(main())


def _exit_code(result: DemoResult) -> ExitCode:
    if result.differing or result.faults:
        return ExitCode.VERIFICATION
    return ExitCode.OUTSTANDING if result.outstanding else ExitCode.DONE
