"""Ids of orders at venues: a function of owner and client order id that can be read back (ORDM-06).

A UUID of version 8, whose 122 free bits are, most significant first: form 1, namespace 16, consumer tag 20, body 85.

1. Form 0, for ids of at most 14 characters without ``.`` and ``:``. The body is the id as a number in bijective base
   64, digits 1..64 = ``A-Z a-z 0-9 _ -``: it is read back without any state.
2. Form 1, for all others and for every use of an id after the first. The body is the first 85 bits of the 16-byte
   BLAKE2b of the id, or of ``<id>#<n>`` for its n-th use; the journal holds it before the order leaves.
3. The tag is the first 20 bits of the 16-byte BLAKE2b of the consumer id. Two consumers of one tag cannot both send.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b

from engine.base.errors import ConflictError, MisuseError, ValidationError
from engine.schema.gateway import WireIdStyle

NAMESPACE_MAX = 65_535
FORM_0_CHARS = 14
CANONICAL_KEPT = 4096
"""Wire ids whose canonical spelling is remembered: an order's is asked for a dozen times within milliseconds."""
_BODY_BITS, _TAG_BITS = 85, 20
_DIGITS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-"
_VALUES = {digit: value for value, digit in enumerate(_DIGITS, 1)}
_CLIENT_ID = re.compile(r"[A-Za-z0-9._:-]{1,64}", re.ASCII)
_WIRE_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|[0-9a-f]{32}", re.ASCII)
_LOW_62 = (1 << 62) - 1
_VERSION, _VARIANT = 8, 2


def checked_client_order_id(text: object) -> str:
    """*text*, if it is a client order id (INS-08, TRD-01).

    Raises:
        ValidationError: it is none.
    """
    if not isinstance(text, str) or not _CLIENT_ID.fullmatch(text):
        raise ValidationError(f"client_order_id {text!r} is not 1 to 64 of A-Z a-z 0-9 . _ : -", op="order.submit")
    return text


def consumer_tag(consumer_id: str) -> int:
    """The 20 bits that stand for a consumer."""
    return _digest_bits(consumer_id, _TAG_BITS)


@lru_cache(CANONICAL_KEPT)
def canonical(wire_order_id: str) -> str:
    """A wire id without hyphens, whatever the venue's spelling; the text itself where it is none of a UUID's."""
    text = wire_order_id.lower()
    return text.replace("-", "") if _WIRE_ID.fullmatch(text) else wire_order_id


@dataclass(frozen=True, slots=True)
class WireId:
    """What a wire id of ours says. *client_order_id* is None in form 1: the journal knows it."""

    tag: int
    client_order_id: str | None


class WireIds:
    """Makes and reads the wire ids of one engine. Owned by the desk.

    Args:
        namespace: of this engine; every other one on the same account has another.
    """

    def __init__(self, namespace: int) -> None:
        if not 0 <= namespace <= NAMESPACE_MAX:
            raise MisuseError(f"namespace {namespace} is outside 0..{NAMESPACE_MAX}", op="order.namespace")
        self._namespace = namespace
        self._owners: dict[int, str] = {}

    def register(self, consumer_id: str) -> None:
        """A consumer may send orders. Idempotent.

        Raises:
            ConflictError: another consumer has its tag; neither's orders could be told from the other's.
        """
        holder = self._owners.setdefault(consumer_tag(consumer_id), consumer_id)
        if holder != consumer_id:
            raise ConflictError(f"orders of consumer {consumer_id} cannot be told from those of {holder}",
                                op="order.register", hint="name one of them otherwise")  # fmt: skip

    def encode(self, consumer_id: str, client_order_id: str, style: WireIdStyle, use_no: int = 1) -> str:
        """The wire id of the *use_no*-th use of an id, in a venue's spelling."""
        is_plain = use_no == 1 and len(client_order_id) <= FORM_0_CHARS and not set(".:") & set(client_order_id)
        if is_plain:
            body = 0
            for character in client_order_id:
                body = body * 64 + _VALUES[character]
        else:
            named = client_order_id if use_no == 1 else f"{client_order_id}#{use_no}"
            body = _digest_bits(named, _BODY_BITS)
        bits = (0 if is_plain else 1) << 16 | self._namespace
        bits = (bits << _TAG_BITS | consumer_tag(consumer_id)) << _BODY_BITS | body
        number = bits >> 74 << 80 | _VERSION << 76 | (bits >> 62 & 0xFFF) << 64 | _VARIANT << 62 | bits & _LOW_62
        digits = f"{number:032x}"
        if style is WireIdStyle.HEX:
            return digits
        return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))

    def decode(self, wire_order_id: str) -> WireId | None:
        """What a wire id says; None = it is none of this engine's namespace."""
        if not _WIRE_ID.fullmatch(wire_order_id.lower()):
            return None
        number = int(canonical(wire_order_id), 16)
        if number >> 76 & 0xF != _VERSION or number >> 62 & 3 != _VARIANT:
            return None
        bits = number >> 80 << 74 | (number >> 64 & 0xFFF) << 62 | number & _LOW_62
        body = bits & (1 << _BODY_BITS) - 1
        tag = bits >> _BODY_BITS & (1 << _TAG_BITS) - 1
        if bits >> _BODY_BITS + _TAG_BITS & NAMESPACE_MAX != self._namespace:
            return None
        if bits >> 121:
            return WireId(tag, None)
        characters: list[str] = []
        while body:
            body, digit = divmod(body - 1, 64)
            characters.append(_DIGITS[digit])
        if not 1 <= len(characters) <= FORM_0_CHARS:
            return None
        return WireId(tag, "".join(reversed(characters)))


def _digest_bits(text: str, count: int) -> int:
    return int.from_bytes(blake2b(text.encode(), digest_size=16).digest(), "big") >> 128 - count
