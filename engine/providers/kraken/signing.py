"""Signed REST calls of Kraken, and the token of its private socket. Source: docs.kraken.com, REST authentication."""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
import hmac
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

import msgspec

from engine.base.errors import AuthError, ProtocolError
from engine.base.jsontext import encode
from engine.providers.budget import CallClass
from engine.providers.credentials import Credentials
from engine.providers.kraken import manifest
from engine.providers.rest import RestClient

TOKEN_PATH = "/0/private/GetWebSocketsToken"
BALANCES_PATH = "/0/private/BalanceEx"


class KrakenSigner:
    """Signs with one key; a nonce of it is never used twice and never falls.

    Args:
        credentials: key, and secret in base64.
        now_ns: our clock; nonces are its ns.

    Raises:
        AuthError: the secret is no base64.
    """

    def __init__(self, credentials: Credentials, now_ns: Callable[[], int]) -> None:
        self.api_key = credentials.api_key
        self._now_ns = now_ns
        self._last_nonce = 0
        self.turn = asyncio.Lock()
        """Held from a nonce until its call is answered: calls must arrive in the order of their nonces."""
        try:
            self._secret = base64.b64decode(credentials.api_secret, validate=True)
        except binascii.Error:
            raise AuthError("the secret is no base64", op="credentials.read", provider=manifest.VENUE) from None

    def nonce(self) -> int:
        """The next one; the caller sends in the order in which it asked."""
        self._last_nonce = max(self._now_ns(), self._last_nonce + 1)
        return self._last_nonce

    def signature(self, path: str, nonce: int, body: str) -> str:
        """API-Sign of a form *body* that begins with the nonce."""
        digest = hashlib.sha256(f"{nonce}{body}".encode()).digest()
        return base64.b64encode(hmac.new(self._secret, path.encode() + digest, hashlib.sha512).digest()).decode()

    def request(self, path: str, params: Mapping[str, str] | None = None) -> tuple[bytes, dict[str, str]]:
        """Body and headers of one private call."""
        nonce = self.nonce()
        body = urlencode({"nonce": nonce, **(params or {})})
        headers = {
            "API-Key": self.api_key,
            "API-Sign": self.signature(path, nonce, body),
            "Content-Type": "application/x-www-form-urlencoded",
        }
        return body.encode(), headers


class _Reply(msgspec.Struct):
    error: list[str]
    result: dict[str, Any] | None = None


_REPLIES = msgspec.json.Decoder(_Reply, float_hook=Decimal)


async def signed_call(
    rest: RestClient,
    endpoint: str,
    signer: KrakenSigner,
    path: str,
    params: Mapping[str, str],
    call: CallClass,
    *,
    weight: int = 1,
) -> tuple[dict[str, Any] | None, str]:
    """A private call's result, else what the venue said in place of one.

    Raises:
        VenueError: the venue cannot be reached, or answers with something else.
    """
    # What is less urgent waits before it has a nonce, and holds nobody up.
    await rest.admitted(weight, call)
    async with signer.turn:
        body, headers = signer.request(path, params)
        answer = await rest.post(f"{endpoint}{path}", body, headers, weight=weight, call=call)
    try:
        return result_of(answer, path.rpartition("/")[2]), ""
    except AuthError as error:
        return None, error.venue_message or error.reason


def result_of(body: bytes, op: str) -> dict[str, Any]:
    """What a private call is answered with.

    Raises:
        AuthError: the venue refuses the key, the signature or the nonce.
        ProtocolError: the answer is something else.
    """
    try:
        reply = _REPLIES.decode(body)
    except msgspec.DecodeError as error:
        raise ProtocolError(str(error), op=op, provider=manifest.VENUE, raw=body) from None
    if reply.result is None:
        said = "; ".join(reply.error)
        raise AuthError("the call was refused", op=op, provider=manifest.VENUE, venue_message=said)
    return reply.result


def read_token(body: bytes) -> str:
    """The token of an answer to TOKEN_PATH; it opens a private socket within 15 minutes.

    Raises:
        AuthError: the venue refuses the key, the signature or the nonce.
        ProtocolError: the answer is something else.
    """
    token = result_of(body, "token.read").get("token")
    if not isinstance(token, str):
        raise ProtocolError("the answer has no token", op="token.read", provider=manifest.VENUE, raw=body)
    return token


def user_stream_frames(token: str) -> tuple[bytes, ...]:
    """What opens the private streams: executions with both snapshots, and balances."""
    executions = {"channel": manifest.CHANNEL_EXECUTIONS, "snap_orders": True, "snap_trades": True,
                  "order_status": True, "ratecounter": True, "token": token}  # fmt: skip
    balances = {"channel": manifest.CHANNEL_BALANCES, "token": token}
    return tuple(
        encode({"method": "subscribe", "params": params, "req_id": number})
        for number, params in enumerate((executions, balances), 1)
    )
