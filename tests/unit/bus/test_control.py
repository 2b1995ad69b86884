"""The control bus by itself: one answer a command, by a clock that is moved (SUB-11, EVT-17, EVT-18, ERR-16)."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from engine.base.errors import CapacityError, UnknownSymbolError
from engine.bus.control import ControlBus
from engine.schema.command import COMMANDS, Ack, Command, Result

MINUTE_NS = 60_000_000_000


class Desk:
    """A bus whose one routing change a command adds one to the version."""

    def __init__(self) -> None:
        self.now_ns = 1_700_000_000_000_000_000
        self.version = 1
        self.told: list[Ack | Result] = []
        self.bus = ControlBus(
            {"subscribe": self.obey, "provider_stop": lambda command: None, "set_trading_mode": lambda command: None},
            lambda: self.version,
            self.told.append,
            self.told.append,
            lambda: self.now_ns,
        )

    def obey(self, command: Command) -> dict[str, Any]:
        if command.payload.get("symbol") == "DOGE-EUR":
            raise UnknownSymbolError("no provider carries DOGE-EUR", op="subscribe")
        self.version += 1
        return {"subscription_id": f"s{self.version}", "first_event": "live"}

    def give(self, message_id: str = "m1", kind: str = "subscribe", consumer_id: str = "c", **payload: Any) -> Ack:
        return self.bus.handle(command(message_id=message_id, type=kind, consumer_id=consumer_id, payload=payload))


def command(**changes: Any) -> Command:
    fields: dict[str, Any] = {"message_id": "m1", "consumer_id": "c", "type": "subscribe", "payload": {}, "ts_ns": 1}
    return Command(**(fields | changes))


def test_sub_11_the_same_message_id_within_five_minutes_gets_the_first_answer_and_changes_nothing() -> None:
    desk = Desk()
    first = desk.give(symbol="BTC-USD")
    desk.now_ns += 2 * MINUTE_NS
    second = desk.give(symbol="BTC-USD")
    desk.now_ns += 3 * MINUTE_NS - 1
    third = desk.give(symbol="BTC-USD")
    assert first == second == third
    assert (desk.version, len(desk.told)) == (2, 2)
    desk.now_ns += 1
    assert desk.give(symbol="BTC-USD").routing_version == 3
    assert (desk.version, len(desk.told)) == (3, 4)


def test_sub_11_a_refusal_is_remembered_as_well_and_message_ids_are_of_their_issuer() -> None:
    desk = Desk()
    assert desk.give(symbol="DOGE-EUR") == desk.give(symbol="DOGE-EUR")
    assert len(desk.told) == 1
    assert desk.give(consumer_id="other", symbol="BTC-USD").success
    assert desk.version == 2


def test_err_16_a_message_id_that_was_used_for_something_else_is_a_conflict_and_the_first_answer_stays() -> None:
    desk = Desk()
    first = desk.give(symbol="BTC-USD")
    refused = desk.give(symbol="ETH-USD")
    assert refused.error is not None
    assert (refused.success, refused.error["code"]) == (False, "conflict")
    assert desk.version == 2
    assert desk.give(symbol="BTC-USD") == first


def test_a_consumer_that_left_begins_with_message_ids_of_its_own() -> None:
    desk = Desk()
    desk.give(symbol="BTC-USD")
    desk.bus.forget_issuer("c")
    assert desk.give(symbol="ETH-USD").success


def test_evt_18_exactly_one_result_after_the_acknowledgement_of_success_and_none_after_a_refusal() -> None:
    desk = Desk()
    desk.give("m1", symbol="BTC-USD")
    desk.give("m2", symbol="DOGE-EUR")
    desk.give("m3", "set_trading_mode")
    assert [(type(one).__name__, one.message_id) for one in desk.told] == [
        ("Ack", "m1"), ("Result", "m1"), ("Ack", "m2"), ("Ack", "m3"),
    ]  # fmt: skip
    (result,) = (one for one in desk.told if isinstance(one, Result))
    assert (result.routing_version, result.result) == (2, {"subscription_id": "s2", "first_event": "live"})


def test_evt_18_what_takes_longer_is_told_later_once() -> None:
    desk = Desk()
    later = command(type="provider_stop", operator="ann", consumer_id="", payload={"provider": "kraken"})
    assert desk.bus.handle(later).success
    assert desk.bus.outcome_of(later) is None
    desk.bus.finish(later, {"state": "stopped"})
    assert desk.bus.handle(later).success
    assert desk.bus.outcome_of(later) == {"state": "stopped"}
    assert [type(one).__name__ for one in desk.told] == ["Ack", "Result"]


def test_what_finds_no_place_is_refused_with_an_acknowledgement_of_its_own() -> None:
    desk = Desk()
    ack = desk.bus.handle(command(payload={"symbol": "BTC-USD"}), CapacityError("256 wait", op="subscribe"))
    assert ack.error is not None
    assert (ack.error["code"], desk.version, len(desk.told)) == ("unavailable", 1, 1)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"message_id": ""}, "invalid_request"),
        ({"message_id": "x" * 65}, "invalid_request"),
        ({"message_id": None}, "invalid_request"),
        ({"message_id": 7}, "invalid_request"),
        ({"consumer_id": ""}, "invalid_request"),
        ({"consumer_id": None}, "invalid_request"),
        ({"consumer_id": "", "operator": "x" * 65}, "invalid_request"),
        ({"operator": "ann"}, "invalid_request"),
        ({"type": ""}, "invalid_request"),
        ({"type": None}, "invalid_request"),
        ({"type": "fly"}, "invalid_request"),
        ({"type": "subscribe_telemetry"}, "invalid_request"),
        ({"ts_ns": None}, "invalid_request"),
        ({"ts_ns": -1}, "invalid_request"),
        ({"ts_ns": "now"}, "invalid_request"),
        ({"trace_id": 5}, "invalid_request"),
        ({"consumer_id": "", "operator": "ann"}, "auth"),
        ({"type": "provider_stop"}, "auth"),
        ({"type": "set_kill_switch"}, "auth"),
    ],
)
def test_sub_01_sub_10_an_envelope_that_cannot_be_is_refused_typed(changes: dict[str, Any], code: str) -> None:
    desk = Desk()
    ack = desk.bus.handle(command(**({"payload": {"symbol": "BTC-USD"}} | changes)))
    assert ack.error is not None
    assert (ack.success, ack.error["code"], desk.version) == (False, code, 1)
    assert [type(one).__name__ for one in desk.told] == ["Ack"]


@pytest.mark.parametrize("field", ["message_id", "type", "payload", "ts_ns"])
def test_sub_01_no_field_of_a_command_may_be_missing_or_unknown(field: str) -> None:
    fields = msgspec.structs.asdict(command())
    with pytest.raises(msgspec.ValidationError, match=f"missing required field `{field}`"):
        msgspec.convert({name: value for name, value in fields.items() if name != field}, Command)
    with pytest.raises(msgspec.ValidationError, match="unknown field `colour`"):
        msgspec.convert({**fields, "colour": "red"}, Command)


# model.md CTL-30: who may give what.
BY_OPERATOR_ALONE = {"provider_start", "provider_stop", "set_risk_limits", "set_kill_switch", "clear_breaker", "set_debug",
                     "set_log_level", "drain_dlq"}  # fmt: skip
BY_CONSUMER_ALONE = {"subscribe", "unsubscribe", "merged_subscribe", "merged_unsubscribe"}
BY_BOTH = {"set_trading_mode", "submit_order", "cancel_order", "query_order", "cancel_all", "request_snapshot"}


def test_ctl_30_the_table_is_the_documented_one() -> None:
    assert set(COMMANDS) == BY_OPERATOR_ALONE | BY_CONSUMER_ALONE | BY_BOTH
    assert {name for name, kind in COMMANDS.items() if not kind.by_consumer} == BY_OPERATOR_ALONE
    assert {name for name, kind in COMMANDS.items() if not kind.by_operator} == BY_CONSUMER_ALONE
    assert {name for name, kind in COMMANDS.items() if not kind.has_outcome} == {"set_trading_mode"}
