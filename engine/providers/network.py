"""The way out: proxies as the environment names them, and which authorities of certificates are believed."""

from __future__ import annotations

import asyncio
import ssl
import urllib.request
from urllib.parse import urlsplit

from engine.base.errors import ConfigError, VenueError
from engine.providers.backoff import Backoff

LOOK_EVERY_S = 1.0
_PORTS = {"http": 80, "ws": 80, "https": 443, "wss": 443}
_HTTP_SCHEME = {"ws": "http", "wss": "https"}


def proxy_for(url: str) -> str | None:
    """The proxy to reach *url* through, by ``HTTP_PROXY``, ``HTTPS_PROXY`` and ``NO_PROXY`` (CFG-05); None = none."""
    parts = urlsplit(url)
    if urllib.request.proxy_bypass_environment(parts.netloc.rpartition("@")[2]):  # type: ignore[attr-defined]
        return None
    return urllib.request.getproxies_environment().get(_HTTP_SCHEME.get(parts.scheme, parts.scheme))


def tls_context(ca_file: str | None) -> ssl.SSLContext:
    """How servers are verified: by the system's authorities, or by those of *ca_file* alone.

    Raises:
        ConfigError: the file cannot be read or holds no certificate.
    """
    try:
        return ssl.create_default_context(cafile=ca_file)
    except (OSError, ssl.SSLError) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise ConfigError(f"tls_ca_file {ca_file}: {why}", op="tls.load", hint="name a PEM file") from None


def is_nobody_there(error: BaseException | None) -> bool:
    """Whether an attempt failed because nobody listened: the venue has seen nothing of it."""
    while error is not None:
        if isinstance(error, ConnectionRefusedError):
            return True
        error = error.__cause__ or getattr(error, "os_error", None)
    return False


async def wait_to_retry(url: str, delay_s: float, backoff: Backoff, error: VenueError | None = None) -> None:
    """Wait *delay_s* before *url* is tried again; where nobody listens there, only until somebody does.

    An address that comes back is begun with anew: what failed before says nothing of it.

    Args:
        url: of the venue.
        delay_s: at most so long.
        backoff: of the attempts.
        error: of the last one; None = there was none, a connection that stood was lost.
    """
    loop = asyncio.get_running_loop()
    end_s = loop.time() + delay_s
    can_look = proxy_for(url) is None  # behind a proxy there is nothing to look at
    is_gone = is_nobody_there(error)
    if error is None and can_look and delay_s > LOOK_EVERY_S:
        is_gone = await _has_gone(url)
    if not is_gone or not can_look:
        await asyncio.sleep(end_s - loop.time())
    elif await _returned(url, end_s):
        backoff.step_back()


async def _has_gone(url: str) -> bool:
    """Whether nobody listens at *url* any more. A process that is killed may let go of its listener last: two looks."""
    if not await _listens(url):
        return True
    await asyncio.sleep(LOOK_EVERY_S)
    return not await _listens(url)


async def _returned(url: str, end_s: float) -> bool:
    """Return as soon as somebody listens at *url* again, or at *end_s* of the loop's clock; whether that was seen.

    A look is a bare TCP connect, about one a second: where it is refused no request is made, so that it is none of the
    attempts that a venue counts.
    """
    loop = asyncio.get_running_loop()
    while (left_s := end_s - loop.time()) > 0.0:
        await asyncio.sleep(min(left_s, LOOK_EVERY_S))
        if await _listens(url):
            return True
    return False


async def _listens(url: str) -> bool:
    parts = urlsplit(url)
    try:
        async with asyncio.timeout(LOOK_EVERY_S):
            _, writer = await asyncio.open_connection(parts.hostname or "", parts.port or _PORTS[parts.scheme])
    except (OSError, TimeoutError):
        return False
    writer.close()
    return True
