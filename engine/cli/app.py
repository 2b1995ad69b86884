"""The verbs of ``engine-run`` and the flags before them.

Each verb lives in a module of its own with ``register(app)``; only the module of the verb called is imported.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import typer

from engine.base.version import engine_version
from engine.cli.common import ApiFlag, ConfigFlag, Flags, JsonFlag, LogLevelFlag, SetFlag, nearest
from engine.cli.exit_codes import ExitCode

PROGRAM = "engine-run"
_VALUE_FLAGS = ("--config", "--set", "--log-level", "--api")


def _demo(app: typer.Typer) -> None:
    from engine.cli.demo import register

    register(app)


def _sim(app: typer.Typer) -> None:
    from engine.cli.sim import register

    register(app)


def _run(app: typer.Typer) -> None:
    from engine.cli.run import register

    register(app)


def _ctl(app: typer.Typer) -> None:
    from engine.cli.ctl import register

    register(app)


def _status(app: typer.Typer) -> None:
    from engine.cli.status import register

    register(app)


def _replay(app: typer.Typer) -> None:
    from engine.cli.replay import register

    register(app)


def _record(app: typer.Typer) -> None:
    from engine.cli.record import register

    register(app)


def _check(app: typer.Typer) -> None:
    from engine.cli.check import register

    register(app)


def _bench(app: typer.Typer) -> None:
    from engine.cli.bench import register

    register(app)


def _instruments(app: typer.Typer) -> None:
    from engine.cli.instruments import register

    register(app)


def _report(app: typer.Typer) -> None:
    from engine.cli.report import register

    register(app)


def _mcp(app: typer.Typer) -> None:
    from engine.cli.mcp import register

    register(app)


def _worker(app: typer.Typer) -> None:
    from engine.cli.worker import register

    register(app)


VERBS: dict[str, Callable[[typer.Typer], None]] = {
    "demo": _demo,
    "run": _run,
    "ctl": _ctl,
    "status": _status,
    "sim": _sim,
    "replay": _replay,
    "record": _record,
    "check": _check,
    "report": _report,
    "mcp": _mcp,
    "worker": _worker,
    "bench": _bench,
    "instruments": _instruments,
}


def build_app(args: Sequence[str]) -> typer.Typer:
    """The command with the one verb that *args* name, or with all of them if they name none.

    Raises:
        typer.BadParameter: they name a verb there is not.
    """
    verb = verb_of(args)
    if verb is not None and verb not in VERBS:
        raise typer.BadParameter(f"no such verb {verb!r}; nearest valid: {nearest(verb, list(VERBS))}")
    app = typer.Typer(
        name=PROGRAM,
        help="Verified books and ordered events from exchange feeds.",
        add_completion=False,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
    )

    @app.callback()
    def before_the_verb(
        ctx: typer.Context,
        config: ConfigFlag = None,
        sets: SetFlag = None,
        log_level: LogLevelFlag = None,
        as_json: JsonFlag = False,
        api: ApiFlag = None,
        version: bool = typer.Option(False, "--version", help="Print the version."),
    ) -> None:
        if version:
            print(f"{PROGRAM} {engine_version()}")
            raise typer.Exit(ExitCode.DONE)
        ctx.obj = Flags(config, tuple(sets or ()), log_level, as_json, api)

    for name, register in VERBS.items():
        if verb is None or name == verb:
            register(app)
    return app


def verb_of(args: Sequence[str]) -> str | None:
    """The word in the verb's place, known or not; None where there is none."""
    skip = False
    for arg in args:
        if skip or arg.startswith("-"):
            skip = not skip and arg in _VALUE_FLAGS
            continue
        return arg
    return None
