"""docs/deploy.md is followed word for word, but for its ports: a server from the wheel, three workers, one of them killed."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import redis

from engine.distribution.placement import heir

pytestmark = [pytest.mark.system, pytest.mark.timeout(150)]
SHARDS = sorted(f"nt:{venue}:{shard}" for venue in ("binance", "kraken") for shard in range(4))
NODES = ("node-1", "node-2", "node-3")
_END = "__end of the block__"


def is_free(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0


def free_ports() -> tuple[int, int]:
    """Of a server; and one that ends in 0, the three after which are free."""
    tens = next(port for port in range(21_010 + os.getpid() % 900 * 10, 32_000, 10) if all(map(is_free, range(port, port + 4))))
    return tens, tens


class Shell:
    """One shell, as somebody's who follows a text."""

    def __init__(self, folder: Path) -> None:
        bin_folder = str(Path(sys.executable).parent)
        env = {name: value for name, value in os.environ.items() if not name.startswith("ENGINE_")}
        env["PATH"] = f"{bin_folder}{os.pathsep}{os.environ['PATH']}"
        self.process = subprocess.Popen(["bash"], cwd=folder, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def follow(self, block: str) -> str:
        """What a block of the text answers."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(f"{block}\necho; echo '{_END}'\n")
        self.process.stdin.flush()
        lines = []
        while (line := self.process.stdout.readline()).strip() != _END:
            assert line, "the shell has ended"
            lines.append(line)
        return "".join(lines)


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[Shell]:
    made = Shell(tmp_path)
    yield made
    made.process.communicate(timeout=10)
    for path in tmp_path.glob("*.pid"):
        try:
            os.kill(int(path.read_text()), signal.SIGKILL)
        except ProcessLookupError:
            continue
    for path in tmp_path.glob("server.port"):      # the wheel's program starts it, and does not end it when it is killed
        with suppress(redis.RedisError):
            redis.Redis(port=int(path.read_text())).shutdown(nosave=True)


def until(holds: Callable[[], bool], what: str) -> None:
    ends = time.monotonic() + 40
    while not holds():
        assert time.monotonic() < ends, what


def healths(text: str) -> dict[str, list[str]]:
    """Streams by node, of what curl printed."""
    found: list[Any] = [json.loads(part) for part in re.findall(r"\{.*?\}\s*,?.*?\}", text.replace("}{", "}\n{"))]
    return {one["node_id"]: one["coordination"]["owned_shards"] for one in found}


def test_the_example_works_word_for_word(project_root: Path, shell: Shell, tmp_path: Path) -> None:
    text = (project_root / "docs" / "deploy.md").read_text(encoding="utf-8")
    port, tens = free_ports()
    text = text.replace("6379", str(port)).replace("910", str(tens // 10))
    (tmp_path / "engine.yaml").write_text(re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)[0])
    (tmp_path / "server.port").write_text(str(port))
    start, look, kill, end = re.findall(r"```sh\n(.*?)```", text, re.DOTALL)
    client = redis.Redis(port=port)

    def holders() -> dict[str, str]:
        try:
            return {key: (client.get(f"lease:{{{key}}}") or b"/").decode().partition("/")[0] for key in SHARDS}
        except redis.RedisError:
            return dict.fromkeys(SHARDS, "")

    def is_settled() -> bool:
        """Each stream is where it stays."""
        held = holders()
        if "" in held.values() or any(heir(NODES, key, name, 2) for key, name in held.items()):
            return False
        return b'"book_state":"normal"' in (client.get("report:{binance:BTC-USDT}") or b"")

    shell.follow(start)
    until(is_settled, "no reports, or streams that nobody has")
    shown = shell.follow(look)
    assert "BTC-USDT" in shown
    assert "binance" in shown
    assert set(healths(shown[shown.index('{"') :])) == set(NODES)

    def is_each_once() -> bool:
        """Each stream is somebody's alone; where the machine is busy they may move once more."""
        return sorted(key for keys in healths(shell.follow(look.splitlines()[-1])).values() for key in keys) == SHARDS

    until(is_each_once, "streams that are nobody's, or of two")

    shown = shell.follow(kill)
    report, _ = json.JSONDecoder().raw_decode(shown)
    assert (report["symbol"], report["ingestion"]["status"] in ("ok", "degraded")) == ("BTC-USDT", True)
    until(lambda: set(holders().values()) <= {"node-2", "node-3"}, "nobody took the streams of who was killed")
    again = healths(shell.follow(kill.splitlines()[-1]))
    assert set(again) == {"node-2", "node-3"}

    shown = shell.follow(end)
    assert set(healths(shown)) == {"node-1"}
    pids = [int(path.read_text()) for path in tmp_path.glob("*.pid")]
    assert len(pids) == 5
    until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in pids), "something runs on")
    assert is_free(port), "the server runs on"
    for number in (1, 2, 3):
        log = (tmp_path / f"node-{number}.log").read_text()
        assert "Traceback" not in log
        lines = [json.loads(line) for line in log.splitlines() if line.startswith("{")]
        # SLO-32: whose line it is, and what it is about.
        assert {line["node_id"] for line in lines} == {f"node-{number}"}
        told = {"ts", "level", "message", "component", "symbol", "lag_ms", "stream_id", "event_type"}
        assert all(told <= line.keys() for line in lines if line["logger"] in ("engine.worker", "engine.distribution"))
        events = {line["event_type"] for line in lines}
        assert number == 1 or {"lease_acquired", "shard_assigned", "shard_rebuilt"} <= events  # the first has begun anew
    client.close()
