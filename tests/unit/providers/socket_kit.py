"""A venue on loopback that says what a test tells it to, and keeps what it was told."""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import Callable, Coroutine
from decimal import Decimal
from typing import Any, Self

import picows
import uvloop
from aiohttp import web

HOST = "127.0.0.1"
LIMIT_S = 4.0


def on_loop(main: Coroutine[Any, Any, None]) -> None:
    """Run a test's coroutine on the loop that the engine runs on.

    The limit is the loop's own: it swallows the error that the test runner's alarm raises in it.
    """
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(asyncio.wait_for(main, LIMIT_S))


async def until(holds: Callable[[], bool]) -> None:
    """Let the loop turn until *holds*; the limit of on_loop() ends a wait in vain."""
    while not holds():  # noqa: ASYNC110  (what is waited for is all over the engine)
        await asyncio.sleep(0)


class Client(picows.WSListener):
    """One connection that the venue has accepted."""

    def __init__(self, path: str, clients: list[Client]) -> None:
        super().__init__()
        self.path = path
        self.said: list[Any] = []
        self.pongs: list[bytes] = []
        self.is_open = False
        self.transport: picows.WSTransport
        self._clients = clients

    def on_ws_connected(self, transport: picows.WSTransport) -> None:
        self.transport = transport
        self.is_open = True
        self._clients.append(self)

    def on_ws_frame(self, transport: picows.WSTransport, frame: picows.WSFrame) -> None:
        if frame.msg_type == picows.WSMsgType.TEXT:
            self.said.append(json.loads(frame.get_payload_as_bytes(), parse_float=Decimal))
        elif frame.msg_type == picows.WSMsgType.PONG:
            self.pongs.append(frame.get_payload_as_bytes())
        elif frame.msg_type == picows.WSMsgType.CLOSE:
            transport.disconnect()

    def on_ws_disconnected(self, transport: picows.WSTransport) -> None:
        self.is_open = False

    def send(self, *messages: Any) -> None:
        """Send text frames at once: on loopback they are one read at the other end."""
        for message in messages:
            text = message if isinstance(message, bytes) else json.dumps(message).encode()
            self.transport.send(picows.WSMsgType.TEXT, text)


class ScriptedVenue:
    """WebSocket and REST servers; an async context manager."""

    def __init__(self) -> None:
        self.clients: list[Client] = []
        self.refused_upgrades = 0
        self.failing_upgrades = 0
        """Answered with 503."""
        self.asked: list[str] = []
        self.answers: deque[Any] = deque()
        """For REST, in turn: a body, a status, or a future that gives one. The last one stays."""
        self.headers: dict[str, str] = {}
        self._port = 0

    async def listen(self) -> None:
        """Take connections, always at the same address."""
        self._server = await picows.ws_create_server(self._accept, HOST, self._port)
        self._port = self._server.sockets[0].getsockname()[1]

    async def stop_listening(self) -> None:
        """Refuse new connections; those there are stay."""
        self._server.close()
        await asyncio.sleep(0)

    async def __aenter__(self) -> Self:
        await self.listen()
        self.ws_url = f"ws://{HOST}:{self._port}"
        application = web.Application()
        application.router.add_route("*", "/{path:.*}", self._answer)
        self._runner = web.AppRunner(application, access_log=None, handler_cancellation=True)
        await self._runner.setup()
        await web.TCPSite(self._runner, HOST, 0).start()
        self.rest_url = f"http://{HOST}:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        self._server.close()
        for client in self.clients:
            if client.is_open:
                client.transport.disconnect(graceful=False)
        await self._runner.cleanup()

    async def client(self, number: int = 0) -> Client:
        """The connection that was opened as *number*, once it is there."""
        await until(lambda: len(self.clients) > number)
        return self.clients[number]

    def _accept(
        self, request: picows.WSUpgradeRequest
    ) -> Client | picows.WSUpgradeResponseWithListener | None:
        if self.refused_upgrades:
            self.refused_upgrades -= 1
            return None
        if self.failing_upgrades:
            self.failing_upgrades -= 1
            return picows.WSUpgradeResponseWithListener(picows.WSUpgradeResponse.create_error_response(503), None)
        return Client(request.path.decode(), self.clients)

    async def _answer(self, request: web.Request) -> web.Response:
        self.asked.append(request.path_qs)
        answer = self.answers[0] if len(self.answers) == 1 else self.answers.popleft()
        if isinstance(answer, asyncio.Future):
            answer = await answer
        if isinstance(answer, int):
            return web.Response(status=answer, text="not now", headers=self.headers)
        return web.Response(body=answer, content_type="application/json")
