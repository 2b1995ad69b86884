"""The orders of a live engine: journal, risk, desk and reconciliation, wired to its providers' gateways."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from engine.base.errors import JournalError, UnavailableError, UnknownSymbolError
from engine.base.workers import TaskScope
from engine.config.sections_providers import ProviderConfig
from engine.orders.asking import order_of
from engine.orders.desk import OrderDesk
from engine.orders.idempotency import TakenIds
from engine.orders.journal import Journal
from engine.orders.ledger import Ledger
from engine.orders.limits import replaced
from engine.orders.outbox import Outbox
from engine.orders.reconcile import Reconciler
from engine.orders.records import Recovered
from engine.orders.refusals import RiskChange, hold_change
from engine.orders.risk import Risk
from engine.orders.telling import Teller
from engine.orders.tracker import Tracker
from engine.orders.wireid import WireIds
from engine.providers.session import Session
from engine.runtime.assembly import Engine
from engine.runtime.deliveries import Deliveries
from engine.schema.approved import ApprovedOrder
from engine.schema.command import Outcome
from engine.schema.gateway import OrderGateway, WireIdStyle
from engine.schema.order import (
    Breach,
    Order,
    OrderKey,
    OrderRef,
    OrderRequest,
    Reason,
    RiskScope,
    SendOutcome,
    Sent,
    SubmitReason,
    SubmitReply,
    VenueFill,
    VenueReport,
)
from engine.schema.orderrecords import order_record
from engine.schema.payloads import SubmitRequest

NS = 1_000_000_000
TICK_S = 1.0
"""How often ended orders are let go of, breakers closed, and deliveries noted."""
_HELD = "orders are being reconciled"
_OVERDUE = "orders are not reconciled in time; `engine-run ctl risk clear --provider NAME` lets new ones go"
CANCEL_WITHIN_S = 5.0
"""At the end, for open orders of providers with `on_stop: cancel`."""
log = logging.getLogger("engine.runtime")


async def _guarded(work: Coroutine[Any, Any, None]) -> None:
    """A bug of one order ends neither the others nor the engine."""
    try:
        await work
    except Exception:
        log.exception("an order was left as it stands")


class NoGateway:
    """In the place of a gateway that is not there: its provider is stopped, or its key is no key."""

    wire_id_style = WireIdStyle.HYPHENS
    is_up = False

    def __init__(self, provider: str) -> None:
        self.provider = provider

    async def submit(self, approved: ApprovedOrder) -> SendOutcome:
        """Nothing leaves."""
        return self._refusal()

    async def cancel(self, order: OrderRef) -> SendOutcome:
        """Nothing leaves."""
        return self._refusal()

    async def query(self, order: OrderRef) -> VenueReport | None:
        """Raises:
        UnavailableError: always.
        """
        raise self._error()

    async def open_orders(self) -> list[VenueReport]:
        """As query()."""
        raise self._error()

    async def fills(self, symbols: Sequence[str], since_ns: int) -> list[VenueFill]:
        """As query()."""
        raise self._error()

    async def close(self) -> None:
        """Nothing is open."""

    def _refusal(self) -> SendOutcome:
        return SendOutcome(sent=Sent.NOT_SENT, reason=Reason(code="unavailable", text=self._error().reason))

    def _error(self) -> UnavailableError:
        return UnavailableError("its orders cannot be reached", op="order.send", provider=self.provider)


class Gateways(Mapping[str, OrderGateway]):
    """The gateways of the providers that may send orders, as their sessions come and go."""

    def __init__(self, providers: tuple[str, ...], sessions: Mapping[str, Session]) -> None:
        self._providers = providers
        self._sessions = sessions

    def __getitem__(self, provider: str) -> OrderGateway:
        session = self._sessions.get(provider)
        gateway = None if session is None else session.gateway
        return NoGateway(provider) if gateway is None else gateway

    def __iter__(self) -> Iterator[str]:
        return iter(self._providers)

    def __len__(self) -> int:
        return len(self._providers)


class LiveOrders:
    """Owned by the live engine, on its loop. open() before its sessions start, close() after they have ended.

    Args:
        engine: whose consumers send orders.
        providers: that are open, those without orders among them.
        sessions: by provider; the live engine's own.
        scope: runs tasks that end with the sessions.
    """

    def __init__(
        self,
        engine: Engine,
        providers: Sequence[ProviderConfig],
        sessions: Mapping[str, Session],
        scope: TaskScope,
    ) -> None:
        config, now_ns, tell = engine.config, engine.clock.now, engine.reporting.tell
        self._engine = engine
        self._scope = scope
        sending = [one for one in providers if one.orders.enabled]
        self._enabled = tuple(one.name for one in sending)
        self._cancelled_on_stop = [one.name for one in sending if one.orders.on_stop == "cancel"]
        self._ids_kept_ns = config.orders.dedupe_retention_s * NS
        self.gateways = Gateways(self._enabled, sessions)
        self.journal = Journal(
            config.journal, Path(config.engine.state_dir), engine.clock,
            dedupe_retention_s=config.orders.dedupe_retention_s, on_state=self._journal_became, on_kept=self._kept,
        )  # fmt: skip
        self.outbox = Outbox(lambda: self.journal.works, now_ns)
        self.risk = Risk(
            config.risk, engine.clock, engine.shelf, on_change=self._risk_changed, keep=self.journal.risk_state
        )
        self.teller = Teller(engine.recycler, engine.offer_made, now_ns, self.outbox.put)
        self.wire_ids = WireIds(config.engine.namespace)
        self.ledger = Ledger(
            Tracker(self._ids_kept_ns),
            TakenIds(engine.clock, self._ids_kept_ns),
            self.teller,
            self.journal,
            self.risk,
            tell,
            engine.reporting.tell_as,
            now_ns,
        )
        self.desk = OrderDesk(
            risk=self.risk,
            journal=self.journal,
            ledger=self.ledger,
            wire_ids=self.wire_ids,
            gateways=self.gateways,
            is_trading=engine.switches.is_enabled,
            refusal_now=self._refusal_now,
            spawn=self._spawn,
            tell=tell,
            foreign=engine.reporting.foreign_order,
            now_ns=now_ns,
        )
        self.reconciler = Reconciler(
            self.desk, self.risk, self.gateways, self._spawn, now_ns, config.orders.reconcile_timeout_s
        )
        self.reconciler.on_overdue = self._overdue
        self.deliveries = Deliveries(engine.runners, self.teller, self.journal.delivered, self.desk.open_tracks)
        self.teller.on_told = self.deliveries.told

    # -- start and end ----------------------------------------------------------------------------------------

    async def open(self) -> None:
        """Read the journal, before any submit is taken (JRN-06). One that cannot be read stops orders, nothing else."""
        catalogue = self._engine.catalogue
        for record in catalogue:
            self.risk.set_instrument(record)
        catalogue.on_kept = self.risk.set_instrument
        self._engine.commands.orders.desk = self
        for provider in self._enabled:
            self._risk_changed(hold_change(provider, True, "its orders are not reconciled yet", None))
        try:
            self.journal.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            found = await self.journal.open()
        except (JournalError, OSError) as error:
            log.error("%s", error)
            self._engine.reporting.tell("journal.failed", operation="open", error=str(error))
            return
        self._restore(found)
        self.risk.set_journal(True)

    def start(self) -> None:
        """Begin what goes on beside the orders."""
        self._scope.start(self._tick())

    async def close(self) -> None:
        """Write what is queued. Idempotent."""
        self._engine.commands.orders.desk = None
        self._engine.catalogue.on_kept = lambda record: None
        self._engine.audience.on_joined = lambda consumer_id: None
        with suppress(JournalError):
            await self.journal.settled()
        self.outbox.flush()
        self.deliveries.confirm()
        await self.journal.close()

    async def part(self) -> None:
        """Cancel what is open where the configuration says so, while the venues can still be told."""
        tracks = [track for name in self._cancelled_on_stop for track in self.desk.open_tracks(None, name)]
        if tracks:
            with suppress(TimeoutError):
                async with asyncio.timeout(CANCEL_WITHIN_S), TaskScope() as scope:
                    await asyncio.wait([scope.start(self.desk.cancel_track(track)) for track in tracks])

    def _restore(self, found: Recovered) -> None:
        self.risk.restore(found.positions, found.kill)
        for order in found.orders:
            self.wire_ids.register(order.request.consumer_id)
            self.ledger.restore(order)
        self.reconciler.last_fill_ns.update(found.last_fill_ns)
        self.deliveries.restore(found.undelivered)
        self._engine.audience.on_joined = self.deliveries.joined

    def _spawn(self, work: Coroutine[Any, Any, None]) -> object:
        return self._scope.start(_guarded(work))

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(TICK_S)
            now_ns = self._engine.clock.now()
            self.risk.do_work(now_ns)
            self.ledger.forget(now_ns)
            self.deliveries.confirm()
            if count := self.outbox.let_overdue_go():
                late = f"{count} reports are told before they are kept: the disk takes more than a second"
                self._engine.reporting.tell("journal.failed", operation="commit", error=late)

    def _kept(self, report_no: int) -> None:
        self.outbox.kept(report_no)

    # -- what holds orders back -------------------------------------------------------------------------------

    def _refusal_now(self, request: OrderRequest) -> SubmitReason | None:
        """What came between, since risk looked."""
        if self.risk.kill.is_on:
            return SubmitReason(code="unavailable", breach=Breach.KILL_SWITCH, text="the kill switch is on")
        if not self.gateways[request.provider].is_up:
            text = "the provider takes no orders now"
            return SubmitReason(code="unavailable", breach=Breach.PROVIDER_DOWN, text=text)
        if not self.reconciler.is_settled(request.provider):
            text = "orders of this provider are being reconciled"
            return SubmitReason(code="unavailable", breach=Breach.RECONCILING, text=text)
        return None

    def _journal_became(self, works: bool, cause: str) -> None:
        self.risk.set_journal(works)
        if not works:
            self.outbox.flush()
            self._engine.reporting.tell("journal.failed", operation="commit", error=cause)

    def _risk_changed(self, change: RiskChange) -> None:
        scope = change.scope
        self._engine.reporting.tell(
            "risk.state",
            control=change.control.name.lower(),
            status=change.status.name.lower(),
            scope=":".join(part or "*" for part in (scope.consumer_id, scope.provider, scope.symbol)),
        )
        self.teller.risk(
            change.status, change.control, scope, change.text, breach=change.breach or Breach.NONE,
            breach_count=change.breach_count, until_ns=change.until_ns, operator=change.operator or "",
        )  # fmt: skip
        if change.cancel_open:
            self.cancel_all(None, None, None)

    def _overdue(self, provider: str, seconds: float) -> None:
        log.error("%s orders are not reconciled after %.0f s; new ones are refused until they are", provider, seconds)

    # -- what commands ask ------------------------------------------------------------------------------------

    def submit(
        self,
        asked: SubmitRequest,
        consumer_id: str,
        trace_id: str,
        done: Callable[[SubmitReply], None],
        *,
        was_trading: bool = True,
    ) -> None:
        """Take an order; done(reply) is called once. *was_trading*: its owner's switch was on when it was asked for.

        Raises:
            MisuseError: it is none.
            ConflictError: the consumer's orders cannot be told from another's.
        """
        self.wire_ids.register(consumer_id)
        listed = self._engine.catalogue.of_symbol(asked.symbol)
        request = order_of(
            asked,
            consumer_id,
            {name: record for name, record in listed.items() if name in self._enabled},
            now_ns=self._engine.clock.now(),
            timeout_ms=self._engine.config.orders.request_timeout_ms,
            trace_id=trace_id,
        )
        self.desk.submit(request, done, was_trading=was_trading)

    def cancel(self, key: OrderKey, done: Callable[[Outcome], None]) -> None:
        """Ask for an order's end; done(order) once.

        Raises:
            UnknownSymbolError: it is not known.
        """
        self._answer(self.desk.order(key), self.desk.cancel(key), done)

    def query(self, key: OrderKey, done: Callable[[Outcome], None]) -> None:
        """Ask how an order stands; as cancel()."""
        self._answer(self.desk.order(key), self.desk.query(key), done)

    def _answer(self, known: Order, work: Coroutine[Any, Any, Order], done: Callable[[Outcome], None]) -> None:
        async def asked() -> None:
            done(order_record(await work))

        self._spawn(asked())

    def cancel_all(self, consumer_id: str | None, provider: str | None, symbol: str | None) -> int:
        """Ask for the end of all open orders of a consumer, or of all; how many."""
        tracks = self.desk.open_tracks(consumer_id, provider, symbol)
        for track in tracks:
            self._spawn(self.desk.cancel_track(track))
        return len(tracks)

    def set_limits(self, scope: RiskScope, limits: Mapping[str, object]) -> Outcome:
        """Other limits, in force at once; answers all that are in force.

        Raises:
            ValidationError: they cannot be, and nothing has changed.
        """
        self.risk.set_config(replaced(self.risk.config, scope, limits))
        return self.limits()

    def limits(self) -> Outcome:
        """All limits in force."""
        in_force = self.risk.config
        return {
            "limits": in_force.limits.model_dump(mode="json"),
            "overrides": [rule.model_dump(mode="json", exclude_none=True) for rule in in_force.overrides],
        }

    def faults(self) -> dict[str, str]:
        """What keeps orders from being taken, by ``journal`` and by provider; empty is how it should be."""
        found = {} if self.journal.is_available else {"journal": self.journal.cause or "it is not open"}
        unsettled = [name for name in self._enabled if not self.reconciler.is_settled(name)]
        return found | {name: _OVERDUE if self.reconciler.is_overdue(name) else _HELD for name in unsettled}

    def set_kill(self, is_on: bool, operator: str, text: str) -> None:
        """Refuse every new order, or no longer."""
        self.risk.set_kill(is_on, operator, text)

    def clear_breaker(self, consumer_id: str, operator: str) -> bool:
        """Close a consumer's breaker before its time; False = it was not open."""
        return self.risk.clear_breaker(consumer_id, operator)

    def release(self, provider: str, operator: str) -> bool:
        """Let orders go to a provider whose reconciliation takes too long; False = it is not held.

        Raises:
            UnknownSymbolError: no such provider sends orders.
            CapacityError: it is not overdue, or the provider is down.
        """
        if provider not in self._enabled:
            raise UnknownSymbolError(f"no provider {provider} sends orders", op="risk.clear")
        return self.reconciler.release(provider, operator)

    def held(self) -> list[Outcome]:
        """Providers whose orders are not reconciled, and which of them an operator may release."""
        return [
            {"provider": name, "is_overdue": self.reconciler.is_overdue(name)}
            for name in self._enabled
            if not self.reconciler.is_settled(name)
        ]
