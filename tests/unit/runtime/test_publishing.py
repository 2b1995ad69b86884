"""BUS-03, BUS-12 to BUS-19, BUS-29: what an engine writes to a real server's streams, read by a reader that shares no code with it."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from engine.base.errors import ConfigError
from engine.config.load import load_config
from engine.runtime.assembly import Engine
from engine.runtime.live import LiveEngine
from engine.runtime.publishing import Publishing
from tests.redis_kit import Server, server
from tests.unit.runtime.bus_kit import (
    KEY,
    MS,
    PROVIDERS,
    SETS,
    SYMBOLS,
    Bus,
    Reader,
    bus,
    happen,
    is_the_venues,
    value,
    values,
)
from tests.unit.runtime.engine_kit import START_NS
from tests.unit.runtime.market_kit import Market

pytestmark = pytest.mark.timeout(60)


# -- what is written -------------------------------------------------------------------------------------------------


def test_bus_12_chains_are_whole_and_books_are_the_venues(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """CHK-47: the sums of n and every trade are there; periodic snapshots change nothing."""
    with bus(tmp_path, monkeypatch, "bus.snapshot_every_deltas=7") as one:
        one.write()
        updates = trades = 0
        for _ in range(20):
            more = happen(one.market, 30)
            updates, trades = updates + more[0], trades + more[1]
            one.write()
        entries = one.read()
        reader = Reader()
        for entry in entries:
            reader.take(entry)
        assert reader.breaks == 0
        assert reader.snapshots > 20
        assert all(is_the_venues(one.market, reader, symbol) for symbol in SYMBOLS)
        of_first = [entry for entry in entries if entry["symbol"] == SYMBOLS[0]]
        assert sum(entry["n"] for entry in of_first if entry["type"] == "order_book_deltas") == updates
        ids = [entry["payload"]["trade_id"] for entry in of_first if entry["type"] == "trade_tick"]
        assert ids == [str(number) for number in range(1, trades + 1)]
        assert of_first[0]["prev_seq"] == 0
        assert [entry["ts_recv_ns"] for entry in of_first] == sorted(entry["ts_recv_ns"] for entry in of_first)


def test_bus_03_one_stream_a_venue_or_one_a_shard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with bus(tmp_path, monkeypatch, "bus.shards=64", "bus.stream_key=md:{venue}") as one:
        one.write()
        keys = one.server.keys()
        # By the vectors of the contract.
        assert keys == [b"md:binance:32", b"md:binance:7", b"nt:instruments:binance", b"nt:meta:binance"]
        assert json.loads(one.server.client.get("nt:meta:binance")) == {"v": 1, "shards": 64}
        assert {entry["symbol"] for entry in one.read(key="md:binance:7")} == {"ETH-USDT"}
    with bus(tmp_path, monkeypatch) as one:
        one.write()
        assert one.server.keys() == [b"nt:binance", b"nt:instruments:binance", b"nt:meta:binance"]
        assert {entry["symbol"] for entry in one.read()} == set(SYMBOLS)


def test_bus_06_numbers_go_on_over_a_restart_and_a_chain_is_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with server(tmp_path) as kept:
        newest = 0
        for run in range(2):
            with bus(tmp_path, monkeypatch, at=kept) as one:
                one.market.clock.advance(run * 1_000 * MS)
                again = Publishing(one.market.engine, one.market.engine.config.providers)
                again.publisher.turn()
                happen(one.market, 20)
                again.publisher.turn()
                entries = [entry for entry in one.read(SYMBOLS[0]) if entry["seq"] > newest]
                assert entries[0]["prev_seq"] == 0
                assert entries[0]["seq"] > newest
                assert entries[0]["seq"] >= (START_NS + run * 1_000 * MS) // 1000
                newest = entries[-1]["seq"]
                again.stop()


def test_bus_12_a_book_that_is_void_breaks_the_chain_and_a_snapshot_follows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with bus(tmp_path, monkeypatch) as one:
        one.write()
        happen(one.market, 10)
        one.market.diff(SYMBOLS[0], is_sent=False)
        one.market.diff(SYMBOLS[0])
        one.market.trade(SYMBOLS[0])
        one.market.snapshot(SYMBOLS[0])
        one.market.diff(SYMBOLS[0])
        one.write()
        reader = Reader()
        for entry in one.read(SYMBOLS[0]):
            reader.take(entry)
        assert reader.breaks == 1
        assert is_the_venues(one.market, reader, SYMBOLS[0])


def test_bus_16_no_more_goes_out_together_than_a_batch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with bus(tmp_path, monkeypatch, "bus.publish_batch=64") as one:
        happen(one.market, 150)
        outgoing = one.publishing.outgoing
        outgoing.take(time.monotonic_ns())
        counts = []
        while outgoing.fill(0, time.monotonic_ns()):
            counts.append(outgoing.count)
        assert counts == [64, 64, 22]


def test_a_live_engine_writes_to_the_streams_of_a_configuration_that_has_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def found(*sets: str) -> tuple[bool, bool]:
        with Engine(load_config(None, (*sets, "reports.enabled=false", PROVIDERS), {})) as engine:
            async with LiveEngine(engine) as live:
                return live.publishing is not None, live.publishing is not None and live.publishing.publisher.is_up

    with server(tmp_path) as kept:
        monkeypatch.setenv("ENGINE_REDIS_URL", kept.url)
        assert asyncio.run(found("bus.backend=redis")) == (True, True)
        assert asyncio.run(found()) == (False, False)


# -- snapshots -------------------------------------------------------------------------------------------------------


def snapshots(one: Bus, symbol: str = SYMBOLS[0]) -> list[dict[str, Any]]:
    return [entry for entry in one.read(symbol) if entry["type"] == "order_book_depth"]


def test_bus_14_a_book_is_told_whole_after_so_many_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with bus(tmp_path, monkeypatch, "bus.snapshot_every_deltas=5") as one:
        one.write()
        for _ in range(60):
            one.market.diff(SYMBOLS[0])
            one.write()
        told = "".join("S" if entry["type"] == "order_book_depth" else "d" for entry in one.read(SYMBOLS[0]))
        between = told.split("S")
        assert len(between) > 8
        assert {len(changes) for changes in between[1:-1]} == {5}


def test_bus_14_a_book_that_changes_is_told_whole_each_interval(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """CHK-43: it is as old as its newest change, and counts for none."""
    with bus(tmp_path, monkeypatch, "bus.snapshot_interval_ms=100") as one:
        one.write()
        one.market.clock.advance(5 * MS)
        one.market.diff(SYMBOLS[0])
        one.write()
        before = len(snapshots(one))
        changed = one.read(SYMBOLS[0])[-1]
        one.market.clock.advance(60_000 * MS)

        def is_told() -> bool:
            one.write()
            return len(snapshots(one)) > before

        one.eventually(is_told)
        told = snapshots(one)[-1]
        assert (told["n"], told["ts_event"], told["ts_recv_ns"]) == (0, changed["ts_event"], changed["ts_recv_ns"])
        assert (told["prev_seq"], told["payload"]["complete"]) == (changed["seq"], False)
        # Without a change it is not told again so soon.
        now = time.monotonic()
        while time.monotonic() < now + 0.3:
            one.write()
        assert len(snapshots(one)) == before + 1


def test_bus_14_a_snapshot_has_no_more_levels_than_it_may(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with bus(tmp_path, monkeypatch, "bus.snapshot_levels=50", depth=1000) as one:
        one.market.deepen(SYMBOLS[0], 80)
        one.publishing.outgoing.want()
        one.write()
        payload = snapshots(one)[-1]["payload"]
        assert (len(payload["bids"]), payload["levels"], payload["complete"]) == (50, 50, False)
        best = one.market.twins[SYMBOLS[0]].texts()[0][:50]
        assert payload["bids"] == [[Decimal(price), Decimal(qty)] for price, qty in best]


def test_bus_14_a_reader_that_asks_for_a_book_has_it_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with bus(tmp_path, monkeypatch) as one:
        one.publishing.start()
        one.eventually(lambda: len(snapshots(one, SYMBOLS[1])) > 0)
        took_ms = []
        for _ in range(5):
            before = len(snapshots(one, SYMBOLS[1]))
            asked = time.monotonic()
            assert one.server.client.publish("nt:resync", f"binance:{SYMBOLS[1]}") == 1
            one.server.client.publish("nt:resync", b"binance:NO-SUCH\xff")
            one.eventually(lambda before=before: len(snapshots(one, SYMBOLS[1])) > before)
            took_ms.append((time.monotonic() - asked) * 1000)
        assert sorted(took_ms)[2] < 100
        assert one.publishing.publisher.resyncs == {"binance": 5}


# -- a server that is slow, away or not as it must be ----------------------------------------------------------------


def test_bus_19_a_server_that_dies_is_waited_for_and_no_trade_is_lost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with bus(tmp_path, monkeypatch) as one:
        one.publishing.start()
        happen(one.market, 50)
        one.eventually(lambda: value(one, "engine_publish_entries_total") > 50)
        one.server.kill()
        trades = happen(one.market, 400)[1]
        one.eventually(lambda: value(one, "engine_redis_up") == 0)
        trades += happen(one.market, 100)[1]
        one.server.start()
        one.eventually(lambda: value(one, "engine_redis_up") == 1)
        happen(one.market, 20)
        one.publishing.stop()
        entries = one.read()
        # The server came back empty: the chains begin in the middle, and are whole from there.
        reader = Reader()
        for symbol in SYMBOLS:
            reader.last[symbol] = next(entry["prev_seq"] for entry in entries if entry["symbol"] == symbol)
        for entry in entries:
            reader.take(entry)
        assert reader.breaks == 0
        assert all(is_the_venues(one.market, reader, symbol) for symbol in SYMBOLS)
        assert len([one for one in entries if one["type"] == "trade_tick" and one["symbol"] == SYMBOLS[0]]) >= trades
        assert value(one, "engine_redis_losses_total") == 1
        assert value(one, "engine_publish_dropped_total") == 0


def test_chk_31_a_frozen_server_holds_nothing_up_and_what_does_not_fit_is_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sets = ("bus.ring_capacity_entries=1024", "bus.queue_max_entries=1024")
    with bus(tmp_path, monkeypatch, *sets) as one:
        one.publishing.start()
        one.eventually(lambda: len(one.server.entries(KEY)) >= 2)
        one.server.client.client_pause(1500)
        happen(one.market, 3000)
        assert one.publishing.tap.peak <= 1024
        assert one.market.engine.recycler.statistics().out() == {}
        one.eventually(lambda: value(one, "engine_publish_queue_depth") == 0 and value(one, "engine_redis_up") == 1)
        happen(one.market, 20)
        one.publishing.stop()
        reader = Reader()
        seen: set[tuple[str, int]] = set()
        for entry in one.read():
            # A batch whose answers did not come in time was written twice: its numbers tell.
            if (entry["symbol"], entry["seq"]) not in seen:
                seen.add((entry["symbol"], entry["seq"]))
                reader.take(entry)
        assert all(is_the_venues(one.market, reader, symbol) for symbol in SYMBOLS)
        assert value(one, "engine_publish_coalesced_total") > 0
        found = values(one)["engine_publish_dropped_total"]
        assert {row["labels"]["kind"] for row in found} == {"trade"}


def test_an_entry_that_is_refused_breaks_its_chain_and_the_book_follows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with bus(tmp_path, monkeypatch) as one:
        one.write()
        happen(one.market, 20)
        one.write()
        one.server.client.config_set("maxmemory", "1mb")
        happen(one.market, 20)
        one.write()
        assert one.publishing.publisher.refused >= 20
        one.server.client.config_set("maxmemory", "0")
        happen(one.market, 20)
        one.write()
        one.write()
        reader = Reader()
        for entry in one.read():
            reader.take(entry)
        assert reader.breaks == 2
        assert all(is_the_venues(one.market, reader, symbol) for symbol in SYMBOLS)


def test_bus_29_entries_are_trimmed_by_age_and_a_stream_by_its_length(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """CHK-32; a whole node of the server's, 100 entries, goes at a time."""
    sets = ("bus.maxlen_cap=1024", "bus.ring_capacity_entries=1024", "bus.queue_max_entries=1024")
    with bus(tmp_path, monkeypatch, *sets) as one:
        for _ in range(20):
            happen(one.market, 200)
            one.write()
        assert len(one.server.entries(KEY)) >= 1024
        one.publishing.publisher.trim()
        assert 1024 <= len(one.server.entries(KEY)) < 1024 + 200
        old = time.time() + 2700 + 60
        monkeypatch.setattr(time, "time", lambda: old)
        happen(one.market, 200)
        one.write()
        assert len(one.server.entries(KEY)) < 400


def refusal(folder: Path, monkeypatch: pytest.MonkeyPatch, *sets: str, at: Server) -> str:
    with bus(folder, monkeypatch, *sets, at=at) as one, pytest.raises(ConfigError) as caught:
        one.publishing.start()
    return f"{caught.value.reason}; {caught.value.hint}"


def test_bus_03_another_layout_and_bus_29_a_server_that_evicts_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with server(tmp_path) as kept:
        kept.client.set("nt:meta:binance", '{"v":1,"shards":64}')
        assert refusal(tmp_path, monkeypatch, at=kept).startswith('nt:meta:binance says {"v":1,"shards":64}, bus.shards is 1;')
    with server(tmp_path, "--maxmemory-policy", "allkeys-lru") as evicting:
        told = refusal(tmp_path, monkeypatch, at=evicting)
        assert told == "the server may evict a stream with its group: maxmemory-policy is allkeys-lru; set maxmemory-policy noeviction"
        assert evicting.keys() == []


def test_a_bus_without_its_address_or_its_package_is_refused_in_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Market(1, ("BTC",), sets=SETS) as market:
        monkeypatch.delenv("ENGINE_REDIS_URL", raising=False)
        with pytest.raises(ConfigError, match="the environment variable ENGINE_REDIS_URL is not set"):
            Publishing(market.engine, market.engine.config.providers)
        config = market.engine.config
        market.engine.config = config.model_copy(update={"bus": config.bus.model_copy(update={"url_env": "OTHER_URL"})})
        with pytest.raises(ConfigError, match="the environment variable OTHER_URL is not set"):
            Publishing(market.engine, config.providers)
        market.engine.config = config
        monkeypatch.setenv("ENGINE_REDIS_URL", "http://127.0.0.1:1")
        with pytest.raises(ConfigError, match="the address of the server cannot be used"):
            Publishing(market.engine, market.engine.config.providers)
        monkeypatch.setenv("ENGINE_REDIS_URL", "redis://127.0.0.1:1")
        monkeypatch.setitem(sys.modules, "redis", None)
        with pytest.raises(ConfigError, match="needs the package redis") as caught:
            Publishing(market.engine, market.engine.config.providers)
        assert caught.value.hint == "pip install 'engine[redis]'"


def test_bus_29_a_retention_below_the_longest_window_is_a_fault() -> None:
    for sets, least in (
        (("bus.retention_s=2500", "reports.windows.profile_s=1901"), 2501),
        (("bus.backend=redis", "reports.windows.profile_s=2101"), 2701),
    ):
        with pytest.raises(ConfigError) as caught:
            load_config(None, sets, {})
        assert [f"must be at least {least}, the longest window and 600 s" in str(fault) for fault in caught.value.faults] == [True]
    load_config(None, ("bus.retention_s=2500", "reports.windows.profile_s=1900"), {})
