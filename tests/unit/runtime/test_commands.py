"""Commands as the engine obeys them: answers as events, bad ones that change nothing, the trading switch (CTL-14, CTL-30)."""

from __future__ import annotations

import logging
import threading
from typing import Any

import pytest

from engine.base.errors import MisuseError
from engine.book.local import Book
from engine.runtime.runreport import run_report
from engine.schema.command import COMMANDS, Command
from tests.unit.config.configs import assignment
from tests.unit.runtime.market_kit import Market, levels_of

UNLIMITED = "dispatcher.backpressure.token_rate_per_stream=unlimited"
SUBSCRIBE = {"symbol": "BTC-USDT", "providers": ["binance"], "event_types": ["Trade"]}
MERGED = {"symbol": "BTC-USDT", "providers": ["binance", "binance"], "event_types": ["Trade"]}


class Answers:
    """Notes what it is told, answers apart from the market."""

    def __init__(self) -> None:
        self.answers: list[tuple[str, str, Any]] = []
        self.seen: list[Any] = []

    def on_batch(self, events: list[Any], ctx: Any) -> None:
        for event in events:
            if event.is_critical:
                told = event.success if type(event).__name__ == "ControlAck" else event.result
                self.answers.append((type(event).__name__, event.message_id, told))
            else:
                self.seen.append(event.detach())


class Desk(Market):
    """A market with a consumer that takes nothing yet."""

    def __init__(self, *sets: str) -> None:
        super().__init__(3, ("BTC", "ETH"), sets=(UNLIMITED, *sets))
        self.handler = Answers()
        self.runner = self.engine.add_consumer("c", self.handler)
        self.number = 0

    @property
    def version(self) -> int:
        return int(self.engine.board.current_version())

    def give(self, kind: str, payload: Any, *, consumer_id: str = "c", operator: str = "") -> Any:
        self.number += 1
        command = Command(message_id=f"m{self.number}", consumer_id=consumer_id, operator=operator, type=kind, payload=payload,
                          ts_ns=1)  # fmt: skip
        ack = self.engine.control.handle(command)
        self.engine.dispatcher.deliver()
        return ack


def test_ctl_01_subscribing_tells_its_id_and_whether_the_first_event_is_at_hand() -> None:
    with Desk() as desk:
        context = desk.runner.context
        assert context.subscribe("BTC-USDT", event_types=["BookUpdate"]).outcome() == {"subscription_id": "s1", "first_event": "live"}
        desk.engine.dispatcher.deliver()
        assert [kind for kind, _, _ in desk.handler.answers] == ["ControlAck", "ControlResult"]
        assert [type(event).__name__ for event in desk.handler.seen] == ["BookSnapshot"]
        desk.diff("ETH-USDT", is_sent=False)
        desk.diff("ETH-USDT")
        reply = context.subscribe("ETH-USDT", event_types=["BookUpdate"])
        assert reply.outcome() == {"subscription_id": "s2", "first_event": "waiting"}
        assert reply.result().routing_version == desk.version
        assert context.unsubscribe("ETH-USDT", event_types=["BookUpdate"]).outcome() == {"subscription_id": "s2", "first_event": "waiting"}
        (row,) = desk.engine.desk.subscriptions("c")
        assert (row.subscription_id, row.active, row.created_ns) == ("s1", True, desk.clock.now())


def test_ctl_01_sub_06_the_same_content_again_is_the_same_subscription_in_whatever_order() -> None:
    with Desk() as desk:
        first = desk.runner.context.subscribe("BTC-USDT", event_types=["Trade", "Ticker"], providers=["binance"])
        version = desk.version
        for _ in range(100):
            again = desk.runner.context.subscribe("BTC-USDT", event_types=["Ticker", "Trade"], providers=["binance"])
            assert again.result().routing_version == version
            assert again.outcome() == first.outcome()
        desk.trade("BTC-USDT")
        assert len(desk.handler.seen) == 1
        assert len({message_id for _, message_id, _ in desk.handler.answers}) == 101
        assert desk.version == version


ORDER = {"client_order_id": "a", "symbol": "BTC-USDT", "side": "buy", "order_type": "limit", "qty": "1", "price": "1"}
BAD: list[tuple[str, Any, str]] = [
    ("subscribe", {}, "invalid_request"),
    *(("subscribe", {k: v for k, v in SUBSCRIBE.items() if k != name}, "invalid_request") for name in ("symbol", "event_types")),
    *(("subscribe", {**SUBSCRIBE, name: 7}, "invalid_request") for name in (*SUBSCRIBE, "never_drop_trades", "colour", "merged")),
    ("subscribe", {**SUBSCRIBE, "symbol": None}, "invalid_request"),
    ("subscribe", {**SUBSCRIBE, "providers": [None]}, "invalid_request"),
    ("subscribe", {**SUBSCRIBE, "providers": [f"p{n}" for n in range(17)]}, "invalid_request"),
    ("subscribe", {**SUBSCRIBE, "event_types": []}, "invalid_request"),
    ("subscribe", {**SUBSCRIBE, "event_types": ["trade"]}, "invalid_request"),
    ("subscribe", {**SUBSCRIBE, "event_types": ["ExecReport"]}, "invalid_request"),
    ("subscribe", {**SUBSCRIBE, "event_types": ["BookUpdate"], "never_drop_trades": True}, "invalid_request"),
    ("subscribe", {**SUBSCRIBE, "symbol": "DOGE-EUR"}, "not_found"),
    ("subscribe", {**SUBSCRIBE, "providers": ["kraken"]}, "not_found"),
    ("subscribe", {**SUBSCRIBE, "event_types": ["BalanceUpdate"]}, "auth"),
    ("subscribe", None, "invalid_request"),
    ("subscribe", ["BTC-USDT"], "invalid_request"),
    ("unsubscribe", SUBSCRIBE, "not_found"),
    ("unsubscribe", {**SUBSCRIBE, "colour": 1}, "invalid_request"),
    *(("merged_subscribe", {k: v for k, v in MERGED.items() if k != name}, "invalid_request") for name in MERGED),
    *(("merged_subscribe", {**MERGED, name: 7}, "invalid_request") for name in (*MERGED, "merge_config", "never_drop_trades")),
    ("merged_unsubscribe", {**MERGED, "providers": ["binance", "kraken"]}, "not_found"),
    # SUB-15: nothing that names telemetry is obeyed.
    ("subscribe", {**SUBSCRIBE, "event_types": ["Telemetry"]}, "invalid_request"),
    ("subscribe", {**SUBSCRIBE, "event_types": ["telemetry"]}, "invalid_request"),
    ("subscribe", {**SUBSCRIBE, "symbol": "telemetry"}, "not_found"),
    ("subscribe", {**SUBSCRIBE, "providers": ["telemetry"]}, "not_found"),
    ("subscribe", {**SUBSCRIBE, "telemetry": True}, "invalid_request"),
    ("merged_subscribe", {**MERGED, "event_types": ["Telemetry"]}, "invalid_request"),
    ("request_snapshot", {"provider": "telemetry", "symbol": "BTC-USDT"}, "not_found"),
    ("set_trading_mode", {}, "invalid_request"),
    ("set_trading_mode", {"enabled": "yes"}, "invalid_request"),
    ("set_trading_mode", {"enabled": 1}, "invalid_request"),
    ("set_trading_mode", {"enabled": True, "telemetry": True}, "invalid_request"),
    ("set_trading_mode", {"enabled": True, "consumer_id": "other"}, "auth"),
    ("request_snapshot", {"provider": "binance"}, "invalid_request"),
    ("request_snapshot", {"symbol": "BTC-USDT"}, "invalid_request"),
    ("request_snapshot", {"provider": 1, "symbol": "BTC-USDT"}, "invalid_request"),
    ("request_snapshot", {"provider": "binance", "symbol": "BTC-USDT", "depth": 5}, "invalid_request"),
    ("request_snapshot", {"provider": "kraken", "symbol": "BTC-USDT"}, "not_found"),
    ("request_snapshot", {"provider": "binance", "symbol": "BTC-USDT"}, "not_found"),       # takes no book
    ("submit_order", ORDER, "unavailable"),                                                 # no provider takes orders
    *(("submit_order", {k: v for k, v in ORDER.items() if k != name}, "invalid_request") for name in ORDER if name != "price"),
    *(("submit_order", {**ORDER, name: 7}, "invalid_request") for name in (*ORDER, "tif", "post_only", "colour")),
    ("submit_order", {**ORDER, "timeout_ms": 60_001}, "invalid_request"),
    ("submit_order", {**ORDER, "consumer_id": "other"}, "auth"),
    *((kind, {}, "invalid_request") for kind in ("cancel_order", "query_order")),
    *((kind, {"client_order_id": "a", "consumer_id": "other"}, "auth") for kind in ("cancel_order", "query_order")),
    *((kind, {"client_order_id": "a"}, "unavailable") for kind in ("cancel_order", "query_order")),
    ("cancel_all", {"side": "buy"}, "invalid_request"),
    ("cancel_all", {"consumer_id": "other"}, "auth"),
    ("cancel_all", {}, "unavailable"),
    *((kind, {"on": True, "limits": {"price_band": None}, "consumer_id": "c"}, "auth")
      for kind in ("set_kill_switch", "set_risk_limits", "clear_breaker")),
]  # fmt: skip
OPERATORS_BAD: list[tuple[str, Any, str]] = [
    ("set_trading_mode", {"enabled": True}, "invalid_request"),
    ("set_trading_mode", {"enabled": True, "consumer_id": "nobody"}, "not_found"),
    ("request_snapshot", {"provider": "binance", "symbol": "BTC-USDT"}, "not_found"),       # nobody takes it
    ("provider_stop", {}, "invalid_request"),
    ("provider_stop", {"provider": 1}, "invalid_request"),
    ("provider_stop", {"provider": "binance", "now": True}, "invalid_request"),
    ("provider_start", {}, "invalid_request"),
    ("provider_start", {"provider": "binance"}, "unavailable"),                             # not live
    ("provider_stop", {"provider": "binance"}, "unavailable"),
    ("set_debug", {}, "invalid_request"),
    ("set_debug", {"on": "yes"}, "invalid_request"),
    ("set_debug", {"on": True, "off": 1}, "invalid_request"),
    ("set_log_level", {}, "invalid_request"),
    ("set_log_level", {"level": "loud"}, "invalid_request"),
    ("set_log_level", {"level": "debug", "logger": "x"}, "invalid_request"),
    ("submit_order", ORDER, "invalid_request"),                                             # whose?
    ("submit_order", {**ORDER, "consumer_id": "nobody"}, "not_found"),
    ("cancel_order", {"client_order_id": "a"}, "invalid_request"),
    ("query_order", {"client_order_id": "a", "consumer_id": "nobody"}, "not_found"),
    ("cancel_all", {"consumer_id": "nobody"}, "not_found"),
    ("set_risk_limits", {"limits": {}}, "invalid_request"),
    ("set_risk_limits", {"limits": {"price_band": None}}, "unavailable"),
    ("set_kill_switch", {}, "invalid_request"),
    ("set_kill_switch", {"on": 1}, "invalid_request"),
    ("set_kill_switch", {"on": True}, "unavailable"),
    ("clear_breaker", {}, "invalid_request"),
    ("clear_breaker", {"consumer_id": "c"}, "unavailable"),
    ("drain_dlq", {}, "invalid_request"),
    ("drain_dlq", {"limit": 0}, "invalid_request"),
    ("drain_dlq", {"limit": 1_000_001}, "invalid_request"),
    ("drain_dlq", {"limit": 5, "file": "x"}, "invalid_request"),
]  # fmt: skip


def test_sub_01_every_command_that_is_obeyed_has_rows_below() -> None:
    assert {kind for kind, _, _ in (*BAD, *OPERATORS_BAD)} == set(COMMANDS)


@pytest.mark.parametrize(("kind", "payload", "code"), BAD)
def test_sub_10_a_bad_command_is_refused_typed_and_changes_nothing(kind: str, payload: Any, code: str) -> None:
    with Desk() as desk:
        version, held = desk.version, desk.engine.desk.subscriptions("c")
        ack = desk.give(kind, payload)
        assert (ack.success, ack.error["code"]) == (False, code), ack.error
        assert (desk.version, desk.engine.desk.subscriptions("c")) == (version, held)
        assert desk.handler.answers == [("ControlAck", ack.message_id, False)]
        assert not desk.engine.switches.is_enabled("c")


@pytest.mark.parametrize(("kind", "payload", "code"), OPERATORS_BAD)
def test_sub_10_an_operators_bad_command_is_refused_typed_and_changes_nothing(kind: str, payload: Any, code: str) -> None:
    with Desk() as desk:
        version = desk.version
        ack = desk.give(kind, payload, consumer_id="", operator="ann")
        assert (ack.success, ack.error["code"], desk.version) == (False, code, version), ack.error
        assert desk.handler.answers == []


def test_sub_10_a_command_of_a_consumer_that_is_not_here_is_refused() -> None:
    with Desk() as desk:
        ack = desk.give("subscribe", SUBSCRIBE, consumer_id="nobody")
        assert ack.error["code"] == "not_found"
        assert desk.version == 1


# --- the trading switch -------------------------------------------------------------------------------------


def test_ctl_14_trading_is_off_until_it_is_switched_on_and_no_route_changes() -> None:
    with Desk() as desk:
        assert not desk.engine.switches.is_enabled("c")
        assert not desk.engine.switches.is_enabled("nobody")
        version = desk.version
        reply = desk.runner.context.set_trading_mode(True)
        assert (reply.result().routing_version, reply.outcome()) == (version, {})
        desk.clock.advance(5)
        assert desk.engine.switches.of("c").updated_ns == desk.clock.now() - 5
        assert desk.runner.context.set_trading_mode(True).result().success
        assert desk.engine.switches.of("c").updated_ns == desk.clock.now() - 5
        assert (desk.engine.switches.of("c").enabled, desk.engine.switches.of("c").by) == (True, "c")
        assert desk.engine.command("set_trading_mode", {"consumer_id": "c", "enabled": False}, operator="ann").result().success
        assert (desk.engine.switches.of("c").enabled, desk.engine.switches.of("c").by) == (False, "ann")
        assert desk.engine.telemetry.statistics().emitted["trading.switch"] == 2
        assert desk.version == version
        assert [kind for kind, _, _ in desk.handler.answers] == ["ControlAck", "ControlAck"]


@pytest.mark.parametrize(("said", "enabled"), [("enabled", True), ("disabled", False)])
def test_ctl_14_what_the_configuration_says_stands_at_the_start_and_is_in_the_run_report(said: str, enabled: bool) -> None:
    consumer = {"consumer_id": "mm1", "mode": "inline", "handler": "tests.unit.runtime.test_commands:Answers", "trading_switch": said}
    with Desk(assignment("consumers", [consumer])) as desk:
        desk.engine.add_configured_consumers()
        assert run_report(desk.engine)["consumers"]["mm1"]["trading_enabled"] is enabled
        assert run_report(desk.engine)["consumers"]["c"]["trading_enabled"] is False
        assert desk.engine.switches.of("mm1").by == "config"


# --- snapshots on request -----------------------------------------------------------------------------------


def test_request_snapshot_gives_the_consumer_its_book_as_it_is_now() -> None:
    with Desk() as desk:
        desk.add("other", other := Answers())
        desk.subscribe("c", "BTC-USDT", ("BookUpdate",))
        desk.diff("BTC-USDT")
        desk.handler.seen.clear()
        other.seen.clear()
        ack = desk.give("request_snapshot", {"provider": "binance", "symbol": "BTC-USDT"})
        assert ack.success
        assert desk.handler.answers[-1] == ("ControlResult", ack.message_id, {"final_update_id": desk.last_id["BTC-USDT"]})
        (snapshot,) = desk.handler.seen
        assert (type(snapshot).__name__, snapshot.reason.name) == ("BookSnapshot", "REQUESTED")
        book = Book()
        assert book.apply(snapshot)
        assert levels_of(book, snapshot) == desk.twins["BTC-USDT"].published()
        assert other.seen == []
        reply = desk.engine.command("request_snapshot", {"provider": "binance", "symbol": "BTC-USDT"})
        assert reply.outcome() == {"final_update_id": desk.last_id["BTC-USDT"]}
        assert [len(desk.handler.seen), len(other.seen)] == [2, 1]
        desk.diff("BTC-USDT")
        assert [type(event).__name__ for event in desk.handler.seen[2:]] == ["BookUpdate"]


def test_request_snapshot_of_a_book_that_is_not_valid_is_refused() -> None:
    with Desk() as desk:
        desk.subscribe("c", "BTC-USDT", ("BookUpdate",))
        desk.diff("BTC-USDT", is_sent=False)
        desk.diff("BTC-USDT")
        ack = desk.give("request_snapshot", {"provider": "binance", "symbol": "BTC-USDT"})
        assert ack.error["code"] == "unavailable"


# --- operators ----------------------------------------------------------------------------------------------


def test_operators_switch_debug_and_the_log_level_and_drain_dead_letters() -> None:
    with Desk() as desk:
        engine = desk.engine
        assert engine.command("set_debug", {"on": True}).outcome()["on"] is True
        assert engine.recycler.debug
        assert engine.command("set_debug", {"on": False}).outcome()["on"] is False
        assert not engine.recycler.debug
        logger, before = logging.getLogger("engine"), logging.getLogger("engine").level
        try:
            assert engine.command("set_log_level", {"level": "error"}).outcome() == {"level": "error"}
            assert logger.level == logging.ERROR
        finally:
            logger.setLevel(before)
        for provider in ("binance", "kraken", "coinbase"):
            engine.reporting.rejected(provider, "not_json", None, b"{", 1)
        assert engine.command("drain_dlq", {"limit": 2}).outcome() == {"drained": 2, "left": 1}
        assert engine.command("drain_dlq", {"limit": 2}).outcome() == {"drained": 1, "left": 0}


def test_a_command_of_an_operator_is_answered_by_its_reply_alone_and_refused_as_an_error() -> None:
    with Desk() as desk:
        with pytest.raises(MisuseError, match="no provider of this engine takes orders"):
            desk.engine.command("set_kill_switch", {"on": True}).result()
        assert desk.engine.command("set_kill_switch", {"on": True}).ack.error["code"] == "unavailable"
        assert desk.handler.answers == []


def test_a_command_in_a_consumers_name_is_answered_by_its_events_as_well() -> None:
    with Desk() as desk:
        reply = desk.engine.command("subscribe", SUBSCRIBE, consumer_id="c", message_id="mine")
        assert reply.outcome()["first_event"] == "live"
        assert [(kind, message_id) for kind, message_id, _ in desk.handler.answers] == [
            ("ControlAck", "mine"), ("ControlResult", "mine"),
        ]  # fmt: skip


# --- from threads -------------------------------------------------------------------------------------------


@pytest.mark.threads
def test_commands_past_the_control_capacity_are_refused_and_each_is_answered_once() -> None:
    """``bus.control_capacity``: a thread gives 20 commands before the loop has a moment."""
    with Desk("bus.control_capacity=16") as desk:
        posted: list[Any] = []
        desk.engine.post = posted.append
        replies: list[Any] = []
        runner = desk.engine.add_consumer("t", Answers(), mode="thread")
        runner.start()

        def spam() -> None:
            replies.extend(runner.context.subscribe("BTC-USDT", event_types=["Trade"], message_id=str(n)) for n in range(20))

        thread = threading.Thread(target=spam)
        thread.start()
        thread.join()
        for call in posted:
            call()
        answers = [reply.ack for reply in replies]
        assert [ack.success for ack in answers] == [True] * 16 + [False] * 4
        assert {ack.error["code"] for ack in answers[16:]} == {"unavailable"}
        assert replies[0].outcome()["subscription_id"] == replies[15].outcome()["subscription_id"]
        again = runner.context.subscribe("BTC-USDT", event_types=["Trade"])
        posted.pop()()
        assert again.result().success
        desk.engine.post = None
        runner.stop()
        told = runner.handler.answers
        assert sorted(message_id for kind, message_id, _ in told if kind == "ControlAck" and message_id.isdecimal()) == sorted(map(str, range(20)))
        assert sum(kind == "ControlResult" for kind, _, _ in told) == 17
