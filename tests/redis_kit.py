"""A server of the streams for tests: the real one, and what it holds."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from engine.bench.streamserver import StreamServer


class Server(StreamServer):
    """May be killed and started again on the same port, as empty as it was at first."""

    def entries(self, key: str) -> list[bytes]:
        """What a stream holds, oldest first."""
        return [fields[b"data"] for _, fields in self.rows(key)]

    def rows(self, key: str) -> list[Any]:
        found = self.client.xrange(key)
        assert isinstance(found, list)
        return found


@contextmanager
def server(folder: Path, *options: str) -> Iterator[Server]:
    made = Server(folder, *options).start()
    try:
        yield made
    finally:
        made.kill()
        made.client.close()
