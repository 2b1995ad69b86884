"""One engine fed with a corpus: the parts and checks of a live one, everything but the socket."""
from collections.abc import Sequence
from decimal import Decimal

from engine.bench.data.corpus import Corpus
from engine.bench.data.plainbook import Top, final_tops
from engine.bench.feeder import Feeder, TwoFields
from engine.config.load import load_config
from engine.config.sections_providers import ProviderConfig
from engine.dispatcher.routing import stream_index
from engine.providers.feed import BookRules
from engine.runtime.assembly import Engine
from engine.schema.enums import EventType

CONSUMERS = 3
MAILBOX_PLACES = 16_384
FRAMES_PER_READ = 64
EVENT_TYPES = (
    EventType.BOOK_SNAPSHOT,
    EventType.BOOK_UPDATE,
    EventType.TRADE,
    EventType.TICKER,
    EventType.KLINE_SUMMARY,
)
PROFILE = "throughput"


class WrongResultError(Exception):
    """A run did not end with the right books or counts; its speed means nothing."""


class PythonConsumer:
    """A strategy in Python: two fields of every event."""

    def __init__(self) -> None:
        self.events = 0
        self.first_sum = 0
        self.second_sum = 0

    def on_batch(self, events: list[object], ctx: object) -> None:
        """Read arrival time and provider sequence of each event."""
        first = second = 0
        for event in events:
            first += event.ts_recv_ns  # type: ignore[attr-defined]
            second += event.seq_provider  # type: ignore[attr-defined]
        self.events += len(events)
        self.first_sum += first
        self.second_sum += second


def cython_consumers(count: int = CONSUMERS) -> list[object]:
    """Fresh consumers in Cython."""
    return [TwoFields() for _ in range(count)]


def python_consumers(count: int = CONSUMERS) -> list[object]:
    """Fresh consumers in Python."""
    return [PythonConsumer() for _ in range(count)]


class Rig:
    """An engine with the books of *corpus* loaded, ready to be fed.

    Args:
        corpus: its snapshots open the books; its reference, where there is one, names the instruments.
        handlers: one consumer each; every one gets every stream.
        load_books: whether the snapshots are given.
        sets: further settings, as ``--set`` has them.
    """

    def __init__(
        self, corpus: Corpus, handlers: Sequence[object], load_books: bool = True, sets: Sequence[str] = ()
    ) -> None:
        self.corpus = corpus
        self.engine = Engine(load_config(None, (f"profile={PROFILE}", *sets), {}))
        rules = BookRules(depth_levels=corpus.depth_levels or 1000)
        self.feed = self.engine.open_provider(corpus.venue, corpus.venue, rules)
        known = {}
        if corpus.reference is not None:
            found, _ = self.feed.read_instruments(corpus.reference)
            known = {record.venue_symbol: record for record in found}
        self._known = known
        for symbol in corpus.symbols:
            self.carry(symbol)
        self.handlers = list(handlers)
        for number, handler in enumerate(self.handlers):
            self.engine.add_consumer(f"bench-{number}", handler, capacity=MAILBOX_PLACES)
        self.route()
        self.engine.start()
        if load_books:
            self.load_books()

    def carry(self, symbol: str) -> None:
        """Add an instrument by the venue's spelling."""
        self.engine.carry(self.feed, self._known.get(symbol) or self.feed.guess_instrument(symbol))

    def route(self) -> None:
        """Send every stream of every instrument to every consumer, in one step a consumer."""
        streams = frozenset(
            stream_index(book.instrument_id, int(event_type))
            for book in self.feed.stream.book_list()
            for event_type in EVENT_TYPES
        )
        for number in range(len(self.handlers)):
            self.engine.board.set_routes(number, streams)

    def load_books(self) -> None:
        """Give every book its snapshot."""
        now_ns = self.engine.clock.now()
        for symbol, raw in self.corpus.snapshots.items():
            if self.corpus.venue == "binance":
                self.feed.take_http(f"https://bench/api/v3/depth?symbol={symbol}", raw, now_ns)
            else:
                self.feed.stream.feed(raw, now_ns)
        self.feed.stream.read_end()

    def provider(self) -> ProviderConfig:
        """What a configuration says of the corpus' venue and symbols."""
        records = (self._known.get(symbol) or self.feed.guess_instrument(symbol) for symbol in self.corpus.symbols)
        symbols = tuple(record.symbol for record in records)
        told = {"name": self.corpus.venue, "venue": self.corpus.venue, "symbols": symbols}
        return ProviderConfig.model_validate(told)

    def play(self, feeder: Feeder, frames_per_read: int = FRAMES_PER_READ) -> int:
        """Feed every frame; wall ns until the last consumer has returned."""
        return feeder.feed(self.feed.stream, frames_per_read)

    def tops(self) -> dict[str, Top]:
        """Best bid and ask price by the venue's symbol; books with an empty side are left out."""
        found = {}
        for book in self.feed.stream.book_list():
            best = [*book.ladder.levels(0, 1), *book.ladder.levels(1, 1)]
            if len(best) == 2:
                bid, ask = (Decimal(price_raw).scaleb(-book.price_scale) for price_raw, _ in best)
                found[book.venue_symbol.decode()] = bid, ask
        return found

    def prove(self, frames_fed: int, expected: dict[str, Top] | None = None) -> None:
        """Check what the run came to: nothing refused or lost, every consumer served, books right.

        Args:
            frames_fed: each must have become at least one event a consumer.
            expected: best prices; None takes the plain book's.

        Raises:
            WrongResultError: something is missing or wrong.
        """
        summary = self.engine.summary()
        wrong = list(summary.imbalances)
        if any(summary.rejected.values()):
            wrong.append(f"refused frames: {summary.rejected}")
        for name, row in summary.consumers.items():
            if row["dropped"] or row["delivered"] < frames_fed:
                wrong.append(f"{name}: {row['delivered']} delivered of {frames_fed} frames, {row['dropped']} dropped")
        tops, right = self.tops(), expected or final_tops(self.corpus)
        wrong += [f"{s}: {tops.get(s)} is not {top}" for s, top in right.items() if tops.get(s) != top]
        if wrong:
            raise WrongResultError(f"{self.corpus.name}: {'; '.join(wrong[:3])}")

    def close(self) -> None:
        """Stop the engine."""
        self.engine.close()
