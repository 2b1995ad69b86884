"""Orders and risk by an operator's hand: HTTP and `engine-run ctl` to a simulated venue and back (API-10, CLI-17, CTL-14)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.system.surface_kit import CONFIG, READ, TAPE, Desk, desk
from tests.system.test_account_cli import KEYS, control
from tests.system.test_control import pass_s
from tests.system.test_run_cli import simulator

pytestmark = [pytest.mark.system, pytest.mark.timeout(120)]

PROVIDER = {
    "name": "binance", "venue": "binance", "symbols": ["BTC-USDT"], "streams": ["book"],
    "credentials": {"api_key_env": "BINANCE_API_KEY", "api_secret_env": "BINANCE_API_SECRET", "key_type": "ed25519"},
    "orders": {"enabled": True, "on_stop": "cancel"},
}  # fmt: skip
TRADING = {
    **CONFIG, "providers": [PROVIDER],
    "risk": {"limits": {"orders_per_s": 100, "orders_burst": 100, "price_band": "0.5"}},
    "consumers": [
        {**consumer, "trading_switch": "enabled", "subscriptions": [{"symbol": "BTC-USDT", "event_types": ["BookUpdate"]}]}
        for consumer in CONFIG["consumers"]  # type: ignore[attr-defined]
    ],
}  # fmt: skip


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    with desk(tmp_path_factory.mktemp("desk"), config=TRADING, **KEYS) as found:
        until(lambda: found.ask("GET", "/ready").status == 200)
        yield found


def until(look: Any) -> Any:
    """What *look* finds, within twenty seconds."""
    for _ in range(1000):
        found = look()
        if found:
            return found
        pass_s(0.02)
    raise AssertionError("it did not come")


def resting(running: Desk) -> str:
    """A price that rests a while, on the grid."""
    bid = Decimal(running.ask("GET", "/books/binance/BTC-USDT?depth=1").body["bids"][0][0])
    return str((bid * 199 / 200).quantize(bid))


def order(running: Desk, name: str, **more: Any) -> dict[str, Any]:
    return {"consumer_id": "tape", "client_order_id": name, "symbol": "BTC-USDT", "side": "buy", "order_type": "limit",
            "price": resting(running), "qty": "0.01", **more}  # fmt: skip


def state(running: Desk, name: str) -> str:
    return str(running.ask("GET", f"/orders/tape/{name}").body["state"])


def test_api_10_an_order_is_submitted_shown_cancelled_and_is_one_however_often_it_is_asked(running: Desk) -> None:
    body = order(running, "h-1")
    sent = running.ask("POST", "/orders", body)
    assert (sent.status, sent.body["status"]) == (202, "submitted")
    again = running.ask("POST", "/orders", body)
    assert (again.status, again.body["status"], again.body["body_matches"]) == (200, "duplicate", True)
    other = running.ask("POST", "/orders", {**body, "qty": "0.02"})
    assert (other.status, other.body["body_matches"]) == (200, False)
    until(lambda: state(running, "h-1") == "acked")
    shown = running.ask("GET", "/orders/tape/h-1").body
    assert (shown["price"], Decimal(shown["qty"]), shown["is_open"]) == (body["price"], Decimal("0.01"), True)
    rows = running.ask("GET", "/orders?consumer_id=tape&symbol=BTC-USDT&state=acked").body["orders"]
    assert "h-1" in [row["client_order_id"] for row in rows]
    assert running.ask("GET", "/orders?consumer_id=other").body["orders"] == []
    assert running.ask("GET", "/orders?state=acked", token=TAPE).status == 200
    assert running.ask("GET", "/orders?state=lost").status == 400
    cancelled = running.ask("DELETE", "/orders/tape/h-1")
    assert cancelled.status == 202
    until(lambda: state(running, "h-1") == "cancelled")


@pytest.mark.parametrize(
    ("more", "status", "says"),
    [
        ({"qty": "1e5"}, 400, "qty"),
        ({"qty": "0"}, 400, "qty"),
        ({"price": None}, 400, "price"),
        ({"symbol": "NO-USDT"}, 404, "NO-USDT"),
        ({"provider": "kraken"}, 404, "kraken"),
        ({"consumer_id": "nobody"}, 404, "nobody"),
        ({"client_order_id": ""}, 400, "client_order_id"),
    ],
)  # fmt: skip
def test_api_10_what_is_no_order_is_refused(more: dict[str, Any], status: int, says: str, running: Desk) -> None:
    answer = running.ask("POST", "/orders", order(running, "h-2", **more))
    assert answer.status == status, answer.body
    assert says in answer.error["message"]
    assert running.ask("GET", "/orders/tape/h-2").status == 404
    assert running.ask("DELETE", "/orders/tape/h-2").status == 404


def test_ctl_14_trading_off_suppresses_from_the_answer_on_and_risk_rejects(running: Desk) -> None:
    running.ctl("ctl", "trading", "off", "tape")
    answer = running.ask("POST", "/orders", order(running, "h-3"))
    assert (answer.status, answer.body["status"], answer.body["reason"]["breach"]) == (200, "suppressed", "trading_off")
    running.ctl("ctl", "trading", "on", "tape")
    answer = running.ask("POST", "/orders", order(running, "h-3", qty="100000"))
    assert (answer.status, answer.body["status"]) == (200, "rejected")


def test_api_10_risk_limits_are_shown_and_set_and_422_leaves_the_old(running: Desk) -> None:
    before = running.ask("GET", "/risk/limits", token=READ).body
    assert before["limits"]["orders_per_s"] == 100
    assert not before["kill_switch"]["is_on"]
    answer = running.ask("PUT", "/risk/limits", {"limits": {"orders_per_s": -1}})
    assert (answer.status, answer.error["code"]) == (422, "invalid_request")
    assert running.ask("PUT", "/risk/limits", {"limits": {"colour": 1}}).status == 422
    assert running.ask("GET", "/risk/limits").body == before
    changed = running.ask("PUT", "/risk/limits", {"limits": {"orders_per_s": 90}}).body
    assert changed["limits"]["orders_per_s"] == 90
    scoped = json.loads(running.ctl("ctl", "risk", "set", "max_position=2.5", "--consumer", "other", "--json").stdout)
    assert scoped["overrides"] == [{"consumer_id": "other", "max_position": "2.5"}]
    told = running.ctl("ctl", "risk", "set", "orders_per_s=none", code=6)
    assert "(code: invalid_request)" in told.stderr
    assert running.ask("POST", "/risk/clear", {"consumer_id": "tape"}).body == {"cleared": False}
    assert running.ctl("ctl", "risk", "clear", "tape").stdout == "cleared: False\n"


def test_cli_17_the_kill_switch_refuses_until_it_is_released(running: Desk) -> None:
    running.ctl("ctl", "risk", "kill", "--text", "a test", "--yes")
    assert "is_on=True" in running.ctl("ctl", "risk", "show").stdout
    answer = running.ask("POST", "/orders", order(running, "h-4"))
    assert (answer.body["status"], answer.body["reason"]["breach"]) == ("rejected", "kill_switch")
    running.ctl("ctl", "risk", "kill", "--off", "--yes")
    assert running.ask("POST", "/orders", order(running, "h-4")).body["status"] == "submitted"


def test_ordm_08_a_provider_that_is_not_reconciled_in_time_is_released_by_command(tmp_path: Path) -> None:
    """Its venue does not answer what is open; 503 before the time is over, then one command, and orders go."""
    with simulator("--venues", "binance") as addresses:
        control(addresses, "/faults", {"fault": "delay_open_orders", "for_s": 600})
        at = [f"providers[0].{place}_endpoint={addresses['binance'][place]}" for place in ("ws", "ws_private", "rest")]
        sets = ("orders.reconcile_timeout_s=5", *at)
        with desk(tmp_path, *sets, config=TRADING, flags=(), **KEYS) as found:
            until(lambda: found.ask("GET", "/books/binance/BTC-USDT").status == 200)
            early = found.ctl("ctl", "risk", "clear", "--provider", "binance", code=4)
            assert "its orders are being reconciled" in early.stderr
            assert found.ask("GET", "/risk/limits").body["held"] == [{"provider": "binance", "is_overdue": False}]
            reply = found.ask("POST", "/orders", order(found, "r-1")).body
            assert (reply["status"], reply["reason"]["breach"]) == ("rejected", "reconciling")
            until(lambda: found.ask("GET", "/risk/limits").body["held"][0]["is_overdue"])
            assert "risk clear --provider" in found.ask("GET", "/health").body["orders"]["binance"]
            assert found.ask("GET", "/ready").status == 503
            assert found.ctl("ctl", "risk", "clear", "--provider", "binance").stdout == "cleared: True\n"
            assert found.ctl("ctl", "risk", "clear", "--provider", "binance").stdout == "cleared: False\n"
            assert found.ask("GET", "/ready").status == 200
            assert found.ask("POST", "/orders", order(found, "r-1")).body["status"] == "submitted"
            states = [row["metadata"] for row in found.ask("GET", "/telemetry?type=risk.state").body["records"]]
            holds = [(one["status"], one["scope"]) for one in states if one["control"] == "reconcile_hold"]
            assert holds == [("triggered", "*:binance:*"), ("cleared", "*:binance:*")]
            for body, status in (({}, 400), ({"consumer_id": "tape", "provider": "binance"}, 400), ({"provider": "no"}, 404)):
                assert found.ask("POST", "/risk/clear", body).status == status
            assert "one of CONSUMER and --provider" in found.ctl("ctl", "risk", "clear", code=2).stderr


def test_cli_17_cli_30_orders_by_hand(running: Desk) -> None:
    words = ("--symbol", "BTC-USDT", "--side", "buy", "--qty", "0.01", "--price", resting(running))
    assert "status: submitted" in running.ctl("ctl", "orders", "submit", "tape", "c-1", *words).stdout
    assert "status: duplicate" in running.ctl("ctl", "orders", "submit", "tape", "c-1", *words).stdout
    other = ("--symbol", "BTC-USDT", "--side", "sell", "--qty", "0.01", "--price", resting(running))
    running.ctl("ctl", "orders", "submit", "tape", "c-1", *other, code=6)
    assert "c-1" in running.ctl("ctl", "orders", "list", "--consumer", "tape").stdout
    assert "client_order_id: c-1" in running.ctl("ctl", "orders", "show", "tape", "c-1").stdout
    assert "cancel_requested: True" in running.ctl("ctl", "orders", "cancel", "tape", "c-1").stdout
    until(lambda: state(running, "c-1") == "cancelled")
    rejected = running.ctl("ctl", "orders", "submit", "tape", "c-2", *words[:4], "--qty", "100000", *words[6:], code=6)
    assert "status: rejected" in rejected.stdout
    assert "c-9" in running.ctl("ctl", "orders", "show", "tape", "c-9", code=2).stderr
    assert running.ask("POST", "/orders", order(running, "c-3")).status == 202
    found = json.loads(running.ctl("ctl", "orders", "cancel-all", "--consumer", "tape", "--yes", "--json").stdout)
    assert found["requested"] >= 1
    until(lambda: state(running, "c-3") == "cancelled")


def test_api_10_positions_follow_fills_exactly(running: Desk) -> None:
    before = _position(running)
    ask = running.ask("GET", "/books/binance/BTC-USDT?depth=1").body["asks"][0][0]
    sent = running.ask("POST", "/orders", order(running, "p-1", price=str(Decimal(ask) + 50), tif="ioc"))
    assert sent.status == 202, sent.body
    until(lambda: state(running, "p-1") == "filled")
    assert _position(running) - before == Decimal("0.01")
    scale = running.ask("GET", "/instruments?provider=binance").body["instruments"][0]["qty_scale"]
    (row,) = running.ask("GET", "/positions?consumer_id=tape").body["positions"]
    assert len(row["net_qty"].partition(".")[2]) == len(row["open_buy"].partition(".")[2]) == scale
    assert running.ask("GET", "/positions?consumer_id=other").body["positions"] == []
    assert running.ask("GET", "/providers/binance/balances").body["balances"]


def _position(running: Desk) -> Decimal:
    rows = running.ask("GET", "/positions", token=TAPE).body["positions"]
    return sum((Decimal(row["net_qty"]) for row in rows), Decimal(0))
