"""JWTs of Coinbase Advanced Trade, and its user channel. Source: docs.cdp.coinbase.com, API key authentication."""

from __future__ import annotations

import base64
import secrets
from collections.abc import Callable, Mapping

from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256

from engine.base.errors import AuthError
from engine.base.jsontext import encode
from engine.providers.coinbase import manifest
from engine.providers.credentials import Credentials
from engine.providers.keys import private_key

LIVES_S = 120
BEFORE_S = 5
"""``nbf`` is set this far back: the venue's clock may be behind what we think it is."""
HOST = "api.coinbase.com"
_P256_BYTES = 32
_NONCE_BYTES = 16


class CoinbaseSigner:
    """Makes one token a request: ES256 or EdDSA, as the key is.

    Args:
        credentials: the key's name and its private key.
        nonce: makes the random part of each token.

    Raises:
        AuthError: the secret is no key of these types.
    """

    def __init__(
        self, credentials: Credentials, nonce: Callable[[], str] = lambda: secrets.token_hex(_NONCE_BYTES)
    ) -> None:
        key = private_key(manifest.VENUE, credentials.api_secret)
        if not isinstance(key, Ed25519PrivateKey | EllipticCurvePrivateKey):
            raise AuthError("keys are ECDSA P-256 or Ed25519", op="credentials.read", provider=manifest.VENUE)
        if isinstance(key, EllipticCurvePrivateKey) and key.curve.name != "secp256r1":
            raise AuthError(f"the key's curve is {key.curve.name}, not P-256", op="credentials.read",
                            provider=manifest.VENUE)  # fmt: skip
        self._key = key
        self._name = credentials.api_key
        self._nonce = nonce

    def token(self, venue_now_ns: int, method: str | None = None, path: str | None = None, host: str = HOST) -> str:
        """A token for one REST call (method and path without its query), or for a WebSocket message.

        Args:
            venue_now_ns: by the venue's clock.
            method: of the call; None = for a WebSocket message.
            path: of the call.
            host: of the call.
        """
        now_s = venue_now_ns // 1_000_000_000
        header: Mapping[str, object] = {
            "alg": "EdDSA" if isinstance(self._key, Ed25519PrivateKey) else "ES256",
            "typ": "JWT",
            "kid": self._name,
            "nonce": self._nonce(),
        }
        claims: dict[str, object] = {
            "sub": self._name, "iss": "cdp", "nbf": now_s - BEFORE_S, "exp": now_s - BEFORE_S + LIVES_S
        }  # fmt: skip
        if method is not None:
            claims["uri"] = f"{method} {host}{path}"
        text = f"{_part(encode(header))}.{_part(encode(claims))}"
        return f"{text}.{_part(self._sign(text.encode()))}"

    def headers(self, venue_now_ns: int, method: str, path: str, host: str = HOST) -> dict[str, str]:
        """What goes with one REST call."""
        return {"Authorization": f"Bearer {self.token(venue_now_ns, method, path, host)}"}

    def user_stream_frames(self, venue_now_ns: int) -> tuple[bytes, ...]:
        """What opens the user stream, all products; each message has a token of its own."""
        return tuple(
            encode({"type": "subscribe", "channel": channel, "jwt": self.token(venue_now_ns)})
            for channel in (manifest.CHANNEL_HEARTBEATS, manifest.CHANNEL_USER)
        )

    def _sign(self, text: bytes) -> bytes:
        if isinstance(self._key, Ed25519PrivateKey):
            return self._key.sign(text)
        r, s = decode_dss_signature(self._key.sign(text, ECDSA(SHA256())))
        return r.to_bytes(_P256_BYTES, "big") + s.to_bytes(_P256_BYTES, "big")


def _part(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
