"""Twenty thousand frames a second from three venues of fifty symbols, on one core of an engine, and nothing is lost."""

from __future__ import annotations

import os
import select
import time
from pathlib import Path

import pytest

from tests.adversity.kit import VENUES, Scene, assert_clean, scene

pytestmark = [pytest.mark.system, pytest.mark.serial, pytest.mark.timeout(180)]
FRAMES_PER_S = 20_000
SECONDS = 5.0
_SHARE = 0.97
_COMPARED_WITHIN_S = 60.0
"""A simulator that was given too little of the machine has its schedule to catch up with first."""


def test_twenty_thousand_frames_a_second_without_loss_SC_01(tmp_path: Path) -> None:
    # No second connection is opened for a comparison meanwhile: what it brings is counted at the venue alone.
    seldom = {venue: {"book_refresh_interval_s": 300} for venue in VENUES}
    with scene(tmp_path, "--rate", str(FRAMES_PER_S), "--symbols", "50", special=seldom) as seen:
        began, began_s = sent(seen), time.monotonic()
        engine_s, venues_s = cpu_of(seen.run.process.pid), cpu_of(seen.venues.process.pid)
        # Nobody asks the strategy meanwhile: it would write its long answer on the core that is measured.
        assert not select.select([seen.run.process.stdout], [], [], SECONDS)[0], "the engine has ended"
        now, took_s = sent(seen), time.monotonic() - began_s
        engine_s, venues_s = (
            cpu_of(seen.run.process.pid) - engine_s, cpu_of(seen.venues.process.pid) - venues_s,
        )  # fmt: skip
        report = seen.equal(_COMPARED_WITHIN_S)
        at_venues = sent(seen)
        result = seen.run.stop()
        at_end = sent(seen)
    frames = sum(now.values()) - sum(began.values())
    rate, bearable = frames / took_s, frames / engine_s
    told = (
        f"{rate:,.0f} frames/s, of which the engine took {engine_s / took_s:.0%} of a core ({bearable:,.0f} frames each of "
        f"its seconds) and the venues {venues_s / took_s:.0%}"
    )
    print(told)
    assert bearable >= FRAMES_PER_S
    assert_clean(result)
    # A venue that is given no time is silent, and rightly left; that is no frame lost.
    assert {one["reason"] for one in report["resyncs"]} <= {"reconnect"}
    for venue in VENUES:
        if not any(one["provider"] == venue for one in report["resyncs"]):
            assert at_venues[venue] <= result.summary["frames"][venue] <= at_end[venue]
    if rate < _SHARE * FRAMES_PER_S:
        pytest.skip(f"the machine was too busy for the simulator: {told}; nothing was lost")
    assert report["resyncs"] == []


def sent(seen: Scene) -> dict[str, int]:
    """Frames that the venues have sent, by venue."""
    return {venue: sum(row["frames"].values()) for venue, row in seen.venues.ask("GET", "/counts").items()}


def cpu_of(pid: int) -> float:
    """Seconds of CPU that a process has taken."""
    stat = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(stat[11]) + int(stat[12])) / os.sysconf("SC_CLK_TCK")
