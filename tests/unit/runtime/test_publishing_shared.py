"""DST-13: streams of several servers that share the keys are written where each is, also while that changes."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.redis_kit import Shared, shared_servers
from tests.unit.runtime.bus_kit import SYMBOLS, Bus, Reader, bus, happen, is_the_venues, value

pytestmark = pytest.mark.timeout(120)
SHARDS = "bus.shards=64"
KEYS = {"BTC-USDT": "nt:binance:32", "ETH-USDT": "nt:binance:7"}


def seen(one: Bus, symbol: str) -> Reader:
    """What a reader of the stream knows after its last entry."""
    reader = Reader()
    for entry in one.read(symbol, KEYS[symbol]):
        if entry["seq"] > reader.last[symbol]:
            reader.take(entry)
    return reader


def assert_whole(one: Bus) -> None:
    for symbol in SYMBOLS:
        reader = seen(one, symbol)
        assert reader.breaks == 0
        assert is_the_venues(one.market, reader, symbol)


def test_streams_are_written_where_their_keys_are_and_follow_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with shared_servers(tmp_path) as kept, bus(tmp_path, monkeypatch, SHARDS, at=kept) as one:
        owners = {symbol: kept.of(key) for symbol, key in KEYS.items()}
        assert owners["BTC-USDT"] is not owners["ETH-USDT"]
        happen(one.market, 50)
        one.write()
        for symbol, key in KEYS.items():
            assert owners[symbol].client.xlen(key) == len(one.read(symbol, key)) >= 15
        assert_whole(one)

        moved = KEYS["BTC-USDT"]
        to = kept.other_than(owners["BTC-USDT"])
        kept.begin_move(moved, to)
        happen(one.market, 50)
        one.write()
        kept.end_move(moved, to)
        happen(one.market, 50)
        one.write()
        assert one.publishing.publisher._client.node_of(moved).port == to.port
        assert_whole(one)
        assert (one.publishing.publisher.refused, value(one, "engine_redis_losses_total")) == (0, 0)


def test_an_entry_that_one_of_them_refuses_breaks_its_chain_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with shared_servers(tmp_path) as kept, bus(tmp_path, monkeypatch, SHARDS, at=kept) as one:
        happen(one.market, 20)
        one.write()
        full = kept.of(KEYS["BTC-USDT"])
        full.client.config_set("maxmemory", "1mb")
        happen(one.market, 40)
        one.write()
        refused = one.publishing.publisher.refused
        assert refused > 10
        full.client.config_set("maxmemory", "0")
        happen(one.market, 20)
        one.write()
        one.write()
        assert one.publishing.publisher.refused == refused
        assert [seen(one, symbol).breaks for symbol in SYMBOLS] == [1, 0]
        assert all(is_the_venues(one.market, seen(one, symbol), symbol) for symbol in SYMBOLS)


def test_one_that_dies_is_replaced_and_the_streams_go_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also the one that the address names: the others are known from it."""
    with shared_servers(tmp_path, 3, 3) as kept, ExitStack() as stack:
        kept.url = kept.of(KEYS["BTC-USDT"]).url.replace("redis://", "redis+cluster://")
        one = stack.enter_context(bus(tmp_path, monkeypatch, SHARDS, at=kept))
        one.publishing.start()
        happen(one.market, 50)
        one.eventually(lambda: value(one, "engine_publish_entries_total") > 40)
        _die(kept, KEYS["BTC-USDT"])
        happen(one.market, 50)
        one.eventually(lambda: value(one, "engine_redis_up") == 0)
        one.eventually(lambda: value(one, "engine_redis_up") == 1)
        happen(one.market, 20)
        one.publishing.stop()
        # What one server had taken may be gone with it: a hole, and a book after it.
        assert all(is_the_venues(one.market, seen(one, symbol), symbol) for symbol in SYMBOLS)
        assert seen(one, "ETH-USDT").breaks == 0
        assert (one.publishing.publisher.refused, value(one, "engine_publish_dropped_total")) == (0, 0)


def _die(kept: Shared, key: str) -> None:
    owner = kept.of(key)
    owner.kill()
    kept.servers.remove(owner)
    kept.client.nodes_manager.initialize()
