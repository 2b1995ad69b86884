"""CLI-15, CFG-06: `engine-run check`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from engine.cli.check import CheckResult
from engine.cli.main import main
from engine.observability.logs import stop_logging
from engine.runtime import environment

CONFIG = """\
schema_version: 1
log: {level: warning}
providers: [{name: kraken, venue: kraken, symbols: [BTC-USD]}]
"""


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An empty directory and no variable of ours."""
    monkeypatch.chdir(tmp_path)
    for name in ("ENGINE_CONFIG", "ENGINE_RECYCLER_DEBUG"):
        monkeypatch.delenv(name, raising=False)
    yield
    stop_logging()


def as_json(capsys: pytest.CaptureFixture[str], *argv: str) -> tuple[int, Any]:
    code = main(["check", "--json", *argv])
    return code, json.loads(capsys.readouterr().out)


def test_without_a_file(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "config  built-in values, profile service: valid"
    assert lines[-1] == "all well"
    assert {line.split()[0] for line in lines[1:-1]} == {"ok"}


def test_which_file_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The one named, else that of the variable, else ./engine.yaml."""
    for name in ("engine.yaml", "by_variable.yaml", "named.yaml"):
        (tmp_path / name).write_text(CONFIG)
    assert as_json(capsys)[1]["config"] == "engine.yaml"
    monkeypatch.setenv("ENGINE_CONFIG", "by_variable.yaml")
    assert as_json(capsys)[1]["config"] == "by_variable.yaml"
    assert as_json(capsys, "--config", "named.yaml")[1]["config"] == "named.yaml"


def test_the_json_fits_its_own_schema(capsys: pytest.CaptureFixture[str]) -> None:
    main(["check", "--json", "--effective"])
    text = capsys.readouterr().out
    result = msgspec.json.decode(text, type=CheckResult, strict=True)
    assert result.ok
    assert msgspec.json.decode(msgspec.json.encode(result)) == json.loads(text)


def test_effective_has_every_value_with_its_origin(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "engine.yaml").write_text(CONFIG)
    _, result = as_json(capsys, "--effective", "--set", "dispatcher.quantum_events=8")
    values = {row["path"]: (row["value"], row["origin"]) for row in result["effective"]}
    assert values["log.level"] == ('"warning"', "engine.yaml:2")
    assert values["providers[0].name"] == ('"kraken"', "engine.yaml:3")
    assert values["dispatcher.quantum_events"] == ("8", "--set")
    assert values["log.format"] == ('"json"', "default")
    assert as_json(capsys)[1]["effective"] == []


def test_effective_as_lines(capsys: pytest.CaptureFixture[str]) -> None:
    main(["check", "--effective"])
    assert 'log.level = "info"  # default' in capsys.readouterr().out.splitlines()


def test_the_log_level_flag_is_a_value_like_others(capsys: pytest.CaptureFixture[str]) -> None:
    _, result = as_json(capsys, "--effective", "--log-level", "debug")
    values = {row["path"]: row["value"] for row in result["effective"]}
    assert values["log.level"] == '"debug"'


def test_faults_of_the_configuration_end_with_2_and_are_all_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "engine.yaml").write_text(CONFIG + "metrics: {per_stream: true}\nlogg: {}\n")
    assert main(["check"]) == 2
    err = capsys.readouterr().err
    assert "engine.yaml:4: metrics: not built yet" in err
    assert "engine.yaml:5: logg: unknown key; did you mean log?" in err


def test_a_file_that_is_not_there_ends_with_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "--config", "none.yaml"]) == 2
    assert "none.yaml: cannot be read: No such file or directory" in capsys.readouterr().err


def test_an_environment_that_will_not_do_ends_with_5(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(environment, "PYTHON_MIN", (99, 1))
    assert main(["check"]) == 5
    lines = capsys.readouterr().out.splitlines()
    assert any(
        line.startswith("FAIL    python") and line.endswith("install Python 99.1 or later") for line in lines
    )
    assert lines[-1] == "1 to mend"
    code, result = as_json(capsys)
    assert (code, result["ok"]) == (5, False)


def test_an_address_that_is_none_is_refused_with_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--api", "127.0.0.1:8880", "check"]) == 2
    assert "nearest valid: http://127.0.0.1:8880" in capsys.readouterr().err


def test_a_secret_is_shown_nowhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://user:hunter2@proxy:1")
    monkeypatch.setenv("KRAKEN_KEY", "hunter2-key")
    (tmp_path / "engine.yaml").write_text(CONFIG.replace("}]", ", credentials: {api_key_env: KRAKEN_KEY}}]"))
    assert main(["check", "--effective", "--json"]) == 0
    first = capsys.readouterr()
    (tmp_path / "engine.yaml").unlink()
    assert main(["check", "--effective"]) == 0
    second = capsys.readouterr()
    assert "hunter2" not in first.out + first.err + second.out + second.err
    assert "http://***@proxy:1" in second.out
