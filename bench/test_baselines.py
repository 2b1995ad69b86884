"""The baselines under pytest-benchmark: ``pytest bench/test_baselines.py --benchmark-enable``.

A round is one pass over a corpus, books rebuilt untimed before it; divide by ``messages`` in the extra
information for the cost of one. What is not installed or recorded here is skipped, and says so.
"""
from dataclasses import replace
from decimal import Decimal

import pytest

from bench.data.frames import CapturesMissingError, Corpus, load
from bench.peers import processes
from engine.bench.data.plainbook import final_tops

pytest.importorskip("pytest_benchmark", reason="the extra [bench] is not installed")
for module in ("orjson", "order_book", "sortedcontainers"):
    pytest.importorskip(module, reason="the extra [bench] is not installed")

from engine.bench.baselines import binance_loops, book_only, books, checked_book, checksum, handrolled  # noqa: E402 (after the skip)

pytestmark = pytest.mark.timeout(120)

PEER_SECONDS = 1.0
ROUNDS = 20


def corpus(name: str) -> Corpus:
    """The corpus, or a skip that names what is missing."""
    try:
        return load(name)
    except CapturesMissingError as missing:
        pytest.skip(str(missing))


@pytest.mark.parametrize("path", handrolled.PATHS["binance"])
@pytest.mark.parametrize("corpus_name", ["spot", "futures_sized"])
def test_handrolled_binance(benchmark, corpus_name, path):
    play_passes(benchmark, corpus(corpus_name), path)


@pytest.mark.parametrize("path", handrolled.PATHS["kraken"])
def test_handrolled_kraken(benchmark, path):
    play_passes(benchmark, corpus("kraken"), path)


def play_passes(benchmark, frames: Corpus, path: str) -> None:
    loop = handrolled.PATHS[frames.venue][path](frames)
    benchmark.group = f"bytes to three consumers, {frames.name}"
    benchmark.extra_info.update(frames.describe(), messages=len(frames.frames))
    benchmark.pedantic(loop.play, setup=loop.reset, rounds=ROUNDS, warmup_rounds=1)
    assert loop.tops() == final_tops(frames)


def test_a_path_that_ends_with_other_prices_has_no_figure(monkeypatch):
    monkeypatch.setattr(books.FloatBook, "top", lambda book: (Decimal(1), Decimal(2)))
    with pytest.raises(handrolled.WrongBookError):
        handrolled.run(corpus("spot"), 0.001, "msgspec typed + SortedDict(float)")


def test_a_gap_stops_a_path():
    spot = corpus("spot")
    holed = replace(spot, frames=spot.frames[:5] + spot.frames[6:])
    for path in handrolled.PATHS["binance"]:
        with pytest.raises(binance_loops.GapError):
            handrolled.run(holed, 0.001, path)


def test_a_changed_quantity_stops_a_checked_path():
    kraken = corpus("kraken")
    broken = [kraken.frames[0].replace(b"1}],", b"2}],", 1), *kraken.frames[1:]]
    assert broken[0] != kraken.frames[0]
    for path in handrolled.PATHS["kraken"]:
        with pytest.raises(checked_book.ChecksumError):
            handrolled.run(replace(kraken, frames=broken), 0.001, path)


@pytest.mark.parametrize("read", book_only.READS)
@pytest.mark.parametrize("path", book_only.PATHS)
def test_book_only(benchmark, path, read):
    benchmark.group = f"book of 1000 levels a side, {read}"
    spread = benchmark.pedantic(book_only.run, args=(path, read, 0.1), rounds=1)
    benchmark.extra_info.update(ns_per_update=spread.median_ns)
    assert spread.min_ns > 0


@pytest.mark.parametrize("corpus_name", ["kraken", "kraken_d1000"])
def test_checksum_order_book(benchmark, corpus_name):
    frames = corpus(corpus_name)
    benchmark.group = "Kraken CRC32 after a change"
    cost = benchmark.pedantic(checksum.run, args=(frames, 0.1), rounds=1)
    benchmark.extra_info.update(apply_and_check_ns=cost.apply_and_check.median_ns, check_ns=cost.check_ns)
    assert cost.check_ns > 0


@pytest.mark.parametrize("peer", ["cryptofeed", "nautilus"])
@pytest.mark.parametrize("corpus_name", ["spot", "futures_sized"])
def test_peer(benchmark, corpus_name, peer):
    """``processes.run`` itself refuses a peer whose final prices are wrong."""
    try:
        processes.environment(peer)
    except processes.PeerMissingError as missing:
        pytest.skip(str(missing))
    benchmark.group = f"peers, {corpus_name} (see extra_info)"
    result = benchmark.pedantic(processes.run, args=(peer, corpus(corpus_name), PEER_SECONDS), rounds=1)
    benchmark.extra_info.update(result.report, label=result.label)
    assert result.ns_per_message > 0
