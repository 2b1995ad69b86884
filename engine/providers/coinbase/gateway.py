"""Orders at Coinbase Advanced Trade, by REST, each call with a token of its own. Source: docs.cdp.coinbase.com."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import urlencode

from engine.base.errors import AuthError, InvalidRequestError, NotFoundError, ProtocolError, ValidationError, VenueError
from engine.base.instants import to_rfc3339
from engine.base.jsontext import encode
from engine.providers.budget import CallClass
from engine.providers.coinbase import manifest
from engine.providers.coinbase.ordererrors import cancel_verdict_of, verdict_of
from engine.providers.coinbase.reports import fill_of, order_report
from engine.providers.coinbase.signing import CoinbaseSigner
from engine.providers.ordergateway import Gateway, GatewayWays, Placing
from engine.providers.orderpacing import WindowPace
from engine.providers.orderreading import NS_PER_S
from engine.providers.userstream import message_of
from engine.schema.enums import Side
from engine.schema.instrument import Instrument, OrderType, TimeInForce
from engine.schema.order import OrderRef, Reason, ReportKind, ReportSource, SendOutcome, Sent, VenueFill, VenueReport

_SIDES = {Side.BUY: "BUY", Side.SELL: "SELL"}
_LIMITS = {TimeInForce.GTC: "limit_limit_gtc", TimeInForce.IOC: "sor_limit_ioc", TimeInForce.FOK: "limit_limit_fok"}
_EARLIER_NS = 60 * NS_PER_S
"""Orders are listed from a little before they were asked for: the venue's clock may be behind."""
_PAGE = 250
_UNAUTHORISED = 401
_ENDS = (ReportKind.FILLED, ReportKind.CANCELLED, ReportKind.REJECTED, ReportKind.EXPIRED)


class CoinbaseGateway(Gateway):
    """The venue answers a repeated id with the order that has it: what became of one is also found by sending it again.

    Args:
        ways: of the session.
        signer: of the key.
        endpoint: of REST, in place of the venue's own.
    """

    def __init__(self, ways: GatewayWays, signer: CoinbaseSigner, endpoint: str | None) -> None:
        limits = manifest.PRIVATE_LIMITS
        super().__init__(ways, WindowPace(((limits.within_s, limits.weight),), ways.share))
        self._signer = signer
        self._endpoint = endpoint or manifest.REST_ENDPOINT

    def spellings(self, instrument: Instrument) -> Sequence[str]:
        """Products of other names debit other wallets, and share one book."""
        return (instrument.venue_symbol, *instrument.aliases)

    # -- orders -----------------------------------------------------------------------------------------------

    async def _place(self, placing: Placing) -> SendOutcome:
        """POST /orders; a refusal is HTTP 200 as well."""
        request = placing.request
        body = {
            "client_order_id": placing.wire_order_id,
            "product_id": placing.instrument.venue_symbol,
            "side": _SIDES[request.side],
            "order_configuration": _configuration(placing),
        }
        answer = await self._post(manifest.REST_ORDERS, body, placing.end_s - self._now_s())
        if answer.get("success") is True:
            taken = self._row(answer, lambda told: told["success_response"])
            return SendOutcome(sent=Sent.TAKEN, report=self._row(taken, self._taken))
        if answer.get("success") is not False:
            raise ProtocolError("an answer says neither yes nor no", op="order.send", provider=self.provider)
        failure, said = self._row(answer, _refusal)
        return self._judged(verdict_of(failure), failure, said)

    def _taken(self, row: dict[str, Any]) -> VenueReport:
        return VenueReport(
            provider=self.provider, kind=ReportKind.ACK, source=ReportSource.REPLY, ts_recv_ns=self.ways.clock.now(),
            wire_order_id=row["client_order_id"], venue_order_id=row["order_id"],
            symbol=self.symbol_of(row["product_id"]),
        )  # fmt: skip

    async def _cancel(self, order: OrderRef) -> SendOutcome:
        """POST /orders/batch_cancel, by the venue's id: where that is not known the order is looked for first."""
        venue_order_id = order.venue_order_id
        if not venue_order_id:
            found = await self.query(order)
            if found is None or found.kind in _ENDS:
                return SendOutcome(sent=Sent.REFUSED, report=found, reason=Reason(
                    code="not_found", text="the venue lists no such open order"))  # fmt: skip
            venue_order_id = found.venue_order_id
        answer = await self._post(manifest.REST_CANCEL, {"order_ids": [venue_order_id]})
        is_done, failure = self._row(answer, _cancelled)
        if is_done:
            return SendOutcome(sent=Sent.TAKEN)
        return self._judged(cancel_verdict_of(failure), failure, failure)

    # -- reconciliation ---------------------------------------------------------------------------------------

    async def query(self, order: OrderRef) -> VenueReport | None:
        """GET /orders/historical/{id}; without the venue's id it is looked for among those since it was asked for."""
        if order.venue_order_id:
            try:
                answer = await self._get(f"{manifest.REST_HISTORICAL}/{order.venue_order_id}")
            except NotFoundError:
                return None
            return self._row(answer, lambda told: self._read(told["order"]))
        since_ns = max(0, order.created_ns + self._offset_ns() - _EARLIER_NS)
        rows = await self._pages(manifest.REST_LIST, "orders", {"start_date": to_rfc3339(since_ns)})
        mine = [row for row in rows if isinstance(row, dict) and row.get("client_order_id") == order.wire_order_id]
        return self._row(mine[0], self._read) if mine else None

    async def open_orders(self) -> Sequence[VenueReport]:
        """GET /orders/historical/batch: OPEN by name, and what is on its way there, which that leaves out."""
        rows = await self._pages(manifest.REST_LIST, "orders", {"order_status": "OPEN"})
        since_ns = max(0, self.ways.venue_now_ns() - _EARLIER_NS)
        rows += await self._pages(manifest.REST_LIST, "orders", {"start_date": to_rfc3339(since_ns)})
        found = {report.venue_order_id: report for report in (self._row(row, self._read) for row in rows)}
        return [report for report in found.values() if report.kind not in _ENDS]

    async def fills(self, symbols: Sequence[str], since_ns: int) -> Sequence[VenueFill]:
        """GET /orders/historical/fills, page by page, newest first."""
        query = {"start_sequence_timestamp": to_rfc3339(max(0, since_ns + self._offset_ns()))}
        rows = await self._pages(manifest.REST_FILLS, "fills", query)
        read = [self._row(row, fill_of) for row in reversed(rows)]
        found = [self._our_fill(fill) for fill in read if fill is not None]
        return sorted((fill for fill in found if fill.symbol in symbols), key=lambda fill: fill.ts_venue_ns)

    def _read(self, row: dict[str, Any]) -> VenueReport:
        return self._ours(order_report(self.provider, row))

    async def _pages(self, path: str, rows: str, query: dict[str, str]) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        cursor = ""
        while True:
            page = await self._get(path, {"limit": str(_PAGE), **query} | ({"cursor": cursor} if cursor else {}))
            found += self._row(page, lambda told: list(told[rows]))
            cursor = str(page.get("cursor") or "")
            if not cursor or not page.get("has_next", True):
                return found

    # -- calls ------------------------------------------------------------------------------------------------

    async def _get(self, path: str, query: dict[str, str] | None = None) -> dict[str, Any]:
        return await self._called("GET", path, query, None, None)

    async def _post(self, path: str, body: dict[str, Any], timeout_s: float | None = None) -> dict[str, Any]:
        return await self._called("POST", path, None, encode(body), timeout_s)

    async def _called(
        self, method: str, path: str, query: dict[str, str] | None, body: bytes | None, timeout_s: float | None
    ) -> dict[str, Any]:
        """Call; once more with a token by a fresh clock, for what was refused with 401 was not done.

        Raises:
            VenueError: it is refused, or not answered; of a refusal with the venue's own code and words.
            ValidationError: the answer is no object.
        """
        try:
            return message_of(await self._call(method, path, query, body, timeout_s))
        except AuthError as error:
            if error.http_status != _UNAUTHORISED:
                raise self._named(error) from None
        except (InvalidRequestError, NotFoundError) as error:
            raise self._named(error) from None
        await self._fresh_clock()
        try:
            return message_of(await self._call(method, path, query, body, timeout_s))
        except (AuthError, InvalidRequestError, NotFoundError) as error:
            raise self._named(error) from None

    async def _call(
        self, method: str, path: str, query: dict[str, str] | None, body: bytes | None, timeout_s: float | None
    ) -> bytes:
        headers = self._signer.headers(self.ways.venue_now_ns(), method, path)
        url = f"{self._endpoint}{path}"
        if body is None:
            return await self.ways.rest.get(
                f"{url}?{urlencode(query)}" if query else url, headers=headers, call=CallClass.ORDERS
            )
        headers["Content-Type"] = "application/json"
        return await self.ways.rest.post(url, body, headers, timeout_s=timeout_s)

    def _named(self, error: VenueError) -> VenueError:
        """A refusal by its HTTP status, with the code and the words that its body has."""
        try:
            told = message_of(error.raw or b"")
        except ValidationError:
            told = {}
        if isinstance(error, AuthError):
            self.halt(error.venue_message or error.reason)
        code = str(told.get("error") or error.http_status or "")
        said = str(told.get("message") or error.venue_message or error.reason)
        return type(error)(error.reason, op=error.op, provider=self.provider, http_status=error.http_status,
                           venue_code=code, venue_message=said, raw=error.raw)  # fmt: skip



def _refusal(answer: dict[str, Any]) -> tuple[str, str]:
    """Code and words."""
    told = answer.get("error_response") or {}
    failure = str(told.get("error") or answer.get("failure_reason") or "")
    return failure, str(told.get("message") or told.get("error_details") or failure)


def _cancelled(answer: dict[str, Any]) -> tuple[bool, str]:
    """Whether a cancel of one order was taken; else why not. Its reason says nothing where it was."""
    (row,) = answer["results"]
    return row["success"] is True, str(row.get("failure_reason") or "")


def _configuration(placing: Placing) -> dict[str, dict[str, Any]]:
    """``order_configuration``: its one key says type and time in force."""
    request, size = placing.request, {"base_size": placing.qty_text}
    if request.order_type is OrderType.MARKET:
        return {"market_market_ioc": size}
    terms: dict[str, Any] = {**size, "limit_price": placing.price_text}
    if request.tif is TimeInForce.GTC:
        terms["post_only"] = request.post_only
    return {_LIMITS[request.tif]: terms}
