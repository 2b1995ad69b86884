"""DST-03 to DST-06, DST-08, DST-11, SLO-33: nodes share out streams by leases on a real server; their clocks are moved by hand."""

from __future__ import annotations

import json
import logging
import random
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from engine.config.sections_surfaces import CoordinationConfig
from engine.distribution.coordinator import Coordinator
from engine.distribution.leases import Leases
from engine.distribution.placement import ranked, weight
from engine.distribution.servers import connect
from tests.redis_kit import Server, server

pytestmark = pytest.mark.timeout(60)
MS = 1_000_000
KEYS = ["nt:binance:0", "nt:binance:1", "nt:binance:2", "nt:binance:3"]


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with server(tmp_path_factory.mktemp("valkey")) as kept:
        yield kept


_NODES: list[Node] = []


@pytest.fixture
def kept(running: Server) -> Iterator[Server]:
    running.client.flushall()
    yield running
    while _NODES:
        _NODES.pop().close()


class Node:
    """A coordinator whose clock stands until it is moved; the server's own clock ends leases when a test says so."""

    def __init__(self, at: Server, name: str, nonce: str = "n", keys: list[str] = KEYS, **settings: Any) -> None:
        self.now_ns = 10**12
        self.server = at
        self.one = Coordinator(
            connect(at.url), CoordinationConfig(**settings), keys, name, nonce, lambda: self.now_ns, random.Random(1)
        )

        _NODES.append(self)

    def close(self) -> None:
        self.one._close_notices()
        self.one._client.close()

    def turn(self, by_ms: int = 0) -> float:
        self.now_ns += by_ms * MS
        return self.one.turn()

    def hear(self) -> None:
        """What another has given back."""
        ends = time.monotonic() + 10
        while not self.one._given_back:
            self.one.listen(0.05)
            assert time.monotonic() < ends

    def keys(self) -> list[str]:
        return [holding.key for holding in self.one.held()]

    def changes(self) -> list[tuple[str, str]]:
        return [(change.kind, change.holding.key) for change in self.one.take_changes()]

    def begin(self) -> None:
        """Read what was gained, as whoever reads the streams does."""
        for holding in self.one.held():
            self.one.activate(holding)


def test_dst_04_a_lease_has_one_holder_and_its_tokens_grow(kept: Server) -> None:
    one, other = (Leases(kept.client, "node-1", nonce, 60_000) for nonce in ("aa", "bb"))
    assert one.acquire("nt:x") == 1
    assert kept.client.get("lease:{nt:x}") == b"node-1/aa/1"
    assert 50_000 < kept.client.pttl("lease:{nt:x}") <= 60_000
    assert other.acquire("nt:x") == "node-1/aa/1"
    assert other.renew({"nt:x": 1}) == {"nt:x": "node-1/aa/1"}
    assert not other.release("nt:x", 1)
    assert other.lift("nt:x", 1, 9) == 0
    kept.client.pexpire("lease:{nt:x}", 5000)
    assert one.renew({"nt:x": 1}) == {}
    assert kept.client.pttl("lease:{nt:x}") > 50_000
    assert one.lift("nt:x", 1, 9) == 10
    assert kept.client.get("lease:{nt:x}") == b"node-1/aa/10"
    assert one.renew({"nt:x": 1}) == {"nt:x": "node-1/aa/10"}
    assert one.release("nt:x", 10)
    assert other.acquire("nt:x") == 11
    assert kept.client.pttl("token:{nt:x}") == -1
    assert one.holders(["nt:x", "nt:y"]) == {"nt:x": "node-1/bb/11", "nt:y": ""}
    assert (one.operations, other.operations) == (5, 5)


def test_dst_03_a_node_lives_while_its_key_does(kept: Server) -> None:
    one, two = Node(kept, "node-1", heartbeat_ms=700, heartbeat_ttl_ms=3000), Node(kept, "node-2")
    one.one.membership.metrics_url = "http://127.0.0.1:9101"
    one.turn()
    two.turn()
    told = json.loads(kept.client.get("nt:node:node-1") or b"")
    assert set(told) == {"node_id", "hostname", "pid", "started_at", "metrics_url", "last_heartbeat"}
    assert (told["node_id"], told["metrics_url"]) == ("node-1", "http://127.0.0.1:9101")
    assert 2000 < kept.client.pttl("nt:node:node-1") <= 3000
    assert two.one.alive == {"node-1", "node-2"}
    # Each writes again after its period, give or take a tenth.
    kept.client.delete("nt:node:node-1")
    one.turn(629)
    assert not kept.client.exists("nt:node:node-1")
    one.turn(142)
    assert kept.client.exists("nt:node:node-1")
    # Stamps of another clock mean nothing; a node without its key is dead; one long silent is listed no more.
    kept.client.set("nt:node:node-1", json.dumps({**told, "last_heartbeat": "1999-01-01T00:00:00Z"}), px=5000)
    two.turn(1100)
    assert two.one.alive == {"node-1", "node-2"}
    kept.client.delete("nt:node:node-1")
    two.turn(1100)
    assert two.one.alive == {"node-2"}
    kept.client.zadd("nt:nodes", {"node-1": time.time() * 1000 - 10_001})
    two.turn(1100)
    assert kept.client.zrange("nt:nodes", 0, -1) == [b"node-2"]
    two.one.membership.leave()
    assert kept.client.keys("nt:node*") == []


def test_dst_05_the_first_takes_at_once_and_others_wait_their_turn(kept: Server) -> None:
    nodes = {name: Node(kept, name, lease_poll_ms=200, rank_wait_ms=100) for name in ("node-1", "node-2", "node-3", "node-4")}
    for node in nodes.values():
        node.one.membership.beat()
    order = ranked(nodes, KEYS[0])
    only = {name: Node(kept, name, keys=KEYS[:1]) for name in nodes}
    third, second, fourth = only[order[2]], only[order[1]], only[order[3]]
    for node in (fourth, third, second):
        node.turn()
        assert node.keys() == []
    second.turn(99)
    third.turn(199)
    fourth.turn(1000)
    assert (second.keys(), third.keys(), fourth.keys()) == ([], [], [])
    # It is told when its turn comes.
    assert third.turn() <= 0.001
    third.turn(1)
    assert third.keys() == KEYS[:1]
    assert (third.changes(), third.one.takeovers) == ([("gained", KEYS[0])], 0)
    second.turn(1)
    # It comes too late, as may be.
    assert (second.keys(), second.one.conflicts, second.one.leases.operations) == ([], 0, 1)
    first = only[order[0]]
    first.turn()
    assert first.keys() == []
    kept.client.delete("lease:{nt:binance:0}")
    first.turn(199)
    assert first.keys() == []
    first.turn(1)
    assert (first.keys(), first.one.takeovers) == (KEYS[:1], 1)


def test_dst_05_fewer_candidates_and_longer_waits_are_as_set(kept: Server) -> None:
    for name in ("node-1", "node-2"):
        Node(kept, name).one.membership.beat()
    last = ranked(["node-1", "node-2"], KEYS[0])[1]
    alone = Node(kept, last, keys=KEYS[:1], candidates=1)
    alone.turn()
    alone.turn(5000)
    assert alone.keys() == []
    waits = Node(kept, last, keys=KEYS[:1], rank_wait_ms=300, lease_poll_ms=50)
    waits.turn()
    waits.turn(299)
    assert waits.keys() == []
    waits.turn(1)
    assert waits.keys() == KEYS[:1]


def test_dst_06_what_cannot_be_renewed_is_given_up_in_time_without_the_server(kept: Server) -> None:
    node = Node(kept, "node-1", keys=KEYS[:1], lease_ttl_ms=1000, lease_margin_ms=100, lease_renew_ms=300)
    node.turn()
    (holding,) = node.one.held()
    assert holding.deadline_ns == node.now_ns + 900 * MS
    node.turn(299)
    assert holding.deadline_ns == node.now_ns + 601 * MS
    node.turn(1)
    assert holding.deadline_ns == node.now_ns + 900 * MS
    kept.client.client_pause(200, all=True)
    node.one.leases._client = connect(kept.url, 0.05)
    with pytest.raises(node.one._failures):
        node.turn(899)
    assert holding.may_write(node.now_ns)
    assert not holding.may_write(node.now_ns + MS)
    node.turn(1)
    assert (node.keys(), node.changes()) == ([], [("gained", KEYS[0]), ("lost", KEYS[0])])
    assert holding.is_lost
    kept.client.ping()


def test_a_server_that_has_forgotten_everything_is_begun_with_anew(kept: Server) -> None:
    node = Node(kept, "node-1", keys=KEYS[:1])
    kept.client.set("token:{nt:binance:0}", 6)
    node.turn()
    assert node.one.held()[0].fence == "7/node-1/n"
    kept.client.flushall()
    node.turn(400)
    node.turn(200)
    assert node.one.held()[0].token == 1
    assert node.changes() == [("gained", KEYS[0]), ("lost", KEYS[0]), ("gained", KEYS[0])]


def test_chk_18_of_two_processes_with_one_id_one_has_the_lease_and_the_other_says_so(
    kept: Server, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "engine.distribution")
    one, other = Node(kept, "node-1", "aa"), Node(kept, "node-1", "bb")
    one.turn()
    for _ in range(5):
        other.turn(200)
        one.turn(200)
    assert (one.keys(), other.keys()) == (KEYS, [])
    assert (one.one.conflicts, other.one.conflicts) == (0, 5 * len(KEYS))
    told = [record.__dict__["engine_fields"] for record in caplog.records]
    # Told once a stream, however often it is seen.
    assert sorted(line["shard"] for line in told if line["event_type"] == "lease_conflict") == KEYS
    assert {"component", "symbol", "lag_ms", "stream_id", "event_type", "node_id"} <= set(told[0])
    assert {line["event_type"] for line in told} == {"lease_acquired", "lease_renewed", "lease_conflict"}


def test_dst_11_a_joiner_gets_what_is_its_own_after_a_while(kept: Server, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "engine.distribution")
    one = Node(kept, "node-1", rebalance_ms=5000, min_hold_ms=2000)
    one.one.listen(0)
    one.turn()
    one.begin()
    assert one.keys() == KEYS
    two = Node(kept, "node-2")
    two.one.listen(0)
    two.turn()
    assert two.keys() == []
    mine = [key for key in KEYS if ranked(["node-1", "node-2"], key)[0] == "node-2"]
    assert 0 < len(mine) < 4
    one.changes()
    for _ in range(13):
        one.turn(285)
    assert "node-2" in one.one.alive
    assert one.changes() == []
    for _ in range(9):
        one.turn(285)
    assert one.changes() == [("leave", key) for key in mine]
    assert one.one.rebalances == len(mine)
    for _ in range(20):
        one.turn(285)
    assert one.changes() == []
    assert one.keys() == KEYS
    for holding in one.one.held():
        if holding.is_leaving:
            one.one.let_go(holding)
    # It is told, and takes them without waiting for its poll.
    while len(two.one._given_back) < len(mine):
        two.hear()
    two.turn(1)
    assert (one.keys(), two.keys()) == ([key for key in KEYS if key not in mine], mine)
    assert two.one.takeovers == 0
    assert [holding.token for holding in two.one.held()] == [2] * len(mine)
    told = [record.__dict__["engine_fields"]["event_type"] for record in caplog.records]
    assert [told.count(name) for name in ("rebalance_triggered", "lease_released", "shard_dropped")] == [len(mine)] * 3


def test_who_gives_back_is_not_waited_for(kept: Server) -> None:
    """The giver may be the first in rank, as one that ends is."""
    first, second = ranked(["node-1", "node-2"], KEYS[0])
    one, two = Node(kept, first, keys=KEYS[:1]), Node(kept, second, keys=KEYS[:1])
    two.one.listen(1)  # until it is confirmed
    one.turn()
    two.turn()
    one.one.let_go(one.one.held()[0], "it ends")
    two.hear()
    two.turn(1)
    assert (one.keys(), two.keys()) == ([], KEYS[:1])


def test_dst_11_nothing_is_handed_to_a_node_that_is_no_longer_heard(kept: Server) -> None:
    """It may have died just now; its key goes later."""
    node = Node(kept, "node-1", heartbeat_ms=1000, heartbeat_ttl_ms=5000)
    node.turn()
    node.begin()
    node.changes()
    other = Node(kept, "node-2")
    other.one.membership.beat()

    def silent_for(ms: int) -> list[tuple[str, str]]:
        for _ in range(12):
            kept.client.pexpire("nt:node:node-2", 5000 - ms)
            node.turn(300)
        assert node.one.alive == {"node-1", "node-2"}
        return node.changes()

    assert silent_for(2600) == []
    mine = [key for key in KEYS if ranked(["node-1", "node-2"], key)[0] == "node-2"]
    assert silent_for(1500) == [("leave", key) for key in mine]


def test_a_node_that_ends_takes_nothing_more(kept: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    node = Node(kept, "node-1")
    node.turn()
    assert node.keys() == KEYS
    node.one.let_go(node.one.held()[0])
    acquire = node.one.leases.acquire

    def meanwhile(key: str) -> int | str:
        node.one.retire()
        return acquire(key)

    monkeypatch.setattr(node.one.leases, "acquire", meanwhile)
    node.turn(200)
    assert (node.keys(), node.one.leases.holders(KEYS[:1])) == (KEYS[1:], {KEYS[0]: ""})
    assert kept.client.get("token:{nt:binance:0}") == b"2"
    node.turn(200)
    node.turn(200)
    assert (node.keys(), kept.client.get("token:{nt:binance:0}")) == (KEYS[1:], b"2")


@pytest.mark.parametrize(("settings", "sticky"), [({"sticky_pct": 10}, 10), ({"min_hold_ms": 60_000}, None)])
def test_dst_11_sticky_and_hold_are_as_set(kept: Server, settings: dict[str, int], sticky: int | None) -> None:
    keys = [f"nt:x:{number}" for number in range(40)]
    node = Node(kept, "node-1", keys=keys, **settings)
    node.turn()
    node.begin()
    node.changes()
    Node(kept, "node-2").one.membership.beat()
    for _ in range(12):
        node.turn(300)
    due = [key for key in keys if sticky is not None and weight("node-2", key) * 100 > weight("node-1", key) * (100 + sticky)]
    assert node.changes() == [("leave", key) for key in sorted(due)]
    assert bool(due) == (sticky is not None)


def test_a_thread_of_its_own_takes_part_until_it_is_stopped(tmp_path: Path) -> None:
    with server(tmp_path) as at:
        one = Coordinator(connect(at.url), CoordinationConfig(), KEYS, "node-1", "aa")
        one.start()
        ends = time.monotonic() + 20
        while len(one.held()) < 4 or not one.is_up:
            assert time.monotonic() < ends
        at.kill()
        while one.held() or one.is_up:
            assert time.monotonic() < ends
        at.start()
        while len(one.held()) < 4 or not one.is_up:
            assert time.monotonic() < ends
        assert at.client.exists("nt:node:node-1")
        one.stop()
        assert not at.client.exists("nt:node:node-1")
        assert at.client.zcard("nt:nodes") == 0
