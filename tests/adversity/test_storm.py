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
"""Of each fault: a Coinbase connection has three of those that void all its books in that time, and no more (BOOK-17)."""
CUTS = ("disconnect", "torn_frame", "silence", "shutdown")
"""By turns, evenly apart: three a minute, for fifty Binance books anew weigh 1,250 of the 4,800 that are ours in a minute."""
_CUT_AT = 0.2
_NOTICED_WITHIN_S = 30.0
"""Silence, where the venue has no heartbeat (BOOK-02)."""
_TOLD_BEFORE_S = 5.0
_UNDER_WAY = 3
"""Calls that may be on their way to the venue when it refuses another."""

pytestmark = [pytest.mark.system, pytest.mark.timeout(SECONDS + 3 * _REFRESH_S)]

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
        first_s = began_s * place / len(FAULTS)
        if name == "refuse":
            first_s = 0.0              # it meets whoever comes back from a cut: it must be there before the first
        if name in CUTS:
            first_s = _CUT_AT * began_s + _EVERY_S * CUTS.index(name) / len(CUTS)
        last_s = seconds - (_NOTICED_WITHIN_S if name == "silence" else _LAST_S)
        for venue in VENUES:
            hidden = name == "divergence" or (name == "corrupt_level" and venue != "kraken")
            if (name not in ONLY or venue in ONLY[name]) and (is_full or not hidden):
                count = 1 + int((last_s - first_s) // _EVERY_S)
                rules.append({"fault": name, "venue": venue, "at_s": first_s, "every_s": _EVERY_S, "count": count, **keys})
    return [rule for rule in rules if rule["count"] > 0]


def refused_s(resync: dict[str, Any], injected: list[dict[str, Any]]) -> float:
    """How long the venue itself kept a book from its snapshot, by refusals and by answers that it delayed; 2 s each unless it says."""
    return sum(
        float(one.get("detail", {}).get("retry_after_s", 2.0))
        for one in injected
        if one["venue"] == resync["provider"] and one["fault"] in ("rate_limited", "banned", "delay_snapshot", "refuse")
        and resync["lost_ns"] <= one["at_us"] * 1000 + 2_000_000_000 and one["at_us"] * 1000 <= resync["valid_ns"]
    )  # fmt: skip


def story(resync: dict[str, Any], injected: list[dict[str, Any]]) -> str:
    """What the venue did from shortly before a loss to the end of it, in seconds from the loss."""
    strikes = [
        f"{at_s:+.2f} {one['fault']} {one.get('symbol', '')}"
        for one in injected
        if one["venue"] == resync["provider"]
        and -_TOLD_BEFORE_S <= (at_s := one["at_us"] / 1e6 - resync["lost_ns"] / 1e9) <= took_s(resync)
    ]
    return f"{resync['provider']} {resync['symbol']}, {resync['reason']}, {took_s(resync):.2f} s: {', '.join(strikes)}"


def test_everything_at_once_SC_06_BOOK_20(tmp_path: Path) -> None:
    print(f"{SECONDS:g} s of bad weather; ENGINE_CHAOS_SECONDS=600 is the full form")
    special: dict[str, dict[str, Any]] = {venue: {"book_refresh_interval_s": _REFRESH_S} for venue in VENUES}
    # For fifty levels a Binance snapshot weighs 25 in place of 50, so that the usual share is enough for the storm.
    special["binance"]["book"] = {"depth_levels": 50}
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
    late = [(one, own) for one, own in zip(report["resyncs"], own_s, strict=True) if own >= HEALED_WITHIN_S * SCALE]
    assert {name for _, name in struck} == {rule["fault"] for rule in rules}
    assert late == [], f"{len(late)} of {len(own_s)}; {story(late[0][0], injected)}"
    assert_clean(result, within_s=30)
    refusals = struck["binance", "rate_limited"] + struck["binance", "banned"]
    assert set(breaches) <= {"binance"}
    assert set(breaches.get("binance", {})) <= {"called_while_refused"}
    assert sum(breaches.get("binance", {}).values()) <= _UNDER_WAY * refusals
