"""ARC-04: every component runs in the installed command, seen from outside by a counter of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from tests.twins.capture_io import read_records, write_records

pytestmark = [pytest.mark.system, pytest.mark.timeout(120)]

DESK = """
class Failing:
    def __init__(self):
        self.trades = 0
        self.ids = []
    def on_trade(self, event, ctx):
        self.trades += 1
        self.ids.append(int(event.trade_id))
        if self.trades == 3:
            raise ValueError("the third trade")
    def on_stop(self, ctx):
        print("in order:", self.ids == sorted(set(self.ids)), len(self.ids))
"""
CONFIG = """
schema_version: 1
providers: [{name: binance, venue: binance, symbols: [BTC-USDT]}]
dlq: {path: dead.jsonl}
consumers:
  - {consumer_id: failing, mode: inline, handler: "desk:Failing",
     subscriptions: [{symbol: BTC-USDT, event_types: [Trade]}]}
"""


def test_arc_04_each_component_is_seen_at_work_from_outside(captures: Path, tmp_path: Path) -> None:
    records = read_records(captures / "binance_spot_btcusdt_20240809.jsonl.gz")[:6000]
    trades = [at for at, record in enumerate(records) if '"e":"trade"' in record["raw"]]
    first, second = next((a, b) for a, b in pairwise(trades[20:]) if b == a + 1)
    records[first]["raw"], records[second]["raw"] = records[second]["raw"], records[first]["raw"]   # one hold
    broken = trades[60]
    records[broken]["raw"] = records[broken]["raw"].replace('"p":', '"p":x', 1)                     # one dead letter
    records.insert(trades[40] + 1, dict(records[trades[40]]))                                       # one duplicate
    write_records(tmp_path / "binance.jsonl.gz", records)
    (tmp_path / "desk.py").write_text(DESK)
    (tmp_path / "engine.yaml").write_text(CONFIG)
    command = [sys.executable, "-m", "engine", "replay", "binance.jsonl.gz"]
    done = subprocess.run([*command, "--json"], cwd=tmp_path, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stderr
    order, document = done.stdout.splitlines()
    counts: dict[str, Any] = json.loads(document)[0]["pipeline"]
    # Reorder: the swapped trade waited, and everything came in order.
    assert (counts["gap_holds"], counts["late_dropped"]) == (1 + held_for_the_broken_one(records, broken), 0)
    assert order == f"in order: True {len(trades) - 1}"
    # Dedupe: the doubled trade came once.
    assert counts["duplicates"] == 1
    # Dead letters: the broken frame, with its bytes, and the failure of the consumer.
    assert counts["rejected_frames"] == {"binance:bad_number": 1}
    letters = [json.loads(line) for line in (tmp_path / "dead.jsonl").read_text().splitlines()]
    assert [letter["reason"] for letter in letters] == ["callback_failed", "parse_error"]
    assert counts["dead_letters"] == 2
    # Telemetry: each of them was told.
    told = counts["telemetry"]
    assert (told["frame.rejected"], told["consumer.error"], told["dlq.published"]) == (1, 1, 2)
    # Recycler: what was delivered came from the pools, and all of it is back, also after the failure.
    assert counts["pools"]["Trade"] == len(trades)
    assert counts["pools_out"] == {}
    assert counts["balanced"] is True
    # Counts: one trade failed in the callback, none was lost.
    assert counts["consumers"]["failing"]["delivered"] == len(trades) - 1


def held_for_the_broken_one(records: list[dict[str, Any]], broken: int) -> int:
    """How many trades arrive within the tolerance after the one that cannot be read: they wait for it."""
    since_ns = next(r["ts_ns"] for r in records[broken + 2 :] if '"e":"trade"' in r["raw"])
    later = [r["ts_ns"] for r in records[broken + 2 :] if '"e":"trade"' in r["raw"]]
    return sum(ts_ns < since_ns + 150_000_000 for ts_ns in later)
