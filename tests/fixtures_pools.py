"""The balance of every test (MEM-15): each Recycler made in a test has everything back when the test ends."""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator
from typing import Any

import pytest

MARKER = "pools_out"
HELD_HERE = 4
"""References to a Recycler that only its set holds, while `_prune` looks: set, list, variable, argument."""


class Made(set[Any]):
    """The Recyclers of a test. Of thousands, those that are at rest and that nobody else holds are let go on the way."""

    MAX_AT_FIRST = 100

    def __init__(self) -> None:
        super().__init__()
        self._prune_at = self.MAX_AT_FIRST

    def add(self, recycler: Any) -> None:
        if len(self) >= self._prune_at:
            self._prune()
            if len(self) > self._prune_at // 2:     # closed engines are cycles
                gc.collect()
                self._prune()
            self._prune_at = max(self.MAX_AT_FIRST, 2 * len(self))
        super().add(recycler)

    def _prune(self) -> None:
        for recycler in list(self):
            if sys.getrefcount(recycler) <= HELD_HERE and recycler.statistics().balanced:
                self.discard(recycler)


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", f"{MARKER}: the test keeps pooled events out on purpose")


@pytest.fixture(autouse=True)
def pools_balanced(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Keep every Recycler that the test makes, and ask each at the end what is still out."""
    if not _built():
        yield
        return
    made = Made()
    monkeypatch.setattr("engine.pools.recycler._live", made)
    yield
    if request.node.get_closest_marker(MARKER) is None:
        assert_balanced(made)


def assert_balanced(recyclers: set[Any]) -> None:
    """Fail with what is out, and by whose hand, unless everything came back."""
    for recycler in recyclers:
        statistics = recycler.statistics()
        assert statistics.balanced, f"still out: {statistics.out()}; {recycler.outstanding(10)}"


def _built() -> bool:
    """Whether the pools can be imported: the static checks run without a build."""
    if "engine.pools.recycler" in sys.modules:
        return True
    try:
        import engine.pools.recycler  # noqa: F401
    except ImportError:
        return False
    return True
