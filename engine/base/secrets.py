"""Secrets never leave the process in a text: what is known to be one, or looks like one, is masked.

Configuration registers the value of every variable that a ``*_env`` key names. Errors, logs, dead letters and
printed configuration pass what they show through :func:`mask_text` or :func:`mask_bytes`.
"""

import re
from typing import Any

MASK = "***"
# Shorter values would mask ordinary text; no venue issues a key, secret or token this short.
_SHORTEST_SECRET_CHARS = 4

_NAMES = (
    "api[_-]?key|api[_-]?secret|x-mbx-apikey|api-sign|secret|signature|passphrase|password|token|jwt|listenkey"
    "|private[_-]?key"
)
_PATTERNS = (
    # "api_secret": "..." in JSON, also where the JSON is itself quoted inside a JSON string
    re.compile(rf'(\\?"(?:{_NAMES})\\?"\s*:\s*\\?")(?:[^"\\]|\\[^"])+', re.IGNORECASE),
    # signature=... in a query string or a form
    re.compile(rf"(\b(?:{_NAMES})=)[^&\s\"']+", re.IGNORECASE),
    # request headers
    re.compile(
        r"(\b(?:authorization|x-mbx-apikey|api-key|api-sign)['\"]?:\s*['\"]?(?:bearer\s+)?)[^\s'\",]+",
        re.IGNORECASE,
    ),
    # wss://user:password@host
    re.compile(r"(\b[a-z][a-z0-9+.-]*://)[^/\s@]+(?=@)", re.IGNORECASE),
)
_MARKS = (
    "api_key", "api-key", "apikey", "api-sign", "secret", "signature", "passphrase", "password", "token", "jwt",
    "listenkey", "private_key", "private-key", "privatekey", "authorization", "://",
)  # fmt: skip
"""Lower case: without one of them no pattern finds anything, and the patterns take a hundred times as long."""
_known: set[str] = set()


def register_secret(value: str) -> None:
    """Mask *value* from now on wherever it would be shown."""
    if len(value) >= _SHORTEST_SECRET_CHARS:
        _known.add(value)


def forget_secrets() -> None:
    """Drop every registered value: for a process that loads another configuration."""
    _known.clear()


def mask_text(text: str) -> str:
    """*text* with registered secrets and whatever is spelled like one replaced by ``***``."""
    # Longest first: a secret that begins with another one must not leave its tail behind.
    for value in sorted(_known, key=len, reverse=True):
        text = text.replace(value, MASK)
    return _without_lookalikes(text)


def _without_lookalikes(text: str) -> str:
    if text.isascii() and not any(map(text.lower().__contains__, _MARKS)):
        return text
    for pattern in _PATTERNS:
        text = pattern.sub(rf"\g<1>{MASK}", text)
    return text


def mask_value(value: Any) -> Any:
    """As :func:`mask_text`, for every text in nested dicts and lists.

    To be used before encoding: a secret with a quote in it is spelled otherwise in JSON.
    """
    if isinstance(value, str):
        return mask_text(value)
    if isinstance(value, dict):
        return {str(key): mask_value(below) for key, below in value.items()}
    if isinstance(value, list | tuple):
        return [mask_value(item) for item in value]
    return value


def mask_bytes(raw: bytes) -> bytes:
    """As :func:`mask_text`, for bytes of any encoding; bytes without a secret come back unchanged."""
    for value in sorted(_known, key=len, reverse=True):
        raw = raw.replace(value.encode(), MASK.encode())
    # Latin-1 maps every byte to one character and back, whatever the encoding was.
    return _without_lookalikes(raw.decode("latin-1")).encode("latin-1")
