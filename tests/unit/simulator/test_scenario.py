"""Scenario files: read whole, refused with line and key."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.base.errors import ConfigError
from engine.simulator.fault_rules import FaultRule
from engine.simulator.scenario import load_scenario


def written(folder: Path, text: str | bytes) -> Path:
    path = folder / "storm.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def test_a_file_gives_its_rules_in_order(tmp_path: Path) -> None:
    path = written(tmp_path, """
schema_version: 1
faults:
  - {fault: drop, venue: kraken, symbol: BTC-USD, at_s: 5, count: 3}
  - fault: silence
    for_s: 40.5
""")
    assert load_scenario(path) == [
        FaultRule(fault="drop", venue="kraken", symbol="BTC-USD", at_s=5, count=3, stream="book"),
        FaultRule(fault="silence", stream="any", for_s=40.5),
    ]


def test_all_faults_are_told_with_file_line_and_key(tmp_path: Path) -> None:
    path = written(tmp_path, """schema_version: 2
faults:
  - {fault: drop, cuont: 3}
  - fault: swap
    probability: 2
  - silence
storm: 1
""")
    with pytest.raises(ConfigError) as caught:
        load_scenario(path)
    lines = [line.replace(str(path), "F").strip() for line in str(caught.value).splitlines()[1:]]
    assert [line.partition(": ")[0] for line in lines] == ["F:1", "F:3", "F:5", "F:6", "F:7"]
    assert [line.split(": ")[1] for line in lines] == [
        "schema_version", "faults[0].cuont", "faults[1].probability", "faults[2]", "storm",
    ]  # fmt: skip
    assert "(is 2)" in lines[2]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("schema_version: 1\nfaults: [", "not YAML"),
        ("schema_version: 1\n", "faults: must be a list"),
        ("- drop", "must be a mapping"),
        ("schema_version: 1\nfaults: []\nfaults: []\n", "repeated key"),
        (b"\xff\xfe\x00", "not UTF-8"),
        ("#" * 1_100_000, "more than 1048576 bytes"),
    ],
)
def test_what_is_no_scenario_is_refused(tmp_path: Path, text: str | bytes, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        load_scenario(written(tmp_path, text))


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read: No such file"):
        load_scenario(tmp_path / "none.yaml")
