"""The connections of one provider: which symbol is on which, who takes over from whom, and what each is told."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from functools import partial
from random import Random

from engine.base.clock import Clock
from engine.base.workers import TaskScope
from engine.providers.backoff import Backoff
from engine.providers.connection import Connection, SocketSettings, State
from engine.providers.feed import ConnectionPlan, Feed, RequestKind, Wanted
from engine.providers.handover import hand_over, replace_in_time
from engine.schema.enums import BookReason
from engine.schema.ports import FrameSink

SECOND_NUMBER = 1_000_000
"""Of connections that feed no book in use."""
_ANEW: tuple[RequestKind, ...] = ("unsubscribe", "subscribe")

log = logging.getLogger("engine.providers")


class Fleet:
    """Owned by its session, whose tasks keep the connections; used on the engine's loop.

    Args:
        feed: what the connections feed.
        clock: stamps frames.
        scope: of the session.
        sink: takes the frames.
        socket: what every connection is made with.
        wanted: of each symbol.
        symbols_per_conn: at most.
        ws_endpoint: in place of the venue's own.
        new_backoff: delays of one connection's attempts.
        random: spreads planned ends.
        on_lost: called with a connection that has gone, before anything else happens.
        on_state: called as on_state(connection, state, cause) at each change.
        on_sent: called with each control frame that was sent, and its connection.
    """

    def __init__(
        self,
        feed: Feed,
        clock: Clock,
        scope: TaskScope,
        *,
        sink: FrameSink,
        socket: SocketSettings,
        wanted: Wanted,
        symbols_per_conn: int,
        ws_endpoint: str | None,
        new_backoff: Callable[[], Backoff],
        random: Random,
        on_lost: Callable[[Connection], None],
        on_state: Callable[[Connection, State, str], None],
        on_sent: Callable[[Connection, bytes], None] | None = None,
    ) -> None:
        self.connections: list[Connection] = []
        self._feed = feed
        self._clock = clock
        self._scope = scope
        self._sink = sink
        self._socket = socket
        self._wanted = wanted
        self._symbols_per_conn = symbols_per_conn
        self._ws_endpoint = ws_endpoint
        self._new_backoff = new_backoff
        self._random = random
        self._on_lost = on_lost
        self._on_state = on_state
        self._on_sent = on_sent
        self._connection_of: dict[int, Connection] = {}
        feed.on_shutdown = self._shutdown_announced

    # -- who feeds what ---------------------------------------------------------------------------------------

    def connection_of(self, symbol_index: int) -> Connection | None:
        """The connection that feeds a symbol; None = none does now."""
        return self._connection_of.get(symbol_index)

    def is_fed(self, symbol_index: int) -> bool:
        """Whether a symbol's connection stands."""
        connection = self._connection_of.get(symbol_index)
        return connection is not None and connection.is_up

    def plans(self, symbols: Sequence[str]) -> list[ConnectionPlan]:
        """The connections that carry what is wanted of *symbols*."""
        return self._feed.connections(self._ws_endpoint, self._wanted, symbols, self._symbols_per_conn)

    def _take_charge(self, connection: Connection, in_place_of: Connection | None = None) -> None:
        """From now on the connection feeds the books of its plan."""
        if in_place_of is not None:
            self.connections.remove(in_place_of)
        self.connections.append(connection)
        for symbol in connection.plan.venue_symbols:
            self._connection_of[self._index_of(symbol)] = connection

    def _index_of(self, venue_symbol: str) -> int:
        return self._feed.stream.index_of(venue_symbol.encode())

    # -- coming and going -------------------------------------------------------------------------------------

    async def open(self, plans: Sequence[ConnectionPlan], numbers: Sequence[int] = (), *, insist: bool) -> None:
        """Open connections, one after the other; from then on each comes back by itself.

        Args:
            plans: one a connection.
            numbers: of the connections; empty = from the first free one.
            insist: leave the first attempt to the connection as well, which tries until it stands.

        Raises:
            VenueError: the first attempt failed.
        """
        for place, plan in enumerate(plans):
            connection = self._new(numbers[place] if numbers else self._next_number(), plan, self._sink)
            self._take_charge(connection)
            if not insist:
                await connection.open()
            self._scope.start(self._keep(connection))

    def second_connection(self, plan: ConnectionPlan, sink: FrameSink) -> Connection:
        """A connection, not opened, that feeds no book in use."""
        return self._new(SECOND_NUMBER, plan, sink)

    def pause(self) -> None:
        """Stop reading from the venue; what it sends waits on its side. Again does nothing."""
        for connection in self.connections:
            connection.pause()

    def resume(self) -> None:
        """Read again."""
        for connection in self.connections:
            connection.resume()

    async def round_trip(self) -> None:
        """Return when all that the venue had sent on any connection has been taken.

        Raises:
            NetworkError: a connection is not there.
        """
        for connection in self.connections:
            await connection.round_trip()

    async def close(self) -> None:
        """Close every connection. Idempotent."""
        for connection in self.connections:
            await connection.close()

    def _next_number(self) -> int:
        return max((one.number for one in self.connections), default=-1) + 1

    def _new(self, number: int, plan: ConnectionPlan, sink: FrameSink) -> Connection:
        return Connection(
            self._feed.provider,
            number,
            plan,
            sink,
            self._clock,
            settings=self._socket,
            backoff=self._new_backoff(),
            on_state=self._state_changed,
            on_sent=self._on_sent,
        )

    def _state_changed(self, connection: Connection, state: State, cause: str) -> None:
        if connection not in self.connections:
            return  # it does not feed anything yet, or not any more
        if state == "down":
            self._on_lost(connection)
        self._on_state(connection, state, cause)

    def begin_books_anew(self) -> None:
        """Ask for a new snapshot of every book, in sync or not."""
        for connection in self.connections:
            symbols = connection.plan.venue_symbols
            if self._feed.has_positions:
                for symbol in symbols:
                    self._feed.want_snapshot(self._feed.stream, self._index_of(symbol), BookReason.REFRESH)
                continue
            for kind in _ANEW:
                connection.send(self._feed.requests(kind, Wanted(("book",)), symbols))

    # -- planned ends -----------------------------------------------------------------------------------------

    async def _keep(self, connection: Connection) -> None:
        """Keep a connection up, and see to its planned end where the venue has one."""
        lifetime_s = self._feed.socket_limits.lifetime_s
        if lifetime_s is None:
            await connection.keep()
            return
        async with TaskScope() as scope:
            share, backoff = self._random.random(), self._new_backoff()
            scope.start(
                replace_in_time(connection, lifetime_s, share, backoff, partial(self._replace, connection))
            )
            await connection.keep()

    async def _replace(self, old: Connection) -> bool:
        make = partial(self._new, self._next_number(), old.plan)
        new = await hand_over(old, self._feed.stream, self._sink, make)
        if new is None:
            return False
        self._take_charge(new, in_place_of=old)
        self._scope.start(self._keep(new))
        self._on_state(new, "up", "took over from a connection that was about to end")
        await old.close()
        return True

    def _shutdown_announced(self, conn: int) -> None:
        """Hook of the feed: the venue is about to end a connection."""
        for connection in self.connections:
            if connection.number == conn:
                connection.ending.set()

    # -- symbols that come and go -----------------------------------------------------------------------------

    async def subscribe(self, venue_symbols: Sequence[str]) -> None:
        """Have what is wanted of symbols sent as well; they were added to the feed before.

        Connections that have room take them; a new one is opened for those beyond. Symbols that are fed already are
        left alone.
        """
        left = [symbol for symbol in venue_symbols if self.connection_of(self._index_of(symbol)) is None]
        for symbol in left:
            # What came after it was unsubscribed waits for a snapshot that nobody asked for.
            self._feed.stream.drop_book(self._index_of(symbol), BookReason.REQUESTED)
        size = max(1, min(self._symbols_per_conn, self._feed.symbols_per_connection(self._wanted)))
        for connection in self.connections:
            held = connection.plan.venue_symbols
            part, left = left[: max(0, size - len(held))], left[max(0, size - len(held)) :]
            if part:
                self._plan_anew(connection, (*held, *part))
                for symbol in part:
                    self._connection_of[self._index_of(symbol)] = connection
                connection.send(self._feed.requests("subscribe", self._wanted, part))
        if left:
            await self.open(self.plans(left), insist=True)

    def unsubscribe(self, venue_symbols: Sequence[str]) -> None:
        """Have nothing more sent of symbols; their books are void from now on. A connection without any is closed."""
        for connection in list(self.connections):
            held = connection.plan.venue_symbols
            part = [symbol for symbol in held if symbol in venue_symbols]
            if not part:
                continue
            self._plan_anew(connection, tuple(symbol for symbol in held if symbol not in part))
            connection.send(self._feed.requests("unsubscribe", self._wanted, part))
            for symbol in part:
                index = self._index_of(symbol)
                del self._connection_of[index]
                self._feed.stream.drop_book(index, BookReason.REQUESTED)
            if len(part) == len(held):
                self.connections.remove(connection)
                self._scope.start(connection.close())
        self._feed.stream.read_end()

    def _plan_anew(self, connection: Connection, symbols: tuple[str, ...]) -> None:
        """What the connection says when it comes back."""
        connection.plan = self._feed.plan(self._ws_endpoint, self._wanted, symbols)
