"""JRN-02, JRN-03, TRD-23: a disk that is slow, full or hangs, under a trading engine: what is refused, what goes on."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.system.order_kit import Trading, engine_at
from tests.system.test_account_cli import control, ended
from tests.system.test_control import pass_s
from tests.system.test_run_cli import simulator
from tests.unit.orders.faultydisk import DELAY, NO_SPACE, NOTHING, compiled

pytestmark = [pytest.mark.system, pytest.mark.timeout(60)]
SLOW_US, HANGS_US = 50_000, 400_000
"""Of each write; a commit has several: it takes a quarter of a second, or some seconds."""
COMMIT_S = 0.2


@pytest.fixture(scope="module")
def preloaded(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, str]:
    """The environment of a process whose journal lies on the disk that fails."""
    return {"LD_PRELOAD": str(compiled(tmp_path_factory.mktemp("disk"))), "FAULTY_DISK_PATH": "/orders.db"}


@pytest.fixture
def venue() -> Iterator[dict[str, Any]]:
    with simulator("--venues", "binance") as addresses:
        yield addresses


def fill(it: Trading, client_order_id: str) -> None:
    """The venue fills an order."""
    name = it.told("ExecReport", client_order_id)[0]["venue_order_id"]
    (number,) = [order["number"] for order in it.at_venue() if order["id"] == name]
    control(it.addresses, "/orders/act", {"venue": "binance", "order": number, "do": "fill"})


def lags_ms(it: Trading) -> list[float]:
    """How far behind the wire each book was since the disk changed, sorted."""
    count = len(it.told("Lags"))
    it.do("lags")
    found = it.until(lambda: it.told("Lags")[count:])[0]["lags_ns"]
    return sorted(lag / 1e6 for lag in found)


def test_jrn_02_a_slow_disk_makes_submits_slower_and_the_market_waits_for_nothing(
    venue: dict[str, Any], preloaded: Mapping[str, str], tmp_path: Path
) -> None:
    with engine_at(tmp_path, venue, "binance", env=preloaded) as it:
        it.reconciled()
        it.do("disk", kind=DELAY, delay_us=SLOW_US)
        began_s = time.monotonic()
        for number in range(4):
            it.do("rest", id=f"slow{number}")
            it.until(partial(lambda count: it.results("submit_order")[count:], number))
        took_s = time.monotonic() - began_s
        lags = lags_ms(it)
        it.do("disk", kind=NOTHING)
        it.until(lambda: all(it.states(f"slow{number}") == ["acked"] for number in range(4)))
        assert [row["status"] for row in it.results("submit_order")] == ["submitted"] * 4
        assert took_s > 4 * COMMIT_S
        assert len(lags) >= 20
        # A loop that waited for commits would be behind by more, most of the time.
        assert lags[len(lags) // 2] < COMMIT_S * 1e3 / 4, lags[-5:]
        out = json.loads(ended(it.process))
        (commits,) = out["metrics"]["engine_journal_commit_seconds"]
        assert commits["sum"] > 4 * COMMIT_S
        assert out["balanced"]


def test_jrn_03_a_full_disk_refuses_orders_and_reports_reach_their_owner_and_are_kept_once_it_has_room(
    venue: dict[str, Any], preloaded: Mapping[str, str], tmp_path: Path
) -> None:
    with engine_at(tmp_path, venue, "binance", env=preloaded) as it:
        it.reconciled()
        it.do("rest", id="open")
        it.until(lambda: it.states("open") == ["acked"])
        it.do("disk", kind=NO_SPACE)
        it.do("rest", id="refused")
        (_, refused) = it.until(lambda: it.results("submit_order")[1:] and it.results("submit_order"))
        assert (refused["status"], refused["reason"]["breach"]) == ("rejected", "journal_unavailable")
        fill(it, "open")
        it.until(lambda: it.states("open")[-1] == "filled")                     # though nothing can be written
        assert len(lags_ms(it)) > 0
        assert len(it.at_venue()) == 1
        it.do("disk", kind=NOTHING)
        numbers = iter(range(10_000))

        def accepted() -> list[Any]:
            it.do("rest", id=f"again{next(numbers)}")
            pass_s(0.2)
            return [row for row in it.results("submit_order")[2:] if row["status"] == "submitted"]

        it.until(accepted)
        out = json.loads(ended(it.process))
        assert out["metrics"]["engine_journal_failures_total"][0]["value"] > 0
        assert out["metrics"]["engine_journal_unwritten_total"][0]["value"] == 0
        assert out["pipeline"]["telemetry"]["journal.failed"] >= 1
        told = it.told("ExecReport", "open")
    (tmp_path / "todo.jsonl").unlink()
    with engine_at(tmp_path, venue, "binance") as it:
        it.reconciled(2)
        it.do("rest", id="open")
        duplicate = it.until(lambda: [row for row in it.results("submit_order") if row["client_order_id"] == "open"][1:])
        assert (duplicate[0]["status"], duplicate[0]["order_state"]) == ("duplicate", "filled")
        assert {row["event_id"] for row in it.told("ExecReport", "open")} == {row["event_id"] for row in told}


def test_jrn_03_a_disk_that_hangs_holds_reports_back_for_a_moment_and_sends_no_old_order(
    venue: dict[str, Any], preloaded: Mapping[str, str], tmp_path: Path
) -> None:
    """A commit takes many seconds: a fill is told before it, and an order that may take one does not go out after it."""
    with engine_at(tmp_path, venue, "binance", env=preloaded) as it:
        it.reconciled()
        it.do("rest", id="open")
        it.until(lambda: it.states("open") == ["acked"])
        it.do("disk", kind=DELAY, delay_us=HANGS_US)
        lags_ms(it)                                                              # it is so by now
        it.do("rest", id="late", timeout_ms=1000)
        fill(it, "open")
        it.until(lambda: it.states("open")[-1] == "filled")
        assert it.results("submit_order")[1:] == []
        late = it.until(lambda: it.results("submit_order")[1:])
        assert (late[0]["status"], late[0]["reason"]["breach"]) == ("rejected", "journal_unavailable")
        assert len(it.at_venue()) == 1
        it.do("disk", kind=NOTHING)
        it.do("rest", id="late")
        it.until(lambda: it.results("submit_order")[2:])
        assert it.results("submit_order")[2]["status"] == "submitted"
        assert json.loads(ended(it.process))["balanced"]
