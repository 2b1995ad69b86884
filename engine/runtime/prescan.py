"""A first look at a capture: which venues, symbols and metadata are in it. No figure of the facts comes from here."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

from engine.base.errors import ValidationError
from engine.base.jsontext import unescape
from engine.runtime.capture import CaptureRecord, read_capture

LEGACY = {
    "kraken_v1": "Kraken's legacy WebSocket v1 feed; record wss://ws.kraken.com/v2 instead",
    "coinbase_exchange": "the Coinbase Exchange feed; record Advanced Trade (l2_data) instead",
}
_SYMBOL_KEYS = {
    "binance": re.compile(r'"s"\s*:\s*"([^"]+)"'),
    "coinbase": re.compile(r'"product_id"\s*:\s*"([^"]+)"'),
    "kraken": re.compile(r'"symbol"\s*:\s*"([^"]+)"'),
    "simulated": re.compile(r'"symbol"\s*:\s*"([^"]+)"'),
}
_STREAM_NAME = re.compile(r'"stream"\s*:\s*"([^"@]+)@depth[0-9]+')
_METADATA_URLS = {
    "binance": ("/exchangeInfo",),
    "coinbase": ("/products",),
    "kraken": ("/AssetPairs",),
    "simulated": ("/simulated/instruments",),
}
_EXCHANGE_FEED = re.compile(r'"type"\s*:\s*"(?:snapshot|l2update|match|last_match)"')


@dataclass
class VenueScan:
    """What one venue's records hold."""

    symbols: dict[str, None] = field(default_factory=dict)
    """Venue spellings in order of appearance."""
    metadata: list[bytes] = field(default_factory=list)
    conns: dict[int, str | None] = field(default_factory=dict)
    """WebSocket connections in order of appearance, with their URLs."""


@dataclass
class Scan:
    """What a capture holds."""

    venues: dict[str, VenueScan] = field(default_factory=dict)
    records: int = 0
    is_fixture: bool = False
    ws_in: dict[str, int] = field(default_factory=dict)
    first_ns: int | None = None
    """Receive time of the first record; None = there is none."""
    last_ns: int | None = None


def base_venue(venue: str) -> str:
    """The venue a record's ``venue`` stands for: ``binance_us`` is read as binance.

    Raises:
        ValidationError: a legacy feed, or no venue of ours.
    """
    base = venue.partition("_")[0]
    if venue in LEGACY or base not in _SYMBOL_KEYS:
        what = LEGACY.get(venue, f"no venue {base!r}; venues: {', '.join(_SYMBOL_KEYS)}")
        raise ValidationError(f"records of {venue!r} cannot be replayed: {what}", op="replay.scan")
    return base


def scan_capture(path: Path) -> Scan:
    """Read a whole capture once.

    Raises:
        ValidationError: no capture, or a venue or feed that is not supported, with file and record.
    """
    found = Scan()
    for number, record in enumerate(read_capture(path)):
        found.records += 1
        if found.first_ns is None:
            found.first_ns = record.ts_ns
        found.last_ns = record.ts_ns
        try:
            base = base_venue(record.venue)
            venue = found.venues.setdefault(base, VenueScan())
            if record.kind == "fixture":
                found.is_fixture = True
            elif record.channel == "http":
                _http(base, venue, record)
            elif not record.is_out:
                found.ws_in[base] = found.ws_in.get(base, 0) + 1
                _frame(base, venue, record)
        except ValidationError as error:
            hint = "record it anew, or leave the file out"
            raise ValidationError(f"{path}, record {number}: {error.reason}", op="replay.scan", hint=hint) from None
    return found


def _http(base: str, venue: VenueScan, record: CaptureRecord) -> None:
    path = (record.url or "").partition("?")[0]
    if "ws-feed" in path or path.startswith("https://api.pro.coinbase.com"):
        raise ValidationError(f"{LEGACY['coinbase_exchange']} ({path})", op="replay.scan")
    if any(path.endswith(tail) for tail in _METADATA_URLS[base]):
        venue.metadata.append(record.raw.encode())
    elif base == "binance" and "symbol=" in (record.url or ""):
        venue.symbols.setdefault((record.url or "").partition("symbol=")[2].partition("&")[0])


def _frame(base: str, venue: VenueScan, record: CaptureRecord) -> None:
    if record.conn not in venue.conns:
        venue.conns[record.conn] = record.url
        if base == "coinbase" and "ws-feed" in (record.url or ""):
            raise ValidationError(f"{LEGACY['coinbase_exchange']} ({record.url})", op="replay.scan")
    if base == "coinbase" and '"channel"' not in record.raw and _EXCHANGE_FEED.search(record.raw):
        raise ValidationError(LEGACY["coinbase_exchange"], op="replay.scan")
    if base == "kraken" and '"instrument"' in record.raw and '"pairs"' in record.raw:
        venue.metadata.append(record.raw.encode())
        return
    if base == "simulated" and '"instruments"' in record.raw:
        venue.metadata.append(record.raw.encode())
        return
    for symbol in _SYMBOL_KEYS[base].findall(record.raw):
        name = unescape(symbol.encode()).decode() if "\\" in symbol else symbol
        venue.symbols.setdefault(name)
    if base == "binance":
        for name in _STREAM_NAME.findall(record.raw):
            venue.symbols.setdefault(name.upper())
