"""MCP-14, SLO-05: the report server as a process of its own."""

from __future__ import annotations

import gc

import pytest

from engine.base.heap import release_heap
from engine.config.sections import EngineConfig

NOBODY = "http://127.0.0.1:9"
ROW = {"name": "binance", "venue": "binance", "symbols": ["BTC-USDT"]}


def test_a_call_never_waits_for_a_walk_over_what_the_server_began_with() -> None:
    pytest.importorskip("mcp")
    from engine.runtime.reportserving import LoneSite

    release_heap()
    config = EngineConfig.model_validate({"schema_version": 1, "providers": [ROW], "mcp": {"port": 0}})
    site = LoneSite(config, NOBODY)
    try:
        site.start()
        left = len(gc.get_objects())
        # Modules of the server are tens of thousands of objects; a walk over the rest is below a millisecond.
        assert gc.get_freeze_count() > 20 * left
    finally:
        site.close()
        release_heap()
