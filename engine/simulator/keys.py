"""Keys of the simulated venues' accounts, and how each venue checks what is signed with them.

The keys are fixed and public (docs/simulator.md); nothing here is shared with those who sign.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Collection
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from engine.simulator.instruments import BINANCE, COINBASE, KRAKEN, SIMULATED

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

HMAC, ED25519, ES256 = "hmac", "ed25519", "es256"


class SimKey(NamedTuple):
    """A key of an account: its public name, its kind, and the secret as its owner configures it.

    An es256 secret is the number that the key is made of; its owner configures the PEM that docs/simulator.md has.
    """

    api_key: str
    kind: str
    secret: str


def _made(venue: str, kind: str) -> str:
    return base64.b64encode(hashlib.sha256(f"simulated {venue} {kind}".encode()).digest()).decode()


KEYS: dict[str, tuple[SimKey, ...]] = {
    BINANCE: (
        SimKey("sim-binance-hmac", HMAC, _made(BINANCE, HMAC)),
        SimKey("sim-binance-ed25519", ED25519, _made(BINANCE, ED25519)),
    ),
    COINBASE: (
        SimKey("organizations/sim/apiKeys/ed25519", ED25519, _made(COINBASE, ED25519)),
        SimKey("organizations/sim/apiKeys/es256", ES256, _made(COINBASE, ES256)),
    ),
    KRAKEN: (SimKey("sim-kraken-hmac", HMAC, _made(KRAKEN, HMAC)),),
    SIMULATED: (),
}
"""Of one account each."""


_ES256_BYTES = 64
# The second is what clients wrote before the first, and the venue takes it still.
_ISSUERS = ("cdp", "coinbase-cloud")
_ALGORITHMS = {ED25519: "EdDSA", ES256: "ES256"}


def is_signed(key: SimKey, text: bytes, signature: str) -> bool:
    """Whether a text has the signature that Binance wants of the key's kind."""
    if key.kind == HMAC:
        return hmac.compare_digest(hmac.new(key.secret.encode(), text, hashlib.sha256).hexdigest(), signature)
    try:
        return _is_ed25519(key, text, base64.b64decode(signature, validate=True))
    except binascii.Error:
        return False


def is_api_sign(key: SimKey, path: str, nonce: str, body: bytes, signature: str) -> bool:
    """Whether ``API-Sign`` is what Kraken wants of a call."""
    inner = path.encode() + hashlib.sha256(nonce.encode() + body).digest()
    wanted = hmac.new(base64.b64decode(key.secret), inner, hashlib.sha512).digest()
    return hmac.compare_digest(base64.b64encode(wanted).decode(), signature)


def jwt_key(keys: dict[str, SimKey], token: object, now_s: int, uris: Collection[str] = ()) -> SimKey | None:
    """The key that a token of Coinbase is signed with; None where it is not taken: form, time, uri or signature.

    Args:
        keys: by name.
        token: as it came.
        now_s: what the venue's clock shows.
        uris: the call in each spelling that it may be told by, none for a subscription.
    """
    try:
        header_text, claims_text, signature_text = str(token).split(".")
        header, claims = (msgspec.json.decode(_unpadded(part)) for part in (header_text, claims_text))
        key = keys[header["kid"]]
        right = (
            header["alg"] == _ALGORITHMS[key.kind]
            and claims["iss"] in _ISSUERS
            and claims["sub"] == key.api_key
            and claims["nbf"] <= now_s < claims["exp"] <= claims["nbf"] + 120
            and _is_for(claims, uris)
        )
        signed = f"{header_text}.{claims_text}".encode()
        check = _is_ed25519 if key.kind == ED25519 else _is_es256
        return key if right and check(key, signed, _unpadded(signature_text)) else None
    except (ValueError, KeyError, TypeError, msgspec.DecodeError):
        return None


def _is_for(claims: dict[str, Any], uris: Collection[str]) -> bool:
    """Whether a token's claims name a call, alone or among several; for a subscription, none."""
    named = claims["uris"] if "uris" in claims else [claims["uri"]] if "uri" in claims else []
    return any(uri in named for uri in uris) if uris else not named


def _unpadded(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


def _is_ed25519(key: SimKey, text: bytes, signature: bytes) -> bool:
    # Only here: who brings no key does not wait for it at the start.
    from cryptography.exceptions import InvalidSignature

    try:
        _public_key(key).verify(signature, text)
    except InvalidSignature:
        return False
    return True


def _is_es256(key: SimKey, text: bytes, signature: bytes) -> bool:
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ec import ECDSA
    from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
    from cryptography.hazmat.primitives.hashes import SHA256

    if len(signature) != _ES256_BYTES:
        return False
    halves = signature[: _ES256_BYTES // 2], signature[_ES256_BYTES // 2 :]
    try:
        encoded = encode_dss_signature(*(int.from_bytes(half, "big") for half in halves))
        _curve_key(key).verify(encoded, text, ECDSA(SHA256()))
    except InvalidSignature:
        return False
    return True


@cache
def _curve_key(key: SimKey) -> EllipticCurvePublicKey:
    from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, derive_private_key

    return derive_private_key(int.from_bytes(base64.b64decode(key.secret), "big"), SECP256R1()).public_key()


@cache
def _public_key(key: SimKey) -> Ed25519PublicKey:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    return Ed25519PrivateKey.from_private_bytes(base64.b64decode(key.secret)).public_key()


def whole(value: Any) -> int | None:
    """An integer, or a text of digits; None for all else."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    return int(value) if isinstance(value, str) and value.isdecimal() else None
