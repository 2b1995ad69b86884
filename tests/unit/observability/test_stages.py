"""ARC-01, OBS: what is timed of a frame, and which event is followed to a callback."""

from __future__ import annotations

from typing import Any

import pytest

from engine.observability.stages import STAGE_NAMES, StageTimer
from engine.schema.enums import EventType, OrderingMode
from tests.unit.pipeline_kit import Collector, Line

HOLDS = {"ordering": OrderingMode.CONTIGUOUS}


@pytest.fixture
def line() -> Line:
    return Line()


def offered(line: Line, event_type: EventType = EventType.TRADE, **fields: Any) -> None:
    """What a frame brings."""
    line.timer.begin_made()
    line.offer(event_type, **fields)


def timed(line: Line) -> dict[str, int]:
    return {name: histogram.count for name, histogram in line.timer.histograms().items()}


def test_the_stages_are_named_and_each_has_its_own_histogram() -> None:
    timer = StageTimer()
    histograms = timer.histograms()
    assert tuple(histograms) == STAGE_NAMES == ("wire", "book", "orchestrator", "dispatcher", "mailbox")
    assert len({id(histogram) for histogram in histograms.values()}) == 5
    assert timer.traces() == []


def test_a_followed_event_leaves_its_way_in_order(line: Line) -> None:
    seen = Collector()
    line.add(seen)
    offered(line)
    assert line.timer.traces() == []               # it waits in the mailbox
    line.flush()
    (trace,) = line.timer.traces()
    assert (trace.type, trace.provider, trace.symbol) == ("Trade", "binance", "BTC-USDT")
    assert trace.trace_id == seen.events[0]["trace_id"]
    assert list(trace.stages_ns) == ["provider", "orchestrator", "dispatcher", "bus", "consumer"]
    assert list(trace.stages_ns.values()) == sorted(trace.stages_ns.values())
    assert timed(line) == dict.fromkeys(STAGE_NAMES, 1)


def test_one_event_of_a_type_is_followed_at_a_time(line: Line) -> None:
    seen = Collector()
    line.add(seen)
    for seq in (1, 2, 3):
        offered(line, seq_provider=seq)
    line.flush()
    (trace,) = line.timer.traces()
    assert trace.trace_id == seen.events[0]["trace_id"]
    assert timed(line) == {**dict.fromkeys(STAGE_NAMES, 3), "mailbox": 1}
    offered(line, seq_provider=4)
    line.flush()
    assert [trace.trace_id for trace in line.timer.traces()] == [seen.events[3]["trace_id"]]


def test_what_is_not_routed_is_timed_and_not_followed(line: Line) -> None:
    offered(line)
    line.flush()
    assert timed(line) == {**dict.fromkeys(STAGE_NAMES, 1), "mailbox": 0}
    assert line.timer.traces() == []


def test_an_event_that_is_held_is_not_followed(line: Line) -> None:
    seen = Collector()
    line.add(seen)
    offered(line, seq_provider=1, **HOLDS)
    line.flush()
    first = line.timer.traces()
    offered(line, seq_provider=3, **HOLDS)         # waits for 2
    line.offer(seq_provider=2, **HOLDS)            # of no frame that is timed
    line.flush()
    assert seen.seqs() == [1, 2, 3]
    assert line.timer.traces() == first
    assert timed(line)["dispatcher"] == 1


@pytest.mark.parametrize(("sampling", "frames"), [(1.0, 128), (0.5, 64), (1 / 64, 2), (0.0, 0)])
def test_sampling_is_the_share_of_the_frames_that_is_timed(sampling: float, frames: int) -> None:
    timer = StageTimer(sampling)
    for _ in range(128):
        timer.begin_made()
    assert timer.histograms()["wire"].count == frames
