"""Orders at Kraken: WebSocket v2, on the connection of ``executions``; look-ups by REST. Source: docs.kraken.com."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Any

import msgspec

from engine.base.errors import NotFoundError, UnavailableError, VenueError
from engine.base.instants import to_rfc3339
from engine.base.jsontext import encode
from engine.providers.asking import Answer
from engine.providers.budget import CallClass
from engine.providers.kraken import manifest
from engine.providers.kraken.ordererrors import NEW_TOKEN, is_about_clock, retry_after_s, verdict_of
from engine.providers.kraken.reports import KrakenOrders, fill_of, order_report
from engine.providers.kraken.signing import KrakenSigner, signed_call
from engine.providers.kraken.symbols import rest_spellings
from engine.providers.kraken.user import KrakenUserStream
from engine.providers.ordergateway import CLOSE_WITHIN_S, Gateway, GatewayWays, Placing
from engine.providers.orderpacing import DecayPace
from engine.providers.orderreading import NS_PER_MS, NS_PER_S
from engine.schema.enums import Side
from engine.schema.gateway import WireIdStyle
from engine.schema.instrument import Instrument, OrderType
from engine.schema.order import OrderRef, SendOutcome, Sent, VenueFill, VenueReport

_SIDES = {Side.BUY: "buy", Side.SELL: "sell"}
_RENEWALS = 3
"""Within the dead-man's time: two of them may be lost."""
_AGAIN_S = 2.0
"""A renewal that failed is made again so soon."""
_PAGE = 50
LISTS_KEPT_S = 0.5
"""What was listed answers for single orders so long: less than what lies between two looks for one (JRN-08)."""
_QUERY = "order.query"

log = logging.getLogger("engine.providers")


class KrakenGateway(Gateway):
    """An answer says that an order was passed on; whether the engine took it, ``executions`` tells.

    Args:
        ways: of the session.
        signer: of the key; nonces must not fall from one call to the next.
        orders: of the account; its streams tell it.
        endpoint: of REST, in place of the venue's own.
    """

    wire_id_style = WireIdStyle.HEX

    def __init__(self, ways: GatewayWays, signer: KrakenSigner, orders: KrakenOrders, endpoint: str | None) -> None:
        self._counter = DecayPace(manifest.RATE_THRESHOLD, manifest.RATE_DECAY_PER_S, ways.share)
        super().__init__(ways, self._counter)
        self._signer = signer
        self._orders = orders
        self._endpoint = endpoint or manifest.REST_ENDPOINT
        self._is_heard_anew = asyncio.Event()
        self._is_armed = False
        self._open: dict[str, Any] = {}
        self._ended: dict[str, Any] | None = None
        self._listed_at_s = float("-inf")

    def spellings(self, instrument: Instrument) -> Sequence[str]:
        """Of WebSocket v2, and those that REST has for it."""
        return (instrument.venue_symbol, *rest_spellings(instrument))

    def account_became(self, is_heard: bool, cause: str) -> None:
        """A new connection also tells what the account may do."""
        if is_heard:
            self._is_heard_anew.set()
            link = self.ways.link()
            if link is not None and isinstance(link.stream, KrakenUserStream) and link.stream.rate_threshold:
                threshold = link.stream.rate_threshold
                decay_per_s = manifest.RATE_DECAYS_PER_S.get(threshold)
                # Of a tier that we do not know, the slowest there is.
                self._counter.told(threshold, threshold / manifest.RATE_SECONDS if decay_per_s is None else decay_per_s)
        super().account_became(is_heard, cause)

    # -- the dead-man switch ----------------------------------------------------------------------------------

    def start(self) -> None:
        """Keep the venue's dead-man switch from firing, where it is wanted."""
        if self.ways.dead_man_s:
            self.ways.scope.start(self._keep_armed())

    async def _keep_armed(self) -> None:
        """``cancel_all_orders_after`` at each login and a few times within its time."""
        within_s = float(self.ways.dead_man_s)
        while True:
            self._is_heard_anew.clear()
            delay_s = within_s / _RENEWALS
            if self._is_heard and not self._is_closed:
                try:
                    await self._arm(self.ways.dead_man_s, self._now_s() + delay_s)
                except VenueError as error:
                    log.warning("%s dead-man switch was not renewed: %s", self.provider, error.reason)
                    delay_s = _AGAIN_S
            with suppress(TimeoutError):
                async with asyncio.timeout(delay_s):
                    await self._is_heard_anew.wait()

    async def _arm(self, timeout_s: int, end_s: float) -> None:
        """Have all orders of the account cancelled after so long; 0 = never.

        Raises:
            VenueError: it is refused, or not answered.
        """
        self._is_armed = self._is_armed or timeout_s > 0
        message = await self._ask("cancel_all_orders_after", {"timeout": timeout_s}, end_s)
        if not message.get("success"):
            said = _said(message)
            raise self._error(verdict_of(said), "order.deadman", said.partition(":")[0], said)
        self._is_armed = timeout_s > 0

    async def _part(self) -> None:
        """What is open stays so, also when the venue hears of us no more."""
        if self._is_armed:
            try:
                await self._arm(0, self._now_s() + CLOSE_WITHIN_S)
            except VenueError as error:
                log.warning("%s dead-man switch stays armed: %s", self.provider, error.reason)

    # -- orders -----------------------------------------------------------------------------------------------

    def _place(self, placing: Placing) -> Awaitable[SendOutcome]:
        """``add_order``, which is void where it comes too late; once more with a fresh clock, for it was not placed."""
        terms = _terms(placing, self.ways.venue_now_ns())
        return self._placed(self._ask("add_order", terms, placing.end_s), placing)

    async def _placed(self, answer: Awaitable[Answer], placing: Placing) -> SendOutcome:
        message = await answer
        if message.get("success") is not True and is_about_clock(_said(message)):
            await self._fresh_clock()
            if self._now_s() < placing.end_s:
                message = await self._ask("add_order", _terms(placing, self.ways.venue_now_ns()), placing.end_s)
        if message.get("success") is not True:
            return self._refused(message)
        self._row(message, lambda told: self._orders.placed(told["result"]["order_id"], placing.wire_order_id))
        return SendOutcome(sent=Sent.TAKEN)

    async def _cancel(self, order: OrderRef) -> SendOutcome:
        """``cancel_order`` by the order's own id."""
        message = await self._ask("cancel_order", {"cl_ord_id": [order.wire_order_id]}, self._end_s())
        return SendOutcome(sent=Sent.TAKEN) if message.get("success") is True else self._refused(message)

    def _refused(self, message: Answer) -> SendOutcome:
        said = _said(message)
        wait_s = retry_after_s(said, self.ways.venue_now_ns())
        return self._judged(verdict_of(said), said, said, wait_s)

    def _ask(self, method: str, params: dict[str, Any], end_s: float) -> Awaitable[Answer]:
        """Ask with the connection's token; once more with a new one where the venue has forgotten it."""
        return self._once_more(self._ask_once(method, params, end_s), method, params, end_s)

    async def _once_more(self, answer: Awaitable[Answer], method: str, params: dict[str, Any], end_s: float) -> Answer:
        message = await answer
        if message.get("success") is True or not _said(message).startswith(NEW_TOKEN):
            return message
        link = self.ways.link()
        if link is None:
            return message
        try:
            await link.stream.prepare(self.ways.rest)
        except VenueError as error:
            log.warning("%s token was not renewed: %s", self.provider, error.reason)
            return message  # what was refused for its token was not placed
        return await self._ask_once(method, params, end_s)

    def _ask_once(self, method: str, params: dict[str, Any], end_s: float) -> Awaitable[Answer]:
        link = self.ways.link()
        if link is None:
            raise UnavailableError("there is no connection", op=method, provider=self.provider)
        assert isinstance(link.stream, KrakenUserStream)
        number = self.questions.next_number()
        body = {"method": method, "params": {**params, "token": link.stream.token}, "req_id": number}
        return self.questions.ask(link, number, encode(body), end_s)

    # -- reconciliation ---------------------------------------------------------------------------------------

    async def query(self, order: OrderRef) -> VenueReport | None:
        """QueryOrders by the venue's id; else OpenOrders, then ClosedOrders, by the order's own.

        Just after open_orders() many are asked for: one list of those that ended last answers for them, for a key has
        few calls.
        """
        if self._now_s() - self._listed_at_s < LISTS_KEPT_S:
            if self._ended is None:
                self._ended = self._row(await self._call("ClosedOrders", {}), partial(_part_of, "closed"))
            found = self._found({**self._open, **self._ended}, order)
            if found is not None or len(self._ended) < _PAGE:
                return found
        if order.venue_order_id:
            try:
                rows = await self._call("QueryOrders", {"txid": order.venue_order_id})
            except NotFoundError:
                return None
            return self._found(rows, order)
        for path, part in (("OpenOrders", "open"), ("ClosedOrders", "closed")):
            answer = await self._call(path, {"cl_ord_id": order.wire_order_id})
            if (found := self._found(self._row(answer, partial(_part_of, part)), order)) is not None:
                return found
        return None

    def _found(self, rows: Mapping[str, Any], order: OrderRef) -> VenueReport | None:
        """The order among what was listed: the venue's filters are not taken on trust."""
        for txid, row in rows.items():
            named = row.get("cl_ord_id") if isinstance(row, dict) else None
            if txid == order.venue_order_id or named == order.wire_order_id:
                report = self._report(txid, row)
                self._orders.placed(txid, order.wire_order_id)
                return msgspec.structs.replace(report, wire_order_id=report.wire_order_id or order.wire_order_id)
        return None

    async def open_orders(self) -> Sequence[VenueReport]:
        """OpenOrders, all pairs."""
        answer = await self._call("OpenOrders", {})
        self._open = self._row(answer, partial(_part_of, "open"))
        self._ended, self._listed_at_s = None, self._now_s()
        return [self._report(txid, row) for txid, row in self._open.items()]

    async def fills(self, symbols: Sequence[str], since_ns: int) -> Sequence[VenueFill]:
        """TradesHistory, page by page, newest first."""
        found: dict[str, tuple[VenueFill, int]] = {}
        offset = 0
        while True:
            start_s = max(0, (since_ns + self._offset_ns()) // NS_PER_S - 1)
            params = {"start": str(start_s), "ofs": str(offset)}
            answer = await self._call("TradesHistory", params, weight=2)
            rows = self._row(answer, partial(_part_of, "trades"))
            found |= {trade_id: (self._fill(trade_id, row), self._number(row)) for trade_id, row in rows.items()}
            offset += len(rows)
            if len(rows) < _PAGE:
                wanted = [(fill, number) for fill, number in found.values() if fill.symbol in symbols]
                wanted.reverse()
                # Fills of one microsecond have their pair's own numbers; those without stay as they are listed.
                wanted.sort(key=lambda one: (one[0].ts_venue_ns, one[1]))
                return [fill for fill, _ in wanted]

    def _fill(self, trade_id: str, row: dict[str, Any]) -> VenueFill:
        return self._our_fill(self._row(row, lambda told: fill_of(trade_id, told, self.instrument_of)))

    def _number(self, row: dict[str, Any]) -> int:
        return self._row(row, lambda told: int(told.get("trade_id") or 0))

    def _report(self, txid: str, row: dict[str, Any]) -> VenueReport:
        return self._ours(self._row(row, lambda told: order_report(self.provider, txid, told, self.instrument_of)))

    async def _call(self, path: str, params: Mapping[str, str], weight: int = 1) -> dict[str, Any]:
        """A private call; once more with a new nonce where another one came before it.

        Raises:
            VenueError: it is refused, or not answered.
        """
        whole = f"/0/private/{path}"
        for attempt in (1, 2):
            result, said = await signed_call(
                self.ways.rest, self._endpoint, self._signer, whole, params, CallClass.ORDERS, weight=weight
            )
            if result is not None:
                return result
            if attempt == 2 or not said.startswith("EAPI:Invalid nonce"):
                break
        raise self._error(verdict_of(said), _QUERY, said, said, retry_after_s(said, self.ways.venue_now_ns()))


def _part_of(name: str, answer: dict[str, Any]) -> dict[str, Any]:
    return dict(answer[name])


def _said(message: Answer) -> str:
    return str(message.get("error", "no reason given"))


def _number(text: str) -> msgspec.Raw:
    """A JSON number with every digit: the venue takes no texts."""
    return msgspec.Raw(text.encode())


def _terms(placing: Placing, venue_now_ns: int) -> dict[str, Any]:
    """An order as ``add_order`` wants it; only those with a price have a time in force."""
    request = placing.request
    lifetime_ms = min(max(request.timeout_ms, manifest.DEADLINE_MIN_MS), manifest.DEADLINE_MAX_MS)
    terms: dict[str, Any] = {
        "order_type": request.order_type.name.lower(),
        "side": _SIDES[request.side],
        "symbol": placing.instrument.venue_symbol,
        "order_qty": _number(placing.qty_text),
        "cl_ord_id": placing.wire_order_id,
        "deadline": to_rfc3339((venue_now_ns + lifetime_ms * NS_PER_MS) // NS_PER_MS * NS_PER_MS),
    }
    if request.order_type is OrderType.LIMIT:
        terms["limit_price"] = _number(placing.price_text)
        terms["time_in_force"] = request.tif.name.lower()
        if request.post_only:
            terms["post_only"] = True
    return terms
