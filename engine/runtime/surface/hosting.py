"""The surface's life: its port, its token on the disk, its thread."""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from aiohttp import web

from engine.base.errors import ConfigError
from engine.base.workers import start_thread
from engine.config.sections import EngineConfig
from engine.runtime.live import LiveEngine, run_on_loop
from engine.runtime.statedir import ADDRESS_FILE, TOKEN_FILE
from engine.runtime.surface.server import Server, is_local
from engine.runtime.surface.tokens import Tokens, write_private

_ENDS_WITHIN_S = 3.0
_LOOK_EVERY_S = 0.01
_BACKLOG = 128


class Surface:
    """The surface of one run.

    The port is taken when it is made, so that what cannot be is told before anything starts; it answers, and its token
    can be read, from start() on, in a thread of its own.

    Args:
        config: validated.

    Attributes:
        url: where it answers.

    Raises:
        ConfigError: the address is taken or cannot be served.
    """

    def __init__(self, config: EngineConfig) -> None:
        api = config.api
        self._api = api
        self._tls = _tls_of(config)
        self._tokens = Tokens(config, os.environ)
        if not _is_loopback(api.host) and (self._tokens.is_own or self._tls is None):
            raise ConfigError(
                f"api.host {api.host} is not of this machine alone: that needs the variable {api.token_env} to be set, "
                "and api.tls_cert with api.tls_key", op="api.start", hint="keep api.host at 127.0.0.1",
            )  # fmt: skip
        self._socket = _bound(api.host, api.port)
        host, port = self._socket.getsockname()[:2]
        scheme = "http" if self._tls is None else "https"
        self.url = f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}"
        state = Path(config.engine.state_dir)
        self._files = [state / ADDRESS_FILE, *([state / TOKEN_FILE] if self._tokens.is_own else [])]
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopped: asyncio.Event | None = None
        self._has_ended = True

    def start(self, live: LiveEngine, stop: Callable[[], None]) -> None:
        """Answer from now on.

        Args:
            live: the engine, running.
            stop: ends the run in order; called on the engine's loop.

        Raises:
            ConfigError: address or token cannot be written.
        """
        for file, text in zip(self._files, (self.url, self._tokens.full), strict=False):
            write_private(file, text)
        server = Server(self._api, self._tokens, live, stop)
        self._has_ended = False
        start_thread("engine-api", lambda: self._run(server))

    async def close(self) -> None:
        """Answer no more, and leave neither port nor token behind. Idempotent."""
        deadline_s = asyncio.get_running_loop().time() + _ENDS_WITHIN_S
        while not self._has_ended and asyncio.get_running_loop().time() < deadline_s:
            if self._loop is not None and self._stopped is not None:
                with suppress(RuntimeError):  # it has just ended
                    self._loop.call_soon_threadsafe(self._stopped.set)
            await asyncio.sleep(_LOOK_EVERY_S)
        self._socket.close()
        for file in self._files:
            with suppress(OSError):
                file.unlink()

    # -- its thread -------------------------------------------------------------------------------------------

    def _run(self, server: Server) -> None:
        try:
            run_on_loop(self._serve(server))
        finally:
            self._has_ended = True

    async def _serve(self, server: Server) -> None:
        self._stopped = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        runner = web.AppRunner(server.application(), access_log=None, handler_cancellation=True, shutdown_timeout=1.0)
        await runner.setup()
        try:
            await web.SockSite(runner, self._socket, ssl_context=self._tls, backlog=_BACKLOG).start()
            await self._stopped.wait()
        finally:
            await runner.cleanup()


def _bound(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=_BACKLOG)
    except OSError as error:
        raise ConfigError(
            f"api.port {port} of {host} cannot be had: {error.strerror}", op="api.start",
            hint="another engine may have it: set api.port (0 = any), or api.enabled to false",
        ) from error  # fmt: skip


def _tls_of(config: EngineConfig) -> ssl.SSLContext | None:
    api = config.api
    if api.tls_cert is None and api.tls_key is None:
        return None
    if api.tls_cert is None or api.tls_key is None:
        raise ConfigError("api.tls_cert and api.tls_key go together", op="api.start")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_cert_chain(api.tls_cert, api.tls_key)
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(f"api.tls_cert {api.tls_cert} cannot be used: {error}", op="api.start") from error
    return context


def _is_loopback(host: str) -> bool:
    return host == "localhost" or is_local(host)
