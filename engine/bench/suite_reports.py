"""G11, SLO-06 to SLO-08: the report analytics, a thousand symbols on one core."""
from collections.abc import Callable, Iterator

from engine.bench.measure import Figure, cpu_ns, in_turns
from engine.bench.record import Row
from engine.bench.reportload import ReportLoad
from engine.bench.rig import WrongResultError
from engine.reports.settings import ReportSettings
from engine.reports.worker import ReportWorker
from engine.schema.event import Event

SYMBOLS = 1000
EVENTS = 60_000
BATCH = 256
LEVELS = 100
RATE = 300_000
FAST_A_SECOND = 4
SLOW_A_SECOND = 0.5
NS_PER_S = 1_000_000_000
NS_PER_MS = 1_000_000
BEGUN_NS = 1_800_000_000 * NS_PER_S


class Reports:
    """A worker with so many symbols, and the load that feeds it at a rate of recorded time."""

    def __init__(self, symbols: int, events: int) -> None:
        self.load = ReportLoad(symbols, events)
        self.worker = ReportWorker(ReportSettings(), BEGUN_NS)
        for place in range(symbols):
            self.worker.carry(place, "bench", f"S{place}-USD", 2, 8, 1)
        self.worker.take(self.load.books(LEVELS, BEGUN_NS))
        self.now_ns = BEGUN_NS
        self.kept: dict[tuple[str, str], bytes] = {}

    def feed(self) -> float:
        """A pass of all events; CPU ns an event, slow ticks that fall due left to :meth:`slow`."""
        events = self.load.events
        self.now_ns = self.load.stamp(self.now_ns + 1, NS_PER_S // RATE)
        self.worker.advance(self.now_ns // NS_PER_MS + 1)
        batches = [events[at : at + BATCH] for at in range(0, len(events), BATCH)]
        return cpu_ns(lambda: self._take(batches)) / len(events)

    def _take(self, batches: list[list[Event]]) -> None:
        for batch in batches:
            self.worker.take(batch)

    def fast(self) -> float:
        """Compose and store a report of every symbol; CPU ns a report."""
        now_ms = self.now_ns // NS_PER_MS // 250 * 250
        known = self.worker.known()
        return cpu_ns(lambda: self._compose(known, now_ms)) / len(known)

    def _compose(self, known: list[tuple[str, str]], now_ms: int) -> None:
        for key in known:
            self.kept[key] = self.worker.report(*key, now_ms)

    def slow(self) -> float:
        """One slow tick of every symbol; CPU ns a tick."""
        self.now_ns = (self.now_ns // (2 * NS_PER_S) + 1) * 2 * NS_PER_S
        return cpu_ns(lambda: self.worker.advance(self.now_ns // NS_PER_MS)) / len(self.worker.known())

    def prove(self, symbols: int) -> None:
        """Raise WrongResultError unless every entry counted and every book is whole."""
        counts = self.worker.statistics().values()
        taken = sum(one["trades"] + one["books"] for one in counts)
        if taken != self.worker.events or any(one[name] for one in counts for name in ("repeated", "gaps", "future")):
            raise WrongResultError(f"{self.worker.events} events came, {taken} counted")
        if len(self.kept) != symbols or any(b'"book_state":"normal"' not in text for text in self.kept.values()):
            raise WrongResultError("a report lacks its book")


def run(seconds: float, scale: float = 1.0) -> Iterator[Row]:
    """Every row of the suite; *scale* below 1 makes the work smaller."""
    symbols, events = max(10, int(SYMBOLS * scale)), max(2000, int(EVENTS * scale))
    reports = Reports(symbols, events)
    runs: dict[str, Callable[[], float]] = {"event": reports.feed, "fast": reports.fast, "slow": reports.slow}
    found = in_turns(runs, seconds)
    reports.prove(symbols)
    event, fast, slow = found["event"], found["fast"], found["slow"]
    ticks_ns = SYMBOLS * (FAST_A_SECOND * fast.median + SLOW_A_SECOND * slow.median)
    case = f"{SYMBOLS} symbols, 30 % trades, 70 % deltas of 1.6 levels"
    share = f"ticks take {100 * ticks_ns / NS_PER_S:.1f} % of the core, their cost is inside the figure"
    left_ns = max(0.0, NS_PER_S - ticks_ns)
    subject = "events through the analytics core"
    yield _row("G11", case, subject, _rate(event, left_ns), "1/s", "at_least", RATE, 1_000_000, share)
    yield _row("G11", case, "one event", event, "ns", "shown", None, None, "batches of 256, books of 100 levels a side")
    yield _row(
        "SLO-07", "20 + 20 levels", f"fast cycle of {SYMBOLS} symbols: composed, serialised, stored",
        fast.over(NS_PER_MS / SYMBOLS), "ms", "at_most", 250.0, None, f"{fast.median / 1000:.0f} us a report",
    )  # fmt: skip
    yield _row(
        "SLO-08", "samples as full as the run made them", f"slow cycle of {SYMBOLS} symbols",
        slow.over(NS_PER_MS / SYMBOLS), "ms", "at_most", 500.0, None, f"{slow.median / 1000:.0f} us a tick",
    )  # fmt: skip


def _rate(event: Figure, left_ns: float) -> Figure:
    """Events a second in what the ticks leave of it."""
    return Figure(left_ns / event.median, left_ns / event.most, left_ns / event.least, event.repeats)


def _row(
    goal: str,
    case: str,
    subject: str,
    figure: Figure,
    unit: str,
    relation: str,
    limit: float | None,
    stretch: float | None,
    note: str,
) -> Row:
    return Row(
        goal, case, subject, figure.median, unit, relation, limit, stretch, "", None,  # type: ignore[arg-type]
        figure.least, figure.most, "", note,
    )  # fmt: skip
