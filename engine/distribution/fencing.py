"""Fences of symbols at the server: who is not their one writer any more cannot write (DST-07, DST-09)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from engine.distribution.keys import report_key
from engine.distribution.servers import Client, batch_of

CARRY_MS = 90_000_000
"""What is carried for a successor: a day, and an hour for it to come."""

# Owner and token are compared in the step that writes. Keys of a script share the symbol's hash tag.
_CLAIM = """
local held = redis.call('GET', KEYS[1])
local seen = nil
if held then
  if held == ARGV[1] then return 0 end
  seen = tonumber(string.match(held, '^%d+'))
else
  local kept = redis.call('GET', KEYS[2])
  local ok, report = pcall(cjson.decode, kept or '{}')
  if ok and type(report) == 'table' and type(report.writer) == 'table' then seen = tonumber(report.writer.token) end
end
if seen and seen >= tonumber(ARGV[2]) then return seen end
redis.call('SET', KEYS[1], ARGV[1])
return 0
"""
PUBLISH = """
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[2], ARGV[2], 'PX', ARGV[3])
return 1
"""
_CARRY = """
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
local gone = tonumber(ARGV[3])
for i = 4, 3 + gone do redis.call('HDEL', KEYS[2], ARGV[i]) end
for i = 4 + gone, #ARGV, 2 do redis.call('HSET', KEYS[2], ARGV[i], ARGV[i + 1]) end
redis.call('PEXPIRE', KEYS[2], ARGV[2])
return 1
"""


def fence_key(venue: str, symbol: str) -> str:
    """Who writes a symbol's report, as ``<token>/<node_id>/<nonce>``; in the slot of the report, and never expiring."""
    return f"fence:{{{venue}:{symbol}}}"


def carry_key(venue: str, symbol: str) -> str:
    """What a symbol's writer leaves for its successor."""
    return f"carry:{{{venue}:{symbol}}}"


def claim(client: Client, pairs: Sequence[tuple[str, str]], fence: str) -> int:
    """Make a fence that of some symbols; answers the highest token that stood against it, 0 = none did.

    Raises:
        RedisError: the server is away.
    """
    token = fence.partition("/")[0]
    with batch_of(client) as pipe:
        for venue, symbol in pairs:
            name = fence_key(venue, symbol)
            pipe.at(name).eval(_CLAIM, 2, name, report_key(venue, symbol), fence, token)
        found: list[Any] = pipe.execute() if pairs else []
    return max(map(int, found), default=0)


def leave_behind(
    client: Client, rows: Sequence[tuple[tuple[str, str], Mapping[str, bytes]]], fence: str, gone: Sequence[str]
) -> int:
    """Write what a successor will need of some symbols; answers of how many somebody else is the writer.

    Args:
        client: of the server.
        rows: ((venue, symbol), fields to set).
        fence: of their writer.
        gone: fields to take out.

    Raises:
        RedisError: the server is away.
    """
    with batch_of(client) as pipe:
        for pair, fields in rows:
            flat = [part for field in fields.items() for part in field]
            keys = fence_key(*pair), carry_key(*pair)
            pipe.at(keys[0]).eval(_CARRY, 2, *keys, fence, CARRY_MS, len(gone), *gone, *flat)
        found: list[Any] = pipe.execute() if rows else []
    return found.count(0)
