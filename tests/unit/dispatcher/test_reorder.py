"""STR-01 to STR-05, STR-09 to STR-13: the dispatcher's streams against a plain twin, event by event."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.schema.enums import EventType, OrderingMode
from tests.twins.reorder_twin import MS, Arrival, Mode
from tests.unit.dispatcher.drive import TYPES, Drive

pytestmark = pytest.mark.property

NUMBERED = [Mode.CONTIGUOUS, Mode.RANGE, Mode.MONOTONIC]


# --- against the twin ---------------------------------------------------------------------------------------


@st.composite
def scripts(draw: st.DrawFn) -> list[tuple[int, int, int, bool]]:
    """Steps of one stream: (place in the source, jitter in ms, width, is a repeat)."""
    count = draw(st.integers(1, 60))
    steps = []
    for place in range(count):
        jitter_ms = draw(st.sampled_from([0, 0, 0, 1, 40, 149, 150, 151, 400]))
        width = draw(st.integers(1, 4))
        fate = draw(st.sampled_from(["pass"] * 8 + ["lost", "twice", "again later"]))
        if fate != "lost":
            steps.append((place, jitter_ms, width, False))
        if fate == "twice":
            steps.append((place, jitter_ms, width, True))
        if fate == "again later":
            steps.append((place, jitter_ms + draw(st.integers(0, 500)), width, True))
    return steps


@settings(max_examples=300)
@given(
    script=scripts().filter(bool),
    mode=st.sampled_from(NUMBERED),
    event_type=st.sampled_from(TYPES),
    start=st.sampled_from([1, 5_000_000_000, 2**64 - 10_000]),
    step_ms=st.sampled_from([0, 1, 10, 50]),
    buffer_max=st.sampled_from([1, 3, 200]),
    horizon_ids=st.sampled_from([64, 8192]),
    overlap=st.integers(0, 2),
    reset_every=st.sampled_from([0, 0, 0, 7, 30]),
    idle_ms=st.integers(0, 200),
)
def test_str_09_each_step_agrees_with_the_twin(
    script: list[tuple[int, int, int, bool]],
    mode: Mode,
    event_type: EventType,
    start: int,
    step_ms: int,
    buffer_max: int,
    horizon_ids: int,
    overlap: int,
    reset_every: int,
    idle_ms: int,
) -> None:
    drive = Drive(buffer_max, horizon_ids)
    stream = drive.add(mode, event_type)
    numbers = list(_numbers(script, start, mode))
    sent = sorted((place * step_ms + jitter_ms, index) for index, (place, jitter_ms, _, _) in enumerate(script))
    for turn, (at_ms, index) in enumerate(sent):
        first, last = numbers[index]
        arrival = Arrival(last, ts_recv_ns=1 + at_ms * MS, first_id=max(1, first - overlap) if mode is Mode.RANGE else None)
        reset = bool(reset_every) and turn > 0 and turn % reset_every == 0
        drive.offer(stream, arrival, at_ms * MS, reset=reset)
    drive.move_to(drive.now_ns() + idle_ms * MS)
    drive.finish()


def _numbers(
    script: list[tuple[int, int, int, bool]], start: int, mode: Mode
) -> Iterator[tuple[int, int]]:
    """(first, last) number of each step; a place has the same numbers each time it comes."""
    widths: dict[int, int] = {}
    for place, _, width, _ in script:
        widths.setdefault(place, width if mode is Mode.RANGE else 20 if mode is Mode.MONOTONIC else 1)
    at = start
    numbers = {}
    for place in range(max(widths) + 1):
        width = widths.get(place, 1)
        numbers[place] = (at if mode is not Mode.CONTIGUOUS else at + width - 1, at + width - 1)
        at += width
    return (numbers[place] for place, *_ in script)


@given(seed=st.integers(0, 2**32 - 1), stream_count=st.integers(2, 6))
def test_str_01_streams_are_ordered_each_for_itself(seed: int, stream_count: int) -> None:
    rng = Random(seed)
    drive = Drive(buffer_max=20)
    streams = [drive.add(rng.choice(NUMBERED), rng.choice(TYPES)) for _ in range(stream_count)]
    steps = []
    for place, stream in enumerate(streams):
        for number in range(1, 40):
            if rng.random() < 0.9:
                steps.append((number * 10 + rng.choice([0, 0, 5, 60, 149, 300]), place, number, stream))
    for at_ms, _, number, stream in sorted(steps, key=lambda step: step[:3]):
        drive.offer(stream, Arrival(number, ts_recv_ns=at_ms * MS), at_ms * MS)
    drive.finish()


def test_none_keeps_the_order_of_arrival_whatever_the_numbers() -> None:
    drive = Drive()
    stream = drive.add(Mode.NONE)
    for number in (9, 3, 12, 1, 2):
        drive.offer(stream, Arrival(number, ident=f"{number}"))
    assert [row[1] for row in drive.delivered] == [9, 3, 12, 1, 2]
    drive.finish()


# --- STR-03: in order, no hold ------------------------------------------------------------------------------

SHAPES: list[tuple[str, Mode, list[tuple[int, int]]]] = [
    ("from 1", Mode.CONTIGUOUS, [(number, number) for number in range(1, 200)]),
    ("from 5e9", Mode.CONTIGUOUS, [(number, number) for number in range(5_000_000_000, 5_000_000_200)]),
    ("step 20", Mode.MONOTONIC, [(number, number) for number in range(20, 4000, 20)]),
    ("ms timestamps", Mode.MONOTONIC, [(number, number) for number in range(1_700_000_000_000, 1_700_000_060_000, 317)]),
    ("ranges", Mode.RANGE, [(number, number + 19) for number in range(1, 4000, 20)]),
    ("overlapping ranges", Mode.RANGE, [(max(1, number - 3), number + 19) for number in range(1, 4000, 20)]),
    ("arrival", Mode.NONE, [(number, number) for number in (5, 3, 4, 1, 9)]),
]


@pytest.mark.parametrize("pace_ms", [0, 1, 1000])
@pytest.mark.parametrize(("name", "mode", "numbers"), SHAPES, ids=[shape[0] for shape in SHAPES])
def test_str_03_and_04_what_is_in_order_is_held_for_nothing(
    name: str, mode: Mode, numbers: list[tuple[int, int]], pace_ms: int
) -> None:
    """Dense, and one at a time: each event leaves in the call that brought it, and no deadline is set."""
    drive = Drive()
    stream = drive.add(mode)
    for turn, (first, last) in enumerate(numbers):
        drive.offer(stream, Arrival(last, ts_recv_ns=1 + turn, first_id=first, ident=str(last)), turn * pace_ms * MS)
        assert len(drive.delivered) == turn + 1
        assert drive.line.dispatcher.next_deadline_ns is None
    counts = drive.counts(stream)
    assert (counts.received, counts.routed, counts.held_total) == (len(numbers), len(numbers), 0)
    assert drive.line.dispatcher.gap_hold.count == 0
    drive.finish()


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(("name", "mode", "numbers"), [shape for shape in SHAPES if shape[1] in (Mode.CONTIGUOUS, Mode.RANGE)],
                         ids=lambda value: value if isinstance(value, str) else "")  # fmt: skip
def test_str_03_permuted_inside_150_ms_leaves_in_exact_order(
    name: str, mode: Mode, numbers: list[tuple[int, int]], seed: int
) -> None:
    rng = Random(seed)
    drive = Drive()
    stream = drive.add(mode)
    drive.offer(stream, Arrival(numbers[0][1], first_id=numbers[0][0]), 0)
    sent = sorted(
        (turn * 10 * MS + rng.randrange(150 * MS), first, last) for turn, (first, last) in enumerate(numbers[1:], 1)
    )
    for at_ns, first, last in sent:
        drive.offer(stream, Arrival(last, ts_recv_ns=at_ns, first_id=first), at_ns)
    drive.move_to(drive.now_ns() + 200 * MS)
    assert [row[1] for row in drive.delivered] == [last for _, last in numbers]
    assert drive.line.dispatcher.gap_hold.max_ns <= 150 * MS
    assert drive.counts(stream).gaps == 0


# --- volume -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [100_000, pytest.param(1_000_000, marks=pytest.mark.soak)])
def test_str_09_nothing_displaced_inside_the_lateness_is_out_of_order(count: int) -> None:
    """1,000,000 events before a release, 100,000 in every run; displaced by up to 149 ms, four streams."""
    rng = Random(count)
    drive = Drive(buffer_max=1000)
    streams = [drive.add(Mode.CONTIGUOUS) for _ in range(4)]
    per_stream = count // 4
    last: dict[int, int] = {}
    line, watcher, start_ns = drive.line, drive.watcher, drive.start_ns
    sent = (
        (number * 2 * MS + (rng.randrange(149 * MS) if number > 1 else 0), number, place)
        for number in range(1, per_stream + 1)
        for place in range(4)
    )
    for at_ns, number, place in _by_time(sent):
        line.clock.set(start_ns + at_ns)
        line.dispatcher.poll(start_ns + at_ns)
        line.offer(
            ordering=OrderingMode.CONTIGUOUS, instrument_id=streams[place].instrument, seq_provider=number, ts_recv_ns=at_ns
        )
        line.flush()
        for instrument, seq, *_ in watcher.take():
            assert seq == last.get(instrument, 0) + 1
            last[instrument] = seq
    assert line.dispatcher.flush_held() == 0
    assert set(last.values()) == {per_stream}
    assert line.pools.statistics().balanced


def _by_time(sent: Iterable[tuple[int, int, int]]) -> Iterator[tuple[int, int, int]]:
    """Sorted by time, without keeping all of it: none is sent before its place in the source."""
    waiting: list[tuple[int, int, int]] = []
    for step in sent:
        heapq.heappush(waiting, step)
        while waiting[0][0] < step[1] * 2 * MS:
            yield heapq.heappop(waiting)
    while waiting:
        yield heapq.heappop(waiting)
