"""What a careful user writes by hand: fast JSON, a sorted dictionary, three consumers behind it.

Each path decodes, checks that update ids follow (Binance) or that the checksum agrees (Kraken), sets the
levels and calls three consumers that each read the best bid and the best ask. It counts nothing, pools
nothing, bounds nothing and never resynchronises. Every path must end with the plain book's best prices.
"""
from collections.abc import Callable
from dataclasses import dataclass
from time import thread_time_ns
from typing import Protocol

from engine.bench.baselines.binance_loops import MsgspecLoop, OrjsonLoop
from engine.bench.baselines.books import FloatBook, IntBook, OrderBookFloat
from engine.bench.baselines.kraken_loops import MsgspecChecked, OrjsonChecked
from engine.bench.data.corpus import Corpus
from engine.bench.data.plainbook import Top, final_tops
from engine.bench.timing import Spread, timed_passes


class Loop(Protocol):
    """A path on one corpus: ``reset`` to the snapshots, ``play`` all frames, then read the ``tops``."""

    def reset(self) -> None: ...
    def play(self) -> None: ...
    def tops(self) -> dict[str, Top]: ...


PATHS: dict[str, dict[str, Callable[[Corpus], Loop]]] = {
    "binance": {
        "msgspec typed + SortedDict(float)": lambda corpus: MsgspecLoop(corpus, FloatBook),
        "msgspec typed + SortedDict(int)": lambda corpus: MsgspecLoop(corpus, IntBook),
        "orjson + order_book.OrderBook(float)": lambda corpus: OrjsonLoop(corpus, OrderBookFloat),
    },
    "kraken": {
        "msgspec typed Decimal + order_book + CRC32": MsgspecChecked,
        "orjson + order_book.OrderBook(Decimal) + CRC32": OrjsonChecked,
    },
}
"""Paths by venue and by the name results give them."""


class WrongBookError(Exception):
    """A path did not end with the plain book's best prices; its speed means nothing."""


@dataclass(frozen=True)
class Result:
    """One path's speed on one corpus, and the proof that it did the work.

    Attributes:
        spread: nanoseconds a message.
        check: best bid and ask of each symbol at the end, equal to the plain book's.
    """

    path: str
    corpus: str
    spread: Spread
    check: dict[str, Top]

    @property
    def ns_per_message(self) -> float:
        """Median over the repeats."""
        return self.spread.median_ns

    @property
    def messages(self) -> int:
        """Messages timed in all."""
        return self.spread.units


def run(corpus: Corpus, seconds: float, path: str) -> Result:
    """Play *corpus* by *path* until *seconds* of timed work are done; books are rebuilt untimed per pass.

    Raises:
        KeyError: no such path for the corpus's venue.
        WrongBookError: the final prices are not the plain book's.
    """
    loop = PATHS[corpus.venue][path](corpus)

    def one_pass() -> int:
        loop.reset()
        start_ns = thread_time_ns()
        loop.play()
        return thread_time_ns() - start_ns

    spread = timed_passes(one_pass, len(corpus.frames), seconds)
    check, expected = loop.tops(), final_tops(corpus)
    if check != expected:
        raise WrongBookError(f"{path} on {corpus.name}: {check} is not {expected}")
    return Result(path, corpus.name, spread, check)


def run_all(corpus: Corpus, seconds: float) -> list[Result]:
    """Every path of the corpus's venue, *seconds* each, fastest first."""
    results = [run(corpus, seconds, path) for path in PATHS[corpus.venue]]
    return sorted(results, key=lambda result: result.ns_per_message)
