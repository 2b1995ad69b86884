"""Plain clients of the simulated venues: they share nothing with the engine's decoders and books."""

from __future__ import annotations

import asyncio
import json
import zlib
from collections.abc import Callable
from decimal import Decimal
from itertools import count
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import picows

from engine.simulator.binance import BinanceVenue
from engine.simulator.coinbase import CoinbaseVenue
from engine.simulator.instruments import SimInstrument, default_coins, list_instruments
from engine.simulator.kraken import KrakenVenue
from engine.simulator.plain import PlainVenue
from engine.simulator.sessions import Session
from engine.simulator.venue import MarketSetup, Venue

START_US = 1_700_000_000_250_000
SECOND_US = 1_000_000

VENUE_TYPES: dict[str, Callable[[list[SimInstrument], MarketSetup], Venue]] = {
    "binance": BinanceVenue,
    "coinbase": CoinbaseVenue,
    "kraken": KrakenVenue,
    "simulated": PlainVenue,
}


def parse(frame: bytes | str) -> Any:
    """JSON with exact numbers."""
    return json.loads(frame, parse_float=Decimal)


def make_venue(name: str, *, seed: int = 7, symbols: int = 3, rate: float = 3000, levels: int = 60) -> Venue:
    instruments = list_instruments(name, default_coins(symbols))
    venue = VENUE_TYPES[name](instruments, MarketSetup(seed, rate, START_US, levels))
    # No limit is in the way: between any two calls a second passes, by the clock that limits are counted by.
    venue.true_us = count(START_US, SECOND_US).__next__
    return venue


class Tape:
    """A wire without a socket: keeps what the venue sends."""

    def __init__(self) -> None:
        self.frames: list[bytes] = []
        self.pings: list[bytes] = []
        self.pongs: list[bytes] = []
        self.torn: list[bytes] = []
        self.close_code = 0
        self.is_closed = False

    def send(self, frame: bytes) -> None:
        self.frames.append(frame)

    def ping(self, payload: bytes) -> None:
        self.pings.append(payload)

    def pong(self, payload: bytes) -> None:
        self.pongs.append(payload)

    def send_torn(self, frame: bytes) -> None:
        self.torn.append(frame)
        self.is_closed = True

    def close(self, code: int = 1000, reason: str = "") -> None:
        self.is_closed = True
        self.close_code = code

    def messages(self) -> list[Any]:
        return [parse(frame) for frame in self.frames]


def connect(venue: Venue, url: str = "/") -> tuple[Session, Tape]:
    tape = Tape()
    target = urlsplit(url)
    return venue.connect(target.path, dict(parse_qsl(target.query)), tape), tape


def say(venue: Venue, session: Session, **message: Any) -> None:
    venue.receive(session, json.dumps(message).encode())


def run(venue: Venue, seconds: float) -> None:
    venue.advance(venue.timeline.now_us + round(seconds * SECOND_US))


Side = dict[Decimal, Decimal]


def as_side(levels: list[list[str]]) -> Side:
    return {Decimal(price): Decimal(qty) for price, qty in levels}


def apply(side: Side, price: Decimal, qty: Decimal) -> None:
    if qty == 0:
        side.pop(price, None)
    else:
        side[price] = qty


def own_book(venue: Venue, symbol: str) -> tuple[Side, Side]:
    """The venue's own book, for comparison."""
    book = venue.books()[symbol]
    return as_side(book["bids"]), as_side(book["asks"])


def checksum_of(bids: Side, asks: Side, decimals: tuple[int, int]) -> int:
    """The checksum of Kraken and of the plain feed; *decimals* of prices and of quantities."""
    text = ""
    for side, descending in ((asks, False), (bids, True)):
        for price in sorted(side, reverse=descending)[:10]:
            for value, places in zip((price, side[price]), decimals, strict=True):
                text += f"{value:.{places}f}".replace(".", "").lstrip("0")
    return zlib.crc32(text.encode())


class BinanceBook:
    """The venue's documented procedure: buffer, snapshot, join, then every diff next to the one before."""

    def __init__(self) -> None:
        self.bids: Side = {}
        self.asks: Side = {}
        self.update_id: int | None = None
        self._buffer: list[Any] = []

    def on_snapshot(self, body: Any) -> None:
        assert not self._buffer or body["lastUpdateId"] >= self._buffer[0]["U"] - 1, "snapshot too old"
        self.bids, self.asks = as_side(body["bids"]), as_side(body["asks"])
        self.update_id = body["lastUpdateId"]
        buffered, self._buffer = self._buffer, []
        for diff in buffered:
            self.on_diff(diff)

    def on_diff(self, diff: Any) -> None:
        if self.update_id is None:
            self._buffer.append(diff)
            return
        if diff["u"] <= self.update_id:
            return
        assert diff["U"] <= self.update_id + 1, f"gap: {self.update_id} -> {diff['U']}"
        for side, changes in ((self.bids, diff["b"]), (self.asks, diff["a"])):
            for price, qty in changes:
                apply(side, Decimal(price), Decimal(qty))
        self.update_id = diff["u"]


class CoinbaseBooks:
    """Books of one connection; insists that no sequence number is missing."""

    def __init__(self) -> None:
        self.next_sequence = 0
        self.books: dict[str, tuple[Side, Side]] = {}

    def on_message(self, message: Any) -> None:
        assert message["sequence_num"] == self.next_sequence
        self.next_sequence += 1
        if message["channel"] != "l2_data":
            return
        for event in message["events"]:
            if event["type"] == "snapshot":
                self.books[event["product_id"]] = ({}, {})
            bids, asks = self.books[event["product_id"]]
            for update in event["updates"]:
                side = {"bid": bids, "offer": asks}[update["side"]]
                apply(side, Decimal(update["price_level"]), Decimal(update["new_quantity"]))


class KrakenBook:
    """One symbol at one depth: apply, cut to the depth, compare the checksum of every message."""

    def __init__(self, depth: int, price_decimals: int, qty_decimals: int, *, truncate: bool = True) -> None:
        self.depth = depth
        self.bids: Side = {}
        self.asks: Side = {}
        self.checksums_count = 0
        self.failures_count = 0
        self._decimals = (price_decimals, qty_decimals)
        self._truncate = truncate

    def on_message(self, message: Any) -> None:
        (data,) = message["data"]
        if message["type"] == "snapshot":
            self.bids, self.asks = {}, {}
        for side, name in ((self.bids, "bids"), (self.asks, "asks")):
            for level in data[name]:
                apply(side, Decimal(level["price"]), Decimal(level["qty"]))
        if self._truncate:
            for side, descending in ((self.bids, True), (self.asks, False)):
                for price in sorted(side, reverse=descending)[self.depth :]:
                    del side[price]
        self.checksums_count += 1
        self.failures_count += self.checksum() != data["checksum"]

    def checksum(self) -> int:
        return checksum_of(self.bids, self.asks, self._decimals)


class PlainBook:
    """One symbol of the plain feed: insists that no number is missing, compares the checksum of every message."""

    def __init__(self, price_decimals: int, qty_decimals: int) -> None:
        self.bids: Side = {}
        self.asks: Side = {}
        self.last_seq = 0
        self.failures_count = 0
        self._decimals = (price_decimals, qty_decimals)

    def on_message(self, message: Any) -> None:
        if message["type"] == "snapshot":
            self.bids, self.asks, self.last_seq = {}, {}, 0
        self.last_seq += 1
        assert message["seq"] == self.last_seq
        for side, name in ((self.bids, "bids"), (self.asks, "asks")):
            for price, qty in message[name]:
                apply(side, Decimal(price), Decimal(qty))
        self.failures_count += checksum_of(self.bids, self.asks, self._decimals) != message["checksum"]


class SocketClient(picows.WSListener):
    """A WebSocket client that keeps every text frame."""

    def __init__(self) -> None:
        super().__init__()
        self.frames: list[bytes] = []
        self.is_open = False
        self.transport: picows.WSTransport
        self._changed = asyncio.Event()

    @classmethod
    async def open(cls, url: str) -> SocketClient:
        _, client = await picows.ws_connect(cls, url)
        assert isinstance(client, cls)
        return client

    def on_ws_connected(self, transport: picows.WSTransport) -> None:
        self.transport = transport
        self.is_open = True

    def on_ws_frame(self, transport: picows.WSTransport, frame: picows.WSFrame) -> None:
        if frame.msg_type == picows.WSMsgType.TEXT:
            self.frames.append(frame.get_payload_as_bytes())
            self._changed.set()

    def on_ws_disconnected(self, transport: picows.WSTransport) -> None:
        self.is_open = False
        self._changed.set()

    def say(self, **message: Any) -> None:
        self.transport.send(picows.WSMsgType.TEXT, json.dumps(message).encode())

    async def until(self, holds: Callable[[], bool]) -> None:
        while not holds():
            self._changed.clear()
            await self._changed.wait()
