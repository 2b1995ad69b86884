"""MCP-05 to MCP-09, RPT-15: what a server holds is answered as a cache of the process is; it is away, slow or wrong in time."""

from __future__ import annotations

import asyncio
import json
import signal
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from engine.base.errors import ConfigError
from engine.config.load import load_config
from engine.observability.metrics import Reading
from engine.reports.answers import Answers
from engine.reports.reader import Served
from engine.runtime.assembly import Engine
from engine.runtime.live import LiveEngine
from engine.runtime.metrics import add_answers
from engine.runtime.storedsource import StoredSource
from tests.redis_kit import Kind, Server, server, shared_servers
from tests.unit.config.configs import assignment
from tests.unit.reports.report_kit import EPOCH_MS, Symbol

pytestmark = pytest.mark.timeout(60)
PROVIDERS = [{"name": "binance", "venue": "binance", "symbols": ["BTC-USDT", "ETH-USDT"]}]
CONFIG = load_config(None, (assignment("providers", PROVIDERS),), {})
WAIT_MS = 5000
"""For what is not about deadlines: others use this machine as well."""
SHORT_MS = 300


def kept_report() -> str:
    symbol = Symbol()
    symbol.depth("0.1", [(100, 1)], [(101, 2)])
    return symbol.text("0.25")


def ask(url: str, work: Callable[[Answers], Awaitable[Any]], wait_ms: int = WAIT_MS) -> Any:
    async def main() -> Any:
        answers = Answers(StoredSource(CONFIG, url, wait_ms), wait_ms, wait_ms, is_logged=False)
        try:
            return await work(answers)
        finally:
            await answers.close()

    return asyncio.run(main())


def reports(url: str, *symbols: str) -> list[Served]:
    async def all_of(answers: Answers) -> list[Served]:
        return [await answers.report(symbol) for symbol in symbols]

    found: list[Served] = ask(url, all_of)
    return found


def test_dst_12_a_report_of_an_earlier_writer_is_not_answered_with(tmp_path: Path) -> None:
    with server(tmp_path) as kept:
        key, text = "report:{binance:BTC-USDT}", kept_report()
        later = text.replace('"token":1', '"token":2')

        async def work(answers: Answers) -> list[Any]:
            found = []
            for report in (text, later, text):
                kept.client.set(key, report)
                found.append(json.loads((await answers.report("BTC-USDT")).body)["writer"]["token"])
            reading = Reading()
            add_answers(reading, answers)
            return [*found, reading.samples()["engine_mcp_token_regressions_total"][0]["value"]]

        assert ask(kept.url, work) == [1, 2, 2, 1]


@pytest.mark.parametrize("kind", [server, shared_servers])
def test_mcp_08_a_kept_report_is_as_old_as_it_is_and_the_rest_is_told(kind: Kind, tmp_path: Path) -> None:
    with kind(tmp_path) as kept:
        kept.client.set("report:{binance:BTC-USDT}", kept_report())
        kept.client.zadd("report_index", {"binance:BTC-USDT": EPOCH_MS, "old:XRP-USD": 1})
        right, joined, expired, unknown, misspelt = reports(kept.url, "BTC-USDT", "BTCUSDT", "ETH-USDT", "XRP-USD", "btc")
        found = json.loads(right.body)
        before = json.loads(kept_report())
        assert found["resolved"] == {"requested": "BTC-USDT", "venue": "binance", "symbol": "BTC-USDT", "rule": "canonical", "alternatives": []}
        assert found["ingestion"]["status"] == "down"
        assert found["data_age_ms"] > 1000
        assert {name: found[name] for name in ("depth", "flow", "book_state", "writer")} == {
            name: before[name] for name in ("depth", "flow", "book_state", "writer")
        }
        assert json.loads(joined.body)["resolved"]["rule"] == "joined"
        assert [(one.error, one.reason) for one in (expired, unknown, misspelt)] == [
            ("symbol_not_indexed", "expired"), ("symbol_not_indexed", "unknown"), ("invalid_symbol", None)
        ]  # fmt: skip
        kept.client.set("report:{binance:BTC-USDT}", "{}")
        assert [one.reason for one in reports(kept.url, "BTC-USDT")] == ["corrupt"]


def test_mcp_15_the_known_pairs_are_configured_or_written(tmp_path: Path) -> None:
    with server(tmp_path) as kept:
        kept.client.set("nt:meta:binance", "{}")
        listing = json.loads(ask(kept.url, lambda answers: answers.symbols()).body)
        assert [row["symbol"] for row in listing["symbols"]] == ["BTC-USDT", "ETH-USDT"]
        assert kept.keys() == [b"nt:meta:binance"]


def test_mcp_09_a_server_that_is_away_or_frozen_is_told_in_time_and_found_again(tmp_path: Path) -> None:
    """CHK-26."""
    kept = Server(tmp_path)
    assert [(one.error, one.reason) for one in reports(kept.url, "BTC-USDT")] == [("backend_unavailable", "connection")]
    kept.start()
    try:
        kept.client.set("report:{binance:BTC-USDT}", kept_report())

        async def through(answers: Answers) -> str | None:
            await answered(answers)
            kept.pause(1000)
            begun = asyncio.get_running_loop().time()
            frozen = await answers.report("BTC-USDT")
            took_s = asyncio.get_running_loop().time() - begun
            assert took_s < 1
            await answered(answers)
            return frozen.reason

        async def answered(answers: Answers) -> None:
            ends = asyncio.get_running_loop().time() + 20
            while (await answers.report("BTC-USDT")).error is not None:
                assert asyncio.get_running_loop().time() < ends

        assert ask(kept.url, through, SHORT_MS) == "timeout"
    finally:
        kept.kill()


def test_dst_13_of_several_servers_one_that_is_frozen_or_dead_is_told_in_time(tmp_path: Path) -> None:
    """What the others have is answered meanwhile, and all of it once it is replaced."""
    with shared_servers(tmp_path, 3, 3) as kept:
        kept.client.set("report:{binance:BTC-USDT}", kept_report())
        owner = kept.of("report:{binance:BTC-USDT}")
        assert owner is not kept.of("report_index")

        async def through(answers: Answers) -> list[str | None]:
            assert (await answers.report("BTC-USDT")).error is None
            owner.process.send_signal(signal.SIGSTOP)
            begun = asyncio.get_running_loop().time()
            found = [(await answers.report("BTC-USDT")).reason, (await answers.symbols()).error]
            assert asyncio.get_running_loop().time() - begun < 2 * SHORT_MS / 1e3 + 0.5
            owner.kill()
            ends = asyncio.get_running_loop().time() + 20
            while (await answers.report("BTC-USDT")).error is not None:
                assert asyncio.get_running_loop().time() < ends
            return found

        assert ask(kept.url, through, SHORT_MS) == ["timeout", None]


def test_a_cache_that_nobody_would_write_is_refused() -> None:
    async def live() -> None:
        with Engine(load_config(None, ("cache.backend=redis", assignment("providers", PROVIDERS)), {})) as engine:
            async with LiveEngine(engine):
                pass

    with pytest.raises(ConfigError, match="nobody would write"):
        asyncio.run(live())
