"""Symbols over connections: all of them, in order, evenly, never too many."""

from __future__ import annotations

from itertools import chain

import pytest

from engine.providers.sharding import chunks, shards


@pytest.mark.parametrize("count", [0, 1, 2, 49, 50, 51, 100, 101, 999, 1000])
@pytest.mark.parametrize("size_max", [1, 3, 50, 1024])
def test_parts_are_few_and_even(count: int, size_max: int) -> None:
    items = list(range(count))
    parts = shards(items, size_max)
    assert list(chain.from_iterable(parts)) == items
    assert len(parts) == -(-count // size_max)
    sizes = [len(part) for part in parts]
    assert max(sizes, default=0) <= size_max
    assert max(sizes, default=0) - min(sizes, default=0) <= 1


def test_chunks_are_full_but_for_the_last() -> None:
    assert chunks("abcdefg", 3) == [["a", "b", "c"], ["d", "e", "f"], ["g"]]
    assert chunks("", 3) == []
