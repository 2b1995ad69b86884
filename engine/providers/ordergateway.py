"""A provider's way to its venue's orders: what every venue's gateway has in common (TRD-10, 11, 17, 24)."""

from __future__ import annotations

import asyncio
import logging
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, TypeVar

import msgspec

from engine.base.clock import Clock
from engine.base.errors import (
    AuthError,
    ConflictError,
    ExchangeError,
    InvalidRequestError,
    MisuseError,
    NetworkError,
    NotFoundError,
    OutcomeUnknownError,
    ProtocolError,
    RateLimitedError,
    UnavailableError,
    ValidationError,
    VenueError,
)
from engine.base.workers import TaskScope
from engine.providers.asking import OrderLink, Questions
from engine.providers.budget import CallClass, RestBudget
from engine.providers.orderpacing import OrderPace
from engine.providers.orderreading import Verdict, read_row
from engine.providers.rest import RestClient, may_have_left
from engine.schema.approved import ApprovedOrder
from engine.schema.gateway import ReportSink, WireIdStyle
from engine.schema.instrument import Instrument
from engine.schema.order import (
    OrderRef,
    OrderRequest,
    Reason,
    ReportSource,
    SendOutcome,
    Sent,
    VenueFill,
    VenueReport,
)

ANSWER_WITHIN_S = 10.0
"""Of cancels and queries, which have no time-out of their own."""
CLOSE_WITHIN_S = 2.0
THROTTLED_S = 1.0
"""Nothing is sent for so long after a venue has had enough, where it does not say for how long."""
_ERRORS: Mapping[str, type[VenueError]] = {
    "auth": AuthError,
    "conflict": ConflictError,
    "exchange_error": ExchangeError,
    "invalid_request": InvalidRequestError,
    "network": NetworkError,
    "not_found": NotFoundError,
    "rate_limited": RateLimitedError,
    "unavailable": UnavailableError,
}
_HALT_HINT = "orders of this provider are halted: look at the key and what it may do, then start the provider again"

Read = TypeVar("Read")
log = logging.getLogger("engine.providers")


@dataclass(frozen=True)
class GatewayWays:
    """What a gateway needs of its session and account.

    Attributes:
        provider: whose.
        link: the private connection to speak over now; None while there is none.
        rest: private calls at the venue.
        budget: of this address at the venue, which private calls share at some.
        clock: stamps what is not heard over the stream.
        scope: runs its tasks.
        sink: told of reports and of up and down.
        venue_now_ns: the time on the venue's clock.
        glance_at_clock: takes the offset of the venue's clock.
        instruments: what the venue lists, by symbol.
        share: of the venue's limits that we use.
        tell: telemetry.
        dead_man_s: the venue is to cancel all orders when it has not heard of us for so long; 0 = never.
    """

    provider: str
    link: Callable[[], OrderLink | None]
    rest: RestClient
    budget: RestBudget
    clock: Clock
    scope: TaskScope
    sink: ReportSink
    venue_now_ns: Callable[[], int]
    glance_at_clock: Callable[[], Awaitable[None]]
    instruments: Callable[[], Mapping[str, Instrument]]
    share: float
    tell: Callable[..., None]
    dead_man_s: int


@dataclass(frozen=True)
class Placing:
    """An order on its way: what is asked for, of what, under which id, and until when an answer is waited for."""

    request: OrderRequest
    instrument: Instrument
    wire_order_id: str
    end_s: float

    @property
    def price_text(self) -> str:
        """Of a limit order, every digit."""
        price = self.request.price
        return "" if price is None else f"{price:f}"

    @property
    def qty_text(self) -> str:
        """Every digit."""
        return f"{self.request.qty:f}"


class Gateway(ABC):
    """Implements :class:`engine.schema.gateway.OrderGateway`. Owned by its account, used on the engine's loop.

    Args:
        ways: of the session.
        pace: how many orders the venue takes.
    """

    wire_id_style: ClassVar[WireIdStyle] = WireIdStyle.HYPHENS

    def __init__(self, ways: GatewayWays, pace: OrderPace) -> None:
        self.provider = ways.provider
        self.ways = ways
        self.pace = pace
        self.questions = Questions(ways.provider)
        self.halt_cause = ""
        """Why no order is sent any more; empty while they are."""
        self._is_heard = False
        self._is_closed = False
        self._known_to: Mapping[str, Instrument] | None = None
        self._by_spelling: dict[str, Instrument] = {}

    # -- up and down ------------------------------------------------------------------------------------------

    @property
    def is_up(self) -> bool:
        """Whether orders can be sent and their reports are heard."""
        return self._is_heard and not self.halt_cause and not self._is_closed

    def start(self) -> None:  # noqa: B027 - most venues need nothing
        """Begin what goes on beside orders, in tasks of the session."""

    def account_became(self, is_heard: bool, cause: str) -> None:
        """The account's stream is heard from now on, or no longer."""
        self._change(cause, is_heard=is_heard)

    def link_lost(self, link: OrderLink, cause: str) -> None:
        """A connection has gone, and with it the answers to what was asked over it."""
        self.questions.lost(link, cause)

    def halt(self, cause: str) -> None:
        """No order is sent any more: the venue does not take the key for one (ERR-11). Told once."""
        if not self.halt_cause:
            error = AuthError(f"the venue refuses orders: {cause}", op="order.send", provider=self.provider,
                              venue_message=cause, hint=_HALT_HINT)  # fmt: skip
            log.error("%s; %s", error, error.hint)
            was_up, self.halt_cause = self.is_up, cause
            if was_up:
                self.ways.sink.on_gateway_state(self.provider, False, cause)

    async def close(self) -> None:
        """Send nothing any more; open orders stay as they are. Idempotent."""
        if not self._is_closed:
            await self._part()
            self._change("closed", is_closed=True)

    async def _part(self) -> None:  # noqa: B027 - most venues need not know
        """Tell the venue that we go."""

    def _change(self, cause: str, *, is_heard: bool | None = None, is_closed: bool = False) -> None:
        was_up = self.is_up
        self._is_heard = self._is_heard if is_heard is None else is_heard
        self._is_closed = self._is_closed or is_closed
        if self.is_up != was_up:
            self.ways.sink.on_gateway_state(self.provider, self.is_up, cause)

    # -- what the stream says ---------------------------------------------------------------------------------

    def take_reports(self, reports: Sequence[VenueReport], ts_recv_ns: int) -> None:
        """Hand on what a frame says of orders, ours and others'."""
        for report in reports:
            self.ways.sink.on_report(self._ours(report, ts_recv_ns))

    def answered(self, number: int, message: dict[str, object]) -> None:
        """The answer to a request came over a connection."""
        self.questions.answered(number, message)

    def throttled(self, said: str) -> None:
        """The venue has left a request unanswered, it does not say which: what became of it is unknown in time."""
        log.warning("%s has enough of requests: %s", self.provider, said)
        self._hold_back(THROTTLED_S)

    def _hold_back(self, for_s: float) -> None:
        """Send no order for a while."""
        self.pace.ban(self._now_s(), for_s)
        self.ways.tell("rate_limit.hit", provider=self.provider, scope="orders", retry_after_ms=int(for_s * 1e3))

    def _ours(
        self, report: VenueReport, ts_recv_ns: int | None = None, source: ReportSource | None = None
    ) -> VenueReport:
        """A report in our spelling of symbols, with when it was received, and when the order was taken by our clock."""
        created_ns = report.order_created_ns
        return msgspec.structs.replace(
            report,
            order_created_ns=None if created_ns is None else created_ns - self._offset_ns(),
            symbol=self.symbol_of(report.symbol),
            ts_recv_ns=self.ways.clock.now() if ts_recv_ns is None else ts_recv_ns,
            source=report.source if source is None else source,
        )

    def _our_fill(self, fill: VenueFill) -> VenueFill:
        return msgspec.structs.replace(fill, symbol=self.symbol_of(fill.symbol))

    def _row(self, row: dict[str, Any], read: Callable[[dict[str, Any]], Read]) -> Read:
        """What *read* makes of an answer, or of one row of it.

        Raises:
            ProtocolError: a field is missing or of another kind.
        """
        try:
            return read_row(row, read)
        except ValidationError as error:
            raise ProtocolError(error.reason, op="order.read", provider=self.provider) from None

    def _rows(self, answer: object) -> list[dict[str, Any]]:
        """An answer that is a list.

        Raises:
            ProtocolError: it is none.
        """
        if not isinstance(answer, list):
            raise ProtocolError("an answer is no list", op="order.read", provider=self.provider)
        return answer

    def symbol_of(self, spelling: str) -> str:
        """Our symbol of a venue's spelling; empty where the venue does not list it."""
        instrument = self.instrument_of(spelling)
        return "" if instrument is None else instrument.symbol

    def instrument_of(self, spelling: str) -> Instrument | None:
        """The instrument of a venue's spelling."""
        listed = self.ways.instruments()
        if listed is not self._known_to:
            self._known_to = listed
            self._by_spelling = {
                spelling: instrument for instrument in listed.values() for spelling in self.spellings(instrument)
            }
        return self._by_spelling.get(spelling)

    def spellings(self, instrument: Instrument) -> Sequence[str]:
        """How the venue writes an instrument."""
        return (instrument.venue_symbol,)

    # -- orders -----------------------------------------------------------------------------------------------

    def submit(self, approved: ApprovedOrder) -> Awaitable[SendOutcome]:
        """Send an order; what is returned waits for what comes of it.

        Raises:
            MisuseError: *approved* is not what risk built.
        """
        if not isinstance(approved, ApprovedOrder):
            raise MisuseError("only what risk has approved is sent", op="order.send", provider=self.provider)
        request = approved.request
        loop = asyncio.get_running_loop()
        if not self.is_up:
            return _known(_not_sent("unavailable", self.halt_cause or "the venue's orders cannot be reached"))
        instrument = self.ways.instruments().get(request.symbol)
        if instrument is None:
            return _known(_not_sent("not_found", f"the venue does not list {request.symbol}"))
        if (wait_s := self.pace.wait_s(loop.time(), request.symbol)) > 0.0:
            return _known(_not_sent("rate_limited", "as many orders as the venue takes", wait_s))
        placing = Placing(request, instrument, approved.wire_order_id, loop.time() + request.timeout_ms / 1e3)
        self.pace.placed(loop.time(), request.symbol)
        try:
            return self._settled(self._place(placing))
        except (ValidationError, VenueError) as error:
            return _known(_outcome_of(error))

    async def cancel(self, order: OrderRef) -> SendOutcome:
        """Ask for an order's end; that it has ended comes as a report. REFUSED: the venue has no such open order."""
        if self._is_closed:
            return _not_sent("unavailable", "the gateway is closed")
        age_s = max(0, self.ways.clock.now() - order.created_ns) / 1e9
        self.pace.cancelled(asyncio.get_running_loop().time(), order.symbol, age_s)
        try:
            return await self._cancel(order)
        except (ValidationError, VenueError) as error:
            return _outcome_of(error)

    @abstractmethod
    def _place(self, placing: Placing) -> Awaitable[SendOutcome]:
        """Send an order, over a connection at once; what is returned waits for what comes of it.

        Raises:
            VenueError: here or in waiting: what kept it from being sent, or its answer from coming.
            ValidationError: the same: the answer is none of the venue's.
        """

    @abstractmethod
    def _cancel(self, order: OrderRef) -> Awaitable[SendOutcome]:
        """Send a cancel; as _place()."""

    async def _settled(self, sending: Awaitable[SendOutcome]) -> SendOutcome:
        try:
            return await sending
        except (ValidationError, VenueError) as error:
            return _outcome_of(error)

    def _judged(
        self, verdict: Verdict, venue_code: str, said: str, retry_after_s: float | None = None
    ) -> SendOutcome:
        """What a refusal means, the venue's own words kept (TRD-24)."""
        if verdict.halts:
            self.halt(said)
        if verdict.code == "rate_limited":
            self._hold_back(retry_after_s or THROTTLED_S)
        reason = Reason(code=verdict.code, venue_code=venue_code, text=said)
        return SendOutcome(sent=verdict.sent, reason=reason, retry_after_s=retry_after_s)

    def _error(
        self, verdict: Verdict, op: str, venue_code: str, said: str, retry_after_s: float | None = None
    ) -> VenueError:
        """The same for a query, which changes nothing."""
        if verdict.halts:
            self.halt(said)
        return _ERRORS[verdict.code](said, op=op, provider=self.provider, venue_code=venue_code, venue_message=said,
                                     retry_after_s=retry_after_s)  # fmt: skip

    # -- reconciliation ---------------------------------------------------------------------------------------

    @abstractmethod
    async def query(self, order: OrderRef) -> VenueReport | None:
        """How an order stands; None = the venue does not know it (yet).

        Raises:
            VenueError: the venue cannot be asked now.
        """

    @abstractmethod
    async def open_orders(self) -> Sequence[VenueReport]:
        """Every open order of the account, also of others.

        Raises:
            VenueError: the venue cannot be asked now.
        """

    @abstractmethod
    async def fills(self, symbols: Sequence[str], since_ns: int) -> Sequence[VenueFill]:
        """The account's fills of *symbols* since then, oldest first.

        Raises:
            VenueError: the venue cannot be asked now.
        """

    def _spelling(self, symbol: str) -> str:
        """The venue's own of a symbol.

        Raises:
            NotFoundError: the venue does not list it.
        """
        instrument = self.ways.instruments().get(symbol)
        if instrument is None:
            why = f"the venue does not list {symbol}"
            raise NotFoundError(why, op="order.ask", provider=self.provider, symbol=symbol)
        return instrument.venue_symbol

    def _offset_ns(self) -> int:
        """The venue's clock less ours, as far as it is known."""
        return self.ways.venue_now_ns() - self.ways.clock.now()

    @staticmethod
    def _now_s() -> float:
        return asyncio.get_running_loop().time()

    def _end_s(self) -> float:
        return self._now_s() + ANSWER_WITHIN_S

    async def _fresh_clock(self) -> None:
        """Take the offset of the venue's clock anew."""
        try:
            await self.ways.glance_at_clock()
        except (VenueError, ValidationError) as error:
            log.warning("%s clock was not read: %s", self.provider, error)

    async def _admitted(self, weight: int) -> None:
        """Wait until the address may ask for so much, and count it.

        Raises:
            RateLimitedError: the venue said to wait.
        """
        loop, budget = asyncio.get_running_loop(), self.ways.budget
        while True:
            if (banned_s := budget.banned_s(loop.time(), CallClass.ORDERS)) > 0.0:
                raise RateLimitedError("the venue said to wait", op="order.query", provider=self.provider,
                                       retry_after_s=banned_s)  # fmt: skip
            if (wait_s := budget.wait_s(loop.time(), weight, CallClass.ORDERS)) <= 0.0:
                break
            await asyncio.sleep(wait_s)
        budget.spend(loop.time(), weight)


def _not_sent(code: str, text: str, retry_after_s: float | None = None) -> SendOutcome:
    return SendOutcome(sent=Sent.NOT_SENT, reason=Reason(code=code, text=text), retry_after_s=retry_after_s)


async def _known(outcome: SendOutcome) -> SendOutcome:
    return outcome


def _outcome_of(error: ValidationError | VenueError) -> SendOutcome:
    if isinstance(error, ValidationError):
        # An answer came, so bytes went: what it says nobody knows.
        return SendOutcome(sent=Sent.UNKNOWN, reason=Reason(code="exchange_error", text=error.reason))
    text = error.venue_message or error.reason
    reason = Reason(code=error.code, venue_code=error.venue_code or "", text=text)
    return SendOutcome(sent=sent_of(error), reason=reason, retry_after_s=error.retry_after_s)


def sent_of(error: VenueError) -> Sent:
    """What is known of an order whose sending failed with *error* (TRD-11)."""
    if isinstance(error, OutcomeUnknownError | ProtocolError):
        return Sent.UNKNOWN
    if isinstance(error, NetworkError):
        return Sent.UNKNOWN if may_have_left(error) else Sent.NOT_SENT
    if isinstance(error, UnavailableError):
        return Sent.NOT_SENT if error.http_status is None else Sent.UNKNOWN
    if isinstance(error, RateLimitedError) and error.http_status is None:
        return Sent.NOT_SENT
    return Sent.REFUSED
