"""What is asked of a whole process: allocations, resident memory, frames over a socket of its own."""

from __future__ import annotations

import pytest

from engine.bench import memory, suite_process, suite_socket
from engine.bench.allocations import build_flags, heap_bytes, start_counting, stop_counting
from engine.bench.children import ProcessFailedError, python
from engine.bench.sender import framed
from engine.bench.sources import Sources

pytestmark = pytest.mark.timeout(60)


def test_allocations_are_counted_between_start_and_stop() -> None:
    start_counting()
    kept = [bytes(1_000) for _ in range(500)]
    made = stop_counting()
    assert 500 <= made < 5_000
    assert len(kept) == 500
    assert stop_counting() == made


@pytest.mark.serial
def test_the_heap_tells_what_it_gave_out() -> None:
    before = heap_bytes()
    if before < 0:
        pytest.skip("this C library does not tell")
    kept = bytearray(8 << 20)
    assert heap_bytes() - before >= len(kept)


def test_the_build_says_how_it_was_made() -> None:
    mode, _, flags = build_flags().partition(": ")
    assert mode in {"release", "checks", "trace", "asan"}
    assert "-O" in flags


@pytest.mark.serial
def test_mem_06_no_allocation_an_event() -> None:
    report = memory.watch(events=40_000, counted=20_000, warm_up=20_000)
    assert report.counted_events >= 20_000
    assert report.events >= 40_000
    assert report.python_allocations / report.counted_events <= 0.01


def test_a_planted_allocation_an_event_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    class Hoarder:
        def __init__(self) -> None:
            self.kept: list[object] = []

        def on_batch(self, events: list[object], ctx: object) -> None:
            self.kept += [bytes(64) for _ in events]

    monkeypatch.setattr(memory, "cython_consumers", lambda: [Hoarder()])
    report = memory.watch(events=10_000, counted=10_000, warm_up=4_000)
    assert report.python_allocations >= report.counted_events


def test_a_stream_takes_memory() -> None:
    assert float(python("-m", "engine.bench.memory", "--streams", "40")) > 32 * 1024


def test_import_engine_is_timed_in_a_fresh_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(suite_process, "REPEATS_MIN", 1)
    row = suite_process.import_time()
    assert (row.goal, row.unit) == ("G13", "ms")
    assert 0 < row.figure_min <= row.figure <= row.figure_max


def test_a_child_that_fails_is_told() -> None:
    with pytest.raises(ProcessFailedError, match="no luck"):
        python("-c", "raise SystemExit('no luck')")


@pytest.mark.parametrize(
    ("length", "head"), [(5, b"\x81\x05"), (200, b"\x81\x7e\x00\xc8"), (70_000, b"\x81\x7f" + (70_000).to_bytes(8))]
)
def test_the_sender_frames_text_as_rfc_6455(length: int, head: bytes) -> None:
    assert framed(b"x" * length) == head + b"x" * length


@pytest.mark.serial
def test_g8_every_frame_crosses_the_socket_and_the_books_are_right(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ENGINE_CAPTURES", raising=False)
    (row,) = suite_socket.run(Sources(frames=400), 0.2, rate=4_000)
    assert row.goal == "G8"
    assert row.cores == 2
    assert "reads a frame" in row.note
    assert row.baseline_figure is not None
    assert row.baseline_figure > 0
