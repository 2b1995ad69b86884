"""A merge rule over two or three providers, a consumer of what it emits, and the arithmetic of books in Decimal."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from engine.base.ids import instrument_id
from engine.dispatcher.routing import stream_index
from engine.orchestrator.counts import WindowCounts
from engine.orchestrator.rules import MergeRule
from engine.schema.enums import EventType, UpdateType
from tests.unit.event_kit import readable
from tests.unit.pipeline_kit import Line

MS = 1_000_000
S = 1000 * MS
SYMBOL = "BTC-USD"
PROVIDERS = ("coinbase", "kraken")
Row = tuple[int, int]


class Merged:
    """Notes each merged event, and each fragment by its provider, as plain values."""

    def __init__(self) -> None:
        self.events: list[dict[str, Any]] = []
        self.fragments: list[dict[str, dict[str, Any]]] = []

    def on_event(self, event: Any, ctx: Any) -> None:
        fields = event.as_dict()
        self.fragments.append({one.provider: readable(one) for one in fields.pop("fragments")})
        self.events.append(fields)


def rule_of(name: str = "btc", event_type: EventType = EventType.TICKER, **terms: Any) -> MergeRule:
    terms.setdefault("providers", PROVIDERS)
    return MergeRule(name=name, symbol=SYMBOL, event_type=event_type, **terms)


def merged_stream(rule: MergeRule) -> int:
    return stream_index(instrument_id(rule.provider, rule.symbol), EventType.MERGED_EVENT)


class MergeLine(Line):
    """The line of stages with one rule in force and one consumer of its merged events."""

    def __init__(self, rule: MergeRule | None = None, **options: Any) -> None:
        super().__init__(**options)
        self.merge_rule = rule or rule_of()
        self.orchestrator.add_rule(self.merge_rule)
        self.merged = Merged()
        self.add(self.merged, {merged_stream(self.merge_rule)})

    def fragment(self, provider: str, seq: int = 1, **fields: Any) -> None:
        """One event of a provider, now unless it says when, delivered with what it causes."""
        fields.setdefault("seq_first", seq)
        fields["instrument_id"] = instrument_id(provider, SYMBOL)
        self.offer(self.merge_rule.event_type, seq_provider=seq, **fields)
        self.flush()

    def delta(self, provider: str, seq: int, bids: Iterable[Row] = (), asks: Iterable[Row] = (), **fields: Any) -> None:
        """One book update."""
        fields.setdefault("update_type", UpdateType.DELTA)
        fields.setdefault("folded_count", 1)
        self.fragment(provider, seq, bids=list(bids), asks=list(asks), **fields)

    def to(self, ns: int) -> None:
        """Move the clock, and nothing else, and let the timer's call come."""
        self.clock.set(ns)
        self.orchestrator.deliver()

    @property
    def counts(self) -> WindowCounts:
        counts = self.orchestrator.statistics()[self.merge_rule.name]
        assert counts.balanced, counts
        return counts

    def told_of(self, kind: str) -> list[dict[str, Any]]:
        return [metadata for name, metadata in self.told if name == kind]

    def out(self) -> dict[str, int]:
        return self.pools.statistics().out()


class DecimalBook:
    """A book of one side as the venue would keep it: prices to quantities, in Decimal."""

    def __init__(self) -> None:
        self.levels: dict[Decimal, Decimal] = {}

    def apply(self, rows: Iterable[Row], price_scale: int, qty_scale: int) -> None:
        for price_raw, qty_raw in rows:
            price = Decimal(price_raw).scaleb(-price_scale)
            if qty_raw:
                self.levels[price] = Decimal(qty_raw).scaleb(-qty_scale)
            else:
                self.levels.pop(price, None)
