"""Fixtures that several packages' tests share."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest

from tests.unit.providers import stream_kit


@pytest.fixture
def shortest_switch() -> Iterator[None]:
    """Threads take turns as often as the interpreter can."""
    before_s = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before_s)


@pytest.fixture(autouse=True)
def streams_closed() -> Iterator[None]:
    """What a stream under test still keeps at the end goes back to its pools, as when its engine closes."""
    yield
    stream_kit.close_streams()
