"""Depth frames that can be fed for ever: one cycle of a looped corpus, whose ids are moved on in place."""
import re
from collections import Counter
from collections.abc import Iterator

from engine.bench.data.corpus import Corpus
from engine.bench.data.looping import loop
from engine.bench.feeder import Feeder

FIRST_TRADE = 1_000_000_001
_OF_TRADE = re.compile(rb'"E":(\d+),"s":"([^"]+)".*?\["([0-9.]+)"')
_IDS = re.compile(rb'"s":"([^"]+)","U":(\d+),"u":(\d+)')


def _ids(frames: list[bytes]) -> Iterator[re.Match[bytes]]:
    for frame in frames:
        found = _IDS.search(frame)
        if found is None:
            raise ValueError(f"not a depthUpdate: {frame[:80]!r}")
        yield found


IdPlace = tuple[int, int, int]
"""Where an id stands in its frame: offset, digits, and by how much it moves from cycle to cycle."""


def endless(corpus: Corpus) -> Feeder:
    """A feeder of one cycle: after each feed call ``next_cycle`` and feed again.

    Raises:
        ValueError: the corpus cannot be looped, or is not Binance depth.
    """
    cycle, places = cycle_of(corpus)
    feeder = Feeder(cycle)
    feeder.follow_ids(places)
    return feeder


def cycle_of(corpus: Corpus) -> tuple[list[bytes], list[IdPlace]]:
    """The frames of one cycle, and two places of ids a frame.

    Raises:
        ValueError: the corpus cannot be looped, or is not Binance depth.
    """
    twice = loop(corpus, 2)
    cycle = twice.frames[: len(twice.frames) - len(corpus.frames)]
    first: dict[bytes, int] = {}
    for found in _ids(cycle):
        first.setdefault(found[1], int(found[2]))
    step: dict[bytes, int] = {}
    for found in _ids(twice.frames[len(cycle):]):
        step.setdefault(found[1], int(found[2]) - first[found[1]])
    return cycle, [
        (found.start(group), len(found[group]), step[found[1]]) for found in _ids(cycle) for group in (2, 3)
    ]  # fmt: skip


def with_trades(cycle: list[bytes], places: list[IdPlace], every: int) -> tuple[list[bytes], list[IdPlace]]:
    """The same with a trade behind each *every*-th frame: of its symbol, at a price in it, numbered without a gap."""
    frames: list[bytes] = []
    moved: list[IdPlace] = []
    counts: Counter[bytes] = Counter()
    trades: list[tuple[int, int, bytes]] = []
    for number, frame in enumerate(cycle):
        frames.append(frame)
        moved += places[2 * number : 2 * number + 2]
        found = _OF_TRADE.search(frame) if number % every == every - 1 else None
        if found is None:
            continue
        at_ms, symbol, price = found.groups()
        head = b'{"stream":"%s@trade","data":{"e":"trade","E":%s,"s":"%s","t":' % (symbol.lower(), at_ms, symbol)
        number_text = b"%d" % (FIRST_TRADE + counts[symbol])
        counts[symbol] += 1
        trades.append((len(moved), len(head), symbol))
        moved += [(len(head), len(number_text), 0)] * 2
        frames.append(head + number_text + b',"p":"%s","q":"1.00000000","T":%s,"m":true,"M":true}}' % (price, at_ms))
    for place, offset, symbol in trades:
        # The number moves once: of its two places one stands still.
        moved[place] = (offset, len(b"%d" % FIRST_TRADE), counts[symbol])
    return frames, moved
