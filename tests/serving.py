"""`engine-run sim` as a process of its own, for tests that stand outside it."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import Any

SIM = (sys.executable, "-m", "engine", "sim")


@contextmanager
def serving(*args: object, **options: Any) -> Iterator[tuple[subprocess.Popen[str], dict[str, dict[str, str]]]]:
    """A simulator that listens, and its addresses."""
    with subprocess.Popen(
        (*SIM, "--json", *map(str, args)), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options
    ) as process:
        try:
            assert process.stdout is not None
            addresses = json.loads(process.stdout.readline())
            assert "error" not in addresses, addresses["error"]
            yield process, addresses
        finally:
            with suppress(ProcessLookupError):
                process.kill()


def get(url: str) -> Any:
    with urllib.request.urlopen(url, timeout=10) as response:
        return json.loads(response.read())


def post(url: str, body: object = None) -> Any:
    request = urllib.request.Request(url, data=b"" if body is None else json.dumps(body).encode(), method="POST")
    with urllib.request.urlopen(request, timeout=10) as response:
        return json.loads(response.read())


def three_ports() -> int:
    """The first of three free ports in a row, below those that the system hands out to whoever asks for any."""
    for first in range(20_000 + os.getpid() % 10_000, 32_700, 3):
        with ExitStack() as stack:
            try:
                for port in range(first, first + 3):
                    stack.enter_context(socket.create_server(("127.0.0.1", port)))
            except OSError:
                continue
            return first
    raise AssertionError("no three free ports in a row")
