"""The simulated venues' private half: signatures by the published vectors, and what each venue says of a wrong one."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
from typing import Any
from urllib.parse import quote

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from engine.simulator.keys import ED25519, HMAC, KEYS, SimKey, is_api_sign, is_signed
from engine.simulator.messages import SignedCall
from engine.simulator.sessions import Session
from engine.simulator.venue import Venue
from tests.unit.simulator.clients import START_US, Tape, connect, make_venue, parse, say
from tests.unit.simulator.test_frame_faults import arm

NOW_MS, NOW_S = START_US // 1000, START_US // 10**6
HMAC_KEY, ED_KEY = KEYS["binance"]
COINBASE_KEY, CURVE_KEY = KEYS["coinbase"]
(KRAKEN_KEY,) = KEYS["kraken"]
TOKEN_PATH = "/0/private/GetWebSocketsToken"


def signed(key: SimKey, text: str) -> str:
    if key.kind == HMAC:
        return hmac.new(key.secret.encode(), text.encode(), hashlib.sha256).hexdigest()
    seed = Ed25519PrivateKey.from_private_bytes(base64.b64decode(key.secret))
    return base64.b64encode(seed.sign(text.encode())).decode()


def ws_params(key: SimKey, sent_ms: int = NOW_MS, **more: Any) -> dict[str, Any]:
    params = {"apiKey": key.api_key, "timestamp": sent_ms, **more}
    return {**params, "signature": signed(key, "&".join(f"{name}={params[name]}" for name in sorted(params)))}


def curve_key(told: str) -> EllipticCurvePrivateKey:
    """The key of the PEM in a text."""
    found = re.search("-----BEGIN EC PRIVATE KEY-----.*?-----END EC PRIVATE KEY-----", told, re.DOTALL)
    assert found is not None
    key = load_pem_private_key(found[0].encode(), None)
    assert isinstance(key, EllipticCurvePrivateKey)
    return key


def part(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def jwt(key: SimKey = COINBASE_KEY, *, uri: str | None = None, alg: str = "EdDSA", **claims: Any) -> str:
    body = {"sub": key.api_key, "iss": "cdp", "nbf": NOW_S - 5, "exp": NOW_S + 115} | claims
    text = f"{part({'alg': alg, 'typ': 'JWT', 'kid': key.api_key, 'nonce': 'n'})}.{part(body | ({'uri': uri} if uri else {}))}"
    raw = base64.b64decode(signed(key, text))
    return f"{text}.{base64.urlsafe_b64encode(raw).rstrip(b'=').decode()}"


def call(path: str, *, query: str = "", body: str = "", method: str = "GET", **headers: str) -> SignedCall:
    return SignedCall(method, path, query, {name.replace("_", "-"): value for name, value in headers.items()}, body.encode())


def token_call(
    nonce: object, key: SimKey = KRAKEN_KEY, *, secret: str = "", path: str = TOKEN_PATH
) -> SignedCall:
    body = f"nonce={nonce}"
    inner = path.encode() + hashlib.sha256(f"{nonce}{body}".encode()).digest()
    digest = hmac.new(base64.b64decode(secret or key.secret), inner, hashlib.sha512).digest()
    signature = base64.b64encode(digest).decode()
    return call(path, body=body, method="POST", api_key=key.api_key, api_sign=signature)


def asked(venue: Venue, made: SignedCall) -> tuple[int, Any]:
    reply = venue.rest(made.path, {}, made)
    return reply.status, parse(reply.body)


def last(tape: Tape) -> Any:
    return tape.messages()[-1]


# --- the published vectors ----------------------------------------------------------------------------------


def test_signatures_are_checked_by_the_venues_published_vectors() -> None:
    text = (
        b"apiKey=vmPUZE6mv9SD5VNHk4HlWFsOr6aKE2zvsw0MuIgwCIPy6utIco14y7Ju91duEh8A&price=52000.00&quantity=0.01000000"
        b"&recvWindow=100&side=SELL&symbol=BTCUSDT&timeInForce=GTC&timestamp=1645423376532&type=LIMIT"
    )
    key = SimKey("k", HMAC, "NhqPtmdSJYdKjVHjA7PZj4Mge3R5YNiP1e3UZjInClVN65XAbvqqM6A7H5fATj0j")
    right = "aa1b5712c094bc4e57c05a1a5c1fd8d88dcd628338ea863fec7b88e59fe2db24"
    assert is_signed(key, text, right)
    assert not is_signed(key, text, right.replace("aa", "ab", 1))
    seed = bytes.fromhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60")
    key = SimKey("k", ED25519, base64.b64encode(seed).decode())
    right = "/RNKbCSA6iS23rmPP+v/A6061Gd8Cq3H5fR1YlWyOYP0CZ6Oq/+spQodx1F1B63EIhUSP2QmDaMDAMBFCTI+CQ=="
    assert is_signed(key, text, right)
    assert not is_signed(key, text + b"0", right)
    assert not is_signed(key, text, "no base64")
    kraken = SimKey(
        "k", HMAC, "kQH5HW/8p1uGOVjbgWA7FunAmGO8lsSUXNsu3eow76sz84Q18fWxnyRzBHCd3pd5nE9qa99HAZtuZuj6F1huXg=="
    )
    body = b"nonce=1616492376594&ordertype=limit&pair=XBTUSD&price=37500&type=buy&volume=1.25"
    right = "4/dpxb3iT4tp/ZCVEwSnEsLxx0bqyhLpdfOpc6fn7OR8+UClSV5n9E6aSS8MPtnRfp32bAb0nmbRn6H8ndwLUQ=="
    assert is_api_sign(kraken, "/0/private/AddOrder", "1616492376594", body, right)
    assert not is_api_sign(kraken, "/0/private/AddOrder", "1616492376595", body, right)


# --- Binance ------------------------------------------------------------------------------------------------


def binance() -> tuple[Venue, Session, Tape]:
    venue = make_venue("binance")
    return venue, *connect(venue, "/ws-api/v3")


def test_binance_an_ed25519_key_logs_on_and_hears_its_account() -> None:
    venue, session, tape = binance()
    say(venue, session, id=1, method="userDataStream.subscribe")
    assert last(tape)["error"]["code"] == -2015
    say(venue, session, id=2, method="session.logon", params=ws_params(ED_KEY))
    assert (last(tape)["id"], last(tape)["status"]) == (2, 200)
    say(venue, session, id=3, method="userDataStream.subscribe")
    assert last(tape)["result"] == {"subscriptionId": 0}
    say(venue, session, id=4, method="userDataStream.subscribe")
    assert last(tape)["error"]["code"] == -2035
    venue.trade_elsewhere(venue.markets["BTCUSDT"])
    report, position = (message["event"] for message in tape.messages()[-2:])
    assert (report["e"], report["X"], report["s"]) == ("executionReport", "FILLED", "BTCUSDT")
    assert position["e"] == "outboundAccountPosition"
    # One lot, less the fee of a thousandth.
    assert position["B"][0] == {"a": "BTC", "f": "10.00000999", "l": "0.50000000"}
    assert position["B"][1]["a"] == "USDT"


def test_binance_any_other_key_signs_its_subscription() -> None:
    venue, session, tape = binance()
    say(venue, session, id=1, method="session.logon", params=ws_params(HMAC_KEY))
    assert last(tape)["error"]["code"] == -4056
    say(venue, session, id=2, method="userDataStream.subscribe.signature", params=ws_params(HMAC_KEY))
    assert last(tape)["result"] == {"subscriptionId": 0}
    say(venue, session, id=3, method="account.status", params=ws_params(HMAC_KEY))
    assert {"asset": "BTC", "free": "10.00000000", "locked": "0.50000000"} in last(tape)["result"]["balances"]


@pytest.mark.parametrize(
    ("params", "code"),
    [
        (ws_params(ED_KEY, NOW_MS - 5000), 0),
        (ws_params(ED_KEY, NOW_MS - 5001), -1021),
        (ws_params(ED_KEY, NOW_MS + 999), 0),
        (ws_params(ED_KEY, NOW_MS + 1000), -1021),
        (ws_params(ED_KEY, NOW_MS - 101, recvWindow=100), -1021),
        (ws_params(ED_KEY) | {"signature": signed(ED_KEY, "another text")}, -1022),
        (ws_params(ED_KEY._replace(secret=HMAC_KEY.secret)), -1022),
        (ws_params(ED_KEY._replace(api_key="nobody's")), -2015),
        ({"apiKey": ED_KEY.api_key}, -1102),
    ],
)
def test_binance_refuses_what_is_signed_wrong_or_at_another_time(params: dict[str, Any], code: int) -> None:
    venue, session, tape = binance()
    say(venue, session, id=1, method="session.logon", params=params)
    assert last(tape).get("error", {}).get("code", 0) == code
    assert (last(tape)["status"] == 200) is (code == 0)


def test_binance_the_account_by_rest_is_signed_over_the_query_as_it_is_sent() -> None:
    venue = make_venue("binance")
    for key in (HMAC_KEY, ED_KEY):
        text = f"omitZeroBalances=true&timestamp={NOW_MS}"
        query = f"{text}&signature={quote(signed(key, text), safe='')}"
        status, body = asked(venue, call("/api/v3/account", query=query, x_mbx_apikey=key.api_key))
        assert (status, body["accountType"]) == (200, "SPOT")
        status, body = asked(venue, call("/api/v3/account", query=query.replace("true", "false"), x_mbx_apikey=key.api_key))
        assert (status, body["code"]) == (400, -1022)


# --- Coinbase -----------------------------------------------------------------------------------------------


def test_coinbase_the_user_channel_is_for_who_has_a_token_of_now() -> None:
    venue = make_venue("coinbase")
    session, tape = connect(venue)
    wrong = [
        None, "x.y.z", jwt(nbf=NOW_S + 1, exp=NOW_S + 100), jwt(nbf=NOW_S - 130, exp=NOW_S - 10), jwt(exp=NOW_S + 500),
        jwt(iss="me"), jwt(uri="GET api.coinbase.com/"), jwt(COINBASE_KEY._replace(secret=HMAC_KEY.secret)),
        jwt(COINBASE_KEY._replace(api_key="nobody's")), jwt(alg="none"),
    ]  # fmt: skip
    for token in wrong:
        venue.true_us = lambda: START_US + len(tape.frames) * 10**6
        say(venue, session, type="subscribe", channel="user", jwt=token)
        assert last(tape) == {"type": "error", "message": "authentication failure"}
    say(venue, session, type="subscribe", channel="user", jwt=jwt())
    ack, snapshot = tape.messages()[-2:]
    assert "user" in ack["events"][0]["subscriptions"]
    assert snapshot["events"] == [{"type": "snapshot", "orders": []}]
    venue.trade_elsewhere(venue.markets["BTC-USD"])
    told = tape.messages()[-3:]
    orders = [message["events"][0]["orders"][0] for message in told]
    assert [order["status"] for order in orders] == ["PENDING", "OPEN", "FILLED"]
    assert {order["product_id"] for order in orders} == {"BTC-USD"}
    assert [message["sequence_num"] - snapshot["sequence_num"] for message in told] == [1, 2, 3]


def test_coinbase_a_token_of_a_call_is_for_its_method_and_path() -> None:
    venue, path = make_venue("coinbase"), "/api/v3/brokerage/accounts"
    status, body = asked(venue, call(path, authorization=f"Bearer {jwt(uri=f'GET api.coinbase.com{path}')}"))
    assert status == 200
    assert body["accounts"][0]["currency"] == "BTC"
    assert body["accounts"][0]["hold"]["value"] == "0.5"
    for uri in (None, f"POST api.coinbase.com{path}", "GET api.coinbase.com/api/v3/brokerage/orders"):
        assert asked(venue, call(path, authorization=f"Bearer {jwt(uri=uri)}"))[0] == 401


def test_coinbase_takes_a_token_of_the_curve_key_that_the_documentation_has(project_root: Any) -> None:
    venue, path = make_venue("coinbase"), "/api/v3/brokerage/accounts"
    told = (project_root / "docs" / "simulator.md").read_text(encoding="utf-8")
    text = ".".join(jwt(CURVE_KEY._replace(kind=ED25519), uri=f"GET api.coinbase.com{path}", alg="ES256").split(".")[:2])
    der = curve_key(told).sign(text.encode(), ECDSA(SHA256()))
    raw = b"".join(number.to_bytes(32, "big") for number in decode_dss_signature(der))

    def status(signature: bytes) -> int:
        token = f"{text}.{base64.urlsafe_b64encode(signature).rstrip(b'=').decode()}"
        return asked(venue, call(path, authorization=f"Bearer {token}"))[0]

    assert status(raw) == 200
    # Neither the other form of the same signature, nor another signature, nor the other key's.
    assert status(der) == 401
    assert status(raw[:-1] + bytes((raw[-1] ^ 1,))) == 401
    assert status(base64.b64decode(signed(COINBASE_KEY, text))) == 401


# --- Kraken -------------------------------------------------------------------------------------------------


def test_kraken_a_token_needs_a_key_a_signature_and_a_nonce_that_rises() -> None:
    venue = make_venue("kraken")
    assert asked(venue, token_call(5))[1]["result"]["expires"] == 900
    assert asked(venue, token_call(5)) == (200, {"error": ["EAPI:Invalid nonce"]})
    assert asked(venue, token_call(4)) == (200, {"error": ["EAPI:Invalid nonce"]})
    assert asked(venue, token_call(6, secret=HMAC_KEY.secret)) == (200, {"error": ["EAPI:Invalid signature"]})
    assert asked(venue, token_call(7, KRAKEN_KEY._replace(api_key="x"))) == (200, {"error": ["EAPI:Invalid key"]})
    assert "result" in asked(venue, token_call(8))[1]


def subscribe(venue: Venue, session: Session, channel: str, token: str) -> None:
    say(venue, session, method="subscribe", params={"channel": channel, "token": token}, req_id=1)


def test_kraken_tells_what_orders_hold_by_rest_in_its_older_spellings() -> None:
    venue = make_venue("kraken")
    status, told = asked(venue, token_call(7, path="/0/private/BalanceEx"))
    assert (status, told["error"]) == (200, [])
    assert told["result"]["XXBT"] == {"balance": "10.50000000", "hold_trade": "0.50000000"}
    assert told["result"]["ZUSD"] == {"balance": "100250.00000000", "hold_trade": "250.00000000"}
    assert asked(venue, token_call(7, path="/0/private/BalanceEx"))[1] == {"error": ["EAPI:Invalid nonce"]}


def test_kraken_private_channels_open_by_a_token_of_the_last_15_minutes() -> None:
    venue = make_venue("kraken")
    session, tape = connect(venue, "/v2/private")
    subscribe(venue, session, "executions", "a-guess")
    assert (last(tape)["success"], last(tape)["error"]) == (False, "EAPI:Invalid token")
    token, old = (asked(venue, token_call(nonce))[1]["result"]["token"] for nonce in (1, 2))
    subscribe(venue, session, "executions", token)
    assert last(tape) == {"channel": "executions", "type": "snapshot", "data": [], "sequence": 1}
    subscribe(venue, session, "balances", token)
    rows = {row["asset"]: str(row["balance"]) for row in last(tape)["data"]}
    assert rows["BTC"] == "10.5"
    other, other_tape = connect(venue, "/v2/private")
    subscribe(venue, other, "balances", token)
    assert last(other_tape)["error"] == "EAPI:Invalid token"
    venue.clock_offset_us += 15 * 60 * 10**6 + 1
    subscribe(venue, other, "balances", old)
    assert last(other_tape)["error"] == "EAPI:Invalid token"
    # Where a channel stands the token lives on.
    venue.trade_elsewhere(venue.markets["BTC/USD"])
    *executions, ledger = tape.messages()[-5:]
    assert [message["sequence"] for message in executions] == [2, 3, 4, 5]
    assert [message["data"][0]["exec_type"] for message in executions] == ["pending_new", "new", "trade", "filled"]
    assert {message["data"][0]["order_id"][0] for message in executions} == {"O"}
    assert (ledger["channel"], ledger["sequence"]) == ("balances", 2)
    assert str(ledger["data"][0]["balance"]) == "10.50000001"


def test_kraken_the_public_address_has_no_private_channels_nor_the_other_way_round() -> None:
    venue = make_venue("kraken")
    token = asked(venue, token_call(1))[1]["result"]["token"]
    session, tape = connect(venue, "/v2")
    subscribe(venue, session, "balances", token)
    assert last(tape)["error"] == "Subscription name invalid"
    session, tape = connect(venue, "/v2/private")
    say(venue, session, method="subscribe", params={"channel": "book", "symbol": ["BTC/USD"]})
    assert last(tape)["error"] == "Subscription name invalid"


# --- faults -------------------------------------------------------------------------------------------------


def test_a_subscription_that_is_not_granted_is_told_as_each_venue_does() -> None:
    venue = make_venue("kraken")
    arm(venue, fault="refuse_subscription", symbol="ETH-USD", count=2)
    session, tape = connect(venue, "/v2")
    say(venue, session, method="subscribe", params={"channel": "book", "symbol": ["BTC/USD", "ETH/USD"]}, req_id=3)
    replies = [message for message in tape.messages() if "success" in message]
    assert [(one["success"], one.get("error")) for one in replies] == [
        (True, None), (False, "Currency pair not supported ETH/USD"),
    ]  # fmt: skip
    say(venue, session, method="subscribe", params={"channel": "trade", "symbol": ["ETH/USD"]})
    assert last(tape)["success"]

    venue = make_venue("coinbase")
    arm(venue, fault="refuse_subscription", symbol="ETH-USD")
    session, tape = connect(venue)
    say(venue, session, type="subscribe", channel="level2", product_ids=["BTC-USD", "ETH-USD"])
    assert last(tape)["events"] == [{"subscriptions": {"level2": ["BTC-USD"]}}]
    assert venue.faults.counts == {"refuse_subscription": 1}


def test_a_key_is_of_one_venue_and_listed_in_the_documentation(project_root: Any) -> None:
    told = (project_root / "docs" / "simulator.md").read_text(encoding="utf-8")
    for venue, keys in KEYS.items():
        for key in keys:
            assert f"`{key.api_key}`" in told
            assert f"`{key.secret}`" in told
            made = hashlib.sha256(f"simulated {venue} {key.kind}".encode()).digest()
            assert key.secret == base64.b64encode(made).decode()
