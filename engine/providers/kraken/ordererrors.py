"""What Kraken's refusals mean for an order, by the beginning of their texts. Source: docs.kraken.com, API errors."""

from __future__ import annotations

import re

from engine.providers.orderreading import Verdict
from engine.schema.order import Sent

_RATE = Verdict(Sent.REFUSED, "rate_limited")
_KEY = Verdict(Sent.REFUSED, "auth", halts=True)
_TOKEN = Verdict(Sent.REFUSED, "auth")
_UNKNOWN = Verdict(Sent.UNKNOWN, "unavailable")
_CLOSED = Verdict(Sent.REFUSED, "unavailable")
_RULES = Verdict(Sent.REFUSED, "exchange_error")
_MALFORMED = Verdict(Sent.REFUSED, "invalid_request")
_NOT_FOUND = Verdict(Sent.REFUSED, "not_found")

TEXTS: tuple[tuple[str, Verdict], ...] = (
    ("EAPI:Invalid nonce", _TOKEN),
    ("EAPI:Invalid token", _TOKEN),
    ("ESession:Invalid session", _TOKEN),
    ("EAPI:Invalid key", _KEY),
    ("EAPI:Invalid signature", _KEY),
    ("EGeneral:Permission denied", _KEY),
    ("EAuth:", _KEY),
    ("EAPI:Rate limit", _RATE),
    ("EGeneral:Too many requests", _RATE),
    ("EGeneral:Temporary lockout", _RATE),
    ("EService:Throttled", _RATE),
    ("EOrder:Rate limit", _RATE),
    ("EOrder:Domain rate limit", _RATE),
    ("EOrder:Orders limit", _RATE),
    ("EService:Market in ", _CLOSED),
    # The engine says that it dropped it.
    ("EService:Deadline elapsed", _CLOSED),
    ("EService:", _UNKNOWN),
    ("EGeneral:Internal error", _UNKNOWN),
    ("EOrder:Unknown order", _NOT_FOUND),
    ("EOrder:Invalid order", _NOT_FOUND),
    ("EQuery:Unknown asset pair", _NOT_FOUND),
    ("Currency pair not supported", _NOT_FOUND),
    ("EOrder:", _RULES),
    ("ETrade:", _RULES),
    ("EGeneral:Invalid arguments", _MALFORMED),
    ("EGeneral:", _RULES),
    ("EAPI:", _RULES),
)
"""The first row that fits. What fits none has no category: the request was not understood."""
NEW_TOKEN = ("EAPI:Invalid token", "ESession:Invalid session")
"""With a new token the venue may take it; what was refused so was not placed."""
LOCKOUT_S = 900.0
_LOCKOUT = "EGeneral:Temporary lockout"
_THROTTLED = re.compile(r"EService:Throttled: *(\d{1,12})", re.ASCII)
_DUPLICATE = re.compile("duplicate|cl_ord_id", re.IGNORECASE)
"""How a taken id is refused is not documented: what speaks of it is looked up, never believed."""


def verdict_of(said: str) -> Verdict:
    """What a refusal means."""
    if _DUPLICATE.search(said) and not said.startswith(("EAPI:", "EOrder:Unknown order")):
        return Verdict(Sent.UNKNOWN, "conflict")
    return next((verdict for text, verdict in TEXTS if said.startswith(text)), _MALFORMED)


def retry_after_s(said: str, venue_now_ns: int) -> float | None:
    """How long the venue says to wait, where it does."""
    if said.startswith(_LOCKOUT):
        return LOCKOUT_S
    until = _THROTTLED.match(said)
    return None if until is None else max(0.0, (int(until[1]) * 1_000_000_000 - venue_now_ns) / 1e9)


def is_about_clock(said: str) -> bool:
    """Whether a refusal is of a deadline: ours is by the venue's clock, as far as we know that."""
    return said.startswith(("EService:Deadline", "EGeneral:Invalid arguments:deadline"))
