"""The simulated Binance's private half: its WebSocket API and the signed REST calls.

The venue's rules, as protocols tell them:
1. a timestamp more than 1 s ahead or older than recvWindow is refused (-1021), before the signature (-1022);
2. ``session.logon`` is for Ed25519 keys, and needs no signature from then on; any other signs each request;
3. one subscription an account a connection; events come wrapped, with the subscription's number;
4. orders that are placed or cancelled cost no weight, refused ones cost 1.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Protocol
from urllib.parse import parse_qsl, unquote

from engine.simulator import binance_reports as reports
from engine.simulator.binance_orders import UNKNOWN_OUTCOME, Answer, BinanceOrders, Failure
from engine.simulator.desk import Change, ChangeKind, OrderDesk
from engine.simulator.keys import ED25519, is_signed, whole
from engine.simulator.limits import Refusal, WeightBudget
from engine.simulator.market import SymbolMarket
from engine.simulator.messages import RestReply, SignedCall, decoded, json_text
from engine.simulator.order_faults import OrderGate
from engine.simulator.orders import SimAccount
from engine.simulator.sessions import Session
from engine.simulator.timeline import Timeline

PATH = "/ws-api/v3"
_WINDOW_MS, _WINDOW_MAX_MS, _AHEAD_MS = 5000, 60_000, 1000
_SIGNATURE_PART = re.compile(r"(?:^|&)signature=([^&]*)")

_KEY = Failure(401, -2015, "Invalid API-key, IP, or permissions for action.")
_KEY_FORMAT = Failure(401, -2014, "API-key format invalid.")
_AHEAD = Failure(400, -1021, "Timestamp for this request was 1000ms ahead of the server's time.")
_LATE = Failure(400, -1021, "Timestamp for this request is outside of the recvWindow.")
_SIGNATURE = Failure(400, -1022, "Signature for this request is not valid.")
_MISSING = Failure(400, -1102, "Mandatory parameter was not sent, was empty/null, or malformed.")
_HMAC_LOGON = Failure(400, -4056, "HMAC_SHA256 API key is not supported.")
_ALREADY = Failure(400, -2035, "User Data Stream subscription already active.")
_METHOD = Failure(400, -1100, "Unknown method.")

_METHODS = {
    ("POST", "order"): "order.place", ("POST", "order/test"): "order.test", ("DELETE", "order"): "order.cancel",
    ("GET", "order"): "order.status", ("GET", "openOrders"): "openOrders.status",
    ("DELETE", "openOrders"): "openOrders.cancelAll", ("GET", "allOrders"): "allOrders",
    ("GET", "myTrades"): "myTrades", ("GET", "account"): "account.status",
    ("GET", "rateLimit/order"): "account.rateLimits.orders",
}  # fmt: skip
_WEIGHTS = {
    "order.status": 4, "allOrders": 20, "myTrades": 20, "account.status": 20, "account.rateLimits.orders": 40,
    "session.logon": 2, "userDataStream.subscribe": 2, "userDataStream.subscribe.signature": 2,
}  # fmt: skip
_FREE_WHEN_DONE = ("order.place", "order.cancel", "openOrders.cancelAll")


class Served(Protocol):
    """What the calls need of the venue."""

    accounts: dict[str, SimAccount]
    markets: dict[str, SymbolMarket]
    desk: OrderDesk
    order_gate: OrderGate
    timeline: Timeline
    weights: WeightBudget
    limited: bool
    true_us: Callable[[], int]

    @property
    def present_us(self) -> int:
        """What the venue's clock shows at this instant, however late its market is."""

    def deliver(self, session: Session, kind: str, frame: bytes) -> None:
        """Send one frame and count it."""

    def breach(self, what: str) -> None:
        """Count a limit that a client has broken."""


class BinanceUserApi:
    """Sessions of the WebSocket API: who is logged on, and who listens to which account."""

    def __init__(self, venue: Served) -> None:
        self._venue = venue
        self._orders = BinanceOrders(venue)
        self._logged_on: dict[Session, SimAccount] = {}
        self._listeners: dict[Session, SimAccount] = {}

    def forget(self, session: Session) -> None:
        """A connection has ended."""
        self._logged_on.pop(session, None)
        self._listeners.pop(session, None)

    # --- by WebSocket ---

    def on_message(self, session: Session, frame: bytes) -> None:
        """Answer one request, and tell of the orders that it changed."""
        message = decoded(frame) or {}
        number, method, given = message.get("id"), message.get("method"), message.get("params", {})
        params = given if isinstance(given, dict) else {}
        refusal = self.charge(str(method), params)
        answer = self._refused(refusal) if refusal is not None else self._answer(session, method, params)
        self._give_back(method, answer)

        def send(body: dict[str, Any]) -> None:
            limits = self._limits(session, method, params)
            self._venue.deliver(session, "reply", json_text({"id": number, **body, "rateLimits": limits}).encode())

        body, rule = _body(answer.result, self._venue.present_us), answer.rule

        def fail() -> None:
            code, text = UNKNOWN_OUTCOME
            send({"status": 503 if rule is None else rule.status, "error": {"code": code, "msg": text}})

        if answer.delay_us:
            self._venue.timeline.after(answer.delay_us, lambda: send(body))
        else:
            self._venue.order_gate.answer(session, rule, lambda: send(body), fail)
        self._venue.desk.tell_all()

    def charge(self, method: str, params: Mapping[str, Any]) -> Refusal | None:
        """Count a request's weight; why it is refused, None where it is not."""
        if not self._venue.limited:
            return None
        weight = _WEIGHTS.get(method, 1)
        if method == "openOrders.status":
            weight = 6 if "symbol" in params else 80
        elif method == "myTrades" and "orderId" in params:
            weight = 5
        return self._venue.weights.take(weight, self._venue.true_us())

    def _refused(self, refusal: Refusal) -> Answer:
        self._venue.breach(refusal.breach)
        retry_us = self._venue.present_us + refusal.retry_after_s * 1_000_000
        return Answer(Failure(refusal.status, -1003, "Too much request weight used.", retry_us))

    def _give_back(self, method: object, answer: Answer) -> None:
        if method in _FREE_WHEN_DONE and not isinstance(answer.result, Failure):
            self._venue.weights.give_back(1)

    def _limits(self, session: Session, method: object, params: Mapping[str, Any]) -> list[dict[str, Any]]:
        """What the answer to a placed order tells of the limits."""
        account = self._logged_on.get(session) or self._venue.accounts.get(str(params.get("apiKey")))
        if method != "order.place" or account is None or not self._venue.limited:
            return []
        return reports.order_limits(*self._orders.order_counts(account))

    def _answer(self, session: Session, method: object, params: dict[str, Any]) -> Answer:
        if method == "time":
            return Answer({"serverTime": self._venue.present_us // 1000})
        if method == "userDataStream.subscribe":
            known = self._logged_on.get(session)
            return Answer(_KEY if known is None else self._listen(session, known))
        is_of_account = self._orders.knows(method)
        if not is_of_account and method not in ("session.logon", "userDataStream.subscribe.signature"):
            return Answer(_METHOD)
        account = self._signer(session if is_of_account else None, params)
        if isinstance(account, Failure):
            return Answer(account)
        if is_of_account:
            return self._orders.call(str(method), account, params)
        if method == "userDataStream.subscribe.signature":
            return Answer(self._listen(session, account))
        return Answer(self._log_on(session, account))

    def _log_on(self, session: Session, account: SimAccount) -> dict[str, Any] | Failure:
        if account.key.kind != ED25519:
            return _HMAC_LOGON
        self._logged_on[session] = account
        now_ms = self._venue.present_us // 1000
        return {
            "apiKey": account.key.api_key, "authorizedSince": now_ms, "connectedSince": now_ms,
            "returnRateLimits": True, "serverTime": now_ms, "userDataStream": False,
        }  # fmt: skip

    def _signer(self, session: Session | None, params: Mapping[str, Any]) -> SimAccount | Failure:
        """Whose request it is: of whom the signature is, or who is logged on."""
        known = None if session is None else self._logged_on.get(session)
        if known is not None and "signature" not in params and "apiKey" not in params:
            return self._timely(params) or known
        text = "&".join(f"{name}={_text(params[name])}" for name in sorted(params) if name != "signature")
        return self._checked(params.get("apiKey"), params, text.encode(), str(params.get("signature", "")))

    def _checked(
        self, api_key: object, params: Mapping[str, Any], text: bytes, signature: str
    ) -> SimAccount | Failure:
        if not api_key or not signature or "timestamp" not in params:
            return _MISSING
        if not str(api_key).isascii():
            return _KEY_FORMAT
        account = self._venue.accounts.get(str(api_key))
        if account is None:
            return _KEY
        untimely = self._timely(params)
        if untimely is not None:
            return untimely
        return account if is_signed(account.key, text, signature) else _SIGNATURE

    def _timely(self, params: Mapping[str, Any]) -> Failure | None:
        """Why a request's time is not taken; None where it is."""
        sent_ms, window_ms = whole(params.get("timestamp")), whole(params.get("recvWindow", _WINDOW_MS))
        if sent_ms is None or window_ms is None or window_ms > _WINDOW_MAX_MS:
            return _MISSING
        now_ms = self._venue.present_us // 1000
        if sent_ms >= now_ms + _AHEAD_MS:
            return _AHEAD
        return _LATE if now_ms - sent_ms > window_ms else None

    def _listen(self, session: Session, account: SimAccount) -> dict[str, Any] | Failure:
        if session in self._listeners:
            return _ALREADY
        self._listeners[session] = account
        return {"subscriptionId": 0}

    # --- by REST ---

    @staticmethod
    def method_of(endpoint: str, call: SignedCall | None) -> str:
        """The method that a call is the same as; empty where it is of no account."""
        return "" if call is None else _METHODS.get((call.method, endpoint), "")

    def rest(self, endpoint: str, call: SignedCall) -> RestReply | None:
        """Answer a signed call; None for one that is of no account."""
        method = self.method_of(endpoint, call)
        if not method:
            return None
        parts = (call.query, call.body.decode("utf-8", "replace"))
        text = "".join(_SIGNATURE_PART.sub("", part) for part in parts)
        signature = next((found[1] for part in parts if (found := _SIGNATURE_PART.search(part))), "")
        params = {name: value for part in parts for name, value in parse_qsl(part, keep_blank_values=True)}
        account = self._checked(call.headers.get("x-mbx-apikey"), params, text.encode(), unquote(signature))
        answer = Answer(account) if isinstance(account, Failure) else self._orders.call(method, account, params)
        self._give_back(method, answer)
        self._venue.desk.tell_all()
        reply = _rest_reply(answer.result, self._venue.present_us)._replace(delay_us=answer.delay_us)
        if method == "order.place" and isinstance(account, SimAccount) and reply.status == 200:
            short, day = self._orders.order_counts(account)
            counted = {"X-MBX-ORDER-COUNT-10S": str(short), "X-MBX-ORDER-COUNT-1D": str(day)}
            reply = reply._replace(headers=counted)
        code, message = UNKNOWN_OUTCOME
        status = 503 if answer.rule is None else answer.rule.status
        failed = RestReply(status, json_text({"code": code, "msg": message}))
        return self._venue.order_gate.rest_answer(answer.rule, reply, failed)

    # --- what is told ---

    def tell(self, change: Change) -> None:
        """The report of a change, and the balances after it."""
        order = change.order
        if change.kind is ChangeKind.TAKEN:
            return
        if change.fill is not None and change.fill is order.fills[0] and not order.is_foreign:
            self._orders.on_first_fill(order)
        listeners = [session for session, listened in self._listeners.items() if listened is order.account]
        if not listeners:
            return
        now_ms = self._venue.present_us // 1000
        instrument = order.instrument
        assets = (instrument.base, instrument.quote)
        for event in (
            reports.execution_report(change, now_ms), reports.account_position(order.account, assets, now_ms)
        ):  # fmt: skip
            frame = json_text({"subscriptionId": 0, "event": event}).encode()
            for session in listeners:
                self._venue.deliver(session, "user", frame)


def _body(result: Any, now_us: int) -> dict[str, Any]:
    if isinstance(result, Failure):
        error: dict[str, Any] = {"code": result.code, "msg": result.message}
        if result.retry_us:
            error["data"] = {"serverTime": now_us // 1000, "retryAfter": result.retry_us // 1000}
        return {"status": result.status, "error": error}
    return {"status": 200, "result": result}


def _rest_reply(result: Any, now_us: int) -> RestReply:
    if isinstance(result, Failure):
        wait_s = -(-(result.retry_us - now_us) // 1_000_000)
        headers = {"Retry-After": str(wait_s)} if result.retry_us else {}
        return RestReply(result.status, json_text({"code": result.code, "msg": result.message}), headers)
    return RestReply(200, json_text(result))


def _text(value: object) -> str:
    """A parameter as it is signed."""
    return str(value).lower() if isinstance(value, bool) else str(value)
