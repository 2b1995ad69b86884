"""BUS-21 to BUS-28, D17, RPT-15, RPT-16: a worker on a real server's streams; its reports are those of the engine that wrote them."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from engine.base.clock import ManualClock
from engine.base.errors import ConfigError
from engine.reports.settings import ReportSettings
from engine.runtime.publishing import Publishing
from engine.runtime.replay import Replay
from engine.runtime.reports import add_reports
from engine.runtime.worker import StreamWorker
from tests.redis_kit import Server, server
from tests.unit.distribution.stream_kit import GROUP, KEY, MS, START_NS, VENUE, Writer, configured, eventually

pytestmark = pytest.mark.timeout(120)

@contextmanager
def working(
    at: Server, monkeypatch: pytest.MonkeyPatch, *sets: str, clock_ns: int = START_NS, opened: bool = True, **options: Any
) -> Iterator[StreamWorker]:
    monkeypatch.setenv("ENGINE_REDIS_URL", at.url)
    worker = StreamWorker(configured(*sets), clock=ManualClock(clock_ns), **options)
    if opened:
        worker.open()
    yield worker


def read_all(worker: StreamWorker) -> int:
    count = 0
    while more := worker.reader.turn(1):
        count += more
    return count


def report(worker: StreamWorker, at: Server, now_ms: int, symbol: str = "BTC-USDT") -> Any:
    worker.advance(now_ms)
    worker.store.write()
    return json.loads(at.client.get(f"report:{{binance:{symbol}}}") or b"null")


def counts(worker: StreamWorker, symbol: str = "BTC-USDT") -> dict[str, Any]:
    return worker.analytics.statistics()["binance", symbol]


def pending(worker: StreamWorker) -> int:
    return sum(worker.reader.pending().values())


# -- the same reports ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("workers", [1, 3])
@pytest.mark.parametrize("name", ["binance_spot_2021_4pairs", "kraken_v2_btc_eth_d10_20260707"])
def test_chk_30_reports_over_the_server_are_those_within_the_process(
    name: str, workers: int, captures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """CHK-16: by one worker, and by three that share the streams."""
    with server(tmp_path) as kept:
        monkeypatch.setenv("ENGINE_REDIS_URL", kept.url)
        shards = 6
        sets = (f"bus.shards={shards}", "bus.snapshot_levels=5000")
        replay = Replay(captures / f"{name}.jsonl.gz", configured(*sets))
        pairs: dict[str, list[str]] = {}
        for instrument in replay.engine.catalogue:
            pairs.setdefault(instrument.provider, []).append(instrument.symbol)
        told = [{"name": venue, "venue": venue, "symbols": symbols} for venue, symbols in pairs.items()]
        config = configured(*sets, providers=told)
        begun_ns = replay.scan.first_ns or 0
        plain = add_reports(replay.engine, ReportSettings.of(config.reports), begun_ns)
        publishing = Publishing(replay.engine, config.providers)
        publishing.publisher.turn()
        replayed = [
            StreamWorker(config, shards=range(one, shards, workers), clock=ManualClock(begun_ns)) for one in range(workers)
        ]
        for worker in replayed:
            worker.open()
        replay.run()
        for _ in range(3):
            publishing.publisher.turn()
        end_ms = -(-(replay.scan.last_ns or 0) // (250 * MS)) * 250
        for worker in replayed:
            read_all(worker)
            worker.advance(end_ms)
            worker.store.write()
            assert pending(worker) == 0
            assert worker.errors == {}
        assert publishing.tap.coalesced == 0
        seen = 0
        for venue, symbols in pairs.items():
            for symbol in symbols:
                found = kept.client.get(f"report:{{{venue}:{symbol}}}")
                assert found == plain.report(venue, symbol, end_ms)
                seen += b'"book_state":"normal"' in found
        assert seen >= 2
        assert kept.client.zcard("report_index") == sum(map(len, pairs.values()))


# -- acknowledging -------------------------------------------------------------------------------------------------------


def test_bus_22_what_is_not_applied_is_pending_and_comes_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """CHK-12, CHK-13, CHK-14: a worker that ends between reading, applying and acknowledging."""
    with server(tmp_path) as kept:
        writer = Writer(kept)
        with working(kept, monkeypatch) as first:
            writer.depth()
            for _ in range(5):
                writer.trade()
            # It reads, and is gone before it has applied anything.
            kept.client.xreadgroup(GROUP, first.reader.consumer, {KEY: ">"}, count=4)
            assert pending(first) == 4
        with working(kept, monkeypatch) as second:
            assert counts(second)["trades"] == 3
            read_all(second)
            assert (counts(second)["trades"], pending(second), counts(second)["gaps"]) == (5, 0, 0)
            # The same ones again, as after a lost acknowledgement.
            before = report(second, kept, START_NS // MS + 250)
            kept.client.xgroup_setid(KEY, GROUP, "0")
            read_all(second)
            assert counts(second)["repeated"] == 6
            assert report(second, kept, START_NS // MS + 500)["flow"] == {**before["flow"], "coverage_sec": 0.499}


def test_bus_22_an_answer_that_is_lost_is_read_again_before_what_came_after(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The server answers later than the client waits; no client of ours asks again by itself."""
    monkeypatch.setattr("engine.distribution.servers.ANSWER_TIMEOUT_S", 0.2)
    with server(tmp_path) as kept:
        writer = Writer(kept)
        with working(kept, monkeypatch) as worker:
            writer.depth()
            read_all(worker)
            for price in (100, 101, 102):
                writer.trade(price)
            kept.client.client_pause(500, all=True)
            with pytest.raises(worker._failures):
                worker.reader.turn(1)
            eventually(lambda: kept.client.xlen(KEY) == 4)
            worker.open()
            writer.trade(103)
            read_all(worker)
            assert (counts(worker)["trades"], counts(worker)["gaps"], pending(worker)) == (4, 0, 0)


def test_bus_25_what_another_left_is_taken_over_once_it_is_idle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with server(tmp_path) as kept:
        writer = Writer(kept)
        with working(kept, monkeypatch, "bus.claim_idle_ms=1000") as worker:
            writer.depth()
            writer.trade()
            kept.client.xreadgroup(GROUP, "somebody.else", {KEY: ">"})
            monkeypatch.setattr("engine.distribution.reading.SWEEP_EVERY_S", 0.05)
            eventually(lambda: worker.reader.turn(50) >= 0 and pending(worker) == 0)
            assert counts(worker)["trades"] == 1


def test_bus_28_entries_that_were_trimmed_while_pending_are_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with server(tmp_path) as kept:
        writer = Writer(kept)
        with working(kept, monkeypatch) as worker:
            writer.depth()
            read_all(worker)
            assert report(worker, kept, START_NS // MS + 250)["book_state"] == "normal"
        writer.trade()
        kept.client.xreadgroup(GROUP, "somebody.else", {KEY: ">"})
        kept.client.xtrim(KEY, maxlen=0)
        with working(kept, monkeypatch) as worker:
            assert worker.reader.lost == {KEY: 1}
            listening = kept.client.pubsub(ignore_subscribe_messages=True)
            listening.subscribe("nt:resync")
            listening.get_message(timeout=1)
            assert report(worker, kept, START_NS // MS + 250)["book_state"] == "resyncing"
            assert worker.resyncs == {("binance", "gap"): 1}
            message = listening.get_message(timeout=5)
            assert message is not None
            assert message["data"] == b"binance:BTC-USDT"
            listening.close()


# -- what cannot be used -------------------------------------------------------------------------------------------------


def test_bus_26_bad_entries_go_to_the_dead_letters_and_hold_nothing_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """CHK-15."""
    with server(tmp_path) as kept:
        writer = Writer(kept)
        with working(kept, monkeypatch, "bus.max_entry_bytes=100000", "bus.dlq_key=nt:letters") as worker:
            writer.depth()
            bad = [b"{", b'{"symbol":"BTC-USDT"}', json.dumps({**writer.entry("trade", {}), "seq": 1}).encode(), b"x" * 200_000]
            bad.append(json.dumps(writer.entry("trade_tick", {"price": "1.005", "qty": 1, "side": "buy", "trade_id": "1"})).encode())
            writer.seq = 1
            bad.append(json.dumps({**writer.entry("trade_tick", {}), "symbol": "NO-SUCH"}).encode())
            writer.seq = 1
            ids = [writer.write(text) for text in bad]
            ids.append(kept.client.xadd(KEY, {"other": "field"}))
            writer.trade()
            read_all(worker)
            assert (counts(worker)["trades"], counts(worker)["gaps"], pending(worker)) == (1, 0, 0)
            letters = [fields for _, fields in kept.rows("nt:letters")]
            assert [letter[b"stream_id"] for letter in letters] == ids
            assert [letter[b"data"] for letter in letters] == [text[:65_536] for text in bad] + [b""]
            assert {letter[b"stream_key"] for letter in letters} == {KEY.encode()}
            assert [letter[b"reason"].partition(b":")[0] for letter in letters] == [
                b"not_json", b"missing_member", b"unknown_type", b"too_large", b"too_many_decimals", b"unknown_instrument", b"not_json"
            ]  # fmt: skip
            assert sum(worker.reader.dead.values()) == 7


def test_bus_27_an_entry_that_cannot_be_applied_is_tried_and_then_put_aside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with server(tmp_path) as kept:
        writer = Writer(kept)
        with working(kept, monkeypatch, "bus.max_deliveries=4") as worker:
            take, tries = worker.reader._take, []

            def fails(entries: list[Any]) -> None:
                if any(entry.seq == 3 for entry in entries):
                    tries.append(len(entries))
                    raise RuntimeError("no such thing")
                take(entries)

            monkeypatch.setattr(worker.reader, "_take", fails)
            writer.depth()
            writer.trade()
            poison = writer.deltas()
            writer.trade()
            read_all(worker)
            (letter,) = [fields for _, fields in kept.rows("nt:dlq")]
            assert (letter[b"stream_id"], letter[b"deliveries"]) == (poison, b"4")
            assert letter[b"reason"] == b"not_applied: RuntimeError: no such thing"
            assert tries == [4, 1, 1, 1, 1]
            # The lost book entry broke the chain; trades are all there.
            assert (counts(worker)["trades"], counts(worker)["gaps"], pending(worker)) == (2, 1, 0)


def test_bus_24_a_gap_is_seen_and_the_book_comes_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """CHK-34."""
    with server(tmp_path) as kept:
        writer = Writer(kept)
        with working(kept, monkeypatch) as worker:
            writer.depth()
            writer.entry("order_book_deltas", {})
            writer.deltas()
            read_all(worker)
            found = report(worker, kept, START_NS // MS + 250)
            assert (found["book_state"], found["best_bid"]) == ("resyncing", None)
            writer.now_ns += 250 * MS
            writer.depth(bid=98)
            read_all(worker)
            assert report(worker, kept, START_NS // MS + 500)["best_bid"]["price"] == 98


# -- settings ------------------------------------------------------------------------------------------------------------


def test_bus_21_group_count_and_waiting_are_as_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with server(tmp_path) as kept:
        writer = Writer(kept)
        for _ in range(300):
            writer.trade()
        sets = ("bus.group=desk", "bus.read_count=256", "bus.read_block_ms=20")
        with working(kept, monkeypatch, *sets, node_id="node-7") as worker:
            assert worker.reader.turn(1) == 256
            (group,) = kept.client.xinfo_groups(KEY)
            (consumer,) = kept.client.xinfo_consumers(KEY, "desk")
            assert group["name"] == b"desk"
            assert consumer["name"].startswith(b"node-7.")
            assert json.loads(json.dumps(report(worker, kept, START_NS // MS + 250)["writer"])) == {"node_id": "node-7", "token": 1}
            read_all(worker)
            # Until the next tick there is more time than it may wait.
            assert worker._wait_ms() == 20


def test_reports_symbols_chooses_and_the_rest_is_no_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with server(tmp_path) as kept:
        writers = [Writer(kept, symbol) for symbol in VENUE["symbols"]]
        with working(kept, monkeypatch, 'reports.symbols=["binance:ETH-USDT"]') as worker:
            for writer in writers:
                writer.depth()
            read_all(worker)
            assert list(worker.analytics.statistics()) == [("binance", "ETH-USDT")]
            assert worker.reader.dead == {}


def test_rpt_16_reports_live_as_long_as_is_set_and_wait_for_their_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with server(tmp_path) as kept:
        monkeypatch.setenv("OTHER_URL", kept.url)
        writer = Writer(kept)
        with working(kept, monkeypatch, "cache.ttl_s=120", "cache.url_env=OTHER_URL") as worker:
            writer.depth()
            read_all(worker)
            report(worker, kept, START_NS // MS + 250)
            assert 100_000 < kept.client.pttl("report:{binance:BTC-USDT}") <= 120_000
            assert kept.client.zscore("report_index", "binance:BTC-USDT") == START_NS // MS + 250
            kept.kill()
            for step in (500, 750):
                worker.advance(START_NS // MS + step)
                with pytest.raises(worker._failures):
                    worker.store.write()
            kept.start()
            assert worker.store.write() == 1
            found = json.loads(kept.client.get("report:{binance:BTC-USDT}") or b"null")
            assert found["generated_at"].endswith("20.750Z")


@pytest.mark.parametrize("sets", [(), ("bus.coordination.enabled=true",)], ids=["alone", "shared"])
def test_slo_12_a_server_that_dies_is_waited_for(sets: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with server(tmp_path) as kept:
        monkeypatch.setenv("ENGINE_REDIS_URL", kept.url)
        writer = Writer(kept)
        worker = StreamWorker(configured("reports.symbols=[\"binance:BTC-USDT\"]", *sets))
        worker.start()
        try:
            writer.now_ns = time.time_ns()
            writer.depth()
            eventually(lambda: kept.client.exists("report:{binance:BTC-USDT}") == 1 and counts(worker)["books"] == 1)
            kept.kill()
            eventually(lambda: not worker.is_up)
            kept.start()
            again = Writer(kept)
            again.seq, again.now_ns = writer.seq, time.time_ns()
            eventually(lambda: worker.is_up)
            again.depth()
            eventually(lambda: counts(worker)["books"] == 2 and kept.client.exists("report:{binance:BTC-USDT}") == 1)
        finally:
            worker.stop()


def test_a_turn_that_fails_is_counted_and_the_next_one_comes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with server(tmp_path) as kept:
        monkeypatch.setenv("ENGINE_REDIS_URL", kept.url)
        writer = Writer(kept)
        worker = StreamWorker(configured())
        turn, fails = worker.reader.turn, [RuntimeError("no such thing")]
        monkeypatch.setattr(worker.reader, "turn", lambda block_ms: turn(block_ms) if not fails else (_ for _ in ()).throw(fails.pop()))
        worker.start()
        try:
            writer.depth()
            eventually(lambda: worker.analytics.statistics().get(("binance", "BTC-USDT"), {}).get("books") == 1)
            assert worker.errors == {("all", "cycle"): 1}
        finally:
            worker.stop()


def test_slo_33_a_report_whose_status_changes_is_told_when_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with server(tmp_path) as kept:
        writer = Writer(kept)
        with working(kept, monkeypatch) as worker:
            writer.depth()
            read_all(worker)
            with caplog.at_level(logging.DEBUG, "engine.worker"):
                for after_ms in (250, 1000, 1250, 5250):
                    worker.advance(START_NS // MS + after_ms)
            told = [record.__dict__["engine_fields"] for record in caplog.records]
            assert [(line["event_type"].partition("_")[0], line["from"], line["to"], line["data_age_ms"]) for line in told] == [
                ("ingestion", "down", "ok", 249), ("book", "resyncing", "normal", 249), ("ingestion", "ok", "degraded", 1249),
                ("ingestion", "degraded", "down", 5249),
            ]  # fmt: skip
            assert {line["symbol"] for line in told} == {"binance:BTC-USDT"}


def test_a_worker_without_a_bus_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match="a worker reads streams, and bus"):
        StreamWorker(configured("bus.backend=inprocess"))
    with pytest.raises(ConfigError, match=r"reports\.workers is 2"):
        StreamWorker(configured("reports.workers=2"))
    monkeypatch.delenv("ENGINE_REDIS_URL", raising=False)
    with pytest.raises(ConfigError, match="the environment variable ENGINE_REDIS_URL is not set"):
        StreamWorker(configured())
