"""QA-09: the list of planted faults is whole, and each test that must catch one exists under its requirement."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.mutations import MUTATIONS, Mutation

pytestmark = pytest.mark.lint
PLANT = re.compile(r'planted\(b?"([a-z_.]+)"\)')
DAGGERS = {
    "ARC-04", "ARC-11", "ARC-19", "LIB-08", "STR-03", "STR-08", "STR-10", "STR-12", "RTE-04", "CON-12", "MEM-05", "MEM-10", "MEM-11",
    "MEM-12", "MEM-15", "OBS-01", "OBS-06", "OBS-07",
}  # fmt: skip
"""Checks that must be seen to fail, of what is built; those whose fault is part of the test itself are not plants."""


def plants_in(root: Path) -> set[str]:
    paths = [*root.glob("pyx/**/*.pyx"), *root.glob("engine/**/*.pxd"), *root.glob("engine/**/*.py")]
    return {name for path in paths for name in PLANT.findall(path.read_text(encoding="utf-8"))}


def test_qa_09_every_plant_has_a_row_and_every_row_a_plant(project_root: Path) -> None:
    assert {mutation.plant for mutation in MUTATIONS} == plants_in(project_root)


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: f"{mutation.guards}-{mutation.plant}")
def test_qa_09_the_test_that_must_fail_is_there(mutation: Mutation, project_root: Path) -> None:
    path, _, name = mutation.test.partition("::")
    assert f"def {name.partition('[')[0]}(" in (project_root / path).read_text(encoding="utf-8")
    if mutation.guards in DAGGERS:
        assert mutation.guards.lower().replace("-", "_") in name


def test_qa_09_every_dagger_that_is_built_has_a_plant() -> None:
    assert {mutation.guards for mutation in MUTATIONS} >= DAGGERS
