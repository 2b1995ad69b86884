"""``engine-run bench``: how fast is it here, with the floor or the rival of every figure beside it?"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from engine.base.errors import MisuseError, UnavailableError, ValidationError
from engine.cli.common import ApiFlag, ConfigFlag, JsonFlag, LogLevelFlag, SetFlag, between, flags_of, one_of
from engine.cli.exit_codes import ExitCode
from engine.cli.output import print_json, print_table, progress

SUITES = ("micro", "pipeline", "fanout", "service", "all")
NOT_BUILT = {"fanout": "fan-out under load"}
SECONDS = 2.0
SERVICE_SECONDS = 3.0


def _suite(value: str) -> str:
    one_of(SUITES)(value)
    if value in NOT_BUILT:
        raise typer.BadParameter(f"not built yet: {NOT_BUILT[value]}; nearest valid: all")
    return value


def _refuse_rates(value: str | None) -> None:
    if value is not None:
        raise typer.BadParameter("not built yet: fixed offered rates; leave the flag out")


def register(app: typer.Typer) -> None:
    """Add the verb."""

    @app.command()
    def bench(
        ctx: typer.Context,
        config: ConfigFlag = None,
        sets: SetFlag = None,
        log_level: LogLevelFlag = None,
        as_json: JsonFlag = False,
        api: ApiFlag = None,
        suite: Annotated[
            str, typer.Option("--suite", metavar="|".join(SUITES), help="What to measure.", callback=_suite)
        ] = "all",
        seconds: Annotated[
            float | None,
            typer.Option(
                "--seconds", callback=between(0.01, 3600),
                help=f"Measuring time a figure ({SECONDS:g}); of service, of each load ({SERVICE_SECONDS:g}).",
            ),
        ] = None,
        rates: Annotated[
            str | None, typer.Option("--rates", help="Offered rates (not built yet).", callback=_refuse_rates)
        ] = None,
        out: Annotated[Path | None, typer.Option("--out", metavar="FILE", help="Results as JSON.")] = None,
        against: Annotated[
            Path | None,
            typer.Option("--compare", metavar="FILE", help="Earlier results; exit 5 where a figure is worse."),
        ] = None,
        captures: Annotated[
            Path | None,
            typer.Option("--captures", metavar="DIR", help="Recorded frames; else those of a seeded market."),
        ] = None,
    ) -> None:
        """Measure the engine beside its floors and baselines, in one run on this machine."""
        as_json = flags_of(ctx, config, sets, log_level, as_json).as_json
        if seconds is None:
            seconds = SERVICE_SECONDS if suite == "service" else SECONDS
        before = None if against is None else _earlier(against)
        _must_be_writable(out)
        result, lines = _measure(suite, seconds, captures)
        if out is not None:
            _save(out, result)
        verdicts = [] if before is None else _judged(result, before)
        if as_json:
            print_json({**result, "compared": [str(verdict) for verdict in verdicts]})
        else:
            _print(result, [*lines, *map(str, verdicts)])
        worse = any(verdict.verdict == "worse" for verdict in verdicts)
        raise typer.Exit(ExitCode.VERIFICATION if worse else ExitCode.DONE)


def _measure(suite: str, seconds: float, captures: Path | None) -> tuple[dict[str, Any], list[str]]:
    """The document of one run, and the lines to print with it.

    Raises:
        ValidationError: the folder of captures lacks what is needed.
        UnavailableError: a process of the measurement did not start, or did not end.
    """
    from engine.bench.children import ProcessFailedError
    from engine.bench.data.corpus import CapturesMissingError
    from engine.bench.record import document
    from engine.bench.sources import Sources
    from engine.bench.suites import run

    try:
        sources = Sources(captures)
    except CapturesMissingError as missing:
        raise ValidationError(str(missing), op="bench.captures", hint="name the folder of the captures") from missing
    lines = [sources.line]
    rows = []
    with progress("bench", None, "figures") as shown:
        try:
            for row in run(suite, sources, seconds, lines.append):
                rows.append(row)
                shown.update(len(rows), f"{row.goal} {row.subject}")
        except ProcessFailedError as failed:
            raise UnavailableError(str(failed), op="bench.run") from failed
    profile = "service" if suite == "service" else "throughput"
    details = {"suite": suite, "seconds": seconds, "frames": sources.line, "notes": lines[1:], "profile": profile}
    return document("bench", rows, details=details), lines


def _must_be_writable(out: Path | None) -> None:
    """Refuse now what would be refused when all is measured."""
    if out is None:
        return
    hint = "name a file in a directory that exists"
    if not out.absolute().parent.is_dir():
        raise MisuseError(f"{out.parent} is not a directory", op="bench.out", hint=hint)
    if out.is_dir():
        raise MisuseError(f"{out} is a directory", op="bench.out", hint=hint)
    if not os.access(out if out.exists() else out.absolute().parent, os.W_OK):
        raise MisuseError(f"{out} cannot be written", op="bench.out", hint="name a place where this user may write")


def _save(out: Path, result: Mapping[str, Any]) -> None:
    from engine.bench.record import save

    try:
        save(out, result)
    except OSError as error:
        raise ValidationError(f"{out}: cannot be written: {error.strerror}", op="bench.out", path=str(out)) from error


def _earlier(file: Path) -> list[Any]:
    """Rows of an earlier results file.

    Raises:
        ValidationError: it cannot be read, or is none.
    """
    from engine.bench.record import read

    try:
        return read(file)[1]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ValidationError(
            f"{file}: no results of a run: {error}", op="bench.compare", path=str(file),
            hint="name a file that --out wrote",
        ) from error  # fmt: skip


def _judged(result: Mapping[str, Any], before: list[Any]) -> list[Any]:
    from engine.bench.compare import compare
    from engine.bench.record import rows_of

    rows = rows_of(result)
    goals = {row.goal for row in rows}
    return compare(rows, [row for row in before if row.goal in goals])


def _print(result: Mapping[str, Any], lines: list[str]) -> None:
    from engine.bench.record import rows_of
    from engine.bench.table import HEADER, cells, order

    rows = sorted(rows_of(result), key=order)
    title = "ns are CPU time of one thread; medians, (least-most); SC rows are seen from outside"
    print_table(HEADER, [cells(row) for row in rows], title)
    machine, libraries = result["machine"], result["libraries"]
    print()
    for line in lines:
        print(line)
    for note in dict.fromkeys(f"{row.goal} {row.case}: {row.note}" for row in rows if row.note):
        print(note)
    print(
        f"{machine['cpu']}, {machine['cores_allowed']} of {machine['cores']} cores, {machine['system']}, "
        f"load {machine['load_average']:.2f}; Python {result['python']}, "
        + ", ".join(f"{name} {release}" for name, release in libraries.items())
    )
    print(f"{result['compiler']}; {result['flags']}; profile {result['details']['profile']}")
    judged = [row.met for row in rows if row.met is not None]
    print(f"{sum(judged)} of {len(judged)} goals met")
