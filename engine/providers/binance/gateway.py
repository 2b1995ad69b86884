"""Orders at Binance Spot, over the WebSocket API and the connection of the user stream. Source: web-socket-api.md."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from engine.base.errors import ProtocolError, RateLimitedError, VenueError
from engine.providers.asking import Answer
from engine.providers.binance import manifest
from engine.providers.binance.ordererrors import CLOCK, NO_SUCH_ORDER, TOO_HEAVY, refusal_of, verdict_of
from engine.providers.binance.reports import fill_of, order_report
from engine.providers.binance.signing import BinanceSigner
from engine.providers.binance.symbols import order_counts
from engine.providers.budget import CallClass
from engine.providers.ordergateway import THROTTLED_S, Gateway, GatewayWays, Placing
from engine.providers.orderpacing import WindowPace
from engine.providers.orderreading import NS_PER_MS
from engine.schema.enums import Side
from engine.schema.instrument import OrderType
from engine.schema.order import OrderRef, ReportSource, SendOutcome, Sent, VenueFill, VenueReport

_OK = 200
_SIDES = {Side.BUY: "BUY", Side.SELL: "SELL"}
_QUERY = "order.query"

Params = dict[str, str | int]


class BinanceGateway(Gateway):
    """An Ed25519 key is logged on with the connection, any other signs each request.

    Orders are asked for by newOrderRespType ACK: that one is taken the answer tells, and fills the stream alone.

    Args:
        ways: of the session.
        signer: of the key.
        limits: (s, orders) of each limit, as the venue's metadata has them now.
    """

    def __init__(
        self, ways: GatewayWays, signer: BinanceSigner, limits: Callable[[], Sequence[tuple[float, int]]]
    ) -> None:
        self._windows = WindowPace(limits(), ways.share)
        super().__init__(ways, self._windows)
        self._signer = signer
        self._limits = limits

    def account_became(self, is_heard: bool, cause: str) -> None:
        """By now the venue's metadata is known."""
        if is_heard:
            self._windows.only(self._limits())
        super().account_became(is_heard, cause)

    # -- orders -----------------------------------------------------------------------------------------------

    def _place(self, placing: Placing) -> Awaitable[SendOutcome]:
        """``order.place``; once more with a fresh clock, for what was refused so was not placed."""
        return self._sent(self._timely("order.place", _terms(placing), placing.end_s), self._taken)

    def _cancel(self, order: OrderRef) -> Awaitable[SendOutcome]:
        """``order.cancel`` by the order's own id; what is cancelled is told by the stream as well."""
        params: Params = {"symbol": self._spelling(order.symbol), "origClientOrderId": order.wire_order_id}
        return self._sent(self._timely("order.cancel", params, self._end_s()), lambda message: None)

    async def _sent(
        self, answer: Awaitable[Answer], read: Callable[[dict[str, Any]], VenueReport | None]
    ) -> SendOutcome:
        message = await answer
        if message["status"] == _OK:
            return SendOutcome(sent=Sent.TAKEN, report=self._row(message, read))
        self.ways.budget.spend(self._now_s(), manifest.FAILED_ORDER_WEIGHT)
        status, code, said, retry_ms = self._row(message, refusal_of)
        return self._judged(verdict_of(status, code, said), str(code), said, self._retry_after_s(retry_ms))

    def _taken(self, message: dict[str, Any]) -> VenueReport:
        return self._ours(order_report(self.provider, message["result"], ReportSource.REPLY))

    # -- reconciliation ---------------------------------------------------------------------------------------

    async def query(self, order: OrderRef) -> VenueReport | None:
        """``order.status`` by the order's own id, weight 4."""
        params: Params = {"symbol": self._spelling(order.symbol), "origClientOrderId": order.wire_order_id}
        try:
            row = await self._asked("order.status", params, manifest.ORDER_STATUS_WEIGHT)
        except VenueError as error:
            if error.venue_code == str(NO_SUCH_ORDER):
                return None
            raise
        return self._row(row, self._read)

    async def open_orders(self) -> Sequence[VenueReport]:
        """``openOrders.status`` of all symbols, weight 80."""
        rows = self._rows(await self._asked("openOrders.status", {}, manifest.OPEN_ORDERS_WEIGHT))
        return [self._row(row, self._read) for row in rows]

    async def fills(self, symbols: Sequence[str], since_ns: int) -> Sequence[VenueFill]:
        """``myTrades`` of each symbol, page by page: first by time, then by trade id; weight 20 each."""
        found: list[VenueFill] = []
        for symbol in symbols:
            place: Params = {"startTime": max(0, since_ns + self._offset_ns()) // NS_PER_MS}
            while True:
                params: Params = {"symbol": self._spelling(symbol), "limit": manifest.MY_TRADES_MAX, **place}
                rows = self._rows(await self._asked("myTrades", params, manifest.MY_TRADES_WEIGHT))
                found += [self._our_fill(self._row(row, fill_of)) for row in rows]
                if len(rows) < manifest.MY_TRADES_MAX:
                    break
                place = {"fromId": rows[-1]["id"] + 1}
        return sorted(found, key=lambda fill: fill.ts_venue_ns)

    def _read(self, row: dict[str, Any]) -> VenueReport:
        return self._ours(order_report(self.provider, row, ReportSource.RECONCILE))

    async def _asked(self, method: str, params: Params, weight: int) -> Any:
        """What a query is answered with.

        Raises:
            VenueError: it is refused, or not answered.
        """
        await self._admitted(weight)
        message = await self._timely(method, params, self._end_s())
        if message["status"] == _OK:
            return message.get("result")
        status, code, said, retry_ms = self._row(message, refusal_of)
        raise self._error(verdict_of(status, code, said), _QUERY, str(code), said, self._retry_after_s(retry_ms))

    # -- details ----------------------------------------------------------------------------------------------

    def _timely(self, method: str, params: Params, end_s: float) -> Awaitable[Answer]:
        """Ask; once more after a look at the venue's clock, where that is what it complains of."""
        return self._once_more(self._ask(method, params, end_s), method, params, end_s)

    async def _once_more(self, answer: Awaitable[Answer], method: str, params: Params, end_s: float) -> Answer:
        message = await answer
        if message["status"] != _OK and self._row(message, refusal_of)[1] == CLOCK:
            await self._fresh_clock()
            message = await self._ask(method, params, end_s)
        return message

    def _ask(self, method: str, params: Params, end_s: float) -> Awaitable[Answer]:
        budget = self.ways.budget
        if (banned_s := budget.banned_s(self._now_s(), CallClass.ORDERS)) > 0.0:
            # Who carries on is banned for longer.
            raise RateLimitedError("the venue said to wait", op=method, provider=self.provider, retry_after_s=banned_s)
        number = self.questions.next_number()
        frame = self._signer.request_frame(number, method, params, self.ways.venue_now_ns())
        return self._heard(method, self.questions.ask(self.ways.link(), number, frame, end_s))

    async def _heard(self, method: str, answer: Awaitable[Answer]) -> Answer:
        """An answer, and what it says of limits."""
        message = await answer
        if not isinstance(message.get("status"), int):
            raise ProtocolError("an answer has no status", op=method, provider=self.provider)
        self._note_limits(message)
        if message["status"] in manifest.TOO_MUCH:
            _, code, _, retry_ms = self._row(message, refusal_of)
            if code == TOO_HEAVY:
                self.ways.budget.ban(self._now_s(), CallClass.ORDERS, self._retry_after_s(retry_ms) or THROTTLED_S)
        return message

    def _note_limits(self, message: Answer) -> None:
        """Take the venue's own limits and counts of orders."""
        for length_s, limit, count in order_counts(message.get("rateLimits")):
            self._windows.told(self._now_s(), length_s, limit, count)

    def _retry_after_s(self, retry_ms: int | None) -> float | None:
        return None if retry_ms is None else max(0.0, (retry_ms - self.ways.venue_now_ns() // NS_PER_MS) / 1e3)


def _terms(placing: Placing) -> Params:
    """An order as ``order.place`` wants it; post-only is a type of its own here."""
    request = placing.request
    terms: Params = {
        "symbol": placing.instrument.venue_symbol,
        "side": _SIDES[request.side],
        "type": "LIMIT_MAKER" if request.post_only else request.order_type.name,
        "quantity": placing.qty_text,
        "newClientOrderId": placing.wire_order_id,
        "newOrderRespType": "ACK",
        # Past the order's own time-out it is not to be taken any more.
        "recvWindow": min(request.timeout_ms, manifest.RECV_WINDOW_MS),
    }
    if request.order_type is OrderType.LIMIT:
        terms["price"] = placing.price_text
        if not request.post_only:
            terms["timeInForce"] = request.tif.name
    return terms
