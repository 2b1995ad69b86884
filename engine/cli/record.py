"""``engine-run record``: captures of the configured providers, byte-exact and complete up to a kill (CLI-14)."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from engine.cli.common import ConfigFlag, JsonFlag, LogLevelFlag, SetFlag, between, flags_of
from engine.cli.output import print_json

if TYPE_CHECKING:
    from engine.config.sections import EngineConfig
    from engine.runtime.record import RecordResult

_MIB = 1024 * 1024
_SECONDS_MAX = 30 * 86_400


def register(app: typer.Typer) -> None:
    """Add the verb."""

    @app.command()
    def record(
        ctx: typer.Context,
        out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Folder of the captures.")],
        seconds: Annotated[
            float, typer.Option(help="How long; 0 = until Ctrl-C.", callback=between(0, _SECONDS_MAX))
        ] = 0.0,
        rotate_mib: Annotated[
            float, typer.Option("--rotate-mib", help="Begin a new file at this size.", callback=between(0.01, 65_536))
        ] = 256.0,
        config: ConfigFlag = None,
        sets: SetFlag = None,
        log_level: LogLevelFlag = None,
        as_json: JsonFlag = False,
    ) -> None:
        """Record what the venues of the configuration send, for `replay`."""
        flags = flags_of(ctx, config, sets, log_level, as_json)
        result = _record(flags.load(), out, seconds, int(rotate_mib * _MIB))
        if flags.as_json:
            print_json(result)
            return
        frames = ", ".join(f"{name} {count:,}" for name, count in result.frames.items())
        print(f"record: {result.records:,} records; frames: {frames}")
        for path in result.paths:
            print(f"  {path}")


def _record(config: EngineConfig, out: Path, seconds: float, rotate_bytes: int) -> RecordResult:
    from engine.runtime.live import run_on_loop, stopping
    from engine.runtime.record import Recording

    async def main() -> RecordResult:
        recording = Recording(config, out, seconds, rotate_bytes)
        print(f"recording to {out}; Ctrl-C ends it", file=sys.stderr)
        with stopping(recording.stop):
            return await recording.run()

    return run_on_loop(main())
