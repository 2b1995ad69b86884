"""A server of the streams for tests: the real one, and what it holds."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import Any

from redis.cluster import RedisCluster

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

    def keys(self, pattern: str = "*") -> list[bytes]:
        """Sorted."""
        return sorted(self.client.scan_iter(pattern))

    def streams(self) -> list[bytes]:
        """Keys of those that are of several a venue."""
        return [key for key in self.keys("nt:*:*") if not key.startswith((b"nt:meta:", b"nt:instruments:"))]

    def pause(self, wait_ms: int) -> None:
        """It answers nothing for so long."""
        self.client.client_pause(wait_ms)


@contextmanager
def server(folder: Path, *options: str) -> Iterator[Server]:
    made = Server(folder, *options).start()
    try:
        yield made
    finally:
        made.kill()
        made.client.close()


Kind = Callable[[Path], AbstractContextManager[Server]]
"""What makes one."""

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


class Shared(Server):
    """Several servers that have a part of the slots each; further ones are replicas of those."""

    def __init__(self, servers: list[Server]) -> None:
        self.servers = servers
        self.url = servers[0].url.replace("redis://", "redis+cluster://")
        self.client: Any = RedisCluster.from_url(servers[0].url, socket_timeout=5)

    def kill(self) -> None:
        self.leave()
        for one in self.servers:
            one.kill()

    def leave(self) -> None:
        self.client.disconnect_connection_pools()
        self.client.close()

    def pause(self, wait_ms: int) -> None:
        for one in self.servers:
            one.pause(wait_ms)

    def of(self, key: str) -> Server:
        """Whoever has a key."""
        self.client.nodes_manager.initialize()
        port = self.client.get_node_from_key(key).port
        return next(one for one in self.servers if one.port == port)

    def other_than(self, owner: Server) -> Server:
        return next(one for one in self.servers if one is not owner)

    def begin_move(self, key: str, to: Server) -> None:
        """The key has gone, its slot has not: whoever asks is told to ask once."""
        owner, slot = self.of(key), self.client.keyslot(key)
        to.client.execute_command("CLUSTER SETSLOT", slot, "IMPORTING", owner.client.execute_command("CLUSTER MYID"))
        owner.client.execute_command("CLUSTER SETSLOT", slot, "MIGRATING", to.client.execute_command("CLUSTER MYID"))
        owner.client.execute_command("MIGRATE", "127.0.0.1", to.port, key, 0, 5000)

    def end_move(self, key: str, to: Server) -> None:
        """The slot has gone as well: whoever asks is told who has it from now on."""
        slot, name = self.client.keyslot(key), to.client.execute_command("CLUSTER MYID")
        for one in (to, *self.servers):
            one.client.execute_command("CLUSTER SETSLOT", slot, "NODE", name)


@contextmanager
def shared_servers(folder: Path, count: int = 3, replicas: int = 0) -> Iterator[Shared]:
    """A cluster of several; where one is killed, a replica takes its place within a second or two."""
    ports: dict[int, int] = {}
    with ExitStack() as stack:
        servers: list[Server] = []
        for number in range(count + replicas):
            own = folder / f"server-{number}"
            own.mkdir()
            port = _free_port()
            options = ("--cluster-node-timeout", "1000", "--repl-diskless-sync-delay", "0")
            servers.append(stack.enter_context(server(own, *_clustered(port), *options)))
            ports[servers[-1].port] = port
        bounds = [number * SLOTS // count for number in range(count + 1)]
        for number, one in enumerate(servers):
            one.client.execute_command("CLUSTER SET-CONFIG-EPOCH", number + 1)
            if number < count:
                one.client.execute_command("CLUSTER ADDSLOTSRANGE", bounds[number], bounds[number + 1] - 1)
            if number:
                one.client.execute_command("CLUSTER MEET", "127.0.0.1", servers[0].port, ports[servers[0].port])
        for one in servers:
            _until(one, cluster_state="ok", cluster_size=str(count), cluster_known_nodes=str(len(servers)))
        for one, source in zip(servers[count:], servers, strict=False):
            one.client.execute_command("CLUSTER REPLICATE", source.client.execute_command("CLUSTER MYID"))
        for one in servers[count:]:
            _until(one, "INFO", "replication", master_link_status="up")
        made = Shared(servers)
        stack.callback(made.leave)
        yield made


def _until(at: Server, *question: str, **wanted: str) -> None:
    ends_s = time.monotonic() + _WITHIN_S
    while True:
        told = at.client.execute_command(*(question or ("CLUSTER INFO",)))
        assert isinstance(told, dict)
        if all(told.get(name) == value for name, value in wanted.items()):
            return
        assert time.monotonic() < ends_s, told
