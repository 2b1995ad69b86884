"""MET-25, MET-11, RSK-03, OBS-05: metrics of orders of a run, held against what the strategy was told and the venue has."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.system.order_kit import SYMBOLS, Trading, engine_at
from tests.system.test_account_cli import control, ended
from tests.system.test_run_cli import simulator

pytestmark = [pytest.mark.system, pytest.mark.timeout(90)]
STRIKES = ["risk.circuit_breaker.breaches=4", 'risk.limits.max_position="0.05"', "risk.limits.price_band=null"]


class Metrics:
    """What a run told of itself at its end."""

    def __init__(self, out: dict[str, Any]) -> None:
        self.found = out["metrics"]

    def by(self, name: str, label: str) -> dict[str, float]:
        """Of one provider, or of none, by another label."""
        return {row["labels"][label]: row["value"] for row in self.found.get(name, [])}

    def one(self, name: str, **labels: str) -> float:
        (row,) = [row for row in self.found[name] if row["labels"] == labels]
        return float(row["value"])

    def count(self, name: str, **labels: str) -> int:
        """Of a histogram."""
        (row,) = [row for row in self.found[name] if row["labels"] == labels]
        assert row["buckets"][-1][1] <= row["count"]
        return int(row["count"])


def busy(it: Trading) -> None:
    """One order of each sort: filled, resting, asked for twice, suppressed, refused, of others, and one that is lost."""
    it.do("take", id="filled")
    it.do("rest", id="open")
    it.until(lambda: it.states("filled")[-1:] == ["filled"] and it.states("open") == ["acked"])
    it.do("rest", id="open")
    it.do("rest", id="open")
    control(it.addresses, "/faults", {"fault": "trade_elsewhere", "symbol": SYMBOLS[it.venue]})
    it.do("switch", on=False)
    it.do("rest", id="off")
    it.until(lambda: len(it.results("submit_order")) == 5)
    it.do("switch", on=True)
    for number in range(5):                                          # four strikes, then the breaker
        it.do("large", id=f"large{number}")
    it.until(lambda: len(it.results("submit_order")) == 10)


@pytest.mark.parametrize("venue", list(SYMBOLS))
def test_met_25_what_a_run_counts_of_orders_is_what_was_told_and_what_the_venue_has(venue: str, tmp_path: Path) -> None:
    with simulator("--venues", venue) as addresses, engine_at(tmp_path, addresses, venue, sets=STRIKES) as it:
        it.reconciled()
        busy(it)
        it.until(lambda: any(row["control"] == "circuit_breaker" for row in it.told("RiskControl")))
        replies = it.results("submit_order")
        placed = it.at_venue()
        out = json.loads(ended(it.process))
        reports = it.told()
    found = Metrics(out)
    of = {"provider": venue}
    assert found.by("engine_orders_total", "status") == Counter(row["status"] for row in replies)
    assert found.by("engine_orders_total", "status") == {"submitted": 2, "duplicate": 2, "suppressed": 1, "rejected": 5}
    breaches = Counter(row["reason"]["breach"] for row in replies if row["reason"])
    assert found.by("engine_risk_refusals_total", "breach") == breaches
    assert breaches == {"trading_off": 1, "position_limit": 4, "circuit_breaker": 1}
    assert found.by("engine_exec_reports_total", "report") == Counter(row["report"] for row in reports)
    anomalies = Counter(row["anomaly"] for row in reports if row["anomaly"] != "none")
    assert found.by("engine_order_anomalies_total", "anomaly") == anomalies
    assert found.one("engine_foreign_reports_total", **of) >= 1
    assert found.one("engine_open_orders", **of) == 1
    assert found.one("engine_unknown_orders", **of) == 0
    assert found.one("engine_risk_control_active", provider="", control="circuit_breaker") == 1
    assert found.one("engine_risk_control_active", provider="", control="kill_switch") == 0
    assert found.one("engine_risk_control_active", provider=venue, control="reconcile_hold") == 1     # its venue is let go of
    assert found.count("engine_risk_seconds", **of) == 8                                               # duplicates are not checked
    assert found.count("engine_order_send_seconds", **of) == found.count("engine_order_ack_seconds", **of) == len(placed) == 2
    assert found.count("engine_journal_commit_seconds") >= 2
    assert found.one("engine_journal_queue_depth") == found.one("engine_journal_unwritten_total") == 0
    assert found.one("engine_journal_failures_total") == 0
    used = found.one("engine_rate_limit_used_ratio", provider=venue, scope="orders")
    assert 0 <= used < 1
    assert used or venue == "coinbase"                                                                 # whose window is a second
    calls = {(row["labels"]["endpoint"], row["labels"]["code"]): row["value"] for row in found.found["engine_rest_requests_total"]}
    assert {code for _, code in calls} == {"200"}
    if venue == "coinbase":                                          # its orders go by REST
        assert calls["/api/v3/brokerage/orders", "200"] == len(placed)
    assert not [endpoint for endpoint, _ in calls if any(order["id"] in endpoint for order in placed)]


def test_met_25_an_order_nobody_knows_of_and_reports_told_twice_are_counted(tmp_path: Path) -> None:
    with simulator("--venues", "binance") as addresses, engine_at(tmp_path, addresses, "binance") as it:
        it.reconciled()
        control(addresses, "/faults", {"fault": "duplicate_report", "count": 2})
        it.do("take", id="one")
        it.until(lambda: it.states("one")[-1:] == ["filled"])
        control(addresses, "/faults", {"fault": "lost_request"})
        it.do("rest", id="lost", timeout_ms=2000)
        it.until(lambda: [row for row in it.results("submit_order") if row["order_state"] == "unknown"])
        found = Metrics(json.loads(ended(it.process)))
    assert found.one("engine_unknown_orders", provider="binance") == found.one("engine_open_orders", provider="binance") == 1
    assert found.one("engine_exec_report_duplicates_total", provider="binance") >= 1
    assert found.count("engine_order_ack_seconds", provider="binance") == 1


def test_met_25_a_disk_that_fails_is_counted(tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "orders.db").write_bytes(b"no journal at all" * 100)
    with simulator("--venues", "binance") as addresses, engine_at(tmp_path, addresses, "binance") as it:
        it.reconciled()
        it.do("take", id="one")
        it.until(lambda: it.results("submit_order"))
        found = Metrics(json.loads(ended(it.process)))
    assert found.by("engine_risk_refusals_total", "breach") == {"journal_unavailable": 1}
    assert found.by("engine_orders_total", "status") == {"rejected": 1}
    assert found.one("engine_open_orders", provider="binance") == 0
