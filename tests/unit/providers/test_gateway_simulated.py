"""Order gateways against the simulated venues, over sockets, in real time: what one says of an order is what it is."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from decimal import Decimal
from functools import partial
from typing import Any

import pytest
import uvloop
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from engine.base.clock import SystemClock
from engine.base.decimals import to_raw
from engine.base.secrets import forget_secrets
from engine.config.load import default_config
from engine.config.sections_providers import (
    ConnectionConfig,
    CredentialsConfig,
    ProviderConfig,
    ProviderOrdersConfig,
)
from engine.providers.ordergateway import Gateway
from engine.providers.session import Session
from engine.runtime.assembly import Engine
from engine.schema.enums import Side
from engine.schema.instrument import Instrument, OrderType, TimeInForce
from engine.schema.order import OrderRef, OrderRequest, ReportKind, SendOutcome, Sent
from engine.simulator.fault_rules import FaultRule
from engine.simulator.keys import ES256, KEYS, SimKey
from engine.simulator.server import Simulator
from tests.unit.providers.order_kit import Desk, approved
from tests.unit.providers.socket_kit import until
from tests.unit.simulator.test_server import running

pytestmark = pytest.mark.timeout(20)
LIMIT_S = 15.0
VENUES = ("binance", "coinbase", "kraken")
SYMBOLS = {"binance": "BTC-USDT", "coinbase": "BTC-USD", "kraken": "BTC-USD"}
ENDS = (ReportKind.FILLED, ReportKind.CANCELLED, ReportKind.REJECTED, ReportKind.EXPIRED)


class Live:
    """A gateway that is up, and the venue as it sees itself."""

    def __init__(self, simulator: Simulator, session: Session, desk: Desk) -> None:
        self.simulator = simulator
        self.session = session
        self.desk = desk
        self.name = session.feed.venue
        self._count = 0

    @property
    def gateway(self) -> Gateway:
        gateway = self.session.gateway
        assert gateway is not None
        return gateway

    @property
    def instrument(self) -> Instrument:
        assert self.session.listed is not None
        return self.session.listed[SYMBOLS[self.name]]

    def best(self, side: str) -> Decimal:
        """Of the venue's own book."""
        (books,) = self.simulator.books(self.name).values()
        book = books[self.instrument.venue_symbol]
        return Decimal(str(book[side][0][0]))

    def order(self, price: Decimal | None = None, *, qty: str = "0.002", side: Side = Side.BUY, **fields: Any) -> Any:
        """A limit order of its own id, by default to buy a little below the market; a market order where price is 0."""
        self._count += 1
        wire_id = f"0000d833-6800-8000-89e7-{self._count:012d}"
        if self.name == "kraken":
            wire_id = wire_id.replace("-", "")
        instrument = self.instrument
        if price is None:
            price = self.best("bids") * Decimal("0.99")
        kind = OrderType.LIMIT if price else OrderType.MARKET
        tick = Decimal(instrument.tick_size_raw).scaleb(-instrument.price_scale)
        text = f"{price // tick * tick:.{instrument.price_scale}f}"
        fields.setdefault("tif", TimeInForce.GTC if price else TimeInForce.IOC)
        return approved(
            OrderRequest(
                client_order_id=f"c{self._count}", consumer_id="mm1", provider=self.name, symbol=instrument.symbol, side=side,
                order_type=kind, qty_raw=to_raw(qty, instrument.qty_scale), price_scale=instrument.price_scale,
                price_raw=to_raw(text, instrument.price_scale) if price else None, qty_scale=instrument.qty_scale,
                created_ns=SystemClock().now(), **fields,
            ),
            wire_id,
            instrument,
        )  # fmt: skip

    def ref(self, order: Any, venue_order_id: str | None = None) -> OrderRef:
        return OrderRef(
            wire_order_id=order.wire_order_id, symbol=order.request.symbol, venue_order_id=venue_order_id,
            created_ns=order.request.created_ns,
        )  # fmt: skip

    async def submit(self, order: Any) -> SendOutcome:
        return await self.gateway.submit(order)

    def at_venue(self) -> list[Any]:
        """Every order it ever took of us."""
        (accounts,) = self.simulator.orders(self.name).values()
        return [order for orders in accounts.values() for order in orders if not order["foreign"]]

    def fills_at_venue(self) -> list[Any]:
        (accounts,) = self.simulator.fills(self.name).values()
        return [fill for fills in accounts.values() for fill in fills]

    def arm(self, fault: str, **fields: Any) -> None:
        self.simulator.arm([FaultRule(fault=fault, venue=self.name, **fields)])

    async def told(self, kind: ReportKind, order: Any) -> Any:
        """The first report of that kind about an order."""

        def found() -> list[Any]:
            return [one for one in self.desk.reports if (one.kind, one.wire_order_id) == (kind, order.wire_order_id)]

        await until(lambda: bool(found()))
        return found()[0]

    async def ended(self, order: Any) -> Any:
        """The first report that an order has ended."""

        def found() -> list[Any]:
            return [one for one in self.desk.reports if one.kind in ENDS and one.wire_order_id == order.wire_order_id]

        await until(lambda: bool(found()))
        return found()[0]

    async def cut(self) -> None:
        """Lose the private connection, and have it back."""
        assert self.session.account is not None
        link = self.session.account.open_link()
        assert link is not None
        link.connection.drop("cut by a test")
        await until(lambda: not self.gateway.is_up)
        await until(lambda: self.gateway.is_up)


def configured(key: SimKey) -> str:
    """The secret as the key's owner configures it: that of a curve as PEM."""
    if key.kind != ES256:
        return key.secret
    made = ec.derive_private_key(int.from_bytes(base64.b64decode(key.secret), "big"), ec.SECP256R1())
    return made.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()).decode()


@asynccontextmanager
async def live(name: Any, monkeypatch: pytest.MonkeyPatch, *, kind: str = "", dead_man_s: int = 0) -> AsyncIterator[Live]:
    key = next(key for key in KEYS[name] if kind in ("", key.kind))
    monkeypatch.setenv("A_KEY", key.api_key)
    monkeypatch.setenv("A_SECRET", configured(key))
    async with running(venues=[name], symbols=["BTC"], rate_frames_per_s=100) as simulator:
        addresses = simulator.endpoints[name]
        settings = ProviderConfig(
            name=name, venue=name, symbols=(SYMBOLS[name],), streams=("trade",), ws_endpoint=addresses["ws"],
            ws_private_endpoint=addresses.get("ws_private"), rest_endpoint=addresses["rest"],
            credentials=CredentialsConfig(
                api_key_env="A_KEY", api_secret_env="A_SECRET", key_type=key.kind if name == "binance" else None  # type: ignore[arg-type]
            ),
            orders=ProviderOrdersConfig(enabled=True, dead_man_s=dead_man_s),
            connection=ConnectionConfig(backoff_min_ms=20, backoff_max_ms=100),
        )  # fmt: skip
        if name == "coinbase":
            settings = settings.model_copy(update={"ws_private_endpoint": addresses["ws"]})
        desk = Desk()
        with Engine(default_config().model_copy(update={"providers": (settings,)})) as engine:
            feed = engine.open_provider(name, name)
            engine.start()
            session = Session(feed, settings, engine.clock, tell=engine.reporting.tell, reports=desk)
            async with session:
                session.start(partial(engine.carry, feed))
                await until(lambda: session.gateway is not None and session.gateway.is_up)
                yield Live(simulator, session, desk)
    forget_secrets()


def run(
    name: str, monkeypatch: pytest.MonkeyPatch, main: Callable[[Live], Coroutine[Any, Any, None]], **settings: Any
) -> None:
    async def all_of_it() -> None:
        async with live(name, monkeypatch, **settings) as it:
            await main(it)

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(asyncio.wait_for(all_of_it(), LIMIT_S))


EACH_KEY = [(venue, key.kind) for venue in VENUES for key in KEYS[venue]]


@pytest.mark.parametrize(("name", "kind"), EACH_KEY)
def test_an_order_lives_and_is_cancelled_TRD_12_TRD_16(name: str, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async def main(it: Live) -> None:
        order = it.order()
        outcome = await it.submit(order)
        assert outcome.sent is Sent.TAKEN
        ack = await it.told(ReportKind.ACK, order)
        assert (ack.symbol, ack.side, ack.qty, ack.filled_qty or 0) == (SYMBOLS[name], Side.BUY, order.request.qty, 0)
        (there,) = it.at_venue()
        assert (there["client_id"], there["id"]) == (order.wire_order_id, ack.venue_order_id)
        assert (Decimal(there["price"]), Decimal(there["qty"])) == (order.request.price, order.request.qty)
        for ref in (it.ref(order), it.ref(order, ack.venue_order_id)):
            found = await it.gateway.query(ref)
            assert found is not None
            assert (found.kind, found.wire_order_id, found.symbol) == (ReportKind.ACK, order.wire_order_id, SYMBOLS[name])
        assert [one.wire_order_id for one in await it.gateway.open_orders()] == [order.wire_order_id]
        assert (await it.gateway.cancel(it.ref(order))).sent is Sent.TAKEN
        await it.told(ReportKind.CANCELLED, order)
        assert await it.gateway.open_orders() == []
        ended = await it.gateway.query(it.ref(order))
        assert ended is not None
        assert ended.kind is ReportKind.CANCELLED
        again = await it.gateway.cancel(it.ref(order, ack.venue_order_id))
        assert again.sent is Sent.REFUSED

    run(name, monkeypatch, main, kind=kind)


@pytest.mark.parametrize("name", VENUES)
def test_fills_are_the_venues_own_TRD_18_TRD_21(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async def main(it: Live) -> None:
        began_ns = SystemClock().now() - 10**9
        order = it.order(it.best("asks") * Decimal("1.005"), qty="0.5", tif=TimeInForce.IOC)
        assert (await it.submit(order)).sent is Sent.TAKEN
        end = await it.ended(order)
        there = it.fills_at_venue()
        assert there != []
        filled = sum(Decimal(fill["qty"]) for fill in there)
        assert end.filled_qty == filled
        assert end.cum_notional == sum(Decimal(fill["cost"]) for fill in there)
        heard = [one for one in it.desk.reports if one.exec_id is not None]
        if name != "coinbase":  # its channel tells sums alone
            assert [(one.exec_id, one.last_qty, one.last_price) for one in heard] == [
                (fill["id"] if name == "kraken" else str(fill["trade_id"]), Decimal(fill["qty"]), Decimal(fill["price"]))
                for fill in there
            ]
            assert [(fee.asset, fee.amount) for one in heard for fee in one.fees] == [
                (fill["fee_asset"], Decimal(fill["fee"])) for fill in there
            ]
        listed = await it.gateway.fills([SYMBOLS[name]], began_ns)
        assert [(fill.qty, fill.price, fill.venue_order_id) for fill in listed] == [
            (Decimal(fill["qty"]), Decimal(fill["price"]), fill["order_id"]) for fill in there
        ]
        assert {fill.exec_id for fill in listed} >= {one.exec_id for one in heard}
        found = await it.gateway.query(it.ref(order))
        assert found is not None
        assert (found.kind, found.filled_qty) == (end.kind, filled)
        # One of the two tells the fees, so that none counts twice.
        of_fills, of_order = (sum(fee.amount for one in told for fee in one.fees) for told in (listed, [found]))
        paid = sum(Decimal(fill["fee"]) for fill in there)
        assert (of_fills, of_order) == ((0, paid) if name == "coinbase" else (paid, 0))
        assert end.is_fees_total is found.is_fees_total is (name == "coinbase")

    run(name, monkeypatch, main)


@pytest.mark.parametrize("name", VENUES)
def test_a_market_order_is_filled(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async def main(it: Live) -> None:
        order = it.order(Decimal(0), side=Side.SELL)
        assert (await it.submit(order)).sent is Sent.TAKEN
        end = await it.ended(order)
        assert (end.kind, end.filled_qty, end.side) == (ReportKind.FILLED, order.request.qty, Side.SELL)

    run(name, monkeypatch, main)


@pytest.mark.parametrize("fault", ["lost_reply", "failed_reply", "disconnect_after_accept"])
@pytest.mark.parametrize("name", VENUES)
def test_an_order_that_was_taken_without_a_word_is_found_TRD_11_JRN_08(
    name: str, fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main(it: Live) -> None:
        it.arm(fault, call="place")
        order = it.order(timeout_ms=700)
        outcome = await it.submit(order)
        assert outcome.sent is Sent.UNKNOWN
        await until(lambda: it.gateway.is_up)
        found = await it.gateway.query(it.ref(order))
        assert found is not None
        assert found.wire_order_id == order.wire_order_id
        assert len(it.at_venue()) == 1
        if name == "coinbase":  # which answers a repeated id with the first order
            repeat = await it.submit(order)
            assert repeat.report is not None
            assert repeat.report.venue_order_id == found.venue_order_id
            assert len(it.at_venue()) == 1

    run(name, monkeypatch, main)


@pytest.mark.parametrize("name", VENUES)
def test_an_order_that_never_came_is_not_found_TRD_11_JRN_08(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async def main(it: Live) -> None:
        it.arm("lost_request", call="place")
        order = it.order(timeout_ms=700)
        assert (await it.submit(order)).sent is Sent.UNKNOWN
        assert await it.gateway.query(it.ref(order)) is None
        assert it.at_venue() == []

    run(name, monkeypatch, main)


@pytest.mark.parametrize("name", VENUES)
def test_what_happens_while_the_connection_is_away_is_found_BOOK_04_JRN_07_JRN_10(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main(it: Live) -> None:
        began_ns = SystemClock().now() - 10**9
        filled, cancelled, open_one = orders = [it.order(qty="0.002") for _ in range(3)]
        for order in orders:
            await it.submit(order)
            await it.told(ReportKind.ACK, order)
        it.desk.reports.clear()
        assert it.session.account is not None
        link = it.session.account.open_link()
        assert link is not None
        link.connection.drop("cut by a test")
        await until(lambda: not it.gateway.is_up)
        for qty in ("0.0005", "0.0005", "0.001"):
            it.simulator.act({"venue": name, "client_id": filled.wire_order_id, "do": "fill", "qty": qty})
        it.simulator.act({"venue": name, "client_id": cancelled.wire_order_id, "do": "cancel"})
        await until(lambda: it.gateway.is_up)
        assert [is_up for is_up, _ in it.desk.states] == [True, False, True]
        opens = await it.gateway.open_orders()
        assert [one.wire_order_id for one in opens] == [open_one.wire_order_id]
        states = [await it.gateway.query(it.ref(order)) for order in orders]
        assert [found and (found.kind, found.filled_qty) for found in states] == [
            (ReportKind.FILLED, Decimal("0.002")), (ReportKind.CANCELLED, 0), (ReportKind.ACK, 0),
        ]  # fmt: skip
        fills = await it.gateway.fills([SYMBOLS[name]], began_ns)
        assert [fill.qty for fill in fills] == [Decimal("0.0005"), Decimal("0.0005"), Decimal("0.001")]
        assert {fill.venue_order_id for fill in fills} == {states[0].venue_order_id if states[0] else ""}
        assert len({fill.exec_id for fill in fills}) == 3

    run(name, monkeypatch, main)


FUNDS = {"binance": "-2010", "coinbase": "INSUFFICIENT_FUND", "kraken": "EOrder:Insufficient funds"}


@pytest.mark.parametrize("name", VENUES)
def test_refusals_come_in_the_venues_words_TRD_24(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async def main(it: Live) -> None:
        outcome = await it.submit(it.order(qty="8"))
        assert outcome.sent is Sent.REFUSED
        assert outcome.reason is not None
        assert (outcome.reason.code, outcome.reason.venue_code) == ("exchange_error", FUNDS[name])
        assert outcome.reason.text != ""
        assert it.at_venue() == []
        crossing = it.order(it.best("asks") * Decimal("1.005"), post_only=True)
        outcome = await it.submit(crossing)
        if name == "kraken":  # it passes orders on before its engine looks at them
            assert outcome.sent is Sent.TAKEN
            report = await it.told(ReportKind.REJECTED, crossing)
            assert report.reason.venue_code != ""
        else:
            assert outcome.sent is Sent.REFUSED
            assert outcome.reason is not None
            assert outcome.reason.code == "exchange_error"
        it.arm("reject_order")
        outcome = await it.submit(it.order())
        assert outcome.sent is Sent.REFUSED or name == "kraken"

    run(name, monkeypatch, main)


@pytest.mark.parametrize("name", VENUES)
def test_an_id_that_is_taken_is_looked_up_and_never_doubled(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async def main(it: Live) -> None:
        order = it.order()
        await it.submit(order)
        outcome = await it.submit(order)
        if name == "coinbase":
            assert outcome.sent is Sent.TAKEN
        else:
            assert (outcome.sent, outcome.reason.code if outcome.reason else "") == (Sent.UNKNOWN, "conflict")
        assert len(it.at_venue()) == 1

    run(name, monkeypatch, main)


@pytest.mark.parametrize("name", VENUES)
def test_orders_of_others_pass_with_their_own_ids_TRD_26_JRN_09(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async def main(it: Live) -> None:
        price = f"{it.best('bids') * Decimal('0.99') // 1}"
        body = {"venue": name, "symbol": SYMBOLS[name], "side": "buy", "qty": "0.002", "price": price, "client_id": "web-7"}
        it.simulator.place(body)
        await until(lambda: any(one.wire_order_id == "web-7" for one in it.desk.reports))
        assert [one.wire_order_id for one in await it.gateway.open_orders()] == ["web-7"]
        assert it.gateway.is_up

    run(name, monkeypatch, main)


@pytest.mark.parametrize("name", VENUES)
def test_a_clock_that_is_off_costs_no_order(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async def main(it: Live) -> None:
        it.arm("clock_offset", offset_ms=-150_000)
        await until(lambda: it.simulator.faults({})["counts"][name].get("clock_offset", 0) == 1)
        assert (await it.submit(it.order())).sent is Sent.TAKEN
        assert len(it.at_venue()) == 1
        assert it.gateway.is_up

    run(name, monkeypatch, main)


@pytest.mark.parametrize("fault", ["duplicate_report", "swap_reports"])
@pytest.mark.parametrize("name", ["binance", "coinbase"])
def test_reports_come_as_the_venue_sent_them(name: str, fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async def main(it: Live) -> None:
        order = it.order()
        it.arm(fault)
        await it.submit(order)
        await it.gateway.cancel(it.ref(order))
        await it.ended(order)
        kinds = [one.kind for one in it.desk.reports if one.wire_order_id == order.wire_order_id]
        assert set(kinds) == {ReportKind.ACK, ReportKind.CANCELLED}

    run(name, monkeypatch, main)


def test_the_dead_man_of_kraken_is_armed_and_taken_off(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main(it: Live) -> None:
        switches: Any = it.simulator.venues["kraken"]._user._orders._switches  # type: ignore[attr-defined]
        await until(lambda: len(switches) == 1)
        order = it.order()
        await it.submit(order)
        await it.session.close()
        assert len(switches) == 0
        assert it.at_venue()[0]["status"] == "new"

    run("kraken", monkeypatch, main, dead_man_s=10)
