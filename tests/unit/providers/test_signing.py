"""BOOK-30: signatures and tokens, by the venues' published vectors and by verifying with the public key."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from engine.base.errors import AuthError, ConfigError, ProtocolError
from engine.base.secrets import mask_text
from engine.config.sections_providers import CredentialsConfig
from engine.providers.binance.signing import BinanceSigner
from engine.providers.coinbase.signing import CoinbaseSigner
from engine.providers.credentials import Credentials, read_credentials
from engine.providers.kraken.signing import KrakenSigner, read_token, user_stream_frames

NOW_NS = 1_800_000_000_123_456_789
# The venues' public examples, from their documentation.
BINANCE_KEY = "vmPUZE6mv9SD5VNHk4HlWFsOr6aKE2zvsw0MuIgwCIPy6utIco14y7Ju91duEh8A"
BINANCE_SECRET = "NhqPtmdSJYdKjVHjA7PZj4Mge3R5YNiP1e3UZjInClVN65XAbvqqM6A7H5fATj0j"
KRAKEN_SECRET = "kQH5HW/8p1uGOVjbgWA7FunAmGO8lsSUXNsu3eow76sz84Q18fWxnyRzBHCd3pd5nE9qa99HAZtuZuj6F1huXg=="
RFC_8032_SEED = bytes.fromhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60")
ORDER = {
    "side": "BUY", "type": "LIMIT", "timeInForce": "GTC", "quantity": 1, "price": "0.1", "recvWindow": 5000,
    "timestamp": 1499827319559,
}  # fmt: skip
WS_ORDER = {
    "symbol": "BTCUSDT", "side": "SELL", "type": "LIMIT", "timeInForce": "GTC", "quantity": "0.01000000",
    "price": "52000.00", "recvWindow": 100, "timestamp": 1645423376532,
}  # fmt: skip


def pem(key: Any, form: PrivateFormat = PrivateFormat.PKCS8) -> str:
    return str(key.private_bytes(Encoding.PEM, form, NoEncryption()).decode())


def seed_text() -> str:
    return base64.b64encode(RFC_8032_SEED).decode()


# --- Binance ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("symbol", "encoded", "signature"),
    [
        ("LTCBTC", "LTCBTC", "c8db56825ae71d6d79447849e617115f4a920fa2acdcab2b053c4b2838bd6b71"),
        (
            "\uff11\uff12\uff13\uff14\uff15\uff16",
            "%EF%BC%91%EF%BC%92%EF%BC%93%EF%BC%94%EF%BC%95%EF%BC%96",
            "e1353ec6b14d888f1164ae9af8228a3dbd508bc82eb867db8ab6046442f33ef3",
        ),
    ],
)
def test_binance_rest_is_encoded_then_signed(symbol: str, encoded: str, signature: str) -> None:
    signer = BinanceSigner(Credentials(BINANCE_KEY, BINANCE_SECRET))
    query = signer.query({"symbol": symbol, **ORDER})
    assert query.startswith(f"symbol={encoded}&side=BUY&type=LIMIT&")
    assert query.endswith(f"&timestamp=1499827319559&signature={signature}")
    assert signer.headers == {"X-MBX-APIKEY": BINANCE_KEY}


def test_binance_websocket_parameters_are_sorted_and_signed_as_they_are() -> None:
    params = BinanceSigner(Credentials(BINANCE_KEY, BINANCE_SECRET)).ws_params(WS_ORDER)
    assert params["signature"] == "aa1b5712c094bc4e57c05a1a5c1fd8d88dcd628338ea863fec7b88e59fe2db24"
    assert params["apiKey"] == BINANCE_KEY
    key = ed25519.Ed25519PrivateKey.from_private_bytes(RFC_8032_SEED)
    for secret in (seed_text(), pem(key)):
        params = BinanceSigner(Credentials(BINANCE_KEY, secret, "ed25519")).ws_params(WS_ORDER)
        assert params["signature"] == (
            "/RNKbCSA6iS23rmPP+v/A6061Gd8Cq3H5fR1YlWyOYP0CZ6Oq/+spQodx1F1B63EIhUSP2QmDaMDAMBFCTI+CQ=="
        )


def test_binance_rsa_is_pkcs1_over_sha256_and_percent_encoded_in_a_query() -> None:
    key = rsa.generate_private_key(65537, 2048)
    query = BinanceSigner(Credentials("k", pem(key), "rsa")).query({"a": 1})
    text, _, signature = query.partition("&signature=")
    raw = base64.b64decode(signature.replace("%2B", "+").replace("%2F", "/").replace("%3D", "="))
    key.public_key().verify(raw, text.encode(), PKCS1v15(), SHA256())


def test_binance_opens_its_user_stream_by_logon_or_by_a_signed_subscription() -> None:
    logon, subscribe = map(
        json.loads, BinanceSigner(Credentials("k", seed_text(), "ed25519")).user_stream_frames(NOW_NS)
    )
    assert logon["method"] == "session.logon"
    assert logon["params"]["timestamp"] == NOW_NS // 1_000_000
    assert set(logon["params"]) == {"apiKey", "timestamp", "signature"}
    assert subscribe == {"id": "user-stream", "method": "userDataStream.subscribe"}
    (signed,) = map(json.loads, BinanceSigner(Credentials("k", "secret")).user_stream_frames(NOW_NS))
    assert signed["method"] == "userDataStream.subscribe.signature"


@pytest.mark.parametrize(("secret", "key_type"), [("nonsense", "ed25519"), ("AAAA", "ed25519"), (seed_text(), "rsa")])
def test_a_secret_of_another_type_is_refused_without_showing_it(secret: str, key_type: str) -> None:
    with pytest.raises(AuthError) as caught:
        BinanceSigner(Credentials("k", secret, key_type))
    assert secret not in str(caught.value)


# --- Coinbase -----------------------------------------------------------------------------------------------


def parts_of(token: str) -> tuple[dict[str, Any], dict[str, Any], bytes, bytes]:
    header, claims, signature = token.split(".")

    def decoded(part: str) -> bytes:
        return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))

    return json.loads(decoded(header)), json.loads(decoded(claims)), decoded(signature), f"{header}.{claims}".encode()


@pytest.mark.parametrize("form", [PrivateFormat.PKCS8, PrivateFormat.TraditionalOpenSSL])
def test_coinbase_es256_is_the_raw_64_bytes(form: PrivateFormat) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    signer = CoinbaseSigner(Credentials("organizations/o/apiKeys/k", pem(key, form)), lambda: "n0")
    header, claims, signature, text = parts_of(signer.token(NOW_NS, "GET", "/api/v3/brokerage/orders"))
    assert header == {"alg": "ES256", "typ": "JWT", "kid": "organizations/o/apiKeys/k", "nonce": "n0"}
    assert claims == {
        "sub": "organizations/o/apiKeys/k", "iss": "cdp", "nbf": 1_799_999_995, "exp": 1_800_000_115,
        "uri": "GET api.coinbase.com/api/v3/brokerage/orders",
    }  # fmt: skip
    assert len(signature) == 64
    r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")
    key.public_key().verify(encode_dss_signature(r, s), text, ec.ECDSA(SHA256()))
    with pytest.raises(InvalidSignature):
        key.public_key().verify(encode_dss_signature(r, s), text + b"x", ec.ECDSA(SHA256()))


def test_coinbase_eddsa_by_seed_by_seed_and_public_key_and_by_pem() -> None:
    key = ed25519.Ed25519PrivateKey.from_private_bytes(RFC_8032_SEED)
    public = key.public_key().public_bytes_raw()
    texts = (seed_text(), base64.b64encode(RFC_8032_SEED + public).decode(), pem(key))
    tokens = {CoinbaseSigner(Credentials("k", text), lambda: "n").token(NOW_NS) for text in texts}
    (token,) = tokens
    header, claims, signature, text = parts_of(token)
    assert header["alg"] == "EdDSA"
    assert "uri" not in claims
    key.public_key().verify(signature, text)


def test_coinbase_messages_have_a_token_each() -> None:
    frames = [json.loads(one) for one in CoinbaseSigner(Credentials("k", seed_text())).user_stream_frames(NOW_NS)]
    assert [one["channel"] for one in frames] == ["heartbeats", "user"]
    assert len({one["jwt"] for one in frames}) == 2


def test_coinbase_refuses_other_keys() -> None:
    for key in (rsa.generate_private_key(65537, 2048), ec.generate_private_key(ec.SECP384R1())):
        with pytest.raises(AuthError):
            CoinbaseSigner(Credentials("k", pem(key)))


# --- Kraken -------------------------------------------------------------------------------------------------


def test_kraken_signature_is_the_published_one() -> None:
    signer = KrakenSigner(Credentials("key", KRAKEN_SECRET), lambda: NOW_NS)
    body = "nonce=1616492376594&ordertype=limit&pair=XBTUSD&price=37500&type=buy&volume=1.25"
    assert signer.signature("/0/private/AddOrder", 1616492376594, body) == (
        "4/dpxb3iT4tp/ZCVEwSnEsLxx0bqyhLpdfOpc6fn7OR8+UClSV5n9E6aSS8MPtnRfp32bAb0nmbRn6H8ndwLUQ=="
    )


def test_kraken_nonces_only_rise_also_when_the_clock_does_not() -> None:
    times = iter([5, 5, 4, 9])
    signer = KrakenSigner(Credentials("key", KRAKEN_SECRET), lambda: next(times))
    assert [signer.nonce() for _ in range(4)] == [5, 6, 7, 9]


def test_kraken_private_calls_carry_key_sign_and_nonce_first() -> None:
    signer = KrakenSigner(Credentials("key", KRAKEN_SECRET), lambda: 7)
    body, headers = signer.request("/0/private/GetWebSocketsToken", {"a": "b c"})
    assert body == b"nonce=7&a=b+c"
    assert headers["API-Key"] == "key"
    assert headers["API-Sign"] == signer.signature("/0/private/GetWebSocketsToken", 7, "nonce=7&a=b+c")


def test_kraken_token_or_what_the_venue_says() -> None:
    token = read_token(b'{"error":[],"result":{"token":"T1","expires":900}}')
    assert token == "T1"
    with pytest.raises(AuthError) as caught:
        read_token(b'{"error":["EAPI:Invalid key"]}')
    assert caught.value.venue_message == "EAPI:Invalid key"
    with pytest.raises(ProtocolError):
        read_token(b"<html>")
    frames = [json.loads(one) for one in user_stream_frames("T1")]
    assert [one["params"]["channel"] for one in frames] == ["executions", "balances"]
    assert {one["params"]["token"] for one in frames} == {"T1"}
    assert [one["req_id"] for one in frames] == [1, 2]


# --- where keys come from -----------------------------------------------------------------------------------


def test_a_key_comes_from_the_variables_that_are_named_and_is_masked_CFG_04() -> None:
    config = CredentialsConfig(api_key_env="A_KEY", api_secret_env="A_SECRET")
    found = read_credentials("kraken", config, {"A_KEY": "key-value-1", "A_SECRET": "line1\\nline2-value"})
    assert found == Credentials("key-value-1", "line1\nline2-value", None)
    assert "value" not in repr(found)
    assert mask_text("x key-value-1 y") == "x *** y"
    assert read_credentials("kraken", CredentialsConfig(), {}) is None


@pytest.mark.parametrize(
    ("config", "says"),
    [
        (CredentialsConfig(api_key_env="A_KEY"), "api_secret_env is missing"),
        (CredentialsConfig(api_key_env="A_KEY", api_secret_env="NOT_SET"), "NOT_SET is not set"),
    ],
)
def test_half_a_key_is_refused(config: CredentialsConfig, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        read_credentials("kraken", config, {"A_KEY": "key-value-2"})
