"""DST-13, BUS-21: a server of cluster mode takes no command with keys of two slots; one of several is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
import redis

from engine.base.clock import ManualClock
from engine.base.errors import ConfigError
from engine.distribution.streams import check_server
from engine.runtime.worker import StreamWorker
from tests.redis_kit import cluster_server, half_a_cluster
from tests.unit.distribution.stream_kit import MS, START_NS, Writer, configured

pytestmark = pytest.mark.timeout(60)


def test_streams_of_many_slots_are_read_by_one_worker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with cluster_server(tmp_path) as kept:
        monkeypatch.setenv("ENGINE_REDIS_URL", kept.url)
        worker = StreamWorker(configured("bus.shards=8"), clock=ManualClock(START_NS))
        worker.open()
        slots = {kept.client.execute_command("CLUSTER KEYSLOT", key) for key in worker.streams}
        assert len(slots) == len(worker.streams) == 8
        writers = [Writer(kept, symbol, f"nt:binance:{shard}") for shard, symbol in ((1, "BTC-USDT"), (6, "ETH-USDT"))]
        for writer in writers:
            writer.depth()
            writer.trade()
        assert worker.turn() == 4
        worker.advance(START_NS // MS + 250)
        assert worker.store.write() == 2
        assert worker.turn() == 0
        writers[1].deltas()
        assert worker.turn() == 1
        assert sum(worker.reader.pending().values()) == 0
        for symbol in ("BTC-USDT", "ETH-USDT"):
            assert kept.client.exists(f"report:{{binance:{symbol}}}")
        for client in (worker._client, worker.store._client):
            client.close()


def test_one_of_several_servers_is_refused_by_name(tmp_path: Path) -> None:
    with half_a_cluster(tmp_path) as kept, pytest.raises(ConfigError, match="one of 2 that share the keys") as caught:
        check_server(kept.client, ("binance",), 1)
    assert "all slots" in caught.value.hint


def test_a_proxy_that_knows_no_such_command_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(self: redis.Redis, *words: object, **options: object) -> object:
        if words[0] == "CLUSTER INFO":
            raise redis.ResponseError("unknown command 'CLUSTER'")
        return known(self, *words, **options)

    with cluster_server(tmp_path) as kept:
        known = redis.Redis.execute_command
        monkeypatch.setattr(redis.Redis, "execute_command", unknown)
        check_server(kept.client, ("binance",), 1)
        monkeypatch.undo()


def test_one_that_has_all_slots_is_taken(tmp_path: Path) -> None:
    with cluster_server(tmp_path) as kept:
        check_server(kept.client, ("binance",), 1)
