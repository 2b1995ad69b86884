"""D17, DST-09, DST-10: whatever nodes do to each other, once a window is read back reports are those of who was never interrupted."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest

from engine.base.clock import ManualClock
from engine.runtime.worker import StreamWorker
from tests.redis_kit import Server, server
from tests.unit.distribution.sharing_kit import ON, PATIENT, Node, end_lease, plain
from tests.unit.distribution.stream_kit import GROUP, KEY, MS, START_NS, VENUE, Writer, configured

pytestmark = [pytest.mark.property]
WINDOWS = (
    "reports.windows.profile_s=40", "reports.windows.sample_age_s=20", "reports.windows.episode_max_s=10",
    "reports.windows.spoofing_s=5", "reports.windows.iceberg_s=10", 'reports.walls.multiplier="1.1"',
)  # fmt: skip
STEPS = 120
BOOK_EVERY_MS = 55_000


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with server(tmp_path_factory.mktemp("valkey")) as kept:
        yield kept


class Market:
    """Two symbols, which are written as an engine would: snapshots often enough, ids by its clock."""

    def __init__(self, rng: random.Random, at: Server) -> None:
        self.rng = rng
        self.writers = [Writer(at, symbol, dated=True) for symbol in VENUE["symbols"]]
        self.whole_ms = [0, 0]
        self.seen_ms = START_NS // MS

    def until(self, now_ms: int) -> None:
        """What happens up to a time."""
        at_ms, self.seen_ms = self.seen_ms + 1, now_ms
        while at_ms < now_ms - 5:
            number = self.rng.randrange(2)
            writer = self.writers[number]
            writer.now_ns = at_ms * MS
            if at_ms - self.whole_ms[number] > BOOK_EVERY_MS:
                self.whole_ms[number] = at_ms
                writer.depth(bid=99, ask=101)
            elif self.rng.random() < 0.4:
                writer.trade(self.rng.choice([99, 100, 101]))
            elif self.rng.random() < 0.05:
                day = {"last_price": 100, "price_change_pct": 1, "high_24h": self.rng.randrange(100, 120), "low_24h": 90, "volume_24h": 5}
                writer.write(writer.entry("ticker_24h", day))
            else:
                levels = [[98 - self.rng.randrange(12), self.rng.choice([0, 1, 2, 3, 40])]]
                payload = {"bids_upd": levels, "asks_upd": [[102 + self.rng.randrange(12), self.rng.choice([0, 1, 2, 40])]]}
                writer.write(writer.entry("order_book_deltas", payload))
            at_ms += self.rng.choice([3, 40, 300, 1500])


@pytest.mark.parametrize("seed", range(6))
def test_any_order_of_deaths_and_handovers_gives_the_same_reports(seed: int, running: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    running.client.flushall()
    monkeypatch.setenv("ENGINE_REDIS_URL", running.url)
    rng = random.Random(seed)
    market = Market(rng, running)
    whole = StreamWorker(configured("bus.group=apart", *WINDOWS), clock=ManualClock(START_NS))
    whole.open()
    config = configured(ON, *PATIENT, f"bus.coordination.standby={'warm' if seed % 2 else 'none'}", *WINDOWS)
    now_ms = START_NS // MS
    nodes = {name: Node(name, config=config) for name in ("node-1", "node-2")}
    gone: list[Node] = []
    compared = taken = 0
    carried_ms = now_ms
    try:
        for _ in range(STEPS):
            now_ms += rng.choice([100, 700, 2300, 9000])
            market.until(now_ms)
            while whole.reader.turn(None):
                pass
            tick_ms = now_ms // 250 * 250
            whole.advance(tick_ms)
            for node in nodes.values():
                node.clock.set(now_ms * MS + 50 * MS)
                node.lead(200)
                node.lead(200)
                node.read()
                node.worker.advance(tick_ms)
                for _ in range(rng.randrange(4)):
                    node.step_back()
            owners = [node for node in nodes.values() if node.worker.owned()]
            assert len(owners) <= 1
            for owner in owners:
                if not owner.keeper.is_behind():
                    for pair in (("binance", symbol) for symbol in VENUE["symbols"]):
                        found = owner.worker.analytics.report(*pair, tick_ms)
                        assert plain(found) == plain(whole.analytics.report(*pair, tick_ms)), (pair, tick_ms)
                        compared += 1
                    if now_ms - carried_ms > 60_000:
                        owner.keeper._leave_behind(owner.keeper._owned[KEY])
                        carried_ms = now_ms
                what = rng.random()
                if what < 0.08:
                    owner.keeper._leave(owner.coordinator.held()[0], "a test says so")
                elif what < 0.2:
                    # It is gone, with what it had read and not applied.
                    market.until(now_ms + 20)
                    running.client.xreadgroup(GROUP, owner.worker.reader.consumer, {KEY: ">"}, count=3)
                    end_lease(running)
                    gone.append(nodes.pop(owner.worker.node_id))
                    name = owner.worker.node_id
                    nodes[name] = Node(name, config=config, now_ns=now_ms * MS)
                    taken += 1
        assert taken >= 5
        assert compared >= 40
        assert sum(counts["stragglers"] for counts in whole.analytics.statistics().values()) == 0
    finally:
        for node in (*nodes.values(), *gone):
            node.close()
