"""Writes every event of an engine to a file as JSON lines: an ordinary inline consumer of everything."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from engine.base.errors import ValidationError
from engine.consumers.subscriptions import Subscription
from engine.runtime.assembly import Engine
from engine.schema.codec import to_json
from engine.schema.command import MARKET_TYPES
from engine.schema.event import Event

CONSUMER_ID = "event-file"


class EventFile:
    """Subscribes to every type of every instrument carried.

    Args:
        path: the file to write.
        engine: whose events.
        append: go on at the end of an existing file.

    Raises:
        ValidationError: the file cannot be written.
    """

    def __init__(self, path: Path, engine: Engine, *, append: bool = False) -> None:
        try:
            self._file = path.open("ab" if append else "wb")
        except OSError as error:
            raise ValidationError(f"{path}: cannot be written: {error.strerror}", op="events.write") from None
        engine.add_consumer(CONSUMER_ID, self, capacity=1024)
        for symbol in {instrument.symbol for instrument in engine.catalogue}:
            engine.desk.subscribe(Subscription(consumer_id=CONSUMER_ID, symbol=symbol, event_types=MARKET_TYPES))

    def on_batch(self, events: list[Event], ctx: Any) -> None:
        """Write each event as one line."""
        self._file.writelines(to_json(event) + b"\n" for event in events)

    def close(self) -> None:
        """Close the file. Idempotent."""
        self._file.close()
