"""What every comparison rests on: gap-free frames, books that never cross, loops that change nothing."""
import json
import zlib
from dataclasses import replace

import pytest

from bench.data.frames import CORPORA, CapturesMissingError, Corpus, futures_sized, load, loop
from bench.peers import framefile
from engine.bench.data.book_updates import book_updates, opening_levels
from engine.bench.data.plainbook import final_tops, replay
from engine.bench.data.spread import spread
from engine.bench.data.wire import read_binance_snapshot, read_frame, read_kraken_checksums

pytestmark = pytest.mark.timeout(60)

LOOPED = ("spot", "futures_sized", "coinbase", "kraken", "kraken_d1000")
PASSES = 3


def corpus(name: str) -> Corpus:
    """The corpus, or a skip that names what is missing."""
    try:
        return load(name)
    except CapturesMissingError as missing:
        pytest.skip(str(missing))


def assert_sound(frames: Corpus) -> None:
    """Continuity (checked by the replay), no crossed book after any message, counts as stated."""
    levels = 0

    def after_message(message, book):
        nonlocal levels
        levels += len(message.bids) + len(message.asks)
        bid, ask = book.top()
        assert bid < ask, f"{message.symbol} crossed behind {message.last_id}"

    replay(frames, after_message)
    assert levels == frames.level_count


@pytest.mark.parametrize("name", [name for name in CORPORA if name != "btcusdt"])
def test_corpus_is_sound(name):
    assert_sound(corpus(name))


def test_spot_is_the_whole_recording_behind_its_snapshots():
    spot = corpus("spot")
    assert (len(spot.frames), spot.level_count, len(spot.symbols)) == (172, 408, 4)
    assert spot.reference is not None


def test_btcusdt_keeps_every_frame_but_the_diffs_its_snapshot_holds():
    whole, depth = corpus("btcusdt"), corpus("btcusdt_depth")
    assert len(whole.frames) == 99_571
    assert len(depth.frames) == 6_493
    assert [frame for frame in whole.frames if b'"depthUpdate"' in frame] == depth.frames


@pytest.mark.parametrize("name", LOOPED)
def test_loop_is_sound_and_ends_like_one_pass(name):
    once = corpus(name)
    many = loop(once, PASSES)
    assert_sound(many)
    assert final_tops(many) == final_tops(once)
    assert many.frames[: len(once.frames)] == once.frames


@pytest.mark.parametrize("name", ["spot", "futures_sized"])
def test_loop_keeps_the_length_of_binance_frames(name):
    once = corpus(name)
    many = loop(once, PASSES)
    last_pass = many.frames[-len(once.frames):]
    assert [len(frame) for frame in last_pass] == [len(frame) for frame in once.frames]


def test_loop_moves_ids_and_times_on():
    many = loop(corpus("spot"), PASSES)
    times = [json.loads(frame)["data"]["E"] for frame in many.frames]
    assert times == sorted(times)
    assert len(set(many.frames)) == len(many.frames)


def test_loop_keeps_kraken_checksums():
    many = loop(corpus("kraken"), PASSES)
    stated = iter([crc for frame in many.frames for crc in read_kraken_checksums(frame)])

    def after_message(message, book):
        best = [book.asks[price] for price in sorted(book.asks)[:10]]
        best += [book.bids[price] for price in sorted(book.bids, reverse=True)[:10]]
        text = "".join(number.replace(".", "").lstrip("0") for level in best for number in level)
        assert zlib.crc32(text.encode()) == next(stated)

    replay(many, after_message)


def test_loop_refuses_what_it_cannot_rewind():
    with pytest.raises(ValueError, match="play it once"):
        loop(corpus("btcusdt_depth"), 2)
    with pytest.raises(ValueError, match="passes"):
        loop(corpus("spot"), 0)


def test_futures_sized_has_eight_levels_a_message_and_repeats_by_seed():
    spot = corpus("spot")
    made = futures_sized(spot)
    sizes = {len(m.bids) + len(m.asks) for frame in made.frames for m in read_frame("binance", frame)}
    assert sizes == {8}
    assert made.frames == futures_sized(spot).frames
    assert made.frames != futures_sized(spot, seed=1).frames


@pytest.mark.parametrize("levels", [1, 2, 5, 20])
def test_futures_sized_is_sound_at_any_size(levels):
    assert_sound(futures_sized(corpus("spot"), levels))


def test_futures_sized_splits_a_moving_market_without_crossing_it():
    depth = corpus("btcusdt_depth")
    moving = replace(depth, frames=depth.frames[:200])
    assert_sound(futures_sized(moving))


def test_futures_sized_joins_the_snapshots_and_keeps_the_recorded_prices():
    spot = corpus("spot")
    made = futures_sized(spot)
    expected = {s: read_binance_snapshot(s, raw).last_id + 1 for s, raw in spot.snapshots.items()}
    first: dict[str, int] = {}
    named: dict[str, set[str]] = {symbol: set() for symbol in spot.symbols}
    for frame in made.frames:
        message = read_frame("binance", frame)[0]
        first.setdefault(message.symbol, message.first_id)
        prices = [price for price, _ in message.bids + message.asks]
        assert len(set(prices)) == len(prices)
        named[message.symbol].update(prices)
    assert first == expected
    for frame in spot.frames:
        message = read_frame("binance", frame)[0]
        assert named[message.symbol].issuperset(price for price, _ in message.bids + message.asks)


def test_a_missing_frame_is_a_gap():
    spot = corpus("spot")
    with pytest.raises(ValueError, match="after"):
        replay(replace(spot, frames=spot.frames[:5] + spot.frames[6:]))


def test_spread_gives_each_symbol_the_same_frames():
    spot = corpus("spot")
    wide = spread(spot, "NKNUSDT", 5)
    assert_sound(wide)
    top = final_tops(spot)["NKNUSDT"]
    assert list(final_tops(wide).values()) == [top] * 5
    originals = [frame for frame in spot.frames if b'"s":"NKNUSDT"' in frame]
    assert wide.byte_count == 5 * sum(map(len, originals))
    assert [read_frame("binance", frame)[0].symbol for frame in wide.frames[:5]] == list(wide.symbols)


def test_book_updates_repeat_by_seed_and_stay_in_the_book():
    bids, asks = opening_levels()
    updates = book_updates(2_000)
    assert updates == book_updates(2_000)
    assert updates != book_updates(2_000, seed=8)
    for side, price in zip(updates.side, updates.price_ticks, strict=True):
        assert price in (asks if side else bids)


def test_frame_file_gives_back_what_was_written(tmp_path):
    kraken = corpus("kraken")
    framefile.write(kraken, tmp_path / "frames")
    found = framefile.read(tmp_path / "frames")
    assert found.frames == kraken.frames
    assert found.snapshots == kraken.snapshots
    assert (found.symbols, found.depth_levels) == (kraken.symbols, 10)
