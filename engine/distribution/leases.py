"""Leases of streams at the server: one holder each, with a token that only grows (DST-04, DST-07)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from engine.distribution.servers import Client, batch_of

# Keys of a script share a hash tag, so that it runs in one slot of a cluster.
_ACQUIRE = """
local held = redis.call('GET', KEYS[1])
if held then return held end
local token = redis.call('INCR', KEYS[2])
redis.call('SET', KEYS[1], ARGV[1] .. '/' .. token, 'PX', ARGV[2])
return token
"""
_RENEW = """
local held = redis.call('GET', KEYS[1])
if held ~= ARGV[1] then return held end
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return 1
"""
_RELEASE = """
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('DEL', KEYS[1])
"""
_RAISE = """
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
local token = math.max(tonumber(redis.call('GET', KEYS[2]) or '0'), tonumber(ARGV[3])) + 1
local text = string.format('%.0f', token)
redis.call('SET', KEYS[2], text)
redis.call('SET', KEYS[1], ARGV[2] .. '/' .. text, 'PX', ARGV[4])
return token
"""


def lease_key(key: str) -> str:
    """Who has a stream, as ``<node_id>/<nonce>/<token>``; absent = nobody."""
    return f"lease:{{{key}}}"


def token_key(key: str) -> str:
    """The highest token that was given for a stream."""
    return f"token:{{{key}}}"


class Leases:
    """One process's view of them. May be called on any thread; each call is one round trip.

    Args:
        client: of the server.
        node_id: of this process, without a slash.
        nonce: tells it from another process of the same id.
        ttl_ms: a lease that is not renewed ends after this.
    """

    def __init__(self, client: Client, node_id: str, nonce: str, ttl_ms: int) -> None:
        self._client = client
        self._ttl_ms = ttl_ms
        self.owner = f"{node_id}/{nonce}"
        self.operations = 0
        """Leases that were asked for, renewed or released."""

    def value(self, token: int) -> str:
        """What stands in a lease that is this process's."""
        return f"{self.owner}/{token}"

    def acquire(self, key: str) -> int | str:
        """Take a stream's lease: the token, or who has it.

        Raises:
            RedisError: the server is away.
        """
        self.operations += 1
        found: Any = self._client.eval(_ACQUIRE, 2, lease_key(key), token_key(key), self.owner, self._ttl_ms)
        return found if isinstance(found, int) else found.decode("utf-8", "replace")

    def renew(self, tokens: Mapping[str, int]) -> dict[str, str]:
        """Extend leases; answers those that are not this process's any more, and who has them, "" = nobody.

        Raises:
            RedisError: the server is away.
        """
        with batch_of(self._client) as pipe:
            for key, token in tokens.items():
                name = lease_key(key)
                pipe.at(name).eval(_RENEW, 1, name, self.value(token), self._ttl_ms)
            found = pipe.execute() if tokens else []
        self.operations += len(tokens)
        return {key: (held or b"").decode() for key, held in zip(tokens, found, strict=True) if held != 1}

    def release(self, key: str, token: int) -> bool:
        """Give a lease back; False = it was not this process's any more.

        Raises:
            RedisError: the server is away.
        """
        self.operations += 1
        return bool(self._client.eval(_RELEASE, 1, lease_key(key), self.value(token)))

    def lift(self, key: str, token: int, seen: int) -> int:
        """A token above *seen* for a lease that is this process's; 0 = it is not.

        Raises:
            RedisError: the server is away.
        """
        self.operations += 1
        found: Any = self._client.eval(
            _RAISE, 2, lease_key(key), token_key(key), self.value(token), self.owner, seen, self._ttl_ms
        )
        return int(found)

    def holders(self, keys: Sequence[str]) -> dict[str, str]:
        """Who has each of some streams, "" = nobody.

        Raises:
            RedisError: the server is away.
        """
        with batch_of(self._client) as pipe:
            for key in keys:
                pipe.at(lease_key(key)).get(lease_key(key))
            found = pipe.execute() if keys else []
        return {key: (held or b"").decode("utf-8", "replace") for key, held in zip(keys, found, strict=True)}
