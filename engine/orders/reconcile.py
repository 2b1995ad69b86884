"""What became of orders while nobody heard: looked up after each start, each reconnect and each lost answer.

1. From the moment a gateway is up until all is settled its provider is held: no new order (JRN-06, ORDM-08).
2. The venue is asked for its open orders, then for each order it did not name, then for fills since the last known.
3. Fills are taken first: each has its own id and price. Then what the venue says of each order.
4. An order that the venue does not know is asked for again, at least a second later, before it counts as not there.
5. An order in a gateway's hands is left alone: its outcome says how it stands.
6. A venue that cannot be asked is asked again, 1 s later, then twice as long each time, up to 30 s (ORDM-10).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass

import msgspec

from engine.base.errors import CapacityError, VenueError
from engine.orders.desk import OrderDesk, Spawn, ref_of
from engine.orders.lifecycle import Track
from engine.orders.ports import RiskPort
from engine.orders.wireid import canonical
from engine.schema.gateway import OrderGateway
from engine.schema.order import (
    OrderState,
    ReportKind,
    ReportSource,
    VenueFill,
    VenueReport,
)

FIRST_WAIT_S = 1.0
LAST_WAIT_S = 30.0
LOOKS_BEFORE_GONE = 2
FILLS_BEFORE_NS = 5_000_000_000
"""Fills are asked for from a little before the last known one: stamps are of the venue's clock."""
log = logging.getLogger("engine.orders")


@dataclass
class Side:
    """One provider's reconciliation. *generation* grows with each up and down: what began before is void."""

    generation: int = 0
    is_up: bool = False
    is_held: bool = True
    since_ns: int = 0
    """When it came up."""


class Reconciler:
    """Owned by the desk's runtime, used on the engine's loop.

    Args:
        desk: the orders, and how they are looked up.
        risk: holds and lets go.
        gateways: by provider.
        spawn: runs a task that ends with the engine.
        now_ns: the engine's clock.
        timeout_s: after so long an operator is told that it is not settled.
        sleep: waits; a test passes its own.
    """

    def __init__(
        self,
        desk: OrderDesk,
        risk: RiskPort,
        gateways: Mapping[str, OrderGateway],
        spawn: Spawn,
        now_ns: Callable[[], int],
        timeout_s: float,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        self._desk = desk
        self._risk = risk
        self._gateways = gateways
        self._spawn = spawn
        self._now_ns = now_ns
        self._timeout_s = timeout_s
        self._sleep = sleep
        self._sides = {provider: Side() for provider in gateways}
        self._looking: set[str] = set()
        self.last_fill_ns: dict[tuple[str, str], int] = {}
        """By (provider, symbol): when its last known fill came."""
        self.on_overdue: Callable[[str, float], None] = lambda provider, seconds: None
        """Called as on_overdue(provider, seconds) once a reconciliation takes longer than it may."""
        desk.on_gateway = self.gateway_became
        desk.on_unknown = self.look_until_known
        desk.ledger.on_doubt = self.look_until_known

    # -- up and down ------------------------------------------------------------------------------------------

    def gateway_became(self, provider: str, is_up: bool, cause: str) -> None:
        """A gateway is up: hold and reconcile. It is down: no order, and nothing of its own is settled any more."""
        side = self._sides.setdefault(provider, Side())
        side.generation += 1
        side.is_up = is_up
        side.is_held = True
        side.since_ns = self._now_ns()
        self._risk.set_provider(provider, is_up)
        if is_up:
            self._risk.hold(provider, True, "its orders are being reconciled")
            self._spawn(self._run(provider, side.generation))

    def is_settled(self, provider: str) -> bool:
        """Whether new orders may go there, as far as this goes."""
        side = self._sides.get(provider)
        return side is not None and side.is_up and not side.is_held

    def is_overdue(self, provider: str) -> bool:
        """Whether a provider that is up is held for longer than it may."""
        side = self._sides.get(provider)
        return side is not None and side.is_up and side.is_held and self._held_s(side) > self._timeout_s

    def _held_s(self, side: Side) -> float:
        return (self._now_ns() - side.since_ns) / 1e9

    def release(self, provider: str, operator: str) -> bool:
        """Let new orders go though not every old one is settled; the venue is asked on. False = it is not held.

        Raises:
            CapacityError: it is not overdue, or the provider is down.
        """
        if self.is_settled(provider):
            return False
        side = self._sides[provider]
        if not side.is_up:
            raise CapacityError("the provider takes no orders now", op="risk.clear", provider=provider)
        if not self.is_overdue(provider):
            so_far = f"its orders are being reconciled for {self._held_s(side):.0f} s"
            raise CapacityError(f"{so_far}; that may take {self._timeout_s:g} s", op="risk.clear", provider=provider,
                                hint="ask again once it is overdue")  # fmt: skip
        log.warning("%s is released by %s before its orders are reconciled", provider, operator)
        side.is_held = False
        self._risk.hold(provider, False, "released by command before its orders are reconciled", operator)
        return True

    async def _run(self, provider: str, generation: int) -> None:
        side, waits, is_told = self._sides[provider], _waits(), False
        while side.generation == generation:
            try:
                if await self._settle(provider, side, generation):
                    break
            except VenueError as error:
                log.warning("%s orders are not reconciled yet: %s", provider, error)
            if self.is_overdue(provider) and not is_told:
                is_told = True
                self.on_overdue(provider, self._held_s(side))
            await self._sleep(next(waits))
        if side.generation == generation:
            side.is_held = False
            self._risk.hold(provider, False, "its orders are reconciled")

    async def _settle(self, provider: str, side: Side, generation: int) -> bool:
        """One round; True = every order is settled with the venue.

        Raises:
            VenueError: the venue cannot be asked.
        """
        gateway, tracker = self._gateways[provider], self._desk.ledger.tracker
        mine = [track for track in tracker.open_orders(provider=provider) if not self._desk.is_sending(track)]
        rows = await gateway.open_orders()
        named = {canonical(row.wire_order_id) for row in rows}
        named |= {row.venue_order_id for row in rows if row.venue_order_id is not None}
        missing = [
            track for track in mine
            if canonical(track.order.wire_order_id) not in named and track.order.venue_order_id not in named
        ]  # fmt: skip
        told = [(track, await gateway.query(ref_of(track.order))) for track in missing]
        fills = await self._fills(gateway, provider)
        if side.generation != generation:
            return False
        for fill in fills:
            self._take_fill(provider, fill)
        for row in rows:
            self._desk.on_report(_reconciled(row))
        gone = []
        for track, report in told:
            if report is not None:
                self._desk.take(track, _reconciled(report))
            elif track.order.is_open:
                gone.append(track)
        if gone:
            await self._sleep(FIRST_WAIT_S)
            for track in gone:
                await self._second_look(gateway, track)
        return not any(self._is_open_question(track) for track in mine)

    async def _second_look(self, gateway: OrderGateway, track: Track) -> None:
        report = await gateway.query(ref_of(track.order))
        if not track.order.is_open:
            return
        if report is None:
            self._desk.not_placed(track)
        else:
            self._desk.take(track, _reconciled(report))

    @staticmethod
    def _is_open_question(track: Track) -> bool:
        return track.order.state is OrderState.UNKNOWN

    async def _fills(self, gateway: OrderGateway, provider: str) -> list[VenueFill]:
        """Fills of our symbols since the last known one."""
        tracker = self._desk.ledger.tracker
        oldest: dict[str, int] = {}
        for track in tracker.open_orders(provider=provider):
            symbol = track.order.request.symbol
            oldest[symbol] = min(oldest.get(symbol, track.order.created_ns), track.order.created_ns)
        for (where, symbol), ts_ns in self.last_fill_ns.items():
            if where == provider:
                oldest[symbol] = min(oldest.get(symbol, ts_ns), ts_ns)
        if not oldest:
            return []
        return list(await gateway.fills(sorted(oldest), min(oldest.values()) - FILLS_BEFORE_NS))

    def _take_fill(self, provider: str, fill: VenueFill) -> None:
        key = (provider, fill.symbol)
        report = VenueReport(
            provider=provider,
            kind=ReportKind.PARTIAL,
            source=ReportSource.RECONCILE,
            ts_recv_ns=self._now_ns(),
            wire_order_id=fill.wire_order_id,
            venue_order_id=fill.venue_order_id,
            symbol=fill.symbol,
            exec_id=fill.exec_id,
            side=fill.side,
            last_qty=fill.qty,
            last_price=fill.price,
            liquidity=fill.liquidity,
            fees=fill.fees,
            ts_venue_ns=fill.ts_venue_ns,
        )
        track = self._desk.ledger.tracker.find(report)
        if track is not None:
            self._desk.take(track, report)
            self.last_fill_ns[key] = max(self.last_fill_ns.get(key, 0), report.ts_recv_ns)

    # -- one order --------------------------------------------------------------------------------------------

    def look_until_known(self, track: Track) -> None:
        """Look an order up until it is known how it stands (ORDM-10)."""
        wire = canonical(track.order.wire_order_id)
        if wire not in self._looking:
            self._looking.add(wire)
            self._spawn(self._look(track, wire))

    async def _look(self, track: Track, wire: str) -> None:
        gateway = self._gateways[track.order.request.provider]
        seen = track.order.order_report_seq
        unknown_looks = 0
        try:
            for wait_s in _waits():
                await self._sleep(wait_s)
                if not track.order.is_open or track.order.order_report_seq != seen:
                    return
                if not gateway.is_up:
                    continue
                try:
                    report = await gateway.query(ref_of(track.order))
                except VenueError as error:
                    log.warning("order %s was not looked up: %s", track.order.wire_order_id, error)
                    continue
                if not track.order.is_open or track.order.order_report_seq != seen:
                    return
                if report is not None:
                    self._desk.take(track, _reconciled(report))
                    return
                unknown_looks += 1
                if unknown_looks >= LOOKS_BEFORE_GONE:
                    self._desk.not_placed(track)
                    return
        finally:
            self._looking.discard(wire)


def _waits() -> Iterator[float]:
    wait_s = FIRST_WAIT_S
    while True:
        yield wait_s
        wait_s = min(LAST_WAIT_S, wait_s * 2)


def _reconciled(report: VenueReport) -> VenueReport:
    return msgspec.structs.replace(report, source=ReportSource.RECONCILE)
