"""Instruments out of files: a capture's own metadata records, or one metadata body."""

from __future__ import annotations

import gzip
import zlib
from dataclasses import dataclass, field
from pathlib import Path

from engine.base.clock import SystemClock
from engine.base.errors import ValidationError
from engine.config.load import default_config
from engine.providers.registry import VENUES
from engine.runtime.assembly import Engine
from engine.runtime.capture import GZIP_MAGIC
from engine.runtime.prescan import scan_capture
from engine.schema.instrument import Instrument, Skipped


@dataclass
class Known:
    """What a file tells of instruments.

    Attributes:
        records: those with the venue's own metadata.
        guessed: read off the spelling alone, of symbols that the file has frames but no metadata of.
        skipped: what cannot be an instrument, and why.
    """

    records: list[Instrument] = field(default_factory=list)
    guessed: list[Instrument] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)


def instruments_of_capture(path: Path) -> Known:
    """Instruments of a capture.

    Raises:
        ValidationError: no capture, or a feed that is not supported.
    """
    known = Known()
    found: dict[tuple[str, str], Instrument] = {}
    with Engine(default_config(), SystemClock()) as engine:
        for venue, part in scan_capture(path).venues.items():
            feed = engine.open_provider(venue, venue)
            for body in part.metadata:
                records, left_out = feed.read_instruments(body)
                found.update(((venue, record.venue_symbol), record) for record in records)
                known.skipped += left_out
            for symbol in part.symbols:
                if (venue, symbol) not in found:
                    try:
                        known.guessed.append(feed.guess_instrument(symbol))
                    except ValidationError as error:
                        known.skipped.append(Skipped(symbol, error.reason))
    known.records = list(found.values())
    return known


def instruments_of_body(path: Path, venue: str) -> Known:
    """Instruments of a venue's metadata body.

    Raises:
        ValidationError: the file cannot be read, or is no such body.
    """
    with Engine(default_config(), SystemClock()) as engine:
        records, skipped = engine.open_provider(venue, venue).read_instruments(read_body(path))
    return Known(records, [], skipped)


def read_body(path: Path) -> bytes:
    """A metadata body, gzip'd or plain.

    Raises:
        ValidationError: the file cannot be read.
    """
    try:
        body = path.read_bytes()
        return gzip.decompress(body) if body.startswith(GZIP_MAGIC) else body
    except (OSError, EOFError, zlib.error) as error:
        what = getattr(error, "strerror", None) or error
        raise ValidationError(f"{path}: cannot be read: {what}", op="instruments.read") from None


def venues_of_body(body: bytes) -> list[str]:
    """The venues whose metadata body this is; none for anything else."""
    found = []
    with Engine(default_config(), SystemClock()) as engine:
        for venue in VENUES:
            try:
                engine.open_provider(venue, venue).read_instruments(body)
            except ValidationError:
                continue
            found.append(venue)
    return found
