"""Orders from a strategy to a venue and back, through `engine-run run` and the simulated venues (TRD-10, TRD-22, ORDM-02)."""

from __future__ import annotations

import json
import threading
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

import engine
from tests.system.order_kit import SYMBOLS, Trading, trading, written
from tests.system.test_account_cli import KEYS, control, ended
from tests.system.test_run_cli import simulator

pytestmark = [pytest.mark.system, pytest.mark.timeout(60)]


@pytest.mark.parametrize("mode", ["inline", "thread"])
@pytest.mark.parametrize("venue", list(SYMBOLS))
def test_a_strategy_s_order_is_taken_filled_and_told_TRD_10(venue: str, mode: str, tmp_path: Path) -> None:
    with trading(tmp_path, venue, mode=mode) as it:
        it.do("take", id="one")
        it.until(lambda: "filled" in it.states("one") and it.results("submit_order"))
        placed = it.at_venue()
        out = json.loads(ended(it.process))
    reports = it.told()
    assert [row["order_report_seq"] for row in reports] == list(range(1, len(reports) + 1))
    assert {row["client_order_id"] for row in reports} == {"one"}
    assert reports[-1]["filled_qty"] == reports[-1]["qty"]
    assert sum(Decimal(row["last_qty"]) for row in reports) == Decimal("0.01") == sum(Decimal(one["filled"]) for one in placed)
    (result,) = it.results("submit_order")
    assert (result["status"], result["client_order_id"]) == ("submitted", "one")
    assert out["balanced"]
    assert len(placed) == 1


@pytest.mark.parametrize("venue", list(SYMBOLS))
def test_trd_12_trd_14_trd_16_an_order_rests_is_queried_and_cancelled_also_while_trading_is_off(venue: str, tmp_path: Path) -> None:
    with trading(tmp_path, venue) as it:
        it.do("rest", id="one")
        it.do("rest", id="one")                                      # TRD-03: a duplicate
        it.until(lambda: "acked" in it.states("one") and len(it.results("submit_order")) == 2)
        it.do("query", id="one")
        (order,) = it.until(lambda: it.results("query_order"))
        assert (order["state"], order["is_open"], order["filled_qty"].rstrip("0")) == ("acked", True, "0.")
        it.do("switch", on=False)
        it.do("take", id="two")
        it.do("cancel", id="one")
        it.until(lambda: it.states("one")[-1:] == ["cancelled"])
        it.do("cancel", id="one")
        final = it.until(lambda: it.results("cancel_order")[1:])
        assert final[0]["state"] == "cancelled"
        it.until(lambda: len(it.results("submit_order")) == 3)
        statuses = sorted(row["status"] for row in it.results("submit_order"))
        assert statuses == ["duplicate", "submitted", "suppressed"]
        assert len(it.at_venue()) == 1
        assert json.loads(ended(it.process))["balanced"]


@pytest.mark.parametrize("venue", list(SYMBOLS))
def test_trd_11_a_swallowed_reply_is_looked_up_and_the_order_is_there_once(venue: str, tmp_path: Path) -> None:
    with trading(tmp_path, venue) as it:
        control(it.addresses, "/faults", {"fault": "lost_reply"})
        it.do("rest", id="one", timeout_ms=1000)
        it.until(lambda: it.states("one"))
        (result,) = it.until(lambda: it.results("submit_order"))
        assert result["status"] == "submitted"
        it.do("cancel_all")
        it.until(lambda: it.states("one")[-1] == "cancelled")
        assert len(it.at_venue()) == 1


@pytest.mark.parametrize("venue", list(SYMBOLS))
def test_trd_11_an_order_that_never_came_is_found_not_to_be_there(venue: str, tmp_path: Path) -> None:
    with trading(tmp_path, venue) as it:
        control(it.addresses, "/faults", {"fault": "lost_request"})
        it.do("rest", id="one", timeout_ms=1000)
        (report,) = it.until(lambda: it.told("ExecReport", "one"))
        assert (report["order_state"], report["source"], report["reason"]["code"]) == ("rejected", "reconcile", "not_found")
        assert it.at_venue() == []
        it.do("rest", id="two")                                      # its room was freed, its id is taken
        it.do("rest", id="one")
        it.until(lambda: "acked" in it.states("two"))
        it.until(lambda: [row for row in it.results("submit_order") if row["status"] == "duplicate"])
        assert len(it.at_venue()) == 1


def test_open_orders_are_cancelled_at_the_end_where_the_configuration_says_so(tmp_path: Path) -> None:
    with trading(tmp_path, on_stop="cancel") as it:
        it.do("rest", id="one")
        it.until(lambda: it.states("one") == ["acked"])
        ended(it.process)
        assert [order["status"] for order in it.at_venue()] == ["canceled"]


@pytest.mark.parametrize("venue", list(SYMBOLS))
@pytest.mark.parametrize(
    "faults",
    [
        ({"fault": "duplicate_report", "count": 4},),
        ({"fault": "swap_reports", "count": 2},),
        ({"fault": "partial_fill"},),
        ({"fault": "late_reply", "for_s": 1},),
        ({"fault": "failed_reply"},),
    ],
    ids=lambda faults: faults[0]["fault"],
)
def test_trd_19_trd_21_trd_25_whatever_the_venue_does_the_owner_s_account_is_the_venue_s(
    venue: str, faults: tuple[dict[str, Any], ...], tmp_path: Path
) -> None:
    with trading(tmp_path, venue) as it:
        for fault in faults:
            control(it.addresses, "/faults", fault)
        it.do("rest", id="one", timeout_ms=3000)
        it.do("take", id="two", timeout_ms=3000)
        it.until(lambda: it.states("one") and it.states("two")[-1:] == ["filled"] and len(it.results("submit_order")) == 2)
        it.do("cancel", id="one")
        it.until(lambda: it.states("one")[-1] in ("cancelled", "filled"))
        of_venue = {order["id"]: order for order in it.at_venue()}
        assert len(of_venue) == 2
        for name in ("one", "two"):
            reports = it.told("ExecReport", name)
            assert [row["order_report_seq"] for row in reports] == list(range(1, len(reports) + 1))
            venue_id = next(row["venue_order_id"] for row in reports if row["venue_order_id"])
            filled = Decimal(of_venue[venue_id]["filled"])
            assert sum(Decimal(row["last_qty"]) for row in reports) == Decimal(reports[-1]["filled_qty"]) == filled, name
            assert len({row["event_id"] for row in reports}) == len(reports)


@pytest.mark.parametrize("mode", ["inline", "thread"])
def test_trd_13_nothing_reaches_the_venue_after_the_acknowledgement_of_off(mode: str, tmp_path: Path) -> None:
    """Twenty orders are on their way to the journal when the switch goes off in the same callback."""
    with trading(tmp_path, mode=mode) as it:
        it.do("flip", count=20)
        it.until(lambda: len(it.results("submit_order")) == 20)
        statuses = [row["status"] for row in it.results("submit_order")]
        sent = it.at_venue()
        assert len(sent) == statuses.count("submitted")
        if mode == "inline":
            assert set(statuses) == {"suppressed"}
        (off,) = [row for row in it.told("ControlAck") if row["command_type"] == "set_trading_mode"]
        assert off["success"]
        it.do("switch", on=True)
        it.do("rest", id="flip0")                                    # suppressed does not use up an id
        it.until(lambda: len(it.results("submit_order")) == 21)
        if mode == "inline":
            assert it.results("submit_order")[-1]["status"] == "submitted"
            assert len(it.at_venue()) == 1


def test_trd_24_a_refusal_of_the_venue_carries_its_own_words(tmp_path: Path) -> None:
    with trading(tmp_path) as it:
        control(it.addresses, "/faults", {"fault": "reject_order"})
        it.do("rest", id="one")
        (report,) = it.until(lambda: it.told("ExecReport", "one"))
        assert (report["order_state"], report["is_open"]) == ("rejected", False)
        assert report["reason"]["venue_code"]
        assert report["reason"]["text"]


class Asks:
    """In a thread of its own: one order, and what each command about it came to."""

    def __init__(self) -> None:
        self.book, self.values, self.has_asked = engine.Book(), list[Any](), threading.Event()

    def on_event(self, event: Any, ctx: engine.Context) -> None:
        if event.is_critical or not self.book.apply(event) or self.has_asked.is_set():
            return
        bid = self.book.best_bid[0]                                     # type: ignore[index]
        price = str((bid * 199 / 200).quantize(bid))
        submit = ctx.submit("typed", event.symbol or "", side="buy", qty="0.01", price=price)
        refused = ctx.submit("large", event.symbol or "", side="buy", qty="900000", price=price)
        self.values = [submit.outcome(20), refused.outcome(20), ctx.query("typed").outcome(20), ctx.cancel("typed").outcome(20),
                       ctx.cancel_all().outcome(20)]  # fmt: skip
        self.has_asked.set()


def test_ctl_15_what_a_command_about_orders_came_to_is_a_typed_value(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    with simulator("--venues", "kraken") as addresses, engine.serve(written(tmp_path, "kraken", addresses)) as served:
        Trading(tmp_path, None, addresses, "kraken").reconciled()
        asks = Asks()
        served.join("mm2", asks)
        served.command("set_trading_mode", {"consumer_id": "mm2", "enabled": True}).result()
        served.command("subscribe", {"symbol": "BTC-USD", "event_types": ["BookUpdate"]}, consumer_id="mm2").result()
        assert asks.has_asked.wait(30)
    submitted, rejected, queried, cancelled, requested = asks.values
    assert isinstance(submitted, engine.SubmitReply)
    assert (submitted.status, submitted.reason, submitted.client_order_id) == (engine.SubmitStatus.SUBMITTED, None, "typed")
    assert (rejected.status, rejected.reason.code) == (engine.SubmitStatus.REJECTED, "invalid_request")
    assert isinstance(queried, engine.OrderView)
    assert (queried.state, queried.qty, queried.side, queried.is_open) == (engine.OrderState.ACKED, Decimal("0.01"), engine.Side.BUY, True)
    assert queried.wire_order_id == submitted.wire_order_id
    assert (cancelled.cancel_requested, cancelled.client_order_id) == (True, "typed")
    assert requested in (0, 1)                                          # it may have ended by then


def test_rsk_10_rsk_12_operators_change_limits_and_throw_the_switch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a process of the test: commands of an operator have no other way in yet."""
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    with simulator("--venues", "binance") as addresses, engine.serve(written(tmp_path, "binance", addresses)) as served:
        it = Trading(tmp_path, None, addresses, "binance")
        it.reconciled()
        it.do("rest", id="one")
        it.until(lambda: it.states("one") == ["acked"])
        with pytest.raises(engine.MisuseError, match="max_position"):
            served.command("set_risk_limits", {"limits": {"max_position": "-1"}}).outcome()
        in_force = served.command("set_risk_limits", {"limits": {"max_open_orders_per_symbol": 1}}).outcome()
        assert in_force["limits"]["max_open_orders_per_symbol"] == 1
        it.do("rest", id="two")
        it.until(lambda: len(it.results("submit_order")) == 2)
        assert it.results("submit_order")[1]["reason"]["breach"] == "concurrency"
        served.command("set_risk_limits", {"limits": {"max_open_orders_per_symbol": 9}}).outcome()
        assert served.command("set_kill_switch", {"on": True, "text": "enough"}).outcome() == {"on": True}
        it.do("rest", id="two")
        it.until(lambda: len(it.results("submit_order")) == 3)
        assert it.results("submit_order")[2]["reason"]["breach"] == "kill_switch"
        it.do("cancel", id="one")                                    # lets cancels through
        it.until(lambda: it.states("one")[-1] == "cancelled")
        assert served.command("clear_breaker", {"consumer_id": "mm1"}).outcome() == {"cleared": False}
        assert served.command("set_kill_switch", {"on": False}).outcome() == {"on": False}
        it.do("rest", id="two")
        it.until(lambda: "acked" in it.states("two"))
        switches = [(row["control"], row["status"], row["operator"]) for row in it.told("RiskControl") if row["control"] == "kill_switch"]
        assert switches == [("kill_switch", "triggered", "operator"), ("kill_switch", "cleared", "operator")]
        assert served.command("cancel_all", {}).outcome() == {"requested": 1}
        it.until(lambda: it.states("two")[-1] == "cancelled")
