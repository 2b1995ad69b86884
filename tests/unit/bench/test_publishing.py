"""The rows of publishing: every entry is proved to be in its stream, an engine's books to be right; what is missing has no figure."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.bench import streamserver, suite_publishing
from engine.bench.data.generated import generated_spot
from engine.bench.endless import cycle_of, with_trades
from engine.bench.observed import Load, Observed, load_of
from engine.bench.rig import WrongResultError
from engine.bench.sources import Sources
from engine.bench.streamserver import ServerFailedError, StreamServer
from engine.bench.suite_publishing import Written
from tests.redis_kit import Server, server

pytestmark = pytest.mark.timeout(60)
SMALL = ("bus.ring_capacity_entries=1024", "bus.queue_max_entries=1024")


@pytest.fixture(scope="module")
def load() -> Load:
    return load_of(generated_spot(400), 400)


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with server(tmp_path_factory.mktemp("server")) as it:
        yield it


@pytest.mark.serial
def test_every_row_is_there_with_its_limit_and_regime(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ENGINE_CAPTURES", raising=False)
    monkeypatch.setattr(suite_publishing, "PACED", {64: 50_000, 1: 8_000})
    monkeypatch.setattr(suite_publishing, "SLICES", 1)
    notes: list[str] = []
    rows = list(suite_publishing.run(Sources(frames=400), 0.01, notes.append, SMALL))
    assert notes == []
    assert [row.goal for row in rows] == ["G11"] * 10 + ["SLO-09"] * 4
    assert all(row.limit is not None for row in rows)
    written, *paired, memory, nowhere = rows[:10]
    assert (written.unit, written.limit, written.regime) == ("1/s", 100_000, "pipelined, batches of 256")
    assert written.baseline_figure is not None
    assert written.baseline_figure > 0
    assert {row.relation for row in (*paired, *rows[10:])} == {"within"}
    assert sum("frozen" in row.subject for row in paired) == 2
    assert sum("killed" in row.subject for row in paired) == 1
    assert (memory.met, nowhere.figure) == (True, 0)
    assert len({row.key for row in rows}) == len(rows)
    # Too little work to judge is told, and judges nothing.
    short = [row for row in rows if row.regime.endswith("back to back")]
    assert len(short) == 7
    assert all(row.met is None and "4,096 are needed" in row.note for row in short)


def test_without_the_server_its_rows_are_left_out_with_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ENGINE_CAPTURES", raising=False)
    monkeypatch.setattr(streamserver, "PACKAGES", ("redis", "no_such_wheel"))
    monkeypatch.setattr(suite_publishing, "beside", lambda *_: iter(()))
    notes: list[str] = []
    assert list(suite_publishing.run(Sources(frames=400), 0.01, notes.append)) == []
    assert notes == ["G11, publishing: needs no_such_wheel: pip install 'engine[bench]'"]


def test_an_entry_that_is_not_in_its_stream_has_no_figure(
    load: Load, kept: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = Written(load, kept)
    assert written.ours() > 0
    assert written.bare() > 0
    publishing = written.engine.publishing
    assert publishing is not None
    write, count = publishing.publisher._write, [0]

    def forgetting(batch: bytes) -> int:
        count[0] += 1
        return publishing.outgoing.count if count[0] == 2 else write(batch)

    monkeypatch.setattr(publishing.publisher, "_write", forgetting)
    with pytest.raises(WrongResultError, match=r"does not follow|were written"):
        written.ours()
    written.engine.close()


def test_what_nobody_takes_is_folded_and_lost_and_every_event_is_in_a_count(load: Load, kept: Server) -> None:
    full = Observed(load, SMALL)
    full.publish(kept.url, has_thread=False)
    full.fill()
    assert full.tap is not None
    assert full.tap.queued == 1024
    assert full.tap.dropped > 0
    assert full.lasting(64) > 0
    assert full.unaccounted() == 0
    full.prove(is_stuck=True)
    with pytest.raises(WrongResultError, match="lost"):
        full.prove()
    full.close()


def test_the_trades_of_a_cycle_run_on_into_the_next(load: Load) -> None:
    corpus = load.corpus
    frames, places = with_trades(*cycle_of(corpus), 4)
    trades = [frame for frame in frames if b'"e":"trade"' in frame]
    assert len(trades) == len(cycle_of(corpus)[0]) // 4
    assert len(places) == 2 * len(frames)
    watched = Observed(load)
    for _ in range(3):
        assert watched.back_to_back(64) > 0
    # A number that came twice would be no event, one that is missing would be held back.
    watched.prove()
    assert watched.rig.engine.summary().consumers["bench-0"]["delivered"] >= 3 * len(frames)
    watched.close()


def test_a_server_that_does_not_start_is_told(tmp_path: Path) -> None:
    with pytest.raises(ServerFailedError, match="does not answer"):
        StreamServer(tmp_path, "--no-such-option", "1").start()
