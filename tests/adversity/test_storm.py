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

from tests.adversity.kit import HEALED_WITHIN_S, VENUES, Rule, assert_clean, scene, took_s

SECONDS = float(os.environ.get("ENGINE_CHAOS_SECONDS", "20"))
_LAST_S = 3.0
"""At the end nothing new strikes for so long."""
_REFRESH_S = 120
_EVERY_S = 80.0
"""Of each fault: a Coinbase connection then has three of those that void all its books a minute, and no more (BOOK-17)."""

pytestmark = [pytest.mark.system, pytest.mark.timeout(SECONDS + 3 * _REFRESH_S)]

FAULTS: dict[str, dict[str, Any]] = {
    "drop": {}, "duplicate": {}, "swap": {}, "half_frame": {}, "torn_frame": {}, "crossed": {}, "disconnect": {},
    "silence": {"for_s": 0}, "corrupt_checksum": {}, "delay_snapshot": {}, "stale_snapshot": {}, "snapshot_error": {},
    "rate_limited": {"retry_after_s": 2}, "banned": {"retry_after_s": 2}, "clock_offset": {"offset_ms": 2000},
    "tick_size": {}, "instrument_status": {}, "quiet": {"for_s": 5}, "shutdown": {"for_s": 3}, "refuse": {},
}  # fmt: skip


def storm(seconds: float) -> list[Rule]:
    """Each fault from its own moment of the first part on, then again and again to the end."""
    began_s = min(_EVERY_S, seconds - _LAST_S)
    rules: list[Rule] = []
    for place, (name, keys) in enumerate(FAULTS.items()):
        at_s = began_s * place / len(FAULTS)
        count = 1 + int((seconds - _LAST_S - at_s) / _EVERY_S)
        rules.append({"fault": name, "at_s": at_s, "every_s": _EVERY_S, "count": count, **keys})
    return rules


def test_everything_at_once_SC_06_BOOK_20(tmp_path: Path) -> None:
    print(f"{SECONDS:g} s of bad weather; ENGINE_CHAOS_SECONDS=600 is the full form")
    special: dict[str, dict[str, Any]] = {venue: {"book_refresh_interval_s": _REFRESH_S} for venue in VENUES}
    special["binance"]["rest"] = {"limit_share": 1}
    # With ten levels a Kraken book is under its checksum as a whole: what it loses never stays unnoticed.
    special["kraken"]["book"] = {"depth_levels": 10}
    with scene(tmp_path, "--rate", "2000", "--symbols", "50", special=special) as seen:
        began_s = time.monotonic()
        at_s = seen.venues.at_s()
        seen.venues.arm(*({**rule, "at_s": rule["at_s"] + at_s} for rule in storm(SECONDS)))
        seen.until(lambda _: time.monotonic() - began_s >= SECONDS, "the storm is over", SECONDS + 30)
        seen.venues.ask("DELETE", "/faults")
        report = seen.equal()
        struck, breaches = seen.venues.struck(), seen.breaches()
        result = seen.run.stop()
    told = Counter(f"{one['provider']} {one['reason']}" for one in report["resyncs"])
    longest_s = max(took or 0.0 for took in map(took_s, report["resyncs"]))
    print(f"struck: {dict(struck)}; lost and begun anew: {dict(told)}; longest {longest_s:.2f} s")
    assert {name for _, name in struck} == set(FAULTS)
    assert breaches == {}
    assert_clean(result, HEALED_WITHIN_S)
