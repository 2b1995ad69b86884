"""G10: what more streams and more consumers cost, in paired runs of CPU time."""
from collections.abc import Iterator
from dataclasses import replace

from engine.bench.data.corpus import Corpus
from engine.bench.data.looping import loop
from engine.bench.data.plainbook import final_tops
from engine.bench.data.spread import spread
from engine.bench.feeder import Feeder
from engine.bench.measure import cpu_ns
from engine.bench.paired import Paired, paired_ratio
from engine.bench.record import Row
from engine.bench.rig import Rig, cython_consumers
from engine.bench.sources import Sources
from engine.bench.suite_micro import EVENTS_PER_BURST, Fan

STREAMS = 450
CONSUMERS = 50
LIMIT = 0.15
PAIRS = 5
BURSTS = 4000


def run(sources: Sources, streams: int = STREAMS, consumers: int = CONSUMERS) -> Iterator[Row]:
    """Both rows."""
    one = sources.one_symbol()
    yield row_of_streams(one, streams)
    yield row_of_consumers(consumers)


def row_of_streams(one: Corpus, streams: int) -> Row:
    """Cost an event of *streams* symbols over the cost of one symbol, the same number of frames.

    Raises:
        WrongResultError: books or counts are wrong.
    """
    (symbol,) = one.symbols
    wide = spread(one, symbol, streams)
    narrow = loop(one, streams)
    narrow = replace(narrow, frames=narrow.frames[: len(wide.frames)])
    paired = paired_ratio(_cost_of(narrow, None), _cost_of(wide, one), PAIRS, LIMIT)
    subject = f"{streams} streams against 1"
    return _row("the same frames over N symbols", subject, paired, "full path, 3 Cython consumers, CPU time")


class _cost_of:  # noqa: N801 (a function that keeps its frames)
    """CPU ns an event of one run over fresh books; the first run is proven."""

    def __init__(self, corpus: Corpus, checked: Corpus | None) -> None:
        self._corpus = corpus
        self._feeder = Feeder(corpus.frames)
        self._expected = None
        if checked is not None:
            (top,) = final_tops(checked).values()
            self._expected = dict.fromkeys(corpus.symbols, top)

    def __call__(self) -> float:
        rig = Rig(self._corpus, cython_consumers())
        try:
            cost = cpu_ns(lambda: rig.play(self._feeder)) / self._feeder.count
            if self._expected is not None:
                rig.prove(self._feeder.count // len(self._corpus.symbols), self._expected)
        finally:
            rig.close()
        return cost


def row_of_consumers(consumers: int) -> Row:
    """Cost of one delivery with *consumers* consumers over the cost with one."""
    few, many = Fan(1), Fan(consumers)

    def cost(fan: Fan, count: int) -> float:
        bursts = max(1, BURSTS // count)
        return cpu_ns(lambda: fan.run(bursts)) / (bursts * EVENTS_PER_BURST * count)

    paired = paired_ratio(lambda: cost(few, 1), lambda: cost(many, consumers), PAIRS, LIMIT)
    few.prove()
    many.prove()
    subject = f"a delivery to {consumers} consumers against 1"
    return _row("one stream", subject, paired, "lease, fan-out, callback, release; CPU time")


def _row(case: str, subject: str, paired: Paired, note: str) -> Row:
    return Row(
        "G10", case, subject, paired.median, "B/A", "within", paired.tolerance, None, "", None,
        min(paired.ratios), max(paired.ratios), "", f"{note}; {paired}", paired.verdict == "void",
    )  # fmt: skip
