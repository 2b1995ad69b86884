"""Clients that call when a call is due, whatever becomes of the others (open loop), in HTTP without an SDK."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import count
from typing import Any
from urllib.parse import urlsplit

import msgspec
import uvloop

from engine.bench.children import ProcessFailedError

_ANSWER_WITHIN_S = 30.0
_LEAD_S = 0.2
"""From here to the first call: connections are open by then."""


@dataclass(frozen=True)
class Call:
    """One kind of request.

    Attributes:
        name: what its figures are told under.
        request: bytes to send, the same each time.
        is_right: whether a body is what was asked for.
    """

    name: str
    request: bytes
    is_right: Callable[[bytes], bool]


@dataclass
class Called:
    """What the calls of one kind came to.

    Attributes:
        took_ns: from the instant a call was due to the end of its answer, errors as well.
        refused: answers that were not what was asked for, by status.
        late_ns: the latest that a call went out, for whatever reason.
    """

    took_ns: list[int] = field(default_factory=list)
    refused: Counter[int] = field(default_factory=Counter)
    late_ns: int = 0

    def add(self, other: Called) -> None:
        """Count another's as well."""
        self.took_ns += other.took_ns
        self.refused += other.refused
        self.late_ns = max(self.late_ns, other.late_ns)


def get(url: str, path: str, token: str = "") -> bytes:
    """A request for a path, of whoever holds *token*."""
    who = f"Authorization: Bearer {token}\r\n" if token else ""
    return f"GET {path} HTTP/1.1\r\nHost: {urlsplit(url).netloc}\r\n{who}\r\n".encode()


def tool_call(url: str, tool: str, **arguments: str) -> bytes:
    """An MCP call of a tool, by itself: the server keeps no session."""
    params = {"name": tool, "arguments": arguments}
    body = msgspec.json.encode({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params})
    head = (
        f"POST /mcp HTTP/1.1\r\nHost: {urlsplit(url).netloc}\r\nContent-Type: application/json\r\n"
        "Accept: application/json, text/event-stream\r\nMCP-Protocol-Version: 2025-11-25\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def open_loop(url: str, calls: Sequence[Call], clients: int, rate: int, seconds: float) -> dict[str, Called]:
    """Calls that are due at fixed instants; one whose client still waits for an answer is late, and counted so.

    Args:
        url: of the server.
        calls: taken in turn.
        clients: connections, each with its share of the calls.
        rate: calls a second in all.
        seconds: how long calls are due.

    Raises:
        ProcessFailedError: the server hung up, or did not answer.
    """
    total = int(rate * seconds)

    async def main() -> dict[str, Called]:
        begin_s = time.perf_counter() + _LEAD_S

        async def client(first: int) -> dict[str, Called]:
            found = {call.name: Called() for call in calls}
            async with _linked(url) as link:
                for number in range(first, total, clients):
                    due_s = begin_s + number / rate
                    await asyncio.sleep(max(0.0, due_s - time.perf_counter()))
                    call = calls[number % len(calls)]
                    one = found[call.name]
                    one.late_ns = max(one.late_ns, int((time.perf_counter() - due_s) * 1e9))
                    await _called(link, call, one, due_s)
            return found

        return _sum(await asyncio.gather(*(client(number) for number in range(min(clients, total)))), calls)

    return _run(main(), url)


def closed_loop(url: str, calls: Sequence[Call], clients: int, seconds: float) -> dict[str, Called]:
    """Each client's next call as soon as the last one is answered.

    Raises:
        ProcessFailedError: the server hung up, or did not answer.
    """

    async def main() -> dict[str, Called]:
        ends_s = time.perf_counter() + seconds
        numbers = count()

        async def client() -> dict[str, Called]:
            found = {call.name: Called() for call in calls}
            async with _linked(url) as link:
                while (now_s := time.perf_counter()) < ends_s:
                    call = calls[next(numbers) % len(calls)]
                    await _called(link, call, found[call.name], now_s)
            return found

        return _sum(await asyncio.gather(*(client() for _ in range(clients))), calls)

    return _run(main(), url)


def _run(main: Coroutine[Any, Any, dict[str, Called]], url: str) -> dict[str, Called]:
    try:
        return uvloop.run(main)
    except (OSError, EOFError, TimeoutError) as error:
        raise ProcessFailedError(f"{url}: {type(error).__name__} {error}") from error


def _sum(rows: Sequence[dict[str, Called]], calls: Sequence[Call]) -> dict[str, Called]:
    found = {call.name: Called() for call in calls}
    for row in rows:
        for name, one in row.items():
            found[name].add(one)
    return found


async def _called(link: _Link, call: Call, one: Called, due_s: float) -> None:
    status, body = await link.ask(call.request)
    one.took_ns.append(int((time.perf_counter() - due_s) * 1e9))
    if status != 200 or not call.is_right(body):
        one.refused[status] += 1


class _Link:
    """A connection that stays."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def ask(self, request: bytes) -> tuple[int, bytes]:
        """Status and body."""
        self._writer.write(request)
        async with asyncio.timeout(_ANSWER_WITHIN_S):
            head = (await self._reader.readuntil(b"\r\n\r\n")).lower()
            length = int(head.partition(b"content-length:")[2].partition(b"\r\n")[0])
            return int(head[9:12]), await self._reader.readexactly(length)


@asynccontextmanager
async def _linked(url: str) -> AsyncIterator[_Link]:
    at = urlsplit(url)
    reader, writer = await asyncio.open_connection(at.hostname, at.port, limit=1 << 20)
    try:
        yield _Link(reader, writer)
    finally:
        writer.transport.abort()
