"""`engine-run run` with keys: private connections, balances, refused logins and subscriptions (BOOK-30, ARC-30)."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
import signal
import subprocess
import sys
import threading
import urllib.request
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.system.test_run_cli import VENUES, endpoints, running, simulator

pytestmark = [pytest.mark.system, pytest.mark.timeout(60)]


def made(venue: str, kind: str) -> str:
    """The secret of a simulated account, as docs/simulator.md tells how it is made."""
    return base64.b64encode(hashlib.sha256(f"simulated {venue} {kind}".encode()).digest()).decode()


KEYS = {
    "BINANCE_API_KEY": "sim-binance-ed25519",
    "BINANCE_API_SECRET": made("binance", "ed25519"),
    "COINBASE_API_KEY": "organizations/sim/apiKeys/ed25519",
    "COINBASE_API_SECRET": made("coinbase", "ed25519"),
    "KRAKEN_API_KEY": "sim-kraken-hmac",
    "KRAKEN_API_SECRET": made("kraken", "hmac"),
}
OF_NOBODY = base64.b64encode(b"a secret of nobody, 32 bytes....").decode()
BTC_AFTER = {"binance": "10.50000999", "coinbase": "10.50000001", "kraken": "10.50000001"}
"""One lot more than the simulator's accounts begin with, at Binance less the fee."""
TOLD = {"binance": 2, "coinbase": 3, "kraken": 3}
"""How often each venue tells of a market order that is filled at once; what says only that it is on its way is no report."""


@pytest.fixture
def example(project_root: Path) -> Path:
    return project_root / "docs" / "examples" / "account.yaml"


def control(addresses: dict[str, dict[str, str]], path: str, body: object = None) -> Any:
    data = None if body is None else json.dumps(body).encode()
    with urllib.request.urlopen(addresses["control"]["rest"] + path, data, timeout=10) as answer:
        return json.load(answer)


class Log:
    """What a process writes to stderr, as it comes."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.lines: list[str] = []
        self._changed = threading.Condition()
        assert process.stderr is not None
        self._stream = process.stderr
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        for line in self._stream:
            with self._changed:
                self.lines.append(line)
                self._changed.notify_all()

    def wait_for(self, *texts: str) -> None:
        """Return when each text stands in some line."""
        with self._changed:
            if not self._changed.wait_for(lambda: all(any(text in line for line in self.lines) for text in texts), 20):
                raise AssertionError(f"{texts} not all in:\n{''.join(self.lines)}")

    def text(self) -> str:
        """All of it, once the process has ended."""
        self._thread.join(10)
        return "".join(self.lines)


def ended(process: subprocess.Popen[str]) -> str:
    """End a run in order; its stdout."""
    process.send_signal(signal.SIGTERM)
    assert process.stdout is not None
    out = process.stdout.read()
    assert process.wait(20) == 0
    return out


def test_three_accounts_log_in_and_their_balances_reach_a_consumer_EVT_21_ARC_30(
    example: Path, tmp_path: Path
) -> None:
    dead = tmp_path / "dead.jsonl"
    flags = ("--set", f"dlq.path={dead}", "--log-level", "debug", "--json")
    with simulator() as addresses:
        sets = (*endpoints(addresses), *flags)
        with running(example, *sets, cwd=tmp_path, **KEYS) as (process, ready):
            assert [one["account"] for one in json.loads(ready)["ready"]["providers"]] == ["up", "up", "up"]
            log = Log(process)
            log.wait_for(*(f"{venue} has 10.5 BTC" for venue in VENUES))
            control(addresses, "/faults", {"fault": "trade_elsewhere", "symbol": "BTC-USD"})
            control(addresses, "/faults", {"fault": "trade_elsewhere", "symbol": "BTC-USDT", "venue": "binance"})
            log.wait_for(*(f"{venue} has {total} BTC" for venue, total in BTC_AFTER.items()))
            out = ended(process)
    result = json.loads(out)
    assert result["balanced"]
    for one in result["providers"]:
        assert (one["account"], one["foreign_orders"]) == ("up", TOLD[one["name"]]), one
    letters = [json.loads(line) for line in dead.read_text().splitlines()]
    assert Counter(one["provider"] for one in letters if one["reason"] == "foreign_order") == TOLD
    # No half of a key, no signature, no token of any kind, at the most talkative level.
    raws = [base64.b64decode(one["raw_base64"]).decode() for one in letters if one.get("raw_base64")]
    written = "".join([log.text(), ready, out, dead.read_text(), *raws])
    for secret in KEYS.values():
        assert secret not in written
    assert re.search(r"eyJ[\w-]+\.eyJ", written) is None
    assert re.search(r"[0-9a-f]{64}", written) is None


@pytest.mark.parametrize("kind", ["hmac", "ed25519"])
def test_a_key_of_either_kind_is_taken_by_check_and_by_run(kind: str, example: Path, tmp_path: Path) -> None:
    keys = KEYS | {"BINANCE_API_KEY": f"sim-binance-{kind}", "BINANCE_API_SECRET": made("binance", kind)}
    with simulator("--venues", "binance") as addresses:
        sets = [
            *endpoints(addresses), "--set", f"providers[0].credentials.key_type={kind}",
            "--set", "providers[1].enabled=false", "--set", "providers[2].enabled=false",
            "--set", "consumers[0].subscriptions=[{symbol: BTC-USDT, event_types: [BalanceUpdate]}]",
        ]  # fmt: skip
        command = [sys.executable, "-m", "engine", "check", "--online", "--json", "--config", str(example), *sets]
        done = subprocess.run(
            command, cwd=tmp_path, env=os.environ | keys, capture_output=True, text=True, timeout=40, check=False
        )
        assert "the venue takes it" in done.stdout, done.stdout + done.stderr
        with running(example, *sets, cwd=tmp_path, **keys) as (process, ready):
            assert ready.rstrip().endswith("2 books valid, account up")
            ended(process)


@pytest.mark.parametrize("venue", VENUES)
def test_a_refused_key_is_one_error_and_the_books_go_on(venue: str, example: Path, tmp_path: Path) -> None:
    keys = KEYS | {f"{venue.upper()}_API_SECRET": OF_NOBODY}
    with (
        simulator() as addresses,
        running(example, *endpoints(addresses), "--json", cwd=tmp_path, **keys) as (process, line),
    ):
        ready = {one["name"]: one for one in json.loads(line)["ready"]["providers"]}
        log = Log(process)
        assert {name: one["account"] for name, one in ready.items()} == {
            name: "refused" if name == venue else "up" for name in VENUES
        }
        assert ready[venue]["account_cause"].startswith("the venue refuses the login: ")
        assert (ready[venue]["state"], ready[venue]["books_valid"]) == ("up", 2)
        before = control(addresses, "/counts")[venue]
        log.wait_for(f"{next(name for name in VENUES if name != venue)} has")
        result = json.loads(ended(process))
        after = control(addresses, "/counts")[venue]
    text = log.text()
    errors = [json.loads(line) for line in text.splitlines() if '"level":"error"' in line]
    assert len(errors) == 1, errors
    assert f"[{venue}] account.open failed: the venue refuses the login: " in errors[0]["message"]
    assert "(code: auth)" in errors[0]["message"]
    assert "engine-run check --online" in errors[0]["message"]
    assert OF_NOBODY not in text
    assert {one["name"]: one["state"] for one in result["providers"]} == dict.fromkeys(VENUES, "up")
    assert result["frames"][venue] > 0
    # No further attempt at the door, neither by socket nor for a token.
    assert before["connections"] == after["connections"] <= 3
    assert after["calls"].get("private/GetWebSocketsToken", 0) <= 1


@pytest.mark.parametrize(
    ("venue", "words"),
    [("kraken", "Currency pair not supported SOL/USD"), ("coinbase", "it is not in the set that the venue acknowledges")],
)
def test_a_refused_subscription_is_told_once_by_name_and_the_others_flow(
    venue: str, words: str, project_root: Path, tmp_path: Path
) -> None:
    example = project_root / "docs" / "examples" / "three-venues.yaml"
    with simulator("--held") as addresses:
        control(addresses, "/faults", {"fault": "refuse_subscription", "venue": venue, "symbol": "SOL-USD", "count": 0})
        control(addresses, "/resume", {})
        with running(example, *endpoints(addresses), "--json", cwd=tmp_path) as (process, line):
            ready = {one["name"]: one for one in json.loads(line)["ready"]["providers"]}
            assert ready[venue]["refused"] == [f"book of SOL-USD: {words}"]
            assert [ready[name]["books_valid"] for name in VENUES] == [2 if name == venue else 3 for name in VENUES]
            log = Log(process)
            out = ended(process)
            struck = control(addresses, "/faults")["counts"][venue]["refuse_subscription"]
    errors = [json.loads(row) for row in log.text().splitlines() if '"level":"error"' in row]
    assert len(errors) == 1, errors
    assert f"[{venue}] subscribe failed: the venue refuses book of SOL-USD: {words}" in errors[0]["message"]
    assert "providers[].symbols" in errors[0]["message"]
    assert struck == 1
    assert json.loads(out)["balanced"]


def test_a_clock_that_is_off_is_measured_and_the_login_made_again_BOOK_30(example: Path, tmp_path: Path) -> None:
    with simulator("--venues", "binance") as addresses:
        control(addresses, "/faults", {"fault": "clock_offset", "offset_ms": -10_000})
        sets = (
            *endpoints(addresses), "--set", "providers[1].enabled=false", "--set", "providers[2].enabled=false",
            "--set", "consumers[0].subscriptions=[{symbol: BTC-USDT, event_types: [BalanceUpdate]}]",
        )  # fmt: skip
        with running(example, *sets, cwd=tmp_path, **KEYS) as (process, ready):
            assert ready.rstrip().endswith("account up")
            ended(process)
