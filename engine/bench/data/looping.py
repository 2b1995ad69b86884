"""Many passes over one corpus as a single valid stream.

Setting the same levels again on the book a pass has left behind would cross it half way, so between two
passes stand a few frames that put every changed level back to what the snapshot said. Their form is the
venue's and their size the corpus's own; ids, sequence numbers and times run on, and Kraken's checksums
hold. The last pass ends without them: the final books are those of one pass.
"""
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from functools import lru_cache
from itertools import cycle

from engine.bench.data.corpus import Corpus
from engine.bench.data.plainbook import PlainBook, opening_books, replay
from engine.bench.data.wire import (
    BookMessage,
    Level,
    read_frame,
    write_binance_update,
    write_coinbase_update,
    write_kraken_update,
)

REWIND_STEP_MS = 100

_IDS = re.compile(rb'"E":(\d+),"s":"([^"]+)","U":(\d+),"u":(\d+)')
_SEQUENCE = re.compile(rb'"sequence_num":\d+')
_SECONDS = re.compile(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?=[.Z])")
_TIMESTAMP = re.compile(rb'"timestamp":"([^"]+)"')

Writer = Callable[[int], Iterator[bytes]]
"""Frames of pass number k, with ids and times moved on by k cycles."""


def loop(corpus: Corpus, passes: int) -> Corpus:
    """*corpus* played *passes* times, continuity valid throughout.

    Frames keep their length unless an id gains a digit.

    Raises:
        ValueError: *passes* is below one, the corpus holds frames other than book updates, or one pass
            leaves none of the snapshot's prices on a side, so that the way back would empty it.
    """
    if passes < 1:
        raise ValueError(f"passes must be at least 1, not {passes}")
    start, end = opening_books(corpus), replay(corpus)
    rewind = _REWINDS[corpus.venue](corpus, start, end)
    write = _WRITERS[corpus.venue](corpus, rewind)
    once = len(corpus.frames)
    frames: list[bytes] = []
    for number in range(passes):
        written = list(write(number))
        frames += written if number < passes - 1 else written[:once]
    rewind_levels = sum(
        len(message.bids) + len(message.asks)
        for frame in rewind
        for message in read_frame(corpus.venue, frame)
    )
    level_count = passes * corpus.level_count + (passes - 1) * rewind_levels
    return replace(corpus, name=f"{corpus.name}_x{passes}", frames=frames, level_count=level_count)


def _zero(quantity: str) -> str:
    """Zero with as many decimals as *quantity*, as a venue spells a removal."""
    _, point, decimals = quantity.partition(".")
    return "0" + point + "0" * len(decimals)


def _way_back(end: PlainBook, start: PlainBook) -> list[tuple[bool, Level]]:
    """(is ask, level) changes from *end* to *start*: removals first, so that no step crosses the book."""
    removals: list[tuple[bool, Level]] = []
    settings: list[tuple[bool, Level]] = []
    for is_ask, old, new in ((False, end.bids, start.bids), (True, end.asks, start.asks)):
        removals += [(is_ask, (text, _zero(held))) for price, (text, held) in old.items() if price not in new]
        settings += [(is_ask, level) for price, level in new.items() if old.get(price) != level]
    return removals + settings


def _check_overlap(symbol: str, end: PlainBook, start: PlainBook) -> None:
    if not (end.bids.keys() & start.bids.keys() and end.asks.keys() & start.asks.keys()):
        raise ValueError(f"{symbol} moved too far from its snapshot to be looped; play it once")


def _chunks(
    changes: list[tuple[bool, Level]], sizes: Iterator[int]
) -> Iterator[tuple[list[Level], list[Level]]]:
    """*changes* cut into (bids, asks) of the given sizes, order kept."""
    position = 0
    while position < len(changes):
        size = next(sizes)
        part = changes[position:position + size]
        position += size
        yield [level for is_ask, level in part if not is_ask], [level for is_ask, level in part if is_ask]


def _message_sizes(corpus: Corpus) -> dict[str, Iterator[int]]:
    """Per symbol the level counts of its recorded messages, over and over."""
    counts: dict[str, list[int]] = {symbol: [] for symbol in corpus.symbols}
    for frame in corpus.frames:
        for message in read_frame(corpus.venue, frame):
            counts[message.symbol].append(len(message.bids) + len(message.asks))
    return {symbol: cycle([n for n in sizes if n] or [1]) for symbol, sizes in counts.items()}


Books = dict[str, PlainBook]


def _rewind_binance(corpus: Corpus, start: Books, end: Books) -> list[bytes]:
    sizes = _message_sizes(corpus)
    event_time_ms = json.loads(corpus.frames[-1])["data"]["E"]
    frames: list[bytes] = []
    for symbol, book in end.items():
        last_id = book.last_id
        _check_overlap(symbol, book, start[symbol])
        for bids, asks in _chunks(_way_back(book, start[symbol]), sizes[symbol]):
            first_id, last_id = last_id + 1, last_id + len(bids) + len(asks)
            event_time_ms += REWIND_STEP_MS
            message = BookMessage(symbol, bids, asks, first_id, last_id)
            frames.append(write_binance_update(message, event_time_ms))
    return frames


def _rewind_coinbase(corpus: Corpus, start: Books, end: Books) -> list[bytes]:
    sizes = _message_sizes(corpus)
    timestamp = _last_timestamp(corpus)
    frames: list[bytes] = []
    for symbol, book in end.items():
        _check_overlap(symbol, book, start[symbol])
        for bids, asks in _chunks(_way_back(book, start[symbol]), sizes[symbol]):
            frames.append(write_coinbase_update(BookMessage(symbol, bids, asks, 0, 0), timestamp, timestamp))
    return frames


def _rewind_kraken(corpus: Corpus, start: Books, end: Books) -> list[bytes]:
    """One message per symbol: only then is the ten-level book whole again and its checksum the snapshot's."""
    frames: list[bytes] = []
    for symbol, book in end.items():
        changes = _way_back(book, start[symbol])
        checksum = json.loads(corpus.snapshots[symbol])["data"][0]["checksum"]
        for bids, asks in _chunks(changes, cycle([max(len(changes), 1)])):
            message = BookMessage(symbol, bids, asks, 0, 0)
            frames.append(write_kraken_update(message, checksum, _last_timestamp(corpus)))
    return frames


def _last_timestamp(corpus: Corpus) -> str:
    found = _TIMESTAMP.search(corpus.frames[-1])
    assert found is not None
    return found[1].decode()


def _write_binance(corpus: Corpus, rewind: list[bytes]) -> Writer:
    parts = []
    for frame in corpus.frames + rewind:
        ids = _IDS.search(frame)
        if ids is None:
            raise ValueError(f"not a depthUpdate: {frame[:80]!r}")
        event_time_ms, symbol, first_id, last_id = int(ids[1]), ids[2], int(ids[3]), int(ids[4])
        parts.append((frame[:ids.start()], event_time_ms, symbol, first_id, last_id, frame[ids.end():]))
    duration_ms = parts[-1][1] - parts[0][1] + REWIND_STEP_MS
    span = {symbol.encode(): -book.last_id for symbol, book in opening_books(corpus).items()}
    for symbol, last_id in {part[2]: part[4] for part in parts}.items():
        span[symbol] += last_id

    def write(number: int) -> Iterator[bytes]:
        for before, event_time_ms, symbol, first_id, last_id, after in parts:
            moved_ms, shift = event_time_ms + number * duration_ms, number * span[symbol]
            ids = (moved_ms, symbol, first_id + shift, last_id + shift)
            yield b'%b"E":%d,"s":"%b","U":%d,"u":%d%b' % (before, *ids, after)

    return write


def _duration_s(frames: list[bytes]) -> int:
    first, last = (
        datetime.fromisoformat(found[0].decode())
        for frame in (frames[0], frames[-1])
        if (found := _SECONDS.search(frame)) is not None
    )
    return int((last - first).total_seconds()) + 1


@lru_cache(maxsize=4096)
def _later(second: bytes, shift_s: int) -> bytes:
    return (datetime.fromisoformat(second.decode()) + timedelta(seconds=shift_s)).isoformat().encode()


def _write_kraken(corpus: Corpus, rewind: list[bytes]) -> Writer:
    frames = corpus.frames + rewind
    duration_s = _duration_s(corpus.frames)

    def write(number: int) -> Iterator[bytes]:
        for frame in frames:
            yield _SECONDS.sub(lambda second: _later(second[0], number * duration_s), frame)

    return write


def _write_coinbase(corpus: Corpus, rewind: list[bytes]) -> Writer:
    move_times = _write_kraken(corpus, rewind)
    cycle_length = len(corpus.frames) + len(rewind)

    def write(number: int) -> Iterator[bytes]:
        first = len(corpus.snapshots) + number * cycle_length
        for sequence, frame in enumerate(move_times(number), first):
            yield _SEQUENCE.sub(b'"sequence_num":%d' % sequence, frame, count=1)

    return write


_REWINDS = {"binance": _rewind_binance, "coinbase": _rewind_coinbase, "kraken": _rewind_kraken}
_WRITERS = {"binance": _write_binance, "coinbase": _write_coinbase, "kraken": _write_kraken}
