"""Circuit breaker, kill switch, holds, limits while running and what a restart brings back (RSK-09, RSK-10, RSK-12, ORDM-33)."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from engine.base.errors import InvariantError, ValidationError
from engine.orders.limits import replaced
from engine.orders.records import KillState, Position
from engine.schema.enums import Side
from engine.schema.instrument import OrderType, TimeInForce
from engine.schema.order import Breach, Fee, RiskControlKind, RiskScope, RiskStatus
from tests.unit.orders.kit import NS, request
from tests.unit.orders.risk_kit import CALM, Bench, risk_config

MARKET: dict[str, Any] = {"order_type": OrderType.MARKET, "price_raw": None, "tif": TimeInForce.IOC}

# --- breaker and kill switch --------------------------------------------------------------------------------

BREAKER = {"breaches": 3, "window_s": 90, "open_s": 90}


def strike(bench: Bench, count: int = 1, consumer_id: str = "mm1") -> list[Breach]:
    return [bench.breach(qty_raw=0, consumer_id=consumer_id) for _ in range(count)]


def test_rsk_09_the_breaker_opens_for_its_consumer_and_closes_by_itself_with_the_count_at_zero() -> None:
    bench = Bench(risk_config(circuit_breaker=BREAKER))
    assert strike(bench, 4) == [Breach.ORDER_VALIDATION] * 3 + [Breach.CIRCUIT_BREAKER]
    until_ns = bench.clock.now() + 90 * NS
    (opened,) = bench.changes
    assert (opened.status, opened.control, opened.scope) == (RiskStatus.TRIGGERED, RiskControlKind.CIRCUIT_BREAKER, RiskScope(consumer_id="mm1"))
    assert (opened.breach, opened.breach_count, opened.until_ns) == (Breach.ORDER_VALIDATION, 3, until_ns)
    assert bench.breach(consumer_id="mm2") == Breach.NONE
    assert (bench.risk.open_breakers(), bench.risk.next_ns) == ({"mm1": until_ns}, until_ns)
    bench.clock.advance(90 * NS - 1)
    assert bench.breach() == Breach.CIRCUIT_BREAKER
    bench.clock.advance(1)
    assert strike(bench, 2) == [Breach.ORDER_VALIDATION] * 2
    assert bench.changes[-1].status == RiskStatus.CLEARED
    assert bench.breach() == Breach.NONE
    assert len(bench.changes) == 2


def test_the_breaker_is_closed_on_time_without_an_order() -> None:
    bench = Bench(risk_config(circuit_breaker=BREAKER))
    strike(bench, 3)
    bench.clock.advance(10 * NS)
    strike(bench, 3, "mm2")
    assert bench.risk.do_work(bench.clock.now()) == 0
    bench.clock.set(bench.risk.next_ns)
    assert bench.risk.do_work(bench.clock.now()) == 1
    assert [(change.status, change.scope.consumer_id) for change in bench.changes] == [
        (RiskStatus.TRIGGERED, "mm1"), (RiskStatus.TRIGGERED, "mm2"), (RiskStatus.CLEARED, "mm1"),
    ]  # fmt: skip
    assert bench.risk.open_breakers() == {"mm2": bench.risk.next_ns}


def test_strikes_older_than_the_window_do_not_count() -> None:
    bench = Bench(risk_config(circuit_breaker=BREAKER))
    strike(bench, 2)
    bench.clock.advance(90 * NS + 1)
    strike(bench, 2)
    assert bench.risk.open_breakers() == {}
    bench.clock.advance(90 * NS)
    strike(bench)
    assert bench.risk.open_breakers() != {}


def test_what_is_nobodys_fault_is_no_strike() -> None:
    bench = Bench(risk_config({"price_band": "0.01"}, circuit_breaker=BREAKER | {"breaches": 1}))
    assert bench.breach() == Breach.BOOK_UNAVAILABLE
    bench.risk.set_journal(False)
    assert bench.breach() == Breach.JOURNAL_UNAVAILABLE
    assert bench.risk.open_breakers() == {}


def test_rsk_09_the_kill_switch_latches_after_breakers_opened_and_only_a_command_clears_it() -> None:
    kill = {"breaker_opens": 2, "window_s": 3600, "cancel_open": True}
    bench = Bench(risk_config(circuit_breaker=BREAKER, kill_switch=kill))
    strike(bench, 3)
    assert not bench.risk.kill.is_on
    strike(bench, 3, "mm2")
    opened, latched = bench.changes[-2:]
    assert (opened.control, latched.control) == (RiskControlKind.CIRCUIT_BREAKER, RiskControlKind.KILL_SWITCH)
    assert (latched.status, latched.scope, latched.breach_count, latched.cancel_open) == (RiskStatus.TRIGGERED, RiskScope(), 2, True)
    assert bench.kept == [bench.risk.kill]
    assert bench.risk.kill.is_on
    bench.clock.advance(10**6 * NS)
    assert bench.breach(consumer_id="mm3") == Breach.KILL_SWITCH
    assert bench.risk.set_kill(False, "anna", "looked at")
    assert not bench.risk.set_kill(False, "anna")
    assert (bench.changes[-1].status, bench.changes[-1].operator) == (RiskStatus.CLEARED, "anna")
    assert bench.kept[-1] == KillState(is_on=False, since_ns=bench.clock.now(), operator="anna", text="looked at")
    bench.take(consumer_id="mm3")


def test_rsk_10_the_kill_switch_by_command_survives_a_restart() -> None:
    bench = Bench(risk_config())
    assert bench.risk.set_kill(True, "anna", "enough")
    again = Bench(risk_config(kill_switch={"cancel_open": True}))
    again.risk.restore((), bench.kept[-1])
    assert again.breach() == Breach.KILL_SWITCH
    (told,) = again.changes
    assert (told.status, told.operator, told.text, told.cancel_open) == (RiskStatus.TRIGGERED, "anna", "enough", True)
    again.risk.set_kill(False, "ben")
    again.take()


def test_openings_older_than_the_window_do_not_latch() -> None:
    kill = {"breaker_opens": 2, "window_s": 100}
    bench = Bench(risk_config(circuit_breaker=BREAKER, kill_switch=kill))
    strike(bench, 3)
    bench.clock.advance(101 * NS)
    strike(bench, 3)
    assert not bench.risk.kill.is_on
    assert bench.risk.clear_breaker("mm1", "anna")
    assert not bench.risk.clear_breaker("mm1", "anna")
    strike(bench, 3)
    assert bench.risk.kill.is_on


def test_a_hold_is_told_once() -> None:
    bench = Bench(risk_config())
    bench.risk.hold("simulated", True, "connection lost")
    bench.risk.hold("simulated", True, "connection lost")
    assert bench.breach() == Breach.RECONCILING
    bench.risk.hold("simulated", False)
    assert [(change.control, change.status) for change in bench.changes] == [
        (RiskControlKind.RECONCILE_HOLD, RiskStatus.TRIGGERED), (RiskControlKind.RECONCILE_HOLD, RiskStatus.CLEARED),
    ]  # fmt: skip


def test_risk_switched_off_still_validates_and_holds_the_kill_switch() -> None:
    bench = Bench(risk_config({"max_order_qty": "1", "price_band": "0.01"}, enabled=False, circuit_breaker=BREAKER))
    bench.take()
    assert strike(bench, 5) == [Breach.ORDER_VALIDATION] * 5
    bench.risk.set_kill(True, "anna")
    assert bench.breach() == Breach.KILL_SWITCH


# --- limits while running, and after a restart --------------------------------------------------------------


def test_rsk_12_a_bad_change_leaves_the_old_limits_and_a_good_one_is_in_force_at_once() -> None:
    bench = Bench(risk_config({"max_order_qty": "2"}))
    bench.take()
    for bad in ({"max_order_qty": "3", "orders_per_s": 0}, {"max_order_qty": 3}, {"no_such": 1}, {"price_band": "1"}):
        with pytest.raises(ValidationError):
            bench.risk.set_config(replaced(bench.risk.config, RiskScope(), bad))
    assert bench.breach(qty_raw=300) == Breach.ORDER_QTY
    bench.risk.set_config(replaced(bench.risk.config, RiskScope(), {"max_order_qty": "3"}))
    assert bench.breach(qty_raw=300) == Breach.NONE
    mine = RiskScope(consumer_id="mm1")
    bench.risk.set_config(replaced(bench.risk.config, mine, {"max_order_qty": "1"}))
    bench.risk.set_config(replaced(bench.risk.config, mine, {"max_order_qty": "1.5"}))
    assert bench.refuse(qty_raw=151).limit == Decimal("1.5")
    assert len(bench.risk.config.overrides) == 1
    assert bench.breach(qty_raw=300, consumer_id="mm2") == Breach.NONE


def test_ordm_33_positions_and_open_orders_come_back() -> None:
    bench = Bench(risk_config({"max_position": "10", "max_open_orders_per_symbol": 1}))
    position = Position(consumer_id="mm1", provider="simulated", symbol="BTC-USD", net_qty=Decimal("-7.5"), fees=(Fee("USD", Decimal(1)),))
    bench.risk.restore((position,), KillState())
    adopted = bench.risk.adopt(request(side=Side.SELL), 150)
    (exposure,) = bench.risk.exposures()
    assert (exposure.net_qty, exposure.open_sell, exposure.open_orders, exposure.fees) == (Decimal("-7.5"), Decimal("1.5"), 1, position.fees)
    assert bench.breach() == Breach.CONCURRENCY
    adopted.fill(150)
    assert adopted.release()
    assert bench.net() == -9
    assert bench.breach(side=Side.SELL, qty_raw=101) == Breach.POSITION_LIMIT
    with pytest.raises(InvariantError):
        bench.risk.note_fill(request(), -1)


def test_a_position_of_many_digits_comes_back_exactly() -> None:
    bench = Bench(risk_config())
    net = Decimal("-9223372036854775807.123456789012345678")
    bench.risk.restore((Position(consumer_id="mm1", provider="simulated", symbol="BTC-USD", net_qty=net),), KillState())
    assert bench.net() == net


def test_what_is_calm_is_calm() -> None:
    bench = Bench(risk_config())
    assert CALM["breaches"] > 9_000
    strike(bench, 100)
    assert bench.changes == []
