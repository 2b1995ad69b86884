"""Runs one client in a process of its own: ``child.py NAME CONFIG``, with tests/interop/clients/NAME.py.

A program, not a module of the tests: it knows the project's tree, but not the engine. What the client keeps is told,
one JSON line for each line on standard input. Whatever would reach beyond loopback ends the process.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import os
import sys
import traceback
from collections.abc import Sequence
from importlib.machinery import ModuleSpec, PathFinder
from ipaddress import ip_address
from pathlib import Path
from types import ModuleType
from typing import Any

ROOT = str(Path(__file__).resolve().parents[2])
BEYOND_LOOPBACK = 70
ANSWER_AFTER_S = 0.02


class Tree:
    """Finds `tests` in this tree, before any package of that name that a client brings."""

    @staticmethod
    def find_spec(
        fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        return PathFinder.find_spec(fullname, [ROOT]) if fullname == "tests" else None


def stay_on_loopback(event: str, args: tuple[Any, ...]) -> None:
    """An audit hook: the clients hold addresses of the real venues, which must not be asked."""
    if event == "socket.getaddrinfo":
        host = args[0]
    elif event == "socket.connect" and isinstance(args[1], tuple):
        host = args[1][0]
    else:
        return
    text = host.decode() if isinstance(host, bytes) else host
    try:
        if text in (None, "localhost") or ip_address(text).is_loopback:
            return
    except ValueError:
        pass
    print(f"{event} asked for {text}", file=sys.stderr, flush=True)
    os._exit(BEYOND_LOOPBACK)


async def main(name: str, config: dict[str, Any]) -> None:
    """Start the client, then tell what it keeps whenever asked, until standard input ends."""
    client = importlib.import_module(f"tests.interop.clients.{name}").Client(config)
    reader = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)

    def answer() -> None:
        try:
            print(json.dumps(client.tell()), flush=True)
        except Exception:
            traceback.print_exc()
            os._exit(1)

    await client.start()
    while await reader.readline():
        # Who asks again and again is not to keep the client from its work.
        loop.call_later(ANSWER_AFTER_S, answer)
    # No client is asked to close: some wait for their reconnects first.
    os._exit(0)


if __name__ == "__main__":
    sys.meta_path.insert(0, Tree())
    sys.addaudithook(stay_on_loopback)
    # Neither aiodns nor uvloop, which ask and connect where the hook does not see it.
    sys.modules["aiodns"] = None  # type: ignore[assignment]
    with asyncio.Runner(loop_factory=asyncio.SelectorEventLoop) as runner:
        runner.run(main(sys.argv[1], json.loads(sys.argv[2])))
