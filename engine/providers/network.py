"""The way out: proxies as the environment names them, and which authorities of certificates are believed."""

from __future__ import annotations

import asyncio
import ssl
import urllib.request
from urllib.parse import urlsplit

from engine.base.errors import ConfigError

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


async def wait_for_return(url: str, delay_s: float) -> None:
    """Return after *delay_s*, or as soon as somebody listens at *url* again.

    A look is a bare TCP connect, about one a second: where it is refused no request is made, so that it is none of the
    attempts that a venue counts. Behind a proxy there is nothing to look at.
    """
    loop = asyncio.get_running_loop()
    end_s = loop.time() + delay_s
    parts = urlsplit(url)
    can_look = proxy_for(url) is None
    while (left_s := end_s - loop.time()) > 0.0:
        await asyncio.sleep(min(left_s, LOOK_EVERY_S) if can_look else left_s)
        if can_look and await _listens(parts.hostname or "", parts.port or _PORTS[parts.scheme]):
            return


async def _listens(host: str, port: int) -> bool:
    try:
        async with asyncio.timeout(LOOK_EVERY_S):
            _, writer = await asyncio.open_connection(host, port)
    except (OSError, TimeoutError):
        return False
    writer.close()
    return True
