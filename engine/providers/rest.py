"""HTTP calls to one venue; whatever goes wrong becomes an error of the engine's tree."""

from __future__ import annotations

import aiohttp

from engine.base.errors import (
    AuthError,
    InvalidRequestError,
    NetworkError,
    NotFoundError,
    RateLimitedError,
    UnavailableError,
    VenueError,
)

_MESSAGE_CHARS = 200
_OP = "rest.call"
_RATE_LIMITED = frozenset({418, 429})


class RestClient:
    """One HTTP client with connections that are kept. Used on one loop; close() it there.

    Args:
        provider: for the texts of errors.
        timeout_s: of a whole request, unless it says its own.
        max_connections: at once.
    """

    def __init__(self, provider: str, *, timeout_s: float = 5.0, max_connections: int = 4) -> None:
        self._provider = provider
        self._timeout_s = timeout_s
        self._max_connections = max_connections
        self._client: aiohttp.ClientSession | None = None

    async def get(self, url: str, timeout_s: float | None = None) -> bytes:
        """The body of a successful answer.

        Raises:
            RateLimitedError: status 418 or 429, with ``retry_after_s`` where the venue says it.
            UnavailableError: status 5xx.
            AuthError, NotFoundError, InvalidRequestError: status 401 and 403, 404, other 4xx.
            NetworkError: no answer in time, or none at all.
        """
        return await self._call("GET", url, timeout_s or self._timeout_s)

    async def post(self, url: str) -> bytes:
        """As get(), for a call without a body."""
        return await self._call("POST", url, self._timeout_s)

    async def close(self) -> None:
        """Close every connection; again does nothing."""
        client, self._client = self._client, None
        if client is not None:
            await client.close()

    async def _call(self, method: str, url: str, timeout_s: float) -> bytes:
        client = self._client
        if client is None:
            connector = aiohttp.TCPConnector(limit=self._max_connections)
            client = self._client = aiohttp.ClientSession(connector=connector)
        try:
            async with client.request(method, url, timeout=aiohttp.ClientTimeout(total=timeout_s)) as response:
                body = await response.read()
                if response.status < 400:
                    return body
                raise self._refusal(url, response.status, body, response.headers.get("Retry-After"))
        except TimeoutError:
            raise NetworkError(f"{url}: no answer in time", op=_OP, provider=self._provider) from None
        except aiohttp.ClientError as error:
            raise NetworkError(f"{url}: {error}", op=_OP, provider=self._provider) from error

    def _refusal(self, url: str, status: int, body: bytes, retry_after: str | None) -> VenueError:
        kind: type[VenueError] = InvalidRequestError
        if status in _RATE_LIMITED:
            kind = RateLimitedError
        elif status >= 500:
            kind = UnavailableError
        elif status in (401, 403):
            kind = AuthError
        elif status == 404:
            kind = NotFoundError
        return kind(
            f"{url}: HTTP {status}",
            op=_OP,
            provider=self._provider,
            http_status=status,
            venue_message=body[:_MESSAGE_CHARS].decode("utf-8", "replace") or None,
            retry_after_s=float(retry_after) if retry_after and retry_after.isdecimal() else None,
            raw=body,
        )
