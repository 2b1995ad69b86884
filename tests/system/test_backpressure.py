"""A consumer far too slow for its market, through the installed `engine-run run`: what it sees, and what is told of it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.system.run_kit import run_for

pytestmark = [pytest.mark.system, pytest.mark.timeout(90)]

DESK = '''
import json
import time

import engine


def state(book):
    return repr((book.bids(), book.asks()))


class Source:
    """Every state of the book, by its number."""

    states = {}

    def __init__(self):
        self.book = engine.Book()

    def on_batch(self, events, ctx):
        for event in events:
            if type(event).__name__ != "Trade" and self.book.apply(event):
                self.states[event.epoch, event.seq_provider] = state(self.book)


class Slow:
    """A book from what comes through, each of its states compared with the source's at the end."""

    def on_start(self, ctx):
        self.book = engine.Book()
        self.mine = []
        self.trades = self.folded = 0

    def on_event(self, event, ctx):
        time.sleep(0.04)
        if type(event).__name__ == "Trade":
            self.trades += 1
        else:
            self.folded += "COALESCED" in {flag.name for flag in event.flags}
            if self.book.apply(event):
                self.mine.append((event.epoch, event.seq_provider, state(self.book)))

    def on_stop(self, ctx):
        right = sum(Source.states.get((epoch, number)) == mine for epoch, number, mine in self.mine)
        ctx.log.warning("slow %s", json.dumps({"states": len(self.mine), "right": right, "folded": self.folded,
                                               "trades": self.trades}))
'''
CONFIG = """
schema_version: 1
providers: [{name: kraken, venue: kraken, symbols: [BTC-USD], book: {depth_levels: 25}}]
engine: {shutdown_wait_ms: 8000}
consumers:
  - {consumer_id: source, mode: inline, handler: "desk:Source", subscriptions: [{symbol: BTC-USD, event_types: [BookUpdate]}]}
  - {consumer_id: slow, handler: "desk:Slow", mailbox_capacity: 16, subscriptions: [{symbol: BTC-USD, event_types: [BookUpdate, Trade]}]}
dispatcher: {backpressure: {token_rate_per_stream: 100000, token_burst: 1000}}
"""
LIMITED = CONFIG.replace("token_rate_per_stream: 100000, token_burst: 1000", "token_rate_per_stream: 5, token_burst: 2")


def what_it_saw(log: str) -> dict[str, int]:
    """What the slow consumer wrote when it stopped."""
    (line,) = [line for line in log.splitlines() if "engine.consumer.slow" in line]
    found: dict[str, int] = json.loads(json.loads(line)["message"].removeprefix("slow "))
    return found


def test_bp_05_bp_09_a_slow_consumers_book_is_the_sources_and_every_trade_is_accounted_for(tmp_path: Path) -> None:
    code, result, err = run_for(6, tmp_path, DESK, CONFIG)
    assert code == 0, err
    slow, source = (result["pipeline"]["consumers"][name] for name in ("slow", "source"))
    seen = what_it_saw(err)
    assert seen["right"] == seen["states"] > 10
    assert seen["folded"] > 2
    assert slow["coalesced"] > 50
    assert slow["dropped"] > 0
    assert source["coalesced"] == source["dropped"] == source["skipped"] == 0, "CON-04: nobody else is touched"
    assert slow["offered"] == slow["delivered"] + slow["coalesced"] + slow["skipped"] + slow["dropped"]
    assert result["pipeline"]["telemetry"]["coalescing.applied"] <= 8
    assert result["pipeline"]["balanced"]


def test_bp_11_streams_over_their_rate_wait_folded_and_trades_to_the_buffer(tmp_path: Path) -> None:
    code, result, err = run_for(5, tmp_path, DESK, LIMITED)
    assert code == 0, err
    pipeline = result["pipeline"]
    assert pipeline["coalesced_at_entry"] > 50
    assert pipeline["received"] > 4 * pipeline["routed"]
    assert pipeline["balanced"]
    seen = what_it_saw(err)
    assert seen["right"] == seen["states"] > 5
