"""Which symbols are in which stream, and what they are, as their publisher tells (BUS-03, D18)."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any

import msgspec

from engine.config.sections import EngineConfig
from engine.distribution.codec import EntryDecoder
from engine.distribution.keys import instruments_key, stream_key
from engine.distribution.servers import Client

LEARN_EVERY_S = 1.0
NOWHERE = 2**32 - 1
"""The place of what is passed over."""

Pair = tuple[str, str]


class _Instrument(msgspec.Struct):
    price_scale: int
    qty_scale: int
    tick_raw: int


_INSTRUMENTS = msgspec.json.Decoder(_Instrument)


@dataclass(frozen=True, slots=True)
class StreamSymbol:
    """A symbol that is known.

    Attributes:
        pair: (venue, symbol).
        key: of its stream.
        place: its number, of this process.
        price_scale, qty_scale: decimals of its prices and quantities.
        tick_raw: its tick in units of the price.
    """

    pair: Pair
    key: str
    place: int
    price_scale: int
    qty_scale: int
    tick_raw: int


class StreamSymbols:
    """Those of a configuration that are in some streams. On one thread.

    Args:
        client: of the server.
        config: providers tell which venues and symbols there are, ``reports.symbols`` which of them are reported.
        streams: keys.
        decoder: is told what is known.
        on_known: called with each symbol that is to be reported, once.
    """

    def __init__(
        self,
        client: Client,
        config: EngineConfig,
        streams: Collection[str],
        decoder: EntryDecoder,
        on_known: Callable[[StreamSymbol], None],
    ) -> None:
        self._client = client
        self._decoder = decoder
        self._on_known = on_known
        self._awaited: dict[Pair, str] = {}
        """Streams of symbols that nobody has told what they are."""
        self._passed_over: set[Pair] = set()
        for provider in config.providers:
            for symbol in provider.symbols if provider.enabled else ():
                pair = (provider.venue, symbol)
                key = stream_key(config.bus.stream_key, *pair, config.bus.shards)
                wanted = config.reports.symbols
                if key in streams:
                    self._awaited[pair] = key
                    if wanted != "all" and f"{provider.venue}:{symbol}" not in wanted:
                        self._passed_over.add(pair)
        self.count = len(self._awaited)
        """How many there are in these streams, by the configuration."""
        self._known: dict[str, list[StreamSymbol]] = {key: [] for key in streams}
        self._by_place: list[StreamSymbol] = []
        self._looked_s = -LEARN_EVERY_S
        self._refused_s: dict[Pair, float] = {}
        """When entries of a symbol came last that cannot be read: by whom nobody knows, so not without bound."""

    def of(self, key: str) -> list[StreamSymbol]:
        """Those of a stream that are known and reported."""
        return self._known[key]

    def at(self, place: int) -> StreamSymbol:
        """The symbol of a number."""
        return self._by_place[place]

    def look(self, keys: Collection[str]) -> None:
        """Learn what has been told since of the symbols in some streams; at most once a second.

        Raises:
            RedisError: the server is away.
        """
        now_s = time.monotonic()
        if self._awaited and now_s - self._looked_s >= LEARN_EVERY_S:
            self._looked_s = now_s
            self.learn(keys)

    def learn(self, keys: Collection[str]) -> None:
        """The same at once.

        Raises:
            RedisError: the server is away.
        """
        for pair in [pair for pair, key in self._awaited.items() if key in keys]:
            self._ask(pair)

    def meet(self, venue: str, symbol: str) -> bool:
        """An entry of a symbol has come that nobody told of: its publisher tells before its first one, if it does.

        Raises:
            RedisError: the server is away.
        """
        pair = (venue, symbol)
        now_s = time.monotonic()
        if now_s - self._refused_s.get(pair, -LEARN_EVERY_S) < LEARN_EVERY_S:
            return False
        if pair in self._awaited and self._ask(pair):
            return True
        self._refused_s[pair] = now_s
        return False

    def _ask(self, pair: Pair) -> bool:
        """What an instrument is, as the publisher says."""
        document: Any = self._client.hget(instruments_key(pair[0]), pair[1])
        if document is None:
            return False
        told = _INSTRUMENTS.decode(document)
        key = self._awaited.pop(pair)
        if pair in self._passed_over:
            self._decoder.learn(NOWHERE, *pair, told.price_scale, told.qty_scale)
            return True
        found = StreamSymbol(pair, key, len(self._by_place), told.price_scale, told.qty_scale, told.tick_raw)
        self._by_place.append(found)
        self._known[key].append(found)
        self._decoder.learn(found.place, *pair, found.price_scale, found.qty_scale)
        self._on_known(found)
        return True
