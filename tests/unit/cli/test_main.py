"""CLI-01, CLI-02, CLI-30: verbs, flags, the line a failure leaves and the code it ends with."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated

import pytest
import typer

from engine.base.errors import AuthError, EngineErrorGroup, NetworkError
from engine.cli import app as verbs
from engine.cli.common import ConfigFlag, Flags, JsonFlag, LogLevelFlag, SetFlag, between, flags_of, nearest
from engine.cli.exit_codes import ExitCode
from engine.cli.main import main
from engine.observability.logs import stop_logging

Behaviour = Callable[[Flags], None]


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    yield
    stop_logging()


@pytest.fixture
def verb(monkeypatch: pytest.MonkeyPatch) -> Callable[[Behaviour], None]:
    """Makes `try` the only verb, with a given behaviour."""

    def install(behaviour: Behaviour) -> None:
        def register(app: typer.Typer) -> None:
            @app.command(name="try")
            def attempt(
                ctx: typer.Context,
                config: ConfigFlag = None,
                sets: SetFlag = None,
                log_level: LogLevelFlag = None,
                as_json: JsonFlag = False,
                seconds: Annotated[int, typer.Option("--seconds", callback=between(0, 60))] = 30,
            ) -> None:
                """Try something."""
                behaviour(flags_of(ctx, config, sets, log_level, as_json))

        monkeypatch.setattr(verbs, "VERBS", {"try": register})

    return install


def raising(error: BaseException) -> Behaviour:
    def behaviour(flags: Flags) -> None:
        raise error

    return behaviour


def test_the_verbs() -> None:
    assert list(verbs.VERBS) == ["demo", "run", "ctl", "status", "sim", "replay", "record", "check", "report", "mcp", "worker", "bench", "instruments"]


@pytest.mark.parametrize("argv", [["--version"], ["--log-level", "info", "--version", "check"]])
def test_version(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(argv) == 0
    out = capsys.readouterr().out
    assert out.startswith("engine-run ")
    assert len(out.split()) == 2


def test_version_imports_neither_the_parser_nor_the_configuration() -> None:
    code = (
        "import sys\n"
        "from engine.cli.main import main\n"
        "before = set(sys.modules)\n"
        "main(['--version'])\n"
        "heavy = {'typer', 'rich', 'pydantic', 'engine.config.load', 'engine.cli.check'}\n"
        "print(sorted(heavy & (set(sys.modules) - before)))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_only_the_module_of_the_verb_is_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    called = []

    def register_as(name: str) -> Callable[[typer.Typer], None]:
        def register(app: typer.Typer) -> None:
            called.append(name)
            app.command(name=name)(lambda: None)

        return register

    monkeypatch.setattr(verbs, "VERBS", {name: register_as(name) for name in ("one", "two")})
    assert main(["--set", "one", "two"]) == 0
    assert called == ["two"]
    called.clear()
    assert main(["--help"]) == 0
    assert called == ["one", "two"]


@pytest.mark.parametrize(
    ("argv", "line"),
    [
        (["tri"], "engine-run: Invalid value: no such verb 'tri'; nearest valid: try"),
        (["zzz"], "engine-run: Invalid value: no such verb 'zzz'; nearest valid: try"),
        (["try", "--secnds", "5"], "engine-run try: No such option: --secnds; nearest valid: --seconds"),
        (["--confg=x", "try"], "engine-run: No such option: --confg; nearest valid: --config"),
        (
            ["try", "--seconds", "61"],
            "engine-run try: Invalid value for '--seconds': 61 must be 0..60; nearest valid: 60",
        ),
        (
            ["try", "--seconds", "-1"],
            "engine-run try: Invalid value for '--seconds': -1 must be 0..60; nearest valid: 0",
        ),
        (
            ["try", "--log-level", "debg"],
            "engine-run try: Invalid value for '--log-level': 'debg' is none of debug, info, warning, error;"
            " nearest valid: debug",
        ),
    ],
)
def test_cli_02_wrong_usage_says_which_why_and_the_nearest_valid(
    verb: Callable[[Behaviour], None], capsys: pytest.CaptureFixture[str], argv: list[str], line: str
) -> None:
    verb(raising(AssertionError("the verb must not run")))
    assert main(argv) == ExitCode.USAGE
    captured = capsys.readouterr()
    assert captured.err.splitlines()[0] == line
    assert captured.err.splitlines()[1].endswith("--help")
    assert captured.out == ""


@pytest.mark.parametrize("argv", [[], ["try", "extra"], ["try", "--seconds", "soon"], ["try", "--config"]])
def test_other_wrong_usage_ends_with_2(
    verb: Callable[[Behaviour], None], capsys: pytest.CaptureFixture[str], argv: list[str]
) -> None:
    verb(raising(AssertionError("the verb must not run")))
    assert main(argv) == ExitCode.USAGE
    assert capsys.readouterr().err.startswith("engine-run")


def test_common_flags_stand_before_or_after_the_verb(verb: Callable[[Behaviour], None]) -> None:
    seen: list[Flags] = []
    verb(seen.append)
    before = ["--config", "a.yaml", "--set", "a=1", "--log-level", "debug", "--json"]
    after = ["--config", "b.yaml", "--set", "b=2", "--log-level", "error"]
    assert main([*before, "try"]) == 0
    assert main(["try", *before]) == 0
    assert main([*before, "try", *after]) == 0
    assert seen[0] == seen[1] == Flags(Path("a.yaml"), ("a=1",), "debug", True)
    assert seen[2] == Flags(Path("b.yaml"), ("a=1", "b=2"), "error", True)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (NetworkError("refused", op="feed.connect", provider="kraken"), ExitCode.UNREACHABLE),
        (AuthError("key", op="rest.sign", provider="kraken"), ExitCode.REFUSED),
        (typer.Exit(ExitCode.VERIFICATION), ExitCode.VERIFICATION),
        (typer.Exit(ExitCode.OUTSTANDING), ExitCode.OUTSTANDING),
        (KeyboardInterrupt(), ExitCode.DONE),
        (ValueError("bug"), ExitCode.FAILED),
    ],
)
def test_the_code_a_verb_ends_with(
    verb: Callable[[Behaviour], None], error: BaseException, code: ExitCode
) -> None:
    verb(raising(error))
    assert main(["try"]) == code


def test_an_error_is_one_line_and_a_hint(
    verb: Callable[[Behaviour], None], capsys: pytest.CaptureFixture[str]
) -> None:
    verb(raising(NetworkError("refused", op="feed.connect", provider="kraken", hint="start it")))
    main(["try"])
    assert (
        capsys.readouterr().err == "[kraken] feed.connect failed: refused (code: network)\nhint: start it\n"
    )


def test_every_error_of_a_group_is_told(
    verb: Callable[[Behaviour], None], capsys: pytest.CaptureFixture[str]
) -> None:
    members = [NetworkError(f"down {n}", op="feed.connect", provider=f"p{n}") for n in range(3)]
    verb(raising(EngineErrorGroup("start", members)))
    assert main(["try"]) == ExitCode.UNREACHABLE
    err = capsys.readouterr().err
    assert [f"down {n}" in err for n in range(3)] == [True] * 3


def test_a_bug_leaves_its_stack_and_is_called_internal(
    verb: Callable[[Behaviour], None], capsys: pytest.CaptureFixture[str]
) -> None:
    verb(raising(ValueError("bug")))
    main(["try"])
    err = capsys.readouterr().err
    assert "Traceback" in err
    assert "[engine] command failed: ValueError: bug (code: internal)" in err


def test_as_json_the_error_is_on_stdout_too(
    verb: Callable[[Behaviour], None], capsys: pytest.CaptureFixture[str]
) -> None:
    verb(raising(NetworkError("refused", op="feed.connect", trace_id="t-1", hint="start it")))
    main(["try", "--json"])
    assert json.loads(capsys.readouterr().out) == {
        "error": {
            "code": "network",
            "message": "[engine] feed.connect failed: refused (code: network)",
            "hint": "start it",
            "trace_id": "t-1",
        }
    }


def test_no_secret_in_the_line_of_an_error(
    verb: Callable[[Behaviour], None], capsys: pytest.CaptureFixture[str]
) -> None:
    verb(raising(ValueError("GET https://h/o?signature=abc123")))
    main(["try", "--json"])
    captured = capsys.readouterr()
    assert "abc123" not in captured.out
    assert "abc123" not in captured.err


def test_help_lists_the_verbs(verb: Callable[[Behaviour], None], capsys: pytest.CaptureFixture[str]) -> None:
    verb(raising(AssertionError("the verb must not run")))
    assert main(["--help"]) == 0
    assert "Try something." in capsys.readouterr().out


def test_the_nearest_word() -> None:
    assert nearest("instrumens", ["demo", "instruments"]) == "instruments"
    assert nearest("###", ["demo"]) == "demo"


def test_a_lower_bound_alone() -> None:
    check = between(1)
    assert (check(None), check(1), check(10**9)) == (None, 1, 10**9)
    with pytest.raises(typer.BadParameter, match="at least 1; nearest valid: 1"):
        check(0)
