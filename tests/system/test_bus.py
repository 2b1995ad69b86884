"""`engine-run run` with the bus on a real server's streams: what a reader elsewhere finds there (BUS-05, BUS-12, BUS-29, BUS-30)."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections import defaultdict
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from tests.redis_kit import Server, cluster_server, server, shared_servers
from tests.system.bus_kit import answer, value, worker

pytestmark = [pytest.mark.system, pytest.mark.timeout(120)]
CONFIG = """
schema_version: 1
providers:
  - {name: binance, venue: binance, symbols: [BTC-USDT, ETH-USDT]}
  - {name: kraken, venue: kraken, symbols: [BTC-USD]}
bus: {backend: redis, shards: 4}
api: {enabled: false}
mcp: {enabled: false}
"""


def run(folder: Path, url: str | None, *options: str, entries: int = 0, at: Server | None = None) -> tuple[int, str, str]:
    """A run that ends when the streams hold so many entries; exit code, output, stderr."""
    (folder / "engine.yaml").write_text(CONFIG)
    env = {name: value for name, value in os.environ.items() if name != "ENGINE_REDIS_URL"}
    env |= {} if url is None else {"ENGINE_REDIS_URL": url}
    command = [sys.executable, "-m", "engine", "run", "--simulated-providers", "--json", *options]
    with subprocess.Popen(command, cwd=folder, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            if at is not None:
                while sum(at.client.xlen(key) for key in at.streams()) < entries:
                    assert process.poll() is None
                process.send_signal(signal.SIGTERM)
            out, err = process.communicate(timeout=60)
        finally:
            process.kill()
    return process.returncode, out, err


def test_bus_12_the_streams_of_a_run_are_whole(tmp_path: Path, project_root: Path) -> None:
    schema = Draft202012Validator(json.loads((project_root / "docs" / "schemas" / "event.schema.json").read_text()))
    with server(tmp_path) as kept:
        code, out, err = run(tmp_path, kept.url, entries=2000, at=kept)
        assert code == 0, err
        last: dict[tuple[str, str], int] = defaultdict(int)
        kinds: dict[tuple[str, str], set[str]] = defaultdict(set)
        found = 0
        for key in kept.streams():
            for _, fields in kept.rows(key):
                assert list(fields) == [b"data"]
                entry: dict[str, Any] = json.loads(fields[b"data"])
                found += 1
                if found % 20 == 0:
                    schema.validate(entry)
                whose = entry["venue"], entry["symbol"]
                assert entry["prev_seq"] == last[whose]
                assert entry["seq"] > last[whose]
                last[whose] = entry["seq"]
                kinds[whose].add(entry["type"])
        assert set(last) == {("binance", "BTC-USDT"), ("binance", "ETH-USDT"), ("kraken", "BTC-USD")}
        assert all({"trade_tick", "order_book_depth", "order_book_deltas"} <= types for types in kinds.values())
        metrics = json.loads(out.splitlines()[-1])["metrics"]
        assert sum(row["value"] for row in metrics["engine_publish_entries_total"]) == found
        assert "engine_publish_dropped_total" not in metrics or not sum(
            row["value"] for row in metrics["engine_publish_dropped_total"]
        )
        assert kept.client.get("nt:meta:kraken") == b'{"v":1,"shards":4}'


def test_bus_29_a_run_that_must_not_write_there_says_why_and_ends(tmp_path: Path) -> None:
    code, _, err = run(tmp_path, None)
    assert (code, "the environment variable ENGINE_REDIS_URL is not set" in err) == (2, True), err
    with server(tmp_path) as kept:
        kept.client.set("nt:meta:binance", '{"v":1,"shards":64}')
        code, _, err = run(tmp_path, kept.url)
        assert (code, 'nt:meta:binance says {"v":1,"shards":64}, bus.shards is 4' in err) == (2, True), err


def test_a_run_without_its_server_goes_on_and_finds_it_later(tmp_path: Path) -> None:
    absent = Server(tmp_path)
    (tmp_path / "engine.yaml").write_text(CONFIG)
    command = [sys.executable, "-m", "engine", "run", "--simulated-providers", "--json"]
    env = {**os.environ, "ENGINE_REDIS_URL": absent.url}
    with subprocess.Popen(command, cwd=tmp_path, env=env, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout is not None
        assert json.loads(process.stdout.readline())["ready"]
        absent.start()
        try:
            while not absent.client.exists("nt:meta:kraken") or sum(absent.client.xlen(f"nt:kraken:{shard}") for shard in range(4)) < 50:
                assert process.poll() is None
            process.send_signal(signal.SIGTERM)
            assert json.loads(process.stdout.read())["metrics"]["engine_redis_up"][0]["value"] == 0
            assert process.wait() == 0
        finally:
            process.kill()
            absent.kill()


def asked(folder: Path, url: str, *args: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "engine", *args, "--set", "cache.backend=redis"]
    env = {**os.environ, "ENGINE_REDIS_URL": url}
    return subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize("kind", [server, cluster_server, shared_servers])
def test_cli_19_three_workers_write_the_reports_of_a_run(
    kind: Callable[[Path], AbstractContextManager[Server]], tmp_path: Path, project_root: Path
) -> None:
    """CHK-16, MCP-21: each has its shards; a fourth that is told too many is refused."""
    pairs = ("binance:BTC-USDT", "binance:ETH-USDT", "kraken:BTC-USD")
    schema = Draft202012Validator(json.loads((project_root / "docs" / "schemas" / "report.json").read_text()))
    (tmp_path / "engine.yaml").write_text(CONFIG)
    with kind(tmp_path) as kept:
        workers = [worker(tmp_path, kept.url, "--node-id", f"node-{one}", "--shards", part) for one, part in enumerate(("0", "1-2", "3"))]
        try:
            ready = [json.loads(one.stdout.readline())["ready"] for one in workers if one.stdout is not None]
            assert [told["streams"] for told in ready] == [2, 4, 2]
            assert sum(told["symbols"] for told in ready) == 3
            code, out, err = run(tmp_path, kept.url, "--set", "cache.backend=redis", entries=3000, at=kept)
            assert code == 0, err
            # The engine itself computes none: the workers do.
            assert "engine_report_publish_total" not in json.loads(out.splitlines()[-1])["metrics"]
            reports: dict[str, Any] = {}
            while len(reports) < len(pairs):
                for name in pairs:
                    text = kept.client.get(f"report:{{{name}}}")
                    found = None if text is None else json.loads(text)
                    if found is not None and found["book_state"] == "normal" and found["liquidity"]["basis"]["n"]:
                        reports[name] = found
            for name, found in reports.items():
                schema.validate(found)
                assert f"{found['venue']}:{found['symbol']}" == name
                assert found["writer"]["token"] == 1
                assert found["flow"]["orders_per_sec"] >= 0
            members = {member.decode() for member in kept.client.zrange("report_index", 0, -1)}
            assert members == set(pairs)
            read = 0.0
            for told, part in zip(ready, (["0"], ["1", "2"], ["3"]), strict=True):
                status, body = answer(told["metrics"] + "/health")
                health = json.loads(body)
                assert (status, health["status"], health["coordination"]["enabled"]) == (200, "ok", False)
                assert health["coordination"]["owned_shards"] == sorted(f"nt:{venue}:{shard}" for venue in ("binance", "kraken") for shard in part)
                metrics = answer(told["metrics"] + "/metrics")[1]
                read += value(metrics, "engine_events_processed_total")
                assert value(metrics, "engine_stream_gap_total") == 0
                assert value(metrics, "engine_stream_dlq_total") == 0
                assert value(metrics, "engine_redis_up") == 1
            assert read == sum(kept.client.xlen(key) for key in kept.streams())
            shown = asked(tmp_path, kept.url, "report", "kraken:BTC-USD", "--format", "json")
            assert shown.returncode == 0, shown.stderr
            told_now = json.loads(shown.stdout)
            assert told_now["resolved"]["rule"] == "exact"
            assert told_now["ingestion"]["fresh"] in (True, False)
            assert told_now["writer"] == reports["kraken:BTC-USD"]["writer"]
            unknown = asked(tmp_path, kept.url, "report", "XRP-USD")
            assert (unknown.returncode, "XRP-USD" in unknown.stderr) == (2, True)
            for one in workers:
                one.send_signal(signal.SIGTERM)
            assert [one.wait(timeout=30) for one in workers] == [0, 0, 0]
        finally:
            for one in workers:
                one.kill()
                one.communicate()
        with worker(tmp_path, kept.url, "--shards", "2-4") as refused:
            assert "there is no shard 4: bus.shards is 4" in refused.communicate(timeout=30)[1]
            assert refused.returncode == 2


def test_chk_14_what_a_killed_worker_left_is_applied_by_the_next_one(tmp_path: Path) -> None:
    """CHK-12, CHK-13: killed at any moment; nothing stays pending, no chain has a hole, reports go on."""
    (tmp_path / "engine.yaml").write_text(CONFIG)
    name = "report:{kraken:BTC-USD}"

    def instant(at: Server) -> str:
        return str(json.loads(at.client.get(name) or b'{"generated_at":""}')["generated_at"])

    with server(tmp_path) as kept:
        env = {**os.environ, "ENGINE_REDIS_URL": kept.url}
        command = [sys.executable, "-m", "engine", "run", "--simulated-providers", "--set", "cache.backend=redis"]
        with subprocess.Popen(command, cwd=tmp_path, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as engine:
            running: list[subprocess.Popen[str]] = []
            try:
                before = ""
                for _ in range(3):
                    running.append(worker(tmp_path, kept.url))
                    assert running[-1].stdout is not None
                    ready = json.loads(running[-1].stdout.readline())["ready"]
                    while instant(kept) <= before:
                        assert engine.poll() is None
                    while value(metrics := answer(ready["metrics"] + "/metrics")[1], "engine_events_processed_total") < 300:
                        assert engine.poll() is None
                    assert value(metrics, "engine_stream_gap_total") == 0
                    assert value(metrics, "engine_stream_dlq_total") == 0
                    before = instant(kept)
                    running[-1].kill()
                    running[-1].wait()
                running.append(worker(tmp_path, kept.url))
                while instant(kept) <= before:
                    assert engine.poll() is None
                engine.send_signal(signal.SIGTERM)
                assert engine.wait(timeout=30) == 0
                running[-1].send_signal(signal.SIGTERM)
                assert running[-1].wait(timeout=30) == 0
                streams = kept.streams()
                assert sum(kept.client.xpending(key, "engine-reports")["pending"] for key in streams) == 0
                assert kept.client.exists("nt:dlq") == 0
            finally:
                engine.kill()
                for one in running:
                    one.kill()
                    one.communicate()


def test_chk_30_reports_within_the_process_need_no_client_of_the_streams(tmp_path: Path) -> None:
    code = "import sys; sys.modules['redis'] = None; from engine.cli.main import main; sys.exit(main(sys.argv[1:]))"
    command = [sys.executable, "-c", code, "demo", "--seconds", "2", "--reports", "--json"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=90, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["reports"]
