"""MCP-06 to MCP-08, RPT-15, RPT-16: which report is meant, how old it is at the moment it is read, and what a cache keeps."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest

from engine.base.clock import ManualClock
from engine.reports.cache import InProcessCache
from engine.reports.reader import ReportReader
from engine.reports.resolve import Resolved, Unresolved, resolve
from engine.reports.settings import ReportSettings
from tests.unit.reports.report_kit import EPOCH_MS, NS, Symbol
from tests.unit.reports.test_golden import G1_ASKS, G1_BIDS, G16

KNOWN = [("kraken", "BTC-USD"), ("binance", "BTC-USDT"), ("coinbase", "BTC-USD"), ("binance", "AB-CUSD"), ("kraken", "ABC-USD"),
         ("binance", "1INCH-USDT"), ("binance", "1000SHIB-USDT")]  # fmt: skip
PRIORITY = ("binance", "coinbase")
TTL_MS = 300_000


@pytest.mark.parametrize(
    ("requested", "wanted"),
    [
        ("kraken:BTC-USD", ("kraken", "BTC-USD", "exact", ())),
        ("BTC-USD", ("coinbase", "BTC-USD", "canonical", ("kraken:BTC-USD",))),
        ("BTCUSD", ("coinbase", "BTC-USD", "joined", ("kraken:BTC-USD",))),
        ("kraken:BTCUSD", ("kraken", "BTC-USD", "joined", ())),
        ("1INCH-USDT", ("binance", "1INCH-USDT", "canonical", ())),
        ("1000SHIBUSDT", ("binance", "1000SHIB-USDT", "joined", ())),
        ("binance:ABCUSD", ("binance", "AB-CUSD", "joined", ())),
        ("kraken:ABCUSD", ("kraken", "ABC-USD", "joined", ())),
        ("ABCUSD", "ambiguous_symbol"),
        ("ETH-USD", "symbol_not_indexed"),
        ("binance:BTC-USD", "symbol_not_indexed"),
        ("ETHUSD", "symbol_not_indexed"),
        ("btc-usd", "invalid_symbol"),
        (" BTC-USD", "invalid_symbol"),
        ("BTC-USD\n", "invalid_symbol"),
        ("BTC/USD", "invalid_symbol"),
        ("Kraken:BTC-USD", "invalid_symbol"),
        ("", "invalid_symbol"),
        ("B", "invalid_symbol"),
    ],
)
def test_mcp_06_every_spelling_in_any_order_of_what_is_known(requested: str, wanted: Any) -> None:
    """CHK-46."""
    rng = random.Random(1)
    for _ in range(20):
        known = rng.sample(KNOWN, len(KNOWN))
        found = resolve(requested, known, PRIORITY)
        if isinstance(found, Unresolved):
            assert found.code == wanted
        else:
            assert found == Resolved(requested, *wanted)


def test_mcp_07_what_it_may_be_and_what_there_is() -> None:
    ambiguous, unknown = resolve("ABCUSD", KNOWN), resolve("ETH-USD", KNOWN)
    assert isinstance(ambiguous, Unresolved)
    assert isinstance(unknown, Unresolved)
    assert ambiguous.others == ("binance:AB-CUSD", "kraken:ABC-USD")
    assert unknown.others == tuple(sorted(f"{venue}:{symbol}" for venue, symbol in KNOWN))


class Kept:
    """G16 in a cache, written at its own T."""

    def __init__(self) -> None:
        self.clock = ManualClock((EPOCH_MS + 32_000) * NS)
        self.cache = InProcessCache(self.clock)
        self.cache.put("binance", "BTC-USDT", G16.encode(), TTL_MS, 1)
        self.reader = ReportReader(self.cache, ReportSettings(), self.clock, [("binance", "ETH-USDT")])

    def at(self, ms: int, requested: str = "BTC-USDT") -> Any:
        self.clock.set((EPOCH_MS + ms) * NS)
        served = self.reader.get(requested)
        return json.loads(served.body, parse_float=str) | ({"is_error": True} if served.error else {})


@pytest.mark.parametrize(("ms", "age", "status"), [(32_000, 200, "ok"), (33_300, 1500, "degraded"), (37_800, 6000, "down")])
def test_mcp_08_a_report_ages_while_nobody_writes(ms: int, age: int, status: str) -> None:
    """CHK-22: only what depends on age changes, and as the composer would have it."""
    found, kept = Kept().at(ms), json.loads(G16, parse_float=str)
    assert (found["data_age_ms"], found["ingestion"]["status"], found["ingestion"]["fresh"]) == (age, status, status == "ok")
    assert found.pop("served_at") == f"2026-01-01T00:00:{ms // 1000}.{ms % 1000:03d}Z"
    resolved = {"requested": "BTC-USDT", "venue": "binance", "symbol": "BTC-USDT", "rule": "canonical", "alternatives": []}
    assert found.pop("resolved") == resolved
    if status == "ok":
        assert found == kept
    found["data_age_ms"], found["ingestion"] = kept["data_age_ms"], kept["ingestion"]
    found["health"] |= {"score": kept["health"]["score"], "score_raw": kept["health"]["score_raw"]}
    found["health"]["components"]["freshness"] = kept["health"]["components"]["freshness"]
    assert found == kept


@pytest.mark.parametrize("age_ms", [0, 999, 1000, 1001, 2345, 4999, 5000, 5001])
def test_mcp_08_what_is_read_is_what_would_be_written(age_ms: int) -> None:
    symbol = Symbol()
    symbol.depth("0.1", G1_BIDS, G1_ASKS)
    clock = ManualClock((EPOCH_MS + 100) * NS)
    cache = InProcessCache(clock)
    cache.put("binance", "BTC-USDT", symbol.composer.report(EPOCH_MS + 100), TTL_MS, 1)
    clock.set((EPOCH_MS + 100 + age_ms) * NS)
    served = json.loads(ReportReader(cache, ReportSettings(), clock).get("BTCUSDT").body, parse_float=str)
    written = json.loads(symbol.composer.report(EPOCH_MS + 100 + age_ms), parse_float=str)
    assert served["health"] == written["health"]
    assert (served["data_age_ms"], served["ingestion"]) == (written["data_age_ms"], written["ingestion"])


def test_mcp_07_errors_are_bodies_with_a_stable_code() -> None:
    """CHK-25: never a null, never an error told as a success."""
    kept = Kept()
    assert kept.at(32_000, "XRP-USD") == {
        "error": "symbol_not_indexed", "symbol": "XRP-USD", "message": "there is no report of XRP-USD", "reason": "unknown",
        "available": ["binance:BTC-USDT", "binance:ETH-USDT"], "is_error": True,
    }  # fmt: skip
    assert (kept.at(32_000, "x")["error"], kept.at(32_000, "ETH-USDT")["reason"]) == ("invalid_symbol", "expired")
    kept.cache.put("binance", "BTC-USDT", b'{"generated_at":"2026-01-01T00:00:32.000Z"}', TTL_MS, 1)
    assert (kept.at(32_000)["error"], kept.at(32_000)["reason"]) == ("backend_unavailable", "corrupt")


def test_rpt_16_a_report_expires_and_a_live_one_does_not() -> None:
    """CHK-21."""
    kept = Kept()
    assert kept.at(32_000 + TTL_MS - 1)["symbol"] == "BTC-USDT"
    found = kept.at(32_000 + TTL_MS)
    assert (found["error"], found["reason"]) == ("symbol_not_indexed", "expired")
    for step in range(5):
        kept.clock.set((EPOCH_MS + 32_000 + step * TTL_MS // 2) * NS)
        assert kept.cache.put("binance", "BTC-USDT", G16.encode(), TTL_MS, 1)
        assert kept.cache.get("binance", "BTC-USDT") == G16.encode()
    assert kept.cache.index() == [("binance", "BTC-USDT", EPOCH_MS + 32_000)]
    kept.clock.set((EPOCH_MS + 32_000 + 86_400_000) * NS)
    assert kept.cache.index() == []


def test_rpt_15_a_lower_fence_is_refused() -> None:
    kept = Kept()
    assert kept.cache.put("binance", "BTC-USDT", G16.encode(), TTL_MS, 3)
    assert not kept.cache.put("binance", "BTC-USDT", G16.replace("0.328", "0.5").encode(), TTL_MS, 2)
    assert kept.cache.get("binance", "BTC-USDT") == G16.encode()
