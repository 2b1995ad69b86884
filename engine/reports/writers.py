"""A report is never followed by one of an earlier writer, whatever the server comes to hold (DST-12)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import msgspec

from engine.base.clock import monotonic_now
from engine.observability.logs import Log
from engine.reports.resolve import Pair

NS_PER_MS = 1_000_000
_LOG = Log("reports")


class _Writer(msgspec.Struct):
    node_id: str
    token: int


class _Signed(msgspec.Struct):
    writer: _Writer


_SIGNED = msgspec.json.Decoder(_Signed)


@dataclass(slots=True)
class _Newest:
    token: int
    report: bytes
    read_ns: int
    absent_ns: int | None = None
    is_told: bool = False


class NewestWriters:
    """Remembers, by symbol, the report of the highest token. On one thread.

    Args:
        ttl_ms: how long a report that nobody replaces is good for.
        now_ns: the monotonic clock.
    """

    def __init__(self, ttl_ms: int, now_ns: Callable[[], int] = monotonic_now) -> None:
        self._ttl_ns = ttl_ms * NS_PER_MS
        self._now_ns = now_ns
        self._known: dict[Pair, _Newest] = {}
        self.regressions = 0
        """Reports that were read and bore a lower token than one before."""

    def pick(self, pair: Pair, report: bytes | None) -> bytes | None:
        """What to answer with, where *report* was read: itself, or the last one of a later writer."""
        now_ns = self._now_ns()
        known = self._known.get(pair)
        if report is None:
            if known is not None:
                known.absent_ns = now_ns if known.absent_ns is None else known.absent_ns
                if now_ns - known.absent_ns >= self._ttl_ns:
                    del self._known[pair]
            return None
        try:
            token = _SIGNED.decode(report).writer.token
        except msgspec.DecodeError:
            return report  # whoever answers says that it cannot be read
        if known is None or token >= known.token:
            self._known[pair] = _Newest(token, report, now_ns)
            return report
        known.absent_ns = None
        self._regressed(pair, known, token)
        return known.report if now_ns - known.read_ns < self._ttl_ns else report

    def _regressed(self, pair: Pair, known: _Newest, token: int) -> None:
        self.regressions += 1
        if not known.is_told:
            known.is_told = True
            _LOG.warning(
                f"a report bears token {token} after one of {known.token}",
                component="mcp",
                event_type="token_regression",
                symbol=":".join(pair),
                lag_ms=None,
                stream_id=None,
            )
