"""QA-09: with a fault planted its test fails, without it passes. In the checks build alone, which has the plants."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from engine.base.build import has_plants
from tests.mutations import MUTATIONS, Mutation

pytestmark = [
    pytest.mark.replay,
    pytest.mark.timeout(240),
    pytest.mark.skipif(not has_plants(), reason="plants are compiled into the checks build (ENGINE_BUILD=checks)"),
]
FAILED = 1
"""What pytest ends with when tests ran and some failed; anything else is no verdict."""


def taken() -> list[Mutation]:
    """All before a release (``ENGINE_MUTATIONS=all``); else the quarter of the day, so that four days see them all."""
    if os.environ.get("ENGINE_MUTATIONS") == "all":
        return list(MUTATIONS)
    return list(MUTATIONS[datetime.now(UTC).toordinal() % 4 :: 4])


def run(test: str, root: Path, plant: str | None) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("ENGINE_PLANT", "PYTEST"))}
    if plant is not None:
        environment["ENGINE_PLANT"] = plant
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", test]
    return subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, timeout=220, check=False)


@pytest.mark.parametrize("mutation", taken(), ids=lambda mutation: f"{mutation.guards}-{mutation.plant}")
def test_qa_09_the_planted_fault_is_caught(mutation: Mutation, project_root: Path, captures: Path) -> None:
    healthy = run(mutation.test, project_root, None)
    assert healthy.returncode == 0, healthy.stdout[-2000:]
    faulty = run(mutation.test, project_root, mutation.plant)
    assert faulty.returncode == FAILED, f"{mutation.plant} went unnoticed: {faulty.stdout[-2000:]}"
