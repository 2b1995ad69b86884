"""The server's life: its port, its thread, its loop; or the standard streams of a process (MCP-11, MCP-14)."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Awaitable, Callable

import uvicorn
import uvloop
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp

from engine.base.errors import ConfigError
from engine.base.workers import Answer, start_thread
from engine.config.sections_surfaces import McpConfig
from engine.reports.answers import Answers
from engine.reports.serving.access import token_of
from engine.reports.serving.guard import Guard
from engine.reports.serving.routes import routes
from engine.reports.serving.tools import mcp_server

BODY_BYTES_MAX = 4 << 20
_BACKLOG = 128
_ENDS_WITHIN_S = 3.0


class ReportSite:
    """One server on one port.

    The port is taken when it is made, so that what cannot be is told before anything starts; it answers from
    :meth:`start` on, in a thread of its own.

    Args:
        mcp: validated.

    Attributes:
        url: where it answers: MCP at ``/mcp``, the facade beside it.

    Raises:
        ConfigError: the address is taken, or may not be served.
    """

    def __init__(self, mcp: McpConfig) -> None:
        self._mcp = mcp
        self._token = token_of(mcp, os.environ)
        self._socket = _bound(mcp.host, mcp.port)
        host, port = self._socket.getsockname()[:2]
        self.url = f"http://{f'[{host}]' if ':' in host else host}:{port}"
        self._server: uvicorn.Server | None = None
        self._ended: Answer[bool] | None = None

    def start(self, answers: Answers, metrics: Callable[[], Awaitable[str]]) -> None:
        """Answer from now on.

        Args:
            answers: what it answers with; closed with it.
            metrics: Prometheus text, as it is now; called on the server's loop.
        """
        application = _application(self._mcp, answers, metrics, self._token)
        # Its lines are not ours to print, and it is stopped by us alone.
        config = uvicorn.Config(application, log_config=None, access_log=False, lifespan="on", ws="none",
                                timeout_graceful_shutdown=1, backlog=_BACKLOG)  # fmt: skip
        self._server = uvicorn.Server(config)
        self._ended = Answer()
        start_thread("engine-mcp", lambda: self._run(answers))

    def close(self) -> None:
        """Answer no more. Idempotent; waits for what is being answered."""
        if self._server is not None and self._ended is not None:
            self._server.should_exit = True
            self._ended.get(_ENDS_WITHIN_S)
        self._socket.close()

    def _run(self, answers: Answers) -> None:
        assert self._ended is not None
        try:
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                runner.run(self._serve(answers))
        finally:
            self._ended.give(True)

    async def _serve(self, answers: Answers) -> None:
        assert self._server is not None
        try:
            await answers.is_there()  # whoever asks first does not wait for what is made once
            await self._server.serve(sockets=[self._socket])
        finally:
            await answers.close()


def _application(
    mcp: McpConfig, answers: Answers, metrics: Callable[[], Awaitable[str]], token: str | None
) -> ASGIApp:
    server = mcp_server(answers)
    # Hosts are looked at by the guard, in front of all routes.
    application = server.streamable_http_app(
        json_response=True, stateless_http=True, max_request_body_size=BODY_BYTES_MAX, host=mcp.host
    )
    application.router.routes.extend(routes(answers, metrics))
    found: ASGIApp = Guard(application, mcp, token)
    if mcp.cors_origins:
        found = CORSMiddleware(
            found, allow_origins=list(mcp.cors_origins), allow_methods=["GET", "POST"], allow_headers=["*"]
        )
    return found


def _bound(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=_BACKLOG)
    except OSError as error:
        raise ConfigError(
            f"mcp.port {port} of {host} cannot be had: {error.strerror}", op="mcp.start",
            hint="another engine may have it: set mcp.port (0 = any), or mcp.enabled to false",
        ) from error  # fmt: skip
