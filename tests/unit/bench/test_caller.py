"""Calls in an open loop are timed from when they were due: a server that stalls once makes all that waited late."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager

import pytest

from engine.bench.children import ProcessFailedError
from engine.bench.service.caller import Call, closed_loop, get, open_loop

pytestmark = pytest.mark.timeout(30)
STALL_S = 0.3


class Stalling:
    """An HTTP server on a thread of its own, which stalls once; ``hangs_up``: it answers nothing."""

    def __init__(self, stall_at: int, *, hangs_up: bool = False) -> None:
        self.count = 0
        self._stall_at = stall_at
        self._hangs_up = hangs_up
        self._loop = asyncio.new_event_loop()
        self._server = self._loop.run_until_complete(asyncio.start_server(self._serve, "127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with closing(writer):
            while not self._hangs_up:
                try:
                    path = (await reader.readuntil(b"\r\n\r\n")).split()[1]
                except asyncio.IncompleteReadError:
                    break
                self.count += 1
                if self.count == self._stall_at:
                    stalled = self._loop.create_future()
                    self._loop.call_later(STALL_S, stalled.set_result, None)
                    await stalled
                status = b"404 Not Found" if path == b"/none" else b"200 OK"
                writer.write(b"HTTP/1.1 " + status + b"\r\nContent-Length: 2\r\n\r\nok")

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._server.close()
        tasks = asyncio.all_tasks(self._loop)
        for task in tasks:
            task.cancel()
        self._loop.run_until_complete(asyncio.wait(tasks) if tasks else self._server.wait_closed())
        self._loop.run_until_complete(asyncio.sleep(0))  # what is closed is gone a turn later
        self._loop.close()


@contextmanager
def serving(stall_at: int, *, hangs_up: bool = False) -> Iterator[Stalling]:
    it = Stalling(stall_at, hangs_up=hangs_up)
    try:
        yield it
    finally:
        it.close()


@pytest.fixture
def stalling() -> Iterator[Stalling]:
    with serving(5) as it:
        yield it


def calls(url: str) -> list[Call]:
    return [
        Call("right", get(url, "/there"), lambda body: body == b"ok"),
        Call("wrong", get(url, "/none"), lambda body: True),
    ]


def test_chk_42_what_waits_behind_a_stall_is_late_from_when_it_was_due(stalling: Stalling) -> None:
    """One client, a call each 20 ms, one stall of 300 ms: a client that timed from sending would see one slow call."""
    found = open_loop(stalling.url, calls(stalling.url)[:1], 1, 50, 0.8)["right"]
    assert len(found.took_ns) == 40 == stalling.count
    assert max(found.took_ns) >= STALL_S * 1e9
    assert sum(took_ns > 100_000_000 for took_ns in found.took_ns) >= 8
    assert found.late_ns > 200_000_000
    assert not found.refused


def test_errors_are_in_the_figures_and_counted(stalling: Stalling) -> None:
    found = open_loop(stalling.url, calls(stalling.url), 4, 200, 0.1)
    assert [len(found[name].took_ns) for name in ("right", "wrong")] == [10, 10]
    assert found["wrong"].refused == {404: 10}


def test_a_closed_loop_asks_as_fast_as_it_is_answered(stalling: Stalling) -> None:
    found = closed_loop(stalling.url, calls(stalling.url)[:1], 2, 1.0)["right"]
    assert len(found.took_ns) == stalling.count > 2


def test_a_server_that_hangs_up_is_told() -> None:
    with serving(0, hangs_up=True) as it, pytest.raises(ProcessFailedError, match=r"http://127.0.0.1:\d+: \w+Error"):
        open_loop(it.url, calls(it.url), 1, 10, 0.2)
