from collections.abc import Sequence
from typing import Any, final

from engine.reports.profile import VolumeProfile
from engine.reports.settings import ReportSettings

@final
class SymbolAnalytics:
    def __init__(
        self,
        venue: str,
        symbol: str,
        price_scale: int,
        qty_scale: int,
        tick_raw: int,
        settings: ReportSettings,
    ) -> None: ...
    @property
    def venue(self) -> str: ...
    @property
    def symbol(self) -> str: ...
    @property
    def price_scale(self) -> int: ...
    @property
    def qty_scale(self) -> int: ...
    @property
    def profile(self) -> VolumeProfile: ...
    @property
    def resync_wanted(self) -> bool: ...
    def trade(
        self,
        seq: int,
        prev_seq: int,
        ts_event_ns: int,
        ts_recv_ns: int,
        price_raw: int,
        qty_raw: int,
        side: int,
        trade_id: int,
    ) -> bool: ...
    def depth(
        self,
        seq: int,
        prev_seq: int,
        n: int,
        ts_event_ns: int,
        ts_recv_ns: int,
        bids: Sequence[tuple[int, int]],
        asks: Sequence[tuple[int, int]],
        complete: bool = True,
    ) -> bool: ...
    def deltas(
        self,
        seq: int,
        prev_seq: int,
        n: int,
        ts_event_ns: int,
        ts_recv_ns: int,
        bids: Sequence[tuple[int, int]],
        asks: Sequence[tuple[int, int]],
    ) -> bool: ...
    def ticker_24h(
        self, seq: int, prev_seq: int, ts_event_ns: int, ts_recv_ns: int, values: Sequence[int | None]
    ) -> bool: ...
    def now(self, now_ms: int) -> dict[str, Any]: ...
    def slow(self, now_ms: int, sample_ms: int, percentiles: Sequence[int], min_fills: int) -> dict[str, Any]: ...
    def rescale(self, price_scale: int, qty_scale: int) -> None: ...
    def day_facts(self, from_ms: int, until_ms: int) -> dict[str, Any]: ...
    def load_day(self, facts: dict[str, Any]) -> None: ...
    def set_threshold(self, threshold_raw: int) -> None: ...
    def statistics(self) -> dict[str, int]: ...
