"""A worker as a process: it reads until it is told to stop, and tells operators how it does (CLI-19, MCP-21)."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from aiohttp import web

from engine.base.errors import ConfigError
from engine.base.heap import keep_heap
from engine.base.jsontext import encode
from engine.observability.logs import set_common
from engine.observability.metrics import as_prometheus
from engine.runtime.live import stopping
from engine.runtime.metrics import worker_metrics
from engine.runtime.worker import StreamWorker

HOST = "127.0.0.1"
_PROMETHEUS = "text/plain; version=0.0.4; charset=utf-8"


class WorkerService:
    """Serves ``/health`` and ``/metrics`` of a worker. On one loop.

    Args:
        worker: not started.
        port: where; 0 = any.
    """

    def __init__(self, worker: StreamWorker, port: int) -> None:
        self._worker = worker
        self._port = port
        self._begun_s = time.monotonic()

    async def run(self, on_ready: Callable[[str], None]) -> None:
        """Work until a signal comes; *on_ready* is called once with the address.

        Raises:
            ConfigError: the port is taken, or the server must not be used as it is.
        """
        set_common({"node_id": self._worker.node_id})
        app = web.Application()
        app.router.add_get("/health", self._health)
        app.router.add_get("/metrics", self._metrics)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        try:
            site = web.TCPSite(runner, HOST, self._port)
            try:
                await site.start()
            except OSError as error:
                raise ConfigError(
                    f"{HOST}:{self._port} cannot be listened on: {error.strerror}", op="worker.start",
                    hint="choose another --metrics-port, or 0 for any",
                ) from error  # fmt: skip
            stopped = asyncio.Event()
            with stopping(stopped.set):
                url = f"http://{HOST}:{runner.addresses[0][1]}"
                if self._worker.coordinator is not None:
                    self._worker.coordinator.membership.metrics_url = f"{url}/metrics"
                self._worker.start()
                keep_heap()
                on_ready(url)
                await stopped.wait()
        finally:
            self._worker.stop()
            await runner.cleanup()

    async def _health(self, request: web.Request) -> web.Response:
        worker = self._worker
        coordinator = worker.coordinator
        is_up = worker.is_up and (coordinator is None or coordinator.is_up)
        document = {
            "status": "ok" if is_up else "down",
            "node_id": worker.node_id,
            "uptime_seconds": int(time.monotonic() - self._begun_s),
            "coordination": {
                "enabled": coordinator is not None,
                "owned_shards": worker.owned(),
                "configured_symbols": worker.symbols.count,
            },
        }
        return web.Response(body=encode(document), content_type="application/json", status=200 if is_up else 503)

    async def _metrics(self, request: web.Request) -> web.Response:
        return web.Response(
            body=as_prometheus(worker_metrics(self._worker)).encode(), headers={"Content-Type": _PROMETHEUS}
        )
