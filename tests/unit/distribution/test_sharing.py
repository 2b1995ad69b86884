"""DST-06 to DST-12, BUS-04, BUS-25, CHK-17, CHK-33: workers take streams over from each other on a real server, by clocks moved by hand."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest

from engine.base.clock import ManualClock
from engine.base.errors import ConfigError
from engine.distribution.placement import ranked
from engine.runtime.metrics import worker_metrics
from engine.runtime.worker import StreamWorker
from tests.redis_kit import Server, server
from tests.unit.distribution.sharing_kit import NAME, ON, PATIENT, Node, end_lease, plain, report
from tests.unit.distribution.stream_kit import GROUP, KEY, MS, START_NS, Writer, configured

pytestmark = pytest.mark.timeout(60)
PAIR = ("binance", "BTC-USDT")
START_MS = START_NS // MS


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with server(tmp_path_factory.mktemp("valkey")) as kept:
        yield kept


_NODES: list[Made] = []


class Made(Node):
    """Closed at the end of its test."""

    def __init__(self, name: str, *sets: str, **options: Any) -> None:
        super().__init__(name, *sets, **options)
        _NODES.append(self)


@pytest.fixture
def kept(running: Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    running.client.flushall()
    monkeypatch.setenv("ENGINE_REDIS_URL", running.url)
    yield running
    while _NODES:
        _NODES.pop().close()


def both(at: Server) -> tuple[Made, Made]:
    """The first in rank, which reads the stream, and the second."""
    names = ranked(["node-1", "node-2"], KEY)
    one = Made(names[0])
    one.lead()
    assert one.worker.owned() == [KEY]
    two = Made(names[1])
    two.lead()
    assert two.worker.owned() == []
    return one, two


# -- taking over -----------------------------------------------------------------------------------------------------------


def test_dst_08_what_was_read_within_two_seconds_is_read_back_and_told_at_once(kept: Server) -> None:
    writer = Writer(kept)
    one, two = both(kept)
    writer.depth()
    for _ in range(4):
        writer.trade()
    one.read()
    found = one.tick(START_MS + 250)
    assert (found["writer"], found["flow"]["buy_volume"]) == ({"node_id": one.worker.node_id, "token": 1}, 4)
    assert kept.client.get(f"fence:{NAME}").startswith(f"1/{one.worker.node_id}/".encode())
    # It reads two more and applies none of them; one more comes when nobody reads.
    writer.trade()
    writer.trade()
    kept.client.xreadgroup(GROUP, one.worker.reader.consumer, {KEY: ">"})
    writer.now_ns += 500 * MS
    writer.trade()
    end_lease(kept)
    two.clock.set(START_NS + 570 * MS)
    two.lead(1000)
    two.lead(200)
    assert two.worker.owned() == [KEY]
    assert sum(two.worker.reader.pending().values()) == 0
    assert two.worker.store.write() == 1
    found = report(kept.client)
    assert (found["writer"], found["flow"]["buy_volume"]) == ({"node_id": two.worker.node_id, "token": 2}, 6)
    assert found["generated_at"].endswith("20.500Z")
    assert found["best_bid"]["price"] == 99
    # Honest: it knows that it has not seen more.
    assert found["flow"]["coverage_sec"] == 0.499
    assert two.coordinator.takeovers == 1
    values = {name: rows[0]["value"] for name, rows in worker_metrics(two.worker).items() if "value" in rows[0]}
    assert (values["engine_takeovers_total"], values["engine_shards_owned"], values["engine_fenced_writes_total"]) == (1, 1, 0)


def test_a_book_that_is_not_within_two_seconds_is_asked_for(kept: Server) -> None:
    writer = Writer(kept)
    one, two = both(kept)
    writer.depth()
    one.read()
    first = kept.rows(KEY)[0][0]
    kept.client.xtrim(KEY, minid=int(first.partition(b"-")[0]) + 1)
    listening = kept.client.pubsub(ignore_subscribe_messages=True)
    listening.subscribe("nt:resync")
    listening.get_message(timeout=1)
    end_lease(kept)
    two.lead(1000)
    two.lead(200)
    asked = listening.get_message(timeout=5)
    assert asked is not None
    assert asked["data"] == b"binance:BTC-USDT"
    listening.close()
    writer.depth(bid=98)
    two.read()
    assert two.tick(START_MS + 250)["best_bid"]["price"] == 98


def test_chk_33_once_the_window_is_read_back_reports_are_those_of_who_was_never_interrupted(kept: Server) -> None:
    """D17, the 24 hours among it: minutes beyond the stream, and a ticker of long ago, are what the one before left behind."""
    windows = ("reports.windows.profile_s=40", "reports.windows.sample_age_s=20", "reports.windows.episode_max_s=10",
               "reports.windows.spoofing_s=5", "reports.windows.iceberg_s=10")  # fmt: skip
    config = configured(ON, *PATIENT, *windows)
    whole = StreamWorker(configured("bus.group=apart", *windows), clock=ManualClock(START_NS))
    whole.open()
    writers = [Writer(kept, symbol, dated=True) for symbol in ("BTC-USDT", "ETH-USDT")]
    whole.symbols.learn([KEY])
    one = Made("node-1", config=config)
    one.lead()

    def minute(number: int) -> None:
        for at, writer in enumerate(writers):
            writer.now_ns = START_NS + (number * 60_000 + 10 * at) * MS
            writer.depth(bid=99 + number % 3, ask=103)
        if number == 0:
            day = {"last_price": 100, "price_change_pct": 2.5, "high_24h": 104.5, "low_24h": 90, "volume_24h": 12.5}
            writers[1].write(writers[1].entry("ticker_24h", day))
        for step in range(20):
            for at, writer in enumerate(writers):
                writer.now_ns = START_NS + (number * 60_000 + (step + 1) * 2900 + 10 * at) * MS
                # Of the second symbol there is no trade in the stream any more.
                if writer is writers[0] or number < 2:
                    writer.trade(100 + (number * 7 + step) % 5)
                writer.deltas()

    def compare(node: Node, now_ms: int, *, same: bool) -> list[Any]:
        for worker in (whole, node.worker):
            while worker.reader.turn(1):
                pass
            worker.advance(now_ms)
        told = []
        for pair in (PAIR, ("binance", "ETH-USDT")):
            found = node.worker.analytics.report(*pair, now_ms)
            assert (plain(found) == plain(whole.analytics.report(*pair, now_ms))) == same, found
            told.append(json.loads(found)["stats_24h"])
        return told

    for number in range(5):
        minute(number)
        compare(one, START_MS + (number + 1) * 60_000, same=True)
    one.clock.set(START_NS + 5 * 60_000 * MS)
    one.catch_up()
    one.keeper._leave_behind(one.keeper._owned[KEY])
    assert {name[:2] for name in kept.client.hkeys(f"carry:{NAME}")} == {b"m:", b"tr"}
    assert {name[:2] for name in kept.client.hkeys("carry:{binance:ETH-USDT}")} == {b"m:", b"tr", b"ti"}
    assert kept.client.pttl(f"carry:{NAME}") > 86_400_000
    # The stream holds the last two minutes alone.
    kept.client.xtrim(KEY, minid=START_MS + 3 * 60_000)
    two = Made("node-2", config=config, now_ns=START_NS + 5 * 60_000 * MS)
    one.coordinator.let_go(one.coordinator.held()[0])
    two.lead()
    two.lead(200)
    assert two.worker.owned() == [KEY]
    minute(5)
    stats = compare(two, START_MS + 6 * 60_000, same=False)
    assert (stats[0]["coverage_sec"] < 65, stats[1]["source"]) == (True, None)
    two.catch_up()
    compare(two, START_MS + 6 * 60_000, same=True)
    minute(6)
    stats = compare(two, START_MS + 7 * 60_000, same=True)
    assert (stats[0]["coverage_sec"] > 400, stats[1]["source"]) == (True, "ticker")
    # What is counted is what was read, not what was read back.
    assert whole.analytics.statistics()[PAIR]["trades"] == 140
    assert two.worker.analytics.statistics()[PAIR]["trades"] == 40


def test_dst_10_a_warm_standby_only_has_to_claim(kept: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    writer = Writer(kept)
    one = Made("node-1")
    one.lead()
    two = Made("node-2", "bus.coordination.standby=warm")
    two.lead()
    writer.depth()
    for _ in range(30):
        writer.now_ns += 1000 * MS
        writer.trade()
    one.read()
    one.tick(START_MS + 30_250)
    # It is silent for a while; slow ticks are taken all the same.
    two.clock.set(START_NS + 36_400 * MS)
    for _ in range(6):
        two.keeper._rested_s = 0
        two.keeper.turn()
    # It reads beside the group: nothing is delivered to it.
    assert all(row["name"].startswith(b"node-1.") for row in kept.client.xinfo_consumers(KEY, GROUP))
    end_lease(kept)
    two.lead(1000)
    two.lead(200)
    assert two.worker.owned() == [KEY]
    assert not two.keeper.is_behind()
    for now_ms in (START_MS + 36_250, START_MS + 40_000):
        reports = [node.worker.analytics.report(*PAIR, now_ms) for node in (one, two)]
        assert plain(reports[0]) == plain(reports[1])
        assert json.loads(reports[1])["flow"]["coverage_sec"] == 30


# -- fences ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("knows", [True, False])
def test_chk_17_who_slept_through_its_lease_writes_nothing(kept: Server, knows: bool) -> None:
    """With its own clock, and without it: then the server refuses, and it gives the stream up."""
    writer = Writer(kept)
    one, two = both(kept)
    writer.depth()
    one.read()
    one.tick(START_MS + 250)
    (holding,) = one.coordinator.held()
    end_lease(kept)
    two.lead(1000)
    two.lead(200)
    two.read()
    assert two.tick(START_MS + 500)["writer"]["token"] == 2
    one.mono_ns += 15_000 * MS
    if not knows:
        holding.deadline_ns = 2**62
    found = one.tick(START_MS + 750)
    assert (found["writer"], found["generated_at"][-7:]) == ({"node_id": two.worker.node_id, "token": 2}, "20.500Z")
    assert one.worker.store.writes["lapsed"] == knows
    assert one.worker.store.fenced == (not knows)
    refused = worker_metrics(one.worker)["engine_fenced_writes_total"]
    assert [row["value"] for row in refused] == [not knows]
    assert kept.client.zscore("report_index", "binance:BTC-USDT") == START_MS + 500
    one.lead(400)
    assert one.worker.owned() == []
    assert one.worker.analytics.known() == []
    assert kept.client.get(f"lease:{{{KEY}}}").startswith(two.worker.node_id.encode())


def test_bus_04_who_has_slept_reads_nothing_more_of_what_is_anothers(kept: Server) -> None:
    writer = Writer(kept)
    one, two = both(kept)
    writer.depth()
    one.read()
    # What is waited for is waited for no longer than the stream is its own.
    one.mono_ns = one.coordinator.held()[0].deadline_ns - 7 * MS
    assert one.keeper.wait_ms(250) == 7
    end_lease(kept)
    two.lead(1000)
    two.lead(200)
    writer.trade()
    one.mono_ns += 8 * MS
    one.worker.turn()
    assert (one.worker.reader.streams, one.worker.analytics.known()) == ([], [])
    two.read()
    counts = two.worker.analytics.statistics()[PAIR]
    assert (counts["trades"], counts["gaps"]) == (1, 0)


@pytest.mark.parametrize("left", [{"trade": b"{"}, {"m:x": b"[2,8]"}, {"ticker": b"[2,8,1]"}, {"trade": b'[9,8,1,1,1]'}])
def test_dst_09_a_day_that_cannot_be_read_is_begun_anew(kept: Server, left: dict[str, bytes], caplog: pytest.LogCaptureFixture) -> None:
    kept.client.hset(f"carry:{NAME}", mapping=left)
    writer = Writer(kept)
    writer.depth()
    writer.trade()
    node = Made("node-1")
    node.lead()
    with caplog.at_level(logging.WARNING, "engine.worker"):
        node.catch_up()
    assert [record.__dict__["engine_fields"]["event_type"] for record in caplog.records] == ["carry_refused"]
    assert node.tick(START_MS + 250)["last_price"] == 100


def test_a_stream_that_cannot_be_taken_over_is_left_to_others(kept: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    Writer(kept).depth()
    node = Made("node-1")

    def fails(key: str) -> None:
        raise RuntimeError("no such thing")

    monkeypatch.setattr(node.worker.reader, "add", fails)
    with pytest.raises(RuntimeError, match="no such thing"):
        node.lead()
    assert (node.worker.owned(), node.coordinator.held(), node.worker.analytics.known()) == ([], [], [])
    assert not kept.client.exists(f"lease:{{{KEY}}}")


@pytest.mark.parametrize("stands", ["fence", "report"])
def test_dst_07_a_token_that_was_forgotten_is_passed_over(kept: Server, stands: str) -> None:
    """The counter may be lost, as with a server restored from a copy; what stands at the symbol says so."""
    writer = Writer(kept)
    writer.depth()
    if stands == "fence":
        kept.client.set(f"fence:{NAME}", "7/node-9/ffff")
    else:
        kept.client.set(f"report:{NAME}", json.dumps({"writer": {"node_id": "node-1", "token": 7}}))
    node = Made("node-1")
    node.lead()
    (holding,) = node.coordinator.held()
    assert (holding.token, holding.is_active) == (8, True)
    assert kept.client.get(f"fence:{NAME}") == f"8/{node.coordinator.leases.owner}".encode()
    assert kept.client.get(f"lease:{{{KEY}}}") == f"{node.coordinator.leases.owner}/8".encode()
    assert kept.client.pttl(f"fence:{NAME}") == -1
    assert node.tick(START_MS + 250)["writer"] == {"node_id": "node-1", "token": 8}
    assert node.worker.store.fenced == 1
    node.lead(300)
    assert node.worker.owned() == [KEY]


def test_dst_07_a_claim_without_the_lease_is_none(kept: Server) -> None:
    kept.client.set(f"fence:{NAME}", "7/node-9/ffff")
    Writer(kept).depth()
    node = Made("node-1")
    node.mono_ns += MS
    node.coordinator.turn()
    end_lease(kept)
    node.keeper.turn()
    assert (node.worker.owned(), node.coordinator.held()) == ([], [])
    assert kept.client.get(f"fence:{NAME}") == b"7/node-9/ffff"
    assert node.worker.reader.streams == []


def test_a_single_worker_writes_token_1_and_sharing_begins_above_it(kept: Server) -> None:
    writer = Writer(kept)
    alone = StreamWorker(configured('reports.symbols=["binance:BTC-USDT"]'), clock=ManualClock(START_NS))
    alone.open()
    writer.depth()
    alone.reader.turn(1)
    alone.advance(START_MS + 250)
    alone.store.write()
    assert report(kept.client)["writer"] == {"node_id": "local", "token": 1}
    node = Made("node-1")
    node.lead()
    assert node.tick(START_MS + 500)["writer"] == {"node_id": "node-1", "token": 2}


# -- handing over ----------------------------------------------------------------------------------------------------------


def test_dst_08_handing_over_leaves_nothing_behind_and_is_logged(kept: Server, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "engine.distribution")
    writer = Writer(kept)
    one, two = both(kept)
    writer.depth()
    writer.trade()
    one.read()
    one.worker.advance(START_MS + 250)
    two.coordinator.listen(0)
    one.keeper.close()
    # What waited to be written is the next one's to write.
    assert one.worker.store.write() == 0
    assert report(kept.client) is None
    assert (one.worker.reader.streams, one.worker.analytics.known(), one.coordinator.held()) == ([], [], [])
    while not two.coordinator._given_back:
        two.coordinator.listen(0.05)
    two.lead(1)
    assert two.worker.owned() == [KEY]
    assert two.tick(START_MS + 500)["writer"]["token"] == 2
    assert (two.coordinator.takeovers, one.worker.store.fenced, two.worker.store.fenced) == (0, 0, 0)
    told = [record.__dict__["engine_fields"] for record in caplog.records]
    names = [line["event_type"] for line in told]
    assert names == ["lease_acquired", "shard_assigned", "shard_dropped", "lease_released", "lease_acquired", "shard_assigned"]
    assert {(line["shard"], line["component"]) for line in told} == {(KEY, "coordinator")}
    assert [line["token"] for line in told] == [1, 1, 1, 1, 2, 2]


def test_a_symbol_that_is_told_of_later_is_claimed_as_well(kept: Server) -> None:
    node = Made("node-1")
    node.lead()
    assert node.worker.owned() == [KEY]
    assert node.tick(START_MS + 250) is None
    writer = Writer(kept)
    writer.depth()
    node.read()
    assert node.tick(START_MS + 500)["writer"]["token"] == 1
    assert kept.client.get(f"fence:{NAME}") == node.coordinator.held()[0].fence.encode()


def test_shards_are_not_told_where_they_are_shared(kept: Server) -> None:
    with pytest.raises(ConfigError, match="which shards are read is told"):
        StreamWorker(configured(ON), "node-1", shards=[0])
