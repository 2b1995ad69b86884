"""D15, D17, BUS-30: recorded events go through the codec, fit the published schema, and give the reports that they give without it."""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from engine.config.load import default_config
from engine.consumers.subscriptions import Subscription
from engine.distribution.codec import EntryDecoder
from engine.distribution.entrytext import encode
from engine.reports.settings import ReportSettings
from engine.reports.worker import ReportWorker
from engine.runtime.replay import Replay
from engine.runtime.reports import EVENT_TYPES, carry
from engine.schema.busentry import HeldEntry
from engine.schema.busschema import entry_schema
from engine.schema.event import Event
from engine.schema.market import BookUpdate

pytestmark = pytest.mark.timeout(60)
CAPTURES = (
    "binance_spot_btcusdt_20240809", "binance_spot_2021_4pairs", "kraken_v2_btc_eth_d10_20260707",
    "coinbase_advanced_derived_2021_10pairs",
)  # fmt: skip


class BothWays:
    """Feeds one worker with events and another one with what the bus would have carried, and keeps the reports of each."""

    def __init__(self, settings: ReportSettings, begun_ns: int) -> None:
        self.reports: list[dict[tuple[str, str], list[bytes]]] = [defaultdict(list), defaultdict(list)]
        self.workers = [ReportWorker(settings, begun_ns, on_report=self.keeper(kept)) for kept in self.reports]
        self.decoder = EntryDecoder()
        self.last: dict[str, int] = {}
        self.scales: dict[str, tuple[int, int]] = {}
        self.broken: set[str] = set()
        self.texts: list[bytes] = []

    def keeper(self, kept: dict[tuple[str, str], list[bytes]]) -> Any:
        return lambda venue, symbol, report: kept[venue, symbol].append(report)

    def on_batch(self, events: list[Event], ctx: Any) -> None:
        self.workers[0].take(events)
        self.workers[1].take_entries([entry for event in events for entry in self.through(event)])

    def through(self, event: Event) -> list[HeldEntry]:
        symbol = str(event.symbol)
        if isinstance(event, BookUpdate) and event.update_type.name == "INVALID":
            self.broken.add(symbol)
            return []
        prev = self.last.get(symbol, 0)
        seq = max(prev, event.ts_recv_ns // 1000) + 1 + (symbol in self.broken)
        held = HeldEntry.of(
            event, event.provider, seq, seq - 1 if symbol in self.broken else prev,
            tells_scales=self.scales.get(symbol) != (event.price_scale, event.qty_scale),
        )  # fmt: skip
        if held is None:
            return []
        self.broken.discard(symbol)
        self.last[symbol] = seq
        # A recording without a catalogue: scales are guessed, and widen with what comes.
        self.scales[symbol] = (event.price_scale, event.qty_scale)
        text = encode(held)
        self.texts.append(text)
        return [self.decoder.decode(text)]


def by_instant(reports: list[bytes]) -> dict[str, bytes]:
    return {json.loads(report)["generated_at"]: report for report in reports}


@pytest.mark.parametrize("name", CAPTURES)
def test_d17_the_bus_changes_no_report(name: str, captures: Path) -> None:
    replay = Replay(captures / f"{name}.jsonl.gz", default_config())
    both = BothWays(ReportSettings(), replay.scan.first_ns or 0)
    replay.engine.add_consumer("both", both, capacity=65_536)
    for instrument in replay.engine.catalogue:
        for worker in both.workers:
            carry(worker, instrument, instrument.provider)
        both.decoder.learn(
            instrument.instrument_id, instrument.provider, instrument.symbol, instrument.price_scale, instrument.qty_scale
        )
        replay.engine.desk.subscribe(Subscription(consumer_id="both", symbol=instrument.symbol, event_types=EVENT_TYPES))
    replay.run()
    for worker in both.workers:
        worker.advance((replay.scan.last_ns or 0) // 10**6 + 250)
    plain, bus = ({key: by_instant(kept) for key, kept in found.items()} for found in both.reports)
    # What is no entry gives the worker of events the time as well, so that it skips fewer fast ticks.
    differing = [
        (*key, at) for key, kept in bus.items() for at, report in kept.items() if plain[key][at] != report
    ]  # fmt: skip
    assert differing == []
    assert sum(map(len, bus.values())) > 100
    counts = [worker.statistics() for worker in both.workers]
    assert counts[0] == counts[1]
    validator = Draft202012Validator(entry_schema())
    step = max(1, len(both.texts) // 500)
    faults = [error.message for text in both.texts[::step] for error in validator.iter_errors(json.loads(text))]
    assert faults == []
    assert max(map(len, both.texts)) < 2**20
