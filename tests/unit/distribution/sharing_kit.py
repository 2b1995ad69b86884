"""Workers without their threads, whose turns and clocks a test takes."""

from __future__ import annotations

import json
import re
from typing import Any

from engine.base.clock import ManualClock, monotonic_now
from engine.runtime.worker import StreamWorker
from tests.redis_kit import Server
from tests.unit.distribution.stream_kit import KEY, MS, START_NS, configured

PATIENT = ("bus.coordination.lease_ttl_ms=10000", "bus.claim_idle_ms=20000")
"""For leases that end by what the test does, on a server whose time goes on while the test is kept waiting."""
ON = "bus.coordination.enabled=true"
NAME = "{binance:BTC-USDT}"


class Node:
    """A worker that shares streams."""

    def __init__(self, name: str, *sets: str, now_ns: int = START_NS, config: Any = None) -> None:
        self.clock = ManualClock(now_ns)
        self.worker = StreamWorker(config or configured(ON, *PATIENT, 'reports.symbols=["binance:BTC-USDT"]', *sets), name, clock=self.clock)
        assert self.worker.coordinator is not None
        assert self.worker._keeper is not None
        self.mono_ns = monotonic_now()
        self.coordinator, self.keeper = self.worker.coordinator, self.worker._keeper
        self.coordinator._now_ns = self.worker.store._now_ns = lambda: self.mono_ns
        self.worker.open()

    def close(self) -> None:
        self.coordinator._close_notices()
        for client in (self.coordinator._client, self.worker._client, self.worker.store._client):
            client.close()

    def lead(self, by_ms: int = 1) -> None:
        """Its leases are looked after, and what is decided is done, but nothing is read back."""
        self.mono_ns += by_ms * MS
        self.coordinator.turn()
        self.keeper._rested_s = 1e9
        self.keeper.turn()

    def read(self) -> None:
        while self.worker.reader.streams and self.worker.reader.turn(None):
            pass

    def step_back(self) -> None:
        """One step of what is read back."""
        self.keeper._rested_s = 0
        self.keeper.turn()

    def catch_up(self) -> None:
        """What is read back is level, and has taken the place of what was rebuilt quickly."""
        self.step_back()
        while self.keeper.is_behind():
            self.step_back()

    def tick(self, now_ms: int) -> Any:
        self.clock.set(now_ms * MS + 60 * MS)
        self.worker.advance(now_ms)
        self.worker.store.write()
        return report(self.worker._client)


def report(client: Any) -> Any:
    return json.loads(client.get(f"report:{NAME}") or b"null")


def end_lease(at: Server, key: str = KEY) -> None:
    """As its time does."""
    at.client.delete(f"lease:{{{key}}}")


def keep_leases(at: Server) -> None:
    """They end by end_lease() alone, however long the test is kept waiting until their next renewal."""
    for key in at.client.scan_iter("lease:*"):
        at.client.persist(key)


def plain(text: bytes) -> bytes:
    """A report but for its writer."""
    return re.sub(rb'"writer":\{[^}]*\}', b"", text)
