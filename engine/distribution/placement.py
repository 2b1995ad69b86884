"""Which node should have which stream: that of the highest weight, so that a change moves what it must (DST-02)."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

from engine.distribution.keys import text_number


@lru_cache(maxsize=65_536)
def weight(node_id: str, key: str) -> int:
    """How much a node is the one for a stream, 64 bits, the same on every machine."""
    return text_number(f"{node_id}:{key}")


def ranked(nodes: Iterable[str], key: str) -> list[str]:
    """Nodes by their weight for a stream, the first one is to have it; equal weights by id."""
    return sorted(nodes, key=lambda node_id: (-weight(node_id, key), node_id))


def heir(nodes: Iterable[str], key: str, owner: str, sticky_pct: int) -> str | None:
    """The node that *owner* should hand a stream over to, None = it keeps it.

    Args:
        nodes: that live; the owner may be among them.
        key: of the stream.
        owner: who has it.
        sticky_pct: by how much more another's weight must be, in percent of the owner's.
    """
    first = next((node_id for node_id in ranked(nodes, key) if node_id != owner), None)
    if first is None or weight(first, key) * 100 <= weight(owner, key) * (100 + sticky_pct):
        return None
    return first
