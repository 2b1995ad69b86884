"""ccxt places, queries and cancels orders on the simulated venues with real signatures; a wrong one is refused."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, derive_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from engine.simulator.keys import ED25519, ES256, KEYS, SimKey
from tests.interop.kit import installed, running, trading, until

pytestmark = [pytest.mark.system, pytest.mark.interop, pytest.mark.timeout(150)]

ID = {"binance": "ours-1", "coinbase": "ours-1", "kraken": "6d1b345e-2821-40e2-ad83-4ecb18a06876"}
TOO_MUCH = {
    "binance": ("InsufficientFunds", "Account has insufficient balance for requested action."),
    "coinbase": ("InsufficientFunds", "INSUFFICIENT_FUND"), "kraken": ("InsufficientFunds", "EOrder:Insufficient funds"),
}  # fmt: skip
WRONG_SECRET = {
    "binance": ("AuthenticationError", "Signature for this request is not valid."),
    "coinbase": ("AuthenticationError", "Unauthorized"), "kraken": ("ExchangeError", "EAPI:Invalid signature"),
}  # fmt: skip


@pytest.mark.parametrize("venue", ["binance-hmac", "binance-ed25519", "coinbase-ed25519", "coinbase-es256", "kraken-hmac"])
def test_its_orders_are_the_venues(venue: str, tmp_path: Path) -> None:
    name, _, kind = venue.partition("-")
    key = next(key for key in KEYS[name] if key.kind == kind)
    folders = installed("interop", "ccxt")
    with trading(name) as market:
        bid = float(market.books([market.symbol])[market.symbol]["bids"][0][0])
        config = {
            "venue": name, "key": key.api_key, "secret": written(key), "wrong": written(a_wrong_one(key)),
            "price": round(bid * 0.9),
            "name": ID[name], "ca_file": market.ca_file, **market.addresses,
        }  # fmt: skip
        with running("ccxt_orders", config, folders, tmp_path) as client:
            until(lambda: "wrong_secret" in client.tell(), "it has not come to its end")
            told = client.tell()
        waiting, taken = market.orders(key.api_key)
        fills = market.fills(key.api_key)
    assert (waiting["id"], waiting["client_id"], waiting["status"]) == (told["placed"], ID[name], "canceled")
    assert told["fetched"] == {
        "id": waiting["id"], "clientOrderId": ID[name], "status": "open", "side": "buy", "amount": 0.001, "filled": 0.0,
        "price": config["price"],
    }  # fmt: skip
    assert told["open"] == [waiting["id"]]
    assert told["balance"]["BTC"] == {"free": 10.0, "used": 0.5, "total": 10.5}
    assert told["cancelled"] == told["fetched"] | {"status": "canceled"}
    assert told["open_after"] == []
    assert (taken["id"], taken["status"]) == (told["taken"], "filled")
    assert (told["filled"]["status"], told["filled"]["filled"]) == ("closed", 0.05)
    assert told["trades"] == [
        {"order": taken["id"], "side": "sell", "price": float(fill["price"]), "amount": float(fill["qty"]), "fee": float(fill["fee"])}
        for fill in fills
    ]
    for seen, (error, words) in ((told["too_much"], TOO_MUCH[name]), (told["wrong_secret"], WRONG_SECRET[name])):
        assert seen[0] == error
        assert words in seen[1]


def a_wrong_one(key: SimKey) -> SimKey:
    """A key of the same venue and form with another secret."""
    others = (other for keys in KEYS.values() for other in keys)
    return key._replace(secret=next(one.secret for one in others if one.secret != key.secret))


def written(key: SimKey) -> str:
    """The secret as ccxt takes it: Binance's Ed25519 keys and Coinbase's of the curve as PEM."""
    raw = base64.b64decode(key.secret)
    if key.kind == ES256:
        curve_key = derive_private_key(int.from_bytes(raw, "big"), SECP256R1())
        return curve_key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()).decode()
    if key.kind == ED25519 and key.api_key in {one.api_key for one in KEYS["binance"]}:
        seed = Ed25519PrivateKey.from_private_bytes(raw)
        return seed.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    return key.secret
