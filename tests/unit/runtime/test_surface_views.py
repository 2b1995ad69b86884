"""API-04: the engine's loop reads what is asked for, and the surface's own thread makes the answer of it."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from engine.observability.telemetry import TelemetryBus, TelemetryEvent, TelemetryType
from engine.runtime.surface import views
from engine.runtime.surface.calls import Call
from engine.runtime.surface.requests import TelemetryQuery


def told(bus: TelemetryBus, count: int) -> None:
    for number in range(bus.newest, bus.newest + count):
        metadata = {"consumer_id": f"c{number}", "from": "starting", "to": "running"}
        assert bus.emit(TelemetryType.CONSUMER_STATE, metadata) is not None


def asked(bus: TelemetryBus, **query: Any) -> Call:
    live: Any = SimpleNamespace(engine=SimpleNamespace(telemetry=bus))
    nobody: Any = None
    return Call(live, lambda: None, nobody, {}, TelemetryQuery(**query), None)


def test_api_04_no_record_is_encoded_on_the_engines_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    bus = TelemetryBus(lambda: 1)
    told(bus, 3)
    encoded: list[str] = []
    monkeypatch.setattr(TelemetryEvent, "to_json", lambda self: encoded.append(self.event_id) or b"{}")
    answer = asyncio.run(views.telemetry(asked(bus)))
    assert encoded == []
    told(bus, 2)  # meanwhile: the answer is of when it was asked for
    body = answer.made()
    assert len(encoded) == len(body["records"]) == 3
    assert (body["next_id"], body["missed"]) == (3, 0)


def test_api_10_a_reader_goes_on_from_where_it_was_and_is_told_what_it_missed() -> None:
    bus = TelemetryBus(lambda: 1, capacity=4)
    told(bus, 10)
    body = asyncio.run(views.telemetry(asked(bus, since_id=2, limit=3))).made()
    assert (len(body["records"]), body["next_id"], body["missed"]) == (3, 9, 4)
    body = asyncio.run(views.telemetry(asked(bus, since_id=9))).made()
    assert (len(body["records"]), body["next_id"], body["missed"]) == (1, 10, 0)
    assert asyncio.run(views.telemetry(asked(bus, since_id=10))).made()["records"] == []
