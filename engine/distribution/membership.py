"""Which nodes there are: each writes a key of its own that ends unless it is written again (DST-03)."""

from __future__ import annotations

import os
import socket
import time
from typing import Any

from engine.base.instants import to_rfc3339
from engine.base.jsontext import encode
from engine.distribution.servers import Client, batch_of

NODES_KEY = "nt:nodes"
MISSED_BEATS = 2.5
# By the clock of the one server that keeps the list: clocks of several machines are never compared.
_LIST = """
local now = redis.call('TIME')
local now_ms = now[1] * 1000 + math.floor(now[2] / 1000)
redis.call('ZADD', KEYS[1], now_ms, ARGV[1])
redis.call('ZREMRANGEBYSCORE', KEYS[1], 0, now_ms - ARGV[2])
return redis.call('ZRANGE', KEYS[1], 0, -1)
"""
NODES_MS = 10_000
"""A node that has not written for so long is no longer listed."""


def node_key(node_id: str) -> str:
    """What a node tells of itself, for whoever looks; a node lives while its key is there."""
    return f"nt:node:{node_id}"


class Membership:
    """This node among the others. Called on one thread.

    Args:
        client: of the server.
        node_id: of this process.
        period_ms: between heartbeats.
        ttl_ms: without one for so long it counts as dead.
    """

    def __init__(self, client: Client, node_id: str, period_ms: int, ttl_ms: int) -> None:
        self._client = client
        self._ttl_ms = ttl_ms
        self._steady_ms = ttl_ms - MISSED_BEATS * period_ms
        self.node_id = node_id
        self.metrics_url: str | None = None
        """Where it tells how it does."""
        self.steady = {node_id}
        """Nodes that have not missed more than a heartbeat or two: those that streams are handed over to."""
        self._started_at = to_rfc3339(time.time_ns())

    def beat(self) -> set[str]:
        """Tell that this node lives; answers those that do, itself among them.

        Raises:
            RedisError: the server is away.
        """
        # The stamps are to be read by people.
        told = {
            "node_id": self.node_id,
            "hostname": socket.gethostname(),
            "pid": os.getpid(),
            "started_at": self._started_at,
            "metrics_url": self.metrics_url,
            "last_heartbeat": to_rfc3339(time.time_ns()),
        }
        with batch_of(self._client) as pipe:
            own = node_key(self.node_id)
            pipe.at(own).set(own, encode(told), px=self._ttl_ms)
            pipe.at(NODES_KEY).eval(_LIST, 1, NODES_KEY, self.node_id, NODES_MS)
            listed: list[Any] = pipe.execute()[1]
        names = [name.decode("utf-8", "replace") for name in listed]
        with batch_of(self._client) as pipe:
            for name in names:
                pipe.at(node_key(name)).pttl(node_key(name))
            left_ms = dict(zip(names, pipe.execute(), strict=True))
        self.steady = {self.node_id, *(name for name in names if left_ms[name] > max(0, self._steady_ms))}
        return {self.node_id, *(name for name in names if left_ms[name] > 0)}

    def leave(self) -> None:
        """This node ends, and says so.

        Raises:
            RedisError: the server is away.
        """
        with batch_of(self._client) as pipe:
            pipe.at(node_key(self.node_id)).delete(node_key(self.node_id))
            pipe.at(NODES_KEY).zrem(NODES_KEY, self.node_id)
            pipe.execute()
