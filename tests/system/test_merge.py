"""Merge windows as a user runs them: `engine-run run` on simulated venues, and a strategy that checks what it gets."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.system.test_run_cli import endpoints, free_port, simulator

pytestmark = [pytest.mark.system, pytest.mark.timeout(60)]

CHECKER = '''
import json
import os
import signal

import engine


class Checker:
    """Lays each fragment beside what its provider sent, which it takes from the plain streams."""

    def __init__(self, windows):
        self.wanted = windows
        self.sent = {}
        self.seen = {"trades": 0, "books": 0, "folded": 0}
        self.ids = set()
        self.wrong = []

    def on_batch(self, events, ctx):
        for event in events:
            if event.merge_id is None:
                self.sent.setdefault((event.provider, event.type), []).append(event.detach())
            else:
                self.check(event)
        if min(self.seen.values()) >= self.wanted:
            os.kill(os.getpid(), signal.SIGTERM)

    def check(self, merged):
        if merged.merge_id in self.ids or not merged.is_complete or len(merged.fragments) != 2:
            self.wrong.append(f"twice or incomplete: {merged.merge_id}")
        self.ids.add(merged.merge_id)
        is_book = merged.type is engine.EventType.BOOK_UPDATE
        for fragment in merged.fragments:
            inside = [
                one for one in self.sent.get((fragment.provider, fragment.type), ())
                if merged.window_open_ns <= one.ts_recv_ns < merged.window_close_ns and one.epoch == fragment.epoch
            ]
            newest = max(inside, key=lambda one: one.seq_provider)
            if is_book:
                self.seen["folded"] += len(inside) > 1
                self.compare(fragment, inside, newest)
            elif fragment != newest:
                self.wrong.append(f"{fragment} is not {newest}")
        self.seen["books" if is_book else "trades"] += 1

    def compare(self, fragment, inside, newest):
        for side in ("bids", "asks"):
            levels = {}
            for one in inside:
                levels.update(getattr(one, side))
            if dict(getattr(fragment, side)) != levels:
                self.wrong.append(f"{fragment} {side}")
        if (fragment.seq_provider, fragment.folded_count) != (newest.seq_provider, len(inside)):
            self.wrong.append(f"{fragment}: {fragment.folded_count} of {len(inside)}")

    def on_stop(self, ctx):
        with open("checked.json", "w") as file:
            json.dump({"seen": self.seen, "wrong": self.wrong}, file)


class Alone:
    """Ends the run once a venue's trades have come for two seconds."""

    def __init__(self):
        self.first_ns = None
        self.merged = 0

    def on_batch(self, events, ctx):
        self.first_ns = self.first_ns or ctx.now_ns()
        self.merged += sum(event.merge_id is not None for event in events)
        if ctx.now_ns() - self.first_ns > 2_000_000_000:
            os.kill(os.getpid(), signal.SIGTERM)

    def on_stop(self, ctx):
        with open("checked.json", "w") as file:
            json.dump({"merged": self.merged}, file)
'''
RULES = [
    {"name": "trades", "merge_key": "BTC-USD:Trade", "providers": ["coinbase", "kraken"], "window_duration_ms": 400},
    {"name": "books", "merge_key": "BTC-USD:BookUpdate", "providers": ["coinbase", "kraken"], "window_duration_ms": 250},
]


def merged(rule: str, event_type: str) -> dict[str, Any]:
    return {"symbol": "BTC-USD", "event_types": [event_type], "merged": rule}


def run(example: Path, folder: Path, consumer: dict[str, Any], sets: list[str]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The summary of a run that its consumer ends, and what the consumer wrote down."""
    (folder / "checking.py").write_text(CHECKER)
    consumer = {"consumer_id": "checker", "mode": "inline", "mailbox_capacity": 4096, **consumer}
    mine = ["--set", "api.enabled=false", "--set", "reports.enabled=false", "--set", f"orchestrator.merge_rules={json.dumps(RULES)}", "--set", f"consumers={json.dumps([consumer])}"]
    command = [sys.executable, "-m", "engine", "run", "--config", str(example), *sets, *mine, "--json"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=50, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1]), json.loads((folder / "checked.json").read_text())


@pytest.fixture
def example(project_root: Path) -> Path:
    return project_root / "docs" / "examples" / "three-venues.yaml"


def test_mrg_07_each_fragment_is_what_its_venue_sent_in_the_window(example: Path, tmp_path: Path) -> None:
    plain = {"symbol": "BTC-USD", "event_types": ["Trade", "BookUpdate"]}
    consumer = {
        "handler": "checking:Checker",
        "params": {"windows": 8},
        "subscriptions": [plain, merged("trades", "Trade"), merged("books", "BookUpdate")],
    }
    with simulator() as addresses:
        result, checked = run(example, tmp_path, consumer, endpoints(addresses))
    assert checked["wrong"] == []
    assert min(checked["seen"].values()) >= 8
    assert result["balanced"]
    windows = result["pipeline"]["windows"]
    for name in ("trades", "books"):
        row = windows[name]
        assert row["opened"] == row["emitted"] + row["suppressed"] + row["discarded"]
        assert row["open"] == 0
        assert row["emitted"] >= checked["seen"][name]


def test_mrg_10_mrg_11_a_venue_that_is_away_suppresses_every_window_and_stops_nothing(example: Path, tmp_path: Path) -> None:
    port = free_port()
    away = {"ws": f"ws://127.0.0.1:{port}", "rest": f"http://127.0.0.1:{port}"}
    plain = {"symbol": "BTC-USD", "providers": ["kraken"], "event_types": ["Trade"]}
    consumer = {"handler": "checking:Alone", "subscriptions": [plain, merged("trades", "Trade")]}
    with simulator() as addresses:
        result, checked = run(example, tmp_path, consumer, endpoints({**addresses, "coinbase": away}))
    assert checked == {"merged": 0}
    assert result["balanced"]
    windows = result["pipeline"]["windows"]
    assert {name: row["emitted"] for name, row in windows.items()} == {"trades": 0, "books": 0}
    assert windows["trades"]["suppressed"] >= 2
    told = sum(row["suppressed"] for row in windows.values())
    assert result["pipeline"]["telemetry"]["merge.suppressed_partial"] == told
    assert result["pipeline"]["merged"] > 0            # kraken's book updates: into windows and to nobody else
