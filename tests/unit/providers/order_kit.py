"""Orders at the scripted venues: what each is asked, what it answers, what a desk hears of it, in virtual time."""

from __future__ import annotations

import json
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import parse_qs

from aiohttp import web

from engine.config.sections_providers import ProviderOrdersConfig
from engine.providers.ordergateway import Gateway
from engine.schema.approved import ApprovedOrder
from engine.schema.enums import Side
from engine.schema.instrument import Instrument, InstrumentStatus, OrderType, TimeInForce
from engine.schema.order import OrderRef, OrderRequest, VenueReport
from tests.unit.orders.risk_kit import Bench, risk_config
from tests.unit.providers.private_kit import Held, PrivateClient, PrivateVenue, held
from tests.unit.providers.virtual_time import START_NS, now_s, pass_s, reached

SPELLINGS = {"binance": "BTCUSDT", "coinbase": "BTC-USDT", "kraken": "BTC/USDT"}
WIRE_IDS = {
    "binance": "0000d833-6800-8000-89e7-dc0d75d75dbc",
    "coinbase": "0000d833-6800-8000-89e7-dc0d75d75dbc",
    "kraken": "0000d83368008000" + "89e7dc0d75d75dbc",
}
SILENCE = object()
"""An answer that does not come."""

Answer = Callable[[dict[str, Any]], Any]


def approved(request: OrderRequest, wire_id: str, of: Instrument) -> ApprovedOrder:
    """What risk makes of an order that it lets pass: nobody else can."""
    bench = Bench(risk_config(), of)
    price = 60_000 * 10**of.price_scale
    bench.top(price, price + 1, of.price_scale, of)
    return bench.risk.approve(bench.take(request), wire_id)


class OrderVenue(PrivateVenue):
    """Answers orders as a test says: by method over the socket, by path by REST; each answer in turn, the last one stays."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.script: defaultdict[str, deque[Any]] = defaultdict(deque)
        self.orders: list[tuple[float, str, Any]] = []
        """When, method or path, and what it was asked with."""

    def will(self, method: str, *answers: Any) -> None:
        """Answer *method* so from now on; a function is called with the request."""
        self.script[method] = deque(answers)

    def of(self, method: str) -> list[Any]:
        """What *method* was asked with."""
        return [asked for _, name, asked in self.orders if name == method]

    def _next(self, method: str, asked: Any) -> Any:
        self.orders.append((now_s(), method, asked))
        answers = self.script[method]
        answer = answers[0] if len(answers) == 1 else answers.popleft()
        return answer(asked) if callable(answer) else answer

    def answer(self, client: PrivateClient, message: dict[str, Any]) -> None:
        method = message.get("method", "")
        if method not in self.script:
            super().answer(client, message)
            return
        answer = self._next(method, message)
        if answer is SILENCE:
            return
        if self.name == "binance":
            client.send({"id": message["id"], "status": 200, "rateLimits": [], **answer})
        else:
            client.send({"method": method, "req_id": message["req_id"], "success": "error" not in answer, **answer})

    async def _answer(self, request: web.Request) -> web.Response:
        name = request.path.rpartition("brokerage/" if self.name == "coinbase" else "private/")[2]
        if name not in self.script:
            return await super()._answer(request)
        body = await request.read()
        if self.name == "kraken":
            asked: Any = {key: values[0] for key, values in parse_qs(body.decode()).items()}
        else:
            asked = json.loads(body) if body else dict(request.query)
        answer = self._next(name, {"headers": dict(request.headers), **asked})
        if answer is SILENCE:
            await pass_s(3600.0)
        if isinstance(answer, int):
            return web.Response(status=answer, text='{"error":"unknown","message":"not now"}')
        if isinstance(answer, tuple):
            return web.Response(status=answer[0], text=json.dumps(answer[1]), headers=answer[2] if len(answer) > 2 else {})
        return web.Response(text=json.dumps(answer), content_type="application/json")


class Desk:
    """Hears what an order desk would hear."""

    def __init__(self) -> None:
        self.reports: list[VenueReport] = []
        self.states: list[tuple[bool, str]] = []

    def on_report(self, report: VenueReport) -> None:
        self.reports.append(report)

    def on_gateway_state(self, provider: str, is_up: bool, cause: str) -> None:
        self.states.append((is_up, cause))

    def told(self) -> list[tuple[str, str, Any]]:
        return [(report.kind.name, report.wire_order_id, report.filled_qty) for report in self.reports]


class Trading:
    """A gateway that is up, its venue and its desk."""

    def __init__(self, venue: OrderVenue, held: Held, desk: Desk) -> None:
        self.venue = venue
        self.held = held
        self.desk = desk
        self.wire_id = WIRE_IDS[venue.name]

    @property
    def gateway(self) -> Gateway:
        gateway = self.held.session.gateway
        assert gateway is not None
        return gateway

    @property
    def client(self) -> PrivateClient:
        client = self.venue.clients[-1]
        assert isinstance(client, PrivateClient)
        return client

    def order(self, wire_id: str = "", **fields: Any) -> Any:
        """An approved order: by default a limit order to buy 0.00000005 at 60000.0."""
        given: dict[str, Any] = {
            "client_order_id": "c1", "consumer_id": "mm1", "provider": self.venue.name, "symbol": "BTC-USDT", "side": Side.BUY,
            "order_type": OrderType.LIMIT, "qty_raw": 5, "price_raw": 600_000, "price_scale": 1, "qty_scale": 8,
            "created_ns": START_NS, **fields,
        }  # fmt: skip
        if given["order_type"] is OrderType.MARKET:
            given |= {"price_raw": None, "tif": TimeInForce.IOC}
        return approved(OrderRequest(**given), wire_id or self.wire_id, instrument(self.venue.name))

    def ref(self, venue_order_id: str | None = None, created_ns: int = START_NS) -> OrderRef:
        return OrderRef(wire_order_id=self.wire_id, symbol="BTC-USDT", venue_order_id=venue_order_id, created_ns=created_ns)


def instrument(venue: str) -> Instrument:
    return Instrument(
        provider=venue, symbol="BTC-USDT", venue_symbol=SPELLINGS[venue], base="BTC", quote="USDT",
        status=InstrumentStatus.TRADING, price_scale=1, qty_scale=8, tick_size_raw=1, lot_size_raw=1, min_qty_raw=1,
        post_only_supported=True,
    )  # fmt: skip


@asynccontextmanager
async def trading(
    name: str, monkeypatch: Any, *, dead_man_s: int = 0, kind: Any = "", venue: OrderVenue | None = None
) -> AsyncIterator[Trading]:
    """Orders enabled at a scripted venue that has taken the login."""
    desk = Desk()
    orders = ProviderOrdersConfig(enabled=True, dead_man_s=dead_man_s)
    async with venue or OrderVenue(name) as there, held(there, monkeypatch, kind=kind, orders=orders, reports=desk) as it:
        found = Trading(there, it, desk)
        await reached(lambda: it.session.listed is not None)
        it.session.listed = {"BTC-USDT": instrument(name)}
        await reached(lambda: found.gateway.is_up)
        yield found

