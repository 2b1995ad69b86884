"""Subscriptions and commands from outside: a running engine on simulated venues, and each venue's own list (SUB, CTL)."""

from __future__ import annotations

import json
import re
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

import engine
from engine.base.errors import ConfigError, EngineGoneError, UnknownSymbolError
from engine.runtime import demand
from tests.serving import get, post, serving

pytestmark = [pytest.mark.system, pytest.mark.timeout(60)]

SYMBOLS = {"binance": ["BTC-USDT"], "coinbase": ["BTC-USD"], "kraken": ["BTC-USD"]}


class Notes:
    """Notes each market event with when its callback began, and answers apart. Can be held in its callback."""

    def __init__(self) -> None:
        self.events: list[tuple[float, Any]] = []
        self.answers: list[Any] = []
        self.may_go = threading.Event()
        self.may_go.set()
        self.is_held = threading.Event()

    def on_batch(self, events: list[Any], ctx: Any) -> None:
        now_s = time.monotonic()
        for event in events:
            kept = event.detach()
            if event.is_critical:
                self.answers.append(kept)
            else:
                self.events.append((now_s, kept))
        if not self.may_go.is_set():
            self.is_held.set()
            self.may_go.wait()

    def of(self, symbol: str, kind: str = "Trade", since: int = 0) -> list[Any]:
        return [event for _, event in self.events[since:] if (event.symbol, type(event).__name__) == (symbol, kind)]

    def first_s(self, symbol: str) -> float:
        """When the first update of a symbol's book was here; infinite while there is none."""
        return next(
            (at_s for at_s, event in list(self.events) if event.symbol == symbol and type(event).__name__ == "BookUpdate"),
            float("inf"),
        )


class Books(Notes):
    """Keeps the books it is told of."""

    def __init__(self) -> None:
        super().__init__()
        self.books: dict[str, Any] = {}

    def on_batch(self, events: list[Any], ctx: Any) -> None:
        for event in events:
            if type(event).__name__ in ("BookSnapshot", "BookUpdate"):
                self.books.setdefault(event.symbol, engine.Book()).apply(event)
                self.scales = (event.price_scale, event.qty_scale)
        super().on_batch(events, ctx)

    def sides(self, symbol: str) -> list[list[tuple[Decimal, Decimal]]]:
        book, (price, qty) = self.books[symbol], self.scales
        return [[(Decimal(p).scaleb(-price), Decimal(q).scaleb(-qty)) for p, q in side] for side in (book.bids(), book.asks())]


_NEVER = threading.Event()


def pass_s(seconds: float) -> None:
    """Let the engine and the venues go on for so long."""
    _NEVER.wait(seconds)


def wait(holds: Callable[[], bool], within_s: float = 5.0) -> float:
    """Wait until *holds*; answers how long it took."""
    begun_s = time.monotonic()
    while not holds():
        assert time.monotonic() - begun_s < within_s, "in vain"
        pass_s(0.002)
    return time.monotonic() - begun_s


@pytest.fixture(scope="module")
def venues() -> Iterator[dict[str, dict[str, str]]]:
    with serving("--venue", "binance,coinbase,kraken", "--port", 0, "--symbols", 10, "--rate", 1500) as (_, addresses):
        yield addresses


@contextmanager
def running(
    venues: dict[str, dict[str, str]], *sets: str, providers: tuple[str, ...] = ("binance",)
) -> Iterator[engine.Served]:
    """An engine that carries BTC at these venues, whose counts all add up when it ends."""
    rows = [
        {"name": name, "venue": name, "symbols": symbols, "ws_endpoint": venues[name]["ws"], "rest_endpoint": venues[name]["rest"]}
        for name, symbols in SYMBOLS.items()
        if name in providers
    ]
    unlimited = "dispatcher.backpressure.token_rate_per_stream=unlimited"
    with engine.serve(sets=[f"providers={json.dumps(rows)}", unlimited, *sets]) as served:
        yield served
        result = served.stop()
    assert result.summary.imbalances == []
    assert result.outstanding == {}
    with pytest.raises(EngineGoneError):
        served.command("set_debug", {"on": False})


def streams(venues: dict[str, dict[str, str]], venue: str = "binance") -> set[str]:
    """What the venue says it is asked for."""
    return set(get(f"{venues['control']['rest']}/subscriptions")[venue])


def forget_faults(venues: dict[str, dict[str, str]]) -> None:
    request = urllib.request.Request(f"{venues['control']['rest']}/faults", method="DELETE")
    urllib.request.urlopen(request, timeout=10).close()


def trades(*symbols: str) -> list[dict[str, Any]]:
    return [{"symbol": symbol, "event_types": ["Trade"]} for symbol in symbols]


def without_a_break(events: list[Any]) -> bool:
    numbers = [int(event.trade_id) for event in events]
    return numbers == list(range(numbers[0], numbers[0] + len(numbers)))


def test_sub_03_sub_09_eight_symbols_flow_within_a_second_of_being_asked_for(venues: dict[str, dict[str, str]]) -> None:
    first, more = ["BTC-USDT", "ETH-USDT", "SOL-USDT", "XRP-USDT", "DOGE-USDT"], ["ADA-USDT", "LTC-USDT", "DOT-USDT"]
    with running(venues) as served:
        notes = Notes()
        acks = served.join("desk", notes, capacity=8192, subscriptions=[{"symbol": s, "event_types": ["BookUpdate"]} for s in first])
        assert [ack.success for ack in acks] == [True] * 5
        wait(lambda: all(notes.first_s(symbol) < float("inf") for symbol in first))
        # The venue takes 200 ms to answer a REST call.
        post(f"{venues['control']['rest']}/faults", {"fault": "delay_snapshot", "venue": "binance", "for_s": 0.2})
        try:
            asked_s = time.monotonic()
            replies = [served.command("subscribe", {"symbol": s, "event_types": ["BookUpdate"]}, consumer_id="desk") for s in more]
            assert [reply.outcome()["first_event"] for reply in replies] == ["waiting"] * 3
            version = acks[-1].routing_version
            assert [reply.ack.routing_version for reply in replies] == [version + 1, version + 2, version + 3]
            wait(lambda: all(notes.first_s(symbol) < float("inf") for symbol in more))
            assert max(notes.first_s(symbol) for symbol in more) - asked_s < 1.0
            assert {f"{s.replace('-', '').lower()}@depth@100ms" for s in more} <= streams(venues)
            since = len(notes.events)
            wait(lambda: all(notes.of(symbol, "BookUpdate", since) for symbol in first + more))
        finally:
            forget_faults(venues)


def test_sub_09_the_last_leaver_lets_a_symbol_go_after_a_while(venues: dict[str, dict[str, str]], monkeypatch: pytest.MonkeyPatch) -> None:
    assert demand.LINGER_S == 60.0
    monkeypatch.setattr(demand, "LINGER_S", 1.0)
    with running(venues) as served:
        one, two = Notes(), Notes()
        for name, notes in (("one", one), ("two", two)):
            served.join(name, notes, subscriptions=trades("AVAX-USDT", "BTC-USDT"))
        took_s = wait(lambda: "avaxusdt@trade" in streams(venues))
        assert took_s < 1.0
        wait(lambda: bool(one.of("AVAX-USDT") and two.of("AVAX-USDT")))
        served.command("unsubscribe", trades("AVAX-USDT")[0], consumer_id="one").result()
        pass_s(1.3)
        assert "avaxusdt@trade" in streams(venues), "somebody else still takes it"
        served.leave("two")
        pass_s(0.5)
        assert "avaxusdt@trade" in streams(venues), "it lingers"
        # Asked for again in time, it stays.
        served.command("subscribe", trades("AVAX-USDT")[0], consumer_id="one").result()
        pass_s(1.0)
        assert "avaxusdt@trade" in streams(venues)
        served.command("unsubscribe", trades("AVAX-USDT")[0], consumer_id="one").result()
        assert wait(lambda: "avaxusdt@trade" not in streams(venues)) > 0.8
        assert "btcusdt@trade" in streams(venues), "the configuration's own symbols stay"
        # And back again.
        since = len(one.events)
        reply = served.command("subscribe", trades("AVAX-USDT")[0], consumer_id="one")
        assert reply.outcome()["first_event"] in ("live", "waiting")
        assert wait(lambda: bool(one.of("AVAX-USDT", since=since))) < 1.0
        assert without_a_break(one.of("AVAX-USDT", since=since))


def test_sub_04_after_an_unsubscribe_nothing_of_that_route_arrives_and_the_rest_is_complete(venues: dict[str, dict[str, str]]) -> None:
    with running(venues) as served:
        notes = Notes()
        served.join("desk", notes, capacity=256, version_filter=False, subscriptions=trades("BTC-USDT", "ETH-USDT"))
        wait(lambda: bool(notes.of("BTC-USDT") and notes.of("ETH-USDT")))
        notes.may_go.clear()
        notes.is_held.wait(5)
        wait(lambda: served.consumers()["desk"]["queued"] > 100, 20)
        before = len(notes.events)
        reply = served.command("unsubscribe", trades("BTC-USDT")[0], consumer_id="desk", message_id="away")
        assert reply.result().success
        pass_s(0.2)
        notes.may_go.set()
        wait(lambda: len(notes.of("ETH-USDT", since=before)) > 20)
        assert notes.of("BTC-USDT", since=before) == []
        assert without_a_break(notes.of("ETH-USDT"))
        assert [type(answer).__name__ for answer in notes.answers if answer.message_id == "away"] == ["ControlAck", "ControlResult"]
        row = served.consumers()["desk"]
        assert row["skipped_version"] > 0
        assert row["dropped"] == 0


def test_sub_05_who_leaves_disturbs_nobody(venues: dict[str, dict[str, str]]) -> None:
    with running(venues) as served:
        three = {name: Notes() for name in ("a", "b", "c")}
        for name, notes in three.items():
            served.join(name, notes, capacity=4096, subscriptions=trades("BTC-USDT", "ETH-USDT"))
        wait(lambda: all(len(notes.of("BTC-USDT")) > 20 for notes in three.values()))
        served.command("unsubscribe", trades("BTC-USDT")[0], consumer_id="a").result()
        served.leave("b")
        mark = len(three["c"].of("BTC-USDT"))
        wait(lambda: len(three["c"].of("BTC-USDT")) > mark + 30 and len(three["a"].of("ETH-USDT")) > 30)
        assert without_a_break(three["c"].of("BTC-USDT"))
        assert without_a_break(three["c"].of("ETH-USDT"))
        assert without_a_break(three["a"].of("ETH-USDT"))


def test_sub_06_a_hundred_times_the_same_is_one_subscription(venues: dict[str, dict[str, str]]) -> None:
    with running(venues) as served:
        notes = Notes()
        (first,) = served.join("desk", notes, capacity=4096, subscriptions=trades("BTC-USDT"))
        replies = [served.command("subscribe", trades("BTC-USDT")[0], consumer_id="desk") for _ in range(100)]
        assert {(reply.ack.success, reply.ack.routing_version) for reply in replies} == {(True, first.routing_version)}
        assert len({reply.outcome()["subscription_id"] for reply in replies}) == 1
        wait(lambda: len(notes.of("BTC-USDT")) > 50)
        assert without_a_break(notes.of("BTC-USDT"))
        wait(lambda: sum(type(answer).__name__ == "ControlAck" for answer in notes.answers) == 101)
        assert len({answer.message_id for answer in notes.answers}) == 101


def test_sub_07_window_lengths_follow_the_parameters_of_the_command(venues: dict[str, dict[str, str]]) -> None:
    """Of a symbol that neither venue was asked for before."""
    with running(venues, providers=("coinbase", "kraken")) as served:
        notes = Notes()
        served.join("desk", notes, capacity=4096)
        rules = []
        for window_ms in (150, 400):
            since = len(notes.events)
            asked = {"symbol": "ETH-USD", "providers": ["coinbase", "kraken"], "event_types": ["BookUpdate"],
                     "merge_config": {"window_duration_ms": window_ms}}  # fmt: skip
            outcome = served.command("merged_subscribe", asked, consumer_id="desk").outcome()
            rules.append(outcome["rule"])
            wait(lambda since=since: len(notes.events) > since + 4, 10)
            served.command("merged_unsubscribe", asked, consumer_id="desk").result()
            merged = [event for _, event in notes.events[since:] if event.rule == outcome["rule"]]
            assert {event.window_close_ns - event.window_open_ns for event in merged} == {window_ms * 1_000_000}
            assert {event.merge_id.split(":")[0] for event in merged} == {outcome["rule"]}
            assert {event.close_reason for event in merged} == {engine.CloseReason.TIME}
        assert len(set(rules)) == 2


def test_sub_08_a_new_subscription_begins_with_the_book_and_stays_equal_to_the_venues(venues: dict[str, dict[str, str]]) -> None:
    control = venues["control"]["rest"]
    with running(venues) as served:
        served.join("first", Notes(), subscriptions=[{"symbol": "BTC-USDT", "event_types": ["BookUpdate"]}])
        pass_s(0.5)
        books = Books()
        served.join("late", books, capacity=4096, subscriptions=[{"symbol": "BTC-USDT", "event_types": ["BookUpdate"]}])
        wait(lambda: len(books.of("BTC-USDT", "BookUpdate")) > 10)
        assert type(books.events[0][1]).__name__ == "BookSnapshot"
        reply = served.command("request_snapshot", {"provider": "binance", "symbol": "BTC-USDT"}, consumer_id="late")
        number = reply.outcome()["final_update_id"]
        wait(lambda: any(event.seq_provider == number and event.reason is engine.BookReason.REQUESTED
                         for event in books.of("BTC-USDT", "BookSnapshot")))  # fmt: skip
        post(f"{control}/pause")
        try:
            told = get(f"{control}/books?venue=binance&symbol=BTCUSDT")["binance"]["BTCUSDT"]
            theirs = [[(Decimal(p), Decimal(q)) for p, q in told[side]] for side in ("bids", "asks")]
            wait(lambda: [side[:1000] for side in theirs] == books.sides("BTC-USDT"))
        finally:
            post(f"{control}/resume")


@pytest.mark.parametrize(
    ("payload", "code"),
    [
        ({"symbol": "NOPE-USDT", "event_types": ["Trade"]}, "not_found"),
        ({"symbol": "ETH-USDT", "event_types": ["Trade"], "providers": ["nobody"]}, "not_found"),
        ({"symbol": "ETH-USDT", "event_types": ["Trades"]}, "invalid_request"),
        ({"symbol": "ETH-USDT"}, "invalid_request"),
        ({"symbol": "ETH-USDT", "event_types": ["Trade"], "telemetry": 1}, "invalid_request"),
        ({"symbol": "ETH-USDT", "event_types": ["Trade"], "providers": ["binance", "coinbase"]}, "not_found"),
        ({"symbol": "ETH-USDT", "event_types": ["BalanceUpdate"]}, "auth"),
    ],
)
def test_sub_10_a_bad_command_changes_nothing_here_nor_at_the_venue(
    venues: dict[str, dict[str, str]], payload: dict[str, Any], code: str
) -> None:
    with running(venues, providers=("binance", "coinbase")) as served:
        (first,) = served.join("desk", Notes(), subscriptions=trades("BTC-USDT"))
        ack = served.command("subscribe", payload, consumer_id="desk").ack
        assert ack.error is not None
        assert (ack.success, ack.error["code"], ack.routing_version) == (False, code, first.routing_version)
        pass_s(0.3)
        assert [name for name in streams(venues) | streams(venues, "coinbase") if "eth" in name.lower()] == []


def test_sub_12_a_hundred_consumers_come_and_go(venues: dict[str, dict[str, str]]) -> None:
    with running(venues) as served:
        watcher = Notes()
        served.join("watcher", watcher, capacity=4096, subscriptions=trades("BTC-USDT"))
        threads = threading.active_count()
        for number in range(100):
            notes = Books()
            served.join("guest", notes, mode=("thread", "inline")[number % 2],
                        subscriptions=[{"symbol": "BTC-USDT", "event_types": ["BookUpdate", "Trade"]}])  # fmt: skip
            wait(lambda notes=notes: bool(notes.events))
            assert type(notes.events[0][1]).__name__ in ("BookSnapshot", "Trade")
            assert served.leave("guest") == "stopped"
        assert threading.active_count() == threads
        assert list(served.consumers()) == ["watcher"]
        mark = len(watcher.events)
        wait(lambda: len(watcher.events) > mark)
        assert without_a_break(watcher.of("BTC-USDT"))
        assert served.leave("watcher") == "stopped"
        wait(lambda: served.summary().imbalances == [])
        row = served.summary().consumers["(left)"]
        assert row["offered"] == row["delivered"] + row["coalesced"] + row["skipped"] + row["dropped"]
        with pytest.raises(UnknownSymbolError):
            served.leave("guest")


def test_who_cannot_join_leaves_no_trace(venues: dict[str, dict[str, str]]) -> None:
    class Fails(Notes):
        def on_start(self, ctx: Any) -> None:
            raise ValueError("not today")

    with running(venues) as served:
        served.join("desk", Notes())
        for mode in ("thread", "inline"):
            with pytest.raises(ValueError, match="not today"):
                served.join("fails", Fails(), mode=mode)
        with pytest.raises(ConfigError, match="is there already"):
            served.join("desk", Notes())
        assert list(served.consumers()) == ["desk"]


def test_a_provider_stops_and_starts_by_command(venues: dict[str, dict[str, str]]) -> None:
    with running(venues) as served:
        books = Books()
        served.join("desk", books, capacity=4096, subscriptions=[{"symbol": "BTC-USDT", "event_types": ["BookUpdate"]}])
        wait(lambda: bool(books.of("BTC-USDT", "BookUpdate")))
        assert served.command("provider_stop", {"provider": "binance"}).outcome(3.0) == {"state": "stopped"}
        assert served.command("provider_stop", {"provider": "binance"}).outcome(3.0) == {"state": "stopped"}
        wait(lambda: streams(venues) == set())
        wait(lambda: not books.books["BTC-USDT"].is_valid)
        refused = served.command("subscribe", trades("SOL-USDT")[0], consumer_id="desk").ack
        assert refused.error is not None
        assert refused.error["code"] == "unavailable"
        assert served.command("provider_start", {"provider": "binance"}).outcome(3.0) == {"state": "starting"}
        wait(lambda: bool(books.books["BTC-USDT"].is_valid), 10)
        assert "btcusdt@depth@100ms" in streams(venues)
        unknown = served.command("provider_stop", {"provider": "nobody"}).ack
        assert unknown.error is not None
        assert unknown.error["code"] == "not_found"


def test_bp_10_a_blocked_consumer_misses_no_trade_before_the_notice(venues: dict[str, dict[str, str]]) -> None:
    with running(venues, "bus.spill_trades=150") as served:
        notes, watcher = Notes(), Notes()
        served.join("watcher", watcher, capacity=8192, subscriptions=trades("BTC-USDT"))
        served.join("desk", notes, capacity=32, subscriptions=[{**trades("BTC-USDT")[0], "never_drop_trades": True}])
        wait(lambda: bool(notes.of("BTC-USDT")))
        notes.may_go.clear()
        assert notes.is_held.wait(5)
        wait(lambda: served.consumers()["desk"]["dropped"] == 1, 20)
        notes.may_go.set()
        gaps = wait_for_gap(notes)
        first_missing = int(gaps["first_missing"].rpartition(":")[2])
        wait(lambda: bool(notes.of("BTC-USDT")) and int(notes.of("BTC-USDT")[-1].trade_id) == first_missing - 1)
        assert without_a_break(notes.of("BTC-USDT"))
        mark = len(watcher.events)
        wait(lambda: len(watcher.events) > mark + 20)
        assert int(notes.of("BTC-USDT")[-1].trade_id) == first_missing - 1, "nothing comes after the gap"
        assert without_a_break(watcher.of("BTC-USDT"))


def wait_for_gap(notes: Notes) -> dict[str, Any]:
    """What the notice of a suspension says is missing."""
    found: list[dict[str, Any]] = []

    def look() -> bool:
        found.extend(answer.result["gap"] for answer in list(notes.answers)
                     if type(answer).__name__ == "ControlResult" and "gap" in answer.result)  # fmt: skip
        return bool(found)

    wait(look)
    return found[0]


class Spread(Notes):
    """The strategy of the documentation's example."""


def test_the_example_of_the_documentation_runs(
    venues: dict[str, dict[str, str]], project_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (code,) = re.findall(r"```python\n(.*?)```", (project_root / "docs" / "commands.md").read_text(), re.DOTALL)
    provider = {"name": "binance", "venue": "binance", "symbols": ["BTC-USDT"], "ws_endpoint": venues["binance"]["ws"],
                "rest_endpoint": venues["binance"]["rest"]}  # fmt: skip
    (tmp_path / "engine.yaml").write_text(json.dumps({"schema_version": 1, "providers": [provider]}))
    monkeypatch.chdir(tmp_path)
    exec(code, {"engine": engine, "Spread": Spread})


def test_evt_17_sub_02_ten_thousand_mixed_commands_are_answered_once_each_however_full_the_mailbox(
    venues: dict[str, dict[str, str]],
) -> None:
    """Its consumer is blocked meanwhile, and its mailbox full of trades."""
    with running(venues) as served:
        notes = Notes()
        served.join("desk", notes, capacity=16, subscriptions=trades("BTC-USDT"))
        wait(lambda: bool(notes.of("BTC-USDT")))
        notes.may_go.clear()
        assert notes.is_held.wait(5)
        wait(lambda: served.consumers()["desk"]["dropped"] > 0, 20)
        asked: dict[str, tuple[bool, bool]] = {}
        kinds: list[tuple[str, dict[str, Any], bool, bool]] = [
            ("subscribe", trades("BTC-USDT")[0], True, True),
            ("subscribe", trades("NOPE-USDT")[0], False, False),
            ("set_trading_mode", {"enabled": True}, True, False),
            ("unsubscribe", trades("SOL-USDT")[0], False, False),
            ("submit_order", {}, False, False),
            ("fly", {}, False, False),
        ]
        replies = []
        for number in range(10_000):
            kind, payload, succeeds, has_result = kinds[number % len(kinds)]
            asked[f"m{number}"] = (succeeds, has_result)
            replies.append(served.command(kind, payload, consumer_id="desk", message_id=f"m{number}"))
            if number % 100 == 99:
                assert replies[-1].ack.message_id == f"m{number}"      # no more wait than may
        notes.may_go.set()
        acks = {name: succeeds for name, (succeeds, _) in asked.items()}
        wait(lambda: sum(type(one).__name__ == "ControlAck" for one in list(notes.answers)) == 10_001, 20)
        told = [one for one in notes.answers if one.message_id in asked]
        assert {one.message_id: one.success for one in told if type(one).__name__ == "ControlAck"} == acks
        assert [reply.ack.success for reply in replies] == list(acks.values())
        results = [one.message_id for one in told if type(one).__name__ == "ControlResult"]
        assert results == [name for name, (_, has_result) in asked.items() if has_result]
        acked_at = {one.message_id: at for at, one in enumerate(told) if type(one).__name__ == "ControlAck"}
        told_at = {one.message_id: at for at, one in enumerate(told) if type(one).__name__ == "ControlResult"}
        assert all(acked_at[name] < told_at[name] for name in results), "never before its ack"
        assert served.consumers()["desk"]["dropped"] > 0
