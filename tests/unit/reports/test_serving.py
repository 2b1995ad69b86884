"""MCP-02 to MCP-15, MCP-20, CHK-24 to CHK-28, CHK-37: what the two faces answer, to right input, wrong input and a cache that stalls."""

from __future__ import annotations

import asyncio
import json
import os
import time
import urllib.error
import urllib.request
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from mcp import Client

from engine.base.errors import ConfigError
from engine.config.load import load_config
from engine.observability.metrics import Reading, as_prometheus
from engine.reports.answers import Answers, LocalSource
from engine.reports.facade import FacadeSource
from engine.reports.reader import Served
from engine.reports.schema import error_schema, report_schema, symbols_schema
from engine.reports.serving.access import answers_of, token_of
from engine.reports.serving.routes import document
from engine.reports.serving.tools import mcp_server
from engine.runtime.metrics import add_answers
from engine.schema.busschema import entry_schema
from tests.unit.reports.serving_kit import Shelf, served, sink

DEADLINE_S = 0.150 * float(os.environ.get("ENGINE_TEST_TIME_SCALE", "1"))
SCHEMAS = {True: Draft202012Validator(report_schema()), False: Draft202012Validator(error_schema())}
WRONG = [
    ("btc-usdt", "invalid_symbol", 400),
    ("BTC-USDT ", "invalid_symbol", 400),
    ("BTC/USDT", "invalid_symbol", 400),
    ("", "invalid_symbol", 400),
    ("A" * 5000, "invalid_symbol", 400),
    ("ABCUSD", "ambiguous_symbol", 400),
    ("DOGE-USDT", "symbol_not_indexed", 404),
    ("kraken:BTC-USDT", "symbol_not_indexed", 404),
    ("ETH-USDT", "symbol_not_indexed", 404),
]


class Stalled:
    """A cache that hangs, until it is let go."""

    def __init__(self) -> None:
        self.is_stalled = True

    async def report(self, requested: str) -> Served:
        await self._hang()
        return Served(b"{}")

    async def symbols(self) -> Served:
        await self._hang()
        return Served(b'{"symbols":[],"count":0}')

    async def _hang(self) -> None:
        if self.is_stalled:
            await asyncio.Event().wait()

    async def close(self) -> None:
        return


def in_memory(source: Any, work: Callable[[Client, Answers], Awaitable[None]]) -> None:
    async def main() -> None:
        answers = Answers(source, 150, 100)
        async with Client(mcp_server(answers)) as client:
            await work(client, answers)

    asyncio.run(main())


def get(url: str, path: str, **headers: str) -> tuple[int, Any]:
    request = urllib.request.Request(url + path, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            status, raw = answer.status, answer.read()
    except urllib.error.HTTPError as refused:
        status, raw = refused.code, refused.read()
    return status, json.loads(raw) if raw.startswith(b"{") else raw.decode()


# --- MCP ----------------------------------------------------------------------------------------------------


def test_mcp_02_two_tools_that_only_read_with_the_published_schemas() -> None:
    async def look(client: Client, answers: Answers) -> None:
        tools = {tool.name: tool for tool in (await client.list_tools()).tools}
        assert set(tools) == {"get_report", "list_symbols"}
        for tool in tools.values():
            assert tool.annotations is not None
            assert tool.annotations.read_only_hint
            assert tool.annotations.idempotent_hint
            assert tool.annotations.open_world_hint is False
        assert tools["get_report"].output_schema == report_schema()
        assert tools["list_symbols"].output_schema == symbols_schema()
        assert tools["get_report"].input_schema["required"] == ["symbol"]
        assert (await client.list_resources()).resources == []
        assert (await client.list_prompts()).prompts == []

    in_memory(LocalSource(Shelf().reader), look)


@pytest.mark.parametrize("requested", ["BTC-USDT", "BTCUSDT", "binance:BTC-USDT", "binance:BTCUSDT"])
def test_mcp_05_text_and_structure_are_one_report_as_old_as_it_is(requested: str) -> None:
    async def ask(client: Client, answers: Answers) -> None:
        found = await client.call_tool("get_report", {"symbol": requested})
        (text,) = found.content
        report = json.loads(text.text)  # type: ignore[union-attr]
        assert found.structured_content == report
        assert not found.is_error
        SCHEMAS[True].validate(report)
        assert (report["data_age_ms"], report["served_at"]) == (400, "2026-01-01T00:00:32.200Z")
        assert report["resolved"]["requested"] == requested
        assert (report["resolved"]["venue"], report["resolved"]["symbol"]) == ("binance", "BTC-USDT")

    in_memory(LocalSource(Shelf().reader), ask)


@pytest.mark.parametrize(("requested", "code", "status"), WRONG)
def test_mcp_07_no_report_is_an_error_with_a_body_of_its_own(requested: str, code: str, status: int) -> None:
    """CHK-24, CHK-25."""

    async def ask(client: Client, answers: Answers) -> None:
        found = await client.call_tool("get_report", {"symbol": requested})
        assert found.is_error
        (text,) = found.content
        body = json.loads(text.text)  # type: ignore[union-attr]
        assert found.structured_content == body
        assert (body["error"], body["symbol"]) == (code, requested)
        SCHEMAS[False].validate(body)

    in_memory(LocalSource(Shelf().reader), ask)


@pytest.mark.parametrize("arguments", [{}, {"symbol": 5}, {"symbol": None}, {"symbol": ["BTC-USDT"]}])
def test_mcp_07_arguments_that_are_none_are_refused_by_the_library(arguments: dict[str, Any]) -> None:
    async def ask(client: Client, answers: Answers) -> None:
        assert (await client.call_tool("get_report", arguments)).is_error
        assert not (await client.call_tool("get_report", {"symbol": "BTC-USDT", "more": 1})).is_error
        assert answers.durations.keys() == {("get_report", "ok")}

    in_memory(LocalSource(Shelf().reader), ask)


def test_mcp_07_a_kept_report_that_is_none_is_corrupt() -> None:
    shelf = Shelf()
    text = b'{"generated_at":"2026-01-01T00:00:32.000Z","symbol":"ETH-USDT"}'
    shelf.cache.put("binance", "ETH-USDT", text, 300_000, 1)

    async def ask(client: Client, answers: Answers) -> None:
        found = await client.call_tool("get_report", {"symbol": "ETH-USDT"})
        assert found.is_error
        assert found.structured_content is not None
        assert (found.structured_content["error"], found.structured_content["reason"]) == ("backend_unavailable", "corrupt")

    in_memory(LocalSource(shelf.reader), ask)


def test_mcp_15_symbols_are_the_known_pairs() -> None:
    async def ask(client: Client, answers: Answers) -> None:
        found = (await client.call_tool("list_symbols", {})).structured_content
        Draft202012Validator(symbols_schema()).validate(found)
        assert found is not None
        assert found["count"] == 4
        assert found["symbols"][2] == {"venue": "binance", "symbol": "BTC-USDT", "generated_at": "2026-01-01T00:00:32.000Z"}
        assert [row["symbol"] for row in found["symbols"]] == ["AB-CUSD", "ABC-USD", "BTC-USDT", "ETH-USDT"]
        assert found["symbols"][3]["generated_at"] is None

    in_memory(LocalSource(Shelf().reader), ask)


def test_mcp_09_a_cache_that_stalls_is_told_within_the_deadline_and_holds_up_nobody() -> None:
    """CHK-26; a hundred at once are answered as soon as one."""
    source = Stalled()

    async def ask(client: Client, answers: Answers) -> None:
        await client.list_tools()
        took_s = []
        for _ in range(4):
            began_s = time.perf_counter()
            many = await asyncio.gather(*(answers.report("BTC-USDT") for _ in range(100)))
            took_s.append(time.perf_counter() - began_s)
            assert {(one.error, one.reason) for one in many} == {("backend_unavailable", "timeout")}
        assert 0.1 <= min(took_s) < DEADLINE_S  # others use this machine as well
        found = await client.call_tool("get_report", {"symbol": "BTC-USDT"})
        assert found.is_error
        source.is_stalled = False
        assert (await answers.report("BTC-USDT")).error is None

    in_memory(source, ask)


def test_mcp_09_a_call_waits_no_longer_than_is_set() -> None:
    """``cache_timeout_ms``."""

    async def ask(timeout_ms: int) -> float:
        sets = ("mcp.deadline_ms=1000", f"mcp.cache_timeout_ms={timeout_ms}")
        answers = answers_of(Stalled(), load_config(None, sets, {}).mcp)
        began_s = time.perf_counter()
        assert (await answers.report("BTC-USDT")).reason == "timeout"
        return time.perf_counter() - began_s

    short_s, long_s = (asyncio.run(ask(timeout_ms)) for timeout_ms in (30, 400))
    assert 0.030 <= short_s < 0.400 <= long_s


@pytest.mark.parametrize(("deadline_ms", "reason"), [(30, "timeout"), (1000, None)])
def test_mcp_09_an_answer_that_is_late_is_none(deadline_ms: int, reason: str | None) -> None:
    """``deadline_ms``: also where the processor was away meanwhile, which no timer sees."""

    class Slow(LocalSource):
        async def report(self, requested: str) -> Served:
            until_ns = time.monotonic_ns() + 40_000_000
            while time.monotonic_ns() < until_ns:
                pass
            return await super().report(requested)

    sets = (f"mcp.deadline_ms={deadline_ms}", "mcp.cache_timeout_ms=20")
    answers = answers_of(Slow(Shelf().reader), load_config(None, sets, {}).mcp)
    assert asyncio.run(answers.report("BTC-USDT")).reason == reason


# --- HTTP ---------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def site() -> Iterator[str]:
    with served(Shelf()) as (url, _):
        yield url


def test_mcp_20_the_facade_answers_as_the_tools_do(site: str) -> None:
    status, report = get(site, "/api/report?symbol=BTC-USDT")
    assert status == 200
    SCHEMAS[True].validate(report)
    assert report["data_age_ms"] == 400
    status, symbols = get(site, "/api/symbols")
    assert (status, symbols["count"]) == (200, 4)
    status, health = get(site, "/health")
    assert (status, health["status"], health["cache"]) == (200, "ok", "ok")
    assert health["uptime_seconds"] >= 0
    assert get(site, "/metrics") == (200, "engine_up 1\n")
    assert get(site, "/schemas/report.json") == (200, report_schema())
    assert get(site, "/schemas/event.json") == (200, entry_schema())


@pytest.mark.parametrize(("requested", "code", "status"), WRONG)
def test_mcp_20_what_is_no_report_has_its_status(requested: str, code: str, status: int, site: str) -> None:
    found, body = get(site, f"/api/report?{urllib.parse.urlencode({'symbol': requested})}")
    assert (found, body["error"], body["symbol"]) == (status, code, requested)
    SCHEMAS[False].validate(body)


@pytest.mark.parametrize("query", ["", "?symbol=BTC-USDT&symbol=ETH-USDT", "?sym=BTC-USDT"])
def test_mcp_20_a_question_without_one_symbol_is_refused(query: str, site: str) -> None:
    status, body = get(site, f"/api/report{query}")
    assert (status, body["error"]) == (400, "invalid_symbol")
    SCHEMAS[False].validate(body)


def test_rpt_07_one_schema_for_tools_facade_and_document(site: str) -> None:
    status, told = get(site, "/openapi.json")
    assert (status, told) == (200, document())
    assert told["openapi"].startswith("3.1")
    operations = {path: row["get"] for path, row in told["paths"].items()}
    assert {row["operationId"] for row in operations.values()} == {"getMarketReport", "listSymbols"}
    assert set(operations["/api/report"]["responses"]) == {"200", "400", "404", "503", "504"}
    schemas = told["components"]["schemas"]
    assert {"$schema": report_schema()["$schema"], **schemas["Report"]} == report_schema()
    for name in ("Report", "Symbols", "Error"):
        Draft202012Validator.check_schema(schemas[name])


def test_mcp_13_a_foreign_host_is_421_and_no_origin_may_read(site: str) -> None:
    assert get(site, "/health", Host="evil.example")[0] == 421
    assert get(site, "/mcp", Host="evil.example:8890")[0] == 421
    assert get(site, "/health", Host="localhost:1")[0] == 200
    request = urllib.request.Request(f"{site}/health", headers={"Origin": "https://evil.example"})
    with urllib.request.urlopen(request) as answer:
        assert "access-control-allow-origin" not in answer.headers


def test_mcp_13_hosts_and_origins_that_are_allowed() -> None:
    """``allowed_hosts``, ``cors_origins``."""
    sets = ('mcp.allowed_hosts=["desk.example"]', 'mcp.cors_origins=["https://desk.example"]')
    with served(Shelf(), *sets) as (url, _):
        assert get(url, "/health", Host="desk.example")[0] == 200
        for origin, allowed in (("https://desk.example", "https://desk.example"), ("https://evil.example", None)):
            request = urllib.request.Request(f"{url}/health", headers={"Origin": origin})
            with urllib.request.urlopen(request) as answer:
                assert answer.headers.get("access-control-allow-origin") == allowed


def test_mcp_13_with_a_token_nobody_reads_without(monkeypatch: pytest.MonkeyPatch) -> None:
    """``auth_token_env``."""
    monkeypatch.setenv("REPORT_TOKEN", "the-token")
    with served(Shelf(), "mcp.auth_token_env=REPORT_TOKEN") as (url, _):
        assert get(url, "/api/symbols")[0] == 401
        assert get(url, "/mcp")[0] == 401
        assert get(url, "/api/symbols", Authorization="Bearer wrong")[0] == 401
        assert get(url, "/api/symbols", Authorization="Bearer the-token")[0] == 200


def test_mcp_13_who_else_may_reach_it_has_to_be_said() -> None:
    """``host``, ``allow_unauthenticated``."""
    open_to_all = load_config(None, ("mcp.host=0.0.0.0",), {}).mcp
    with pytest.raises(ConfigError, match=r"mcp\.host 0\.0\.0\.0 is not of this machine alone: that needs mcp\.auth_token_env"):
        token_of(open_to_all, {})
    assert token_of(open_to_all.model_copy(update={"allow_unauthenticated": True}), {}) is None
    with_token = open_to_all.model_copy(update={"auth_token_env": "REPORT_TOKEN"})
    assert token_of(with_token, {"REPORT_TOKEN": "the-token"}) == "the-token"
    with pytest.raises(ConfigError, match="the variable REPORT_TOKEN is not set"):
        token_of(with_token, {})


def test_a_port_that_is_taken_is_refused_and_named(site: str) -> None:
    """``port``."""
    port = site.rpartition(":")[2]
    with pytest.raises(ConfigError, match=f"mcp.port {port} of 127.0.0.1 cannot be had"), served(Shelf(), f"mcp.port={port}"):
        pass


# --- a process of its own -----------------------------------------------------------------------------------


def asked(url: str, work: Callable[[Answers], Coroutine[Any, Any, None]], *, patience: int = 1) -> None:
    """Have *work* ask the facade at *url*; *patience*: so many times the configured waits, for what is not about them."""

    async def main() -> None:
        answers = Answers(FacadeSource(url, 100 * patience), 150 * patience, 100 * patience)
        try:
            await work(answers)
        finally:
            await answers.close()

    asyncio.run(main())


def test_mcp_14_a_process_of_its_own_gives_the_same_answers(site: str) -> None:
    async def ask(answers: Answers) -> None:
        for requested in ("BTC-USDT", *(row[0] for row in WRONG if len(row[0]) < 100)):
            found = await answers.report(requested)
            own = Shelf().reader.get(requested)
            assert (found.body, found.error, found.reason) == (own.body, own.error, own.reason)
        assert (await answers.symbols()).body == Shelf().reader.listing()
        assert await answers.is_there()

    asked(site, ask, patience=50)


def test_mcp_09_an_engine_that_never_answers_or_is_not_there() -> None:
    """CHK-26, CHK-27: within the deadline, and well again by itself."""

    async def ask(answers: Answers) -> None:
        took_s = []
        for reason in reasons:
            began_s = time.perf_counter()
            found = await answers.report("BTC-USDT")
            took_s.append(time.perf_counter() - began_s)
            assert (found.error, found.reason) == ("backend_unavailable", reason)
            SCHEMAS[False].validate(json.loads(found.body))
            assert not await answers.is_there()
        assert sorted(took_s)[len(took_s) // 2] < DEADLINE_S  # others use this machine as well

    with sink() as url:
        reasons = ["timeout"] * 5
        asked(url, ask)
    reasons = ["connection"] * 5
    asked(url, ask)


def test_mcp_07_what_is_no_facade_is_corrupt() -> None:
    with served(Shelf()) as (url, _):

        async def ask(answers: Answers) -> None:
            found = await answers.report("BTC-USDT")
            assert (found.error, found.reason) == ("backend_unavailable", "corrupt")

        asked(f"{url}/schemas", ask, patience=50)


def test_slo_31_hits_misses_and_errors_are_what_was_asked() -> None:
    """CHK-37."""

    async def ask(client: Client, answers: Answers) -> None:
        for requested in ("BTC-USDT", "BTCUSDT", "ETH-USDT", "DOGE-USDT", "x", "ABCUSD"):
            await client.call_tool("get_report", {"symbol": requested})
        await client.call_tool("list_symbols", {})
        reading = Reading()
        add_answers(reading, answers)
        lines = as_prometheus(reading.samples()).splitlines()
        told = dict(line.rsplit(" ", 1) for line in lines if not line.startswith("#"))
        assert told["engine_mcp_cache_hits_total"] == "2"
        misses = {reason: told[f'engine_mcp_cache_misses_total{{reason="{reason}"}}'] for reason in answers.misses}
        assert misses == {"expired": "1", "unknown": "1", "invalid": "1", "ambiguous": "1"}
        assert told['engine_mcp_requests_total{method="get_report",status="ok"}'] == "2"
        assert told['engine_mcp_requests_total{method="list_symbols",status="ok"}'] == "1"
        assert told['engine_mcp_request_duration_ms_count{method="get_report",status="symbol_not_indexed"}'] == "2"
        total = sum(took.count for (method, _), took in answers.durations.items() if method == "get_report")
        assert total == answers.hits + answers.misses.total() + answers.failures.total() == 6

    in_memory(LocalSource(Shelf().reader), ask)
