"""A symbol's day as its writer leaves it for the next one, in a hash: minutes of trades, and what was last (DST-09)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from engine.base.errors import ValidationError
from engine.base.jsontext import encode

MINUTE_MS = 60_000
DAY_MS = 86_400_000
LATE_MS = 60_000
"""For so long after its end a minute is not told: a trade may come late."""

AGAIN_MINUTES = 3
"""So many of the minutes that were told last are told once more, for what came later still."""

GONE_MINUTES = 10
_MINUTE = "m:"
_LISTS = msgspec.json.Decoder(list[int | str | None])
_TICKER_PRICES = (3, 4, 5, 6, 8, 10)
_TICKER_QUANTITIES = (7, 9, 11)


def closed_before(now_ms: int) -> int:
    """Minutes that start before this are told."""
    return (now_ms - LATE_MS) // MINUTE_MS * MINUTE_MS


def written(facts: Mapping[str, Any]) -> dict[str, bytes]:
    """Fields of the hash: each with the scales that its numbers are at."""
    scales = list(facts["scales"])
    found = {}
    for start_ms, *rest, volume in facts["minutes"]:
        # The sum of a minute may be longer than 64 bits.
        found[f"{_MINUTE}{start_ms}"] = encode([*scales, *rest, str(volume)])
    for name in ("trade", "ticker"):
        if facts[name] is not None:
            found[name] = encode([*scales, *facts[name]])
    return found


def outdated(now_ms: int) -> list[str]:
    """Fields that are older than a day, of the last minutes."""
    oldest_ms = (now_ms - DAY_MS) // MINUTE_MS * MINUTE_MS
    return [f"{_MINUTE}{oldest_ms - back * MINUTE_MS}" for back in range(GONE_MINUTES)]


def read(fields: Mapping[bytes, bytes], begun_ms: int, price_scale: int, qty_scale: int) -> dict[str, Any]:
    """What was left, at these scales, up to the minute that a stream is read from.

    Raises:
        ValidationError: it is none of ours, or at wider scales than the symbol has.
    """
    try:
        return _read(fields, begun_ms, price_scale, qty_scale)
    except (ValueError, TypeError, IndexError) as error:  # a DecodeError is a ValueError
        raise ValidationError(f"not as it was written: {error}", op="worker.carry") from error


def _read(fields: Mapping[bytes, bytes], begun_ms: int, price_scale: int, qty_scale: int) -> dict[str, Any]:
    newest_ms = begun_ms // MINUTE_MS * MINUTE_MS
    minutes = []
    found: dict[str, Any] = {"trade": None, "ticker": None}
    for name, text in fields.items():
        price_by, qty_by, values = _at_scales(_LISTS.decode(text), price_scale, qty_scale)
        if name == b"trade":
            first_ms, price_raw, seq = values
            found["trade"] = (first_ms, price_raw * price_by, seq)
        elif name == b"ticker":
            for at in _TICKER_PRICES:
                values[at] *= price_by
            for at in _TICKER_QUANTITIES:
                values[at] *= qty_by
            found["ticker"] = tuple(values)
        elif newest_ms - DAY_MS < (start_ms := int(name.removeprefix(_MINUTE.encode()))) <= newest_ms:
            first_ms, first_raw, high_raw, low_raw, last_ms, last_raw, volume = values
            prices = [raw * price_by for raw in (first_raw, high_raw, low_raw, last_raw)]
            minutes.append((start_ms, first_ms, *prices[:3], last_ms, prices[3], int(volume) * qty_by))
    return {**found, "minutes": sorted(minutes)}


def _at_scales(values: list[Any], price_scale: int, qty_scale: int) -> tuple[int, int, list[Any]]:
    wider = price_scale - values[0], qty_scale - values[1]
    if min(wider) < 0:
        raise ValidationError("it is at wider scales than the symbol has", op="worker.carry")
    return 10 ** wider[0], 10 ** wider[1], values[2:]
