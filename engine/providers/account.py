"""A provider's account, live: its private connection kept standing and logged in, its balances told."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from random import Random
from typing import Any, Literal

from engine.base.clock import Clock
from engine.base.errors import AuthError, EngineError, NetworkError, ValidationError, VenueError
from engine.base.shares import Shares
from engine.base.workers import TaskScope
from engine.providers.backoff import Backoff
from engine.providers.balances import BalanceSheet
from engine.providers.connection import Connection, SocketSettings, State
from engine.providers.feed import ConnectionPlan, Feed
from engine.providers.handover import replace_in_time
from engine.providers.listener import FrameRelay
from engine.providers.ordergateway import Gateway
from engine.providers.rest import RestClient
from engine.providers.userstream import Holding, UserStream
from engine.schema.enums import BalanceCause
from engine.schema.instrument import Instrument
from engine.schema.order import VenueReport

LOGIN_WITHIN_S = 10.0
"""A login that is not answered by then is tried anew on another connection."""
ASK_GAP_S = 1.0
"""Balances by REST are asked for no more often."""
ASK_AGAIN_S = 30.0
"""They are asked for at least so often where no stream tells them."""
PRIVATE = "private"
"""What telemetry calls the connection, where others have a number."""

AccountState = Literal["starting", "up", "down", "refused"]
log = logging.getLogger("engine.providers")


@dataclass(frozen=True)
class AccountWays:
    """What an account needs of its session.

    Attributes:
        rest: private calls at the venue.
        clock: stamps frames.
        scope: runs its tasks.
        socket: what its connections are made with.
        new_backoff: delays of attempts.
        random: spreads planned ends.
        measure_clock: takes the offset of the venue's clock.
        glance_at_clock: the same, sooner.
        venue_now_ns: the time on the venue's clock when ours shows that.
        tell: telemetry.
        instruments: what the venue lists, by symbol.
    """

    rest: RestClient
    clock: Clock
    scope: TaskScope
    socket: SocketSettings
    new_backoff: Callable[[], Backoff]
    random: Random
    measure_clock: Callable[[], Awaitable[None]]
    glance_at_clock: Callable[[], Awaitable[None]]
    venue_now_ns: Callable[[int], int]
    tell: Callable[..., None]
    instruments: Callable[[], Mapping[str, Instrument]]


class Account:
    """Owned by its session, used on the engine's loop. A refused login is told once and ends it; nothing else does.

    Args:
        feed: of the provider; its ports take balances and orders.
        ways: of the session.
    """

    new_stream: Callable[[], UserStream]
    """The venue's private half, for one connection."""

    def __init__(self, feed: Feed, ways: AccountWays) -> None:
        self.feed = feed
        self.ways = ways
        self.state: AccountState = "starting"
        self.cause = "not connected yet"
        """What made it so, for a person to read."""
        self.error: VenueError | None = None
        """Why the venue refuses it."""
        self.logins = 0
        """That the venue has taken."""
        self.orders_told = 0
        """Reports of orders that no consumer of ours can have sent."""
        self.gateway: Gateway | None = None
        """The way to the venue's orders, where they are enabled."""
        self.sheet = BalanceSheet(feed.provider, self._unfit)
        self._links: list[Link] = []
        self._numbers = 0
        self._has_retried = False
        self._clock_doubted = False
        self._doubted = asyncio.Event()

    def start(self) -> None:
        """Log in and stay so, in tasks of the session; a refused account stays what it is."""
        if self.state == "refused":
            return
        link = self._new_link()
        self.ways.scope.start(self._keep(link))
        self.ways.scope.start(self._ask())
        if self.gateway is not None:
            self.gateway.start()

    async def close(self) -> None:
        """Part from the venue's orders, which stay as they are, and close every connection. Idempotent."""
        if self.gateway is not None:
            await self.gateway.close()
        for link in self._links:
            await link.connection.close()
            link.read_out()

    @property
    def is_up(self) -> bool:
        """Whether the venue sends the account's stream."""
        return self.state == "up"

    # -- connections ------------------------------------------------------------------------------------------

    def _new_link(self) -> Link:
        self._numbers += 1
        link = Link(self, self._numbers)
        self._links.append(link)
        return link

    async def _keep(self, link: Link) -> None:
        lifetime_s = self.feed.socket_limits.lifetime_s
        async with TaskScope() as scope:
            if lifetime_s is not None:
                share, backoff = self.ways.random.random(), self.ways.new_backoff()
                replace = partial(self._replace, link)
                scope.start(replace_in_time(link.connection, lifetime_s, share, backoff, replace))
            await link.connection.keep()
        if link in self._links:
            self._links.remove(link)

    async def _replace(self, old: Link) -> bool:
        """Let a second connection log in, and only then give up the first."""
        new = self._new_link()
        try:
            await new.connection.open()
            self.ways.scope.start(self._keep(new))
            async with asyncio.timeout(LOGIN_WITHIN_S):
                await new.is_open.wait()
        except (VenueError, TimeoutError) as error:
            why = str(error) or "no answer in time"
            log.warning("%s private connection was not replaced: %s", self.feed.provider, why)
            await new.connection.close()
            if new in self._links:
                self._links.remove(new)
            return False
        await self._hear_out(old)
        await old.connection.close()
        return True

    async def _hear_out(self, old: Link) -> None:
        """Have what is on its way over *old*: reports of orders, and answers to what was asked over it."""
        with suppress(NetworkError, TimeoutError):
            async with asyncio.timeout(LOGIN_WITHIN_S):
                await old.connection.round_trip()
                old.read_out()
                if self.gateway is not None:
                    await self.gateway.questions.all_answered(old)

    def open_link(self) -> Link | None:
        """The connection that logged in last."""
        for one in reversed(self._links):
            if one.is_open.is_set():
                return one
        return None

    def is_heard(self, link: Link) -> bool:
        """Whether the account's stream is taken from *link*: from the last one that logged in."""
        return self.open_link() is link

    async def prepare(self, stream: UserStream) -> None:
        """Have what the next login needs.

        Raises:
            VenueError: the venue refuses it, or cannot be reached.
        """
        if self._clock_doubted:
            try:
                await self.ways.measure_clock()
            except ValidationError as error:
                raise NetworkError(error.reason, op="account.open", provider=self.feed.provider) from None
            self._clock_doubted = False
        try:
            await stream.prepare(self.ways.rest)
        except AuthError as error:
            self.error = error
            raise

    # -- what becomes of it -----------------------------------------------------------------------------------

    def link_opened(self, link: Link) -> None:
        """A login was taken: its balances begin a new epoch."""
        self.logins += 1
        self._has_retried = False
        self.sheet.begin_epoch()
        self._become("up", "logged in", link.connection.backoff.attempts)

    def link_down(self, link: Link, cause: str) -> None:
        """A connection has gone, or could not be made."""
        if self._clock_doubted:
            return  # cut by ourselves: the second try is under way
        if not any(one.is_open.is_set() for one in self._links):
            self._become("down", cause, link.connection.backoff.attempts)

    def link_refused(self, link: Link, error: VenueError, *, is_doubtful: bool) -> None:
        """The venue does not take a login: told once, and not tried again, but once where a fresh time may do."""
        if is_doubtful and not self._has_retried:
            self._has_retried = self._clock_doubted = True
            link.broken(error.reason)
            return
        if self.state != "refused":
            self.refuse(error)
            self.ways.scope.start(self.close())

    def refuse(self, error: VenueError) -> None:
        """The key is of no use: told once. Public data goes on."""
        self.error = error
        log.error("%s; %s", error, error.hint)
        self._become("refused", error.reason, 0)

    def _become(self, state: AccountState, cause: str, attempts: int) -> None:
        if self.state == "refused" or state == self.state:
            return
        self.state, self.cause = state, cause
        if self.gateway is not None:
            self.gateway.account_became(state == "up", cause)
        self.ways.tell("connection.state", provider=self.feed.provider, conn=PRIVATE, state=state, cause=cause,
                       attempts=attempts, down_ms=0)  # fmt: skip
        if state != "refused":
            level = logging.INFO if state == "up" else logging.WARNING
            log.log(level, "%s private connection is %s: %s", self.feed.provider, state, cause)

    # -- what it says -----------------------------------------------------------------------------------------

    def take_holdings(
        self, holdings: Sequence[Holding], cause: BalanceCause, ts_venue_ns: int, ts_recv_ns: int
    ) -> None:
        """Publish what is new of it."""
        for balance in self.sheet.take(holdings, cause, ts_venue_ns, ts_recv_ns):
            self.feed.ports.on_balance(balance)
        self.feed.stream.read_end()

    def _unfit(self, asset: str, error: EngineError) -> None:
        """A balance that cannot be told: the last one stands for it, a dead letter and a line of the log say so."""
        provider = self.feed.provider
        log.error("%s balance of %s is not told: %s", provider, asset, error.reason)
        self.feed.ports.on_reject(provider, "overflow", f"balance of {asset}", b"", 0)

    def take_order(self, venue_order_id: str, frame: bytes) -> None:
        """An order of somebody else on the account: kept as a dead letter, and told (ORDM-22)."""
        self.orders_told += 1
        self.feed.ports.on_foreign_order(self.feed.provider, venue_order_id, frame)

    def doubt_holdings(self) -> None:
        """Ask for the balances soon."""
        self._doubted.set()

    async def _ask(self) -> None:
        """Ask for balances whenever they may have changed, where the stream does not tell them, or not all of them."""
        backoff, stream = self.ways.new_backoff(), self.new_stream()
        while True:
            # What moves them without an order (a deposit) no message tells where the stream has none of balances.
            with suppress(TimeoutError):
                async with asyncio.timeout(None if stream.tells_holdings else ASK_AGAIN_S):
                    await self._doubted.wait()
            self._doubted.clear()
            if not self.is_up:
                continue
            try:
                holdings = await stream.holdings(self.ways.rest)
            except (VenueError, ValidationError) as error:
                log.warning("%s balances were not read: %s", self.feed.provider, error)
                if not isinstance(error, AuthError):
                    self._doubted.set()
                await asyncio.sleep(max(ASK_GAP_S, backoff.next_s()))
                continue
            backoff.reset()
            cause = BalanceCause.SNAPSHOT if self.sheet.is_blank else stream.asked_cause
            self.take_holdings(holdings, cause, 0, self.ways.clock.now())
            await asyncio.sleep(ASK_GAP_S)


class Link:
    """One private connection and how far it has come: the account's port to a stream, and the connection's opening."""

    def __init__(self, account: Account, number: int) -> None:
        self._account = account
        self.stream = account.new_stream()
        self.is_open = asyncio.Event()
        self._frame = b""
        self._frames: Shares[tuple[bytes, int]] = Shares(self._read)
        self._is_broken = False
        self._ts_recv_ns = 0
        ways = account.ways
        self.connection = Connection(
            account.feed.provider,
            number,
            ConnectionPlan(self.stream.url),
            FrameRelay(self._take),
            ways.clock,
            settings=ways.socket,
            backoff=ways.new_backoff(),
            on_state=self._state_changed,
            opening=self,
        )

    # -- the connection's opening -----------------------------------------------------------------------------

    async def prepare(self) -> None:
        """A new stream for a new connection."""
        self.stream, self._is_broken = self._account.new_stream(), False
        await self._account.prepare(self.stream)

    def frames(self) -> tuple[bytes, ...]:
        """What logs in."""
        return self.stream.frames()

    def _state_changed(self, connection: Connection, state: State, cause: str) -> None:
        self.read_out()
        self.is_open.clear()
        if state != "up" and self._account.gateway is not None:
            self._account.gateway.link_lost(self, cause)
        if state == "up":
            asyncio.get_running_loop().call_later(LOGIN_WITHIN_S, self._check_login, connection.stood_from_s)
        elif state == "down":
            self._account.link_down(self, cause)
        else:
            error = self._account.error or AuthError(
                cause, op="account.open", provider=connection.provider,
                hint="look at ws_private_endpoint, and whether the venue lets this address in",
            )  # fmt: skip
            self._account.link_refused(self, error, is_doubtful=False)

    def _check_login(self, stood_from_s: float) -> None:
        if not self.is_open.is_set() and self.connection.stood_from_s == stood_from_s:
            self.connection.drop(f"no answer to the login for {LOGIN_WITHIN_S:g} s")

    # -- the stream's port ------------------------------------------------------------------------------------

    def _take(self, frame: bytes, ts_recv_ns: int, conn: int) -> None:
        if not self._is_broken:
            self._frames.put((frame, ts_recv_ns))

    def read_out(self) -> None:
        """Read what has come and waits for its turn of the loop."""
        self._frames.flush()

    def _read(self, told: tuple[bytes, int]) -> None:
        self._frame, self._ts_recv_ns = told
        try:
            self.stream.take(self._frame, self)
        except ValidationError as error:
            self.unreadable(error.reason)
        except Exception:
            log.exception("%s private frame was not read", self._account.feed.provider)
            self.broken("a frame that could not be read")

    def opened(self) -> None:
        """The venue has taken the login."""
        self.is_open.set()
        self._account.link_opened(self)

    def refused(self, error: VenueError, *, is_doubtful: bool) -> None:
        """The venue refuses the login, or has changed its mind about it."""
        self.is_open.clear()
        self._account.link_refused(self, error, is_doubtful=is_doubtful)

    def broken(self, cause: str) -> None:
        """Begin anew over another connection; what came behind over this one is asked for there."""
        self._is_broken = True
        self._frames.clear()
        self.connection.drop(cause)

    def ending(self) -> None:
        """The venue is about to end this connection."""
        self.connection.ending.set()

    def say(self, frames: tuple[bytes, ...]) -> None:
        """Send these, as fast as the venue lets us."""
        self.connection.send(frames)

    def holds(self, holdings: Sequence[Holding], cause: BalanceCause, ts_venue_ns: int = 0) -> None:
        """Balances, heard of one connection alone."""
        if self._account.is_heard(self) or not self.is_open.is_set():
            self._account.take_holdings(holdings, cause, ts_venue_ns, self._ts_recv_ns)

    def reported(self, reports: Sequence[VenueReport]) -> None:
        """How orders stand: heard of every connection, for none may be missed; what comes twice is known by its id."""
        gateway = self._account.gateway
        if gateway is not None:
            gateway.take_reports(reports, self._ts_recv_ns)
            return
        for report in reports:
            self.order_told(report.venue_order_id or "")

    def order_told(self, venue_order_id: str) -> None:
        """An order of others, heard of one connection alone."""
        if self._account.is_heard(self) or not self.is_open.is_set():
            self._account.take_order(venue_order_id, self._frame)

    def answered(self, number: int, message: dict[str, Any]) -> None:
        """The answer to a request of the gateway."""
        if self._account.gateway is not None:
            self._account.gateway.answered(number, message)

    def throttled(self, said: str) -> None:
        """Requests come too fast."""
        if self._account.gateway is not None:
            self._account.gateway.throttled(said)

    def unreadable(self, why: str) -> None:
        """A frame, or a part of it, is kept as a dead letter."""
        provider = self._account.feed.provider
        log.debug("%s private frame refused: %s", provider, why)
        self._account.feed.ports.on_reject(provider, "bad_value", None, self._frame, len(self._frame))

    def post(self, frame: bytes) -> bool:
        """Send a request at once."""
        return self.connection.post(frame)

    def holdings_doubted(self) -> None:
        """Balances may have changed."""
        self._account.doubt_holdings()
