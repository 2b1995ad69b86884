"""One engine at a time has a state folder, and one that sends no orders keeps none (CFG engine.state_dir, CLI-11, SUB-13)."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from tests.system.order_kit import engine_at
from tests.system.surface_kit import CONFIG, TOKENS, desk
from tests.system.test_account_cli import KEYS, ended
from tests.system.test_run_cli import simulator

pytestmark = [pytest.mark.system, pytest.mark.timeout(90)]


def refused(folder: Path, *words: str, **env: str) -> str:
    """What a run with these words ends with: one line, before the one that says what to do."""
    command = [sys.executable, "-m", "engine", "run", *words]
    done = subprocess.run(command, cwd=folder, env={**os.environ, **env}, capture_output=True, text=True, timeout=40, check=False)
    assert (done.returncode, done.stdout) == (2, ""), done.stderr
    line, hint = done.stderr.splitlines()
    assert hint == "hint: end that engine, or give this one an engine.state_dir of its own"
    return line


def test_a_second_engine_in_one_state_folder_is_refused_and_the_first_one_keeps_its_token(tmp_path: Path) -> None:
    with desk(tmp_path, DESK_TOKEN="") as first:
        state = tmp_path / "engine-state"
        assert stat.S_IMODE(state.stat().st_mode) == 0o700
        token = (state / "api.token").read_text()
        line = refused(tmp_path, "--set", "api.port=0", **TOKENS | {"DESK_TOKEN": ""})
        assert "is in use by another engine" in line
        assert first.url in line
        assert "(code: invalid_request)" in line
        assert (state / "api.token").read_text() == token
        assert first.ask("GET", "/consumers", token=token).status == 200
        first.process.kill()
        first.process.wait()
    with desk(tmp_path, DESK_TOKEN="") as second:                        # nothing of one that was killed stands in the way
        assert second.ask("GET", "/consumers", token=(state / "api.token").read_text()).status == 200
        assert (state / "api.token").read_text() != token


def test_a_journal_s_folder_is_taken_also_without_a_surface(tmp_path: Path) -> None:
    with simulator("--venues", "binance") as addresses, engine_at(tmp_path, addresses, "binance") as it:
        line = refused(tmp_path, "--set", "api.enabled=false", **KEYS)
        assert "engine.state_dir" in line
        assert "is in use by another engine" in line
        assert json.loads(ended(it.process))["balanced"]


def test_without_surface_and_orders_two_engines_share_what_neither_uses(tmp_path: Path) -> None:
    (tmp_path / "engine.yaml").write_text(json.dumps({**CONFIG, "api": {"enabled": False}, "consumers": []}))
    command = [sys.executable, "-m", "engine", "run", "--simulated-providers"]
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, text=True) as first:
        assert first.stdout is not None
        assert first.stdout.readline().startswith("ready: ")
        with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, text=True) as second:
            assert second.stdout is not None
            assert second.stdout.readline().startswith("ready: ")
            second.terminate()
            second.communicate(timeout=30)
        first.terminate()
        first.communicate(timeout=30)
    assert (first.returncode, second.returncode) == (0, 0)
    assert not (tmp_path / "engine-state").exists()


def test_cli_11_with_no_orders_every_order_is_rejected_and_no_journal_is_made(tmp_path: Path) -> None:
    with (
        simulator("--venues", "binance") as addresses,
        engine_at(tmp_path, addresses, "binance", flags=("--no-orders",)) as it,
    ):
        it.do("rest", id="one")
        it.do("take", id="two")
        it.do("cancel_all")
        rows = it.until(lambda: it.results("submit_order")[1:] and it.results("submit_order"))
        assert [row["status"] for row in rows] == ["rejected", "rejected"]
        assert all("--no-orders" in row["reason"]["text"] for row in rows)
        assert it.until(lambda: it.results("cancel_all")) == [{"requested": 0}]
        assert it.at_venue() == []
        assert it.told("RiskControl") == []
        assert json.loads(ended(it.process))["balanced"]
    assert not (tmp_path / "state" / "orders.db").exists()
