"""Where things lie on the bus: the number of a text, shards, keys of streams (BUS-03)."""

from __future__ import annotations

from hashlib import blake2b

META_VERSION = 1
RESYNC_CHANNEL = "nt:resync"
"""Readers publish ``venue:SYMBOL`` here to have a book written whole."""


def text_number(text: str) -> int:
    """64 bits that stand for a text, the same on every machine: its BLAKE2b of eight bytes, read big-endian."""
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "big")


def shard_of(symbol: str, shards: int) -> int:
    """The shard of a canonical symbol, of so many."""
    return text_number(symbol) % shards


def stream_key(pattern: str, venue: str, symbol: str, shards: int) -> str:
    """The key of the stream that carries a symbol; with one shard the venue's key alone."""
    key = pattern.replace("{venue}", venue)
    return key if shards == 1 else f"{key}:{shard_of(symbol, shards)}"


INDEX_KEY = "report_index"


def report_key(venue: str, symbol: str) -> str:
    """Where a symbol's report is; the braces keep what belongs to it together in a cluster."""
    return f"report:{{{venue}:{symbol}}}"


def instruments_key(venue: str) -> str:
    """What a venue's instruments are, by symbol: decimals of prices and quantities, and the tick."""
    return f"nt:instruments:{venue}"


def stream_keys(pattern: str, venue: str, shards: int) -> list[str]:
    """All streams of a venue, by shard."""
    key = pattern.replace("{venue}", venue)
    return [key] if shards == 1 else [f"{key}:{shard}" for shard in range(shards)]


def meta_key(venue: str) -> str:
    """The key that tells how a venue's streams are laid out."""
    return f"nt:meta:{venue}"
