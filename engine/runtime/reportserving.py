"""Reports served: by the engine that computes them, or by a process that asks such an engine (MCP-14, MCP-22)."""

from __future__ import annotations

import asyncio
import os

from engine.base.errors import ConfigError
from engine.base.workers import TaskScope
from engine.config.sections import EngineConfig
from engine.observability.metrics import Reading, as_prometheus
from engine.reports.answers import Answers, LocalSource, ReportSource
from engine.reports.facade import FacadeSource
from engine.reports.serving.guard import token_of
from engine.reports.serving.hosting import ReportSite, answers_of
from engine.reports.serving.tools import mcp_server
from engine.runtime.live import LiveEngine
from engine.runtime.metrics import add_answers, metrics
from engine.runtime.reporter import Reporter
from engine.runtime.storedsource import StoredSource, stored_url

READ_WITHIN_S = 1.0
PERSON_WAITS_MS = 5000


class EmbeddedSite:
    """The report server of an engine, in its process, on a thread of its own.

    The port is taken when it is made; it answers from :meth:`start` on.

    Args:
        config: validated.

    Attributes:
        url: where it answers.

    Raises:
        ConfigError: the address is taken or may not be served, or the transport is not for a running engine.
    """

    def __init__(self, config: EngineConfig) -> None:
        if config.mcp.transport == "stdio":
            raise ConfigError(
                "mcp.transport: stdio belongs to whoever started this process", op="mcp.start",
                hint="use http here, and `engine-run mcp --transport stdio` in the client",
            )  # fmt: skip
        self._mcp = config.mcp
        self._site = ReportSite(config.mcp)
        self.url = self._site.url

    def start(self, live: LiveEngine, reporter: Reporter) -> None:
        """Answer from now on, with what *reporter* keeps."""
        answers = answers_of(LocalSource(reporter.reader), self._mcp)

        async def told() -> str:
            return await _on_engine(live, answers)

        self._site.start(answers, told)

    def close(self) -> None:
        """Answer no more. Idempotent."""
        self._site.close()


async def _on_engine(live: LiveEngine, answers: Answers) -> str:
    """Every metric of an engine, read on its own loop; empty once that is gone."""
    loop = asyncio.get_running_loop()
    waiting: asyncio.Future[str] = loop.create_future()

    def read() -> None:
        reading = metrics(live.engine, live, live.reporter, answers)
        loop.call_soon_threadsafe(settle, as_prometheus(reading))

    def settle(text: str) -> None:
        if not waiting.done():
            waiting.set_result(text)

    if live.engine.post is None:
        return ""
    live.engine.post(read)
    async with asyncio.timeout(READ_WITHIN_S):
        return await waiting


class LoneSite:
    """The report server as a process of its own: it asks a running engine (``engine-run mcp``).

    Args:
        config: validated.
        url: of the engine's reports; None = as configured.

    Attributes:
        url: where it answers.

    Raises:
        ConfigError: the address is taken or may not be served, or the cache is one that no other process can read.
    """

    def __init__(self, config: EngineConfig, url: str | None) -> None:
        self._answers = lone_answers(config, url)
        self._site = ReportSite(config.mcp)
        self.url = self._site.url

    def start(self) -> None:
        """Answer from now on."""
        self._site.start(self._answers, self._metrics)

    def close(self) -> None:
        """Answer no more. Idempotent."""
        self._site.close()

    async def _metrics(self) -> str:
        reading = Reading()
        add_answers(reading, self._answers)
        return as_prometheus(reading.samples())


def facade_url(config: EngineConfig) -> str:
    """Where reports are read from, as a configuration says: ``cache.url``, else where ``mcp`` listens.

    Of the server that workers write to the name of the variable: its address may hold a password.
    """
    if config.cache.backend == "redis":
        return f"${config.cache.url_env}"
    host = config.mcp.host
    return config.cache.url or f"http://{f'[{host}]' if ':' in host else host}:{config.mcp.port}"


def lone_answers(config: EngineConfig, url: str | None, *, for_person: bool = False) -> Answers:
    """What answers with the reports of a running engine.

    Args:
        config: how long it may take, and the token.
        url: of the engine's reports; None = as configured.
        for_person: who asks would rather wait than be told that it took too long, and wants no line a call.

    Raises:
        ConfigError: the variable of the token, or of the server that workers write to, is not set.
    """
    wait_ms = PERSON_WAITS_MS if for_person else config.mcp.cache_timeout_ms
    where = url or facade_url(config)
    source: ReportSource
    if where == f"${config.cache.url_env}":
        source = StoredSource(config, stored_url(config), wait_ms)
    else:
        source = FacadeSource(where, wait_ms, token_of(config.mcp, os.environ))
    return Answers(source, wait_ms, wait_ms, is_logged=False) if for_person else answers_of(source, config.mcp)


async def serve_stdio(config: EngineConfig, url: str | None) -> None:
    """Speak MCP over the standard streams until the client goes.

    Raises:
        ConfigError: as :func:`lone_answers`.
    """
    answers = lone_answers(config, url)
    try:
        await answers.is_there()  # whoever asks first does not wait for what is made once
        async with TaskScope() as scope:
            await scope.start(mcp_server(answers).run_stdio_async())
    finally:
        await answers.close()
