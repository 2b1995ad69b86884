"""Orders across crashes, restarts and reconnects, through `engine-run run` and the simulated venues (JRN-05 to JRN-14, TRD-04)."""

from __future__ import annotations

import importlib
import json
import signal
import threading
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

import engine
from tests.system.order_kit import SYMBOLS, Trading, engine_at, trading, written
from tests.system.test_account_cli import KEYS, control, ended
from tests.system.test_control import pass_s
from tests.system.test_run_cli import simulator

pytestmark = [pytest.mark.system, pytest.mark.timeout(60)]


@pytest.mark.parametrize("venue", list(SYMBOLS))
def test_jrn_05_jrn_07_after_kill_9_orders_are_found_as_they_are_and_their_ids_stay_taken(venue: str, tmp_path: Path) -> None:
    with simulator("--venues", venue) as addresses:
        with engine_at(tmp_path, addresses, venue) as it:
            it.reconciled()
            for name in ("filled", "cancelled", "open"):
                it.do("rest", id=name)
            it.until(lambda: all(it.states(name) == ["acked"] for name in ("filled", "cancelled", "open")))
            it.process.kill()
            it.process.wait()
        by_id = {row["client_order_id"]: row["venue_order_id"] for row in it.told()}
        for order in it.at_venue():
            if order["id"] == by_id["filled"]:
                control(addresses, "/orders/act", {"venue": venue, "order": order["number"], "do": "fill"})
            elif order["id"] == by_id["cancelled"]:
                control(addresses, "/orders/act", {"venue": venue, "order": order["number"], "do": "cancel"})
        (tmp_path / "todo.jsonl").unlink()
        with engine_at(tmp_path, addresses, venue) as it:
            it.reconciled(2)
            it.until(lambda: it.states("filled")[-1] == "filled" and it.states("cancelled")[-1] == "cancelled")
            assert it.told("ExecReport", "filled")[-1]["flags"] == ["reconciled"]
            assert it.states("open")[-1] == "acked"
            for name in ("filled", "cancelled", "open"):
                it.do("rest", id=name)
            it.until(lambda: sum(row["status"] == "duplicate" for row in it.results("submit_order")) == 3)
            assert len(it.at_venue()) == 3
            for name in ("filled", "cancelled", "open"):
                seqs = [row["order_report_seq"] for row in it.told("ExecReport", name)]
                assert sorted(set(seqs)) == list(range(1, max(seqs) + 1)), name


@pytest.mark.parametrize("venue", list(SYMBOLS))
def test_trd_26_jrn_09_an_order_of_others_is_told_kept_and_left_alone(venue: str, tmp_path: Path) -> None:
    with trading(tmp_path, venue) as it:
        control(it.addresses, "/faults", {"fault": "trade_elsewhere", "symbol": SYMBOLS[venue]})
        it.do("take", id="one")
        it.until(lambda: "filled" in it.states("one"))
        assert {row["client_order_id"] for row in it.told()} == {"one"}
        ended(it.process)
    letters = [json.loads(line) for line in (tmp_path / "dead.jsonl").read_text().splitlines()]
    assert any(one["reason"] == "foreign_order" for one in letters)


@pytest.mark.parametrize("venue", ["binance", "kraken"])
def test_jrn_10_after_a_reconnect_all_that_was_missed_is_told_as_reconciled(venue: str, tmp_path: Path) -> None:
    """A fill and a cancel that the stream does not tell, then an order whose connection is cut in place of its answer."""
    with trading(tmp_path, venue) as it:
        for name in ("one", "two"):
            it.do("rest", id=name)
        it.until(lambda: it.states("one") == it.states("two") == ["acked"])
        number_of = {row["client_order_id"]: row["venue_order_id"] for row in it.told()}
        control(it.addresses, "/faults", {"fault": "lost_report", "count": 2})
        for order in it.at_venue():
            what = "fill" if order["id"] == number_of["one"] else "cancel"
            control(it.addresses, "/orders/act", {"venue": venue, "order": order["number"], "do": what})
        control(it.addresses, "/faults", {"fault": "disconnect_after_accept"})
        it.do("rest", id="three")
        it.reconciled(2)
        it.until(lambda: it.states("one")[-1] == "filled" and it.states("two")[-1] == "cancelled" and it.states("three"))
        for name, state in (("one", "filled"), ("two", "cancelled"), ("three", "acked")):
            last = it.told("ExecReport", name)[-1]
            assert last["order_state"] == state, name
            # Kraken's stream begins with a snapshot, which may tell it first.
            assert last["flags"] == ["reconciled"] or venue == "kraken", name
        assert len(it.at_venue()) == 3
        holds = [row["status"] for row in it.told("RiskControl")]
        assert holds == ["triggered", "cleared"] * 2
        assert json.loads(ended(it.process))["balanced"]


def test_jrn_06_until_the_venue_has_answered_after_a_start_orders_are_refused(tmp_path: Path) -> None:
    with simulator("--venues", "binance") as addresses:
        control(addresses, "/faults", {"fault": "delay_open_orders", "for_s": 3})
        with engine_at(tmp_path, addresses, "binance") as it:
            it.do("rest", id="early")
            (early,) = it.until(lambda: it.results("submit_order"))
            assert (early["status"], early["reason"]["breach"]) == ("rejected", "reconciling")
            it.reconciled()
            it.do("rest", id="early")
            it.until(lambda: "acked" in it.states("early"))
            assert len(it.at_venue()) == 1


def test_jrn_14_a_damaged_journal_refuses_orders_and_leaves_the_market_running(tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "orders.db").write_bytes(b"no journal at all" * 100)
    with trading(tmp_path) as it:
        it.do("take", id="one")
        (result,) = it.until(lambda: it.results("submit_order"))
        assert (result["status"], result["reason"]["breach"], it.at_venue()) == ("rejected", "journal_unavailable", [])
        it.do("take", id="one")                                      # its book goes on, or it would not be asked
        it.until(lambda: len(it.results("submit_order")) == 2)
        assert json.loads(ended(it.process))["balanced"]
    assert (tmp_path / "state" / "orders.db").read_bytes() == b"no journal at all" * 100


def test_trd_04_thirty_two_threads_ask_for_one_id_and_the_venue_sees_one_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each of two consumers; and again after the engine was started anew on the same journal."""
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    payload = {"client_order_id": "same", "symbol": "BTC-USDT", "side": "buy", "order_type": "market", "qty": "0.01"}

    def ask_at_once(served: engine.Served, consumer_id: str) -> list[str]:
        gate = threading.Barrier(32)

        def ask(number: int) -> str:
            gate.wait(10)
            reply = served.command("submit_order", payload, consumer_id=consumer_id, message_id=f"m{number}")
            return str(reply.outcome(20)["status"])

        with ThreadPoolExecutor(32) as threads:
            return sorted(threads.map(ask, range(32)))

    with simulator("--venues", "binance") as addresses:
        path = written(tmp_path, "binance", addresses)
        for round_number in (1, 2):
            with engine.serve(path, sets=["bus.control_capacity=64"]) as served:
                it = Trading(tmp_path, None, addresses, "binance")
                served.join("mm2", Quiet())
                served.command("set_trading_mode", {"consumer_id": "mm2", "enabled": True}).result()
                it.reconciled(round_number)
                pass_s(0.2)                                           # until its book is valid
                expected = ["duplicate"] * 31 + ["submitted"] if round_number == 1 else ["duplicate"] * 32
                assert ask_at_once(served, "mm1") == expected
                assert ask_at_once(served, "mm2") == expected
        assert len(it.at_venue()) == 2


def cut(served: engine.Served, provider: str) -> None:
    """Drop the connection on which a venue tells of the account."""
    live = served._live()

    def drop() -> None:
        account = next(one for one in live.sessions if one.feed.provider == provider).account
        link = None if account is None else account.open_link()
        assert link is not None
        link.connection.drop("cut by a test")

    assert live.engine.post is not None
    live.engine.post(drop)


def test_jrn_10_at_coinbase_what_came_while_the_stream_was_away_is_told_once_and_no_fill_of_before_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a process of the test: orders go by REST there, and no answer of theirs cuts the stream."""
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    with simulator("--venues", "coinbase") as addresses, engine.serve(written(tmp_path, "coinbase", addresses)) as served:
        it = Trading(tmp_path, None, addresses, "coinbase")
        it.reconciled()
        it.do("take", id="before")
        for name in ("one", "two"):
            it.do("rest", id=name)
        it.until(lambda: it.states("one") == it.states("two") == ["acked"] and "filled" in it.states("before"))
        told = len(it.told("ExecReport", "before"))
        numbers = {order["id"]: order["number"] for order in it.at_venue()}
        number_of = {row["client_order_id"]: numbers[row["venue_order_id"]] for row in it.told()}
        control(addresses, "/faults", {"fault": "lost_report", "count": 2})
        for name, what in (("one", "fill"), ("two", "cancel")):
            control(addresses, "/orders/act", {"venue": "coinbase", "order": number_of[name], "do": what})
        for round_number in (2, 3):                                  # the second time there is nothing new
            cut(served, "coinbase")
            it.reconciled(round_number)
            it.until(lambda: it.states("one")[-1] == "filled" and it.states("two")[-1] == "cancelled")
        assert len(it.told("ExecReport", "before")) == told
        for name in ("one", "two"):
            reports = it.told("ExecReport", name)
            assert [row["order_report_seq"] for row in reports] == list(range(1, len(reports) + 1)), name
            assert {row["anomaly"] for row in reports} == {"none"}, name
        assert it.told("ExecReport", "one")[-1]["flags"] == it.told("ExecReport", "two")[-1]["flags"] == ["reconciled"]
        assert sum(Decimal(row["last_qty"]) for row in it.told("ExecReport", "one")) == Decimal("0.01")


def test_jrn_12_a_strategy_that_comes_back_is_told_how_its_open_order_stands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    with simulator("--venues", "binance") as addresses, engine.serve(written(tmp_path, "binance", addresses)) as served:
        it = Trading(tmp_path, None, addresses, "binance")
        it.reconciled()
        it.do("rest", id="one")
        it.until(lambda: it.states("one") == ["acked"])
        (first,) = it.told()
        assert served.leave("mm1") == "stopped"
        (tmp_path / "told.jsonl").unlink()
        (order,) = it.at_venue()
        control(addresses, "/orders/act", {"venue": "binance", "order": order["number"], "do": "fill", "qty": "0.004"})
        live = served._live()
        assert live.orders is not None
        orders = live.orders
        it.until(lambda: orders.desk.order(("mm1", "one")).filled_qty_raw and not len(orders.outbox))
        handler = importlib.import_module("desk").Driven("told.jsonl", "none.jsonl")
        served.join("mm1", handler, mode="inline")
        it.until(lambda: it.states("one")[-1:] == ["partially_filled"])
        again = it.told()
        assert [row["flags"] for row in again] == [["reconciled"]] * len(again)
        assert [row["order_report_seq"] for row in again] in ([1, 2], [2])            # the first one's delivery was noted, or not yet
        assert again[0]["event_id"] in (first["event_id"], again[-1]["event_id"])


class Quiet:
    """Takes what comes."""

    def on_event(self, event: Any, ctx: Any) -> None:
        """Nothing to do."""


def account(told: list[dict[str, Any]]) -> dict[str, Decimal]:
    """What was filled by the owner's reports, each counted once, by the venue's order."""
    filled: dict[str, Decimal] = {}
    counted: set[tuple[str, int]] = set()
    for row in told:
        report = (row["client_order_id"], row["order_report_seq"])
        if row["venue_order_id"] is not None and report not in counted:
            counted.add(report)
            filled[row["venue_order_id"]] = filled.get(row["venue_order_id"], Decimal(0)) + Decimal(row["last_qty"])
    return filled


@pytest.mark.parametrize("sleeps_s", [0, 15], ids=["free", "blocked"])
def test_shut_02_reports_of_before_the_stop_come_before_the_exit_and_else_at_the_next_start(sleeps_s: int, tmp_path: Path) -> None:
    """A thousand orders in flight at SIGTERM; an owner that takes its reports, then one that is blocked."""
    ids = [f"n{number}" for number in range(1000)]
    no_limits = [f"risk.limits.{name}={value}" for name, value in
                 (("orders_per_s", 100000), ("orders_burst", 100000), ("max_open_orders_per_symbol", 10000))]  # fmt: skip
    with simulator("--venues", "binance", "--unlimited") as addresses:
        with engine_at(tmp_path, addresses, "binance", no_limits, mode="thread") as it:
            it.reconciled()
            it.do("storm", ids=ids, each="take", then_sleep_s=sleeps_s)
            it.until(lambda: len(it.at_venue()) >= 100)
            it.process.send_signal(signal.SIGTERM)
            it.process.communicate(timeout=30)
            assert it.process.returncode == (3 if sleeps_s else 0)
        told_before = len(it.told())
        assert (told_before == 0) == bool(sleeps_s)
        (tmp_path / "todo.jsonl").unlink()
        with engine_at(tmp_path, addresses, "binance", no_limits, mode="thread") as it:
            it.reconciled(1 if sleeps_s else 2)
            it.until(lambda: {order["id"]: Decimal(order["filled"]) for order in it.at_venue()} == account(it.told()))
            ended(it.process)
        numbers: dict[str, set[int]] = {}
        for row in it.told():
            numbers.setdefault(row["client_order_id"], set()).add(row["order_report_seq"])
            assert row["venue_order_id"] or row["order_state"] == "rejected"            # it was not sent any more
        assert all(seen == set(range(1, len(seen) + 1)) for seen in numbers.values())
