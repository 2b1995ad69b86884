"""`engine-run run` as a user runs it: the ready line, signals, venues that are away, exit codes."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

pytestmark = [pytest.mark.system, pytest.mark.timeout(60)]

VENUES = ("binance", "coinbase", "kraken")
HOLDER = """
from engine.pools.recycler import live
from engine.schema.enums import EventType


class Holder:
    def on_start(self, ctx):
        (recycler,) = live()
        self.lease = recycler.acquire_lease(EventType.TRADE)

    def on_batch(self, events, ctx):
        pass
"""


@contextmanager
def simulator(*args: str) -> Iterator[dict[str, dict[str, str]]]:
    """Simulated venues; their addresses."""
    command = (sys.executable, "-m", "engine.simulator", "--rate", "500", "--exit-with-parent", *args)
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield json.loads(process.stdout.readline())
        finally:
            with suppress(ProcessLookupError):
                process.kill()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port


def endpoints(addresses: dict[str, dict[str, str]]) -> list[str]:
    sets = []
    for place, venue in enumerate(VENUES):
        if venue in addresses:
            sets += [
                "--set", f"providers[{place}].ws_endpoint={addresses[venue]['ws']}",
                "--set", f"providers[{place}].rest_endpoint={addresses[venue]['rest']}",
                *(("--set", f"providers[{place}].ws_private_endpoint={addresses[venue]['ws_private']}")
                  if "ws_private" in addresses[venue] else ()),
            ]  # fmt: skip
    return sets


@contextmanager
def running(example: Path, *args: str, cwd: Path, **env: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A run past its ready line, and that line."""
    command = (sys.executable, "-m", "engine", "run", "--config", str(example), "--set", "api.enabled=false", "--set", "mcp.enabled=false", *args)
    with subprocess.Popen(
        command, cwd=cwd, env=os.environ | env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            yield process, process.stdout.readline()
        finally:
            with suppress(ProcessLookupError):
                process.kill()


@pytest.fixture
def example(project_root: Path) -> Path:
    return project_root / "docs" / "examples" / "three-venues.yaml"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_three_venues_get_ready_and_a_signal_ends_with_the_summary_CLI_11_SHUT_04(
    number: signal.Signals, example: Path, tmp_path: Path
) -> None:
    with simulator() as addresses, running(example, *endpoints(addresses), cwd=tmp_path) as (process, ready):
        assert ready.startswith("ready: profile service; binance up, 3 symbols (BTC-USDT ETH-USDT SOL-USDT), 3 books")
        for venue in VENUES:
            assert re.search(rf"{venue} up, 3 symbols \([A-Z -]+\), 3 books valid", ready)
        process.send_signal(number)
        out, err = process.communicate(timeout=20)
        assert process.returncode == 0, err
        assert "balanced: every count adds up, every pool is whole" in out
        counts = dict(re.findall(r"^  (\w+): ([\d,]+) offered", out, re.MULTILINE))
        assert set(counts) == {"spread", "tape", "balance"}
        assert int(counts["spread"].replace(",", "")) > 10


def test_one_venue_that_is_down_does_not_stop_the_others_ARC_08(example: Path, tmp_path: Path) -> None:
    port = free_port()
    away = {"ws": f"ws://127.0.0.1:{port}", "rest": f"http://127.0.0.1:{port}"}
    with simulator() as addresses:
        sets = endpoints({**addresses, "coinbase": away})
        with running(example, *sets, "--profile", "throughput", "--json", cwd=tmp_path) as (process, line):
            ready: dict[str, Any] = json.loads(line)["ready"]
            states = {one["name"]: one["state"] for one in ready["providers"]}
            assert states == {"binance": "up", "coinbase": "down", "kraken": "up"}
            assert str(port) in ready["providers"][1]["cause"]
            assert ready["profile"] == "throughput"
            process.send_signal(signal.SIGTERM)
            out, err = process.communicate(timeout=20)
            assert process.returncode == 0, err
            result = json.loads(out)
            assert result["balanced"]
            assert result["frames"]["coinbase"] == 0
            assert result["frames"]["kraken"] > 0


def test_a_symbol_the_venue_does_not_list_is_named_and_the_others_flow(example: Path, tmp_path: Path) -> None:
    wrong = ("--set", "providers[2].symbols=[BTC-USD, ETH-USD, SOL-USD, NO-USD]")
    with simulator() as addresses, running(example, *endpoints(addresses), *wrong, cwd=tmp_path) as (process, ready):
        assert ready.rstrip().endswith(
            "kraken up, 3 symbols (BTC-USD ETH-USD SOL-USD), 3 books valid, not listed: NO-USD"
        )
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=20)
        assert process.returncode == 0
        assert "[kraken] instruments.load failed: NO-USD is not listed (code: not_found)" in err


def test_what_is_still_out_after_the_wait_ends_it_with_3_and_is_named_SHUT_03(example: Path, tmp_path: Path) -> None:
    (tmp_path / "holding.py").write_text(HOLDER)
    sets = ("--set", "consumers[0].handler=holding:Holder", "--set", "engine.shutdown_wait_ms=200")
    with simulator() as addresses, running(example, *endpoints(addresses), *sets, cwd=tmp_path) as (process, _):
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=20)
        assert process.returncode == 3, err
        assert "FAULT: pool Trade has 1 out" in out
        assert "pool Trade has 1 out, held by engine" in err


def test_each_venue_can_be_replaced_by_its_simulator_CLI_11_ARC_31(project_root: Path, tmp_path: Path) -> None:
    kraken = project_root / "docs" / "examples" / "kraken.yaml"
    with running(kraken, "--simulated-providers", cwd=tmp_path) as (process, ready):
        assert ready.rstrip() == "ready: profile service; kraken up, 2 symbols (BTC-USD ETH-USD), 2 books valid"
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=20)
        assert process.returncode == 0, err
        assert "balanced" in out


def test_the_plain_feed_runs_from_outside_CLI_11_CLI_12(project_root: Path, tmp_path: Path) -> None:
    example = project_root / "docs" / "examples" / "simulated.yaml"
    with simulator() as addresses:
        own = addresses["simulated"]
        sets = (f"providers[0].ws_endpoint={own['ws']}", f"providers[0].rest_endpoint={own['rest']}")
        args = [word for text in sets for word in ("--set", text)]
        with running(example, *args, cwd=tmp_path) as (process, ready):
            assert ready.rstrip() == "ready: profile service; simulated up, 2 symbols (BTC-USD ETH-USD), 2 books valid"
            process.send_signal(signal.SIGTERM)
            out, err = process.communicate(timeout=20)
            assert process.returncode == 0, err
            assert "balanced" in out
    with running(example, "--simulated-providers", cwd=tmp_path) as (process, ready):
        assert ready.rstrip().endswith("2 books valid")
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=20)
        assert process.returncode == 0


@pytest.mark.parametrize(
    ("sets", "says"),
    [
        (("consumers[0].handler=nowhere:Nothing",), "consumers[spread].handler nowhere:Nothing"),
        (("providers[0].symbls=[X-Y]", "log.level=loud"), "log.level: must be"),
    ],
)
def test_what_cannot_be_run_ends_with_2_SHUT_10(
    sets: tuple[str, ...], says: str, example: Path, tmp_path: Path
) -> None:
    args = [word for text in sets for word in ("--set", text)]
    command = [sys.executable, "-m", "engine", "run", "--config", str(example), "--set", "api.enabled=false", "--set", "mcp.enabled=false", *args]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 2
    assert says in done.stderr
    assert done.stdout == ""
    assert os.listdir(tmp_path) == []
