"""What Coinbase's refusals mean for an order. Source: docs.cdp.coinbase.com, create-order and cancel-orders."""

from __future__ import annotations

from collections.abc import Mapping

from engine.providers.orderreading import Verdict
from engine.schema.order import Sent

_PREVIEW = "PREVIEW_"
_RULES = Verdict(Sent.REFUSED, "exchange_error")
_MALFORMED = Verdict(Sent.REFUSED, "invalid_request")
_CLOSED = Verdict(Sent.REFUSED, "unavailable")

FAILURES: Mapping[str, Verdict] = {
    **dict.fromkeys(
        (
            "UNSUPPORTED_ORDER_CONFIGURATION", "INVALID_SIDE", "INVALID_PRODUCT_ID", "INVALID_SIZE_PRECISION",
            "INVALID_PRICE_PRECISION", "INVALID_REQUEST", "INVALID_ARGUMENT", "FOK_ONLY_ALLOWED_ON_LIMIT_ORDERS",
            "POST_ONLY_NOT_ALLOWED_WITH_FOK", "END_TIME_TOO_FAR_IN_FUTURE",
        ),
        _MALFORMED,
    ),
    **dict.fromkeys(
        (
            "INSUFFICIENT_FUND", "INSUFFICIENT_FUNDS", "INVALID_LEDGER_BALANCE", "INELIGIBLE_PAIR",
            "INVALID_LIMIT_PRICE_POST_ONLY", "INVALID_LIMIT_PRICE", "INVALID_NO_LIQUIDITY",
            "COMMANDER_REJECTED_NEW_ORDER", "GEOFENCING_RESTRICTION", "FOK_DISABLED", "LIMIT_PRICE_TOO_FAR_FROM_MARKET",
            "UNKNOWN_FAILURE_REASON",
        ),
        _RULES,
    ),
    **dict.fromkeys(("ORDER_ENTRY_DISABLED", "UNTRADABLE_PRODUCT"), _CLOSED),
    # It exists: to be found by listing.
    "DUPLICATE_CLIENT_ORDER_ID": Verdict(Sent.UNKNOWN, "conflict"),
}  # fmt: skip
"""``error_response.error``, without ``PREVIEW_``; whatever else the venue names is a rule of its own."""
CANCEL_FAILURES: Mapping[str, Verdict] = {
    "UNKNOWN_CANCEL_ORDER": Verdict(Sent.REFUSED, "not_found"),
    "ORDER_IS_FULLY_FILLED": Verdict(Sent.REFUSED, "conflict"),
    "ORDER_IS_BEING_REPLACED": Verdict(Sent.REFUSED, "conflict"),
    # The first one is under way, or done: how the order stands is to be asked.
    "DUPLICATE_CANCEL_REQUEST": Verdict(Sent.REFUSED, "conflict"),
    "COMMANDER_REJECTED_CANCEL_ORDER": _RULES,
    "NOT_ALLOWED_TO_CANCEL": _RULES,
    **dict.fromkeys(("INVALID_CANCEL_REQUEST", "INVALID_CANCEL_PRODUCT_ID", "INVALID_CANCEL_PRICE"), _MALFORMED),
}
"""``failure_reason`` of a cancel."""


def verdict_of(failure: str) -> Verdict:
    """What ``success: false`` means for a new order."""
    verdict = FAILURES.get(failure.removeprefix(_PREVIEW))
    return _RULES if verdict is None else verdict


def cancel_verdict_of(failure: str) -> Verdict:
    """What ``success: false`` means for a cancel."""
    verdict = CANCEL_FAILURES.get(failure)
    return _RULES if verdict is None else verdict
