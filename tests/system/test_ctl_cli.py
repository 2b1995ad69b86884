"""`engine-run ctl` and `engine-run status` as an operator uses them (CLI-02, CLI-16, CLI-17, CLI-30)."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.system.surface_kit import READ, Desk, desk

pytestmark = [pytest.mark.system, pytest.mark.timeout(120)]

WORDS = {
    "subscribe": (), "unsubscribe": (), "log-level": (), "shutdown": (),
    "trading": ("on", "off"),
    "orders": ("list", "show", "submit", "cancel", "cancel-all"),
    "risk": ("show", "set", "kill", "clear"),
    "providers": ("list", "start", "stop"),
    "dlq": ("list", "drain"),
    "pools": ("show", "outstanding", "debug"),
    "telemetry": ("tail",),
}  # fmt: skip
"""model.md CLI-17."""


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    with desk(tmp_path_factory.mktemp("desk")) as found:
        yield found


def helped(*words: str) -> str:
    return subprocess.run([sys.executable, "-m", "engine", *words, "--help"], capture_output=True, text=True, timeout=40,
                          check=True).stdout  # fmt: skip


def commands(text: str) -> set[str]:
    return set(re.findall(r"^  ([a-z-]+) {2,}\w", text.partition("Commands:")[2], re.MULTILINE))


def test_cli_17_every_word_of_the_table_is_there_and_no_other() -> None:
    assert commands(helped("ctl")) == set(WORDS)
    for name, below in WORDS.items():
        if below:
            assert commands(helped("ctl", name)) == set(below)
    for words in (("risk", "kill"), ("orders", "cancel-all"), ("shutdown",)):
        assert "--yes" in helped("ctl", *words)
    assert {"--api", "--json", "--config", "--set"} <= set(re.findall(r"--[a-z-]+", helped("ctl", "dlq", "list")))


def test_cli_17_a_consumer_is_subscribed_switched_and_left(running: Desk) -> None:
    told = running.ctl("ctl", "subscribe", "tape", "ETH-USD", "Trade", "--provider", "kraken").stdout
    assert re.fullmatch(r"subscribed: subscription_id=s\d+ first_event=(live|waiting), routing version \d+\n", told)
    assert running.ctl("ctl", "unsubscribe", "tape", "ETH-USD", "Trade", "--provider", "kraken").stdout.startswith("unsub")
    assert running.ctl("ctl", "trading", "on", "tape").stdout == "trading of tape is on\n"
    assert running.ask("GET", "/consumers/tape").body["trading_switch"]["enabled"]
    assert json.loads(running.ctl("ctl", "trading", "off", "tape", "--json").stdout)["success"]
    assert not running.ask("GET", "/consumers/tape").body["trading_switch"]["enabled"]


def test_cli_17_what_operators_look_at(running: Desk) -> None:
    assert re.search(r"^kraken +kraken +up +1 ", running.ctl("ctl", "providers", "list").stdout, re.MULTILINE)
    assert re.search(r"^BookUpdate +\d+", running.ctl("ctl", "pools", "show").stdout, re.MULTILINE)
    assert "outstanding" in json.loads(running.ctl("ctl", "pools", "outstanding", "--json").stdout)
    assert running.ctl("ctl", "dlq", "list").stdout.startswith("dlq_id")
    held = running.ask("GET", "/dlq").body["counts"]["records_count"]
    drained, left = map(int, re.findall(r"\d+", running.ctl("ctl", "dlq", "drain", "--limit", "5").stdout))
    assert drained + left >= held
    assert min(5, held) <= drained <= 5
    assert running.ctl("ctl", "log-level", "info").stdout == "level: info\n"
    assert "on: False" in running.ctl("ctl", "pools", "debug", "off").stdout
    lines = running.ctl("ctl", "telemetry", "tail", "--once", "--json").stdout.splitlines()
    assert all(json.loads(line)["event_id"].startswith("engine::") for line in lines)


def test_cli_17_a_provider_stops_and_starts(running: Desk) -> None:
    assert running.ctl("ctl", "providers", "stop", "second").stdout == "second: stopped\n"
    assert running.ctl("ctl", "providers", "start", "second").stdout.startswith("second: ")


def test_cli_16_status_is_one_report(running: Desk) -> None:
    told = running.ctl("status").stdout
    assert re.search(r"^binance +up ", told, re.MULTILINE)
    assert re.search(r"^tape +inline +running +off +\d+", told, re.MULTILINE)
    assert re.search(r"^pools: \d+ in use; dead letters: \d+$", told, re.MULTILINE)
    found = json.loads(running.ctl("status", "--json").stdout)
    assert set(found) == {"ready", "health", "providers", "consumers", "pools", "dlq", "orders"}
    assert found["orders"] is None


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("ctl", "ordrs", "list"), "no such word 'ordrs'; nearest valid: orders"),
        (("ctl", "trading", "onn", "tape"), "no such word 'onn'; nearest valid: on"),
        (("ctl", "pools", "debug", "of"), "nearest valid: off"),
        (("ctl", "log-level", "lodu"), "nearest valid: "),
        (("ctl", "dlq", "list", "--limt", "3"), "nearest valid: --limit"),
        (("ctl", "shutdown"), "shutdown must be confirmed; nearest valid: --yes"),
        (("ctl", "risk", "kill"), "kill must be confirmed; nearest valid: --yes"),
        (("ctl", "orders", "cancel-all"), "cancel-all must be confirmed; nearest valid: --yes"),
        (("ctl", "risk", "set", "orders_per_s"), "is no NAME=VALUE"),
        (("ctl", "--api", "127.0.0.1:1", "dlq", "list"), "nearest valid: http://127.0.0.1:1"),
        (("ctl", "trading", "on", "nobody"), "there is no consumer nobody"),
        (("ctl", "providers", "stop", "nowhere"), "there is no provider nowhere"),
        (("ctl", "subscribe", "tape", "ETH-USD", "Telemetry"), "event type 'Telemetry' is none of"),
    ],
)  # fmt: skip
def test_cli_02_cli_30_wrong_usage_ends_with_2_and_names_the_nearest(
    words: tuple[str, ...], says: str, running: Desk
) -> None:
    done = running.ctl(*words, code=2)
    assert says in done.stderr
    assert done.stdout == ""


def test_cli_30_no_engine_ends_with_4(running: Desk, tmp_path: Path) -> None:
    done = running.ctl("ctl", "--api", "http://127.0.0.1:1", "dlq", "list", code=4)
    assert "no engine answers at http://127.0.0.1:1" in done.stderr
    assert running.ctl("status", "--api", "http://127.0.0.1:1", "--json", code=4).stdout.startswith('{"error":')


def test_cli_30_what_is_not_permitted_ends_with_6(running: Desk) -> None:
    for token, says in (("nobodys-token", "a token is needed"), (READ, "is not for the read-only token")):
        done = running.ctl("ctl", "trading", "on", "tape", token=token, code=6)
        assert says in done.stderr
        assert "(code: auth)" in done.stderr
        assert token not in done.stderr
    assert running.ctl("ctl", "providers", "list", token=READ).stdout


def test_cli_17_shutdown_ends_the_run_in_order(tmp_path: Path) -> None:
    with desk(tmp_path) as found:
        assert found.ctl("ctl", "shutdown", "--yes").stdout == "stopping\n"
        out, errors = found.process.communicate(timeout=30)
        assert found.process.returncode == 0, errors
        assert json.loads(out)["balanced"]
        done = found.ctl("ctl", "dlq", "list", code=4)
        assert "no engine answers at" in done.stderr
