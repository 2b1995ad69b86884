"""What Binance's refusals mean for an order. Source: errors.md."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engine.providers.orderreading import Verdict
from engine.schema.order import Sent

CLOCK = -1021
NO_SUCH_ORDER = -2013
TOO_HEAVY = -1003
_UNKNOWN = Verdict(Sent.UNKNOWN, "network")
_BUSY = Verdict(Sent.UNKNOWN, "unavailable")
_RATE = Verdict(Sent.REFUSED, "rate_limited")
_MALFORMED = Verdict(Sent.REFUSED, "invalid_request")
_RULES = Verdict(Sent.REFUSED, "exchange_error")
_KEY = Verdict(Sent.REFUSED, "auth", halts=True)
_TAKEN_ID = Verdict(Sent.UNKNOWN, "conflict")

CODES: Mapping[int, Verdict] = {
    -1000: _UNKNOWN,
    -1001: _UNKNOWN,
    -1006: _UNKNOWN,
    -1007: _UNKNOWN,
    -1008: _BUSY,
    **dict.fromkeys((TOO_HEAVY, -1015, -1034), _RATE),
    -1013: _RULES,
    **dict.fromkeys((-1020, *range(-1106, -1099), -1111, *range(-1121, -1114), -1128, -1130, -1131), _MALFORMED),
    # With a fresh offset the next one may pass: no reason to end.
    CLOCK: Verdict(Sent.REFUSED, "auth"),
    **dict.fromkeys((-1022, -2014, -2015), _KEY),
    -2010: _RULES,
    **dict.fromkeys((-2011, NO_SUCH_ORDER, -2026), Verdict(Sent.REFUSED, "not_found")),
    **dict.fromkeys((-2021, -2022, -2038), _RULES),
    -2039: Verdict(Sent.REFUSED, "conflict"),
}
STATUSES: Mapping[int, Verdict] = {400: _RULES, 401: _KEY, 403: _KEY, 409: _RULES, 418: _RATE, 429: _RATE}
"""Of codes that are not in the table; any other status says nothing of the order."""
_DUPLICATE = "Duplicate order sent"
"""An open order has this id, and ids are never used twice: it is this one, come in by another way."""


def verdict_of(status: int, code: int, said: str) -> Verdict:
    """What an answer other than 200 means."""
    if code == -2010 and _DUPLICATE in said:
        return _TAKEN_ID
    verdict = CODES.get(code) or STATUSES.get(status)
    return _UNKNOWN if verdict is None else verdict


def refusal_of(message: dict[str, Any]) -> tuple[int, int, str, int | None]:
    """Status, code, words, and in ms since 1970 when to ask again, of an answer of the WebSocket API."""
    error = message["error"]
    retry_ms = (error.get("data") or {}).get("retryAfter")
    return int(message["status"]), int(error["code"]), str(error["msg"]), None if retry_ms is None else int(retry_ms)
