"""CHK-16, CHK-33, D17: three nodes share the streams of a recording, or of an hour, and lose one: reports are those of one engine."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from engine.reports.settings import ReportSettings
from engine.runtime.publishing import Publishing
from engine.runtime.replay import Replay
from engine.runtime.reports import add_reports
from tests.redis_kit import server
from tests.unit.distribution.hour_kit import write_hour
from tests.unit.distribution.sharing_kit import ON, PATIENT, Node, keep_leases
from tests.unit.distribution.stream_kit import MS, configured

pytestmark = [pytest.mark.replay]
LIKE = "binance_spot_2021_4pairs"
AN_HOUR = "an hour from a seed"
HOUR_SYMBOLS = ("NKN-USDT", "RUNE-EUR")


@pytest.mark.parametrize(
    ("name", "shards"), [(LIKE, 6), (LIKE, 1), ("kraken_v2_btc_eth_d10_20260707", 6), (AN_HOUR, 6)]
)  # fmt: skip
def test_d17_after_a_takeover_reports_are_those_within_the_process(
    name: str, shards: int, captures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with server(tmp_path) as kept:
        monkeypatch.setenv("ENGINE_REDIS_URL", kept.url)
        sets = (f"bus.shards={shards}", "bus.snapshot_levels=5000", ON, *PATIENT)
        path = captures / f"{name}.jsonl.gz"
        if name == AN_HOUR:
            path = tmp_path / "hour.jsonl.gz"
            write_hour(captures / f"{LIKE}.jsonl.gz", path)
        replay = Replay(path, configured(*sets))
        pairs: dict[str, list[str]] = {}
        for instrument in replay.engine.catalogue:
            pairs.setdefault(instrument.provider, []).append(instrument.symbol)
        config = configured(*sets, providers=[{"name": venue, "venue": venue, "symbols": symbols} for venue, symbols in pairs.items()])
        begun_ns, last_ns = replay.scan.first_ns or 0, replay.scan.last_ns or 0
        whole = add_reports(replay.engine, ReportSettings.of(config.reports), begun_ns)
        publisher = (publishing := Publishing(replay.engine, config.providers)).publisher
        publisher.turn()
        nodes = []
        for number in range(3):
            nodes.append(Node(f"node-{number}", now_ns=begun_ns, config=config))
        for node in nodes:
            node.coordinator.alive = {f"node-{number}" for number in range(3)}
            node.coordinator._beat_ns = 2**62
        for node in nodes:
            node.lead(1)
        owned = {node.worker.node_id: set(node.worker.owned()) for node in nodes}
        assert shards == 1 or min(map(len, owned.values())) >= 1
        assert sum(map(len, owned.values())) == shards * len(pairs)
        keep_leases(kept)

        # Half of it; then the one that has most symbols reads on, and is gone before it has applied what it read.
        replay.engine.start()
        records = list(replay.records())
        for number, record in records[: len(records) // 2]:
            replay.before(number, record)
            replay.play(record)
        publisher.turn()
        middle_ms = (begun_ns + (last_ns - begun_ns) // 2) // MS // 250 * 250
        victim = max(nodes, key=lambda node: len(node.worker.analytics.known()))
        lost = set(victim.worker.analytics.known())
        assert lost
        for node in nodes:
            if node is victim:
                node.worker.reader.turn(1)
                continue
            node.read()
            node.catch_up()
        keys = victim.worker.owned()
        kept.client.xreadgroup("engine-reports", victim.worker.reader.consumer, dict.fromkeys(keys, ">"))
        for key in keys:
            kept.client.delete(f"lease:{{{key}}}")
        rest = [node for node in nodes if node is not victim]
        for node in rest:
            node.clock.set(middle_ms * MS)
        for _ in range(2):
            for node in rest:
                node.lead(200)
        assert {key for node in rest for key in node.worker.owned()} == set().union(*owned.values())
        keep_leases(kept)

        for number, record in records[len(records) // 2 :]:
            replay.before(number, record)
            replay.play(record)
        replay.finish(0)
        for _ in range(3):
            publisher.turn()
        assert publishing.tap.coalesced == 0
        end_ms = -(-last_ns // (250 * MS)) * 250
        seen = 0
        for node in rest:
            node.clock.set(end_ms * MS + 60 * MS)
            node.read()
            node.catch_up()
            node.tick(end_ms)
            assert (sum(node.worker.reader.pending().values()), node.worker.errors) == (0, {})
        for venue, symbols in pairs.items():
            for symbol in symbols:
                found = kept.client.get(f"report:{{{venue}:{symbol}}}")
                expected = whole.report(venue, symbol, end_ms)
                writer = re.compile(rb'"writer":\{"node_id":"(node-\d)","token":(\d+)\}')
                signed = writer.search(found)
                assert signed is not None
                assert (signed[1].decode() == victim.worker.node_id, int(signed[2])) == (False, 1 + ((venue, symbol) in lost))
                assert writer.sub(b"", found) == expected.replace(b'"writer":{"node_id":"local","token":1}', b"")
                seen += b'"book_state":"normal"' in found
                if name == AN_HOUR and symbol in HOUR_SYMBOLS:
                    told = json.loads(found)
                    assert told["liquidity"]["profile"]["coverage_sec"] == 1800
                    assert told["liquidity"]["basis"]["n"] == 10_000
                    assert told["stats_24h"]["coverage_sec"] > 3590
        assert seen >= 2
        for node in nodes:
            node.close()
