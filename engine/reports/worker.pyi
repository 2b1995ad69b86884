from collections.abc import Callable
from typing import Any, final

from engine.observability.latency import LatencyHistogram
from engine.reports.settings import ReportSettings
from engine.reports.tap import ReportTap
from engine.schema.busentry import HeldEntry
from engine.schema.event import Event

STATUSES: tuple[str, str, str]

@final
class ReportWorker:
    def __init__(
        self,
        settings: ReportSettings,
        begun_ns: int = 0,
        node_id: str = "local",
        on_error: Callable[[str, str, Exception], None] | None = None,
        on_report: Callable[[str, str, bytes], None] | None = None,
        on_resync: Callable[[int, str, str], None] | None = None,
        on_status: Callable[[str, str, str, str, int | None], None] | None = None,
    ) -> None: ...
    @property
    def events(self) -> int: ...
    @property
    def fast(self) -> LatencyHistogram: ...
    @property
    def slow(self) -> LatencyHistogram: ...
    def carry(
        self,
        place: int,
        venue: str,
        symbol: str,
        price_scale: int,
        qty_scale: int,
        tick_raw: int,
        begun_ns: int | None = None,
    ) -> None: ...
    def known(self) -> list[tuple[str, str]]: ...
    def take(self, events: list[Event]) -> None: ...
    def take_entries(self, entries: list[HeldEntry], now_ns: int = 0) -> None: ...
    def lose_book(self, place: int) -> None: ...
    def drain(self, tap: ReportTap, now_ns: int) -> None: ...
    def advance(self, now_ms: int) -> None: ...
    def report(self, venue: str, symbol: str, now_ms: int) -> bytes: ...
    def statistics(self) -> dict[tuple[str, str], dict[str, Any]]: ...
    def lags(self) -> dict[str, LatencyHistogram]: ...
