"""A desk whose risk, journal, gateway and time are in a test's hands."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any, Self

from engine.base.clock import ManualClock
from engine.base.errors import EngineError, JournalError, NetworkError
from engine.base.workers import TaskScope
from engine.orders.desk import OrderDesk
from engine.orders.idempotency import TakenIds
from engine.orders.ledger import Ledger
from engine.orders.reconcile import Reconciler
from engine.orders.records import Intended, RecoveredOrder, ReportRecord
from engine.orders.telling import Teller
from engine.orders.tracker import Tracker
from engine.orders.wireid import WireIds
from engine.pools.recycler import Recycler
from engine.schema.event import Event
from engine.schema.gateway import WireIdStyle
from engine.schema.order import (
    Breach,
    OrderRef,
    OrderRequest,
    OrderState,
    ReportKind,
    SendOutcome,
    Sent,
    SubmitReason,
    SubmitReply,
    VenueFill,
    VenueReport,
)
from tests.unit.event_kit import recycler
from tests.unit.orders.orderkit import report, request

HOUR_NS = 3600 * 1_000_000_000


class Room:
    """Room that is counted."""

    def __init__(self, risk: Risk) -> None:
        self.risk = risk
        self.is_open = True
        self.filled = 0
        risk.taken += 1

    def fill(self, qty_raw: int, fees: Any = ()) -> None:
        self.filled += qty_raw
        self.risk.position += qty_raw

    def release(self) -> bool:
        was, self.is_open = self.is_open, False
        self.risk.taken -= was
        return was


class Refused:
    """A refusal of risk."""

    limit = actual = None

    def __init__(self, breach: Breach) -> None:
        self.breach = breach
        self.reason = SubmitReason(code="unavailable", breach=breach, text=breach.name)


class Risk:
    """Lets everything pass that it was not told to refuse."""

    def __init__(self) -> None:
        self.breach = Breach.NONE
        self.late = Breach.NONE
        """Found at the last moment."""
        self.taken = self.position = self.checked = 0
        self.held: list[bool] = []
        self.is_up: list[bool] = []

    def check(self, asked: OrderRequest, is_trading: bool) -> Room | Refused:
        self.checked += 1
        if not is_trading:
            return Refused(Breach.TRADING_OFF)
        return Refused(self.breach) if self.breach else Room(self)

    def approve(self, reservation: Room, wire_order_id: str) -> Any:
        assert reservation.is_open
        return reservation, wire_order_id

    def adopt(self, asked: OrderRequest, left_qty_raw: int) -> Room:
        return Room(self)

    def hold(self, provider: str, is_held: bool, text: str = "", operator: str | None = None) -> None:
        self.held.append(is_held)

    def set_provider(self, provider: str, is_up: bool) -> None:
        self.is_up.append(is_up)

    def refusal_now(self, asked: OrderRequest) -> SubmitReason | None:
        return Refused(self.late).reason if self.late else None


class Journal:
    """Keeps rows in a list; *gate* is closed while the disk takes its time."""

    is_available = True

    def __init__(self) -> None:
        self.rows: list[tuple[str, Any]] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.fails = False
        self.uses: dict[tuple[str, str], int] = {}
        self.known: dict[str, RecoveredOrder] = {}
        self.on_intent: Callable[[], None] = lambda: None
        self._tasks: set[asyncio.Future[None]] = set()

    def intent(
        self, asked: OrderRequest, wire_id_of: Callable[[int], str], done: Callable[[Intended | EngineError], None]
    ) -> None:
        async def later() -> None:
            await self.gate.wait()
            done(self._kept(asked, wire_id_of))

        if self.gate.is_set():
            done(self._kept(asked, wire_id_of))
            return
        task = asyncio.ensure_future(later())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _kept(self, asked: OrderRequest, wire_id_of: Callable[[int], str]) -> Intended | EngineError:
        if self.fails:
            return JournalError("the disk is full", op="journal.intent")
        self.uses[asked.key] = self.uses.get(asked.key, 0) + 1
        wire = wire_id_of(self.uses[asked.key])
        self.rows.append(("intent", wire))
        self.on_intent()
        return Intended(wire, self.uses[asked.key])

    def withdraw(self, wire_order_id: str) -> None:
        self.rows.append(("withdraw", wire_order_id))

    def sent(self, wire_order_id: str, outcome: Sent, venue_order_id: str | None = None) -> None:
        self.rows.append(("sent", outcome))

    def report(self, record: ReportRecord) -> int:
        self.rows.append(("report", record))
        return len(self.rows)

    async def find(self, wire_order_id: str) -> RecoveredOrder | None:
        await asyncio.sleep(0)
        return self.known.get(wire_order_id)

    def names(self) -> list[str]:
        return [name for name, _ in self.rows]

    def reports(self) -> list[ReportRecord]:
        return [row for name, row in self.rows if name == "report"]


class Gateway:
    """Answers as it is told; counts what would have left."""

    provider = "kraken"
    wire_id_style = WireIdStyle.HEX

    def __init__(self, journal: Journal) -> None:
        self.journal = journal
        self.is_up = True
        self.outcome: Any = SendOutcome(sent=Sent.TAKEN)
        self.placed: list[str] = []
        self.asked: list[str] = []
        self.cancelled: list[str] = []
        self.answers: list[VenueReport | None] = []
        """What queries get, in their order; none left = the network is away."""
        self.rows: Sequence[VenueReport] = ()
        self.fill_rows: Sequence[VenueFill] = ()
        self.since: list[int] = []
        self.while_sending: Callable[[str], None] = lambda wire: None
        self.cancel_outcome = SendOutcome(sent=Sent.TAKEN)

    def submit(self, approved: Any) -> Awaitable[SendOutcome]:
        wire = approved[1]
        assert ("intent", wire) in self.journal.rows, "it left before it was journaled"
        self.placed.append(wire)
        self.while_sending(wire)
        return self._answered()

    async def _answered(self) -> SendOutcome:
        await asyncio.sleep(0)
        if isinstance(self.outcome, Exception):
            raise self.outcome
        found: SendOutcome = self.outcome
        return found

    async def cancel(self, order: OrderRef) -> SendOutcome:
        self.cancelled.append(order.wire_order_id)
        return self.cancel_outcome

    async def query(self, order: OrderRef) -> VenueReport | None:
        self.asked.append(order.wire_order_id)
        if not self.answers:
            raise NetworkError("no route", op="order.query")
        return self.answers.pop(0)

    async def open_orders(self) -> Sequence[VenueReport]:
        return self.rows

    async def fills(self, symbols: Sequence[str], since_ns: int) -> Sequence[VenueFill]:
        self.since.append(since_ns)
        return self.fill_rows

    async def close(self) -> None:
        self.is_up = False


def at_once(report_no: int, go: Callable[[], None]) -> None:
    """A journal that has every report by the time it is told."""
    go()


class Story:
    """One desk inside a loop; ``async with``."""

    def __init__(self) -> None:
        self.clock = ManualClock(1_700_000_000_000_000_000)
        self.risk, self.journal = Risk(), Journal()
        self.gateway = Gateway(self.journal)
        self.pools: Recycler = recycler(64)
        self.events: list[Event] = []
        self.told: list[tuple[str, dict[str, Any]]] = []
        self.foreign: list[str] = []
        self.switch = True
        self.waits: list[float] = []
        self.replies: list[SubmitReply] = []
        self.scope = TaskScope()
        tell = lambda kind, **row: self.told.append((kind, row))  # noqa: E731
        gateways: Any = {"kraken": self.gateway}
        risk: Any = self.risk
        self.ledger = Ledger(
            Tracker(HOUR_NS), TakenIds(self.clock, HOUR_NS), Teller(self.pools, self._offer, self.clock.now, at_once), self.journal, risk, tell,
            lambda severity, kind, **row: self.told.append((kind, row | {"severity": severity.name})), self.clock.now,
        )  # fmt: skip
        self.desk = OrderDesk(
            risk=risk, journal=self.journal, ledger=self.ledger, wire_ids=WireIds(1), gateways=gateways,
            is_trading=lambda consumer_id: self.switch, refusal_now=self.risk.refusal_now, spawn=self._spawn, tell=tell,
            foreign=lambda provider, venue_order_id, raw: self.foreign.append(venue_order_id), now_ns=self.clock.now,
        )  # fmt: skip
        self.reconciler = Reconciler(self.desk, risk, gateways, self._spawn, self.clock.now, 30.0, self._sleep)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> object:
        return self.scope.start(work)

    def _offer(self, lease: Any) -> None:
        self.events.append(lease.event().detach())
        lease.release()

    async def _sleep(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.clock.advance(int(seconds * 1e9))
        await asyncio.sleep(0)

    async def __aenter__(self) -> Self:
        await self.scope.__aenter__()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        self.scope.cancel()
        await self.scope.__aexit__(*exc_info)

    async def turn(self) -> None:
        """Let everything come to rest that waits for nothing."""
        for _ in range(50):
            await asyncio.sleep(0)

    async def waited(self, count: int) -> None:
        """Until the engine has waited *count* times."""
        while len(self.waits) < count:  # noqa: ASYNC110 - waits take no time here
            await asyncio.sleep(0)

    def submit(self, client_order_id: str = "mm1-000017", **changes: Any) -> None:
        """Ask for an order; its answer is among *replies*."""
        self.desk.submit(request(client_order_id=client_order_id, **changes), self.replies.append)

    async def placed(self, client_order_id: str = "mm1-000017", **changes: Any) -> SubmitReply:
        """An order that was sent, and its answer."""
        count = len(self.replies)
        self.submit(client_order_id, **changes)
        await self.turn()
        assert len(self.replies) == count + 1
        return self.replies[-1]

    def says(self, kind: ReportKind, total: str | None = None, last: str | None = None, exec_id: str | None = None, **more: Any) -> VenueReport:
        """What the venue says of the last order that was placed."""
        return report(kind, total, last, exec_id, wire_order_id=more.pop("wire", self.gateway.placed[-1]), **more)

    def state(self, client_order_id: str = "mm1-000017", consumer_id: str = "mm1") -> OrderState:
        return self.desk.order((consumer_id, client_order_id)).state

    def kinds(self) -> list[str]:
        """What owners were told, in its order."""
        return [f"{event.report.name.lower()}:{event.order_state.name.lower()}" for event in self.events]  # type: ignore[attr-defined]


def run(tale: Callable[[Story], Awaitable[None]]) -> None:
    """A tale in a loop of its own; at its end no room is taken that no open order holds, and no event is out."""

    async def whole() -> None:
        async with Story() as story:
            await tale(story)
            await story.turn()
            assert story.risk.taken == len(story.desk.open_tracks(None))
            assert story.pools.statistics().balanced

    asyncio.run(whole())
