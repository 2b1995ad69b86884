"""Trading switches flipped under load, and what a restart makes of the kill switch and of positions (TRD-15, RSK-10, ORDM-33)."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.system.surface_kit import Desk, desk
from tests.system.test_account_cli import KEYS, control
from tests.system.test_ctl_orders import TRADING, order, state, until
from tests.system.test_run_cli import simulator

pytestmark = [pytest.mark.system, pytest.mark.timeout(120)]
FLIPS = 100


@contextmanager
def trading(folder: Path, addresses: dict[str, Any], sets: Sequence[str] = (), status: int = 200) -> Iterator[Desk]:
    """An engine at a simulated Binance that outlives it, up to whether it is ready."""
    at = [f"providers[0].{place}_endpoint={addresses['binance'][place]}" for place in ("ws", "ws_private", "rest")]
    with desk(folder, *at, *sets, config=TRADING, flags=(), **KEYS) as found:
        until(lambda: found.ask("GET", "/ready").status == status)
        until(lambda: found.ask("GET", "/books/binance/BTC-USDT").status == 200)
        yield found


def at_venue(addresses: dict[str, Any]) -> list[dict[str, Any]]:
    accounts = control(addresses, "/orders")["binance"]
    return [one for rows in accounts.values() for one in rows if not one["foreign"]]


def test_trd_15_a_hundred_flips_under_load_are_in_force_within_a_second_and_change_no_route(tmp_path: Path) -> None:
    """2000 frames a second; after each acknowledgement of off nothing is sent, after each of on the next order is."""
    with simulator("--venues", "binance", "--rate", "2000", "--unlimited") as addresses, trading(tmp_path, addresses) as found:
        version = found.ask("GET", "/routing").body["version"]
        before = found.ask("GET", "/telemetry?limit=500").body["next_id"]
        waits = []
        for number in range(FLIPS):
            off = found.ask("POST", "/control/set-trading-mode", {"consumer_id": "tape", "enabled": False})
            refused = found.ask("POST", "/orders", order(found, f"off{number}")).body
            assert (off.body["success"], refused["status"]) == (True, "suppressed")
            asked_s = time.monotonic()
            on = found.ask("POST", "/control/set-trading-mode", {"consumer_id": "tape", "enabled": True})
            sent = found.ask("POST", "/orders", order(found, f"on{number}", tif="ioc"))
            waits.append(time.monotonic() - asked_s)
            assert (on.body["success"], sent.status, sent.body["status"]) == (True, 202, "submitted")
        assert max(waits) < 1.0
        assert len(at_venue(addresses)) == FLIPS
        assert found.ask("GET", "/routing").body["version"] == version
        rows = found.ask("GET", f"/telemetry?since_id={before}&type=trading.switch&limit=500").body["records"]
        told = [(row["metadata"]["enabled"], row["metadata"]["by"], row["metadata"]["consumer_id"]) for row in rows for _ in range(row["count"])]
        assert sorted(told) == [(False, "api", "tape")] * FLIPS + [(True, "api", "tape")] * FLIPS


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL], ids=["in order", "killed"])
def test_rsk_10_the_kill_switch_outlives_the_engine_and_a_command_alone_releases_it(number: signal.Signals, tmp_path: Path) -> None:
    leave = ("providers[0].orders.on_stop=leave",)
    with simulator("--venues", "binance") as addresses:
        with trading(tmp_path, addresses, leave) as first:
            assert first.ask("POST", "/orders", order(first, "open")).status == 202
            until(lambda: state(first, "open") == "acked")
            assert first.ask("PUT", "/risk/kill-switch", {"on": True, "text": "enough"}).body == {"on": True}
            since = first.ask("GET", "/risk/limits").body["kill_switch"]["since"]
            first.process.send_signal(number)
            first.process.wait(30)
        with trading(tmp_path, addresses, leave) as second:
            latched = second.ask("GET", "/risk/limits").body["kill_switch"]
            assert latched == {"is_on": True, "since": since, "breach": None, "breaker_opens": 0, "operator": "api", "text": "enough"}
            states = second.ask("GET", "/telemetry?type=risk.state").body["records"]
            assert ("kill_switch", "triggered") in [(row["metadata"]["control"], row["metadata"]["status"]) for row in states]
            switched = second.ask("POST", "/control/set-trading-mode", {"consumer_id": "tape", "enabled": True})
            assert switched.body["success"]
            refused = second.ask("POST", "/orders", order(second, "new")).body
            assert (refused["status"], refused["reason"]["breach"]) == ("rejected", "kill_switch")
            assert len(at_venue(addresses)) == 1
            assert second.ask("DELETE", "/orders/tape/open").status == 202             # cancels go through
            until(lambda: state(second, "open") == "cancelled")
            assert second.ask("PUT", "/risk/kill-switch", {"on": False}).body == {"on": False}
            assert second.ask("POST", "/orders", order(second, "new")).body["status"] == "submitted"
            assert len(at_venue(addresses)) == 2


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL], ids=["in order", "killed"])
def test_ordm_33_positions_and_what_is_open_count_again_after_a_restart(number: signal.Signals, tmp_path: Path) -> None:
    """0.01 bought and 0.01 open of a limit of 0.025: 0.01 more is refused, before and after; 0.005 is not."""
    sets = ("providers[0].orders.on_stop=leave", 'risk.limits.max_position="0.025"')
    with simulator("--venues", "binance") as addresses:
        with trading(tmp_path, addresses, sets) as first:
            ask = first.ask("GET", "/books/binance/BTC-USDT?depth=1").body["asks"][0][0]
            assert first.ask("POST", "/orders", order(first, "bought", price=str(Decimal(ask) + 50), tif="ioc")).status == 202
            until(lambda: state(first, "bought") == "filled")
            assert first.ask("POST", "/orders", order(first, "open")).status == 202
            until(lambda: state(first, "open") == "acked")
            assert first.ask("POST", "/orders", order(first, "more")).body["reason"]["breach"] == "position_limit"
            before = first.ask("GET", "/positions").body["positions"]
            assert [(row["net_qty"].rstrip("0"), row["open_buy"].rstrip("0"), row["open_orders"]) for row in before] == [("0.01", "0.01", 1)]
            first.process.send_signal(number)
            first.process.wait(30)
        with trading(tmp_path, addresses, sets) as second:
            assert second.ask("GET", "/positions").body["positions"] == before
            assert second.ask("POST", "/orders", order(second, "more")).body["reason"]["breach"] == "position_limit"
            assert second.ask("POST", "/orders", order(second, "less", qty="0.005")).body["status"] == "submitted"
