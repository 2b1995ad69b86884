"""`engine-run replay`: recorded frames through the whole engine (CLI-13), with facts (CLI-40) and proof (CLI-41)."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from engine.cli.common import ConfigFlag, Flags, JsonFlag, LogLevelFlag, SetFlag, flags_of
from engine.cli.exit_codes import ExitCode
from engine.cli.output import print_json, progress

if TYPE_CHECKING:
    from engine.runtime.replay import Replay, ReplayOptions, ReplayResult


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
        from engine.cli.replay_view import as_json_document, print_result
        from engine.runtime.verify import verify as judge

        flags = flags_of(ctx, config, sets, log_level, json)
        options = _options(speed, from_, to, instruments, with_facts=facts is not None)
        if facts is not None:
            _need_writable(facts, "--facts")
        results: list[ReplayResult] = []
        for path in files:
            results.append(_play(path, flags, options, out, over_websocket, append=bool(results)))
            if not flags.as_json:
                print_result(results[-1], judge(results[-1]), verifying=verify, facts=facts)
            if results[-1].is_stopped:
                break
        if facts is not None and not results[-1].is_stopped:
            _write_facts(facts, results)
        if flags.as_json:
            print_json([as_json_document(result, judge(result)) for result in results])
        if verify and not all(judge(result).holds for result in results):
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
    body = None if instruments is None else _metadata(instruments)
    return ReplayOptions(factor, instant("--from", from_), instant("--to", to), body, with_facts)


def _metadata(path: Path) -> bytes:
    from engine.runtime.metadata import read_body, venues_of_body

    body = read_body(path)
    if not venues_of_body(body):
        raise typer.BadParameter(f"--instruments {path}: no exchangeInfo, products, AssetPairs or instrument body")
    return body


def _play(
    path: Path, flags: Flags, options: ReplayOptions, out: Path | None, over_websocket: bool, *, append: bool
) -> ReplayResult:
    from engine.runtime.eventfile import EventFile
    from engine.runtime.replay import Replay
    from engine.runtime.samples import add_samples

    replay = Replay(path, flags.load(), options)
    samples = {} if replay.engine.config.consumers else add_samples(replay.engine)
    replay.engine.add_configured_consumers()
    writer = EventFile(out, replay.engine, append=append) if out is not None else None
    try:
        with progress(f"replay {path.name}", replay.scan.records, "records") as bar:
            result = _run(replay, over_websocket, bar.update)
    finally:
        if writer is not None:
            writer.close()
    result.findings = {name: sample.findings() for name, sample in samples.items()}
    return result


def _run(replay: Replay, over_websocket: bool, on_progress: Any) -> ReplayResult:
    if over_websocket:
        from engine.runtime.overwire import replay_over_websocket

        return replay_over_websocket(replay, on_progress, by_signal=True)
    from engine.runtime.signals import stopping_by_signal

    with stopping_by_signal(replay.stop):
        return replay.run(on_progress)


def _need_writable(path: Path, flag: str) -> None:
    """Refuse before the work what could only fail after it."""
    folder = path.parent
    if path.is_dir() or not folder.is_dir() or not os.access(path if path.exists() else folder, os.W_OK):
        raise typer.BadParameter(f"{flag} {path}: cannot be written; name a file in a folder that exists and is yours")


def _write_facts(path: Path, results: list[ReplayResult]) -> None:
    from engine.base.errors import ValidationError
    from engine.base.jsontext import encode

    try:
        path.write_bytes(encode({"captures": [result.facts for result in results]}) + b"\n")
    except OSError as error:
        raise ValidationError(f"{path}: cannot be written: {error.strerror}", op="replay.facts") from None
