"""Reading a report: which one is meant, and how old it is now (MCP-06 to MCP-08); nothing else is computed."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass
from decimal import Decimal
from typing import Any

import msgspec
from msgspec import Raw

from engine.base.build import planted
from engine.base.clock import Clock
from engine.base.errors import ValidationError
from engine.base.instants import from_rfc3339
from engine.reports.cache import NS_PER_MS, ReportCache
from engine.reports.compose import CAPS, PAIRED, points_of_freshness, status_of
from engine.reports.numbers import instant, number, rounded
from engine.reports.resolve import Pair, Resolved, Unresolved, resolve
from engine.reports.settings import ReportSettings
from engine.reports.shape import check

_ENCODER = msgspec.json.Encoder(order="sorted")
_MEMBERS = msgspec.json.Decoder(dict[str, Raw])
_TEXT = msgspec.json.Decoder(str)
_CORRUPT = (msgspec.DecodeError, ValidationError, KeyError, ArithmeticError)


@dataclass(frozen=True, slots=True)
class Served:
    """An answer.

    Attributes:
        body: canonical JSON: the report, or an error with a stable ``error`` code.
        error: that code, None for a report.
        reason: what the code alone does not say: ``unknown``, ``expired``, ``corrupt``; else None.
    """

    body: bytes
    error: str | None = None
    reason: str | None = None


class ReportReader:
    """Answers from a cache.

    Args:
        cache: read only.
        settings: when a report is fresh, and when down.
        clock: how old a report is now.
        configured: pairs known before the first report.
        venue_priority: see :func:`engine.reports.resolve.resolve`.
    """

    def __init__(
        self,
        cache: ReportCache,
        settings: ReportSettings,
        clock: Clock,
        configured: Collection[Pair] = (),
        venue_priority: Sequence[str] = (),
    ) -> None:
        self._cache = cache
        self._settings = settings
        self._clock = clock
        self._configured = frozenset(configured)
        self._priority = tuple(venue_priority)

    def known(self) -> set[Pair]:
        """The pairs there are: configured, or written within a day."""
        return {*self._configured, *((venue, symbol) for venue, symbol, _ in self._cache.index())}

    def get(self, requested: str) -> Served:
        """The report that *requested* stands for, as old as it is now."""
        found = resolve(requested, self.known(), self._priority)
        if isinstance(found, Unresolved):
            return _refused(found)
        report = self._cache.get(found.venue, found.symbol)
        if report is None:
            return _missing(found, sorted(f"{venue}:{symbol}" for venue, symbol in self.known())[:50])
        try:
            check(report)
            if planted("reader.as_kept"):
                return Served(report)
            return Served(aged(report, self._clock.now() // NS_PER_MS, self._settings, found))
        except _CORRUPT as error:
            return unavailable(requested, "corrupt", f"the kept report cannot be read: {error}")

    def listing(self) -> bytes:
        """The known pairs as JSON, sorted, with the instant of each one's newest report (MCP-15)."""
        made = {(venue, symbol): instant(made_ms) for venue, symbol, made_ms in self._cache.index()}
        rows = [
            {"venue": venue, "symbol": symbol, "generated_at": made.get((venue, symbol))}
            for venue, symbol in sorted({*self._configured, *made})
        ]
        return _ENCODER.encode({"symbols": rows, "count": len(rows)})


def unavailable(requested: str | None, reason: str, message: str) -> Served:
    """The answer where the cache does not: *reason* is ``timeout``, ``connection`` or ``corrupt``."""
    return _error("backend_unavailable", {"symbol": requested, "message": message, "reason": reason})


def misspelt(message: str) -> Served:
    """The answer to a question that names no symbol at all."""
    return _error("invalid_symbol", {"symbol": None, "message": message})


def aged(report: bytes, now_ms: int, settings: ReportSettings, resolved: Resolved) -> bytes:
    """A kept report with what depends on its age as it is at *now_ms*; every other field stays to the letter.

    Raises:
        DecodeError, KeyError, ArithmeticError, ValidationError: it is no report.
    """
    members: dict[str, Any] = _MEMBERS.decode(report)
    ingestion: dict[str, Any] = _MEMBERS.decode(members["ingestion"])
    age_ms = None
    if bytes(ingestion["last_update"]) != b"null":
        age_ms = max(0, now_ms - from_rfc3339(_TEXT.decode(ingestion["last_update"])) // NS_PER_MS)
    is_paired = _TEXT.decode(members["book_state"]) in PAIRED
    status = status_of(age_ms, is_paired, settings)
    ingestion |= {"status": status, "fresh": age_ms is not None and age_ms <= settings.fresh_ms}
    members |= {"data_age_ms": age_ms, "ingestion": ingestion}
    members |= {"served_at": instant(now_ms), "resolved": asdict(resolved)}
    if bytes(members["health"]) != b"null":
        members["health"] = _aged_health(_MEMBERS.decode(members["health"]), age_ms, status, settings)
    return _ENCODER.encode(members)


def _aged_health(health: dict[str, Any], age_ms: int | None, status: str, settings: ReportSettings) -> dict[str, Any]:
    components: dict[str, Any] = _MEMBERS.decode(health["components"])
    points = {name: int(Decimal(bytes(text).decode()).scaleb(2)) for name, text in components.items()}
    points["freshness"] = points_of_freshness(age_ms, settings)
    total = sum(points.values())
    return {
        **health,
        "components": {**components, "freshness": number(points["freshness"], 2)},
        "score_raw": number(total, 2),
        "score": min(rounded(total, 100), CAPS[status]),
    }


def _refused(found: Unresolved) -> Served:
    body: dict[str, Any] = {"symbol": found.symbol, "message": found.message}
    if found.code == "symbol_not_indexed":
        body |= {"reason": "unknown", "available": found.others}
    elif found.code == "ambiguous_symbol":
        body["candidates"] = found.others
    return _error(found.code, body)


def _missing(found: Resolved, available: list[str]) -> Served:
    message = f"the report of {found.venue}:{found.symbol} has expired"
    return _error(
        "symbol_not_indexed",
        {"symbol": found.requested, "message": message, "reason": "expired", "available": available},
    )


def _error(code: str, body: dict[str, Any]) -> Served:
    return Served(_ENCODER.encode({"error": code, **body}), code, body.get("reason"))
