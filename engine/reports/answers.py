"""What every face of the reports answers with: one source, one deadline, counted once (MCP-03, MCP-09, MCP-17)."""

from __future__ import annotations

import asyncio
import uuid
from collections import Counter
from collections.abc import Awaitable
from typing import Protocol

from engine.base.build import planted
from engine.base.clock import monotonic_now
from engine.observability.latency import LatencyHistogram
from engine.observability.logs import Log
from engine.reports.reader import ReportReader, Served, unavailable

NS_PER_MS = 1_000_000
_LOG = Log("mcp")
_MISS_OF = {"invalid_symbol": "invalid", "ambiguous_symbol": "ambiguous"}


class ReportSource(Protocol):
    """Where answers come from. It may stall; it never raises for what it cannot reach."""

    @property
    def regressions(self) -> int:
        """Reports that were read and bore a lower token than one before."""

    async def report(self, requested: str) -> Served:
        """The report that *requested* stands for, or why there is none."""

    async def symbols(self) -> Served:
        """The known pairs (MCP-15)."""

    async def close(self) -> None:
        """Give back what it holds."""


class LocalSource:
    """The cache of this process, which answers at once.

    Args:
        reader: of the cache.
    """

    def __init__(self, reader: ReportReader) -> None:
        self._reader = reader
        self.regressions = 0
        """None: there is one writer."""

    async def report(self, requested: str) -> Served:
        """The report that *requested* stands for, or why there is none."""
        return self._reader.get(requested)

    async def symbols(self) -> Served:
        """The known pairs."""
        return Served(self._reader.listing())

    async def close(self) -> None:
        """Nothing is held."""


class Answers:
    """Asks a source, and waits for it no longer than is allowed. On one loop.

    Args:
        source: where answers come from.
        deadline_ms: for a whole call; an answer that is later is none.
        timeout_ms: how long the source is waited for.
        is_logged: a line a call, for a server.
    """

    def __init__(
        self, source: ReportSource, deadline_ms: int, timeout_ms: int, *, is_logged: bool = True
    ) -> None:
        self._source = source
        self._is_logged = is_logged
        self._deadline_ns = deadline_ms * NS_PER_MS
        self._wait_s = timeout_ms / 1e3
        self.hits = 0
        """Calls that were answered with a report."""
        self.misses: Counter[str] = Counter()
        """Calls for which there is none: ``unknown``, ``expired``, ``invalid``, ``ambiguous``."""
        self.failures: Counter[str] = Counter()
        """Calls that the source did not answer: ``timeout``, ``connection``, ``corrupt``."""
        self.durations: dict[tuple[str, str], LatencyHistogram] = {}
        """How long calls took, by method and ``ok`` or the code of the error."""

    async def report(self, requested: str) -> Served:
        """The report that *requested* stands for, or why there is none; within the deadline."""
        begun_ns = monotonic_now()
        served = await self._in_time(self._source.report(requested), requested, begun_ns)
        if served.error is None:
            self.hits += 1
        elif served.error == "backend_unavailable":
            self.failures[served.reason or ""] += 1
        else:
            self.misses[_MISS_OF.get(served.error) or served.reason or ""] += 1
        self._done("get_report", requested, served, begun_ns)
        return served

    async def symbols(self) -> Served:
        """The known pairs, or why they cannot be told; within the deadline."""
        begun_ns = monotonic_now()
        served = await self._in_time(self._source.symbols(), None, begun_ns)
        self._done("list_symbols", None, served, begun_ns)
        return served

    async def _in_time(self, asked: Awaitable[Served], requested: str | None, begun_ns: int) -> Served:
        try:
            async with asyncio.timeout(self._wait_s * (30 if planted("answers.be_patient") else 1)):
                served = await asked
        except TimeoutError:
            return unavailable(requested, "timeout", f"the cache did not answer in {self._wait_s * 1e3:.0f} ms")
        if monotonic_now() - begun_ns > self._deadline_ns:
            return unavailable(requested, "timeout", f"the answer took more than {self._deadline_ns // NS_PER_MS} ms")
        return served

    @property
    def regressions(self) -> int:
        """Reports that were read and bore a lower token than one before."""
        return self._source.regressions

    async def is_there(self) -> bool:
        """Whether the source answers in time; no call in the counts."""
        try:
            async with asyncio.timeout(self._wait_s):
                return (await self._source.symbols()).error is None
        except TimeoutError:
            return False

    async def close(self) -> None:
        """Give back what the source holds."""
        await self._source.close()

    def _done(self, method: str, requested: str | None, served: Served, begun_ns: int) -> None:
        took_ns = monotonic_now() - begun_ns
        self.durations.setdefault((method, served.error or "ok"), LatencyHistogram()).add(took_ns)
        if not self._is_logged:
            return
        _LOG.info(
            "answered",
            component="mcp",
            event_type="tool_call",
            symbol=requested,
            lag_ms=None,
            stream_id=None,
            tool_name=method,
            correlation_id=str(uuid.uuid4()),
            cache_hit=served.error is None,
            latency_ms=round(took_ns / NS_PER_MS, 3),
        )
