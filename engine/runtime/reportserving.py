"""Reports served: by the engine that computes them, or by a process that asks such an engine (MCP-14, MCP-22)."""

from __future__ import annotations

import asyncio

from engine.base.errors import ConfigError
from engine.base.heap import keep_heap
from engine.base.workers import TaskScope
from engine.config.sections import EngineConfig
from engine.observability.metrics import Reading, Sample, as_prometheus
from engine.reports.answers import Answers, LocalSource
from engine.reports.serving.access import answers_of
from engine.reports.serving.hosting import ReportSite
from engine.reports.serving.tools import mcp_server
from engine.runtime.live import LiveEngine
from engine.runtime.metrics import add_answers, metrics
from engine.runtime.reportasking import lone_answers
from engine.runtime.reporter import Reporter

READ_WITHIN_S = 1.0


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
            return as_prometheus(await _on_engine(live, answers))

        self._site.start(answers, told)

    def close(self) -> None:
        """Answer no more. Idempotent."""
        self._site.close()


async def _on_engine(live: LiveEngine, answers: Answers) -> dict[str, list[Sample]]:
    """Every metric of an engine, read on its own loop; none once that is gone."""
    loop = asyncio.get_running_loop()
    waiting: asyncio.Future[dict[str, list[Sample]]] = loop.create_future()

    def read() -> None:
        loop.call_soon_threadsafe(settle, metrics(live.engine, live, live.reporter, answers))

    def settle(found: dict[str, list[Sample]]) -> None:
        if not waiting.done():
            waiting.set_result(found)

    if live.engine.post is None:
        return {}
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
        keep_heap()
        self._site.start(self._answers, self._metrics)

    def close(self) -> None:
        """Answer no more. Idempotent."""
        self._site.close()

    async def _metrics(self) -> str:
        reading = Reading()
        add_answers(reading, self._answers)
        return as_prometheus(reading.samples())


async def serve_stdio(config: EngineConfig, url: str | None) -> None:
    """Speak MCP over the standard streams until the client goes.

    Raises:
        ConfigError: as :func:`lone_answers`.
    """
    answers = lone_answers(config, url)
    try:
        await answers.is_there()  # whoever asks first does not wait for what is made once
        keep_heap()
        async with TaskScope() as scope:
            await scope.start(mcp_server(answers).run_stdio_async())
    finally:
        await answers.close()
