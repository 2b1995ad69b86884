"""Where finished reports are kept: the port, and the table of one process (RPT-15, RPT-16)."""

from __future__ import annotations

from functools import lru_cache
from typing import Protocol

import msgspec

from engine.base.clock import Clock
from engine.base.instants import from_rfc3339

NS_PER_MS = 1_000_000
INDEX_MS = 86_400_000


class ReportCache(Protocol):
    """Reports by venue and symbol. Whoever reads gets bytes that never change."""

    def get(self, venue: str, symbol: str) -> bytes | None:
        """The report, or None where there is none or it has expired."""

    def put(self, venue: str, symbol: str, report: bytes, ttl_ms: int, fence: int) -> bool:
        """Keep a report for *ttl_ms*; False = refused, one of a higher *fence* has been written."""

    def index(self) -> list[tuple[str, str, int]]:
        """(venue, symbol, generated_at in ms) of every pair written within a day, sorted; expired ones among them."""


_STAMP = b'"generated_at":"'


@lru_cache(maxsize=64)
def _ms_of(instant: bytes) -> int:
    """Reports of all symbols are of one instant."""
    return from_rfc3339(instant.decode()) // NS_PER_MS


def generated_ms(report: bytes) -> int:
    """The instant of a report as it is written: canonical JSON, whose texts hold no quotation mark.

    Raises:
        ValidationError: it has none.
    """
    _, _, rest = report.partition(_STAMP)
    return _ms_of(rest[: rest.find(b'"')])


class _Kept(msgspec.Struct, frozen=True):
    report: bytes
    generated_ms: int
    expires_ms: int
    fence: int


class InProcessCache:
    """A table with times to live. One thread writes, any may read: an entry is replaced as a whole.

    Args:
        clock: what lives how long.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._kept: dict[tuple[str, str], _Kept] = {}

    def get(self, venue: str, symbol: str) -> bytes | None:
        """The report, or None where there is none or it has expired."""
        kept = self._kept.get((venue, symbol))
        return None if kept is None or kept.expires_ms <= self._now_ms() else kept.report

    def put(self, venue: str, symbol: str, report: bytes, ttl_ms: int, fence: int) -> bool:
        """Keep a report for *ttl_ms*; False = refused, one of a higher *fence* has been written."""
        kept = self._kept.get((venue, symbol))
        if kept is not None and kept.fence > fence:
            return False
        self._kept[venue, symbol] = _Kept(report, generated_ms(report), self._now_ms() + ttl_ms, fence)
        return True

    def index(self) -> list[tuple[str, str, int]]:
        """(venue, symbol, generated_at in ms) of every pair written within a day, sorted; expired ones among them."""
        oldest_ms = self._now_ms() - INDEX_MS
        return sorted(
            (*key, kept.generated_ms) for key, kept in list(self._kept.items()) if kept.generated_ms > oldest_ms
        )

    def _now_ms(self) -> int:
        return self._clock.now() // NS_PER_MS
