"""API-04: the engine's loop reads what is asked for, and the surface's own thread makes the answer of it."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from engine.observability.telemetry import TelemetryBus, TelemetryEvent, TelemetryType
from engine.runtime.surface import views
from engine.runtime.surface.calls import Call
from engine.runtime.surface.requests import TelemetryQuery
from engine.runtime.surface.texts import Texts


def told(bus: TelemetryBus, count: int) -> None:
    for number in range(bus.newest, bus.newest + count):
        metadata = {"consumer_id": f"c{number}", "from": "starting", "to": "running"}
        assert bus.emit(TelemetryType.CONSUMER_STATE, metadata) is not None


def asked(bus: TelemetryBus, **query: Any) -> Call:
    live: Any = SimpleNamespace(engine=SimpleNamespace(telemetry=bus))
    nobody: Any = None
    return Call(live, lambda: None, nobody, {}, TelemetryQuery(**query), None, Texts())


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


def test_api_04_what_does_not_change_is_told_from_the_text_that_was_made_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    bus = TelemetryBus(lambda: 1)
    told(bus, 3)
    made: list[str] = []
    real = TelemetryEvent.to_json
    monkeypatch.setattr(TelemetryEvent, "to_json", lambda self: made.append(self.event_id) or real(self))
    call = asked(bus)
    first = msgspec.json.encode(asyncio.run(views.telemetry(call)).made())
    assert msgspec.json.encode(asyncio.run(views.telemetry(call)).made()) == first
    assert len(made) == 3
    told(bus, 1)
    assert len(asyncio.run(views.telemetry(call)).made()["records"]) == 4
    assert len(made) == 4


def test_api_10_a_record_that_stands_for_more_by_now_is_told_anew() -> None:
    bus = TelemetryBus(lambda: 1)
    call = asked(bus)
    for count in (1, 2, 3):
        bus.emit(TelemetryType.CONSUMER_STATE, {"consumer_id": "c", "from": "starting", "to": "running"})
        (row,) = msgspec.json.decode(msgspec.json.encode(asyncio.run(views.telemetry(call)).made()))["records"]
        assert row["count"] == count


def test_api_04_texts_are_bounded() -> None:
    class Number:
        def __init__(self, number: int) -> None:
            self.number = number

        def to_json(self) -> bytes:
            return b"%d" % self.number

    texts, numbers = Texts(kept_max=3), [Number(number) for number in range(10)]
    assert [bytes(texts.of(number)) for number in numbers * 2] == [b"%d" % number for number in range(10)] * 2
    assert texts.held_count <= 3
