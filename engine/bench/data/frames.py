"""The corpora, cut from the captures or made from what is in them."""
import os
import re
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from urllib.parse import parse_qs, urlsplit

from engine.bench.data.corpus import CAPTURES_ENV, CapturesMissingError, Corpus, records
from engine.bench.data.futures_sized import futures_sized
from engine.bench.data.kraken_legacy import kraken_d1000
from engine.bench.data.looping import loop
from engine.bench.data.wire import read_binance_snapshot, read_frame

__all__ = ["CORPORA", "CapturesMissingError", "Corpus", "depth_only", "futures_sized", "load", "loop"]

_SEQUENCE = re.compile(rb'"sequence_num":(\d+)')


def _level_count(venue: str, frames: list[bytes]) -> int:
    return sum(
        len(message.bids) + len(message.asks) for frame in frames for message in read_frame(venue, frame)
    )


def _is_depth_update(frame: bytes) -> bool:
    return b'"e":"depthUpdate"' in frame


def _binance(name: str, file_name: str, keep: Callable[[bytes], bool]) -> Corpus:
    """Frames of *file_name* that *keep* accepts, without the diffs their snapshot already holds.

    The first snapshot of a symbol counts, and diffs that arrived before it are used behind it, as a
    feed that buffers them would.
    """
    received: list[bytes] = []
    snapshots: dict[str, bytes] = {}
    reference = None
    for record in records(file_name):
        raw = record["raw"].encode()
        if record["channel"] == "ws":
            received.append(raw)
        elif "/depth?" in record["url"]:
            symbol = parse_qs(urlsplit(record["url"]).query)["symbol"][0]
            snapshots.setdefault(symbol, raw)
        elif "/exchangeInfo" in record["url"]:
            reference = raw
    snapshot_ids = {symbol: read_binance_snapshot(symbol, raw).last_id for symbol, raw in snapshots.items()}
    frames: list[bytes] = []
    for frame in filter(keep, received):
        if _is_depth_update(frame):
            message = read_frame("binance", frame)[0]
            if message.last_id <= snapshot_ids[message.symbol]:
                continue
        frames.append(frame)
    level_count = _level_count("binance", list(filter(_is_depth_update, frames)))
    return Corpus(name, "binance", frames, snapshots, tuple(snapshots), level_count, 0, reference)


def _spot() -> Corpus:
    return _binance("spot", "binance_spot_2021_4pairs.jsonl.gz", _is_depth_update)


def _btcusdt() -> Corpus:
    return _binance("btcusdt", "binance_spot_btcusdt_20240809.jsonl.gz", lambda frame: True)


def _coinbase() -> Corpus:
    """l2_data frames, numbered anew: the recording's other channels took part in the same sequence."""
    snapshots: dict[str, bytes] = {}
    frames: list[bytes] = []
    for record in records("coinbase_advanced_derived_2021_10pairs.jsonl.gz"):
        raw = record["raw"].encode()
        if b'"channel":"l2_data"' not in raw[:40]:
            continue
        message = read_frame("coinbase", raw)[0]
        if message.is_snapshot:
            snapshots[message.symbol] = raw
        else:
            frames.append(raw)
    numbered = [
        _SEQUENCE.sub(b'"sequence_num":%d' % number, raw, count=1)
        for number, raw in enumerate([*snapshots.values(), *frames])
    ]
    snapshots = dict(zip(snapshots, numbered, strict=False))
    frames = numbered[len(snapshots):]
    level_count = _level_count("coinbase", frames)
    return Corpus("coinbase", "coinbase", frames, snapshots, tuple(snapshots), level_count)


def _kraken() -> Corpus:
    snapshots: dict[str, bytes] = {}
    frames: list[bytes] = []
    reference = None
    for record in records("kraken_v2_btc_eth_d10_20260707.jsonl.gz"):
        raw = record["raw"].encode()
        if record["channel"] == "http":
            reference = raw
        elif b'"channel":"book","type":"snapshot"' in raw[:60]:
            snapshots[read_frame("kraken", raw)[0].symbol] = raw
        elif b'"channel":"book","type":"update"' in raw[:60]:
            frames.append(raw)
    level_count = _level_count("kraken", frames)
    return Corpus("kraken", "kraken", frames, snapshots, tuple(snapshots), level_count, 10, reference)


def depth_only(corpus: Corpus) -> Corpus:
    """The depthUpdate frames of a Binance corpus, for paths that keep a book and nothing else."""
    return replace(corpus, name=f"{corpus.name}_depth", frames=list(filter(_is_depth_update, corpus.frames)))


def by_shape(count: int) -> dict[str, list[bytes]]:
    """*count* recorded Binance frames, a third of each shape: trades (the aggregate ones first), depth, ticker.

    Raises:
        CapturesMissingError: a capture is not there.
    """
    found: dict[str, list[bytes]] = {"trade": [], "depth": [], "ticker": []}
    for file_name in ("binance_spot_2021_4pairs.jsonl.gz", "binance_spot_btcusdt_20240809.jsonl.gz"):
        for record in records(file_name):
            raw = record["raw"].encode()
            if record["channel"] == "ws":
                found.get(_shape_of(raw), []).append(raw)
    shares = zip(found, (count - 2 * (count // 3), count // 3, count // 3), strict=True)
    return {shape: found[shape][:share] for shape, share in shares}


def _shape_of(frame: bytes) -> str:
    if b'"e":"aggTrade"' in frame or b'"e":"trade"' in frame:
        return "trade"
    return "depth" if _is_depth_update(frame) else "ticker" if b"@bookTicker" in frame else ""


def _futures_sized() -> Corpus:
    return futures_sized(load("spot"))


def _btcusdt_depth() -> Corpus:
    return depth_only(load("btcusdt"))


CORPORA: dict[str, Callable[[], Corpus]] = {
    "spot": _spot,
    "futures_sized": _futures_sized,
    "btcusdt": _btcusdt,
    "btcusdt_depth": _btcusdt_depth,
    "coinbase": _coinbase,
    "kraken": _kraken,
    "kraken_d1000": kraken_d1000,
}


def load(name: str) -> Corpus:
    """A corpus by name; one object per process and folder of captures, not to be changed.

    Raises:
        KeyError: no corpus of that name in ``CORPORA``.
        CapturesMissingError: its capture is not there.
    """
    return _load(name, os.environ.get(CAPTURES_ENV))


@cache
def _load(name: str, folder: str | None) -> Corpus:
    return CORPORA[name]()
