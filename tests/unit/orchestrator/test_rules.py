"""Merge rules of the configuration and of the control bus (MRG-02, MRG-12, MRG-16, SUB-07, CTL-30, EVT-50)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from engine.base.clock import ManualClock
from engine.base.errors import UnknownSymbolError, ValidationError
from engine.config.load import load_config
from engine.consumers.subscriptions import Subscription
from engine.runtime import merging
from engine.runtime.assembly import Engine
from engine.schema.command import Command
from tests.unit.config.configs import assignment, wrongs_at
from tests.unit.orchestrator.merge_kit import MS, Merged, S
from tests.unit.runtime.engine_kit import START_NS, trade_frame

RULE = {"name": "btc", "merge_key": "BTC-USDT:Trade", "providers": ["binance", "other"]}
TERMS = {"window_duration_ms": 2000}
RULE_PATH = "orchestrator.merge_rules[0]"


class TwoVenues:
    """An engine that carries BTC-USDT at two providers, fed with trades by hand."""

    def __init__(self, *rules: dict[str, Any], more: tuple[str, ...] = ()) -> None:
        providers = [{"name": name, "venue": "binance", "symbols": ["BTC-USDT"]} for name in ("binance", "other")]
        sets = [assignment("providers", providers), assignment("orchestrator.merge_rules", list(rules)), *more]
        self.clock = ManualClock(START_NS)
        self.engine = Engine(load_config(None, sets, {}), self.clock)
        self.feeds = {name: self.engine.open_provider("binance", name) for name in ("binance", "other")}
        for feed in self.feeds.values():
            self.engine.carry(feed, feed.guess_instrument("BTCUSDT"))
        self.number = 0
        self.contexts: dict[str, Any] = {}

    def add(self, name: str) -> Merged:
        handler = Merged()
        self.contexts[name] = self.engine.add_consumer(name, handler).context
        return handler

    def trades(self, *providers: str) -> None:
        """A trade at each, by default at both."""
        self.number += 1
        for name in providers or ("binance", "other"):
            self.feeds[name].stream.feed(trade_frame(self.number), self.clock.now(), 0)
            self.feeds[name].stream.read_end()

    def wait(self, ms: int) -> None:
        self.clock.advance(ms * MS)
        self.engine.orchestrator.deliver()


@contextmanager
def two_venues(*rules: dict[str, Any], more: tuple[str, ...] = ()) -> Iterator[TwoVenues]:
    line = TwoVenues(*rules, more=more)
    with line.engine:
        yield line
    assert line.engine.summary().imbalances == []


def by_config(**terms: Any) -> list[dict[str, Any]]:
    """What a consumer of the configured rule gets of five trades a second apart at each venue."""
    with two_venues({**RULE, **terms}) as line:
        merged = line.add("m")
        wanted = Subscription(consumer_id="m", symbol="BTC-USDT", event_types=("Trade",), merged=terms.get("name", "btc"))
        line.engine.desk.subscribe(wanted)
        line.engine.start()
        for _ in range(5):
            line.trades()
            line.wait(1000)
        line.wait(20_000)
        return merged.events


def test_mrg_16_a_rule_of_the_configuration_is_what_windows_go_by() -> None:
    """Each key of a rule is changed, and the change is seen."""
    [usual] = by_config()
    assert (usual["provider"], usual["rule"], usual["fragment_count"]) == ("merged:btc", "btc", 10)
    assert usual["window_close_ns"] - usual["window_open_ns"] == 10 * S
    assert by_config(name="mine")[0]["provider"] == "merged:mine"
    assert [e["fragment_count"] for e in by_config(window_duration_ms=2000)] == [4, 4, 2]
    assert [e["fragment_count"] for e in by_config(window_max_events=4)] == [4, 4, 2]
    assert [e["fragment_count"] for e in by_config(close_on_complete=True)] == [2] * 5
    assert by_config(providers=["other", "binance"])[0]["expected_providers"] == ("other", "binance")


def test_a_merged_subscription_gets_merged_events_alone_and_only_of_its_rule() -> None:
    with two_venues({**RULE, "close_on_complete": True}) as line:
        merged, nothing = line.add("m"), line.add("n")
        line.engine.desk.subscribe(
            Subscription(consumer_id="m", symbol="BTC-USDT", event_types=("Trade",), merged="btc")
        )
        with pytest.raises(UnknownSymbolError, match="no merge rule eth"):
            line.engine.desk.subscribe(
                Subscription(consumer_id="n", symbol="BTC-USDT", event_types=("Trade",), merged="eth")
            )
        with pytest.raises(ValidationError, match="is of BTC-USDT:Trade alone"):
            line.engine.desk.subscribe(
                Subscription(consumer_id="n", symbol="BTC-USDT", event_types=("Ticker",), merged="btc")
            )
        line.engine.start()
        line.trades()
        assert [event["rule"] for event in merged.events] == ["btc"]
        assert nothing.events == []


def test_a_consumer_of_the_configuration_names_its_rule() -> None:
    consumer = {"consumer_id": "m", "mode": "inline", "handler": "tests.unit.orchestrator.merge_kit:Merged",
                "subscriptions": [{"symbol": "BTC-USDT", "event_types": ["Trade"], "merged": "btc"}]}  # fmt: skip
    rule = {**RULE, "close_on_complete": True}
    with two_venues(rule, more=(assignment("consumers", [consumer]),)) as line:
        line.engine.add_configured_consumers()
        line.engine.start()
        line.trades()
        assert len(line.engine.runners["m"].handler.events) == 1


# --- what a rule may say ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("providers", ["kraken"]),
        ("providers", ["kraken", "kraken"]),
        ("providers", ["kraken", "nowhere"]),
        ("merge_key", "BTC-USD:ExecReport"),
        ("merge_key", "BTC-USD:Quote"),
        ("partial_policy", "emit"),
        ("partial_policy", "drop"),
    ],
)
def test_mrg_02_mrg_12_a_rule_that_cannot_be_is_refused(key: str, value: Any) -> None:
    """One provider, a critical kind, an unknown type; and ``suppress`` is the only partial policy."""
    assert wrongs_at(f"{RULE_PATH}.{key}", value) != []


def test_a_rule_of_a_symbol_that_a_provider_does_not_list_is_refused() -> None:
    with pytest.raises(Exception, match="does not carry ETH-EUR"):
        load_config(None, [assignment(RULE_PATH, {**RULE, "merge_key": "ETH-EUR:Trade", "providers": ["kraken", "coinbase"]})], {})  # fmt: skip


# --- while running ------------------------------------------------------------------------------------------


def ask(line: TwoVenues, name: str, **merged: Any) -> Any:
    return line.contexts[name].subscribe(
        "BTC-USDT", event_types=["Trade"], providers=["binance", "other"], merged=merged
    )


def test_mrg_16_two_consumers_with_windows_of_their_own_are_both_right() -> None:
    with two_venues() as line:
        short, long = line.add("short"), line.add("long")
        line.engine.start()
        assert ask(line, "short", window_duration_ms=1000).ack.success
        assert ask(line, "long", window_duration_ms=10_000).ack.success
        for _ in range(40):
            line.trades()
            line.wait(250)
        lengths = [[e["window_close_ns"] - e["window_open_ns"] for e in one.events if "rule" in e] for one in (short, long)]
        assert lengths == [[S] * 10, [10 * S]]


def test_sub_07_parameters_change_at_run_time_and_window_lengths_follow() -> None:
    with two_venues() as line:
        merged = line.add("m")
        line.engine.start()
        for ms in (1000, 3000):
            ask(line, "m", window_duration_ms=ms)
            line.trades()
            line.wait(ms)
            line.contexts["m"].unsubscribe(
                "BTC-USDT", event_types=["Trade"], providers=["binance", "other"], merged={"window_duration_ms": ms}
            )
        line.trades()
        line.wait(60_000)
        lengths = [e["window_close_ns"] - e["window_open_ns"] for e in merged.events if "rule" in e]
        assert lengths == [S, 3 * S]


def test_ctl_30_equal_content_shares_one_rule_and_the_last_to_leave_ends_it() -> None:
    with two_venues() as line:
        one, two = line.add("one"), line.add("two")
        line.engine.start()
        ask(line, "one", **TERMS)
        line.contexts["two"].subscribe(
            "BTC-USDT", event_types=["Trade"], providers=["other", "binance"], merged=TERMS
        )
        assert list(line.engine.orchestrator.statistics()) == ["rule_1"]
        line.trades()
        line.wait(2000)
        for name in ("one", "two"):
            line.trades()
            line.contexts[name].unsubscribe(
                "BTC-USDT", event_types=["Trade"], providers=["binance", "other"], merged=TERMS
            )
        line.wait(2000)
        assert [len([e for e in each.events if "rule" in e]) for each in (one, two)] == [1, 1]
        counts = line.engine.orchestrator.statistics()["rule_1"]
        assert (counts.opened, counts.emitted, counts.discarded) == (2, 1, 1)
        ask(line, "one", **TERMS)
        line.trades()
        line.wait(2000)
        assert [e["seq_provider"] for e in one.events if "rule" in e] == [1, 2]


def test_a_rule_of_the_configuration_is_shared_and_stays() -> None:
    with two_venues({**RULE, **TERMS}) as line:
        line.add("m")
        line.engine.start()
        ask(line, "m", **TERMS)
        line.contexts["m"].unsubscribe(
            "BTC-USDT", event_types=["Trade"], providers=["binance", "other"], merged=TERMS
        )
        line.trades()
        line.wait(2000)
        counts = line.engine.orchestrator.statistics()
        assert list(counts) == ["btc"]
        assert counts["btc"].emitted == 1


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"providers": ["binance"]}, "invalid_request"),
        ({"providers": ["binance", "binance"]}, "invalid_request"),
        ({"providers": ["binance", "kraken"]}, "not_found"),
        ({"symbol": "DOGE-EUR"}, "not_found"),
        ({"event_types": []}, "invalid_request"),
        ({"event_types": ["InstrumentUpdate"]}, "invalid_request"),
        ({"merge_config": {"partial_policy": "emit"}}, "invalid_request"),
        ({"merge_config": {"window_duration_ms": 0}}, "invalid_request"),
        ({"merge_config": {"window_max_events": 1_000_001}}, "invalid_request"),
        ({"merge_config": {"duration": 5}}, "invalid_request"),
        ({"colour": "red"}, "invalid_request"),
    ],
)
def test_ctl_30_a_command_that_cannot_be_obeyed_changes_nothing(change: dict[str, Any], code: str) -> None:
    with two_venues() as line:
        line.add("m")
        line.engine.start()
        payload = {"symbol": "BTC-USDT", "event_types": ["Trade"], "providers": ["binance", "other"], **change}
        version = line.engine.board.current_version()
        command = Command(message_id="1", consumer_id="m", type="merged_subscribe", payload=payload, ts_ns=1)
        ack = line.engine.control.handle(command)
        assert ack.error is not None
        assert ack.error["code"] == code, ack.error
        assert (line.engine.orchestrator.statistics(), line.engine.board.current_version()) == ({}, version)


def test_unsubscribing_what_is_not_there_is_refused() -> None:
    with two_venues() as line:
        line.add("m")
        reply = line.contexts["m"].unsubscribe(
            "BTC-USDT", event_types=["Trade"], providers=["binance", "other"], merged={}
        )
        assert reply.ack.error["code"] == "not_found"


def test_rules_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(merging, "RULES_MAX", 3)
    with two_venues(RULE) as line:
        line.add("m")
        outcomes = [ask(line, "m", window_duration_ms=ms).ack.success for ms in (1, 2, 3, 1)]
        assert outcomes == [True, True, False, True]
