"""``engine-run report``: one symbol's report, of a running engine or computed from a recording (CLI-21)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from engine.cli.common import ConfigFlag, JsonFlag, LogLevelFlag, SetFlag, flags_of, one_of

if TYPE_CHECKING:
    from engine.cli.common import Flags

FORMATS = ("table", "json")


def register(app: typer.Typer) -> None:
    """Add the verb."""

    @app.command("report")
    def report(
        ctx: typer.Context,
        symbol: Annotated[str, typer.Argument(metavar="SYMBOL", help="[venue:]BASE-QUOTE, as BTC-USDT.")],
        watch: Annotated[bool, typer.Option("--watch", help="Again and again, until Ctrl-C.")] = False,
        url: Annotated[
            str | None, typer.Option(metavar="URL", help="Reports of a running engine; else as configured.")
        ] = None,
        from_file: Annotated[
            Path | None, typer.Option("--from-file", metavar="CAPTURE", help="Compute it from a recording.")
        ] = None,
        at: Annotated[
            str | None, typer.Option(metavar="TIME", help="The newest report at or before; else the last one.")
        ] = None,
        format_: Annotated[
            str | None, typer.Option("--format", metavar="|".join(FORMATS), callback=one_of(FORMATS), help="How.")
        ] = None,
        config: ConfigFlag = None,
        sets: SetFlag = None,
        log_level: LogLevelFlag = None,
        as_json: JsonFlag = False,
    ) -> None:
        """One symbol's market report: depth, walls, flow, anomalies, health."""
        flags = flags_of(ctx, config, sets, log_level, as_json or format_ == "json")
        at_ns = _instant(at)
        if from_file is None:
            if at_ns is not None:
                raise typer.BadParameter("--at is for recordings: give --from-file CAPTURE as well")
            _of_engine(flags, symbol, url, watch=watch)
        elif watch or url is not None:
            raise typer.BadParameter("a recording does not change: leave --watch and --url out")
        else:
            _of_recording(flags, symbol, from_file, at_ns)


def _of_engine(flags: Flags, symbol: str, url: str | None, *, watch: bool) -> None:
    from engine.cli.report_watch import show, watch_until_stopped
    from engine.runtime.live import run_on_loop
    from engine.runtime.reportasking import lone_answers

    answers = lone_answers(flags.load(needs_variables=False), url, for_person=True)
    run_on_loop((watch_until_stopped if watch else show)(answers, symbol, as_json=flags.as_json))


def _of_recording(flags: Flags, symbol: str, path: Path, at_ns: int | None) -> None:
    from engine.runtime.reports import RecordedReport

    text = RecordedReport(path, flags.load(), symbol, at_ns).compute()
    if flags.as_json:
        print(text.decode())
        return
    from engine.cli.report_view import print_report

    print_report(text)


def _instant(text: str | None) -> int | None:
    from engine.base.errors import ValidationError
    from engine.base.instants import from_rfc3339

    try:
        return None if text is None else from_rfc3339(text)
    except ValidationError as error:
        raise typer.BadParameter(f"--at: {error.reason}; nearest valid: 2030-01-02T03:04:05Z") from None
