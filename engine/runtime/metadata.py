"""Instruments out of files: a capture's own metadata records, or one metadata body."""

from __future__ import annotations

from pathlib import Path

from engine.base.clock import SystemClock
from engine.base.errors import ValidationError
from engine.config.load import default_config
from engine.runtime.assembly import Engine
from engine.runtime.capture import read_capture
from engine.runtime.prescan import scan
from engine.schema.instrument import Instrument, Skipped

Found = tuple[list[Instrument], list[Skipped]]


def instruments_of_capture(path: Path) -> Found:
    """Instruments of a capture: from its metadata, and guessed ones for the symbols it lacks metadata of.

    Raises:
        ValidationError: no capture, or a feed that is not supported.
    """
    found: dict[tuple[str, str], Instrument] = {}
    skipped: list[Skipped] = []
    with Engine(default_config(), SystemClock()) as engine:
        for venue, part in scan(read_capture(path)).venues.items():
            feed = engine.open_provider(venue, venue)
            for body in part.metadata:
                records, left_out = feed.read_instruments(body)
                found.update(((venue, record.venue_symbol), record) for record in records)
                skipped += left_out
            for symbol in part.symbols:
                if (venue, symbol) not in found:
                    try:
                        found[venue, symbol] = feed.guess_instrument(symbol)
                    except ValidationError as error:
                        skipped.append(Skipped(symbol, error.reason))
    return list(found.values()), skipped


def instruments_of_body(path: Path, venue: str) -> Found:
    """Instruments of a venue's metadata body.

    Raises:
        ValidationError: the file cannot be read, or is no such body.
    """
    try:
        body = path.read_bytes()
    except OSError as error:
        raise ValidationError(f"{path}: cannot be read: {error.strerror}", op="instruments.read") from None
    with Engine(default_config(), SystemClock()) as engine:
        return engine.open_provider(venue, venue).read_instruments(body)
