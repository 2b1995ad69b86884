"""What a worker of a test has opened is closed after it, however the test ends."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from engine.runtime import worker


@pytest.fixture(autouse=True)
def connections_end(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    clients: list[Any] = []
    connect = worker.connect

    def connected(*args: Any) -> Any:
        clients.append(connect(*args))
        return clients[-1]

    monkeypatch.setattr(worker, "connect", connected)
    yield
    for client in clients:
        client.close()
