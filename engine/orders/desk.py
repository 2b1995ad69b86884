"""The order desk: an order goes out at most once, and what is not known of it is looked up, never tried again.

1. A known id is a duplicate, whatever else holds (ORDM-05). An id is taken from the moment it is asked for.
2. Risk checks and takes room in one step (ORDM-31, ORDM-32).
3. The intent is committed before a byte leaves (JRN-02). A crash before that: it never was. A crash after that: it is
   looked up by its wire id when the engine starts.
4. The trading switch and what holds everyone back are asked again, at the last moment: the consumer has looked when it
   asked, and risk when the order came here (CTL-14).
5. The gateway is asked once. TAKEN and REFUSED end as reports; NOT_SENT takes all of it back; UNKNOWN is looked up.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from functools import partial
from typing import Any

import msgspec
from typing_extensions import TypeIs

from engine.base.build import planted
from engine.base.clock import monotonic_now
from engine.base.errors import ConflictError, EngineError, JournalError, UnknownSymbolError, VenueError
from engine.orders.ledger import Claim, Ledger, named
from engine.orders.lifecycle import Track
from engine.orders.ports import JournalPort, RefusalPort, RiskPort, RoomPort
from engine.orders.records import Intended
from engine.orders.wireid import WireIds, canonical
from engine.schema.enums import wire_name
from engine.schema.gateway import OrderGateway
from engine.schema.order import (
    Breach,
    Order,
    OrderKey,
    OrderRef,
    OrderRequest,
    OrderState,
    Reason,
    ReportKind,
    ReportSource,
    SendOutcome,
    Sent,
    SubmitReason,
    SubmitReply,
    SubmitStatus,
    VenueReport,
)

NS_PER_MS = 1_000_000
OLDER_BY_NS = 600 * 1_000_000_000
"""What a venue calls older than an order by so much is another order: its clock and ours may differ by less."""
Spawn = Callable[[Coroutine[Any, Any, None]], object]
_NO_REASON = Reason(code="exchange_error", text="the venue gave no reason")
log = logging.getLogger("engine.orders")


class OrderDesk:
    """Takes orders, cancels and questions; hears what venues say. Used on the engine's loop.

    Args:
        risk: pre-trade risk.
        journal: the order journal.
        ledger: the orders.
        wire_ids: makes and reads our ids.
        gateways: by provider; those that take orders.
        is_trading: a consumer's trading switch.
        refusal_now: what holds every order of this kind back at this moment; None = nothing does.
        spawn: runs a task that ends with the engine.
        tell: called as tell(kind, **metadata): telemetry.
        foreign: called as foreign(provider, venue_order_id, raw) with an order of others.
        now_ns: the engine's clock.
    """

    def __init__(
        self,
        *,
        risk: RiskPort,
        journal: JournalPort,
        ledger: Ledger,
        wire_ids: WireIds,
        gateways: Mapping[str, OrderGateway],
        is_trading: Callable[[str], bool],
        refusal_now: Callable[[OrderRequest], SubmitReason | None],
        spawn: Spawn,
        tell: Callable[..., None],
        foreign: Callable[[str, str, bytes], None],
        now_ns: Callable[[], int],
    ) -> None:
        self._risk = risk
        self._journal = journal
        self.ledger = ledger
        self._wire_ids = wire_ids
        self._gateways = gateways
        self._is_trading = is_trading
        self._refusal_now = refusal_now
        self._spawn = spawn
        self._tell = tell
        self._foreign = foreign
        self._now_ns = now_ns
        self._sending: set[str] = set()
        """Wire ids of orders in a gateway's hands."""
        self._finding: dict[str, list[VenueReport]] = {}
        """Reports of orders that the journal is asked for."""
        self.on_unknown: Callable[[Track], None] = lambda track: None
        """Called with an order whose outcome is not known."""
        self.on_gateway: Callable[[str, bool, str], None] = lambda provider, is_up, cause: None
        """Called as on_gateway(provider, is_up, cause)."""

    # -- submit -----------------------------------------------------------------------------------------------

    def submit(
        self, request: OrderRequest, done: Callable[[SubmitReply], None], *, was_trading: bool = True
    ) -> None:
        """Take an order; done(reply) is called once, at once where nothing is to be sent.

        *was_trading*: the owner's switch was on when it was asked for: the consumer has looked first (CTL-14).
        """
        claim, answer = Claim(request), partial(self._answer, request.provider, done)
        holder = self.ledger.ids.claim(request.key, claim)
        if holder is not None:
            answer(self._duplicate(request, holder))
            return
        is_on = self._is_trading(request.consumer_id) or planted("orders.no_first_switch")
        began_ns = monotonic_now()
        found = self._risk.check(request, was_trading and is_on)
        self.ledger.counts.check_ns[request.provider].add(monotonic_now() - began_ns)
        if not _is_room(found):
            self._tell(
                "risk.refused", trace_id=request.trace_id or None, consumer_id=request.consumer_id,
                breach=found.breach.name.lower(), limit=_text(found.limit), actual=_text(found.actual),
            )  # fmt: skip
            self.ledger.withdraw(claim)
            answer(self._refused(request, found.reason))
            return
        self._intend(claim, found, answer)

    def _answer(self, provider: str, done: Callable[[SubmitReply], None], reply: SubmitReply) -> None:
        counts = self.ledger.counts
        counts.submits[provider, wire_name(reply.status)] += 1
        if reply.reason is not None:
            counts.refusals[provider, wire_name(reply.reason.breach)] += 1
        done(reply)

    def _duplicate(self, request: OrderRequest, holder: Claim) -> SubmitReply:
        """The answer to an id that is taken."""
        track, first = holder.track, holder.request
        state = track.order.state if track is not None else OrderState.SUBMITTED
        matches = first.is_same_body(request)
        self._tell("order.duplicate_detected", **named(request), state=state.name.lower(), body_matches=matches)
        return SubmitReply(
            client_order_id=request.client_order_id,
            status=SubmitStatus.DUPLICATE,
            ts_ns=self._now_ns(),
            order_state=state,
            body_matches=matches,
            wire_order_id=None if track is None else track.order.wire_order_id,
            trace_id=first.trace_id,
        )

    def _refused(self, request: OrderRequest, reason: SubmitReason) -> SubmitReply:
        is_off = reason.breach is Breach.TRADING_OFF
        return SubmitReply(
            client_order_id=request.client_order_id,
            status=SubmitStatus.SUPPRESSED if is_off else SubmitStatus.REJECTED,
            ts_ns=self._now_ns(),
            reason=reason,
            trace_id=request.trace_id,
        )

    def _intend(self, claim: Claim, room: RoomPort, done: Callable[[SubmitReply], None]) -> None:
        """Journal, ask again, send; whatever happens, the room is freed exactly once and the answer given once.

        No turn of the loop lies between those steps but the wait for the disk: each would be a wait for the market data
        that has come meanwhile.
        """
        request = claim.request
        style = self._gateways[request.provider].wire_id_style
        wire_id_of = partial(self._wire_ids.encode, request.consumer_id, request.client_order_id, style)
        self._journal.intent(request, wire_id_of, partial(self._intended, claim, room, done, self._now_ns()))

    def _intended(
        self, claim: Claim, room: RoomPort, done: Callable[[SubmitReply], None], since_ns: int,
        intended: Intended | EngineError,
    ) -> None:  # fmt: skip
        """What the journal has to say of an intent."""
        request = claim.request
        if isinstance(intended, EngineError):
            room.release()
            self.ledger.withdraw(claim)
            done(self._refused(request, _unjournaled(intended)))
            return
        order = Order(
            request=request,
            wire_order_id=intended.wire_order_id,
            qty_raw=request.qty_raw,
            created_ns=request.created_ns,
            updated_ns=self._now_ns(),
        )
        track = self.ledger.open(claim, order, room)
        refusal = self._held_back(request, since_ns)
        if refusal is not None:
            self.ledger.withdraw(claim)
            done(self._refused(request, refusal))
            return
        self._spawn(self._let_go(claim, track, self._send(track, room), done))

    async def _let_go(
        self, claim: Claim, track: Track, sending: Awaitable[SendOutcome] | SendOutcome,
        done: Callable[[SubmitReply], None],
    ) -> None:  # fmt: skip
        try:
            outcome = sending if isinstance(sending, SendOutcome) else await sending
        except Exception as error:
            outcome = self._lost(track, error)
        finally:
            self._sending.discard(canonical(track.order.wire_order_id))
        done(self._settle(claim, track, outcome))

    def _held_back(self, request: OrderRequest, since_ns: int) -> SubmitReason | None:
        """What has come between, while the journal wrote."""
        if not self._is_trading(request.consumer_id) and not planted("orders.no_second_switch"):
            return SubmitReason(code="unavailable", breach=Breach.TRADING_OFF, text="trading is off for this consumer")
        if self._now_ns() - since_ns > request.timeout_ms * NS_PER_MS:
            text = "the journal took longer than the order may take"
            return SubmitReason(code="unavailable", breach=Breach.JOURNAL_UNAVAILABLE, text=text)
        return self._refusal_now(request)

    def _send(self, track: Track, room: RoomPort) -> Awaitable[SendOutcome] | SendOutcome:
        """Hand an order to its gateway: over a connection its bytes leave before this returns."""
        gateway = self._gateways[track.order.request.provider]
        self._sending.add(canonical(track.order.wire_order_id))
        self.ledger.counts.send_ns[gateway.provider].add(self._now_ns() - track.order.created_ns)
        try:
            return gateway.submit(self._risk.approve(room, track.order.wire_order_id))
        except Exception as error:
            return self._lost(track, error)

    @staticmethod
    def _lost(track: Track, error: Exception) -> SendOutcome:
        """A bug of ours, or of a gateway: bytes may have left, so nobody knows."""
        log.error("order %s of %s", track.order.wire_order_id, track.order.request.provider, exc_info=error)
        return SendOutcome(sent=Sent.UNKNOWN, reason=Reason(code="internal", text=str(error)))

    def _settle(self, claim: Claim, track: Track, outcome: SendOutcome) -> SubmitReply:
        """Take what is known of an order that was sent."""
        request = track.order.request
        if outcome.sent is Sent.NOT_SENT and track.order.order_report_seq == 0:
            self.ledger.withdraw(claim)
            reason = outcome.reason or Reason(code="unavailable", text="nothing was sent")
            breach = Breach.RATE_LIMIT if reason.code == "rate_limited" else Breach.PROVIDER_DOWN
            return self._refused(request, SubmitReason(code=reason.code, breach=breach, text=reason.text))
        report = outcome.report
        self._journal.sent(track.order.wire_order_id, outcome.sent, None if report is None else report.venue_order_id)
        if outcome.sent is Sent.REFUSED and report is None:
            report = self._own_report(track, ReportKind.REJECTED, ReportSource.REPLY, outcome.reason)
        if report is not None:
            self.take(track, report)
        if outcome.sent is Sent.UNKNOWN and track.order.state is OrderState.SUBMITTED:
            self.ledger.become(track, OrderState.UNKNOWN)
            took_ns = self._now_ns() - request.created_ns
            self._tell("order.unknown", **named(request), took_ms=took_ns // 1_000_000)
            self.on_unknown(track)
        order = track.order
        return SubmitReply(
            client_order_id=request.client_order_id,
            status=SubmitStatus.SUBMITTED,
            ts_ns=self._now_ns(),
            order_state=order.state,
            wire_order_id=order.wire_order_id,
            trace_id=request.trace_id,
        )

    def not_placed(self, track: Track, source: ReportSource = ReportSource.RECONCILE) -> None:
        """The venue does not know an order, asked more than once: it is not there."""
        has_been = track.order.state not in (OrderState.SUBMITTED, OrderState.UNKNOWN)
        kind = ReportKind.EXPIRED if has_been else ReportKind.REJECTED
        text = "the venue does not know it any more" if has_been else "it did not reach the venue"
        self.ledger.take(track, self._own_report(track, kind, source, Reason(code="not_found", text=text)))

    def _own_report(
        self, track: Track, kind: ReportKind, source: ReportSource, reason: Reason | None
    ) -> VenueReport:
        order = track.order
        return VenueReport(
            provider=order.request.provider,
            kind=kind,
            source=source,
            ts_recv_ns=self._now_ns(),
            wire_order_id=order.wire_order_id,
            symbol=order.request.symbol,
            reason=reason or _NO_REASON,
        )

    def is_sending(self, track: Track) -> bool:
        """Whether an order is in a gateway's hands: how it stands is for its outcome to say."""
        return canonical(track.order.wire_order_id) in self._sending

    # -- cancel, query ----------------------------------------------------------------------------------------

    def order(self, key: OrderKey) -> Order:
        """An order as it stands.

        Raises:
            UnknownSymbolError: it is not known, or no longer.
        """
        return self._track(key).order

    async def cancel(self, key: OrderKey) -> Order:
        """Ask for an order's end, which comes as a report; one that has ended is answered as it ended.

        Raises:
            UnknownSymbolError: it is not known, or no longer.
        """
        track = self._track(key)
        await self.cancel_track(track)
        return track.order

    async def cancel_track(self, track: Track) -> None:
        """The same of an order at hand."""
        if not track.order.is_open:
            return
        self.ledger.note(track, cancel_requested=True)
        outcome = await self._gateways[track.order.request.provider].cancel(ref_of(track.order))
        if outcome.report is not None:
            self.take(track, outcome.report)
        elif outcome.sent in (Sent.REFUSED, Sent.UNKNOWN):
            await self.look(track)

    def open_tracks(
        self, consumer_id: str | None, provider: str | None = None, symbol: str | None = None
    ) -> list[Track]:
        """Orders that have not ended, of a consumer or of all."""
        return list(self.ledger.tracker.open_orders(provider=provider, symbol=symbol, consumer_id=consumer_id))

    async def query(self, key: OrderKey) -> Order:
        """An order as its venue has it now, or as it is known where the venue cannot be asked.

        Raises:
            UnknownSymbolError: it is not known, or no longer.
        """
        track = self._track(key)
        if track.order.is_open:
            await self.look(track)
        return track.order

    async def look(self, track: Track) -> bool:
        """Ask the venue how an order stands, and take it; False = it cannot say, or does not know it."""
        try:
            report = await self._gateways[track.order.request.provider].query(ref_of(track.order))
        except VenueError as error:
            log.warning("order %s was not looked up: %s", track.order.wire_order_id, error)
            return False
        if report is None:
            return False
        self.take(track, report)
        return True

    def _track(self, key: OrderKey) -> Track:
        track = self.ledger.of_key(key)
        if track is None:
            raise UnknownSymbolError(f"{key[0]} has no order {key[1]}", op="order.find")
        return track

    # -- what venues say --------------------------------------------------------------------------------------

    def on_report(self, report: VenueReport) -> None:
        """One report, in the order in which the venue sent them; one that cannot be taken is kept, and told."""
        try:
            self._take(report)
        except Exception:
            log.exception("a report of %s cannot be taken", report.provider)
            self._tell_foreign(report)
            track = self.ledger.tracker.find(report)
            if track is not None:
                self.on_unknown(track)

    def _take(self, report: VenueReport) -> None:
        track = self.ledger.tracker.find(report)
        if track is not None and canonical(track.order.wire_order_id) not in self._finding:
            self.take(track, report)
            return
        wire = canonical(report.wire_order_id)
        if wire in self._finding:
            self._finding[wire].append(report)
        elif self._wire_ids.decode(report.wire_order_id) is not None:
            # Ours, and forgotten: it ended long ago, or this engine has just started.
            self._finding[wire] = [report]
            self._spawn(self._find(wire, report.wire_order_id))
        else:
            self._tell_foreign(report)

    def take(self, track: Track, report: VenueReport) -> None:
        """Take what a venue says under an order's id, unless it is of an older order: a clash, told and not taken."""
        placed_ns, order = report.order_created_ns, track.order
        is_known = order.venue_order_id is not None and order.venue_order_id == report.venue_order_id
        if placed_ns is None or is_known or placed_ns + OLDER_BY_NS > order.created_ns:
            self.ledger.take(track, report)
            return
        self.ledger.counts.anomalies[report.provider, "conflict"] += 1
        log.error("%s tells of an older order under id %s: conflict", report.provider, report.wire_order_id)
        self._tell_foreign(report)

    async def _find(self, wire: str, wire_order_id: str) -> None:
        found = None
        try:
            found = await self._journal.find(wire_order_id)
        except JournalError as error:
            log.error("order %s was not looked up in the journal: %s", wire_order_id, error)
        reports = self._finding.pop(wire)
        track = None if found is None else self.ledger.restore(found)
        for report in reports:
            if track is None:
                self._tell_foreign(report)
            else:
                self.take(track, report)

    def _tell_foreign(self, report: VenueReport) -> None:
        """An order of others on the account: kept, told, touched by nobody (JRN-09)."""
        self._foreign(report.provider, report.venue_order_id or report.wire_order_id, msgspec.json.encode(report))

    def on_gateway_state(self, provider: str, is_up: bool, cause: str) -> None:
        """A gateway can take orders and hears of them now, or no longer."""
        self.on_gateway(provider, is_up, cause)


def ref_of(order: Order) -> OrderRef:
    """What cancels and queries need of an order."""
    return OrderRef(
        wire_order_id=order.wire_order_id,
        symbol=order.request.symbol,
        venue_order_id=order.venue_order_id,
        created_ns=order.created_ns,
    )


def _is_room(found: RoomPort | RefusalPort) -> TypeIs[RoomPort]:
    return hasattr(found, "release")


def _unjournaled(error: EngineError) -> SubmitReason:
    """Why an order is refused whose intent could not be kept."""
    if isinstance(error, ConflictError):
        return SubmitReason(code="conflict", breach=Breach.ORDER_VALIDATION, text=error.reason)
    return SubmitReason(code="unavailable", breach=Breach.JOURNAL_UNAVAILABLE, text=error.reason)


def _text(value: object) -> str | None:
    return None if value is None else f"{value}"
