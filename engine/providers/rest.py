"""HTTP calls to one venue; whatever goes wrong becomes an error of the engine's tree."""

from __future__ import annotations

import asyncio
import logging
import re
import ssl
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

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
from engine.providers.backoff import Backoff
from engine.providers.budget import CallClass, RestBudget
from engine.providers.network import proxy_for

KEPT_OPEN_S = 75.0
"""A connection that was not used for this long is given up."""
_BAN_MIN_S, _BAN_MAX_S = 1.0, 60.0
_MESSAGE_CHARS = 200
_OP = "rest.call"
_RATE_LIMITED = 429
_BANNED = 418
_NO_ANSWER = "none"
_IDS = re.compile(r"/(?=[^/]*[0-9])[A-Za-z0-9-]{8,}(?=/|$)")
"""Parts of a path that name one order or the like: long ones with a digit in them."""
_USED_WEIGHT = "X-MBX-USED-WEIGHT-1M"

log = logging.getLogger("engine.providers")


class RestClient:
    """One HTTP client with connections that are kept. Used on one loop; close() it there.

    Args:
        provider: for the texts of errors.
        timeout_s: of a whole request, unless it says its own.
        max_connections: at once.
        budget: what may be asked of the venue; None = as much as one likes.
        tls: how the server is verified; None = by the system's authorities.
        tell: called as tell(kind, **metadata): telemetry.
    """

    def __init__(
        self,
        provider: str,
        *,
        timeout_s: float = 5.0,
        max_connections: int = 4,
        budget: RestBudget | None = None,
        tls: ssl.SSLContext | None = None,
        tell: Callable[..., None] | None = None,
    ) -> None:
        self._provider = provider
        self._timeout_s = timeout_s
        self._max_connections = max_connections
        self._budget = budget
        self._tls = tls
        self._tell = tell
        self._slots = asyncio.Semaphore(max_connections)
        self._bans = Backoff(_BAN_MIN_S, _BAN_MAX_S)
        self._client: aiohttp.ClientSession | None = None
        self.requests: Counter[tuple[str, str]] = Counter()
        """(endpoint, HTTP status) -> requests; ``none`` where no answer came."""

    async def get(
        self,
        url: str,
        timeout_s: float | None = None,
        *,
        weight: int = 1,
        call: CallClass = CallClass.RESYNC,
        headers: Mapping[str, str] | None = None,
    ) -> bytes:
        """The body of a successful answer, asked for as soon as the venue's limit allows.

        Args:
            url: with its query.
            timeout_s: of the request; None = the client's own.
            weight: that the venue counts for it.
            call: what it is for.
            headers: beside the usual ones.

        Raises:
            RateLimitedError: status 418 or 429, or such an answer still stands; ``retry_after_s`` says how long.
            UnavailableError: status 5xx.
            AuthError, NotFoundError, InvalidRequestError: status 401 and 403, 404, other 4xx.
            NetworkError: no answer in time, or none at all.
        """
        return await self._call("GET", url, timeout_s, weight, call, None, headers)

    async def post(
        self,
        url: str,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        *,
        timeout_s: float | None = None,
        weight: int = 1,
        call: CallClass = CallClass.ORDERS,
    ) -> bytes:
        """As get(), with a body and headers."""
        return await self._call("POST", url, timeout_s, weight, call, body, headers)

    async def delete(self, url: str, *, weight: int = 1, call: CallClass = CallClass.ORDERS) -> bytes:
        """As get(), to take something back."""
        return await self._call("DELETE", url, None, weight, call, None, None)

    async def close(self) -> None:
        """Close every connection; again does nothing."""
        client, self._client = self._client, None
        if client is not None:
            await client.close()

    async def _call(
        self,
        method: str,
        url: str,
        timeout_s: float | None,
        weight: int,
        call: CallClass,
        body: bytes | None,
        headers: Mapping[str, str] | None,
    ) -> bytes:
        while True:
            await self.admitted(weight, call)
            # What waits for a connection is not under way yet: it stays behind when the venue refuses meanwhile.
            async with self._slots:
                if self._spend(weight, call):
                    return await self._send(method, url, timeout_s, call, body, headers)

    async def _send(
        self,
        method: str,
        url: str,
        timeout_s: float | None,
        call: CallClass,
        body: bytes | None,
        headers: Mapping[str, str] | None,
    ) -> bytes:
        options: dict[str, Any] = {"timeout": aiohttp.ClientTimeout(total=timeout_s or self._timeout_s)}
        if (proxy := proxy_for(url)) is not None:
            options["proxy"] = proxy
        if self._tls is not None and url.startswith("https:"):
            options["ssl"] = self._tls
        code = _NO_ANSWER
        try:
            async with self._opened().request(method, url, data=body, headers=headers, **options) as response:
                answer = await response.read()
                code = str(response.status)
                self._note_used(response.headers.get(_USED_WEIGHT))
                if response.status < 400:
                    return answer
                raise self._refusal(url, response.status, answer, response.headers.get("Retry-After"), call)
        except TimeoutError:
            raise NetworkError(f"{url}: no answer in time", op=_OP, provider=self._provider) from None
        except aiohttp.ClientConnectorError as error:
            # Its own text shows the TLS context's address, too.
            reason = f"cannot connect to {error.host}:{error.port}: {error.os_error.strerror or error.os_error}"
            raise NetworkError(f"{url}: {reason}", op=_OP, provider=self._provider) from error
        except aiohttp.ClientError as error:
            raise NetworkError(f"{url}: {error}", op=_OP, provider=self._provider) from error
        finally:
            self.requests[endpoint_of(url), code] += 1

    def _opened(self) -> aiohttp.ClientSession:
        if self._client is None:
            connector = aiohttp.TCPConnector(limit=self._max_connections, keepalive_timeout=KEPT_OPEN_S)
            self._client = aiohttp.ClientSession(connector=connector)
        return self._client

    # -- limits -----------------------------------------------------------------------------------------------

    async def admitted(self, weight: int, call: CallClass) -> None:
        """Wait until a call is within the limit; a ban is not waited for.

        Raises:
            RateLimitedError: there is one.
        """
        if self._budget is None:
            return
        loop = asyncio.get_running_loop()
        while True:
            banned_s = self._budget.banned_s(loop.time(), call)
            if banned_s > 0.0:
                raise RateLimitedError(
                    f"the venue said to wait; {banned_s:.1f} s are left",
                    op=_OP,
                    provider=self._provider,
                    retry_after_s=banned_s,
                )
            wait_s = self._budget.wait_s(loop.time(), weight, call)
            if wait_s <= 0.0:
                break
            await asyncio.sleep(wait_s)

    def _spend(self, weight: int, call: CallClass) -> bool:
        """Count a call that goes now; False where it is no longer within the limit."""
        if self._budget is not None:
            now_s = asyncio.get_running_loop().time()
            if self._budget.banned_s(now_s, call) > 0.0 or self._budget.wait_s(now_s, weight, call) > 0.0:
                return False
            self._budget.spend(now_s, weight)
        return True

    def _note_used(self, used: str | None) -> None:
        if self._budget is not None and used and used.isdecimal():
            self._budget.told(asyncio.get_running_loop().time(), int(used))

    def _banned(self, status: int, retry_after_s: float | None, call: CallClass) -> float:
        """Stop calls like this one, or all of them; returns for how long."""
        for_s = self._bans.next_s() + _BAN_MIN_S if retry_after_s is None else retry_after_s
        # A venue that has enough of refreshes would count a resync's call as ill.
        concerned = CallClass.ORDERS if status == _BANNED else min(call, CallClass.RESYNC)
        if self._budget is not None:
            self._budget.ban(asyncio.get_running_loop().time(), concerned, for_s)
        if self._tell is not None:
            scope = "all calls" if status == _BANNED else concerned.name.lower()
            self._tell("rate_limit.hit", provider=self._provider, scope=scope, retry_after_ms=int(for_s * 1e3))
        return for_s

    def _refusal(self, url: str, status: int, body: bytes, retry_after: str | None, call: CallClass) -> VenueError:
        kind: type[VenueError] = InvalidRequestError
        wait_s = float(retry_after) if retry_after and retry_after.isdecimal() else None
        if status in (_RATE_LIMITED, _BANNED):
            kind = RateLimitedError
            wait_s = self._banned(status, wait_s, call)
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
            retry_after_s=wait_s,
            raw=body,
        )


def endpoint_of(url: str) -> str:
    """The path of a request, its numbers and ids left out: one name for all requests of a kind."""
    return _IDS.sub("/{id}", urlsplit(url).path)


def may_have_left(error: NetworkError) -> bool:
    """Whether bytes of a request that failed so may have gone out: of all that fails, only a connect has sent none."""
    return not isinstance(error.__cause__, aiohttp.ClientConnectorError)
