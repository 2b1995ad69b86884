"""Symbols spread over connections. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

Item = TypeVar("Item")


def shards(items: Sequence[Item], size_max: int) -> list[list[Item]]:
    """As few parts as hold at most *size_max* each, as even as can be, in the order given."""
    if not items:
        return []
    count = -(-len(items) // size_max)
    size, longer = divmod(len(items), count)
    parts = []
    start = 0
    for number in range(count):
        end = start + size + (number < longer)
        parts.append(list(items[start:end]))
        start = end
    return parts


def chunks(items: Sequence[Item], size_max: int) -> list[list[Item]]:
    """Parts of *size_max* and a rest, in the order given."""
    return [list(items[start : start + size_max]) for start in range(0, len(items), size_max)]
