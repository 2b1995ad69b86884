"""Reports that workers have written to a server, as a source of answers (MCP-14, RPT-15); it only reads."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Mapping
from typing import TYPE_CHECKING, Any

from engine.base.clock import SystemClock
from engine.base.errors import ConfigError
from engine.config.sections import EngineConfig
from engine.distribution.keys import INDEX_KEY, report_key
from engine.distribution.servers import is_shared, not_usable, servers_of
from engine.reports.reader import ReportReader, Served, unavailable
from engine.reports.resolve import Pair, Resolved, resolve
from engine.reports.settings import ReportSettings
from engine.reports.writers import NewestWriters

if TYPE_CHECKING:
    from redis.asyncio import Redis
    from redis.asyncio.cluster import RedisCluster

INDEX_MS = 86_400_000
NS_PER_MS = 1_000_000


class _Found:
    """What one question has read: a cache of it alone."""

    def __init__(self, index: list[tuple[str, str, int]], reports: Mapping[Pair, bytes | None]) -> None:
        self._index = index
        self._reports = reports

    def get(self, venue: str, symbol: str) -> bytes | None:
        """The report that was read, if it was."""
        return self._reports.get((venue, symbol))

    def put(self, venue: str, symbol: str, report: bytes, ttl_ms: int, fence: int) -> bool:
        """Nothing is kept here."""
        return False

    def index(self) -> list[tuple[str, str, int]]:
        """The pairs of the server."""
        return self._index


class StoredSource:
    """One server, or a cluster. On one loop.

    Args:
        config: which pairs there are, and which venue comes first.
        url: of the server.
        timeout_ms: for one question of it.

    Raises:
        ConfigError: the package is missing, or the address is none.
    """

    def __init__(self, config: EngineConfig, url: str, timeout_ms: int) -> None:
        self._client = _connect(url, timeout_ms / 1e3)
        # Who has what is asked where somebody did not answer: a question has its time all the same.
        self._timeout_s = timeout_ms / 1e3 if is_shared(url) else None
        self._settings = ReportSettings.of(config.reports)
        self._clock = SystemClock()
        self._writers = NewestWriters(config.cache.ttl_s * 1000)
        enabled = [one for one in config.providers if one.enabled]
        self._pairs = frozenset((one.venue, symbol) for one in enabled for symbol in one.symbols)
        self._priority = config.mcp.venue_priority or tuple(dict.fromkeys(one.venue for one in enabled))

    async def report(self, requested: str) -> Served:
        """The report that *requested* stands for, or why there is none."""
        from redis.exceptions import RedisClusterException, RedisError
        from redis.exceptions import TimeoutError as LateError

        try:
            index = await self._index()
            known = {*self._pairs, *((venue, symbol) for venue, symbol, _ in index)}
            found = resolve(requested, known, self._priority)
            kept: dict[Pair, bytes | None] = {}
            if isinstance(found, Resolved):
                report = await self._asked(self._client.get(report_key(found.venue, found.symbol)))
                pair = found.venue, found.symbol
                kept[pair] = self._writers.pick(pair, report)
        except (LateError, TimeoutError):
            return unavailable(requested, "timeout", "the server of the reports did not answer in time")
        except (RedisError, RedisClusterException, OSError) as error:
            return unavailable(requested, "connection", f"the server of the reports cannot be reached: {error}")
        return self._reader(index, kept).get(requested)

    async def symbols(self) -> Served:
        """The known pairs."""
        from redis.exceptions import RedisClusterException, RedisError
        from redis.exceptions import TimeoutError as LateError

        try:
            return Served(self._reader(await self._index(), {}).listing())
        except (LateError, TimeoutError):
            return unavailable(None, "timeout", "the server of the reports did not answer in time")
        except (RedisError, RedisClusterException, OSError) as error:
            return unavailable(None, "connection", f"the server of the reports cannot be reached: {error}")

    @property
    def regressions(self) -> int:
        """Reports that were read and bore a lower token than one before."""
        return self._writers.regressions

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    def _reader(self, index: list[tuple[str, str, int]], kept: Mapping[Pair, bytes | None]) -> ReportReader:
        return ReportReader(_Found(index, kept), self._settings, self._clock, self._pairs, self._priority)

    async def _asked(self, question: Awaitable[Any]) -> Any:
        async with asyncio.timeout(self._timeout_s):
            return await question

    async def _index(self) -> list[tuple[str, str, int]]:
        oldest_ms = self._clock.now() // NS_PER_MS - INDEX_MS
        found = await self._asked(self._client.zrange(INDEX_KEY, oldest_ms, "+inf", byscore=True, withscores=True))
        pairs = ((member.decode().partition(":"), made_ms) for member, made_ms in found)
        return sorted((venue, symbol, int(made_ms)) for (venue, _, symbol), made_ms in pairs)


def stored_url(config: EngineConfig) -> str:
    """Where the server of the reports is.

    Raises:
        ConfigError: nothing says so.
    """
    url = os.environ.get(config.cache.url_env, "")
    if not url:
        raise ConfigError(
            f"cache.backend is redis, and the environment variable {config.cache.url_env} is not set",
            op="reports.connect",
            hint=f"set {config.cache.url_env}, as redis://127.0.0.1:6379/0",
        )
    return url


def _connect(url: str, timeout_s: float) -> Redis | RedisCluster:
    try:
        from redis.asyncio import Redis
        from redis.asyncio.cluster import ClusterNode, RedisCluster
        from redis.asyncio.retry import Retry
        from redis.backoff import NoBackoff
    except ImportError as error:
        raise ConfigError(
            "cache.backend redis needs the package redis", op="reports.connect", hint="pip install 'engine[redis]'"
        ) from error
    retry = Retry(NoBackoff(), 0)
    if is_shared(url):
        first, others = servers_of(url)
        nodes = [ClusterNode(host, port) for host, port in others]
        return RedisCluster.from_url(
            first, startup_nodes=nodes, socket_connect_timeout=timeout_s, socket_timeout=timeout_s, retry=retry
        )
    try:
        return Redis.from_url(url, socket_connect_timeout=timeout_s, socket_timeout=timeout_s, retry=retry)
    except ValueError as error:
        raise not_usable(error) from error
