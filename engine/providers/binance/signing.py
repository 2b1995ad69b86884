"""Signed requests and the user stream of Binance Spot. Source: rest-api.md and web-socket-api.md, request security."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Callable, Mapping
from urllib.parse import quote, urlencode

from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256

from engine.base.errors import AuthError
from engine.base.jsontext import encode
from engine.providers.binance.manifest import VENUE
from engine.providers.credentials import Credentials
from engine.providers.keys import private_key

KEY_HEADER = "X-MBX-APIKEY"
LOGON_ID = "logon"
USER_STREAM_ID = "user-stream"
ED25519 = "ed25519"

Sign = Callable[[bytes], str]


class BinanceSigner:
    """Signs with one key: HMAC-SHA-256 by default, else Ed25519 or RSA.

    Args:
        credentials: key and secret, or private key.

    Raises:
        AuthError: the secret is not of the type that is named.
    """

    def __init__(self, credentials: Credentials) -> None:
        self.api_key = credentials.api_key
        self.key_type = credentials.key_type or "hmac"
        self._sign: Sign = _signer(credentials, self.key_type)

    @property
    def headers(self) -> dict[str, str]:
        """What goes with every signed request by REST."""
        return {KEY_HEADER: self.api_key}

    def query(self, params: Mapping[str, str | int]) -> str:
        """A query for REST: percent-encoded first, then signed in the order given, ``signature`` last."""
        text = urlencode(params, quote_via=quote)
        return f"{text}&signature={quote(self._sign(text.encode()), safe='')}"

    def ws_params(self, params: Mapping[str, str | int]) -> dict[str, str | int]:
        """Parameters for the WebSocket API: sorted by name, not percent-encoded, with key and ``signature``."""
        whole = dict(sorted({**params, "apiKey": self.api_key}.items()))
        text = "&".join(f"{name}={value}" for name, value in whole.items())
        return {**whole, "signature": self._sign(text.encode())}

    def request_frame(self, number: int, method: str, params: Mapping[str, str | int], venue_now_ns: int) -> bytes:
        """A request over a connection that user_stream_frames() has opened: logged on, it needs no signature."""
        timely = {**params, "timestamp": venue_now_ns // 1_000_000}
        return _request(number, method, timely if self.key_type == ED25519 else self.ws_params(timely))

    def account_frame(self, number: str, venue_now_ns: int) -> bytes:
        """``account.status`` over the WebSocket API, signed whether or not the connection is logged on."""
        return _request(number, "account.status", self.ws_params({"timestamp": venue_now_ns // 1_000_000}))

    def user_stream_frames(self, venue_now_ns: int) -> tuple[bytes, ...]:
        """What opens the user stream: an Ed25519 key logs on, any other signs the subscription itself."""
        params = self.ws_params({"timestamp": venue_now_ns // 1_000_000})
        if self.key_type != ED25519:
            return (_request(USER_STREAM_ID, "userDataStream.subscribe.signature", params),)
        return (_request(LOGON_ID, "session.logon", params), _request(USER_STREAM_ID, "userDataStream.subscribe", {}))


def _request(number: str | int, method: str, params: Mapping[str, str | int]) -> bytes:
    body: dict[str, object] = {"id": number, "method": method}
    return encode({**body, "params": params} if params else body)


def _signer(credentials: Credentials, key_type: str) -> Sign:
    secret = credentials.api_secret
    if key_type == "hmac":
        return lambda text: hmac.new(secret.encode(), text, hashlib.sha256).hexdigest()
    key = private_key(VENUE, secret)
    if isinstance(key, EllipticCurvePrivateKey) or isinstance(key, Ed25519PrivateKey) != (key_type == ED25519):
        raise AuthError(f"the secret is no {key_type} key", op="credentials.read", provider=VENUE)
    if isinstance(key, Ed25519PrivateKey):
        return lambda text: base64.b64encode(key.sign(text)).decode()
    return lambda text: base64.b64encode(key.sign(text, PKCS1v15(), SHA256())).decode()
