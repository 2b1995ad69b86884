"""SLO-05: what lives as long as a process is not walked again and again while frames and calls wait."""

from __future__ import annotations

import gc

from engine.base.heap import keep_heap, release_heap


class Kept:
    """Something that is part of a cycle."""

    def __init__(self) -> None:
        self.itself = self


def test_what_is_there_is_walked_no_more_and_what_comes_is() -> None:
    kept = Kept()
    keep_heap()
    try:
        later = Kept()
        walked = {id(one) for one in gc.get_objects()}
        assert id(kept) not in walked
        assert id(later) in walked
    finally:
        release_heap()
    assert id(kept) in {id(one) for one in gc.get_objects()}


def test_garbage_is_not_kept() -> None:
    release_heap()
    Kept()
    keep_heap()
    try:
        assert not any(isinstance(one, Kept) for one in gc.get_objects(generation=2))
    finally:
        release_heap()
    assert not any(isinstance(one, Kept) for one in gc.get_objects())
