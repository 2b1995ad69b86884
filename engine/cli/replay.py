"""`engine-run replay`: recorded frames through the whole engine (CLI-13), with facts (CLI-40) and proof (CLI-41)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from engine.cli.common import ConfigFlag, Flags, JsonFlag, LogLevelFlag, SetFlag, flags_of
from engine.cli.exit_codes import ExitCode
from engine.cli.output import print_json, progress

if TYPE_CHECKING:
    from engine.runtime.replay import Replay, ReplayOptions, ReplayResult
    from engine.runtime.verify import Verdict


def register(app: typer.Typer) -> None:
    """Add the verb."""

    @app.command("replay")
    def replay(
        ctx: typer.Context,
        files: Annotated[list[Path], typer.Argument(metavar="FILE..", help="Captures, gzip'd or plain JSON lines.")],
        speed: Annotated[str, typer.Option(help="max, or a factor of recorded time.")] = "max",
        from_: Annotated[str | None, typer.Option("--from", metavar="TIME", help="Leave out records before.")] = None,
        to: Annotated[str | None, typer.Option(metavar="TIME", help="Leave out records from here on.")] = None,
        facts: Annotated[Path | None, typer.Option(metavar="OUT", help="Write the facts as JSON.")] = None,
        verify: Annotated[bool, typer.Option("--verify", help="Exit 5 if anything disagrees.")] = False,
        instruments: Annotated[
            Path | None, typer.Option(metavar="FILE", help="Instrument metadata for a recording without it.")
        ] = None,
        over_websocket: Annotated[
            bool, typer.Option("--over-websocket", help="Play it from a loopback server instead.")
        ] = False,
        out: Annotated[Path | None, typer.Option(metavar="FILE", help="Write events as JSON lines.")] = None,
        config: ConfigFlag = None,
        sets: SetFlag = None,
        log_level: LogLevelFlag = None,
        json: JsonFlag = False,
    ) -> None:
        """Play recorded frames through the whole engine, on the recorded clock."""
        flags = flags_of(ctx, config, sets, log_level, json)
        options = _options(speed, from_, to, instruments, with_facts=facts is not None)
        results: list[ReplayResult] = []
        verdicts: list[Verdict] = []
        for path in files:
            result = _play(path, flags, options, out, over_websocket, append=bool(results))
            results.append(result)
            verdicts.append(_verdict(result))
            if not flags.as_json:
                _print(result, verdicts[-1], verify)
        if facts is not None:
            _write_facts(facts, results)
        if flags.as_json:
            print_json([_as_json(result, verdict) for result, verdict in zip(results, verdicts, strict=True)])
        if verify and not all(verdict.holds for verdict in verdicts):
            raise typer.Exit(ExitCode.VERIFICATION)


def _options(
    speed: str, from_: str | None, to: str | None, instruments: Path | None, *, with_facts: bool
) -> ReplayOptions:
    from engine.base.errors import ValidationError
    from engine.base.instants import from_rfc3339
    from engine.runtime.replay import ReplayOptions

    def instant(name: str, text: str | None) -> int | None:
        try:
            return None if text is None else from_rfc3339(text)
        except ValidationError as error:
            raise typer.BadParameter(f"{name}: {error.reason}; nearest valid: 2030-01-02T03:04:05Z") from None

    factor: float | None = None
    if speed != "max":
        try:
            factor = float(speed)
        except ValueError:
            factor = -1.0
        if not 0 < factor < 1e9:
            raise typer.BadParameter(f"--speed {speed!r} is neither max nor a factor above 0; nearest valid: max")
    body = None
    if instruments is not None:
        try:
            body = instruments.read_bytes()
        except OSError as error:
            raise typer.BadParameter(f"--instruments {instruments}: {error.strerror}") from None
    return ReplayOptions(factor, instant("--from", from_), instant("--to", to), body, with_facts)


def _play(
    path: Path, flags: Flags, options: ReplayOptions, out: Path | None, over_websocket: bool, *, append: bool
) -> ReplayResult:
    from engine.runtime.eventfile import EventFile
    from engine.runtime.replay import Replay

    replay = Replay(path, flags.load(), options)
    replay.engine.add_configured_consumers()
    writer = EventFile(out, replay.engine, append=append) if out is not None else None
    try:
        with progress(f"replay {path.name}", replay.scan.records, "records") as bar:
            return _run(replay, over_websocket, bar.update)
    finally:
        if writer is not None:
            writer.close()


def _run(replay: Replay, over_websocket: bool, on_progress: Any) -> ReplayResult:
    if over_websocket:
        from engine.runtime.overwire import replay_over_websocket

        return replay_over_websocket(replay, on_progress)
    return replay.run(on_progress)


def _verdict(result: ReplayResult) -> Verdict:
    from engine.runtime.verify import verify

    return verify(result)


def _write_facts(path: Path, results: list[ReplayResult]) -> None:
    from engine.base.errors import ValidationError
    from engine.base.jsontext import encode

    try:
        path.write_bytes(encode({"captures": [result.facts for result in results]}) + b"\n")
    except OSError as error:
        raise ValidationError(f"{path}: cannot be written: {error.strerror}", op="replay.facts") from None


def _print(result: ReplayResult, verdict: Verdict, verifying: bool) -> None:
    totals = result.summary.totals()
    seconds = result.wall_ns / 1e9
    rate = result.records / seconds if seconds else 0
    print(f"{result.path}: {result.records:,} records in {seconds:.2f} s ({rate:,.0f} a second)")
    for feed in result.feeds.values():
        for book in feed.stream.book_list():
            bids, asks = book.ladder.counts()
            state = "valid" if book.is_valid else "not valid"
            if book.snapshots_published or book.updates_published:
                print(
                    f"  {feed.provider} {book.symbol}: {state}, {bids:,} x {asks:,} levels, "
                    f"{book.updates_published:,} updates, {book.snapshots_published:,} snapshots, "
                    f"{sum(book.counts_by_reason().values()):,} resyncs"
                )
    print(
        f"  events: {totals['received']:,} received = {totals['routed']:,} routed + {totals['unrouted']:,} unrouted"
        f" + {totals['duplicates']:,} duplicates + {totals['late_dropped']:,} late + {totals['held']:,} held"
    )
    print(
        f"  consumers: {totals['offered']:,} offered = {totals['delivered']:,} delivered"
        f" + {totals['dropped']:,} dropped + {totals['queued']:,} queued"
    )
    for name, count in result.summary.rejected.items():
        print(f"  refused frames: {name} {count:,}")
    for warning in result.warnings:
        print(f"  warning: {warning}")
    for line in verdict.healed:
        print(f"  healed: {line}")
    for fault in verdict.faults:
        print(f"  {'FAULT' if verifying else 'note'}: {fault}")
    if verifying:
        print(f"  {'verified' if verdict.holds else 'NOT verified'}; proven: {'; '.join(verdict.proofs)}")


def _as_json(result: ReplayResult, verdict: Verdict) -> dict[str, Any]:
    return {
        "file": str(result.path),
        "records": result.records,
        "wall_ns": result.wall_ns,
        "pipeline": result.summary.pipeline(),
        "verified": verdict.holds,
        "faults": [
            {"record": fault.record, "what": fault.what, "file": str(fault.path)} for fault in verdict.faults
        ],
        "healed": verdict.healed,
        "proven": verdict.proofs,
    }
