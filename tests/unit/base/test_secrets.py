"""CFG-04, ARC-30: what is a secret, or is spelled like one, is shown as ***."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.base import secrets
from engine.base.secrets import forget_secrets, mask_bytes, mask_text, register_secret


@pytest.fixture(autouse=True)
def no_secrets() -> Iterator[None]:
    forget_secrets()
    yield
    forget_secrets()


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ('{"api_key":"k1","price":"9"}', '{"api_key":"***","price":"9"}'),
        ('{"API_SECRET" : "k\\/1"}', '{"API_SECRET" : "***"}'),
        ('"{\\"token\\":\\"abc\\",\\"a\\":1}"', '"{\\"token\\":\\"***\\",\\"a\\":1}"'),
        (
            "https://x.y/order?symbol=A&signature=ff00&recvWindow=1",
            "https://x.y/order?symbol=A&signature=***&recvWindow=1",
        ),
        ("Authorization: Bearer abc.def", "Authorization: Bearer ***"),
        ("X-MBX-APIKEY: abc", "X-MBX-APIKEY: ***"),
        ("{'API-Sign': 'abc'}", "{'API-Sign': '***'}"),
        ("redis://user:pw@host:1/0", "redis://***@host:1/0"),
    ],
)
def test_what_is_spelled_like_a_secret(text: str, masked: str) -> None:
    assert mask_text(text) == masked
    assert mask_bytes(text.encode()) == masked.encode()


@pytest.mark.parametrize(
    "text",
    [
        '{"channel":"book","data":[{"symbol":"BTC/USD","checksum":1}]}',
        "found unexpected token: ,",
        "wss://ws.kraken.com/v2",
        "credentials.api_key_env: KRAKEN_KEY",
    ],
)
def test_ordinary_text_stays(text: str) -> None:
    assert mask_text(text) == text


def test_bytes_of_no_encoding_come_back_unchanged() -> None:
    raw = bytes(range(256))
    assert mask_bytes(raw) == raw


def test_a_registered_value_is_masked_in_text_and_in_utf8() -> None:
    register_secret("pässwört")
    assert mask_text("x pässwört y") == "x *** y"
    assert mask_bytes("x pässwört y".encode()) == b"x *** y"


def test_a_longer_secret_is_masked_before_the_one_it_begins_with() -> None:
    register_secret("abcd")
    register_secret("abcdefgh")
    assert mask_text("abcdefgh abcd") == "*** ***"


@pytest.mark.parametrize(("value", "masked"), [("", False), ("abc", False), ("abcd", True)])
def test_values_too_short_to_be_a_secret_are_not_registered(value: str, masked: bool) -> None:
    register_secret(value)
    assert (mask_text(f"<{value}>") == "<***>") is masked


_WORDS = (
    "api_key", "Api-Secret", "x-mbx-apikey", "API-SIGN", "secret", "signature", "passphrase", "password", "token", "jwt",
    "listenKey", "private_key", "PrivateKey", "authorization", "price", "ſecret", "sıgnature", "toKen",
)  # fmt: skip
_PIECES = ('":"', "=", ": ", ": Bearer ", '"', "'", '\\"', "&", ",", "://", "@", "wss", "ü", "x9", " ", *_WORDS)


@settings(max_examples=500)
@given(st.lists(st.sampled_from(_PIECES), max_size=12).map("".join))
def test_a_text_without_a_mark_is_what_the_patterns_leave_as_it_is(text: str) -> None:
    """The marks are a short way past the patterns and nothing else: the twin asks every pattern each time."""
    expected = text
    for pattern in secrets._PATTERNS:
        expected = pattern.sub(rf"\g<1>{secrets.MASK}", expected)
    assert mask_text(text) == expected
    assert mask_bytes(text.encode("latin-1", "replace")).decode("latin-1") == mask_text(
        text.encode("latin-1", "replace").decode("latin-1")
    )
