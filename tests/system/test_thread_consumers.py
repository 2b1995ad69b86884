"""Consumers in threads of their own, through the installed `engine-run run` against the simulated venues."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.system.run_kit import run_for

pytestmark = [pytest.mark.system, pytest.mark.timeout(60)]

DESK = '''
import threading
import time


class Fast:
    def on_start(self, ctx):
        self.count = 0
        self.thread = None

    def on_batch(self, events, ctx):
        self.count += len(events)
        self.thread = threading.current_thread().name

    def on_stop(self, ctx):
        ctx.log.warning("fast had %d events in %s", self.count, self.thread)


class Asleep:
    """A second an event: what it does not take in time is dropped for it alone."""

    def on_event(self, event, ctx):
        time.sleep(1)


class Failing:
    def on_event(self, event, ctx):
        raise ValueError("no opinion")


class Asking:
    """Gives a command from its own thread, and waits for the answer there."""

    def on_start(self, ctx):
        self.ack = None

    def on_batch(self, events, ctx):
        if self.ack is None:
            self.ack = ctx.subscribe("ETH-USD", event_types=["Trade"]).result()
            ctx.log.warning("asked: %s, version %d", self.ack.success, self.ack.routing_version)
'''
CONFIG = """
schema_version: 1
providers: [{name: kraken, venue: kraken, symbols: [BTC-USD, ETH-USD], book: {depth_levels: 100}}]
engine: {shutdown_wait_ms: 3000}
consumers:
  - {consumer_id: fast, mode: inline, handler: "desk:Fast", subscriptions: [{symbol: BTC-USD, event_types: [BookUpdate, Trade]}]}
  - {consumer_id: quick, handler: "desk:Fast", mailbox_capacity: 4096, subscriptions: [{symbol: BTC-USD, event_types: [BookUpdate, Trade]}]}
  - {consumer_id: asleep, handler: "desk:Asleep", mailbox_capacity: 16, subscriptions: [{symbol: BTC-USD, event_types: [Trade]}]}
  - {consumer_id: failing, handler: "desk:Failing", subscriptions: [{symbol: BTC-USD, event_types: [Trade]}]}
  - {consumer_id: asking, handler: "desk:Asking", subscriptions: [{symbol: BTC-USD, event_types: [BookUpdate]}]}
"""


def test_a_consumer_that_sleeps_in_its_thread_delays_nobody_CON_04(tmp_path: Path) -> None:
    code, result, err = run_for(4, tmp_path, DESK, CONFIG)
    consumers = result["pipeline"]["consumers"]
    assert result["run"]["consumers"]["fast"]["mode"] == "inline"
    assert {result["run"]["consumers"][name]["mode"] for name in ("quick", "asleep", "failing")} == {"thread"}
    assert consumers["fast"]["delivered"] == consumers["quick"]["delivered"] > 100
    assert "in engine-consumer-quick" in err
    assert "in MainThread" in err
    # Its mailbox and what it has in hand, no more; the rest is counted as dropped for it.
    assert consumers["asleep"]["offered"] == consumers["failing"]["offered"]
    assert consumers["failing"]["delivered"] == consumers["failing"]["offered"] > 10
    # Equal errors within a second are one line (CON-18).
    assert 1 <= err.count("consumer.error consumer_id=failing error=ValueError: no opinion") <= 5
    assert "asked: True, version" in err
    # Of its sixteen events it takes two or three in the two seconds after the stop; the others are given back (SHUT-01).
    assert 10 <= consumers["asleep"]["skipped"] <= 15
    assert code == 0, err
    assert "held by" not in err
