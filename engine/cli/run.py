"""``engine-run run``: the engine on live venues, until a signal ends it."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from engine.cli.common import ConfigFlag, Flags, JsonFlag, LogLevelFlag, SetFlag, flags_of, one_of
from engine.cli.exit_codes import ExitCode
from engine.cli.output import print_json, print_table
from engine.cli.summary_view import print_counts, print_faults, print_latencies

if TYPE_CHECKING:
    from engine.config.sections import EngineConfig
    from engine.runtime.providerreport import ProviderReport
    from engine.runtime.service import ReadyReport, ServiceResult

_SIMULATED_RATE, _SIMULATED_SEED = 2000.0, 1
PROFILES = ("service", "throughput")


def register(app: typer.Typer) -> None:
    """Add the verb."""

    @app.command()
    def run(
        ctx: typer.Context,
        profile: Annotated[
            str | None,
            typer.Option(metavar="|".join(PROFILES), help="In place of the file's.", callback=one_of(PROFILES)),
        ] = None,
        debug: Annotated[bool, typer.Option("--debug", help="Poison recycled events; costs throughput.")] = False,
        simulated: Annotated[
            bool,
            typer.Option("--simulated-providers", help="Each venue replaced by its simulator, a child process."),
        ] = False,
        no_orders: Annotated[bool, typer.Option("--no-orders", help="Every order is rejected.")] = False,
        config: ConfigFlag = None,
        sets: SetFlag = None,
        log_level: LogLevelFlag = None,
        as_json: JsonFlag = False,
    ) -> None:
        """Run the engine on the venues of the configuration; Ctrl-C or SIGTERM ends it in order."""
        flags = flags_of(ctx, config, [*_sets(profile, debug), *(sets or ())], log_level, as_json)
        result = _run(flags.load(), flags, simulated=simulated, takes_orders=not no_orders)
        if flags.as_json:
            print_json(as_json_document(result))
        else:
            print_result(result)
        raise typer.Exit(_exit_code(result))


def _sets(profile: str | None, debug: bool) -> list[str]:
    chosen = [] if profile is None else [f"profile={profile}"]
    return [*chosen, "debug.recycler=true"] if debug else chosen


def _run(config: EngineConfig, flags: Flags, *, simulated: bool, takes_orders: bool) -> ServiceResult:
    from engine.runtime.live import run_on_loop, stopping
    from engine.runtime.service import Service, at_simulator, bases_of, venues_of
    from engine.runtime.venues import SimulatedVenues

    def on_ready(ready: ReadyReport) -> None:
        if flags.as_json:
            print_json({"ready": ready})
        else:
            print(ready_line(ready))
        sys.stdout.flush()

    async def main(config: EngineConfig) -> ServiceResult:
        service = Service(config, on_ready, has_surface=True, takes_orders=takes_orders)
        with stopping(service.stop):
            return await service.run()

    async def with_simulator() -> ServiceResult:
        async with SimulatedVenues(venues_of(config), _SIMULATED_RATE, _SIMULATED_SEED, bases_of(config)) as venues:
            return await main(at_simulator(config, venues.endpoints))

    return run_on_loop(with_simulator() if simulated else main(config))


def ready_line(ready: ReadyReport) -> str:
    """``ready: profile service; api http://127.0.0.1:8880; binance up, 2 symbols, 2 books valid; kraken down: why``."""
    faces = [f"{name} {url}" for name, url in (("api", ready.api), ("reports", ready.reports)) if url is not None]
    return "; ".join((f"ready: profile {ready.profile}", *faces, *map(_provider_text, ready.providers)))


def _provider_text(one: ProviderReport) -> str:
    if one.state != "up":
        return f"{one.name} {one.state}: {one.cause}"
    missing = f", not listed: {' '.join(one.missing_symbols)}" if one.missing_symbols else ""
    refused = f", refused: {', '.join(one.refused)}" if one.refused else ""
    symbols = f"{len(one.symbols)} symbols ({' '.join(one.symbols)})"
    return f"{one.name} up, {symbols}, {one.books_valid} books valid{missing}{refused}{_account_text(one)}"


def _account_text(one: ProviderReport) -> str:
    """Of the private connection; nothing where there is no key."""
    if one.account in ("none", "up"):
        return "" if one.account == "none" else ", account up"
    return f", account {one.account}: {one.account_cause}"


def print_result(result: ServiceResult) -> None:
    """The summary: what came, how fast it went through, and whether everything balances."""
    from engine.runtime.runreport import report_lines

    summary = result.summary
    frames = summary.frames
    print(f"run: {result.seconds:.1f} s, {sum(frames.values()):,} frames, {summary.totals()['received']:,} events")
    print_table(
        ("provider", "state", "frames", "symbols", "valid books", "account"),
        [
            (one.name, one.state, frames[one.name], len(one.symbols), one.books_valid, one.account)
            for one in result.providers
        ],
    )
    print_latencies(summary)
    print_counts(summary)
    for line in report_lines(result.setup):
        print(f"  {line}")
    print_faults(summary)
    if not summary.imbalances:
        print("  balanced: every count adds up, every pool is whole")


def as_json_document(result: ServiceResult) -> dict[str, Any]:
    """The summary as ``--json`` prints it."""
    summary = result.summary
    return {
        "seconds": result.seconds,
        "providers": result.providers,
        "frames": summary.frames,
        "run": result.setup,
        "pipeline": summary.pipeline(),
        "resyncs": summary.resyncs,
        "stages": summary.stages,
        "traces": summary.traces,
        "delivery": summary.delivery,
        "callback": summary.callback,
        "gap_hold": summary.gap_hold,
        "dwell": summary.dwell,
        "consumers": summary.consumers,
        "pools": summary.pool_rows(),
        "metrics": result.metrics,
        "balanced": not summary.imbalances,
    }


def _exit_code(result: ServiceResult) -> ExitCode:
    if result.summary.faults:
        return ExitCode.FAILED
    return ExitCode.OUTSTANDING if result.outstanding else ExitCode.DONE
