"""The order gateways at the simulated venues, over sockets: either was written by the venues' documents alone."""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from decimal import Decimal
from random import Random
from typing import Any

import pytest

from engine.base.clock import SystemClock
from engine.base.secrets import forget_secrets
from engine.config.load import default_config
from engine.config.sections_providers import CredentialsConfig, ProviderConfig, ProviderOrdersConfig
from engine.providers.ordergateway import Gateway
from engine.providers.session import Session
from engine.runtime.assembly import Engine
from engine.schema.approved import ApprovedOrder
from engine.schema.enums import Side
from engine.schema.gateway import WireIdStyle
from engine.schema.instrument import Instrument, OrderType, TimeInForce
from engine.schema.order import OrderRef, OrderRequest, ReportKind, Sent, VenueReport
from engine.simulator.fault_rules import read_rule
from engine.simulator.keys import KEYS
from engine.simulator.server import Simulator
from tests.unit.providers.order_kit import approved

pytestmark = [pytest.mark.system, pytest.mark.timeout(60)]

WITHIN_S = 10.0
SYMBOLS = {"binance": "BTC-USDT", "coinbase": "BTC-USD", "kraken": "BTC-USD"}


class Desk:
    """Keeps what a desk would hear, and wakes who waits for it."""

    def __init__(self) -> None:
        self.reports: list[VenueReport] = []
        self.states: list[bool] = []
        self.changed = asyncio.Event()

    def on_report(self, report: VenueReport) -> None:
        self.reports.append(report)
        self.changed.set()

    def on_gateway_state(self, provider: str, is_up: bool, cause: str) -> None:
        self.states.append(is_up)
        self.changed.set()

    async def until(self, holds: Callable[[], bool]) -> None:
        async with asyncio.timeout(WITHIN_S):
            while not holds():
                self.changed.clear()
                await self.changed.wait()


class Trading:
    """A gateway that is up at a simulated venue."""

    def __init__(self, simulator: Simulator, session: Session, desk: Desk, instrument: Instrument) -> None:
        assert session.gateway is not None
        self.simulator, self.desk, self.instrument = simulator, desk, instrument
        self.gateway: Gateway = session.gateway
        self.venue = instrument.provider
        self._count = 0

    def order(self, **fields: Any) -> ApprovedOrder:
        """By default a thousandth to buy at 60000."""
        self._count += 1
        digits = hashlib.md5(str(self._count).encode()).hexdigest()
        hyphens = f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"
        scales = self.instrument.price_scale, self.instrument.qty_scale
        given: dict[str, Any] = {
            "client_order_id": "c", "consumer_id": "mm", "provider": self.venue, "symbol": self.instrument.symbol,
            "side": Side.BUY, "order_type": OrderType.LIMIT, "qty_raw": 10 ** scales[1] // 1000,
            "price_raw": 60_000 * 10 ** scales[0], "price_scale": scales[0], "qty_scale": scales[1],
            "created_ns": time.time_ns(), "timeout_ms": 1000, **fields,
        }  # fmt: skip
        if given["order_type"] is OrderType.MARKET:
            given |= {"price_raw": None, "tif": TimeInForce.IOC}
        wire_id = digits if self.gateway.wire_id_style is WireIdStyle.HEX else hyphens
        return approved(OrderRequest(**given), wire_id, self.instrument)

    def ref(self, order: ApprovedOrder, venue_order_id: str | None = None) -> OrderRef:
        return OrderRef(
            wire_order_id=order.wire_order_id, symbol=self.instrument.symbol, venue_order_id=venue_order_id,
            created_ns=order.request.created_ns,
        )  # fmt: skip

    async def told(self, order: ApprovedOrder, kind: ReportKind) -> VenueReport:
        """The first report of a kind, awaited."""

        def found() -> list[VenueReport]:
            return [one for one in self.desk.reports if (one.wire_order_id, one.kind) == (order.wire_order_id, kind)]

        await self.desk.until(lambda: bool(found()))
        return found()[0]

    def orders(self) -> list[dict[str, Any]]:
        """The venue's truth."""
        return next(iter(self.simulator.orders(self.venue, KEYS[self.venue][0].api_key)[self.venue].values()))

    def fills(self) -> list[dict[str, Any]]:
        return next(iter(self.simulator.fills(self.venue, KEYS[self.venue][0].api_key)[self.venue].values()))


@asynccontextmanager
async def trading(name: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Trading]:
    venue: Any = name
    monkeypatch.setenv("A_KEY", KEYS[name][0].api_key)
    monkeypatch.setenv("A_SECRET", KEYS[name][0].secret)
    simulator = Simulator(symbols=1, rate_frames_per_s=200, venues=(name,))
    await simulator.start()
    addresses = simulator.endpoints[name]
    kind: Any = "hmac" if name == "binance" else None
    settings = ProviderConfig(
        name=name, venue=venue, symbols=(SYMBOLS[name],), streams=("trade",), ws_endpoint=addresses["ws"],
        ws_private_endpoint=addresses["ws_private"], rest_endpoint=addresses["rest"],
        credentials=CredentialsConfig(api_key_env="A_KEY", api_secret_env="A_SECRET", key_type=kind),
        orders=ProviderOrdersConfig(enabled=True),
    )  # fmt: skip
    config = default_config().model_copy(update={"providers": (settings,)})
    desk = Desk()
    try:
        with Engine(config, SystemClock()) as engine:
            feed = engine.open_provider(name, name)
            session = Session(feed, settings, engine.clock, tell=engine.reporting.tell, random=Random(1), reports=desk)
            engine.start()
            async with session:
                session.start(lambda instrument: None)
                await desk.until(lambda: desk.states[-1:] == [True])
                assert session.listed is not None
                yield Trading(simulator, session, desk, session.listed[SYMBOLS[name]])
    finally:
        await simulator.stop()
        forget_secrets()


@pytest.mark.parametrize("venue", SYMBOLS)
def test_an_order_lives_there_as_the_gateway_says(venue: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        async with trading(venue, monkeypatch) as it:
            began_ns = time.time_ns()
            waiting = it.order()
            assert (await it.gateway.submit(waiting)).sent is Sent.TAKEN
            await it.told(waiting, ReportKind.ACK)
            found = await it.gateway.query(it.ref(waiting))
            assert found is not None
            assert (found.kind, found.qty, found.filled_qty) == (ReportKind.ACK, Decimal("0.001"), 0)
            assert [one.wire_order_id for one in await it.gateway.open_orders()] == [waiting.wire_order_id]
            assert (await it.gateway.cancel(it.ref(waiting, found.venue_order_id))).sent is Sent.TAKEN
            await it.told(waiting, ReportKind.CANCELLED)
            assert await it.gateway.open_orders() == []

            taker = it.order(side=Side.SELL, order_type=OrderType.MARKET, qty_raw=10**it.instrument.qty_scale // 20)
            assert (await it.gateway.submit(taker)).sent is Sent.TAKEN
            filled = await it.told(taker, ReportKind.FILLED)
            truth = it.fills()
            assert (filled.filled_qty, filled.cum_notional) == (
                Decimal("0.05"), pytest.approx(sum(Decimal(one["cost"]) for one in truth), abs=Decimal("1e-9")),
            )  # fmt: skip
            fills = await it.gateway.fills([it.instrument.symbol], began_ns - 10**9)
            assert sorted((one.exec_id, one.qty, one.price) for one in fills) == sorted(
                (one["id"], Decimal(one["qty"]), Decimal(one["price"])) for one in truth
            )
            # At Coinbase the order tells them, elsewhere the fills.
            fees = [fee.amount for one in (*fills, filled) if one is not filled or filled.is_fees_total for fee in one.fees]
            assert sum(fees) == sum(Decimal(one["fee"]) for one in truth)

            refused = await it.gateway.submit(it.order(qty_raw=50 * 10**it.instrument.qty_scale))
            assert refused.sent is Sent.REFUSED
            assert refused.reason is not None
            assert refused.reason.code == "exchange_error"
            assert [one["status"] for one in it.orders()] == ["canceled", "filled"]

    asyncio.run(main())


@pytest.mark.parametrize("venue", SYMBOLS)
@pytest.mark.parametrize(
    ("fault", "sent", "is_there"),
    [
        ("lost_reply", Sent.UNKNOWN, True), ("lost_request", Sent.UNKNOWN, False), ("failed_reply", Sent.UNKNOWN, True),
        ("disconnect_after_accept", Sent.UNKNOWN, True), ("reject_order", Sent.REFUSED, False),
    ],
)  # fmt: skip
def test_what_becomes_of_an_answer_never_hides_what_became_of_the_order(
    venue: str, fault: str, sent: Sent, is_there: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main() -> None:
        async with trading(venue, monkeypatch) as it:
            rule, _ = read_rule({"fault": fault, "venue": venue})
            assert rule is not None
            it.simulator.arm([rule])
            order = it.order()
            assert (await it.gateway.submit(order)).sent is sent
            await it.desk.until(lambda: it.gateway.is_up)
            found = await it.gateway.query(it.ref(order))
            assert (found is not None) is is_there
            assert len(it.orders()) == is_there
            if found is not None:
                assert (await it.gateway.cancel(it.ref(order, found.venue_order_id))).sent is Sent.TAKEN
                assert it.orders()[0]["status"] == "canceled"

    asyncio.run(main())
