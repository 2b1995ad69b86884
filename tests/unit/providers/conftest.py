"""What a stream under test still keeps at the end goes back to its pools, as when its engine closes."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.unit.providers import stream_kit


@pytest.fixture(autouse=True)
def streams_closed() -> Iterator[None]:
    stream_kit.wired_streams.clear()
    yield
    for stream in stream_kit.wired_streams:
        stream.close()
    stream_kit.wired_streams.clear()
