"""The simulated Binance's private half: its WebSocket API and ``GET /api/v3/account``.

The venue's rules, as protocols tell them:
1. a timestamp more than 1 s ahead or older than recvWindow is refused (-1021), before the signature (-1022);
2. ``session.logon`` is for Ed25519 keys; any other signs each request;
3. one subscription an account a connection; events come wrapped, with the subscription's number.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple, Protocol
from urllib.parse import parse_qsl, unquote

from engine.simulator.accounts import SCALE, SignedCall, SimAccount, SimFill
from engine.simulator.keys import ED25519, is_signed, whole
from engine.simulator.messages import RestReply, decoded, json_text
from engine.simulator.sessions import Session
from engine.simulator.texts import fixed_text

PATH = "/ws-api/v3"
_WINDOW_MS, _WINDOW_MAX_MS, _AHEAD_MS = 5000, 60_000, 1000


class _Failure(NamedTuple):
    status: int
    code: int
    message: str


_KEY = _Failure(401, -2015, "Invalid API-key, IP, or permissions for action.")
_KEY_FORMAT = _Failure(401, -2014, "API-key format invalid.")
_AHEAD = _Failure(400, -1021, "Timestamp for this request was 1000ms ahead of the server's time.")
_LATE = _Failure(400, -1021, "Timestamp for this request is outside of the recvWindow.")
_SIGNATURE = _Failure(400, -1022, "Signature for this request is not valid.")
_MISSING = _Failure(400, -1102, "Mandatory parameter was not sent, was empty/null, or malformed.")
_HMAC_LOGON = _Failure(400, -4056, "HMAC_SHA256 API key is not supported.")
_ALREADY = _Failure(400, -2035, "User Data Stream subscription already active.")
_METHOD = _Failure(400, -1100, "Unknown method.")


class Served(Protocol):
    """What the calls need of the venue."""

    accounts: dict[str, SimAccount]

    @property
    def now_us(self) -> int:
        """What the venue's clock shows."""

    def deliver(self, session: Session, kind: str, frame: bytes) -> None:
        """Send one frame and count it."""


class BinanceUserApi:
    """Sessions of the WebSocket API: who is logged on, and who listens to which account."""

    def __init__(self, venue: Served) -> None:
        self._venue = venue
        self._logged_on: dict[Session, SimAccount] = {}
        self._listeners: dict[Session, SimAccount] = {}

    def forget(self, session: Session) -> None:
        """A connection has ended."""
        self._logged_on.pop(session, None)
        self._listeners.pop(session, None)

    def on_message(self, session: Session, frame: bytes) -> None:
        """Answer one request."""
        message = decoded(frame) or {}
        number, params = message.get("id"), message.get("params", {})
        result = self._result(session, message.get("method"), params if isinstance(params, dict) else {})
        if isinstance(result, _Failure):
            body: dict[str, Any] = {"status": result.status, "error": {"code": result.code, "msg": result.message}}
        else:
            body = {"status": 200, "result": result}
        self._venue.deliver(session, "reply", json_text({"id": number, **body, "rateLimits": []}).encode())

    def _result(self, session: Session, method: object, params: dict[str, Any]) -> dict[str, Any] | _Failure:
        if method == "time":
            return {"serverTime": self._venue.now_us // 1000}
        if method == "userDataStream.subscribe":
            known = self._logged_on.get(session)
            return _KEY if known is None else self._listen(session, known)
        if method not in ("session.logon", "userDataStream.subscribe.signature", "account.status"):
            return _METHOD
        account = self._signer(params)
        if isinstance(account, _Failure):
            return account
        if method == "account.status":
            return self._account(account)
        if method == "userDataStream.subscribe.signature":
            return self._listen(session, account)
        if account.key.kind != ED25519:
            return _HMAC_LOGON
        self._logged_on[session] = account
        now_ms = self._venue.now_us // 1000
        return {
            "apiKey": account.key.api_key, "authorizedSince": now_ms, "connectedSince": now_ms,
            "returnRateLimits": True, "serverTime": now_ms, "userDataStream": False,
        }  # fmt: skip

    def _signer(self, params: Mapping[str, Any]) -> SimAccount | _Failure:
        text = "&".join(f"{name}={params[name]}" for name in sorted(params) if name != "signature")
        return self._checked(params.get("apiKey"), params, text.encode(), str(params.get("signature", "")))

    def _checked(
        self, api_key: object, params: Mapping[str, Any], text: bytes, signature: str
    ) -> SimAccount | _Failure:
        if not api_key or not signature or "timestamp" not in params:
            return _MISSING
        if not str(api_key).isascii():
            return _KEY_FORMAT
        account = self._venue.accounts.get(str(api_key))
        if account is None:
            return _KEY
        sent_ms, window_ms = whole(params["timestamp"]), whole(params.get("recvWindow", _WINDOW_MS))
        if sent_ms is None or window_ms is None or window_ms > _WINDOW_MAX_MS:
            return _MISSING
        now_ms = self._venue.now_us // 1000
        if sent_ms >= now_ms + _AHEAD_MS:
            return _AHEAD
        if now_ms - sent_ms > window_ms:
            return _LATE
        return account if is_signed(account.key, text, signature) else _SIGNATURE

    def _listen(self, session: Session, account: SimAccount) -> dict[str, Any] | _Failure:
        if session in self._listeners:
            return _ALREADY
        self._listeners[session] = account
        return {"subscriptionId": 0}

    def _account(self, account: SimAccount) -> dict[str, Any]:
        balances = [{"asset": asset, **_amounts(account, asset, "free", "locked")} for asset in account.holdings]
        return {"accountType": "SPOT", "canTrade": True, "updateTime": self._venue.now_us // 1000, "balances": balances}

    def rest(self, endpoint: str, call: SignedCall) -> RestReply | None:
        """``GET account``; None for any other."""
        if endpoint != "account":
            return None
        text, _, signature = call.query.partition("&signature=")
        params = dict(parse_qsl(call.query))
        account = self._checked(call.headers.get("x-mbx-apikey"), params, text.encode(), unquote(signature))
        if isinstance(account, _Failure):
            return RestReply(account.status, json_text({"code": account.code, "msg": account.message}))
        return RestReply(200, json_text(self._account(account)))

    def tell(self, account: SimAccount, fill: SimFill) -> None:
        """The report of a fill, and the balances after it."""
        now_ms = self._venue.now_us // 1000
        report = {
            "e": "executionReport", "E": now_ms, "s": fill.market.instrument.venue_symbol, "c": f"web_{fill.number}",
            "S": "BUY", "o": "MARKET", "f": "GTC", "q": fill.qty_text, "p": "0.00000000", "C": "", "x": "TRADE",
            "X": "FILLED", "r": "NONE", "i": fill.number, "l": fill.qty_text, "z": fill.qty_text,
            "L": fill.price_text, "n": "0", "N": None, "T": now_ms, "t": fill.number, "m": False, "O": now_ms,
        }  # fmt: skip
        position = {
            "e": "outboundAccountPosition", "E": now_ms, "u": now_ms,
            "B": [{"a": asset, **_amounts(account, asset, "f", "l")} for asset in fill.assets],
        }  # fmt: skip
        for session, listened in self._listeners.items():
            if listened is account:
                for event in (report, position):
                    frame = json_text({"subscriptionId": 0, "event": event}).encode()
                    self._venue.deliver(session, "user", frame)


def _amounts(account: SimAccount, asset: str, free: str, locked: str) -> dict[str, str]:
    holding = account.holdings[asset]
    return {free: fixed_text(holding.free_raw, SCALE), locked: fixed_text(holding.locked_raw, SCALE)}
