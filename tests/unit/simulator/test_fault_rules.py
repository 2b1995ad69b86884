"""What a rule of a fault plan may say, and what is told about one that may not."""

from __future__ import annotations

from typing import Any

import pytest

from engine.simulator.fault_rules import FAULTS, FaultRule, Point, named_rules, read_rule


def test_a_rule_is_complete_with_what_its_fault_has_by_itself() -> None:
    rule, faults = read_rule({"fault": "silence", "venue": "kraken", "symbol": "BTC-USD", "at_s": 5})
    assert faults == []
    assert rule == FaultRule(
        fault="silence", venue="kraken", symbol="BTC-USD", at_s=5.0, stream="any", for_s=60.0
    )


def test_every_fault_can_be_asked_for_by_its_name_alone() -> None:
    for name, kind in FAULTS.items():
        rule, faults = read_rule({"fault": name})
        assert (rule is not None, faults) == (True, []), name
        assert rule is not None
        assert rule.kind is kind


@pytest.mark.parametrize(
    ("entry", "key", "words"),
    [
        ("drop", "", "mapping"),
        ({}, "fault", "must be one of drop"),
        ({"fault": "dropp"}, "fault", "nearest: drop"),
        ({"fault": "drop", "cuont": 3}, "cuont", "no such key"),
        ({"fault": "drop", "code": 1000}, "code", "no such key"),
        ({"fault": "drop", "count": -1}, "count", "whole number"),
        ({"fault": "drop", "count": 1.5}, "count", "whole number"),
        ({"fault": "drop", "count": True}, "count", "whole number"),
        ({"fault": "drop", "probability": 1.01}, "probability", "from 0 to 1"),
        ({"fault": "drop", "at_s": "soon"}, "at_s", "number"),
        ({"fault": "drop", "stream": "books"}, "stream", "nearest: book"),
        ({"fault": "drop", "venue": "bitmex"}, "venue", "must be one of binance"),
        ({"fault": "corrupt_checksum", "venue": "binance"}, "venue", "must be one of kraken"),
        ({"fault": "snapshot_error", "status": 200}, "status", "from 400 to 599"),
        ({"fault": "rate_limited", "symbol": "BTC-USD"}, "symbol", "no such key"),
        ({"fault": "tick_size", "tick": 0.1}, "tick", "text"),
        ({"fault": "tick_size", "tick": "0.0"}, "tick", "above 0"),
        ({"fault": "instrument_status", "state": "closed"}, "state", "trading, halted, cancel_only"),
        ({"fault": "divergence", "count": 0}, "every_s", "a time between"),
    ],
)  # fmt: skip
def test_a_wrong_key_is_told(entry: Any, key: str, words: str) -> None:
    rule, faults = read_rule(entry)
    assert rule is None
    assert [fault.key for fault in faults] == [key]
    assert words in faults[0].constraint


def test_all_wrong_keys_are_told_at_once() -> None:
    _, faults = read_rule({"fault": "drop", "cuont": 3, "probability": 2, "venue": "x"})
    assert [fault.key for fault in faults] == ["cuont", "probability", "venue"]


def test_named_faults_come_again_and_again_one_after_the_other() -> None:
    rules = named_rules(["drop", "shutdown"])
    assert [rule.fault for rule in rules] == ["drop", "shutdown"]
    assert [rule.count for rule in rules] == [0, 0]
    assert rules[0].at_s < rules[1].at_s
    assert all(rule.every_s > 0 for rule in rules)


def test_what_a_named_fault_brings_is_over_before_it_comes_again() -> None:
    # Silence is for the client to find out, by leaving.
    for rule in named_rules([name for name in FAULTS if name != "silence"]):
        assert max(rule.for_s, rule.retry_after_s) < rule.every_s, rule


def test_an_unknown_name_is_refused_with_the_nearest() -> None:
    with pytest.raises(ValueError, match="nearest: crossed"):
        named_rules(["drop", "crossd"])


def test_every_point_has_a_fault_BOOK_29() -> None:
    assert {kind.point for kind in FAULTS.values()} == set(Point)
