"""A venue's cold half: instruments, REST bodies, what to connect to and say there. The stream is the hot half."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import msgspec

from engine.base.errors import UnknownSymbolError, ValidationError
from engine.book.checksum import BookChecksum
from engine.providers.assembler import BookAssembler
from engine.providers.balances import Balance
from engine.providers.budget import RestLimits
from engine.providers.credentials import Credentials, PrivateCall
from engine.providers.limits import SocketLimits
from engine.providers.ordergateway import Gateway, GatewayWays
from engine.providers.sharding import shards
from engine.providers.userstream import UserStream
from engine.providers.venuestream import VenueStream
from engine.schema.enums import BookReason
from engine.schema.instrument import ChecksumKind, Instrument, InstrumentStatus, Skipped

RequestKind = Literal["subscribe", "unsubscribe"]


@dataclass(frozen=True)
class BookRules:
    """How a provider keeps and publishes its books (``providers[].book``)."""

    depth_levels: int = 1000
    kept_levels_max: int = 65_536
    diff_buffer_max: int = 10_000
    emit_full: bool = False
    verify_checksum: bool = True


@dataclass(frozen=True)
class FeedPorts:
    """What a feed needs of the engine: the recycler, the first stage, the clock, and where to report."""

    pool: Any
    sink: Any
    clock: Any
    timer: Any
    on_reject: Callable[[str, str, str | None, bytes, int], None]
    on_telemetry: Callable[..., None]
    on_widened: Callable[[BookAssembler], None]
    on_instrument: Callable[[Instrument], None]
    on_balance: Callable[[Balance], None]
    on_foreign_order: Callable[[str, str, bytes], None]


@dataclass(frozen=True)
class Wanted:
    """What is wanted of each symbol (``providers[].streams``, ``kline_intervals``)."""

    streams: tuple[str, ...]
    kline_intervals: tuple[str, ...] = ()


@dataclass(frozen=True)
class ConnectionPlan:
    """One WebSocket connection: where to, the control frames to send once it stands, and whose books it feeds."""

    url: str
    frames: tuple[bytes, ...] = ()
    venue_symbols: tuple[str, ...] = ()


@dataclass(frozen=True)
class SubscriptionRefusal:
    """A venue's answer to a request that it does not grant.

    Attributes:
        venue_symbols: whose; empty where it cannot be told.
        stream: ``book``, ``trade``, ``ticker``, ``kline``; empty where it cannot be told.
        said: the venue's words.
    """

    venue_symbols: tuple[str, ...]
    stream: str
    said: str


@dataclass
class SnapshotRequest:
    """A book that needs a snapshot which only REST can give."""

    symbol_index: int
    url: str
    reason: BookReason
    weight: int = 1


@dataclass(frozen=True)
class PrivateHalf:
    """A venue's private half, for one key.

    Attributes:
        new_stream: the account's stream, for each connection anew.
        new_gateway: the way to its orders, which all of them share.
    """

    new_stream: Callable[[], UserStream]
    new_gateway: Callable[[GatewayWays], Gateway]


class Feed(ABC):
    """One provider. Owned by the runtime; used on the engine's loop."""

    venue: ClassVar[str]
    socket_limits: ClassVar[SocketLimits]
    rest_limits: ClassVar[RestLimits]
    private_limits: ClassVar[RestLimits | None] = None
    """Of private calls, where the venue counts them by key; None = they count as this address's."""
    has_positions: ClassVar[bool] = False
    """Whether the venue numbers the states of a book, and gives snapshots with such a number by REST."""
    stream: VenueStream

    def __init__(self, provider: str, rules: BookRules, ports: FeedPorts) -> None:
        self.provider = provider
        self.rules = rules
        self.ports = ports
        self.instruments: dict[str, Instrument] = {}
        """By venue symbol; only those that are subscribed."""
        self._resting: dict[str, Instrument] = {}
        self.rest_endpoint: str | None = None
        """In place of the venue's own."""
        self.on_snapshot_request: Callable[[SnapshotRequest], None] | None = None
        self.on_resubscribe: Callable[[int, BookReason], None] | None = None
        self.on_refusal: Callable[[SubscriptionRefusal], None] | None = None
        self.on_pressure: Callable[[], bool] | None = None
        """Called where places are short, to read less for a while; answers whether that begins now."""
        self.on_shutdown: Callable[[int], None] | None = None
        """Called with the number of a connection that the venue is about to end."""

    @abstractmethod
    def read_instruments(self, body: bytes) -> tuple[list[Instrument], list[Skipped]]:
        """Instruments of the venue's own metadata body."""

    @abstractmethod
    def guess_instrument(self, venue_symbol: str) -> Instrument:
        """An instrument for a recording that lacks metadata; its precision is found from the data."""

    def guessed(self, venue_symbol: str, base: str, quote: str, **known: Any) -> Instrument:
        """An instrument of which hardly more than the spelling is known: its scales widen to the digits that come."""
        return Instrument(
            provider=self.provider,
            symbol=f"{base}-{quote}",
            venue_symbol=venue_symbol,
            base=base,
            quote=quote,
            status=InstrumentStatus.TRADING,
            price_scale=0,
            qty_scale=0,
            tick_size_raw=0,
            lot_size_raw=0,
            min_qty_raw=0,
            **known,
        )

    def stream_hooks(self) -> dict[str, Any]:
        """What every venue's stream is given besides its own."""
        return {
            "on_reject": self.ports.on_reject,
            "on_telemetry": self.ports.on_telemetry,
            "on_want_snapshot": self.want_snapshot,
            "timer": self.ports.timer,
        }

    def book_for(self, instrument: Instrument) -> BookAssembler:
        """A book of every level the venue tells, with its checksum where it has one and its decimals are known.

        Where the venue cuts its book, the depth comes with the subscription.
        """
        return BookAssembler(
            provider=self.provider,
            symbol=instrument.symbol,
            venue_symbol=instrument.venue_symbol.encode(),
            price_scale=instrument.price_scale,
            qty_scale=instrument.qty_scale,
            pool=self.ports.pool,
            sink=self.ports.sink,
            clock=self.ports.clock,
            depth_levels=self.rules.depth_levels,
            kept_levels_max=self.rules.kept_levels_max,
            emit_full=self.rules.emit_full,
            checksum=BookChecksum() if instrument.checksum is ChecksumKind.CRC32 else None,
            on_widened=self.ports.on_widened,
        )

    @abstractmethod
    def take_http(self, url: str, body: bytes, ts_recv_ns: int) -> str:
        """A REST body in its place among the frames; returns what it was (``depth``, ``instruments``, ``other``)."""

    def connections(
        self, ws_endpoint: str | None, wanted: Wanted, symbols: Sequence[str], symbols_per_conn: int
    ) -> list[ConnectionPlan]:
        """The connections that carry *wanted* of *symbols*, within the venue's limits and at most so many each."""
        size = max(1, min(symbols_per_conn, self.symbols_per_connection(wanted)))
        return [self.plan(ws_endpoint, wanted, part) for part in shards(symbols, size)]

    @abstractmethod
    def symbols_per_connection(self, wanted: Wanted) -> int:
        """How many symbols the venue lets one connection carry."""

    @abstractmethod
    def plan(self, ws_endpoint: str | None, wanted: Wanted, symbols: Sequence[str]) -> ConnectionPlan:
        """A connection that carries *wanted* of *symbols*."""

    @abstractmethod
    def requests(self, kind: RequestKind, wanted: Wanted, symbols: Sequence[str]) -> tuple[bytes, ...]:
        """Control frames that change a standing connection, each of at most 100 streams."""

    def begun_together(self, plan: ConnectionPlan, symbol_index: int) -> tuple[str, ...]:
        """Symbols that a lost book makes begin anew by a new subscription: by default its own."""
        return (self.stream.book_list()[symbol_index].venue_symbol.decode(),)

    def request_sent(self, conn: int, frame: bytes) -> None:  # noqa: B027 - most venues name what they answer
        """A control frame went out on the connection *conn*; its answer comes there."""

    def refuse(self, stream: str, venue_symbols: Sequence[str], said: str) -> None:
        """The venue does not grant a request."""
        if self.on_refusal is not None:
            self.on_refusal(SubscriptionRefusal(tuple(venue_symbols), stream, said))

    def connection_lost(self, plan: ConnectionPlan, conn: int) -> None:
        """The connection *conn* has gone: what it fed begins anew when it stands again.

        Its books are void until then; its other streams get an explicit reset (STR-11).
        """
        for symbol in plan.venue_symbols:
            self.stream.restart_streams(self.stream.index_of(symbol.encode()))
        self.void_books(plan, conn)

    @abstractmethod
    def void_books(self, plan: ConnectionPlan, conn: int) -> None:
        """The books of a connection that has gone are void until it stands again and they begin anew."""

    @abstractmethod
    def instruments_url(self, rest_endpoint: str | None) -> str:
        """Where the venue's instrument metadata is."""

    @abstractmethod
    def time_url(self, rest_endpoint: str | None) -> str:
        """Where the venue tells its time."""

    @abstractmethod
    def read_time(self, body: bytes) -> tuple[int, int]:
        """The venue's time in ns since 1970 and the ns it is counted in, of what time_url() answers.

        Raises:
            ValidationError: it is something else.
        """

    @abstractmethod
    def key_check(self, credentials: Credentials, rest_endpoint: str | None, venue_now_ns: int) -> PrivateCall:
        """The least call that a key has to be right for.

        Raises:
            AuthError: the secret is no key of the venue's kinds.
        """

    @abstractmethod
    def private_half(
        self,
        credentials: Credentials,
        ws_endpoint: str | None,
        rest_endpoint: str | None,
        venue_now_ns: Callable[[], int],
    ) -> PrivateHalf:
        """What makes streams and orders of one account.

        Args:
            credentials: its key.
            ws_endpoint: in place of the venue's own.
            rest_endpoint: as well.
            venue_now_ns: the time on the venue's clock.

        Raises:
            AuthError: the secret is no key of the venue's kinds.
        """

    def judge_key_check(self, body: bytes) -> None:
        """Look into a successful answer to key_check().

        Raises:
            AuthError: it is a refusal after all.
        """
        return

    def position(self, symbol_index: int) -> int:
        """The number of a book's state; only where there are such numbers."""
        raise NotImplementedError(self.venue)

    def snapshot_request(self, symbol_index: int, reason: BookReason) -> SnapshotRequest:
        """How to ask for a snapshot by REST; only where that gives a numbered one."""
        raise NotImplementedError(self.venue)

    def snapshot_reach(self, body: bytes, book: BookAssembler) -> tuple[int, int]:
        """Prices at the scale of *book* beyond which a snapshot by REST says nothing: of bids, of asks."""
        raise NotImplementedError(self.venue)

    def second_view_differences(self) -> list[tuple[int, str]]:
        """(record, what) of the first difference of each book from a second view of it (BOOK-26)."""
        return []

    @abstractmethod
    def proofs(self) -> list[str]:
        """One line: what share of the messages was proven by what, and what nothing on the wire proves."""

    def add_instrument(self, instrument: Instrument) -> BookAssembler:
        """Subscribe an instrument: from here on its frames have a book to go to."""
        name = instrument.venue_symbol
        if name not in self.instruments:
            known = self._resting.pop(name, None)
            if known is None:
                self.stream.add_book(self.book_for(instrument))
            else:
                self.adopt(instrument, known)
            self.instruments[name] = instrument
        return self.book_of(name)

    def rest_instrument(self, venue_symbol: str) -> None:
        """Nothing is subscribed of an instrument any more; its book waits for it to come back."""
        self._resting[venue_symbol] = self.instruments.pop(venue_symbol)
        self.stream.restart_streams(self.stream.index_of(venue_symbol.encode()))

    def learn(self, records: Iterable[Instrument]) -> None:
        """Newer records of the venue: of those that are carried, each real change is adopted and reported once.

        Raises:
            ScaleOverflowError: a book does not fit 64 bits at the venue's new precision; that record is not adopted.
        """
        for record in records:
            known = self.instruments.get(record.venue_symbol)
            if known is None:
                continue
            record = msgspec.structs.replace(record, version=known.version, updated_ns=known.updated_ns)
            if record != known:
                self.adopt(record, known)
                self.ports.on_instrument(record)

    def learn_told(self, records: Iterable[Instrument], skipped: Iterable[Skipped]) -> None:
        """Records that the venue pushed by itself, and what of them is no instrument, which operators are told."""
        for item in skipped:
            self.ports.on_telemetry(
                "instrument.skipped", provider=self.provider, venue_symbol=item.venue_symbol, why=item.reason
            )
        self.learn(records)

    def adopt(self, record: Instrument, known: Instrument) -> None:
        """Put a newer record in place; scales widen by the digits that come."""
        self.instruments[record.venue_symbol] = record

    def close(self) -> None:
        """Give back what waits for a snapshot; nothing is fed from here on. Idempotent."""
        self.stream.close()

    def book_of(self, venue_symbol: str) -> BookAssembler:
        """The book of a venue spelling.

        Raises:
            UnknownSymbolError: the provider does not carry it.
        """
        index = self.stream.index_of(venue_symbol.encode())
        if index < 0:
            raise UnknownSymbolError(f"{venue_symbol} is not subscribed", op="book.find", provider=self.provider)
        return self.stream.book_list()[index]

    def want_snapshot(self, stream: VenueStream, index: int, reason: BookReason) -> None:
        """Hook of the stream: a book needs a snapshot. By default the venue sends one upon a new subscription."""
        if self.on_resubscribe is not None:
            self.on_resubscribe(index, reason)


def time_field(body: bytes, *names: str) -> int:
    """An integer of a venue's JSON answer, by the names that lead to it; digits in a text will do.

    Raises:
        ValidationError: there is none.
    """
    try:
        value: Any = msgspec.json.decode(body)
        for name in names:
            value = value[name]
        return int(value)
    except (msgspec.DecodeError, KeyError, TypeError, ValueError):
        raise ValidationError(f"the answer has no {'.'.join(names)}", op="time.read", raw=body) from None


def share(part: int, whole: int) -> str:
    """``part of whole (x.x %)``."""
    return f"{part:,} of {whole:,} ({100 * part / whole:.1f} %)" if whole else "0 of 0"
