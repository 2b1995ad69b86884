"""JRN-05, ORDM-07, SC-07: `kill -9` at any moment of an order's life, at three venues at once.

ENGINE_KILLS=200 is due before a release; else it is 20.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from tests.system.kill_kit import Lives
from tests.system.test_run_cli import simulator

KILLS = int(os.environ.get("ENGINE_KILLS", "20"))
SEED = int(os.environ.get("ENGINE_KILLS_SEED", "20240809"))

pytestmark = [pytest.mark.system, pytest.mark.timeout(120 + 10 * KILLS)]


def test_jrn_05_after_any_kill_no_order_is_doubled_or_forgotten_and_every_fill_is_told_once(tmp_path: Path) -> None:
    began_s = time.monotonic()
    # Starts every few seconds are more private calls than venues let a key make in a minute.
    with simulator("--unlimited") as addresses:
        lives = Lives(tmp_path, addresses, SEED)
        for _ in range(KILLS):
            lives.kill()
        orders = lives.end()
        orders.check()
    counts = orders.counts
    print(f"{KILLS} kills in {time.monotonic() - began_s:.0f} s: {dict(lives.moments)}, {dict(counts)}")
    assert counts["orders"] > KILLS
    assert min(counts["placed"], counts["filled"], counts["reconciled"]) > 0
