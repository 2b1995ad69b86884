"""CFG-04, ARC-30: what is a secret, or is spelled like one, is shown as ***."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

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
