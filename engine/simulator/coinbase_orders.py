"""The simulated Coinbase's orders by REST, and the ``user`` channel.

The venue's rules, as protocols tell them:
1. a refused order is status 200 with ``success: false``;
2. a client's id that came before, whenever, creates nothing and is answered with the order that has it;
3. orders are cancelled by the venue's id, each with a result of its own;
4. the channel tells sums, never fills; it begins with the open orders, 50 a message, the last with fewer.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import Any, NamedTuple, Protocol
from urllib.parse import parse_qs

from engine.simulator import coinbase_reports as reports
from engine.simulator.desk import OrderDesk, Refused
from engine.simulator.filters import Filter, failed_filter, number, raw_of
from engine.simulator.market import SymbolMarket
from engine.simulator.messages import RestReply, SignedCall, decoded, json_text
from engine.simulator.order_faults import OrderGate
from engine.simulator.orders import SCALE, Ended, SimAccount, SimOrder, Status, Terms, Tif
from engine.simulator.timeline import Timeline

_CANCELS_MAX = 100
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NEVER_US = 1 << 62
_LISTED_MAX = 1000
_TIFS = {
    "market_market_ioc": Tif.IOC, "limit_limit_gtc": Tif.GTC, "limit_limit_gtd": Tif.GTC, "limit_limit_fok": Tif.FOK,
    "sor_limit_ioc": Tif.IOC,
}  # fmt: skip
_REFUSALS = {
    Refused.CLOSED: ("ORDER_ENTRY_DISABLED", "Order entry is disabled"),
    Refused.FUNDS: ("INSUFFICIENT_FUND", "Insufficient balance in source account"),
    Refused.CROSSING: ("INVALID_LIMIT_PRICE_POST_ONLY", "Invalid post only limit price"),
    Refused.TOO_MANY: ("COMMANDER_REJECTED_NEW_ORDER", "Too many open orders"),
    Refused.VENUE: ("COMMANDER_REJECTED_NEW_ORDER", "Order rejected"),
}  # fmt: skip
_FILTERS = {
    Filter.TICK: ("INVALID_PRICE_PRECISION", "Too many decimals in order price"),
    Filter.BAND: ("LIMIT_PRICE_TOO_FAR_FROM_MARKET", "Limit price is too far from the market"),
    Filter.LOT: ("INVALID_SIZE_PRECISION", "Too many decimals in order amount"),
    Filter.LEAST_QTY: ("INVALID_REQUEST", "Order size is too small"),
    Filter.LEAST_COST: ("INVALID_REQUEST", "Order size is too small"),
}  # fmt: skip
_FAILED = '{"error":"INTERNAL","error_details":"","message":"internal error"}'


class Traded(Protocol):
    """What orders need of the venue."""

    markets: dict[str, SymbolMarket]
    desk: OrderDesk
    order_gate: OrderGate
    timeline: Timeline

    @property
    def now_us(self) -> int:
        """What the venue's clock shows."""


class _RefusedError(Exception):
    """An order that is answered with this reason."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(reason)
        self.body = {
            "success": False, "failure_reason": "UNKNOWN_FAILURE_REASON", "order_id": "",
            "error_response": {
                "error": reason, "message": message, "error_details": "", "preview_failure_reason": f"PREVIEW_{reason}",
            },
            "order_configuration": {},
        }  # fmt: skip


class _Configured(NamedTuple):
    """An order's configuration, read."""

    price: Decimal | None
    qty: Decimal
    spend: Decimal | None
    tif: Tif
    post_only: bool
    end_us: int


class CoinbaseOrders:
    """Calls below ``orders`` of all accounts of one venue."""

    def __init__(self, venue: Traded) -> None:
        self._venue = venue
        self._calls: dict[tuple[str, str], Callable[[SimAccount, SignedCall], RestReply]] = {
            ("POST", "orders"): self._create, ("POST", "orders/batch_cancel"): self._cancel,
            ("GET", "orders/historical/batch"): self._list, ("GET", "orders/historical/fills"): self._fills,
            ("GET", "accounts"): self._accounts, ("GET", "transaction_summary"): self._summary,
        }  # fmt: skip

    def knows(self, method: str, endpoint: str) -> bool:
        """Whether it is a call of an account."""
        return (method, endpoint) in self._calls or (method == "GET" and _named_below(endpoint) != "")

    def answer(self, account: SimAccount, endpoint: str, call: SignedCall) -> RestReply:
        """Do what a signed call asks for, and tell of the orders that it changed."""
        answer = self._calls.get((call.method, endpoint))
        reply = answer(account, call) if answer is not None else self._one(account, endpoint)
        self._venue.desk.tell_all()
        return reply

    # --- orders ---

    def _create(self, account: SimAccount, call: SignedCall) -> RestReply:
        body = decoded(call.body)
        client_id = None if body is None else body.get("client_order_id")
        if body is None or not isinstance(client_id, str) or not client_id:
            return _bad("client_order_id is required")
        known = account.named(client_id)
        if known is not None:
            return RestReply(200, json_text(_created(known)))
        try:
            market, terms, end_us = self._terms(body, client_id)
            placed = self._venue.order_gate.place(account, market, terms)
            if isinstance(placed.order, Refused):
                raise _RefusedError(*_REFUSALS[placed.order])
        except _RefusedError as refusal:
            return RestReply(200, json_text(refusal.body))
        order, reply = placed.order, RestReply(200, "{}")
        if order is not None:
            reply = RestReply(200, json_text(_created(order)))
            if end_us:
                self._venue.timeline.after(end_us - self._venue.now_us, partial(self._expire, order))
        status = 500 if placed.rule is None else placed.rule.status
        return self._venue.order_gate.rest_answer(placed.rule, reply, RestReply(status, _FAILED))

    def _expire(self, order: SimOrder) -> None:
        self._venue.desk.cancel(order, Ended.VENUE)
        self._venue.desk.tell_all()

    def _cancel(self, account: SimAccount, call: SignedCall) -> RestReply:
        names = (decoded(call.body) or {}).get("order_ids")
        if not isinstance(names, list) or not 0 < len(names) <= _CANCELS_MAX:
            return _bad("order_ids must name 1 to 100 orders")
        results, struck = [], None
        for name in names:
            order = account.orders.get(reports.number_of(str(name)))
            reason = "UNKNOWN_CANCEL_ORDER" if order is None else _why_not(order)
            if order is not None and not reason:
                is_done, rule = self._venue.order_gate.cancel(order)
                struck = struck or rule
                reason = "" if is_done else _why_not(order)
            results.append({
                "success": not reason, "failure_reason": reason or "UNKNOWN_CANCEL_FAILURE_REASON",
                "order_id": str(name),
            })  # fmt: skip
        status = 500 if struck is None else struck.status
        reply = RestReply(200, json_text({"results": results}))
        return self._venue.order_gate.rest_answer(struck, reply, RestReply(status, _FAILED))

    # --- lists ---

    def _one(self, account: SimAccount, endpoint: str) -> RestReply:
        name = _named_below(endpoint)
        if endpoint.startswith("accounts/"):
            row = next((row for row in reports.account_rows(account) if row["uuid"] == name), None)
            return _missing("account") if row is None else RestReply(200, json_text({"account": row}))
        order = account.orders.get(reports.number_of(name))
        if order is None or self._venue.order_gate.hides(order):
            return _missing("order")
        return RestReply(200, json_text({"order": reports.rest_order(order)}))

    def _list(self, account: SimAccount, call: SignedCall) -> RestReply:
        query = parse_qs(call.query)
        statuses = [status for text in query.get("order_status", []) for status in text.split(",")]
        if "OPEN" in statuses and len(statuses) > 1:
            return _bad("OPEN cannot be combined with other statuses")
        is_open = statuses == ["OPEN"]
        names, products = set(query.get("order_ids", [])), set(query.get("product_ids", []))
        span = _span(query, "start_date", "end_date")
        if span is None:
            return _bad("start_date and end_date are times")
        source = account.open_orders if is_open else account.orders
        found = [
            order
            for order in reversed(source.values())
            if (not statuses or reports.status_of(order) in statuses)
            and (not names or reports.order_id(order) in names)
            and (not products or order.symbol in products)
            and span[0] <= order.created_us < span[1]
            and not self._venue.order_gate.hides(order)
        ]
        page, cursor = _page(found, query)
        delay_us = self._venue.order_gate.open_orders_delay_us() if is_open else 0
        body = {
            "orders": [reports.rest_order(order) for order in page], "sequence": "0", "has_next": bool(cursor),
            "cursor": cursor,
        }  # fmt: skip
        return RestReply(200, json_text(body), {}, delay_us)

    def _fills(self, account: SimAccount, call: SignedCall) -> RestReply:
        query = parse_qs(call.query)
        names = {*query.get("order_ids", []), *query.get("order_id", [])}
        products = {*query.get("product_ids", []), *query.get("product_id", [])}
        span = _span(query, "start_sequence_timestamp", "end_sequence_timestamp")
        if span is None:
            return _bad("start_sequence_timestamp and end_sequence_timestamp are times")
        found = [
            fill
            for fill in reversed(account.fills)
            if (not names or reports.order_id(fill.order) in names)
            and (not products or fill.order.symbol in products)
            and span[0] <= fill.at_us <= span[1]
        ]
        page, cursor = _page(found, query)
        return RestReply(200, json_text({"fills": [reports.rest_fill(fill) for fill in page], "cursor": cursor}))

    def _accounts(self, account: SimAccount, call: SignedCall) -> RestReply:
        rows, cursor = _page(reports.account_rows(account), parse_qs(call.query))
        return RestReply(200, json_text({
            "accounts": rows, "has_next": bool(cursor), "cursor": cursor, "size": len(rows),
        }))  # fmt: skip

    def _summary(self, account: SimAccount, call: SignedCall) -> RestReply:
        return RestReply(200, json_text(reports.fee_summary(self._venue.desk.rules)))

    # --- what a request says ---

    def _terms(self, body: dict[str, Any], client_id: str) -> tuple[SymbolMarket, Terms, int]:
        market = self._venue.markets.get(_book_of(str(body.get("product_id", ""))))
        if market is None:
            raise _RefusedError("INVALID_PRODUCT_ID", "Invalid product_id")
        side = body.get("side")
        if side not in ("BUY", "SELL"):
            raise _RefusedError("INVALID_SIDE", "Invalid side")
        given = body.get("order_configuration")
        if not isinstance(given, dict) or len(given) != 1 or not set(given) <= set(_TIFS):
            raise _RefusedError("UNSUPPORTED_ORDER_CONFIGURATION", "The order configuration was invalid")
        configured = _configured(given)
        instrument = market.instrument
        spend_raw = 0
        if configured.spend is not None:
            if side == "SELL":
                raise _RefusedError("UNSUPPORTED_ORDER_CONFIGURATION", "quote_size is for BUY")
            spend_raw = raw_of(configured.spend, SCALE) or 0
        else:
            failed = failed_filter(
                market, configured.price, configured.qty, self._venue.desk.rules.least_cost, instrument.min_qty_raw
            )
            if failed is not None:
                raise _RefusedError(*_FILTERS[failed])
        terms = Terms(
            client_id, side == "BUY",
            None if configured.price is None else raw_of(configured.price, instrument.price_scale),
            raw_of(configured.qty, instrument.qty_scale) or 0, configured.tif, configured.post_only, spend_raw,
            note=json_text(given),
        )  # fmt: skip
        if configured.end_us and configured.end_us <= self._venue.now_us:
            raise _RefusedError("INVALID_REQUEST", "end_time is in the past")
        return market, terms, configured.end_us


def _configured(given: dict[str, Any]) -> _Configured:
    ((name, values),) = given.items()
    if not isinstance(values, dict):
        raise _RefusedError("UNSUPPORTED_ORDER_CONFIGURATION", "The order configuration was invalid")
    numbers = {}
    for key in ("base_size", "quote_size", "limit_price"):
        if key in values:
            found = number(values[key]) if isinstance(values[key], str) else None
            if found is None:
                raise _RefusedError("INVALID_REQUEST", f"Invalid {key}")
            numbers[key] = found
    is_market = name == "market_market_ioc"
    by_quote = is_market and "quote_size" in numbers and "base_size" not in numbers
    if (not by_quote and "base_size" not in numbers) or (not is_market and "limit_price" not in numbers):
        raise _RefusedError("INVALID_REQUEST", "The order configuration lacks a number")
    end_us = 0
    if name == "limit_limit_gtd":
        try:
            end_us = _time_us(str(values.get("end_time")))
        except (ValueError, TypeError):
            raise _RefusedError("INVALID_REQUEST", "Invalid end_time") from None
    post_only = values.get("post_only") is True
    if post_only and _TIFS[name] is not Tif.GTC:
        raise _RefusedError("POST_ONLY_NOT_ALLOWED_WITH_FOK", "Post only is for orders that wait")
    return _Configured(
        None if is_market else numbers["limit_price"], numbers.get("base_size", Decimal(0)),
        numbers["quote_size"] if by_quote else None, _TIFS[name], post_only, end_us,
    )  # fmt: skip


def _created(order: SimOrder) -> dict[str, Any]:
    return {
        "success": True, "failure_reason": "UNKNOWN_FAILURE_REASON", "order_id": reports.order_id(order),
        "success_response": {
            "order_id": reports.order_id(order), "product_id": order.symbol,
            "side": "BUY" if order.is_buy else "SELL", "client_order_id": order.client_id,
        },
        "order_configuration": reports.configuration(order),
    }  # fmt: skip


def _why_not(order: SimOrder) -> str:
    """Why an order cannot be cancelled; empty where it can."""
    if order.is_open:
        return ""
    return "ORDER_IS_FULLY_FILLED" if order.status is Status.FILLED else "DUPLICATE_CANCEL_REQUEST"


def _named_below(endpoint: str) -> str:
    """The order or the account that a path ends with."""
    for root in ("orders/historical/", "accounts/"):
        if endpoint.startswith(root):
            return endpoint.removeprefix(root)
    return ""


def _page(found: list[Any], query: dict[str, list[str]]) -> tuple[list[Any], str]:
    """What a call is answered with, and where the next begins; empty where there is no more."""
    limit_text, first_text = query.get("limit", ["100"])[0], query.get("cursor", ["0"])[0]
    limit = min(int(limit_text), _LISTED_MAX) if limit_text.isdecimal() and int(limit_text) else _LISTED_MAX
    first = int(first_text) if first_text.isdecimal() else 0
    return found[first : first + limit], str(first + limit) if len(found) > first + limit else ""


def _span(query: dict[str, list[str]], start: str, end: str) -> tuple[int, int] | None:
    """From when to when a call asks, in microseconds; None where it names no times."""
    try:
        from_us = _time_us(query[start][0]) if start in query else 0
        return from_us, _time_us(query[end][0]) if end in query else _NEVER_US
    except (ValueError, TypeError):
        return None


def _time_us(text: str) -> int:
    """Of an RFC 3339 text. Raises ValueError or TypeError where it is none."""
    at = datetime.fromisoformat(text)
    return (at - _EPOCH) // timedelta(microseconds=1)


def _book_of(product: str) -> str:
    return product.removesuffix("C") if product.endswith("-USDC") else product


def _bad(message: str) -> RestReply:
    return RestReply(400, json_text({"error": "INVALID_ARGUMENT", "message": message, "code": 3}))


def _missing(what: str) -> RestReply:
    return RestReply(404, json_text({"error": "NOT_FOUND", "message": f"{what} not found", "code": 5}))
