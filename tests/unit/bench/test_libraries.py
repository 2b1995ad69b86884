"""LIB-08: SC-15 and SC-20 are measured on recorded frames, both libraries in the same run, with the ratio told."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from engine.bench import suite_libraries, suites
from engine.bench.data.frames import by_shape
from engine.bench.record import Row
from engine.bench.rig import WrongResultError
from engine.bench.sources import Sources
from engine.bench.table import cells
from tests.twins.capture_io import is_frame, read_records

pytestmark = [pytest.mark.replay]
FILES = ("binance_spot_2021_4pairs", "binance_spot_btcusdt_20240809")


@pytest.fixture
def recorded(captures: Path, monkeypatch: pytest.MonkeyPatch) -> set[bytes]:
    """Every frame of the recordings, read by the tests' own reader."""
    monkeypatch.setenv("ENGINE_CAPTURES", str(captures))
    records = (record for name in FILES for record in read_records(captures / f"{name}.jsonl.gz"))
    return {record["raw"].encode() for record in records if is_frame(record)}


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> dict[str, Counter[bytes]]:
    """What each library was given, while it goes on doing its work."""
    given: dict[str, Counter[bytes]] = {"simdjson": Counter(), "standard": Counter()}
    loads, feeder_of = suite_libraries.loads, suite_libraries.Feeder

    def spied_loads(text: bytes) -> Any:
        given["standard"][text] += 1
        return loads(text)

    def spied_feeder(frames: list[bytes]) -> Any:
        given["simdjson"].update(frames)
        return feeder_of(frames)

    monkeypatch.setattr(suite_libraries, "loads", spied_loads)
    monkeypatch.setattr(suite_libraries, "Feeder", spied_feeder)
    return given


def test_lib_08_both_json_libraries_read_the_recorded_frames_in_one_run(
    recorded: set[bytes], seen: dict[str, Counter[bytes]]
) -> None:
    frames = by_shape(10_000)
    assert {shape: len(found) for shape, found in frames.items()} == {"trade": 3334, "depth": 3333, "ticker": 3333}
    assert sum(b'"e":"aggTrade"' in frame for frame in frames["trade"]) == 2      # all that were recorded
    rows = list(suite_libraries.json_rows(frames, 0.001))
    assert set(seen["standard"]) == set(seen["simdjson"]) == {frame for shape in frames.values() for frame in shape}
    assert set(seen["standard"]) <= recorded
    runs = {count / seen["simdjson"][frame] for frame, count in seen["standard"].items()}
    assert min(runs) >= 5, "the baseline is measured as often as it is compared with"
    assert [row.limit for row in rows] == [1.3, None, None, None]
    for row in rows:
        assert_told(row, "SC-15", "json.loads")


def test_lib_08_sockets_carry_recorded_frames_to_both_clients(recorded: set[bytes]) -> None:
    pytest.importorskip("websockets", reason="the extra [bench] is not installed")
    frames = [frame for shape in by_shape(300).values() for frame in shape]
    assert set(frames) <= recorded
    row = suite_libraries.socket_row(frames, 20_000)
    assert_told(row, "SC-20", "websockets")
    assert (row.relation, row.limit, row.cores) == ("at_most_times", 0.8, 2)


def assert_told(row: Row, goal: str, baseline: str) -> None:
    assert row.goal == goal
    assert baseline in row.baseline
    assert row.case.startswith("recorded: ")
    assert row.figure > 0
    assert row.baseline_figure is not None
    assert row.baseline_figure > 0
    assert cells(row)[4], "the ratio is printed"


def test_lib_08_a_frame_that_is_lost_has_no_figure(captures: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("websockets", reason="the extra [bench] is not installed")
    monkeypatch.setenv("ENGINE_CAPTURES", str(captures))
    frames = by_shape(30)["ticker"]

    async def loses_one(url: str) -> tuple[int, int]:
        frames_seen, length = await receive(url)
        return frames_seen - 1, length

    receive = suite_libraries._websockets
    monkeypatch.setattr(suite_libraries, "_websockets", loses_one)
    with pytest.raises(WrongResultError, match="received of"):
        suite_libraries.socket_row(frames, 20_000)


def test_lib_08_a_seeded_market_gives_no_figure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ENGINE_CAPTURES", raising=False)
    told: list[str] = []
    assert list(suite_libraries.run(Sources(frames=100), 0.01, told.append)) == []
    assert told == ["SC-15, SC-20: libraries are compared on recorded frames alone, and there are none"]


def test_lib_08_the_suites_have_the_rows(captures: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ENGINE_CAPTURES", str(captures))
    rows = [object()]
    monkeypatch.setattr(suites.suite_micro, "run", lambda *_: iter(()))
    monkeypatch.setattr(suites.suite_orders, "run", lambda *_: iter(()))
    monkeypatch.setattr(suites.suite_libraries, "run", lambda *_: iter(rows))
    assert list(suites.run("micro", Sources(captures), 0.01, print)) == rows
