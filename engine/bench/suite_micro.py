"""G3 to G7: one part at a time, its floor beside it."""
import random
from collections.abc import Callable, Iterator
from functools import partial
from importlib.util import find_spec

from engine.base.clock import SystemClock
from engine.bench.bookload import BookLoad
from engine.bench.data.book_updates import (
    OPENING_QUANTITY,
    BookUpdates,
    book_updates,
    opening_levels,
)
from engine.bench.data.corpus import Corpus
from engine.bench.data.krakenload import checksum_load
from engine.bench.fanoutload import FanoutLoad
from engine.bench.measure import Figure, cpu_ns, in_turns
from engine.bench.orderload import OrderLoad
from engine.bench.poolload import PoolLoad
from engine.bench.record import Row
from engine.bench.rig import MAILBOX_PLACES, WrongResultError, cython_consumers
from engine.bench.sources import Sources
from engine.book.checksum import choose_kernel
from engine.bus.data import DataBus
from engine.consumers.inline import InlineRunner
from engine.consumers.settings import MailboxSettings
from engine.dispatcher.dispatcher import Dispatcher
from engine.dispatcher.routing import RoutingBoard
from engine.observability.stages import StageTimer
from engine.pools.recycler import Recycler
from engine.schema.enums import EventType, OrderingMode
from engine.simulator.ladder import Ladder as PlainLadder

UPDATES = 100_000
PAIRS = 200_000
BURSTS = 2_000
EVENTS_PER_BURST = 64
FAN = 10
ORDERED = 65_536
LATE_SHARE = 0.05
LATE_PLACES_MAX = 64
LATE_SEED = 11


def run(sources: Sources, seconds: float, scale: float = 1.0) -> Iterator[Row]:
    """Every row of the suite, *seconds* of measuring a goal; *scale* below 1 makes the work of a run smaller."""
    yield from book(seconds, max(2000, int(UPDATES * scale)))
    yield from checksum(sources.kraken(), seconds)
    yield from pool(seconds, max(1000, int(PAIRS * scale)))
    yield from fanout(seconds, max(10, int(BURSTS * scale)))
    yield from ordering(seconds, max(4096, int(ORDERED * scale)))


# --- G3 -----------------------------------------------------------------------------------------------------


def book(seconds: float, count: int) -> Iterator[Row]:
    """Ladder apply with nothing, the best two, or the best twenty of both sides read after each change.

    Raises:
        WrongResultError: the final book is not the plain twin's.
    """
    updates = book_updates(count)
    load = BookLoad(updates.side, updates.price_ticks, updates.quantity)
    bids, asks = ([(price, OPENING_QUANTITY) for price in side] for side in opening_levels())
    twin = _plain_book(updates)

    def one(read: str) -> float:
        load.open(bids, asks)
        return cpu_ns(lambda: load.run(read)) / count

    found = in_turns(
        {
            "best": lambda: one("best"),
            "top20": lambda: one("top20"),
            "twin": lambda: cpu_ns(lambda: _plain_book(updates)) / count,
        },
        seconds,
    )
    for side in (0, 1):
        if load.ladder.levels(side) != twin[side]:
            raise WrongResultError(f"side {side} of the ladder is not the plain book's")
    baseline, its_figure = "plain sorted list in Python, update only", found["twin"].median
    note = "published depth 1000; hftbacktest's fastest: 86 and 235 ns"
    for read, what, limit, stretch in (
        ("best", "apply + best bid and ask", 45, 35),
        ("top20", "apply + top 20 of both sides", 80, 65),
    ):
        yield _row(
            "G3", "1000 levels a side", what, found[read], "at_most", limit, stretch, baseline, its_figure, note
        )
    yield from _order_book_rows(seconds, updates, found)


def _plain_book(updates: BookUpdates) -> list[list[tuple[int, int]]]:
    """Both sides after all changes, best first, by the simulator's plain ladder."""
    sides = [PlainLadder(is_bid=True), PlainLadder(is_bid=False)]
    for ladder, prices in zip(sides, opening_levels(), strict=True):
        for price in prices:
            ladder.set_level(price, OPENING_QUANTITY)
    for side, price, quantity in zip(updates.side, updates.price_ticks, updates.quantity, strict=True):
        ladder = sides[side]
        if quantity or ladder.qty_at(price):
            ladder.set_level(price, quantity)
    return [ladder.top(len(ladder)) for ladder in sides]


def _order_book_rows(seconds: float, updates: BookUpdates, found: dict[str, Figure]) -> Iterator[Row]:
    if find_spec("order_book") is None or find_spec("sortedcontainers") is None:
        return
    from engine.bench.baselines import book_only

    for path in book_only.PATHS:
        for read in ("best", "top20"):
            spread = book_only.run(path, read, min(seconds, 1.0), updates)
            figure = found[read]
            yield _row(
                "G3", "1000 levels a side", f"update + {read}", figure, "times_faster", None, None, path,
                spread.median_ns,
            )  # fmt: skip


# --- G4 -----------------------------------------------------------------------------------------------------


def checksum(corpus: Corpus, seconds: float) -> Iterator[Row]:
    """Kraken's CRC32 behind every message, less the cost of setting the levels.

    Raises:
        WrongResultError: a checksum is not the one on the wire.
    """
    load, open_books = checksum_load(corpus)

    def one(mode: str) -> float:
        open_books(load)
        outcome = []
        ns = cpu_ns(lambda: outcome.append(load.run(mode)))
        ((_, wrong),) = outcome
        if mode != "apply" and wrong:
            raise WrongResultError(f"{wrong} checksums of {load.messages} are not those on the wire ({mode})")
        return ns / load.messages

    def portable() -> float:
        choose_kernel("portable")
        try:
            return one("engine")
        finally:
            choose_kernel()

    runs = {mode: partial(one, mode) for mode in ("apply", "engine", "plain")}
    found = in_turns({**runs, "portable": portable}, seconds)
    ours, plain = found["engine"].less(found["apply"]), found["plain"].less(found["apply"])
    case = f"{corpus.name}, depth {corpus.depth_levels}"
    note = f"every checksum equals the one on the wire; setting the levels costs {found['apply'].median:.0f} ns more"
    yield _row(
        "G4", case, "CRC32 of a changed book", ours, "at_most_times", 0.35, 0.12,
        "format all (std::to_chars) + zlib", plain.median, note,
    )  # fmt: skip
    yield _row(
        "G4", case, "the same without the processor's carry-less product", found["portable"].less(found["apply"]),
        "shown", None, None, "format all (std::to_chars) + zlib", plain.median,
    )  # fmt: skip
    if find_spec("order_book") is not None:
        from engine.bench.baselines import checksum as order_book

        cost = order_book.run(corpus, min(seconds, 1.0))
        yield _row(
            "G4", case, "CRC32 of a changed book", ours, "times_faster", 25, None, "order_book", cost.check_ns
        )


# --- G5 -----------------------------------------------------------------------------------------------------


def _recycler(updates: int) -> Recycler:
    return Recycler({EventType.BOOK_UPDATE: updates})


def pool(seconds: float, pairs: int) -> Iterator[Row]:
    """Get and put, against a bare slab, one and sixteen out at a time.

    Raises:
        WrongResultError: the pool is not at rest afterwards.
    """
    recycler = _recycler(4096)
    load = PoolLoad(recycler)

    def one(run: Callable[[int, int], int], out: int) -> float:
        return cpu_ns(partial(run, pairs, out)) / pairs

    for out in (1, 16):
        found = in_turns(
            {"pool": partial(one, load.run, out), "slab": partial(one, load.run_slab, out)}, seconds / 2
        )
        yield _row(
            "G5", f"{out} out at a time", "recycler get + put", found["pool"], "at_most_times", 1.5, 1.3,
            "bare C slab: get, put, one count", found["slab"].median,
            "generation, double-put and escape checks on; both behind calls through pointers",
        )  # fmt: skip
    if not recycler.statistics().balanced:
        raise WrongResultError(f"pool not at rest: {recycler.statistics().out()}")


# --- G6 -----------------------------------------------------------------------------------------------------


class Fan:
    """A bus with consumers, and the load that feeds it."""

    def __init__(self, consumer_count: int) -> None:
        self.recycler = _recycler(4096)
        self.handlers = cython_consumers(consumer_count)
        self.bus = DataBus(self.recycler)
        clock, timer = SystemClock(), StageTimer()
        for number, handler in enumerate(self.handlers):
            runner = InlineRunner(
                f"bench-{number}", number, handler, None, self.recycler, clock, timer,
                settings=MailboxSettings(capacity=MAILBOX_PLACES),
            )
            runner.start()
            self.bus.add(runner)
        self.load = FanoutLoad(self.recycler, self.bus, consumer_count)
        self.bursts = 0

    def run(self, bursts: int) -> tuple[int, int]:
        """Wall ns of the fan-out alone and of the whole."""
        self.bursts += bursts
        return self.load.run(bursts)

    def prove(self) -> None:
        """Raise WrongResultError unless every consumer got every event and the pool is at rest."""
        wanted = self.bursts * EVENTS_PER_BURST
        seen = {handler.events for handler in self.handlers}  # type: ignore[attr-defined]
        if seen != {wanted} or not self.recycler.statistics().balanced:
            raise WrongResultError(f"{seen} deliveries of {wanted}, out: {self.recycler.statistics().out()}")


def fanout(seconds: float, bursts: int) -> Iterator[Row]:
    """One event to ten mailboxes, a consumer's share of it."""
    fan = Fan(FAN)
    deliveries = bursts * EVENTS_PER_BURST * FAN
    found = in_turns(
        {
            "fanout": lambda: fan.run(bursts)[0] / deliveries,
            "whole": lambda: fan.run(bursts)[1] / deliveries,
        },
        seconds,
    )
    fan.prove()
    yield _row("G6", "10 mailboxes", "fan-out, a consumer", found["fanout"], "at_most", 15, 8)
    yield _row(
        "G6", "10 mailboxes", "lease, fan-out, callback, release, a consumer", found["whole"], "shown", None, None
    )


# --- G7 -----------------------------------------------------------------------------------------------------


def late_order(count: int) -> list[int]:
    """0..count-1 with ``LATE_SHARE`` of them 1 to ``LATE_PLACES_MAX`` places late; the same for ever."""
    rng = random.Random(LATE_SEED)
    keys = [
        (number + (rng.randint(1, LATE_PLACES_MAX) + 0.5 if rng.random() < LATE_SHARE else 0), number)
        for number in range(count)
    ]
    return [number for _, number in sorted(keys)]


class Order:
    """A dispatcher and one stream into it."""

    def __init__(self, order: list[int]) -> None:
        self.recycler = _recycler(4096)
        self.board = RoutingBoard()
        self.dispatcher = Dispatcher(
            self.recycler, DataBus(self.recycler), self.board, SystemClock(), StageTimer()
        )
        self.load = OrderLoad(self.recycler, self.dispatcher, 0, order)
        self.runs = 0

    def run(self, ordering: OrderingMode) -> float:
        """CPU ns an event."""
        self.runs += 1
        version = self.board.current_version()
        return cpu_ns(lambda: self.load.run(int(ordering), version)) / self.load.count

    def prove(self) -> None:
        """Raise WrongResultError unless every event went on once and none is held, lost or late."""
        (row,) = self.dispatcher.statistics().values()
        wanted = self.runs * self.load.count
        if row.unrouted != wanted or row.held or row.duplicates or row.late_dropped or row.gaps:
            raise WrongResultError(f"{wanted} events became {row}")
        self.load.close()
        if not self.recycler.statistics().balanced:
            raise WrongResultError(f"out: {self.recycler.statistics().out()}")


def ordering(seconds: float, count: int) -> Iterator[Row]:
    """What order costs: the dispatcher with a contiguous stream, less the same with an unordered one."""
    straight = list(range(count))
    unordered, in_order, late = Order(straight), Order(straight), Order(late_order(count))
    found = in_turns(
        {
            "none": lambda: unordered.run(OrderingMode.NONE),
            "in order": lambda: in_order.run(OrderingMode.CONTIGUOUS),
            "late": lambda: late.run(OrderingMode.CONTIGUOUS),
        },
        seconds,
    )
    for order in (unordered, in_order, late):
        order.prove()
    floor = found["none"]
    for name, case, limit in (("in order", "in order", 2), ("late", "5 % late by 1..64", 25)):
        yield _row(
            "G7", case, "ordering stage, an event", found[name].less(floor), "at_most", limit, None,
            "the rest of the dispatcher, no route", floor.median,
        )  # fmt: skip


def _row(
    goal: str,
    case: str,
    subject: str,
    figure: Figure,
    relation: str,
    limit: float | None,
    stretch: float | None,
    baseline: str = "",
    baseline_figure: float | None = None,
    note: str = "",
) -> Row:
    return Row(
        goal, case, subject, figure.median, "ns", relation, limit, stretch, baseline, baseline_figure,  # type: ignore[arg-type]
        figure.least, figure.most, "", note,
    )  # fmt: skip
