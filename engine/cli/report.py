"""``engine-run report``: one symbol's report, computed from a recording (CLI-21)."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from engine.cli.common import ConfigFlag, JsonFlag, LogLevelFlag, SetFlag, flags_of, one_of

FORMATS = ("table", "json")


def register(app: typer.Typer) -> None:
    """Add the verb."""

    @app.command("report")
    def report(
        ctx: typer.Context,
        symbol: Annotated[str, typer.Argument(metavar="SYMBOL", help="[venue:]BASE-QUOTE, as BTC-USDT.")],
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
        flags = flags_of(ctx, config, sets, log_level, as_json)
        if from_file is None:
            raise typer.BadParameter("not built yet: reports of a running engine; give --from-file CAPTURE")
        at_ns = _instant(at)
        from engine.runtime.reports import RecordedReport

        text = RecordedReport(from_file, flags.load(), symbol, at_ns).compute()
        if flags.as_json or format_ == "json":
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
