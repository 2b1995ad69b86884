"""What the venues may do to a running engine, from outside of both: each fault heals in time, for the reason it must.

Each case ends with the market at rest and every book of the strategy equal to its venue's own, level by level.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.adversity.kit import HEALED_WITHIN_S, SCALE, VENUES, Rule, Scene, assert_clean, scene, took_s

pytestmark = [pytest.mark.system, pytest.mark.timeout(120)]
BASES = ("BTC", "ETH", "SOL")
QUOTES = {"binance": "USDT", "coinbase": "USD", "kraken": "USD"}
ONE, ALL = 1, len(BASES)
# With ten levels a Kraken book is under its checksum as a whole: what it loses never stays unnoticed.
TEN_LEVELS = {"kraken": {"book": {"depth_levels": 10}}}

Loss = tuple[str, int]


def each(fault: str, base: str, venues: Sequence[str] = VENUES, **keys: Any) -> list[Rule]:
    """The fault once at each venue, for one symbol."""
    return [{"fault": fault, "venue": venue, "symbol": f"{base}-{QUOTES[venue]}", **keys} for venue in venues]


def dropped(base: str) -> list[Rule]:
    """A loss at each venue. One Kraken update may be made good by the next, of the same level; not five in a row."""
    return [*each("drop", base, ["binance", "coinbase"]), *each("drop", base, ["kraken"], count=5)]


@dataclass(frozen=True)
class Case:
    """One kind of bad weather.

    Attributes:
        name: for people.
        rules: armed together.
        lost: venue -> reason and how many of its books are lost, and begin anew in time; others lose none.
    """

    name: str
    rules: list[Rule]
    lost: dict[str, Loss] = field(default_factory=dict)


FRAMES = [
    Case("drop", dropped("BTC"), {"binance": ("gap", ONE), "coinbase": ("gap", ALL), "kraken": ("checksum", ONE)}),
    Case("duplicate", each("duplicate", "ETH", count=3)),
    Case("swap", each("swap", "ETH"), {"binance": ("gap", ONE), "coinbase": ("gap", ALL), "kraken": ("checksum", ONE)}),
    Case("half frame", each("half_frame", "SOL"), {"binance": ("gap", ONE), "coinbase": ("gap", ALL), "kraken": ("gap", ALL)}),
    Case("crossed", each("crossed", "BTC"), dict.fromkeys(VENUES, ("crossed", ONE))),
    Case("corrupt level", each("corrupt_level", "ETH", ["kraken"]), {"kraken": ("checksum", ONE)}),
    Case("wrong checksum", each("corrupt_checksum", "SOL", ["kraken"]), {"kraken": ("checksum", ONE)}),
    Case("torn frame", each("torn_frame", "BTC"), dict.fromkeys(VENUES, ("reconnect", ALL))),
]
SNAPSHOTS = [
    Case(
        "snapshot 2 s late",
        [*each("delay_snapshot", "BTC"), *dropped("BTC")],
        {"binance": ("gap", ONE), "coinbase": ("gap", ALL), "kraken": ("checksum", ONE)},
    ),
    Case("snapshot refused with 500", [*each("snapshot_error", "ETH", ["binance"]), *each("drop", "ETH", ["binance"])], {"binance": ("gap", ONE)}),
    Case("stale snapshot", [*each("stale_snapshot", "SOL", ["binance"]), *each("drop", "SOL", ["binance"])], {"binance": ("gap", ONE)}),
    Case(
        "429 for 2 s",
        [{"fault": "rate_limited", "venue": "binance", "retry_after_s": 2}, *each("drop", "BTC", ["binance"])],
        {"binance": ("gap", ONE)},
    ),
    Case(
        "418 for 2 s",
        [{"fault": "banned", "venue": "binance", "retry_after_s": 2}, *each("drop", "ETH", ["binance"])],
        {"binance": ("gap", ONE)},
    ),
    Case("clock 2 s off", [{"fault": "clock_offset", "venue": venue, "offset_ms": 2000} for venue in VENUES]),
    Case("finer ticks", [{"fault": "tick_size", "venue": venue, "symbol": f"SOL-{QUOTES[venue]}", "tick": "0.0005"} for venue in VENUES]),
    Case("clock right again", [{"fault": "clock_offset", "venue": venue, "offset_ms": 0} for venue in VENUES]),
]


def play(seen: Scene, case: Case) -> None:
    """Let a case happen, and hold the engine to what it must do."""
    before = len(seen.run.report()["resyncs"])
    struck = seen.venues.struck()
    wanted = Counter({(rule["venue"], rule["fault"]): rule.get("count", 1) for rule in case.rules})
    seen.venues.arm(*case.rules)

    def done(report: dict[str, Any]) -> bool:
        lost = Counter(one["provider"] for one in report["resyncs"][before:] if one["valid_ns"] is not None)
        healed = all(lost[venue] >= count for venue, (_, count) in case.lost.items())
        return healed and seen.venues.struck() - struck >= wanted

    seen.until(done, f"{case.name}: struck and healed")
    report = seen.equal()
    new = report["resyncs"][before:]
    found = Counter((one["provider"], one["reason"]) for one in new)
    assert found == Counter({(venue, reason): count for venue, (reason, count) in case.lost.items()}), case.name
    assert all(took_s(one) < HEALED_WITHIN_S * SCALE for one in new), case.name


CHECKSUMS = [Case(f"wrong checksum, time {time}", each("corrupt_checksum", "BTC", ["kraken"]), {"kraken": ("checksum", ONE)}) for time in (1, 2, 3, 4, 5)]


@pytest.mark.parametrize("cases", [FRAMES, SNAPSHOTS, CHECKSUMS], ids=["frames", "snapshots", "checksums"])
def test_faults_heal_in_time_for_their_reason_BOOK_12_16_17_19_20_23(cases: list[Case], tmp_path: Path) -> None:
    with scene(tmp_path, "--rate", "1500", "--symbols", str(len(BASES)), special=TEN_LEVELS) as seen:
        for case in cases:
            play(seen, case)
        assert seen.breaches() == {}
        result = seen.run.stop()
    assert_clean(result)
    told = Counter((one["provider"], one["reason"]) for one in result.report["resyncs"])
    counted = {(name, reason): count for name, row in result.summary["resyncs"].items() for reason, count in row.items()}
    assert counted == told
    assert result.summary["pipeline"]["telemetry"]["book.resync"] == sum(told.values())
