"""Three `engine-run worker` that share the streams: one sleeps through its lease, others are killed, one ends (SLO-11, CHK-17, CHK-19)."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections import defaultdict
from functools import partial
from pathlib import Path
from threading import Event, Thread
from typing import Any

import pytest
import redis

from engine.base.instants import to_rfc3339
from engine.distribution.servers import batch_of, connect
from tests.redis_kit import Server, server, shared_servers
from tests.system.bus_kit import answer, value, worker

pytestmark = [pytest.mark.system, pytest.mark.timeout(240)]
FAILOVERS = int(os.environ.get("ENGINE_FAILOVERS", "2"))
GAP_S = 2.0
AFTER_NS = 5_000_000_000
"""By then a server that is dead has been replaced, or something is wrong."""

CONFIG = """
schema_version: 1
providers:
  - {name: binance, venue: binance, symbols: [BTC-USDT, ETH-USDT]}
  - {name: kraken, venue: kraken, symbols: [BTC-USD]}
bus: {backend: redis, shards: 4, coordination: {enabled: true}}
cache: {backend: redis}
api: {enabled: false}
mcp: {enabled: false}
"""
PAIRS = ("binance:BTC-USDT", "binance:ETH-USDT", "kraken:BTC-USD")
_SIGNED = re.compile(rb'"generated_at":"([^"]*)".*"writer":\{"node_id":"([^"]*)","token":(\d+)\}')


class Watch:
    """Reads the reports a thousand times a second; what may never be is noted."""

    def __init__(self, at: Server) -> None:
        self._client: Any = connect(at.url, 5.0)
        self._stopped = Event()
        self.now: dict[str, tuple[str, int]] = {}
        """Writer and token of each report."""
        self.newest: dict[str, str] = {}
        """When each report was made."""
        self.gaps: dict[str, list[float]] = defaultdict(list)
        """Seconds between the last report of one token and the first one of the next."""
        self.wrong: list[str] = []
        self.looks = 0
        self._thread = Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        keys = [f"report:{{{pair}}}" for pair in PAIRS]
        last: dict[str, tuple[str, float]] = {}
        due_s = time.monotonic()
        while not self._stopped.wait(max(0.0, due_s - time.monotonic())):
            due_s = max(due_s + 0.001, time.monotonic() - 0.01)
            self.looks += 1
            for pair, text in zip(PAIRS, self._read(keys), strict=True):
                if text is None:
                    continue
                signed = _SIGNED.search(text)
                assert signed is not None
                made, node, token = signed[1].decode(), signed[2].decode(), int(signed[3])
                before = self.now.get(pair, ("", 0))
                at_s = time.monotonic()
                if token < before[1] or made < last.get(pair, ("", 0.0))[0] or (token == before[1] and node != before[0]):
                    self.wrong.append(f"{pair}: {made} of {node} {token} after {last[pair][0]} of {before}")
                if token != before[1] and before[1]:
                    self.gaps[pair].append(at_s - last[pair][1])
                if made != last.get(pair, ("", 0.0))[0]:
                    last[pair] = (made, at_s)
                    self.newest[pair] = made
                self.now[pair] = (node, token)

    def _read(self, keys: list[str]) -> list[bytes | None]:
        try:
            with batch_of(self._client) as pipe:
                for key in keys:
                    pipe.at(key).get(key)
                return pipe.execute()
        except redis.RedisError:
            return [None] * len(keys)

    def is_above(self, pair: str, token: int) -> bool:
        return self.now[pair][1] > token

    def stop(self) -> None:
        self._stopped.set()
        self._thread.join()
        self._client.close()


class Nodes:
    """The workers by name."""

    def __init__(self, folder: Path, at: Server) -> None:
        self.folder, self.server = folder, at
        self.running: dict[str, subprocess.Popen[str]] = {}
        self.urls: dict[str, str] = {}

    def begin(self, *names: str) -> None:
        for name in names:
            self.running[name] = worker(self.folder, self.server.url, "--node-id", name)
        for name in names:
            ready = self.running[name].stdout
            assert ready is not None
            self.urls[name] = json.loads(ready.readline())["ready"]["metrics"]

    def health(self, name: str) -> Any:
        status, body = answer(self.urls[name] + "/health")
        found = json.loads(body)
        assert (status, found["status"], found["node_id"], found["coordination"]["enabled"]) == (200, "ok", name, True)
        return found["coordination"]

    def owned(self) -> dict[str, list[str]]:
        return {name: self.health(name)["owned_shards"] for name in self.running}

    def owned_with(self, url: str) -> list[str]:
        """By all of them, and by one more."""
        more = json.loads(answer(url + "/health")[1])["coordination"]["owned_shards"]
        return sorted([*more, *(key for keys in self.owned().values() for key in keys)])

    def end(self, name: str, sent: signal.Signals) -> int:
        process = self.running.pop(name)
        process.send_signal(sent)
        process.communicate(timeout=30)
        return process.returncode

    def close(self) -> None:
        for process in self.running.values():
            process.kill()
            process.communicate()


def until(holds: Any, what: str) -> None:
    ends = time.monotonic() + 40
    while not holds():
        assert time.monotonic() < ends, what


@pytest.mark.serial
def test_chk_17_chk_19_reports_go_on_whoever_sleeps_dies_or_ends(tmp_path: Path) -> None:
    (tmp_path / "engine.yaml").write_text(CONFIG)
    shards = sorted(f"nt:{venue}:{shard}" for venue in ("binance", "kraken") for shard in range(4))
    with server(tmp_path) as kept:
        env = {**os.environ, "ENGINE_REDIS_URL": kept.url}
        command = [sys.executable, "-m", "engine", "run", "--simulated-providers"]
        watch = Watch(kept)
        nodes = Nodes(tmp_path, kept)
        with subprocess.Popen(command, cwd=tmp_path, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as engine:
            try:
                nodes.begin("node-1", "node-2", "node-3")
                until(lambda: len(watch.now) == 3, "no reports")
                # Each stream has one owner, and all have one.
                until(lambda: sorted(key for keys in nodes.owned().values() for key in keys) == shards, "not all are owned")
                assert nodes.health("node-1")["configured_symbols"] == 3
                told = json.loads(kept.client.get("nt:node:node-2") or b"")
                assert told["metrics_url"] == nodes.urls["node-2"] + "/metrics"

                # One sleeps for longer than its lease, and wakes.
                sleeper, token = watch.now[PAIRS[0]]
                nodes.running[sleeper].send_signal(signal.SIGSTOP)
                until(lambda: watch.now[PAIRS[0]][1] > token, "nobody took over from who sleeps")
                nodes.running[sleeper].send_signal(signal.SIGCONT)
                until(lambda: value(answer(nodes.urls[sleeper] + "/metrics")[1], "engine_node_heartbeat") == 1, "it does not wake")
                until(lambda: sorted(key for keys in nodes.owned().values() for key in keys) == shards, "not settled")

                # CHK-18: of two of one name one has a stream, the other says so.
                twin = worker(tmp_path, kept.url, "--node-id", "node-2")
                assert twin.stdout is not None
                twin_url = json.loads(twin.stdout.readline())["ready"]["metrics"]
                until(lambda: value(answer(twin_url + "/metrics")[1], "engine_lease_conflicts_total") > 0, "no conflict is told")
                ours = partial(nodes.owned_with, twin_url)
                until(lambda: ours() == shards, "a stream is nobody's, or of two")
                twin.send_signal(signal.SIGTERM)
                assert "lease_conflict" in twin.communicate(timeout=30)[1]
                assert twin.returncode == 0
                until(lambda: kept.client.exists("nt:node:node-2") == 1, "the first one is not heard any more")

                # Others are killed, and come back.
                for _ in range(FAILOVERS):
                    victim = watch.now[PAIRS[0]][0]
                    before = {pair: token for pair, (node, token) in watch.now.items() if node == victim}
                    nodes.end(victim, signal.SIGKILL)
                    for pair, token in before.items():
                        until(partial(watch.is_above, pair, token), "nobody took over from who died")
                    left = sum(value(answer(url + "/metrics")[1], "engine_takeovers_total") for name, url in nodes.urls.items() if name != victim)
                    assert left >= 1
                    nodes.begin(victim)
                killed = dict(watch.gaps)

                # One ends, and says so: the others take its streams without waiting for its leases.
                ends = watch.now[PAIRS[1]]
                assert nodes.end(ends[0], signal.SIGTERM) == 0
                until(lambda: watch.now[PAIRS[1]][1] > ends[1], "nobody took what was given back")
                assert not kept.client.exists(f"nt:node:{ends[0]}")
                until(lambda: sorted(key for keys in nodes.owned().values() for key in keys) == shards, "not settled")

                # No reader took anything from another: no chain has a hole.
                metrics = [answer(nodes.urls[name] + "/metrics")[1] for name in nodes.running]
                assert [value(text, "engine_stream_gap_total") for text in metrics] == [0, 0]
                assert sum(value(text, "engine_lease_operations_total") for text in metrics) > 0

                # CHK-38: leases, tokens and fences are nobody's symbols; CHK-14: nothing is left pending.
                assert {member.decode() for member in kept.client.zrange("report_index", 0, -1)} == set(PAIRS)
                assert len(kept.client.keys("lease:*")) == 8
                until(lambda: sum(kept.client.xpending(key, "engine-reports")["pending"] for key in shards) == 0, "entries are pending")
                assert kept.client.exists("nt:dlq") == 0
                # The last ones end together: nobody takes what the other gives back.
                for process in nodes.running.values():
                    process.send_signal(signal.SIGTERM)
                assert [process.wait(timeout=30) for process in nodes.running.values()] == [0, 0]
                assert kept.client.keys("lease:*") == []
                assert kept.client.keys("nt:node*") == []
            finally:
                engine.kill()
                nodes.close()
                watch.stop()
    print("worst gaps", {pair: max(gaps) for pair, gaps in watch.gaps.items()}, "looks", watch.looks)
    assert watch.wrong == []
    assert max(gap for gaps in killed.values() for gap in gaps) <= GAP_S


def test_dst_13_reports_go_on_when_a_worker_dies_and_when_a_server_of_several_does(tmp_path: Path) -> None:
    (tmp_path / "engine.yaml").write_text(CONFIG)
    with shared_servers(tmp_path, 3, 3) as kept:
        env = {**os.environ, "ENGINE_REDIS_URL": kept.url}
        command = [sys.executable, "-m", "engine", "run", "--simulated-providers"]
        watch = Watch(kept)
        nodes = Nodes(tmp_path, kept)
        with subprocess.Popen(command, cwd=tmp_path, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as engine:
            try:
                nodes.begin("node-1", "node-2")
                until(lambda: len(watch.now) == 3, "no reports")
                victim = watch.now[PAIRS[0]][0]
                nodes.end(victim, signal.SIGKILL)
                until(lambda: all(name != victim for name, _ in watch.now.values()), "nobody took over")
                owner = kept.of(f"report:{{{PAIRS[0]}}}")
                owner.kill()
                kept.servers.remove(owner)
                later = to_rfc3339(time.time_ns() + AFTER_NS)
                until(lambda: all(watch.newest[pair] > later for pair in PAIRS), "reports have stopped")
                until(lambda: engine.poll() is None and all(node["owned_shards"] for node in map(nodes.health, nodes.running)), "lost")
            finally:
                engine.kill()
                nodes.close()
                watch.stop()
