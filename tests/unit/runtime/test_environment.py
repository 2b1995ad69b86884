"""CLI-15: what `check` looks at, each finding both ways."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import pytest

from engine.config.load import load_config
from engine.observability.logs import stop_logging
from engine.runtime import environment
from engine.runtime.environment import Finding, begin_logging, examine


def look(name: str, *sets: str, env: dict[str, str] | None = None) -> Finding:
    (finding,) = [f for f in examine(load_config(None, sets, {}), env or {}) if f.name == name]
    return finding


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    yield
    stop_logging()


def test_a_working_environment_has_nothing_to_mend() -> None:
    assert [finding for finding in examine(load_config(None, (), {}), {}) if not finding.ok] == []


def test_the_version_of_each_library() -> None:
    for name in environment.LIBRARIES:
        assert look(name) == Finding(name, True, version(name))


def test_a_library_that_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    def lookup(name: str) -> str:
        if name == "picows":
            raise PackageNotFoundError(name)
        return version(name)

    monkeypatch.setattr(environment, "version", lookup)
    assert look("picows") == Finding("picows", False, "not installed", "pip install picows")


def test_a_python_that_is_too_old(monkeypatch: pytest.MonkeyPatch) -> None:
    assert look("python").ok
    monkeypatch.setattr(environment, "PYTHON_MIN", (99, 1))
    assert (look("python").ok, look("python").hint) == (False, "install Python 99.1 or later")


def test_dead_letters_in_memory_need_no_file() -> None:
    assert look("dlq.path").detail == "none: dead letters stay in memory"


def test_a_dead_letter_file_that_can_be_written(tmp_path: Path) -> None:
    path = tmp_path / "dead.jsonl"
    assert look("dlq.path", f"dlq.path={path}").ok
    path.touch()
    assert look("dlq.path", f"dlq.path={path}").ok


def test_a_dead_letter_file_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    missing = tmp_path / "none"
    assert look("dlq.path", f"dlq.path={missing}/dead.jsonl").hint == f"mkdir -p {missing}"
    assert look("dlq.path", f"dlq.path={tmp_path}").hint == "name a file"
    # The superuser may write anywhere, so the question itself is answered here.
    monkeypatch.setattr(environment.os, "access", lambda path, mode: False)
    finding = look("dlq.path", f"dlq.path={tmp_path}/dead.jsonl")
    assert (finding.ok, finding.detail) == (False, f"{tmp_path} may not be written")


def test_variables(tmp_path: Path) -> None:
    file = tmp_path / "engine.yaml"
    file.touch()
    assert look("ENGINE_CONFIG", env={"ENGINE_CONFIG": str(file)}).ok
    assert not look("ENGINE_CONFIG", env={"ENGINE_CONFIG": str(tmp_path / "none")}).ok
    proxy = look("HTTPS_PROXY", env={"HTTPS_PROXY": "http://user:hunter2@proxy:3128"})
    assert (proxy.ok, proxy.detail) == (True, "http://***@proxy:3128")


def test_a_loopback_port_that_may_not_be_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    assert look("loopback port").ok

    def refuse(address: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(socket, "create_server", refuse)
    finding = look("loopback port")
    assert (finding.ok, finding.hint) == (False, "allow this process to listen on 127.0.0.1")


def test_logs_start_as_configured(capsys: pytest.CaptureFixture[str]) -> None:
    from engine.observability.logs import Log

    begin_logging(load_config(None, ["log.level=error", "log.format=text"], {}))
    Log("x").warning("no")
    Log("x").error("yes")
    assert capsys.readouterr().err.endswith("ERROR   engine.x: yes\n")
