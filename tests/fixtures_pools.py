"""The balance of every test (MEM-15): each Recycler made in a test has everything back when the test ends."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

import pytest

MARKER = "pools_out"


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", f"{MARKER}: the test keeps pooled events out on purpose")


@pytest.fixture(autouse=True)
def pools_balanced(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Keep every Recycler that the test makes, and ask each at the end what is still out."""
    if not _built():
        yield
        return
    made: set[Any] = set()
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
