"""The simulated Kraken's private half: tokens by REST, orders and what is told of them on ``/v2/private``.

The venue's rules, as protocols tell them:
1. a private call has a nonce above all before it of that key, and ``API-Sign`` over path, nonce and body;
2. a token opens private channels within 15 minutes; once one stands, it lives as long as the connection;
3. each private channel counts its messages from 1;
4. a request about orders names the token; a cancel is answered once for each order.
"""

from __future__ import annotations

from typing import Any, Protocol
from urllib.parse import parse_qsl

from engine.simulator import kraken_payloads as payloads
from engine.simulator import kraken_reports as reports
from engine.simulator.candles import MINUTE_US
from engine.simulator.desk import Change
from engine.simulator.fault_rules import FaultRule
from engine.simulator.keys import is_api_sign
from engine.simulator.kraken_orders import UNKNOWN_OUTCOME, KrakenOrders, RefusedError, Traded, asked_by_socket
from engine.simulator.kraken_private_rest import KrakenPrivateRest
from engine.simulator.messages import RestReply, SignedCall, decoded, json_text
from engine.simulator.orders import SimAccount
from engine.simulator.sessions import Session
from engine.simulator.texts import rfc3339_us

PATH = "/v2/private"
CHANNELS = ("executions", "balances")
METHODS = ("add_order", "cancel_order", "cancel_all", "cancel_all_orders_after")
_TOKEN_US = 15 * MINUTE_US
_TOKEN_CALL = "GetWebSocketsToken"
_SNAPSHOT_FILLS = 50
_ROOT = "private/"


class Served(Traded, Protocol):
    """What the private half needs of the venue."""

    accounts: dict[str, SimAccount]

    def new_token(self) -> str:
        """A text that nobody can guess."""

    def deliver(self, session: Session, kind: str, frame: bytes) -> None:
        """Send one frame and count it."""


class KrakenUserApi:
    """Tokens, who listens to which private channel, and requests about orders."""

    def __init__(self, venue: Served) -> None:
        self._venue = venue
        self._orders = KrakenOrders(venue)
        self._rest = KrakenPrivateRest(venue, self._orders)
        self._tokens: dict[str, tuple[SimAccount, int]] = {}
        self._holders: dict[Session, tuple[str, SimAccount]] = {}
        self._listeners: dict[tuple[Session, str], int] = {}
        """(connection, channel) -> messages sent."""

    def forget(self, session: Session) -> None:
        """A connection has ended."""
        self._holders.pop(session, None)
        for channel in CHANNELS:
            self._listeners.pop((session, channel), None)

    # --- by REST ---

    def rest(self, endpoint: str, call: SignedCall) -> RestReply | None:
        """Answer a signed call; None for any other."""
        name = endpoint.removeprefix(_ROOT)
        if name == endpoint or not (name == _TOKEN_CALL or self._rest.knows(name)):
            return None
        account = self._venue.accounts.get(call.headers.get("api-key", ""))
        if account is None:
            return RestReply(200, payloads.failure("EAPI:Invalid key"))
        params = _params(call.body)
        nonce = str(params.get("nonce", ""))
        if not is_api_sign(account.key, call.path, nonce, call.body, call.headers.get("api-sign", "")):
            return RestReply(200, payloads.failure("EAPI:Invalid signature"))
        if not nonce.isdecimal() or int(nonce) <= account.last_nonce:
            return RestReply(200, payloads.failure("EAPI:Invalid nonce"))
        account.last_nonce = int(nonce)
        if name != _TOKEN_CALL:
            return self._rest.answer(name, account, params)
        now_us = self._venue.present_us
        self._tokens = {token: held for token, held in self._tokens.items() if held[1] >= now_us}
        token = self._venue.new_token()
        self._tokens[token] = (account, now_us + _TOKEN_US)
        return RestReply(200, payloads.envelope({"token": token, "expires": _TOKEN_US // 1_000_000}))

    # --- channels ---

    def subscribe(self, session: Session, channel: str, params: dict[str, Any]) -> str:
        """Let a connection listen; returns why not, empty where it may."""
        if self._account(session, params) is None:
            return "EAPI:Invalid token"
        if (session, channel) in self._listeners:
            return "Already subscribed"
        self._listeners[session, channel] = 0
        return ""

    def begin(self, session: Session, channel: str, params: dict[str, Any]) -> None:
        """Send what is there: every balance, or the open orders and, where they are asked for, the newest fills."""
        _, account = self._holders[session]
        if channel == "balances":
            rows = reports.balances(account)
        else:
            rows = []
            if params.get("snap_orders", params.get("snapshot", True)) is not False:
                rows = [reports.snapshot(order) for order in account.open_orders.values()]
            if params.get("snap_trades") is True:
                fills = account.fills[-_SNAPSHOT_FILLS:]
                rows += [reports.trade(fill, "filled") | _client(fill.order.client_id) for fill in fills]
        self._send(session, channel, "snapshot", rows)

    def tell(self, change: Change) -> None:
        """The entries of a change, and of a fill the ledger's."""
        account = change.order.account
        for session, channel in list(self._listeners):
            if self._holders[session][1] is not account:
                continue
            if channel == "executions":
                for row in reports.executions(change):
                    self._send(session, channel, "update", [row])
            elif change.fill is not None:
                self._send(session, channel, "update", reports.ledger_entries(change.fill, account))

    def _send(self, session: Session, channel: str, kind: str, rows: list[dict[str, Any]]) -> None:
        self._listeners[session, channel] += 1
        number = self._listeners[session, channel]
        frame = json_text({"channel": channel, "type": kind, "data": rows, "sequence": number})
        self._venue.deliver(session, channel, frame.encode())

    def _account(self, session: Session, params: dict[str, Any]) -> SimAccount | None:
        """Whose a request is: the connection's, by the token that it stands on or by a new one."""
        token = str(params.get("token", ""))
        held = self._holders.get(session)
        if held is not None and held[0] == token:
            return held[1]
        account, until_us = self._tokens.pop(token, (None, 0))
        if account is None or self._venue.present_us > until_us:
            return None
        self._holders[session] = (token, account)
        return account

    # --- requests about orders ---

    def on_request(self, session: Session, method: str, params: dict[str, Any], tail: str) -> None:
        """Answer one request, and tell of the orders that it changed. *tail*: what ends each reply."""

        def reply(body: dict[str, Any]) -> None:
            head = json_text({"method": method, **body})[:-1]
            self._venue.deliver(session, "reply", f"{head},{tail}}}".encode())

        def answer(body: dict[str, Any], rule: FaultRule | None = None) -> None:
            self._venue.order_gate.answer(
                session, rule, lambda: reply(body), lambda: reply({"error": UNKNOWN_OUTCOME, "success": False})
            )

        account = self._account(session, params)
        if account is None:
            answer({"error": "EAPI:Invalid token", "success": False})
        elif method == "cancel_order":
            self._cancel_each(account, params, answer)
        else:
            try:
                result, rule = self._done(method, account, params)
            except RefusedError as refusal:
                answer({"error": str(refusal), "success": False})
            else:
                answer({"result": result, "success": True}, rule)
        self._venue.desk.tell_all()

    def _done(
        self, method: str, account: SimAccount, params: dict[str, Any]
    ) -> tuple[dict[str, Any], FaultRule | None]:
        if method == "cancel_all":
            return {"count": self._orders.cancel_all(account)}, None
        if method == "cancel_all_orders_after":
            now_us, at_us = self._orders.cancel_after(account, params.get("timeout"))
            return {"currentTime": rfc3339_us(now_us), "triggerTime": rfc3339_us(at_us) if at_us else "0"}, None
        order, rule = self._orders.add(account, asked_by_socket(params))
        if order is None:
            return {}, rule
        return {"order_id": reports.order_id(order), **_client(order.client_id), "order_userref": 0}, rule

    def _cancel_each(self, account: SimAccount, params: dict[str, Any], answer: Any) -> None:
        named = [("order_id", name) for name in _texts(params, "order_id")]
        named += [("cl_ord_id", name) for name in _texts(params, "cl_ord_id")]
        if not named:
            answer({"error": "EGeneral:Invalid arguments:order_id", "success": False})
        for key, name in named:
            is_venues = key == "order_id"
            try:
                rule = self._orders.cancel(
                    account, name=name if is_venues else "", client_id="" if is_venues else name
                )
            except RefusedError as refusal:
                answer({"error": str(refusal), "success": False})
            else:
                answer({"result": {key: name}, "success": True}, rule)


def _params(body: bytes) -> dict[str, Any]:
    """The parameters of a call, whose body is a form or JSON."""
    if body[:1] == b"{":
        return decoded(body) or {}
    return dict(parse_qsl(body.decode("utf-8", "replace")))


def _texts(params: dict[str, Any], key: str) -> list[str]:
    listed = params.get(key)
    return [str(name) for name in listed] if isinstance(listed, list) else []


def _client(client_id: str) -> dict[str, Any]:
    return {"cl_ord_id": client_id} if client_id else {}
