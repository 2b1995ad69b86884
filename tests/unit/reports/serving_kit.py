"""Reports of a cache of the test's, served on a port of this process; and a port where nobody ever answers."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager

from engine.base.clock import ManualClock
from engine.config.load import load_config
from engine.reports.answers import Answers, LocalSource
from engine.reports.cache import InProcessCache
from engine.reports.reader import ReportReader
from engine.reports.serving.access import answers_of
from engine.reports.serving.hosting import ReportSite
from engine.reports.settings import ReportSettings
from tests.unit.reports.report_kit import EPOCH_MS, NS
from tests.unit.reports.test_golden import G16

TTL_MS = 300_000


class Shelf:
    """G16 as BTC-USDT of binance, 400 ms old; ETH-USDT and the two of a collision are known and have none."""

    def __init__(self) -> None:
        self.clock = ManualClock((EPOCH_MS + 32_200) * NS)
        self.cache = InProcessCache(self.clock)
        self.cache.put("binance", "BTC-USDT", G16.encode(), TTL_MS, 1)
        known = [("binance", "BTC-USDT"), ("binance", "ETH-USDT"), ("binance", "AB-CUSD"), ("binance", "ABC-USD")]
        self.reader = ReportReader(self.cache, ReportSettings(), self.clock, known, ["binance"])


@contextmanager
def served(shelf: Shelf, *sets: str) -> Iterator[tuple[str, Answers]]:
    """A site on any port, and what it answers with."""
    mcp = load_config(None, ("mcp.port=0", *sets), os.environ).mcp
    answers = answers_of(LocalSource(shelf.reader), mcp)

    async def metrics() -> str:
        return "engine_up 1\n"

    site = ReportSite(mcp)
    try:
        site.start(answers, metrics)
        yield site.url, answers
    finally:
        site.close()


@contextmanager
def sink() -> Iterator[str]:
    """An address that accepts and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
