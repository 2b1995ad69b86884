"""DST-13, BUS-21: servers of cluster mode take no command with keys of two slots, and each has some of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import redis

from engine.base.clock import ManualClock
from engine.base.errors import ConfigError
from engine.distribution.servers import batch_of, connect
from engine.distribution.streams import check_server
from engine.runtime.worker import StreamWorker
from tests.redis_kit import Kind, Server, cluster_server, server, shared_servers
from tests.unit.distribution.sharing_kit import ON, PATIENT, Node, end_lease
from tests.unit.distribution.stream_kit import MS, START_NS, Writer, configured, eventually

pytestmark = pytest.mark.timeout(60)


@pytest.mark.parametrize("kind", [cluster_server, shared_servers])
def test_streams_of_many_slots_are_read_by_one_worker(kind: Kind, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with kind(tmp_path) as kept:
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
    with shared_servers(tmp_path, 2) as kept, pytest.raises(ConfigError, match="one of 2 that share the keys") as caught:
        check_server(kept.servers[0].client, ("binance",), 1)
    assert "redis+cluster://" in caught.value.hint


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


# -- several servers -------------------------------------------------------------------------------------------------


def client_of(kept: Server) -> Any:
    return connect(kept.url)


def test_commands_of_a_batch_go_where_their_keys_are_and_answers_come_in_order(tmp_path: Path) -> None:
    with shared_servers(tmp_path) as kept:
        client, keys = client_of(kept), [f"key:{number}" for number in range(30)]
        assert len({kept.of(key).port for key in keys}) == 3
        with batch_of(client) as pipe:
            for number, key in enumerate(keys):
                pipe.at(key).set(key, number)
            assert pipe.execute() == [True] * 30
            for key in reversed(keys):
                pipe.at(key).get(key)
            assert pipe.execute() == [b"%d" % number for number in reversed(range(30))]
            pipe.at("a").eval("return ARGV[1]", 1, "a", "7")
            pipe.at(keys[0]).lpush(keys[0], "1")
            with pytest.raises(redis.ResponseError, match="WRONGTYPE"):
                pipe.execute()
        moved = keys[7]
        to = kept.other_than(kept.of(moved))
        for move in (kept.begin_move, kept.end_move):
            move(moved, to)
            with batch_of(client) as pipe:
                for key in keys[6:9]:
                    pipe.at(key).incr(key)
                pipe.at(moved).get(moved)
                answers = pipe.execute()
            assert answers[3] == str(answers[1]).encode()
        assert client.get(moved) == b"9"
        client.close()


def test_a_server_that_is_gone_is_an_error_and_its_replica_is_found(tmp_path: Path) -> None:
    with shared_servers(tmp_path, 3, 3) as kept:
        client = client_of(kept)
        client.set("a", "1")
        assert client.wait(1, 5000, target_nodes=client.routed().get_node_from_key("a")) == 1
        owner = kept.of("a")
        owner.kill()
        kept.servers.remove(owner)
        with batch_of(client) as pipe:
            pipe.at("a").get("a")
            with pytest.raises(redis.ConnectionError):
                pipe.execute()
        eventually(lambda: got(client, "a") == b"1")
        client.close()
        for one in kept.servers:
            one.kill()
        with pytest.raises(redis.ConnectionError):
            client.get("a")


def got(client: Any, key: str) -> Any:
    try:
        with batch_of(client) as pipe:
            pipe.at(key).get(key)
            return pipe.execute()[0]
    except redis.RedisError:
        return None


def test_another_of_its_servers_stands_in_for_the_first_that_is_named(tmp_path: Path) -> None:
    with shared_servers(tmp_path, 2) as kept:
        absent = f"redis+cluster://127.0.0.1:1,127.0.0.1:{kept.servers[1].port}/0"
        client: Any = connect(absent)
        assert [client.set(key, "1") for key in ("a", "b", "c")] == [True] * 3
        client.close()


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("redis+cluster://", "without a host"),
        ("redis+cluster://here,:7000", "without a host"),
        ("redis+cluster://here:port", "port"),
        ("redis+cluster://here/3", "database 0 alone"),
        ("http+cluster://here", "scheme"),
        ("here:6379", "scheme"),
    ],
)
def test_an_address_that_is_none_is_told_and_how_one_looks(url: str, why: str) -> None:
    with pytest.raises(ConfigError, match=why) as caught:
        connect(url)
    assert "redis+cluster://host:6379" in caught.value.hint


def test_a_server_by_itself_is_no_cluster(tmp_path: Path) -> None:
    with server(tmp_path) as kept:
        client = connect(kept.url.replace("redis://", "redis+cluster://"))
        with pytest.raises(ConfigError, match="does not say who has which keys"):
            check_server(client, ("binance",), 1)


def test_streams_are_read_wherever_they_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with shared_servers(tmp_path) as kept:
        monkeypatch.setenv("ENGINE_REDIS_URL", kept.url)
        worker = StreamWorker(configured("bus.shards=8"), clock=ManualClock(START_NS))
        worker.open()
        writers = [Writer(kept, symbol, f"nt:binance:{shard}") for shard, symbol in ((1, "BTC-USDT"), (6, "ETH-USDT"))]
        for writer in writers:
            writer.depth()
        assert worker.turn() == 2
        moved = writers[0].key
        to = kept.other_than(kept.of(moved))
        for move in (kept.begin_move, kept.end_move):
            move(moved, to)
            for writer in writers:
                writer.trade()
            assert worker.turn() == 2
        assert sum(worker.reader.pending().values()) == 0
        assert not worker.resyncs
        for client in (worker._client, worker.store._client):
            client.close()


def test_leases_of_streams_on_several_servers_go_from_a_node_to_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with shared_servers(tmp_path) as kept:
        monkeypatch.setenv("ENGINE_REDIS_URL", kept.url)
        sets = (ON, *PATIENT, "bus.shards=8", "bus.coordination.candidates=2")
        nodes = [Node(f"node-{number}", config=configured(*sets)) for number in range(2)]
        streams = sorted(nodes[0].worker.streams)
        assert len({kept.of(key).port for key in streams}) == 3
        for _ in range(3):
            for node in nodes:
                node.lead(1_000)
        assert [node.worker.owned() for node in nodes] == [streams, []]
        nodes[0].coordinator.membership.leave()
        for key in streams:
            end_lease(kept, key)
        for _ in range(3):
            nodes[1].lead(1_000)
        assert nodes[1].worker.owned() == streams
        for node in nodes:
            node.close()
