"""docs/examples/three-venues.yaml as it stands, beside `engine-run sim` at its usual ports, for as long as one likes.

``ENGINE_SOAK_SECONDS`` says how long the bad weather lasts: that of the storm, every fault of the simulator at every venue
again and again. With each of them every 15 s a venue would never let anybody have a snapshot before it closes again.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.adversity.kit import HEALED_WITHIN_S, Run, Scene, Venues, assert_clean, took_s
from tests.adversity.test_storm import refused_s, storm, story

SECONDS = float(os.environ.get("ENGINE_SOAK_SECONDS", "0"))
_PORT = 8870
_COMPARED_S = 195.0
"""Within this time every book is compared with a fresh snapshot: what no message shows has come to light."""
pytestmark = [
    pytest.mark.system,
    pytest.mark.soak,
    pytest.mark.timeout(SECONDS + 600),
    pytest.mark.skipif(not SECONDS, reason="ENGINE_SOAK_SECONDS says how long it is to run"),
]


def with_observer(config: dict[str, Any], folder: Path, project_root: Path) -> dict[str, Any]:
    """The example, and one consumer more that rebuilds every book of it."""
    observer = (project_root / "tests" / "adversity" / "observer.py").read_text()
    (folder / "observer.py").write_text(observer)
    symbols = sorted({symbol for provider in config["providers"] for symbol in provider["symbols"]})
    config["consumers"].append(
        {
            "consumer_id": "observer",
            "mode": "inline",
            "handler": "observer:Observer",
            "params": {"report": str(folder / "report.json"), "bell": str(folder / "bell")},
            "mailbox_capacity": 8192,
            "callback_budget_ms": 1000,
            "subscriptions": [
                {"symbol": symbol, "event_types": ["BookUpdate", "Trade", "InstrumentUpdate"]} for symbol in symbols
            ],
        }
    )
    return config


def test_the_example_under_every_fault_ends_with_every_book_right(tmp_path: Path, project_root: Path) -> None:
    example = yaml.safe_load((project_root / "docs" / "examples" / "three-venues.yaml").read_text())
    config = with_observer(example, tmp_path, project_root)
    symbols = {provider["name"]: provider["symbols"] for provider in config["providers"]}
    venues = Venues("--port", str(_PORT))
    try:
        run = Run(tmp_path, config)
        try:
            seen = Scene(venues, run, symbols, {})
            at_s = venues.at_s()
            venues.arm(*({**rule, "at_s": rule["at_s"] + at_s} for rule in storm(SECONDS)))
            bad_weather_ends_s = time.monotonic() + SECONDS
            seen.until(lambda _: time.monotonic() >= bad_weather_ends_s, "the bad weather is over", SECONDS + 30)
            venues.ask("DELETE", "/faults")
            compared_s = time.monotonic() + _COMPARED_S
            seen.until(lambda _: time.monotonic() >= compared_s, "every book compared", _COMPARED_S + 30)
            report, injected = seen.equal(within_s=10), venues.injected()
            own_s = [took_s(one) - refused_s(one, injected) for one in report["resyncs"]]
            print(f"{SECONDS:g} s; struck {dict(venues.struck())}; breaches {seen.breaches()}")
            print(f"{len(own_s)} books begun anew, longest {max(own_s):.1f} s")
            late = [one for one, own in zip(report["resyncs"], own_s, strict=True) if own >= HEALED_WITHIN_S]
            assert late == [], "\n".join(story(one, injected) for one in late)
            assert_clean(run.stop(), within_s=30)
        finally:
            run.close()
    finally:
        venues.close()
