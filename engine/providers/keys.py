"""Private keys as venues issue them: PEM texts and raw Ed25519 seeds."""

from __future__ import annotations

import base64
import binascii
from typing import TypeAlias

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from engine.base.errors import AuthError

SEED_BYTES = 32

PrivateKey: TypeAlias = Ed25519PrivateKey | EllipticCurvePrivateKey | RSAPrivateKey


def private_key(provider: str, secret: str) -> PrivateKey:
    """The key of a PEM text (PKCS#8 or SEC1), or of the base64 of an Ed25519 seed, alone or before its public key.

    Raises:
        AuthError: it is none of these; the text is not shown.
    """
    if "-----BEGIN" in secret:
        try:
            key = load_pem_private_key(secret.encode(), password=None)
        except (ValueError, TypeError, UnsupportedAlgorithm):
            raise _refused(provider, "the PEM text of the key cannot be read") from None
        if isinstance(key, Ed25519PrivateKey | EllipticCurvePrivateKey | RSAPrivateKey):
            return key
        raise _refused(provider, f"keys of type {type(key).__name__} are not signed with")
    try:
        raw = base64.b64decode(secret, validate=True)
    except binascii.Error:
        raise _refused(provider, "the key is neither PEM nor base64") from None
    if len(raw) not in (SEED_BYTES, 2 * SEED_BYTES):
        raise _refused(provider, f"an Ed25519 key has 32 or 64 bytes, not {len(raw)}")
    return Ed25519PrivateKey.from_private_bytes(raw[:SEED_BYTES])


def _refused(provider: str, why: str) -> AuthError:
    hint = "set the variable to the key as the venue issued it; a PEM text may have \\n for its line ends"
    return AuthError(why, op="credentials.read", provider=provider, hint=hint)
