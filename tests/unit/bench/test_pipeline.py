"""The pipeline suite: right books and counts behind every figure, on the seeded market's frames."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from engine.bench import suite_growth, suite_micro
from engine.bench.data.corpus import CapturesMissingError
from engine.bench.data.futures_sized import futures_sized
from engine.bench.data.generated import generated_spot
from engine.bench.data.plainbook import final_tops, opening_books
from engine.bench.endless import endless
from engine.bench.feeder import Feeder
from engine.bench.rig import Rig, WrongResultError, cython_consumers, python_consumers
from engine.bench.sources import Sources, one_symbol
from engine.bench.suite_pipeline import full_path

FRAMES = 120
pytestmark = pytest.mark.timeout(30)


@pytest.fixture
def no_captures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ENGINE_CAPTURES", "")      # what a test names from here on is taken back
    monkeypatch.delenv("ENGINE_CAPTURES")


def test_the_seeded_market_repeats_and_never_crosses() -> None:
    corpus = generated_spot(FRAMES)
    generated_spot.cache_clear()
    again = generated_spot(FRAMES)
    assert corpus.frames == again.frames
    assert corpus.snapshots == again.snapshots
    assert len(corpus.frames) == FRAMES
    assert all(bid < ask for bid, ask in final_tops(corpus).values())


@pytest.mark.parametrize("consumers", [cython_consumers, python_consumers])
@pytest.mark.parametrize("frames_per_read", [1, 64])
def test_every_frame_reaches_every_consumer_and_the_books_are_right(consumers, frames_per_read: int) -> None:
    corpus = futures_sized(generated_spot(FRAMES))
    rig = Rig(corpus, consumers())
    feeder = Feeder(corpus.frames)
    assert rig.play(feeder, frames_per_read) > 0
    rig.prove(feeder.count)
    rig.close()
    first, *others = rig.handlers
    assert first.events >= feeder.count
    assert [(other.events, other.first_sum, other.second_sum) for other in others] == 2 * [
        (first.events, first.first_sum, first.second_sum)
    ]


def test_a_missing_frame_has_no_figure() -> None:
    corpus = generated_spot(FRAMES)
    rig = Rig(corpus, cython_consumers())
    feeder = Feeder(corpus.frames[:10] + corpus.frames[40:])
    rig.play(feeder)
    with pytest.raises(WrongResultError, match="generated"):
        rig.prove(FRAMES)
    rig.close()


def test_wrong_prices_have_no_figure() -> None:
    corpus = generated_spot(FRAMES)
    rig = Rig(corpus, cython_consumers())
    rig.play(Feeder(corpus.frames))
    wrong = {symbol: (bid + Decimal("0.01"), ask) for symbol, (bid, ask) in final_tops(corpus).items()}
    with pytest.raises(WrongResultError, match="is not"):
        rig.prove(FRAMES, wrong)
    rig.close()


def test_a_refused_frame_has_no_figure() -> None:
    corpus = generated_spot(FRAMES)
    rig = Rig(corpus, cython_consumers())
    rig.play(Feeder([*corpus.frames, b'{"stream":"btcusdt@depth@100ms","data":{"e":"depthUpdate"']))
    with pytest.raises(WrongResultError, match="refused frames"):
        rig.prove(FRAMES)
    rig.close()


def test_endless_frames_end_each_cycle_on_the_opening_books() -> None:
    corpus = generated_spot(FRAMES)
    feeder = endless(corpus)
    rig = Rig(corpus, cython_consumers())
    for _ in range(4):
        rig.play(feeder)
        feeder.next_cycle()
    opening = {symbol: book.top() for symbol, book in opening_books(corpus).items()}
    rig.prove(4 * feeder.count, opening)
    rig.close()


def test_ids_that_would_grow_are_refused() -> None:
    feeder = Feeder([b'{"U":7,"u":98}'])
    feeder.follow_ids([(5, 1, 1), (11, 2, 1)])
    feeder.next_cycle()
    with pytest.raises(OverflowError, match="gains a digit"):
        feeder.next_cycle()
    with pytest.raises(ValueError, match="3 ids for 1 frames"):
        feeder.follow_ids([(5, 1, 1)] * 3)


def test_the_walk_sees_every_frame_and_refuses_what_is_no_json() -> None:
    ns, seen = Feeder([b'{"a":1}', b'{"a":[1,2,"x"]}']).walk()
    assert ns > 0
    assert seen > 0
    with pytest.raises(ValueError, match="frame 1 is not JSON"):
        Feeder([b"{}", b'{"a":']).walk()


@pytest.mark.serial
def test_full_path_gives_both_figures(no_captures: None) -> None:
    figure, walk = full_path(Sources(frames=FRAMES).spot(), cython_consumers, 0.001, 64)
    assert figure.median > walk.median > 0
    assert figure.repeats >= 5


def test_growth_rows_prove_their_books() -> None:
    one = one_symbol(generated_spot(FRAMES))
    row = suite_growth.row_of_streams(replace(one, frames=one.frames[:5]), 3)
    assert row.goal == "G10"
    assert row.figure > 0
    assert "A/A spread" in row.note


def test_growth_over_a_socket_takes_each_frame_into_books_that_are_right() -> None:
    one = one_symbol(generated_spot(FRAMES))
    row = suite_growth.row_of_live_streams(replace(one, frames=one.frames[:5]), 6, few=2, rate=50_000)
    assert (row.goal, row.subject) == ("G10", "6 streams against 2")
    assert row.figure > 0
    assert "reads a frame" in row.note


def test_a_delivery_more_costs_no_more(no_captures: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(suite_growth, "BURSTS", 8)
    assert suite_growth.row_of_consumers(4).figure > 0
    assert suite_micro.Fan(2).bursts == 0


def test_sources_say_which_frames_they_use(no_captures: None, tmp_path) -> None:
    sources = Sources(frames=FRAMES)
    assert "generated by a seeded market" in sources.line
    assert sources.spot().name == "generated"
    assert sources.futures().name == "futures_sized"
    assert sources.whole_day() is None
    with pytest.raises(CapturesMissingError):
        Sources(tmp_path)


@pytest.mark.replay
def test_recorded_frames_come_first(captures, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ENGINE_CAPTURES", str(captures))
    sources = Sources(captures, passes=2)
    assert sources.line == f"frames: recorded, from the folder {captures.name}"
    spot = sources.spot()
    assert (spot.name, spot.regime) == ("spot", "looped")
    rig = Rig(spot.corpus, cython_consumers())
    feeder = Feeder(spot.corpus.frames)
    rig.play(feeder)
    rig.prove(feeder.count, spot.tops)
    rig.close()
