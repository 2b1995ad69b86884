"""Twenty thousand frames a second from three venues of fifty symbols, on one core of an engine, and nothing is lost."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from tests.adversity.kit import VENUES, Scene, assert_clean, scene

pytestmark = [pytest.mark.system, pytest.mark.serial, pytest.mark.timeout(120)]
FRAMES_PER_S = 20_000
SECONDS = 5.0
_SHARE = 0.97
_UNDER_WAY = 20
"""Heartbeats that may come between the last count at the venues and the end of the run."""


def test_twenty_thousand_frames_a_second_without_loss_SC_01(tmp_path: Path) -> None:
    # No second connection is opened for a comparison meanwhile: what it brings is counted at the venue alone.
    seldom = {venue: {"book_refresh_interval_s": 300} for venue in VENUES}
    with scene(tmp_path, "--rate", str(FRAMES_PER_S), "--symbols", "50", special=seldom) as seen:
        began, began_s, cpu_s = sent(seen), time.monotonic(), cpu_of(seen.run.process.pid)
        seen.until(lambda _: time.monotonic() - began_s >= SECONDS, "the load has been on long enough", SECONDS + 10)
        took_s = time.monotonic() - began_s
        rate = (sum(sent(seen).values()) - sum(began.values())) / took_s
        share = (cpu_of(seen.run.process.pid) - cpu_s) / took_s
        report = seen.equal()
        at_venues = sent(seen)
        result = seen.run.stop()
    print(f"{rate:.0f} frames/s; the engine took {100 * share:.0f} % of a core")
    assert_clean(result)
    assert report["resyncs"] == []
    for venue in VENUES:
        assert 0 <= result.summary["frames"][venue] - at_venues[venue] <= _UNDER_WAY
    if rate < _SHARE * FRAMES_PER_S:
        pytest.skip(f"the simulator was given too little of this machine: {rate:.0f} frames/s, without loss")


def sent(seen: Scene) -> dict[str, int]:
    """Frames that the venues have sent, by venue."""
    return {venue: sum(row["frames"].values()) for venue, row in seen.venues.ask("GET", "/counts").items()}


def cpu_of(pid: int) -> float:
    """Seconds of CPU that a process has taken."""
    stat = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(stat[11]) + int(stat[12])) / os.sysconf("SC_CLK_TCK")
