"""Signed requests about orders to a venue without sockets, for the tests of its private side."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from typing import Any
from urllib.parse import quote, urlencode

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from engine.simulator.keys import HMAC, KEYS, SimKey
from engine.simulator.messages import SignedCall
from engine.simulator.sessions import Session
from engine.simulator.venue import Venue
from tests.unit.simulator.clients import START_US, Tape, connect, make_venue, parse, say

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


def held(venue: Venue) -> Venue:
    """A venue in whose markets nothing happens but what clients do."""
    venue.freeze()
    return venue


__all__ = ["ED_KEY", "HMAC_KEY", "START_US", "BinanceClient", "held", "json", "signed"]
