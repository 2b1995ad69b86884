"""ORDM-06, TRD-01, TRD-06: ids of orders at venues."""

from __future__ import annotations

import re
import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.base.errors import ConflictError, MisuseError, ValidationError
from engine.orders.wireid import WireId, WireIds, canonical, checked_client_order_id, consumer_tag
from engine.schema.gateway import WireIdStyle

HYPHENS, HEX = WireIdStyle.HYPHENS, WireIdStyle.HEX
GRAMMAR = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._:-"
CLIENT_IDS = st.text(GRAMMAR, min_size=1, max_size=64)
BINANCE_COINBASE = re.compile(r"[A-Za-z0-9_-]{1,36}")
KRAKEN = re.compile(r"[0-9a-f]{32}")


@pytest.mark.parametrize(
    ("client_order_id", "use_no", "expected"),
    [
        ("mm1-000017", 1, "0000d833-6800-8000-89e7-dc0d75d75dbc"),
        ("5f0c1d2e-3a4b-4968-8786-a5b4c3d2e1f0", 1, "8000d833-6de3-889f-953d-d45d038b6dbc"),
        ("mm1-000017", 2, "8000d833-6bcb-80d8-a9d6-3e2ce8adaffd"),
    ],
)
def test_ordm_06_the_vectors(client_order_id: str, use_no: int, expected: str) -> None:
    ids = WireIds(1)
    assert ids.encode("mm1", client_order_id, HYPHENS, use_no) == expected
    assert ids.encode("mm1", client_order_id, HEX, use_no) == expected.replace("-", "")
    read = WireId(consumer_tag("mm1"), client_order_id if (len(client_order_id) <= 14 and use_no == 1) else None)
    assert ids.decode(expected) == ids.decode(expected.replace("-", "")) == ids.decode(expected.upper()) == read


@pytest.mark.property
@given(st.integers(0, 65_535), st.sampled_from(["mm1", "a", "z" * 32]), CLIENT_IDS, st.integers(1, 3))
def test_ordm_06_every_id_comes_back_or_is_the_journal_s_to_know(namespace: int, consumer_id: str, client_id: str, use_no: int) -> None:
    ids = WireIds(namespace)
    wire = ids.encode(consumer_id, client_id, HYPHENS, use_no)
    is_plain = use_no == 1 and len(client_id) <= 14 and "." not in client_id and ":" not in client_id
    assert ids.decode(wire) == WireId(consumer_tag(consumer_id), client_id if is_plain else None)
    assert uuid.UUID(wire).version == 8
    assert uuid.UUID(wire).variant == uuid.RFC_4122
    assert BINANCE_COINBASE.fullmatch(wire)
    assert KRAKEN.fullmatch(ids.encode(consumer_id, client_id, HEX, use_no))
    assert WireIds((namespace + 1) % 65_536).decode(wire) is None
    assert canonical(wire) == canonical(wire.replace("-", "")) == wire.replace("-", "")


@pytest.mark.property
@given(st.lists(st.tuples(st.sampled_from(["mm1", "mm2"]), CLIENT_IDS, st.integers(1, 3)), unique=True, max_size=60))
def test_trd_06_no_two_keys_share_a_wire_id(keys: list[tuple[str, str, int]]) -> None:
    ids = WireIds(7)
    assert len({ids.encode(owner, client_id, HEX, use_no) for owner, client_id, use_no in keys}) == len(keys)


@pytest.mark.timeout(20)
def test_trd_06_a_million_plain_and_long_ids_do_not_collide() -> None:
    """A shortened form of the ten million of the requirement: 200,000 of each form."""
    ids = WireIds(1)
    seen = {ids.encode("mm1", f"a{number}", HEX) for number in range(200_000)}
    seen |= {ids.encode("mm1", f"order.{number}", HEX) for number in range(200_000)}
    assert len(seen) == 400_000


@pytest.mark.parametrize(
    "foreign",
    ["", "x", "mm1-000017", "5f0c1d2e-3a4b-4968-8786-a5b4c3d2e1f0", "0000d833-6800-8000-c9e7-dc0d75d75dbc",
     "0000d8336800-8000-89e7-dc0d75d75dbc"],
)  # fmt: skip
def test_ordm_22_what_is_not_ours_is_told_apart(foreign: str) -> None:
    assert WireIds(1).decode(foreign) is None


def test_ordm_06_an_empty_body_is_nobody_s_id() -> None:
    assert WireIds(0).decode("00000000-0000-8000-8000-000000000000") is None


def test_ordm_06_consumers_of_one_tag_cannot_both_send() -> None:
    first: dict[int, str] = {}
    one = other = ""
    for number in range(100_000):
        name = f"c{number}"
        one = first.setdefault(consumer_tag(name), name)
        if one != name:
            other = name
            break
    assert other
    ids = WireIds(1)
    ids.register(one)
    ids.register(one)
    with pytest.raises(ConflictError, match=f"{other} cannot be told from those of {one}"):
        ids.register(other)
    ids.register(one)


@pytest.mark.parametrize("namespace", [-1, 65_536])
def test_a_namespace_has_sixteen_bits(namespace: int) -> None:
    with pytest.raises(MisuseError, match="outside 0"):
        WireIds(namespace)


@pytest.mark.parametrize("good", ["1", "a" * 64, GRAMMAR[:64], GRAMMAR[-5:]])
def test_trd_01_the_grammar_of_client_order_ids(good: str) -> None:
    assert checked_client_order_id(good) == good


@pytest.mark.parametrize("wrong", ["", "a" * 65, "a b", "ä", "a\n", "a#2", "a/b", None, 7, b"a"])
def test_trd_01_without_a_valid_id_it_is_refused(wrong: object) -> None:
    with pytest.raises(ValidationError, match="client_order_id"):
        checked_client_order_id(wrong)
