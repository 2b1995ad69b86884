"""EVT-16, INS-05: reports of orders as pooled events."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.schema.execution import ExecReport
from engine.schema.order import Fee, OrderState, Reason

REPORT: dict[str, Any] = {"provider": "kraken", "symbol": "BTC-USD", "wire_order_id": "0000d8336800800089e7dc0d75d75dbb"}


@given(st.integers(-(2**127) + 1, 2**127 - 1), st.integers(0, 36))
@pytest.mark.property
def test_ins_05_a_cumulative_cost_of_128_bits_is_exact(raw: int, scale: int) -> None:
    event = ExecReport.from_dict({"cum_notional": Decimal((raw < 0, tuple(map(int, str(abs(raw)))), -scale))})
    assert event.cum_notional.as_tuple() == Decimal((raw < 0, tuple(map(int, str(abs(raw)))), -scale)).as_tuple() or raw == 0
    assert event.cum_notional * 0 == 0


@pytest.mark.parametrize("wrong", [Decimal(2**127), Decimal("1E-37"), Decimal("NaN"), Decimal("Infinity"), 1.5, "1.5"])
def test_ins_05_what_does_not_fit_is_refused_and_never_cut(wrong: object) -> None:
    event = ExecReport()
    with pytest.raises((ValueError, TypeError)):
        event.fill("cum_notional", wrong)
    with pytest.raises((ValueError, TypeError)):
        event.fill("fees", (Fee("USD", wrong),))  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        event.fill("qty_raw", Decimal("0.5"))


@pytest.mark.parametrize("state", OrderState)
def test_evt_16_what_remains_and_whether_it_is_open_follow_from_the_rest(state: OrderState) -> None:
    event = ExecReport.from_dict({"qty_raw": 5, "filled_qty_raw": 3, "order_state": state})
    assert event.remaining_qty_raw == 2
    assert event.is_open is (state < OrderState.FILLED)


def test_evt_04_a_fill_has_the_venue_s_id_and_another_report_its_place_in_its_order() -> None:
    fill = ExecReport.from_dict({**REPORT, "exec_id": "TX4K2Q", "order_report_seq": 2, "seq_provider": 52})
    ack = ExecReport.from_dict({**REPORT, "order_report_seq": 1, "seq_provider": 51})
    assert fill.event_id == "kraken:BTC-USD:ExecReport:TX4K2Q"
    assert ack.event_id == "kraken:BTC-USD:ExecReport:0000d8336800800089e7dc0d75d75dbb.1"


def test_a_long_text_of_a_venue_is_cut_at_a_character_and_our_ids_are_not() -> None:
    event = ExecReport.from_dict({"reason": Reason(code="exchange_error", venue_code="v" * 70, text="x" * 255 + "é")})
    assert event.reason == Reason(code="exchange_error", venue_code="v" * 64, text="x" * 255)
    with pytest.raises(ValueError, match="longer than 64 bytes"):
        event.fill("client_order_id", "c" * 65)
    with pytest.raises(ValueError, match="17 fees"):
        event.fill("fees", [Fee("USD", Decimal(1))] * 17)
