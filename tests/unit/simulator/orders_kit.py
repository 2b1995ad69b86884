"""Signed requests about orders to a venue without sockets, for the tests of its private side."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
from typing import Any
from urllib.parse import quote, urlencode

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from engine.simulator.keys import HMAC, KEYS, SimKey
from engine.simulator.messages import SignedCall
from engine.simulator.sessions import Session
from engine.simulator.venue import Venue
from tests.unit.simulator.clients import Tape, connect, make_venue, parse, say

HMAC_KEY, ED_KEY = KEYS["binance"][:2]


def signed(key: SimKey, text: str) -> str:
    """As Binance wants it of the key's kind."""
    if key.kind == HMAC:
        return hmac.new(key.secret.encode(), text.encode(), hashlib.sha256).hexdigest()
    seed = Ed25519PrivateKey.from_private_bytes(base64.b64decode(key.secret))
    return base64.b64encode(seed.sign(text.encode())).decode()


class BinanceClient:
    """A connection to the WebSocket API that hears its account, and signed calls by REST of the same key."""

    def __init__(self, venue: Venue | None = None, key: SimKey = HMAC_KEY) -> None:
        self.venue = venue or make_venue("binance")
        self.key = key
        self._number = 0
        self.session: Session
        self.tape: Tape
        self.join()

    def join(self) -> None:
        """Connect anew, and listen."""
        self.session, self.tape = connect(self.venue, "/ws-api/v3")
        assert self.ask("userDataStream.subscribe.signature")["status"] == 200

    def send(self, method: str, **params: Any) -> int:
        self._number += 1
        params |= {"apiKey": self.key.api_key, "timestamp": self.venue.now_us // 1000}
        text = "&".join(f"{name}={params[name]}" for name in sorted(params))
        message = {"id": self._number, "method": method, "params": {**params, "signature": signed(self.key, text)}}
        say(self.venue, self.session, **message)
        return self._number

    def reply(self, number: int) -> Any:
        """What a request was answered with, None where it was not."""
        return next((message for message in self.tape.messages() if message.get("id") == number), None)

    def ask(self, method: str, **params: Any) -> Any:
        return self.reply(self.send(method, **params))

    def place(self, side: str = "BUY", price: str | None = "61000.00", qty: str = "0.00100", **more: Any) -> Any:
        """A limit order, a market order without a price."""
        limit = {"type": "LIMIT", "timeInForce": "GTC", "price": price} if price else {"type": "MARKET"}
        return self.ask("order.place", **({"symbol": "BTCUSDT", "side": side, "quantity": qty} | limit | more))

    def events(self, kind: str = "executionReport") -> list[Any]:
        """What has been told since the last time."""
        found = [message["event"] for message in self.tape.messages() if "event" in message]
        self.tape.frames = [frame for frame in self.tape.frames if b'"event"' not in frame]
        return [event for event in found if event["e"] == kind]

    def balance(self, asset: str) -> tuple[str, str]:
        told = self.ask("account.status")["result"]["balances"]
        return next((row["free"], row["locked"]) for row in told if row["asset"] == asset)

    def rest(self, method: str, endpoint: str, *, in_body: bool = False, **params: Any) -> tuple[int, Any]:
        text = urlencode({**params, "timestamp": self.venue.now_us // 1000})
        sent = f"{text}&signature={quote(signed(self.key, text), safe='')}"
        query, body = ("", sent) if in_body else (sent, "")
        call = SignedCall(method, f"/api/v3/{endpoint}", query, {"x-mbx-apikey": self.key.api_key}, body.encode())
        reply = self.venue.rest(call.path, {}, call)
        return reply.status, parse(reply.body)


class KrakenClient:
    """A private connection with a token, and signed calls by REST of the same key."""

    def __init__(self, venue: Venue | None = None, **subscription: Any) -> None:
        self.venue = venue or make_venue("kraken")
        (self.key,) = KEYS["kraken"]
        self._number = 0
        self._nonce = max((one.last_nonce for one in self.venue.accounts.values()), default=0)
        self._subscription = subscription
        self.session: Session
        self.tape: Tape
        self.join()

    def join(self) -> None:
        """Connect anew with a token, and listen to both channels."""
        self.token = self.rest("GetWebSocketsToken")[1]["result"]["token"]
        self.session, self.tape = connect(self.venue, "/v2/private")
        for channel in ("executions", "balances"):
            assert self.ask("subscribe", channel=channel, **self._subscription)[0]["success"]

    def send(self, method: str, **params: Any) -> int:
        self._number += 1
        params.setdefault("token", self.token)
        # Numbers are JSON numbers, digit by digit.
        text = json.dumps({"method": method, "params": params, "req_id": self._number})
        self.venue.receive(self.session, re.sub(r'"#([^"]*)"', r"\1", text).encode())
        return self._number

    def ask(self, method: str, **params: Any) -> list[Any]:
        """All answers to a request."""
        number = self.send(method, **params)
        return [message for message in self.tape.messages() if message.get("req_id") == number]

    def place(self, side: str = "buy", price: str | None = "61000.0", qty: str = "0.00100000", **more: Any) -> Any:
        limit = {"order_type": "limit", "limit_price": f"#{price}"} if price else {"order_type": "market"}
        asked = {"symbol": "BTC/USD", "side": side, "order_qty": f"#{qty}"} | limit | more
        answers = self.ask("add_order", **asked)
        return answers[0] if answers else None

    def told(self, channel: str = "executions") -> list[Any]:
        """The entries of updates since the last time."""
        found = [message for message in self.tape.messages() if message.get("channel") in ("executions", "balances")]
        self.tape.frames = [frame for frame in self.tape.frames if b'"sequence"' not in frame]
        return [row for one in found if one["channel"] == channel and one["type"] == "update" for row in one["data"]]

    def rest(self, name: str, **params: Any) -> tuple[int, Any]:
        self._nonce += 1
        path = f"/0/private/{name}"
        body = urlencode({"nonce": self._nonce, **params})
        inner = path.encode() + hashlib.sha256(f"{self._nonce}{body}".encode()).digest()
        digest = hmac.new(base64.b64decode(self.key.secret), inner, hashlib.sha512).digest()
        headers = {"api-key": self.key.api_key, "api-sign": base64.b64encode(digest).decode()}
        reply = self.venue.rest(path, {}, SignedCall("POST", path, "", headers, body.encode()))
        return reply.status, parse(reply.body)


class CoinbaseClient:
    """A connection that hears its account's orders, and calls by REST of the same key."""

    root = "/api/v3/brokerage/"

    def __init__(self, venue: Venue | None = None) -> None:
        self.venue = venue or make_venue("coinbase")
        self.key = KEYS["coinbase"][0]
        self.join()

    def join(self) -> None:
        """Connect anew, and listen."""
        self.session, self.tape = connect(self.venue)
        say(self.venue, self.session, type="subscribe", channel="user", jwt=self.token())

    def token(self, uri: str | None = None) -> str:
        now_s = self.venue.now_us // 10**6
        header = {"alg": "EdDSA", "typ": "JWT", "kid": self.key.api_key, "nonce": "n"}
        claims = {"sub": self.key.api_key, "iss": "cdp", "nbf": now_s - 5, "exp": now_s + 115}
        text = ".".join(_part(json.dumps(part).encode()) for part in (header, claims | ({"uri": uri} if uri else {})))
        return f"{text}.{_part(base64.b64decode(signed(self.key, text)))}"

    def rest(self, method: str, endpoint: str, body: object = None, **query: Any) -> tuple[int, Any]:
        path = f"{self.root}{endpoint}"
        headers = {"authorization": f"Bearer {self.token(f'{method} api.coinbase.com{path}')}"}
        text = b"" if body is None else json.dumps(body).encode()
        call = SignedCall(method, path, urlencode(query, doseq=True), headers, text)
        reply = self.venue.rest(path, {}, call)
        return reply.status, parse(reply.body)

    def place(self, name: str, side: str = "BUY", *, config: str = "limit_limit_gtc", **values: Any) -> Any:
        values = values or {"base_size": "0.001", "limit_price": "61000.00"}
        body = {"client_order_id": name, "product_id": "BTC-USD", "side": side, "order_configuration": {config: values}}
        return self.rest("POST", "orders", body)[1]

    def told(self) -> list[Any]:
        """The orders of updates since the last time."""
        found = [event for message in self.tape.messages() if message.get("channel") == "user" for event in message["events"]]
        self.tape.frames.clear()
        return [order for event in found if event["type"] == "update" for order in event["orders"]]


def _part(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def held(venue: Venue) -> Venue:
    """A venue in whose markets nothing happens but what clients do."""
    venue.freeze()
    return venue

