"""``engine-run check``: is the configuration right, and can this machine run it?"""

from __future__ import annotations

from typing import Annotated

import msgspec
import typer

from engine.cli.common import ApiFlag, ConfigFlag, JsonFlag, LogLevelFlag, SetFlag, flags_of
from engine.cli.exit_codes import ExitCode
from engine.cli.output import print_json
from engine.config.effective import effective
from engine.config.sections import EngineConfig
from engine.runtime.environment import Finding, examine


class EffectiveValue(msgspec.Struct, frozen=True):
    """One value in force.

    Attributes:
        path: its key.
        value: as it would stand in the file, masked where it may be secret.
        origin: ``default``, ``profile NAME``, ``FILE:LINE``, ``--set`` or ``environment NAME``.
    """

    path: str
    value: str
    origin: str


class CheckResult(msgspec.Struct, frozen=True):
    """What ``check --json`` prints.

    Attributes:
        ok: whether everything will do.
        config: the file read; null = the built-in values.
        profile: the profile in force.
        findings: what was looked at.
        effective: every value in force; empty unless asked for.
    """

    ok: bool
    config: str | None
    profile: str
    findings: list[Finding]
    effective: list[EffectiveValue]


def register(app: typer.Typer) -> None:
    """Add the verb."""

    @app.command()
    def check(
        ctx: typer.Context,
        config: ConfigFlag = None,
        sets: SetFlag = None,
        log_level: LogLevelFlag = None,
        as_json: JsonFlag = False,
        api: ApiFlag = None,
        effective: Annotated[
            bool, typer.Option("--effective", help="Print every value with its origin.")
        ] = False,
        online: Annotated[
            bool, typer.Option("--online", help="Ask the venues too: catalogue, clock, key.")
        ] = False,
    ) -> None:
        """Check the configuration and the environment: versions, directories, variables, ports."""
        flags = flags_of(ctx, config, sets, log_level, as_json)
        loaded = flags.load()
        findings = examine(loaded)
        if online:
            findings += _examine_online(loaded)
        path = flags.config_path()
        result = CheckResult(
            ok=all(finding.ok for finding in findings),
            config=None if path is None else str(path),
            profile=loaded.profile,
            findings=findings,
            effective=_values(loaded) if effective else [],
        )
        if flags.as_json:
            print_json(result)
        else:
            _print(result)
        raise typer.Exit(ExitCode.DONE if result.ok else ExitCode.VERIFICATION)


def _examine_online(config: EngineConfig) -> list[Finding]:
    from engine.runtime.live import run_on_loop
    from engine.runtime.online import examine_online

    return run_on_loop(examine_online(config))


def _values(config: EngineConfig) -> list[EffectiveValue]:
    return [EffectiveValue(path, value, origin) for path, (value, origin) in effective(config).items()]


def _print(result: CheckResult) -> None:
    width = max(len(finding.name) for finding in result.findings)
    print(f"config  {result.config or 'built-in values'}, profile {result.profile}: valid")
    for finding in result.findings:
        hint = f"; {finding.hint}" if finding.hint else ""
        print(f"{'ok  ' if finding.ok else 'FAIL'}    {finding.name:{width}}  {finding.detail}{hint}")
    for value in result.effective:
        print(f"{value.path} = {value.value}  # {value.origin}")
    print("all well" if result.ok else f"{sum(not f.ok for f in result.findings)} to mend")
