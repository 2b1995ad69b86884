"""All of it at once: three venues of fifty symbols each in every bad weather there is, and every book right at the end.

It takes ``ENGINE_CHAOS_SECONDS`` of bad weather; CI's form is a short one, the full one takes 600.
"""

from __future__ import annotations

import os
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.adversity.kit import HEALED_WITHIN_S, SCALE, VENUES, Rule, assert_clean, scene, took_s

SECONDS = float(os.environ.get("ENGINE_CHAOS_SECONDS", "20"))
_LAST_S = 3.0
"""At the end nothing new strikes for so long."""
_REFRESH_S = 120
_EVERY_S = 80.0
"""Of each fault: a Coinbase connection then has three of those that void all its books a minute, and no more (BOOK-17)."""

pytestmark = [pytest.mark.system, pytest.mark.timeout(SECONDS + 3 * _REFRESH_S)]

CUTS = ("disconnect", "torn_frame", "silence", "shutdown")
"""By turns, evenly apart: a connection without a healthy minute since the last one backs off, up to 30 s (BOOK-03), and
fifty Binance books anew weigh 2,500 of the 6,000 a minute. A short storm has the first alone; each has a test of its own."""
_CUT_AT = 0.6
_NOTICED_AFTER_S = 25.0
_UNDER_WAY = 3
"""Calls that may be on their way to the venue when it refuses another."""
FAULTS: dict[str, dict[str, Any]] = {
    "rate_limited": {"retry_after_s": 2}, "drop": {}, "duplicate": {}, "swap": {}, "delay_snapshot": {},
    "clock_offset": {"offset_ms": 2000}, "banned": {"retry_after_s": 2}, "half_frame": {}, "tick_size": {},
    "torn_frame": {}, "snapshot_error": {}, "crossed": {}, "refuse": {}, "disconnect": {}, "stale_snapshot": {},
    "quiet": {"for_s": 5}, "instrument_status": {}, "silence": {"for_s": 0}, "corrupt_checksum": {}, "corrupt_level": {},
    "divergence": {"rank": 150}, "shutdown": {"for_s": 3},
}  # fmt: skip

ONLY = {
    "corrupt_checksum": ["kraken"], "stale_snapshot": ["binance", "kraken"], "snapshot_error": ["binance"], "banned": ["binance"],
    "divergence": ["binance", "coinbase"],
}  # fmt: skip
"""Faults that not every venue knows, or that ten levels do not show."""


def storm(seconds: float) -> list[Rule]:
    """Each fault from its own moment of the first part on, then again and again to the end."""
    began_s = min(_EVERY_S, seconds - _LAST_S)
    rules: list[Rule] = []
    is_full = seconds > _REFRESH_S
    for place, (name, keys) in enumerate(FAULTS.items()):
        at_s = began_s * place / len(FAULTS)
        for venue in VENUES:
            by_turns = name in CUTS
            first_s = _CUT_AT * began_s + _EVERY_S * CUTS.index(name) if by_turns else at_s
            if by_turns and name == "silence" and venue == "binance":
                first_s -= _NOTICED_AFTER_S
            every_s = _EVERY_S * len(CUTS) if by_turns else _EVERY_S
            hidden = name == "divergence" or (name == "corrupt_level" and venue != "kraken")
            if (name not in ONLY or venue in ONLY[name]) and (is_full or not hidden):
                count = 1 + int((seconds - _LAST_S - first_s) // every_s)
                rules.append({"fault": name, "venue": venue, "at_s": first_s, "every_s": every_s, "count": count, **keys})
    return [rule for rule in rules if rule["count"] > 0]


def refused_s(resync: dict[str, Any], injected: list[dict[str, Any]]) -> float:
    """How long the venue itself kept a book from its snapshot, by refusals and by answers that it delayed; 2 s each unless it says."""
    return sum(
        float(one.get("detail", {}).get("retry_after_s", 2.0))
        for one in injected
        if one["venue"] == resync["provider"] and one["fault"] in ("rate_limited", "banned", "delay_snapshot", "refuse")
        and resync["lost_ns"] <= one["at_us"] * 1000 + 2_000_000_000 and one["at_us"] * 1000 <= resync["valid_ns"]
    )  # fmt: skip


def test_everything_at_once_SC_06_BOOK_20(tmp_path: Path) -> None:
    print(f"{SECONDS:g} s of bad weather; ENGINE_CHAOS_SECONDS=600 is the full form")
    special: dict[str, dict[str, Any]] = {venue: {"book_refresh_interval_s": _REFRESH_S} for venue in VENUES}
    special["binance"]["rest"] = {"limit_share": 1}
    # With ten levels a Kraken book is under its checksum as a whole: what it loses never stays unnoticed.
    special["kraken"]["book"] = {"depth_levels": 10}
    with scene(tmp_path, "--rate", "2000", "--symbols", "50", special=special) as seen:
        began_s = time.monotonic()
        at_s = seen.venues.at_s()
        rules = storm(SECONDS)
        seen.venues.arm(*({**rule, "at_s": rule["at_s"] + at_s} for rule in rules))
        seen.until(lambda _: time.monotonic() - began_s >= SECONDS, "the storm is over", SECONDS + 30)
        seen.venues.ask("DELETE", "/faults")
        if SECONDS > _REFRESH_S:
            # What no message shows comes to light when the last book has been compared.
            over_s = time.monotonic() + _REFRESH_S + 15
            seen.until(lambda _: time.monotonic() >= over_s, "every book compared", 2 * _REFRESH_S)
        report = seen.equal()
        injected, struck, breaches = seen.venues.injected(), seen.venues.struck(), seen.breaches()
        result = seen.run.stop()
    told = Counter(f"{one['provider']} {one['reason']}" for one in report["resyncs"])
    own_s = [took_s(one) - refused_s(one, injected) for one in report["resyncs"]]
    print(f"struck: {dict(struck)}; breaches: {breaches}; lost and begun anew: {dict(told)}; longest {max(own_s):.2f} s")
    assert {name for _, name in struck} == {rule["fault"] for rule in rules}
    assert max(own_s) < HEALED_WITHIN_S * SCALE
    assert_clean(result, within_s=30)
    refusals = struck["binance", "rate_limited"] + struck["binance", "banned"]
    assert set(breaches) <= {"binance"}
    assert set(breaches.get("binance", {})) <= {"called_while_refused"}
    assert sum(breaches.get("binance", {}).values()) <= _UNDER_WAY * refusals
