"""ARC-01: one event of each type carries the stamps of the five stages, in order; what sampling does."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from tests.system.run_kit import run_for
from tests.system.test_account_cli import KEYS

pytestmark = [pytest.mark.system, pytest.mark.timeout(60)]

STAGES = ["provider", "orchestrator", "dispatcher", "bus", "consumer"]
TYPES = ["BookSnapshot", "BookUpdate", "Trade", "Ticker", "KlineSummary", "InstrumentUpdate", "BalanceUpdate"]
DESK = """
class Reader:
    def on_batch(self, events, ctx):
        pass
"""


def config(mode: str, more: str = "") -> str:
    return f"""
schema_version: 1
{more}
providers:
  - {{name: binance, venue: binance, symbols: [BTC-USDT], streams: [book, trade, ticker, kline],
      credentials: {{api_key_env: BINANCE_API_KEY, api_secret_env: BINANCE_API_SECRET, key_type: ed25519}}}}
  - {{name: other, venue: binance, symbols: [BTC-USDT]}}
orchestrator: {{merge_rules: [{{name: both, merge_key: "BTC-USDT:Trade", providers: [binance, other],
                window_duration_ms: 500}}]}}
consumers:
  - consumer_id: reader
    mode: {mode}
    handler: "desk:Reader"
    subscriptions:
      - {{symbol: BTC-USDT, event_types: [{", ".join(TYPES)}]}}
      - {{symbol: BTC-USDT, event_types: [Trade], merged: both}}
"""


def traces(folder: Path, text: str) -> dict[str, Any]:
    code, result, err = run_for(3, folder, DESK, text)
    assert code == 0, err
    assert result["balanced"], result
    return {trace["type"]: trace for trace in result["traces"]}


@pytest.mark.parametrize("mode", ["thread", "inline"])
def test_arc_01_one_event_of_each_type_carries_the_five_stamps_in_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: str
) -> None:
    for name, value in KEYS.items():
        monkeypatch.setitem(os.environ, name, value)
    found = traces(tmp_path, config(mode, "telemetry: {trace_sampling: 1.0}"))
    assert sorted(found) == sorted([*TYPES, "MergedEvent"])
    for trace in found.values():
        assert list(trace["stages_ns"]) == STAGES
        stamps = list(trace["stages_ns"].values())
        assert stamps[0] > 0
        assert stamps == sorted(stamps)
        assert len(trace["trace_id"]) == 36
    assert found["MergedEvent"]["provider"] == "merged:both"
    assert found["BalanceUpdate"]["provider"] == "binance"


def test_no_way_is_followed_without_sampling(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in KEYS.items():
        monkeypatch.setitem(os.environ, name, value)
    assert traces(tmp_path, config("thread", "telemetry: {trace_sampling: 0}")) == {}
