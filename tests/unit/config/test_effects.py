"""ARC-29: each key that is read is changed, and the change is seen in what the engine does."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from engine.base.clock import ManualClock
from engine.base.errors import ConfigError
from engine.config.load import load_config
from engine.config.sections import EngineConfig
from engine.consumers.subscriptions import Subscription
from engine.providers.session import Session
from engine.runtime.assembly import Engine
from engine.runtime.live import LiveEngine, book_rules
from engine.runtime.replay import Replay
from engine.runtime.runreport import run_report
from engine.schema.enums import EventType
from tests.unit.config.configs import assignment
from tests.unit.config.effects_elsewhere import ELSEWHERE
from tests.unit.config.test_keys import READ_NOW
from tests.unit.runtime.engine_kit import START_NS, TradeEngine, trade_frame

MS = 1_000_000
CONSUMER = {"consumer_id": "mm1", "name": "Maker", "mode": "inline", "handler": "tests.unit.config.test_effects:Notes",
            "params": {}, "subscriptions": [{"symbol": "BTC-USDT", "providers": [], "event_types": ["Trade"]}]}  # fmt: skip
PROVIDER = {"name": "binance", "venue": "binance", "symbols": ["BTC-USDT", "SOL-USDT"]}


class Notes:
    """Notes the sizes of its batches and what it was built with."""

    def __init__(self, **params: Any) -> None:
        self.params = params
        self.batches: list[int] = []

    def on_batch(self, events: list[Any], ctx: Any) -> None:
        self.batches.append(len(events))


class Other(Notes):
    """Another handler."""


# --- ways to look -------------------------------------------------------------------------------------------


def setup(path: str, value: Any) -> dict[str, Any]:
    """The run report, which reads the engine and not its configuration."""
    return running(path, value, run_report)


def running(path: str, value: Any, look: Callable[[Engine], Any], consumer: Any = CONSUMER) -> Any:
    """What is seen of an engine that carries BTC and ETH, with the configured consumer."""
    providers = [{**PROVIDER, "name": name, "symbols": ["BTC-USDT", "ETH-USDT"]} for name in ("binance", "other")]
    sets = [assignment("providers", providers), assignment("consumers", [consumer]),
            assignment(path.replace("[]", "[0]"), value)]  # fmt: skip
    with Engine(load_config(None, sets, {}), ManualClock(START_NS)) as engine:
        for provider in ("binance", "other"):
            feed = engine.open_provider("binance", provider)
            for symbol in ("BTCUSDT", "ETHUSDT"):
                engine.carry(feed, feed.guess_instrument(symbol))
        engine.add_configured_consumers()
        return look(engine)


def routes(engine: Engine) -> list[tuple[str, str, str]]:
    """Which streams reach the consumer."""
    table = engine.board.current()
    return [
        (record.provider, record.symbol, kind.class_name)
        for record in engine.catalogue
        for kind in EventType
        if table.consumers_of(record.instrument_id, int(kind))
    ]


def counts(path: str, value: Any, numbers: list[int], wait_ms: int) -> list[int]:
    """Counts of the dispatcher after trades of these numbers and a wait."""
    clock = ManualClock(START_NS)
    with TradeEngine(clock, (assignment(path, value),)) as line:
        line.add("notes", Notes())
        for number in numbers:
            line.trade(number)
        clock.advance(wait_ms * MS)
        line.engine.dispatcher.deliver()
        row = line.engine.dispatcher.statistics()["binance:BTC-USDT:Trade"]
        return [row.routed, row.late_dropped, row.duplicates, row.held, line.engine.dispatcher.flush_overruns]


def after_a_pause(path: str, value: Any) -> tuple[int, int]:
    """A trade repeated four minutes later: a duplicate while it is remembered, late afterwards."""
    clock = ManualClock(START_NS)
    with TradeEngine(clock, (assignment(path, value),)) as line:
        line.add("notes", Notes())
        line.trade(1)
        line.trade(2)
        for number in (3, 4):
            clock.advance(120_000 * MS)
            line.trade(number)
        line.trade(1)
        row = line.engine.dispatcher.statistics()["binance:BTC-USDT:Trade"]
        return row.duplicates, row.late_dropped


def batches(path: str, value: Any) -> list[int]:
    """Sizes of the batches that ten trades of one read come in."""
    with TradeEngine(sets=(assignment(path, value),)) as line:
        notes = Notes()
        line.add("notes", notes)
        for number in range(1, 11):
            line.trade(number, is_last=number == 10)
        return notes.batches


def slow_callbacks(path: str, value: Any) -> int:
    """How many callbacks of three milliseconds were over the budget."""

    class Spins:
        def on_trade(self, event: Any, ctx: Any) -> None:
            until_ns = time.monotonic_ns() + 3 * MS
            while time.monotonic_ns() < until_ns:
                pass

    config = load_config(None, [assignment("consumers", [CONSUMER]), assignment("consumers[0].callback_budget_ms", value)], {})
    with TradeEngine() as line:
        runner = line.add("spins", Spins(), budget_ms=config.consumers[0].callback_budget_ms)
        line.trade(1)
        return int(runner.slow_callbacks)


def provider_of(path: str, value: Any) -> EngineConfig:
    return load_config(None, [assignment("providers", [PROVIDER]), assignment(path.replace("[]", "[0]"), value)], {})


def plans(path: str, value: Any) -> tuple[Any, ...]:
    """What a session would open, for which symbols and streams, and where it would ask."""
    config = provider_of(path, value)
    provider = config.providers[0]
    with Engine(config, ManualClock(START_NS)) as engine:
        feed = engine.open_provider(provider.venue, provider.name, book_rules(provider))
        for symbol in provider.symbols:
            engine.carry(feed, feed.guess_instrument(symbol.replace("-", "/" if provider.venue == "kraken" else "")))
        try:
            session = Session(feed, provider, engine.clock, tell=engine.reporting.tell)
        except ConfigError as error:
            return (str(error),)
        return feed.provider, feed.venue, repr(session.plans()), session.settings.rest_endpoint, session.rest._max_connections


def opened(path: str, value: Any) -> list[str]:
    """Providers that a live engine connects."""

    async def main() -> list[str]:
        with Engine(provider_of(path, value), ManualClock(START_NS)) as engine:
            async with LiveEngine(engine) as live:
                return [session.feed.provider for session in live.sessions]

    return asyncio.run(main())


def replayed(path: str, value: Any, captures: Path) -> Any:
    """Books of a recording: levels published, kinds of updates, checksums compared, books lost."""
    name = "binance_spot_btcusdt_20240809" if "levels" in path else "kraken_v2_btcusd_d10_20230730_respelled"
    venue, symbol = ("kraken", "BTC-USD") if name.startswith("kraken") else ("binance", "BTC-USDT")
    provider = {"name": venue, "venue": venue, "symbols": [symbol]}
    sets = [assignment("providers", [provider]), assignment(path.replace("[]", "[0]"), value)]
    run = Replay(captures / f"{name}.jsonl.gz", load_config(None, sets, {}))
    seen: set[object] = set()

    class Books:
        def on_book_snapshot(self, event: Any, ctx: Any) -> None:
            seen.add(len(event.bids))

        def on_book_update(self, event: Any, ctx: Any) -> None:
            seen.update((event.update_type, event.checksum_state))

    run.engine.add_consumer("books", Books())
    run.engine.desk.subscribe(Subscription(consumer_id="books", symbol=symbol, event_types=("BookUpdate",)))
    return seen, [incident.reason for incident in run.run().incidents][:1]


def trades(engine: Engine, numbers: range) -> None:
    """So many trades, all of one read, which does not end."""
    for number in numbers:
        engine.feeds["binance"].stream.feed(trade_frame(number), START_NS, 0)


def rounds(engine: Engine) -> list[int]:
    """How many batches mm1 has had at each batch of another consumer."""
    mine = engine.runners["mm1"].handler
    seen: list[int] = []
    other = type("Other", (), {"on_batch": lambda self, events, ctx: seen.append(len(mine.batches))})()
    engine.add_consumer("other", other)
    engine.desk.subscribe(Subscription(consumer_id="other", symbol="BTC-USDT", event_types=("Trade",)))
    trades(engine, range(1, 91))
    engine.dispatcher.deliver()
    return seen


def skipped_at_a_flip(engine: Engine) -> int:
    """What is skipped of five queued trades when the consumer asks for another symbol."""
    trades(engine, range(1, 6))
    engine.desk.subscribe(Subscription(consumer_id="mm1", symbol="ETH-USDT", event_types=("Trade",)))
    engine.dispatcher.deliver()
    return engine.runners["mm1"].statistics()["skipped"]


def marks(path: str, value: Any) -> tuple[int, int]:
    """How full a mailbox of 100 is when it begins, and when it ends, to coalesce."""
    found: list[int] = []

    class Busy:
        def on_trade(self, event: Any, ctx: Any) -> None:
            box = line.engine.runners["busy"].mailbox
            number = 1
            while not found:
                number += 1
                line.trade(number, is_last=False)
                if box.is_saturated:
                    found.append(len(box))
            if len(found) == 1 and not box.is_saturated:
                found.append(len(box))

    sets = (assignment("profile", "throughput"), assignment("dispatcher.quantum_events", 1), assignment(path, value))
    with TradeEngine(sets=sets) as line:
        line.add("busy", Busy(), capacity=100)
        line.trade(1)
    return found[0], found[1]


def pool(path: str, value: Any) -> int:
    """Events of the type that can be out at once."""
    kind = next(kind for kind in EventType if kind.class_name == path.split(".")[1])
    with Engine(load_config(None, [assignment(path, value)], {}), ManualClock(START_NS)) as engine:
        leases = list(iter(lambda: engine.recycler.acquire_lease(kind), None))
        for lease in leases:
            lease.release()
        return len(leases)


def frame_pool(path: str, value: Any) -> int:
    """Slots of a pool of venue bytes; that a frame beyond them finds none is tests/unit/providers/test_listener.py's."""
    with Engine(load_config(None, [assignment(path, value)], {}), ManualClock(START_NS)) as engine:
        return engine.recycler.statistics().pools[path.split(".")[1]].capacity


def missing(engine: Engine) -> tuple[int, int]:
    """(dropped, spilled) of 60 trades that find mm1, who has 16 places, busy."""
    box = engine.runners["mm1"].mailbox
    handler = engine.runners["mm1"].handler
    handler.on_batch_called = lambda: trades(engine, range(2, 62))
    trades(engine, range(1, 2))
    engine.dispatcher.deliver()
    return box.dropped, box.spilled


def busy_with(path: str, value: Any) -> tuple[int, int]:
    consumer = {**CONSUMER, "handler": "tests.unit.config.test_effects:Called", "mailbox_capacity": 16,
                "subscriptions": [{**CONSUMER["subscriptions"][0], "never_drop_trades": True}]}  # type: ignore[index]
    return running(path, value, missing, consumer)


class Called(Notes):
    """Calls back once, from inside its callback."""

    on_batch_called: Callable[[], None] | None = None

    def on_batch(self, events: list[Any], ctx: Any) -> None:
        super().on_batch(events, ctx)
        call, self.on_batch_called = self.on_batch_called, None
        if call is not None:
            call()


# --- the list -----------------------------------------------------------------------------------------------

ORDERING = "dispatcher.stream_ordering."
EFFECTS: dict[str, tuple[Any, Any, Callable[[str, Any], Any]]] = {
    "profile": ("service", "throughput", lambda path, value: setup(path, value)["pools"]),
    "debug.recycler": (False, True, lambda path, value: setup(path, value)["debug_recycler"]),
    f"{ORDERING}lateness_tolerance_ms": (150, 50, lambda path, value: counts(path, value, [1, 3], 100)),
    f"{ORDERING}flush_overrun_ms": (50, 500, lambda path, value: counts(path, value, [1, 3], 300)),
    f"{ORDERING}max_buffer_size": (200, 2, lambda path, value: counts(path, value, [1, 3, 4, 5, 6], 1)),
    "dispatcher.dedupe.horizon_ids": (8192, 1024, lambda path, value: counts(path, value, [*range(1, 1500), 100], 0)),
    "dispatcher.dedupe.horizon_s": (300, 60, after_a_pause),
    "dispatcher.backpressure.token_rate_per_stream": (1000, 200, lambda path, value: counts(path, value, [*range(1, 200)], 50)),
    "dispatcher.backpressure.token_burst": (100, 5, lambda path, value: counts(path, value, [*range(1, 200)], 0)),
    "dispatcher.quantum_events": (64, 3, batches),
    "bus.saturate_at": (0.75, 0.6, marks),
    "bus.resume_at": (0.5, 0.2, marks),
    "bus.spill_trades": (65_536, 5, busy_with),
    "consumers[].subscriptions[].never_drop_trades": (True, False, busy_with),
    "consumers[].weight": (1, 3, lambda path, value: running(path, value, rounds)),
    "consumers[].version_filter": (True, False, lambda path, value: running(path, value, skipped_at_a_flip)),
    "bus.critical_reserve": (64, 9, lambda path, value: running(path, value, lambda e: e.runners["mm1"].mailbox.critical_reserve)),
    "consumers[].consumer_id": ("mm1", "mm2", lambda path, value: running(path, value, lambda e: list(e.runners))),
    "consumers[].exec_reports": ("own", "all", lambda path, value: running(path, value, lambda e: dict(e.audience._takes_all))),
    "consumers[].name": ("Maker", "Taker", lambda path, value: running(path, value, lambda e: dict(e.names))),
    "consumers[].handler": ("tests.unit.config.test_effects:Notes", "tests.unit.config.test_effects:Other",
                            lambda path, value: running(path, value, lambda e: type(e.runners["mm1"].handler).__name__)),
    "consumers[].params": ({}, {"size": 3}, lambda path, value: running(path, value, lambda e: e.runners["mm1"].handler.params)),
    "consumers[].mailbox_capacity": (256, 33, lambda path, value: running(path, value, lambda e: e.runners["mm1"].mailbox.capacity)),
    "consumers[].callback_budget_ms": (60_000, 1, slow_callbacks),
    "consumers[].subscriptions[].symbol": ("BTC-USDT", "ETH-USDT", lambda path, value: running(path, value, routes)),
    "consumers[].subscriptions[].providers": ([], ["other"], lambda path, value: running(path, value, routes)),
    "consumers[].subscriptions[].event_types": (["Trade"], ["Ticker"], lambda path, value: running(path, value, routes)),
    "providers[].name": ("binance", "binance_2", plans),
    "providers[].venue": ("binance", "kraken", plans),
    "providers[].symbols": (["BTC-USDT"], ["ETH-USDT"], plans),
    "providers[].streams": (["book"], ["trade"], plans),
    "providers[].ws_endpoint": (None, "ws://127.0.0.1:9", plans),
    "providers[].rest_endpoint": (None, "http://127.0.0.1:9", plans),
    "providers[].enabled": (True, False, opened),
    "providers[].connection.symbols_per_conn": (50, 1, plans),
    "providers[].tls_ca_file": (None, "nowhere.pem", plans),
    "providers[].rest.max_connections": (4, 9, plans),
    **{f"pools.{kind}.capacity": (20, 7, pool)
       for kind in ("BookSnapshot", "BookUpdate", "Trade", "Ticker", "KlineSummary", "InstrumentUpdate",
                    "BalanceUpdate", "MergedEvent")},
    **{f"pools.{kind}.capacity": (20, 7, frame_pool) for kind in ("WsFrame", "ProviderRaw")},
}  # fmt: skip
RECORDED: dict[str, tuple[Any, Any]] = {
    "providers[].book.depth_levels": (1000, 5),
    "providers[].book.emit": ("delta", "full"),
    "providers[].book.verify_checksum": (True, False),
    "providers[].book.kept_levels_max": (65536, 1024),
}


def test_arc_29_no_key_lacks_an_effect() -> None:
    assert set(EFFECTS) | set(RECORDED) | set(ELSEWHERE) == READ_NOW
    assert not set(EFFECTS) & set(ELSEWHERE)


@pytest.mark.parametrize("path", EFFECTS)
def test_arc_29_changing_a_key_changes_what_is_seen(path: str) -> None:
    first, other, look = EFFECTS[path]
    seen = look(path, first)
    assert look(path, first) == seen
    assert look(path, other) != seen


@pytest.mark.replay
@pytest.mark.parametrize("path", RECORDED)
def test_arc_29_changing_a_key_changes_a_replay(path: str, captures: Path) -> None:
    first, other = RECORDED[path]
    assert replayed(path, first, captures) != replayed(path, other, captures)


@pytest.mark.parametrize("path", ELSEWHERE)
def test_arc_29_the_test_of_its_part_is_there(path: str, project_root: Path) -> None:
    file, _, name = ELSEWHERE[path].partition("::")
    assert f"def {name}(" in (project_root / file).read_text(encoding="utf-8")


def test_arc_29_diffs_wait_in_a_bounded_buffer() -> None:
    """``book.diff_buffer_max``: past it the wait begins anew."""
    begun = {}
    for most in (100, 1000):
        config = provider_of("providers[].book.diff_buffer_max", most)
        with Engine(config, ManualClock(START_NS)) as engine:
            feed = engine.open_provider("binance", "binance", book_rules(config.providers[0]))
            engine.carry(feed, feed.guess_instrument("BTCUSDT"))
            for number in range(1, 302):
                frame = (b'{"stream":"btcusdt@depth","data":{"e":"depthUpdate","E":1700000000000,"s":"BTCUSDT","U":%d,'
                         b'"u":%d,"b":[["61000.10","1"]],"a":[]}}' % (number, number))  # fmt: skip
                feed.stream.feed(frame, START_NS, 0)
            begun[most] = feed.stream.buffer_overflows
    assert begun == {100: 3, 1000: 0}
