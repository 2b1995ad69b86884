"""ARC-05: a run opens for writing what the configuration names, and nothing else."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.system.test_run_cli import simulator

pytestmark = [pytest.mark.system, pytest.mark.timeout(90)]

WATCH = """
import os, sys

_told = os.open(os.environ["TEST_OPENED"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)


def _hook(event, args):
    if event == "open" and isinstance(args[0], (str, bytes)):
        path, mode, flags = args
        if (mode and set(mode) & set("wax+")) or (flags or 0) & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
            os.write(_told, os.fsencode(path) + b"\\n")
    elif event in ("sqlite3.connect", "shelve.open", "dbm.open"):
        os.write(_told, event.encode() + b"\\n")


sys.addaudithook(_hook)
"""
"""Notes what Python opens for writing, from the first import on; what native code opens is found in /proc."""

DESK = """
class Desk:
    def __init__(self):
        self.trades = 0
    def on_trade(self, event, ctx):
        self.trades += 1
        if self.trades == 1:
            raise ValueError("the first trade")     # one dead letter
        if self.trades == 50:
            print("fifty", flush=True)
"""
CONFIG = """
schema_version: 1
providers: [{{name: binance, venue: binance, symbols: [BTC-USDT],
             ws_endpoint: "{ws}", rest_endpoint: "{rest}"}}]
consumers:
  - {{consumer_id: desk, mode: inline, handler: "desk:Desk",
     subscriptions: [{{symbol: BTC-USDT, event_types: [Trade, BookUpdate]}}]}}
"""


def open_for_writing(pid: int) -> set[str]:
    """Files of the file system that a process holds open for writing."""
    found = set()
    for fd in os.listdir(f"/proc/{pid}/fd"):
        try:
            target = os.readlink(f"/proc/{pid}/fd/{fd}")
            info = Path(f"/proc/{pid}/fdinfo/{fd}").read_text()
        except OSError:
            continue
        flags = int(next(line.split()[1] for line in info.splitlines() if line.startswith("flags:")), 8)
        if flags & (os.O_WRONLY | os.O_RDWR) and target.startswith("/") and not target.startswith(("/dev/", "/memfd:")):
            found.add(target)
    return found


def written_in_a_run(folder: Path, *sets: str) -> set[str]:
    """Names, below *folder*, of what a run over fifty trades wrote; other paths stay whole."""
    watch = folder / "watch"
    watch.mkdir()
    (watch / "sitecustomize.py").write_text(WATCH)
    (folder / "desk.py").write_text(DESK)
    told = folder / "watch" / "opened"
    environment = {
        **os.environ, "PYTHONPATH": os.pathsep.join(filter(None, (str(watch), os.environ.get("PYTHONPATH")))),
        "PYTHONDONTWRITEBYTECODE": "1", "TEST_OPENED": str(told),
    }  # fmt: skip
    for name in [name for name in environment if name.startswith("COV_")]:
        del environment[name]           # measuring lines writes a file of its own
    with simulator() as addresses:
        (folder / "engine.yaml").write_text(CONFIG.format(**addresses["binance"]))
        command = [sys.executable, "-m", "engine", "run", "--config", "engine.yaml", *sets, "--set",
                   "api.enabled=false", "--set", "mcp.enabled=false"]  # fmt: skip
        with subprocess.Popen(
            command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as process:
            try:
                assert process.stdout is not None
                assert process.stdout.readline().startswith("ready: ")
                assert process.stdout.readline() == "fifty\n"
                held = open_for_writing(process.pid) - {str(told)}
                process.send_signal(signal.SIGINT)
                _, err = process.communicate(timeout=30)
                assert process.returncode == 0, err
            finally:
                process.kill()
    noted = {str(folder / line) for line in told.read_text().splitlines()} - {os.devnull}
    return {os.path.relpath(path, folder) if path.startswith(str(folder)) else path for path in noted | held}


def test_arc_05_a_run_that_names_no_file_writes_none(tmp_path: Path) -> None:
    assert written_in_a_run(tmp_path) == set()


def test_arc_05_the_file_of_dead_letters_is_written_when_it_is_named(tmp_path: Path) -> None:
    assert written_in_a_run(tmp_path, "--set", "dlq.path=dead.jsonl") == {"dead.jsonl"}
    (letter,) = map(json.loads, (tmp_path / "dead.jsonl").read_text().splitlines())
    assert letter["reason"] == "callback_failed"
