"""A server of the streams for tests: the real one, and what it holds."""

from __future__ import annotations

import socket
import time
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


SLOTS = 16_384
_WITHIN_S = 20.0


def _clustered(port: int) -> tuple[str, ...]:
    return ("--cluster-enabled", "yes", "--cluster-config-file", "nodes.conf", "--cluster-port", str(port))


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def cluster_server(folder: Path) -> Iterator[Server]:
    """A cluster of one: it has every slot, and takes no command with keys of two."""
    with server(folder, *_clustered(_free_port())) as made:
        made.client.execute_command("CLUSTER ADDSLOTSRANGE", 0, SLOTS - 1)
        _until(made, cluster_state="ok")
        yield made


@contextmanager
def half_a_cluster(folder: Path) -> Iterator[Server]:
    """One of two servers that have half of the slots each."""
    (folder / "other").mkdir()
    ports = _free_port(), _free_port()
    with server(folder, *_clustered(ports[0])) as made, server(folder / "other", *_clustered(ports[1])) as other:
        made.client.execute_command("CLUSTER ADDSLOTSRANGE", 0, SLOTS // 2 - 1)
        other.client.execute_command("CLUSTER ADDSLOTSRANGE", SLOTS // 2, SLOTS - 1)
        other.client.execute_command("CLUSTER SET-CONFIG-EPOCH", 2)
        made.client.execute_command("CLUSTER MEET", "127.0.0.1", other.port, ports[1])
        _until(made, cluster_state="ok", cluster_size="2")
        yield made


def _until(at: Server, **wanted: str) -> None:
    ends_s = time.monotonic() + _WITHIN_S
    while True:
        told = at.client.execute_command("CLUSTER INFO")
        assert isinstance(told, dict)
        if all(told[name] == value for name, value in wanted.items()):
            return
        assert time.monotonic() < ends_s, told
