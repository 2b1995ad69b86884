"""The way out: proxies as the environment names them, and which authorities of certificates are believed."""

from __future__ import annotations

import ssl
import urllib.request
from urllib.parse import urlsplit

from engine.base.errors import ConfigError

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
