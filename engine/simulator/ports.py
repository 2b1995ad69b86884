"""The three ports of a simulator on loopback: WebSockets, REST on the next, control on the one after."""

from __future__ import annotations

import asyncio
import errno
import ssl
from collections.abc import Callable
from typing import Any

import picows
from aiohttp import web

from engine.base.errors import CapacityError

HOST = "127.0.0.1"


class Ports:
    """Opens them together or not at all.

    Args:
        port: of the WebSockets; 0 = any three free.
        tls: for WebSockets and REST; None = plain. Control is always plain.

    Attributes:
        ws_url, rest_url, control_url: without a path; empty until they are open.
    """

    def __init__(self, port: int, tls: ssl.SSLContext | None) -> None:
        self._ports = (0, 0, 0) if port == 0 else (port, port + 1, port + 2)
        self._tls = tls
        self._server: asyncio.Server | None = None
        self._runners: list[web.AppRunner] = []
        self.ws_url = self.rest_url = self.control_url = ""

    async def open(
        self, accept: Callable[[picows.WSUpgradeRequest], Any], rest: web.Application, control: web.Application
    ) -> None:
        """Listen.

        Raises:
            CapacityError: a port is taken.
        """
        ws_port, rest_port, control_port = self._ports
        try:
            self._server = await picows.ws_create_server(
                accept, HOST, ws_port, enable_auto_pong=False, ssl=self._tls
            )
            self.rest_url = await self._serve_http(rest, rest_port, self._tls)
            self.control_url = await self._serve_http(control, control_port, None)
        except OSError as error:
            await self.close()
            if error.errno != errno.EADDRINUSE:
                raise
            raise CapacityError(
                f"a port from {ws_port} to {control_port} is taken", op="simulator.start",
                hint="end what listens there, choose another with --port, or take any three free ones with --port 0",
            ) from error  # fmt: skip
        scheme = "wss" if self._tls else "ws"
        self.ws_url = f"{scheme}://{HOST}:{self._server.sockets[0].getsockname()[1]}"

    async def close(self) -> None:
        """Listen no longer, and end the HTTP connections; WebSockets are ended by whoever accepted them."""
        if self._server is not None:
            self._server.close()
            self._server = None
        for runner in self._runners:
            await runner.cleanup()
        self._runners.clear()

    async def _serve_http(self, application: web.Application, port: int, tls: ssl.SSLContext | None) -> str:
        # A client that gives up its request must not take what it waited for with it.
        runner = web.AppRunner(application, access_log=None, handler_cancellation=True, shutdown_timeout=1.0)
        await runner.setup()
        self._runners.append(runner)
        await web.TCPSite(runner, HOST, port, ssl_context=tls).start()
        return f"{'https' if tls else 'http'}://{HOST}:{runner.addresses[0][1]}"
