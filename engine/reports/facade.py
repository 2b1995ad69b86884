"""The reports of another process, asked over its HTTP facade: the cache of processes that only read (MCP-14)."""

from __future__ import annotations

import aiohttp
import msgspec

from engine.reports.reader import Served, unavailable
from engine.reports.shape import check

_REFUSALS = frozenset({"symbol_not_indexed", "invalid_symbol", "ambiguous_symbol", "backend_unavailable"})


class _Refused(msgspec.Struct):
    error: str
    reason: str | None = None


class FacadeSource:
    """One running engine. Its answers are handed on as they are; what is no answer of a facade is corrupt.

    Args:
        url: of the facade, as ``http://127.0.0.1:8890``.
        timeout_ms: for one question.
        token: shown with each; None = none.
    """

    def __init__(self, url: str, timeout_ms: int, token: str | None = None) -> None:
        self._url = url.rstrip("/")
        self._limit = aiohttp.ClientTimeout(total=timeout_ms / 1e3)
        self._headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        self._session: aiohttp.ClientSession | None = None
        self.regressions = 0
        """None: what the engine there answers with has one writer."""

    async def report(self, requested: str) -> Served:
        """The report that *requested* stands for, or why there is none."""
        status, body = await self._ask("/api/report", requested, {"symbol": requested})
        if status != 200:
            return self._refused(status, body, requested)
        try:
            check(body)
        except msgspec.DecodeError as error:
            return unavailable(requested, "corrupt", f"{self._url} answered with no report: {error}")
        return Served(body)

    async def symbols(self) -> Served:
        """The known pairs."""
        status, body = await self._ask("/api/symbols", None, {})
        return Served(body) if status == 200 else self._refused(status, body, None)

    async def close(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()

    async def _ask(self, path: str, requested: str | None, query: dict[str, str]) -> tuple[int, bytes]:
        if self._session is None:
            # Made here: a session belongs to the loop that asks.
            self._session = aiohttp.ClientSession(timeout=self._limit, headers=self._headers)
        try:
            async with self._session.get(self._url + path, params=query) as response:
                return response.status, await response.read()
        except TimeoutError:
            return 0, unavailable(requested, "timeout", f"{self._url} did not answer in time").body
        except (aiohttp.ClientError, OSError) as error:
            why = str(error) or type(error).__name__
            return 0, unavailable(requested, "connection", f"{self._url} cannot be reached: {why}").body

    def _refused(self, status: int, body: bytes, requested: str | None) -> Served:
        try:
            refused = msgspec.json.decode(body, type=_Refused)
        except msgspec.DecodeError:
            refused = _Refused("")
        if refused.error in _REFUSALS:
            return Served(body, refused.error, refused.reason)
        return unavailable(requested, "corrupt", f"{self._url} answered {status}, which no report facade does")
