"""Reports of a running engine as a user and a language model get them (CLI-20, CLI-21, MCP-11, MCP-12, MCP-22): HTTP, MCP, the command."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from mcp import Client
from mcp.client.stdio import StdioServerParameters, stdio_client

from engine.base.workers import Answer
from tests.system.surface_kit import CONFIG, Desk, desk
from tests.unit.reports.serving_kit import sink

pytestmark = [pytest.mark.system, pytest.mark.timeout(120)]
ENGINE = (sys.executable, "-m", "engine")
PATIENT = ("--set", "mcp.deadline_ms=5000", "--set", "mcp.cache_timeout_ms=4000")
"""For what is not about deadlines: others use this machine as well."""
PAIRS = [("binance", "BTC-USDT"), ("kraken", "BTC-USD"), ("kraken", "ETH-USD")]


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    folder = tmp_path_factory.mktemp("engine")
    with desk(folder, config={**CONFIG, "mcp": {"port": 0}}) as it:
        until_ok(it.ready["reports"])
        yield it


def until_ok(url: str) -> None:
    """The first reports are there within ten seconds (SLO-10)."""
    deadline_s = time.monotonic() + 10 * float(os.environ.get("ENGINE_TEST_TIME_SCALE", "1"))
    while time.monotonic() < deadline_s:
        found = [get(url, f"/api/report?symbol={venue}:{symbol}") for venue, symbol in PAIRS]
        if all(status == 200 and report["book_state"] == "normal" for status, report in found):
            return
        Answer[bool]().get(0.05)
    raise AssertionError(found)


def get(url: str, path: str) -> tuple[int, Any]:
    try:
        with urllib.request.urlopen(url + path, timeout=10) as answer:
            return answer.status, json.loads(answer.read())
    except urllib.error.HTTPError as refused:
        return refused.code, json.loads(refused.read())


def command(*words: str, cwd: Path, code: int = 0) -> subprocess.CompletedProcess[str]:
    done = subprocess.run([*ENGINE, *words], cwd=cwd, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == code, (words, done.returncode, done.stdout, done.stderr)
    return done


@contextmanager
def lone(folder: Path, *words: str) -> Iterator[str]:
    """``engine-run mcp`` over HTTP, and where it answers."""
    with subprocess.Popen([*ENGINE, "mcp", "--transport", "http", "--port", "0", *words], cwd=folder, stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL, text=True) as process:  # fmt: skip
        try:
            assert process.stdout is not None
            yield process.stdout.readline().split()[2]
            process.terminate()
            assert process.wait(timeout=10) == 0
        finally:
            process.kill()


async def looks_right(client: Client, schema: dict[str, Any]) -> None:
    """What a client of the official library sees."""
    tools = {tool.name: tool for tool in (await client.list_tools()).tools}
    assert set(tools) == {"get_report", "list_symbols"}
    assert tools["get_report"].output_schema == schema
    for venue, symbol in PAIRS:
        found = await client.call_tool("get_report", {"symbol": f"{venue}:{symbol}"})
        assert not found.is_error, found
        report = found.structured_content
        assert report is not None
        Draft202012Validator(schema).validate(report)
        assert (report["venue"], report["symbol"]) == (venue, symbol)
        assert (report["ingestion"]["status"], report["book_state"]) == ("ok", "normal")
        assert report["best_bid"]["price"] < report["best_ask"]["price"]
    listed = (await client.call_tool("list_symbols", {})).structured_content
    assert listed is not None
    assert [(row["venue"], row["symbol"]) for row in listed["symbols"]] == PAIRS
    refused = await client.call_tool("get_report", {"symbol": "btc"})
    assert refused.is_error
    assert refused.structured_content is not None
    assert refused.structured_content["error"] == "invalid_symbol"
    assert (await client.call_tool("get_report", {})).is_error


def test_mcp_20_the_facade_of_a_running_engine(running: Desk) -> None:
    url = running.ready["reports"]
    _, schema = get(url, "/schemas/report.json")
    check = Draft202012Validator(schema)
    before = None
    for _ in range(3):
        status, report = get(url, "/api/report?symbol=BTC-USDT")
        assert status == 200
        check.validate(report)
        assert (report["ingestion"]["status"], report["resolved"]["rule"]) == ("ok", "canonical")
        assert report["generated_at"] != before
        before = report["generated_at"]
        Answer[bool]().get(0.3)
    assert get(url, "/api/report?symbol=DOGE-USDT")[0] == 404
    assert get(url, "/health")[0] == 200
    with urllib.request.urlopen(f"{url}/metrics") as answer:
        told = answer.read().decode()
    assert re.search(r'engine_report_age_ms\{symbol="binance:BTC-USDT"\} \d+', told)
    assert re.search(r'engine_mcp_requests_total\{method="get_report",status="ok"\} [1-9]', told)
    assert re.search(r'engine_publish_dropped_total', told) is None


def test_mcp_12_the_official_client_over_http(running: Desk) -> None:
    async def main() -> None:
        url = running.ready["reports"]
        schema = get(url, "/schemas/report.json")[1]
        async with Client(f"{url}/mcp") as client:
            await looks_right(client, schema)

    asyncio.run(main())


def test_mcp_12_the_official_client_over_stdio(running: Desk, tmp_path: Path) -> None:
    async def main() -> None:
        url = running.ready["reports"]
        schema = get(url, "/schemas/report.json")[1]
        words = ["-m", "engine", "mcp", "--transport", "stdio", "--url", url, "--log-level", "debug", *PATIENT]
        server = StdioServerParameters(command=sys.executable, args=words, cwd=tmp_path)
        with (tmp_path / "log").open("w") as log:
            async with Client(stdio_client(server, errlog=log)) as client:
                await looks_right(client, schema)
        lines = [json.loads(line) for line in (tmp_path / "log").read_text().splitlines() if '"tool_call"' in line]
        assert [line["cache_hit"] for line in lines] == [True, True, True, True, False]
        assert all(line["tool_name"] and line["correlation_id"] and line["latency_ms"] >= 0 for line in lines)

    asyncio.run(main())


def test_mcp_11_stdout_carries_the_protocol_and_nothing_else(running: Desk, tmp_path: Path) -> None:
    """CHK-39: spoken by hand, with debug logs on and an engine that is not there."""
    hello = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "hand", "version": "1"}}
    calls = [
        {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": hello},
        {"jsonrpc": "2.0", "method": "notifications/initialized"},
        {"jsonrpc": "2.0", "id": 2, "method": "tools/list"},
        {"jsonrpc": "2.0", "id": 3, "method": "tools/call", "params": {"name": "get_report", "arguments": {"symbol": "BTC-USDT"}}},
        {"jsonrpc": "2.0", "id": 4, "method": "tools/call", "params": {"name": "nothing", "arguments": {}}},
        {"jsonrpc": "2.0", "id": 5, "method": "no/such"},
    ]
    with subprocess.Popen([*ENGINE, "mcp", "--transport", "stdio", "--url", "http://127.0.0.1:9", "--log-level", "debug"],
                          cwd=tmp_path, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:  # fmt: skip
        assert process.stdin is not None
        assert process.stdout is not None
        answers = {}
        for call in calls:
            process.stdin.write(json.dumps(call) + "\n")
            process.stdin.flush()
            if "id" in call:
                line = json.loads(process.stdout.readline())
                assert line["jsonrpc"] == "2.0"
                answers[line["id"]] = line
        rest, _ = process.communicate(timeout=20)
        assert (rest, process.returncode) == ("", 0)
    assert answers.keys() == {1, 2, 3, 4, 5}
    away = answers[3]["result"]
    assert away["isError"]
    assert away["structuredContent"]["error"] == "backend_unavailable"
    assert away["structuredContent"] == json.loads(away["content"][0]["text"])


def test_mcp_14_a_process_of_its_own_answers_like_the_engine(running: Desk, tmp_path: Path) -> None:
    url = running.ready["reports"]
    with lone(tmp_path, "--url", url, *PATIENT) as other:
        status, report = get(other, "/api/report?symbol=BTC-USDT")
        assert (status, report["ingestion"]["status"]) == (200, "ok")
        Draft202012Validator(get(url, "/schemas/report.json")[1]).validate(report)
        assert [row["symbol"] for row in get(other, "/api/symbols")[1]["symbols"]] == [symbol for _, symbol in PAIRS]
        assert get(other, "/api/report?symbol=ETHUSD")[1]["resolved"]["rule"] == "joined"
        assert get(other, "/api/report?symbol=x") == get(url, "/api/report?symbol=x")


def test_mcp_09_an_engine_that_stalls_is_told_within_the_deadline(tmp_path: Path) -> None:
    """CHK-26: 503 and 504 from outside; the server is alive all the while."""
    with sink() as url, lone(tmp_path, "--url", url) as other:
        times = []
        for _ in range(10):
            began_s = time.perf_counter()
            status, body = get(other, "/api/report?symbol=BTC-USDT")
            times.append(time.perf_counter() - began_s)
            assert (status, body["error"], body["reason"]) == (504, "backend_unavailable", "timeout")
        assert min(times) < 0.150  # others use this machine as well
        assert get(other, "/health")[0] == 503
    with lone(tmp_path, "--url", url, *PATIENT) as other:
        status, body = get(other, "/api/report?symbol=BTC-USDT")
        assert (status, body["error"], body["reason"]) == (503, "backend_unavailable", "connection")


# --- the command --------------------------------------------------------------------------------------------


def test_cli_21_the_report_of_a_running_engine_as_people_and_programs_read_it(running: Desk, tmp_path: Path) -> None:
    url = running.ready["reports"]
    shown = command("report", "BTC-USDT", "--url", url, cwd=tmp_path).stdout
    assert "binance BTC-USDT" in shown
    assert "█" in shown
    assert re.search(r"spread +[\d.]+ bps", shown)
    report = json.loads(command("report", "kraken:ETHUSD", "--url", url, "--json", cwd=tmp_path).stdout)
    assert (report["symbol"], report["resolved"]["rule"]) == ("ETH-USD", "joined")


def test_cli_21_the_address_is_the_configured_one(running: Desk, tmp_path: Path) -> None:
    """``cache.url``, else where ``mcp`` listens."""
    url = running.ready["reports"]
    for sets in (f"cache.url={url}", f"mcp.port={url.rpartition(':')[2]}"):
        assert "BTC-USDT" in command("report", "BTC-USDT", "--set", sets, cwd=tmp_path).stdout


def test_cli_21_watching_shows_it_again_and_again_until_it_is_stopped(running: Desk, tmp_path: Path) -> None:
    words = ("report", "BTC-USDT", "--watch", "--json", "--url", running.ready["reports"])
    with subprocess.Popen([*ENGINE, *words], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        reports = [json.loads(process.stdout.readline()) for _ in range(3)]
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=10)
    assert (process.returncode, errors) == (0, "")
    assert len({report["generated_at"] for report in reports}) == 3


@pytest.mark.parametrize(("symbol", "code", "wanted"), [
    ("DOGE-USDT", 2, "there is no report of DOGE-USDT"),
    ("btc", 2, "'btc' is not [venue:]BASE-QUOTE"),
])  # fmt: skip
def test_cli_21_what_is_no_symbol_ends_it(symbol: str, code: int, wanted: str, running: Desk, tmp_path: Path) -> None:
    for watch in ((), ("--watch",)):
        done = command("report", symbol, "--url", running.ready["reports"], *watch, cwd=tmp_path, code=code)
        assert wanted in done.stderr
        assert done.stdout == ""


def test_cli_21_without_an_engine_it_says_how_to_have_one(tmp_path: Path) -> None:
    done = command("report", "BTC-USDT", "--url", "http://127.0.0.1:9", cwd=tmp_path, code=4)
    assert "http://127.0.0.1:9 cannot be reached" in done.stderr
    assert "engine-run run" in done.stderr


def test_mcp_enabled_false_serves_no_reports(tmp_path: Path) -> None:
    with desk(tmp_path) as it:
        assert it.ready["reports"] is None


def test_a_transport_or_a_cache_that_is_not_for_a_running_engine_is_refused(tmp_path: Path) -> None:
    """``mcp.transport``, ``cache.backend``."""
    (tmp_path / "engine.yaml").write_text(json.dumps({**CONFIG, "mcp": {"port": 0}}))
    for sets, wanted in (("mcp.transport=stdio", "stdio belongs to whoever started this process"),
                         ("cache.backend=http", "http is for processes that only read")):  # fmt: skip
        env = {**os.environ, "DESK_TOKEN": "a", "DESK_READ_TOKEN": "b", "DESK_TAPE_TOKEN": "c"}
        done = subprocess.run([*ENGINE, "run", "--simulated-providers", "--set", sets], cwd=tmp_path, env=env,
                              capture_output=True, text=True, timeout=60, check=False)  # fmt: skip
        assert done.returncode == 2
        assert wanted in done.stderr
