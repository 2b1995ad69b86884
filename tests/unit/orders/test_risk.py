"""Risk, one rule at a time: each limit at its value and one unit beside, what is taken and freed, what holds back."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from engine.base.errors import MisuseError
from engine.orders.limits import replaced
from engine.orders.refusals import FAULTS, Refusal
from engine.orders.room import Reservation
from engine.schema.approved import ApprovedOrder
from engine.schema.enums import Side
from engine.schema.instrument import InstrumentStatus, OrderType, TimeInForce
from engine.schema.order import Breach, Fee, RiskScope
from tests.unit.orders.kit import NS, request
from tests.unit.orders.risk_kit import Bench, instrument, risk_config

MARKET: dict[str, Any] = {"order_type": OrderType.MARKET, "price_raw": None, "tif": TimeInForce.IOC}


# --- each limit, at its value and one unit beside -----------------------------------------------------------


@pytest.mark.parametrize(
    ("limits", "passes", "fails", "breach", "limit", "actual"),
    [
        ({"max_order_qty": "2"}, {"qty_raw": 200}, {"qty_raw": 201}, Breach.ORDER_QTY, "2", "2.01"),
        ({"max_order_qty": "1.999"}, {"qty_raw": 199}, {"qty_raw": 200}, Breach.ORDER_QTY, "1.99", "2"),
        ({"max_order_notional": "200"}, {"qty_raw": 200}, {"qty_raw": 201}, Breach.NOTIONAL_LIMIT, "200", "201"),
        ({"max_position": "2"}, {"qty_raw": 200}, {"qty_raw": 201}, Breach.POSITION_LIMIT, "2", "2.01"),
        ({"price_band": "0.01"}, {"price_raw": 1010}, {"price_raw": 1011}, Breach.PRICE_BAND, "0.01", "0.011"),
        ({"price_band": "0.01"}, {"price_raw": 990}, {"price_raw": 989}, Breach.PRICE_BAND, "0.01", "0.011"),
    ],
)  # fmt: skip
def test_ordm_30_a_limit_at_its_value_and_beside(
    limits: dict[str, Any], passes: dict[str, Any], fails: dict[str, Any], breach: Breach, limit: str, actual: str
) -> None:
    bench = Bench(risk_config(limits))
    bench.top(999, 1001)
    bench.take(**passes).release()
    found = bench.refuse(**fails)
    assert (found.breach, found.scope) == (breach, RiskScope())
    assert (found.limit, found.actual) == (Decimal(limit), Decimal(actual))


def test_ordm_30_orders_open_at_once() -> None:
    bench = Bench(risk_config({"max_open_orders_per_symbol": 3}), instrument(), instrument(symbol="ETH-USD"))
    taken = [bench.take(client_order_id=str(n)) for n in range(3)]
    found = bench.refuse()
    assert (found.breach, found.limit, found.actual) == (Breach.CONCURRENCY, 3, 4)
    bench.take(symbol="ETH-USD")
    bench.take(consumer_id="mm2")
    taken[1].release()
    bench.take()


def test_rsk_04_a_hundred_submits_at_one_instant() -> None:
    bench = Bench(risk_config({"orders_per_s": 5, "orders_burst": 3}))
    found = [bench.breach() for _ in range(100)]
    assert found == [Breach.NONE] * 3 + [Breach.RATE_LIMIT] * 97
    bench.clock.advance(NS // 5 - 1)
    assert bench.breach() == Breach.RATE_LIMIT
    bench.clock.advance(1)
    assert [bench.breach(), bench.breach()] == [Breach.NONE, Breach.RATE_LIMIT]
    bench.take(consumer_id="mm2")
    assert bench.refuse().code == "rate_limited"


def test_a_refused_order_costs_no_token() -> None:
    bench = Bench(risk_config({"orders_per_s": 1, "orders_burst": 1, "max_order_qty": "1"}))
    assert bench.breach() == Breach.ORDER_QTY
    bench.take(qty_raw=100)


def test_market_orders_are_priced_by_our_own_book() -> None:
    bench = Bench(risk_config({"max_order_notional": "200", "price_band": "0.1"}))
    assert bench.breach(**MARKET) == Breach.BOOK_UNAVAILABLE
    bench.top(990, 1000)
    bench.take(**MARKET)
    assert bench.refuse(**(MARKET | {"qty_raw": 201})).actual == Decimal("201")
    assert bench.breach(**(MARKET | {"qty_raw": 202, "side": Side.SELL})) == Breach.NONE
    bench.top(990, 1001)
    assert bench.breach(**MARKET) == Breach.NOTIONAL_LIMIT
    bench.top(500, 1000)
    assert bench.breach(**MARKET) == Breach.PRICE_BAND
    bench.top(99_000, 100_000, scale=3)
    bench.take(**MARKET)
    bench.top(99_000, 100_001, scale=3)
    assert bench.refuse(**MARKET).actual == Decimal("200.002")


def test_without_a_band_or_a_cost_to_tell_no_book_is_needed() -> None:
    bench = Bench(risk_config({"max_order_notional": "200"}))
    bench.take()
    bench = Bench(risk_config({"price_band": "0.5"}))
    found = bench.refuse()
    assert (found.breach, found.code) == (Breach.BOOK_UNAVAILABLE, "unavailable")


def test_the_mid_between_two_ticks_is_exact() -> None:
    bench = Bench(risk_config({"price_band": "0.5"}))
    bench.top(1, 2)  # mid 0.15, band 0.075 to 0.225
    assert [bench.breach(price_raw=price) for price in (1, 2, 3)] == [Breach.NONE, Breach.NONE, Breach.PRICE_BAND]


# --- overrides ----------------------------------------------------------------------------------------------


def test_ordm_30_the_tighter_value_wins_and_says_whose_it_is() -> None:
    overrides = [
        {"symbol": "BTC-USD", "max_order_qty": "5"},
        {"provider": "simulated", "max_order_qty": "3"},
        {"consumer_id": "mm1", "symbol": "BTC-USD", "max_order_qty": "4"},
        {"consumer_id": "mm2", "max_order_qty": "1"},
    ]
    bench = Bench(risk_config({"max_order_qty": "10"}, overrides))
    assert bench.refuse(qty_raw=301).scope == RiskScope(provider="simulated")
    bench.take(qty_raw=300)
    assert bench.refuse(qty_raw=101, consumer_id="mm2").scope == RiskScope(consumer_id="mm2")


def test_an_override_of_rates_counts_what_falls_under_it() -> None:
    overrides = [{"symbol": "BTC-USD", "orders_per_s": 1, "orders_burst": 1}]
    bench = Bench(risk_config({"orders_per_s": 1, "orders_burst": 3}, overrides), instrument(), instrument(symbol="ETH-USD"))
    bench.take()
    assert bench.refuse().scope == RiskScope(symbol="BTC-USD")
    bench.take(symbol="ETH-USD")
    bench.take(symbol="ETH-USD")
    assert bench.refuse(symbol="ETH-USD").scope == RiskScope()


def test_order_types_are_those_that_all_rules_allow() -> None:
    bench = Bench(risk_config(overrides=[{"consumer_id": "mm1", "order_types": ["limit"]}]))
    assert bench.breach(**MARKET) == Breach.ORDER_TYPE
    bench.take(**(MARKET | {"consumer_id": "mm2"}))
    bench = Bench(risk_config(), instrument(order_types=(OrderType.MARKET,)))
    assert bench.breach() == Breach.ORDER_TYPE


def test_an_instruments_own_maximum_is_an_order_quantity() -> None:
    bench = Bench(risk_config({"max_order_qty": "3"}), instrument(max_qty_raw=200))
    found = bench.refuse(qty_raw=201)
    assert (found.breach, found.limit, found.scope) == (Breach.ORDER_QTY, 2, RiskScope(provider="simulated", symbol="BTC-USD"))


# --- the order itself ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("own", "asked", "text"),
    [
        ({}, {"symbol": "DOGE-USD"}, "no such instrument"),
        ({"status": InstrumentStatus.HALTED}, {}, "not traded now"),
        ({"status": InstrumentStatus.CANCEL_ONLY}, {}, "not traded now"),
        ({"status": InstrumentStatus.POST_ONLY}, {}, "post-only orders alone"),
        ({"status": InstrumentStatus.LIMIT_ONLY}, MARKET, "limit orders alone"),
        ({}, {"price_raw": 0}, "price must be above 0"),
        ({}, {"price_raw": None}, "price must be above 0"),
        ({}, {"price_raw": -5}, "price must be above 0"),
        ({}, {"qty_raw": 0}, "quantity must be above 0"),
        ({}, {"qty_raw": -1}, "quantity must be above 0"),
        ({}, {"price_raw": 10001, "price_scale": 2}, "do not fit"),
        ({}, {"qty_raw": 2001, "qty_scale": 3}, "do not fit"),
        ({}, {"qty_raw": 2**63 - 1, "qty_scale": 0}, "do not fit"),
        ({}, {"qty_scale": 19}, "do not fit"),
        ({"tick_size_raw": 5}, {"price_raw": 1002}, "multiple of the tick"),
        ({"lot_size_raw": 10}, {"qty_raw": 205}, "multiple of the lot"),
        ({"min_qty_raw": 300}, {}, "below the instrument's minimum"),
        ({"tifs": (TimeInForce.IOC,)}, {}, "time in force"),
        ({"post_only_supported": False}, {"post_only": True}, "post-only orders"),
        ({"min_notional": "200.01"}, {}, "less than the instrument's minimum"),
        ({"max_notional": "199.99"}, {}, "more than the instrument's maximum"),
        ({}, {"side": Side.NONE}, "neither to buy nor to sell"),
    ],
)  # fmt: skip
def test_ordm_31_an_order_that_does_not_fit_its_instrument(own: dict[str, Any], asked: dict[str, Any], text: str) -> None:
    found = Bench(risk_config(), instrument(**own)).refuse(**asked)
    assert (found.breach, found.code) == (Breach.ORDER_VALIDATION, "invalid_request")
    assert text in found.text
    assert text in " ".join(FAULTS)


def test_an_order_at_other_scales_means_the_same() -> None:
    bench = Bench(risk_config({"max_order_qty": "2", "max_order_notional": "200"}))
    bench.take(price_raw=100, price_scale=0, qty_raw=2, qty_scale=0).release()
    bench.take(price_raw=100_000, price_scale=3, qty_raw=2_000_000, qty_scale=6)
    (exposure,) = bench.risk.exposures()
    assert exposure.open_buy == 2


def test_an_instrument_that_changed_is_looked_at_anew() -> None:
    bench = Bench(risk_config())
    bench.take()
    bench.risk.set_instrument(instrument(status=InstrumentStatus.HALTED, version=2))
    assert bench.breach() == Breach.ORDER_VALIDATION
    bench.risk.set_instrument(instrument(version=3))
    bench.take()


# --- the order of the checks --------------------------------------------------------------------------------


def test_ordm_31_the_first_breach_in_their_order_is_the_answer() -> None:
    limits = {
        "max_order_qty": "1", "max_order_notional": "1", "max_position": "1", "orders_per_s": 1, "orders_burst": 1,
        "max_open_orders_per_symbol": 1, "price_band": "0.01", "order_types": ["limit"],
    }  # fmt: skip
    calm = {"breaches": 1000, "window_s": 86_400, "open_s": 60}
    bench = Bench(risk_config(limits, circuit_breaker=calm))
    risk, own = bench.risk, instrument()
    bench.top(999, 1001)
    first = bench.take(qty_raw=1)
    asked = request(price_raw=2005, qty_raw=205, **{k: v for k, v in MARKET.items() if k == "order_type"})
    risk.set_instrument(instrument(lot_size_raw=10))
    risk.set_kill(True, "anna")
    risk.set_provider("simulated", False)
    risk.set_journal(False)
    risk.hold("simulated", True)

    def answer(is_trading: bool = True) -> Breach:
        found = risk.check(asked, is_trading)
        assert isinstance(found, Refusal)
        return found.breach

    assert answer(is_trading=False) == Breach.TRADING_OFF
    assert answer() == Breach.RECONCILING
    risk.hold("simulated", False)
    assert answer() == Breach.JOURNAL_UNAVAILABLE
    risk.set_journal(True)
    assert answer() == Breach.PROVIDER_DOWN
    risk.set_provider("simulated", True)
    assert answer() == Breach.KILL_SWITCH
    risk.set_kill(False, "anna")
    assert answer() == Breach.ORDER_VALIDATION
    for _ in range(999):
        answer()
    assert answer() == Breach.CIRCUIT_BREAKER
    assert risk.clear_breaker("mm1", "anna")
    risk.set_instrument(own)
    assert answer() == Breach.ORDER_TYPE
    asked = request(price_raw=2005, qty_raw=205)
    assert answer() == Breach.PRICE_BAND
    bench.tops.clear(own.instrument_id)
    assert answer() == Breach.BOOK_UNAVAILABLE
    bench.top(2004, 2006)
    assert answer() == Breach.CONCURRENCY
    first.release()
    assert answer() == Breach.RATE_LIMIT
    bench.clock.advance(NS)
    assert answer() == Breach.POSITION_LIMIT
    risk.set_config(replaced(risk.config, RiskScope(), {"max_position": None}))
    assert answer() == Breach.NOTIONAL_LIMIT
    risk.set_config(replaced(risk.config, RiskScope(), {"max_order_notional": None}))
    assert answer() == Breach.ORDER_QTY
    counted = risk.statistics().refused
    assert {breach for breach, count in counted.items() if count} == set(Breach) - {Breach.NONE}
    assert sum(counted.values()) == 14 + 1000


def test_rsk_03_refusals_are_counted_by_kind() -> None:
    bench = Bench(risk_config({"max_order_qty": "1"}))
    answers = [bench.breach(qty_raw=qty) for qty in (100, 101, 0, 102)]
    counted = bench.risk.statistics()
    assert (counted.approved, counted.reserved) == (1, 1)
    assert {breach: count for breach, count in counted.refused.items() if count} == {
        breach: answers.count(breach) for breach in set(answers) - {Breach.NONE}
    }


def test_before_the_desk_has_said_so_nothing_passes() -> None:
    bench = Bench(risk_config())
    bench.risk.set_instrument(instrument("kraken"))
    assert bench.breach(provider="kraken") == Breach.RECONCILING
    bench.risk.hold("kraken", False)
    assert bench.breach(provider="kraken") == Breach.PROVIDER_DOWN
    bench.risk.set_provider("kraken", True)
    assert bench.breach(provider="kraken") == Breach.NONE


# --- room ---------------------------------------------------------------------------------------------------


def test_rsk_05_the_projection_counts_open_orders() -> None:
    bench = Bench(risk_config({"max_position": "250"}))
    bench.risk.note_fill(request(), 20_000)
    bench.take(qty_raw=4_000)
    found = bench.refuse(qty_raw=2_000)
    assert (found.breach, found.limit, found.actual) == (Breach.POSITION_LIMIT, 250, 260)
    bench.take(qty_raw=1_000)
    bench.take(qty_raw=45_000, side=Side.SELL)
    assert bench.refuse(qty_raw=1, side=Side.SELL).actual == Decimal("250.01")


def test_a_position_beyond_its_limit_may_shrink() -> None:
    bench = Bench(risk_config({"max_position": "1"}))
    bench.risk.note_fill(request(), 500)
    assert bench.breach(qty_raw=1) == Breach.POSITION_LIMIT
    bench.take(qty_raw=600, side=Side.SELL)
    assert bench.breach(qty_raw=1, side=Side.SELL) == Breach.POSITION_LIMIT


@pytest.mark.parametrize("how", ["not sent", "refused", "rejected", "cancelled", "expired"])
def test_rsk_06_a_hundred_orders_that_come_to_nothing_leave_room_for_one(how: str) -> None:
    bench = Bench(risk_config({"max_position": "2", "max_open_orders_per_symbol": 1}))
    for number in range(100):
        taken = bench.take(client_order_id=str(number))
        if how not in ("not sent", "refused"):
            bench.risk.approve(taken, f"w{number}")
        assert taken.release()
        assert not taken.release()
    assert bench.risk.statistics().reserved == 0
    (exposure,) = bench.risk.exposures()
    assert (exposure.open_buy, exposure.open_sell, exposure.open_orders) == (0, 0, 0)
    bench.take()
    assert bench.breach() == Breach.CONCURRENCY


def test_ordm_32_what_is_filled_moves_from_open_to_the_position() -> None:
    bench = Bench(risk_config({"max_position": "2"}))
    taken = bench.take()
    taken.fill(50, (Fee("USD", Decimal("0.1")),))
    taken.fill(30, (Fee("USD", Decimal("0.2")), Fee("BNB", Decimal("-1"))))
    (exposure,) = bench.risk.exposures()
    assert (exposure.net_qty, exposure.open_buy, taken.left_qty) == (Decimal("0.8"), Decimal("1.2"), Decimal("1.2"))
    assert exposure.fees == (Fee("BNB", Decimal("-1")), Fee("USD", Decimal("0.3")))
    assert bench.breach(qty_raw=1) == Breach.POSITION_LIMIT
    assert taken.release()
    bench.take(qty_raw=120)


def test_a_late_fill_and_one_beyond_the_order_count_as_position_alone() -> None:
    bench = Bench(risk_config())
    taken = bench.take()
    taken.fill(250)
    taken.release()
    taken.fill(10)
    (exposure,) = bench.risk.exposures()
    assert (exposure.net_qty, exposure.open_buy) == (Decimal("2.6"), 0)


def test_rsk_01_room_is_approved_once_and_while_it_is_taken() -> None:
    bench = Bench(risk_config())
    taken = bench.take()
    approved = bench.risk.approve(taken, "w1")
    assert isinstance(approved, ApprovedOrder)
    assert (approved.request, approved.wire_order_id, approved.reservation) == (taken.request, "w1", taken)
    with pytest.raises(MisuseError, match="approved before"):
        bench.risk.approve(taken, "w1")
    freed = bench.take()
    freed.release()
    with pytest.raises(MisuseError, match="is free"):
        bench.risk.approve(freed, "w2")
    with pytest.raises(MisuseError):
        Bench(risk_config()).risk.approve(bench.take(), "w3")
    with pytest.raises(MisuseError):
        Reservation()


# --- overflow -----------------------------------------------------------------------------------------------


def test_rsk_08_what_64_bits_do_not_hold_is_exact_and_what_128_do_not_is_refused() -> None:
    most = 2**63 - 1
    own = instrument(price_scale=0, qty_scale=0)
    bench = Bench(risk_config({"max_order_notional": str(most**2)}), own)
    bench.take(price_raw=most, qty_raw=most, price_scale=0, qty_scale=0)
    assert bench.risk.exposures()[0].open_buy == most
    bench = Bench(risk_config({"max_order_notional": str(most**2 - 1)}), own)
    found = bench.refuse(price_raw=most, qty_raw=most, price_scale=0, qty_scale=0)
    assert (found.breach, found.actual) == (Breach.NOTIONAL_LIMIT, most**2)
    bench = Bench(risk_config({"max_position": str(10**39)}), own)
    passed = 0
    while bench.breach(price_raw=1, qty_raw=most, price_scale=0, qty_scale=0) == Breach.NONE:
        passed += 1
    assert passed == (2**127 - 1) // (most * 10**18)
    assert bench.risk.exposures()[0].open_buy == most * passed
