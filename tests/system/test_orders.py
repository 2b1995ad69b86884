"""Orders from a strategy to a venue and back, through `engine-run run` and the simulated venues (TRD-10, TRD-22, ORDM-02)."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any

import pytest

import engine
from tests.system.test_account_cli import KEYS, control, ended
from tests.system.test_control import pass_s
from tests.system.test_run_cli import running, simulator

pytestmark = [pytest.mark.system, pytest.mark.timeout(60)]
SYMBOLS = {"binance": "BTC-USDT", "coinbase": "BTC-USD", "kraken": "BTC-USD"}
DESK = '''
import json
import pathlib

import engine


class Driven:
    """Does what the lines of a file say, once its provider is reconciled, and notes all it is told."""

    def __init__(self, notes, todo):
        self.book, self.out, self.todo, self.done = engine.Book(), open(notes, "a"), pathlib.Path(todo), 0

    def on_batch(self, events, ctx):
        for event in events:
            if event.is_critical:
                self.out.write(engine.to_json(event).decode() + chr(10))
                self.out.flush()
            elif self.book.apply(event):
                self.symbol = event.symbol
        if self.book.is_valid and self.todo.exists():
            lines = self.todo.read_text().splitlines()
            for line in lines[self.done:]:
                getattr(self, "do_" + json.loads(line).pop("do"))(ctx, **{k: v for k, v in json.loads(line).items() if k != "do"})
            self.done = len(lines)

    def on_stop(self, ctx):
        self.out.close()

    def do_take(self, ctx, id, **more):
        ctx.submit(id, self.symbol, side="buy", qty="0.01", price=str(self.book.best_ask[0]), **more)

    def do_rest(self, ctx, id, **more):
        price = (self.book.best_bid[0] * 199 / 200).quantize(self.book.best_bid[0])
        ctx.submit(id, self.symbol, side="buy", qty="0.01", price=str(price), **more)

    def do_storm(self, ctx, ids):
        for id in ids:
            self.do_rest(ctx, id)

    def do_flip(self, ctx, count):
        for number in range(count):
            self.do_rest(ctx, f"flip{number}")
        ctx.set_trading_mode(False)

    def do_cancel(self, ctx, id):
        ctx.cancel(id)

    def do_query(self, ctx, id):
        ctx.query(id)

    def do_cancel_all(self, ctx):
        ctx.cancel_all()

    def do_switch(self, ctx, on):
        ctx.set_trading_mode(on)
'''
CONFIG = """
schema_version: 1
engine: {{state_dir: state}}
providers:
  - name: {venue}
    venue: {venue}
    symbols: [{symbol}]
    streams: [book]
    ws_endpoint: {ws}
    ws_private_endpoint: {ws_private}
    rest_endpoint: {rest}
    credentials: {{api_key_env: {upper}_API_KEY, api_secret_env: {upper}_API_SECRET, key_type: {key_type}}}
    orders: {{enabled: true, on_stop: {on_stop}}}
risk: {{limits: {{orders_per_s: 100, orders_burst: 100, max_open_orders_per_symbol: 100}}}}
consumers:
  - consumer_id: mm1
    mode: {mode}
    handler: desk:Driven
    trading_switch: {switch}
    params: {{notes: told.jsonl, todo: todo.jsonl}}
    subscriptions: [{{symbol: {symbol}, event_types: [BookUpdate]}}]
"""


def written(folder: Path, venue: str, addresses: dict[str, Any], mode: str = "inline", switch: str = "enabled", on_stop: str = "leave") -> Path:
    (folder / "desk.py").write_text(DESK)
    path = folder / "engine.yaml"
    kind = "hmac" if venue == "kraken" else "ed25519"
    told_of = {"ws_private": "null", **addresses[venue]}
    path.write_text(CONFIG.format(venue=venue, upper=venue.upper(), symbol=SYMBOLS[venue], mode=mode, switch=switch, on_stop=on_stop,
                                  key_type=kind, **told_of))  # fmt: skip
    return path


class Trading:
    """An engine at a simulated venue, what its strategy is asked to do, and what it was told."""

    def __init__(self, folder: Path, process: Any, addresses: dict[str, Any], venue: str) -> None:
        self.folder, self.process, self.addresses, self.venue = folder, process, addresses, venue

    def do(self, what: str, **more: Any) -> None:
        with (self.folder / "todo.jsonl").open("a") as out:
            out.write(json.dumps({"do": what, **more}) + "\n")

    def told(self, kind: str = "ExecReport", client_order_id: str | None = None) -> list[dict[str, Any]]:
        path = self.folder / "told.jsonl"
        lines = path.read_text().splitlines(keepends=True) if path.exists() else []
        rows = [json.loads(line) for line in lines if line.endswith("\n")]
        return [row for row in rows if row["type"] == kind and client_order_id in (None, row.get("client_order_id"))]

    def states(self, client_order_id: str) -> list[str]:
        return [row["order_state"] for row in self.told("ExecReport", client_order_id)]

    def results(self, kind: str) -> list[dict[str, Any]]:
        return [row["result"] for row in self.told("ControlResult") if row["command_type"] == kind]

    def at_venue(self) -> list[dict[str, Any]]:
        """Every order of ours that the venue has."""
        accounts = control(self.addresses, "/orders")[self.venue]
        return [order for rows in accounts.values() for order in rows if not order["foreign"]]

    def until(self, look: Any, within_s: float = 25.0) -> Any:
        """What *look* finds once it finds something."""
        end_s = time.monotonic() + within_s
        while time.monotonic() < end_s:
            found = look()
            if found:
                return found
            pass_s(0.02)
        raise AssertionError(f"it did not come: {self.told()[-3:]} {self.told('ControlAck')[-2:]} {self.told('RiskControl')[-2:]}")

    def reconciled(self, count: int = 1) -> None:
        """Until orders may be sent, for the *count*-th time."""
        self.until(lambda: sum(row["status"] == "cleared" for row in self.told("RiskControl")) >= count)


@contextmanager
def engine_at(folder: Path, addresses: dict[str, Any], venue: str, **options: Any) -> Iterator[Trading]:
    path = written(folder, venue, addresses, **options)
    with running(path, "--json", "--set", "dlq.path=dead.jsonl", cwd=folder, **KEYS) as (process, ready):
        assert ready, process.stderr.read() if process.stderr else ""
        yield Trading(folder, process, addresses, venue)


@contextmanager
def trading(folder: Path, venue: str = "binance", **options: Any) -> Iterator[Trading]:
    with simulator("--venues", venue) as addresses, engine_at(folder, addresses, venue, **options) as it:
        it.reconciled()
        yield it


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


def test_open_orders_are_cancelled_at_the_end_where_the_configuration_says_so(tmp_path: Path) -> None:
    with trading(tmp_path, on_stop="cancel") as it:
        it.do("rest", id="one")
        it.until(lambda: it.states("one") == ["acked"])
        ended(it.process)
        assert [order["status"] for order in it.at_venue()] == ["canceled"]


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


class Quiet:
    """Takes what comes."""

    def on_event(self, event: Any, ctx: Any) -> None:
        """Nothing to do."""


@pytest.mark.timeout(120)
@pytest.mark.parametrize("venue", list(SYMBOLS))
def test_jrn_05_killed_at_any_moment_each_order_is_at_the_venue_at_most_once_and_none_is_forgotten(venue: str, tmp_path: Path) -> None:
    """Four kills within half a second of six submits; those of before are asked for again each time."""
    ids = [f"storm{number}" for number in range(24)]
    moment = Random(20_240_809)
    # Five starts within seconds are more private calls than Kraken lets a key make in a minute.
    with simulator("--venues", venue, "--unlimited") as addresses:
        for round_number in range(4):
            with engine_at(tmp_path, addresses, venue) as it:
                it.until(lambda: it.told("RiskControl")[-1:] and it.told("RiskControl")[-1]["status"] == "cleared")
                it.do("storm", ids=ids[6 * round_number : 6 * round_number + 6] + ids[: 6 * round_number])
                pass_s(moment.random() * (0.1 + 0.15 * round_number))
                it.process.kill()
                it.process.wait()
            (tmp_path / "todo.jsonl").unlink()
            (tmp_path / "told.jsonl").rename(tmp_path / f"told{round_number}.jsonl")
        with engine_at(tmp_path, addresses, venue) as it:
            it.reconciled()
            it.do("storm", ids=ids)
            it.until(lambda: len(it.results("submit_order")) == len(ids))
            it.until(lambda: all(it.states(name) for name in ids))
            placed = it.at_venue()
            assert len({order["client_id"] for order in placed}) == len(placed) <= len(ids)
            known = {order["id"] for order in placed}
            for name in ids:
                last = it.told("ExecReport", name)[-1]
                assert last["is_open"] is (last["venue_order_id"] in known), (name, last)
            it.do("cancel_all")
            it.until(lambda: all(not it.told("ExecReport", name)[-1]["is_open"] for name in ids))
            assert all(order["status"] in ("canceled", "cancelled") for order in it.at_venue())
