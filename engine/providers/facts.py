"""Parts of the capture facts that every venue shares; all read from the engine's own books and counters."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from engine.base.jsontext import decode_shape
from engine.providers.assembler import BookAssembler
from engine.providers.tape import TradeTape

TOP_LEVELS = 20
BIDS, ASKS = 0, 1


def plain(raw: int, scale: int) -> str:
    """*raw* x 10^-scale without trailing zeros and without an exponent."""
    digits = str(abs(raw)).rjust(scale + 1, "0")
    text = f"{digits[:-scale]}.{digits[-scale:]}".rstrip("0").rstrip(".") if scale else digits
    return f"-{text}" if raw < 0 else text


def level_texts(book: BookAssembler, side: int, limit: int) -> list[list[str]]:
    """[price, qty] texts of a side, best first; limit 0 = all; nothing while the book is invalid."""
    return [[plain(p, book.price_scale), plain(q, book.qty_scale)] for p, q in book.top(side, limit)]


def sha256_of(bids: Iterable[list[str]], asks: Iterable[list[str]]) -> str:
    """SHA-256 over ``b price qty`` lines, best first, then ``a price qty`` lines."""
    text = "".join(f"b {p} {q}\n" for p, q in bids) + "".join(f"a {p} {q}\n" for p, q in asks)
    return hashlib.sha256(text.encode()).hexdigest()


def book_part(book: BookAssembler) -> dict[str, Any]:
    """Sizes, best 20 and hash of the assembled book, whole."""
    bids, asks = level_texts(book, BIDS, 0), level_texts(book, ASKS, 0)
    return {
        "bid_levels": len(bids),
        "ask_levels": len(asks),
        "top_bids": bids[:TOP_LEVELS],
        "top_asks": asks[:TOP_LEVELS],
        "book_sha256": sha256_of(bids, asks),
    }


def top_part(book: BookAssembler) -> dict[str, Any]:
    """Best prices and the hash of the best 20, for checkpoints."""
    bids, asks = level_texts(book, BIDS, TOP_LEVELS), level_texts(book, ASKS, TOP_LEVELS)
    return {
        "best_bid": bids[0] if bids else None,
        "best_ask": asks[0] if asks else None,
        "top20_sha256": sha256_of(bids, asks),
    }


def tape_part(tape: TradeTape, flag: str, *, with_ids: bool = True) -> dict[str, Any]:
    """Totals of a trade stream; *flag* names what its flag counts."""
    part: dict[str, Any] = {"count": tape.count, "volume": plain(tape.volume_raw(), tape.qty_scale)}
    if with_ids:
        part |= {"first_id": tape.first_id, "last_id": tape.last_id, "id_breaks": tape.id_breaks}
    return part | {flag: tape.flagged_count, "last_price": plain(tape.last_price_raw, tape.price_scale)}


class MessageFields(NamedTuple):
    """A message's top-level fields, and whether it is an ``object``, a ``list`` or something ``else``."""

    fields: dict[str, Any]
    shape: str


def http_type(url: str | None, raw: bytes) -> str:
    """The name a body by REST is counted under: the end of its path."""
    name = urlsplit(url or "").path.rsplit("/", 1)[-1]
    return f"http {name or message_fields(raw).shape}"


def message_fields(raw: bytes) -> MessageFields:
    """Top level of a JSON text; no fields where it is not an object."""
    value = decode_shape(raw)
    if isinstance(value, dict):
        return MessageFields(value, "object")
    return MessageFields({}, "list" if isinstance(value, list) else "else")
