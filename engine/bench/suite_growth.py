"""G10: what more streams and more consumers cost, in paired runs of CPU time."""
from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from engine.bench.children import sending
from engine.bench.data.corpus import Corpus
from engine.bench.data.looping import loop
from engine.bench.data.plainbook import opening_books, replay
from engine.bench.data.spread import spread
from engine.bench.endless import endless
from engine.bench.measure import cpu_ns
from engine.bench.paired import Paired, paired_ratio
from engine.bench.record import Row
from engine.bench.rig import Rig, cython_consumers
from engine.bench.sources import Played, Sources, one_symbol
from engine.bench.suite_micro import EVENTS_PER_BURST, Fan
from engine.bench.suite_socket import Receiver

STREAMS = 450
CONSUMERS = 50
LIMIT = 0.15
PAIRS = 5
SLICES = 7
"""Rounds a pair: one is some twenty milliseconds."""

BURSTS = 4000

FEW = 10
LIVE_RATE_PER_S = 20_000


def run(sources: Sources, streams: int = STREAMS, consumers: int = CONSUMERS) -> Iterator[Row]:
    """Every row."""
    one = one_symbol(sources.spot().once)
    yield row_of_streams(one, streams)
    yield row_of_live_streams(one, streams, min(FEW, streams))
    yield row_of_consumers(consumers)


def row_of_streams(one: Corpus, streams: int) -> Row:
    """Cost an event of *streams* symbols over the cost of one symbol, frames of the same text in the same number.

    Books, streams and pools are warm: a first cycle of all frames goes uncounted.

    Raises:
        WrongResultError: books or counts are wrong.
    """
    (symbol,) = one.symbols
    narrow, wide = _Endless(loop(one, streams)), _Endless(spread(one, symbol, streams))
    paired = paired_ratio(narrow.cost, wide.cost, PAIRS, LIMIT, SLICES)
    narrow.prove()
    wide.prove()
    subject = f"{streams} streams against 1"
    note = "full path, 3 Cython consumers, warm; CPU time"
    return _row("the same frames over N symbols", subject, paired, note)


class _Endless:
    """One engine that is fed cycle after cycle."""

    def __init__(self, corpus: Corpus) -> None:
        self._feeder = endless(corpus)
        self._rig = Rig(corpus, cython_consumers())
        self._cycles = 0
        self.cost()

    def cost(self) -> float:
        """CPU ns an event of one cycle."""
        cost = cpu_ns(lambda: self._rig.play(self._feeder)) / self._feeder.count
        self._feeder.next_cycle()
        self._cycles += 1
        return cost

    def prove(self) -> None:
        """Every cycle ends on the books of the snapshots; WrongResultError unless these do."""
        opening = {symbol: book.top() for symbol, book in opening_books(self._rig.corpus).items()}
        self._rig.prove(self._feeder.count * self._cycles, opening)
        self._rig.close()


def row_of_live_streams(one: Corpus, streams: int, few: int = FEW, rate: int = LIVE_RATE_PER_S) -> Row:
    """The same over a socket at a rate that one core bears: what a frame costs with all that brings it.

    Raises:
        WrongResultError: frames are missing, or books are wrong.
    """
    (symbol,) = one.symbols
    wide = spread(one, symbol, streams)
    narrow = loop(spread(one, symbol, few), streams // few)
    with _receiving(narrow, rate) as first, _receiving(wide, rate) as second:
        paired = paired_ratio(first.full, second.full, PAIRS, LIMIT)
        reads = second.reads / second.frames
        late = first.late + second.late
    note = f"{rate} frames a second offered by a process of its own, {late} late; {reads:.3f} reads a frame; CPU time"
    return _row("the same frames over N symbols, over a socket", f"{streams} streams against {few}", paired, note)


@contextmanager
def _receiving(corpus: Corpus, rate: int) -> Iterator[Receiver]:
    tops = {symbol: book.top() for symbol, book in replay(corpus).items()}
    with sending(corpus.frames, rate, 1 + 3 * PAIRS) as (url, answers):
        yield Receiver(Played(corpus, corpus, tops, "once through"), len(corpus.frames), url, answers)


def row_of_consumers(consumers: int) -> Row:
    """Cost of one delivery with *consumers* consumers over the cost with one."""
    few, many = Fan(1), Fan(consumers)

    def cost(fan: Fan, count: int) -> float:
        bursts = max(1, BURSTS // count)
        return cpu_ns(lambda: fan.run(bursts)) / (bursts * EVENTS_PER_BURST * count)

    paired = paired_ratio(lambda: cost(few, 1), lambda: cost(many, consumers), PAIRS, LIMIT, SLICES)
    few.prove()
    many.prove()
    subject = f"a delivery to {consumers} consumers against 1"
    return _row("one stream", subject, paired, "lease, fan-out, callback, release; CPU time")


def _row(case: str, subject: str, paired: Paired, note: str) -> Row:
    return Row(
        "G10", case, subject, paired.median, "B/A", "within", paired.tolerance, None, "", None,
        min(paired.ratios), max(paired.ratios), "", f"{note}; {paired}", paired.verdict == "void",
    )  # fmt: skip
