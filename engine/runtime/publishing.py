"""The report bus beyond the process: a tap at the fan-out, and the thread that writes to the streams."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence

from engine.base.errors import ConfigError
from engine.base.ids import instrument_id
from engine.base.jsontext import encode
from engine.config.sections_providers import ProviderConfig
from engine.dispatcher.routing import stream_index
from engine.distribution.keys import stream_key
from engine.distribution.outgoing import Outgoing
from engine.distribution.streams import StreamPublisher, StreamSettings
from engine.reports.tap import ReportTap
from engine.runtime.assembly import Engine
from engine.schema.enums import EventType

OBSERVER = "engine:publisher"
EVENT_TYPES = (EventType.BOOK_SNAPSHOT, EventType.BOOK_UPDATE, EventType.TRADE, EventType.TICKER)
NS_PER_US = 1000
LOOK_EVERY_S = 1.0


class Publishing:
    """What an engine tells the streams.

    Args:
        engine: not started.
        providers: whose market data; of several that serve one venue, the first that carries a symbol (BUS-04).

    Raises:
        ConfigError: the server's address is not told, or the package is missing.
    """

    def __init__(self, engine: Engine, providers: Sequence[ProviderConfig]) -> None:
        bus = engine.config.bus
        url = os.environ.get(bus.url_env, "")
        if not url:
            raise ConfigError(
                f"bus.backend is redis, and the environment variable {bus.url_env} is not set",
                op="bus.connect",
                hint=f"set {bus.url_env}, as redis://127.0.0.1:6379/0",
            )
        self._engine = engine
        self.tap = ReportTap(engine.recycler, engine.shelf, engine.timer, bus.queue_max_entries, bus.coalesce_span_ms)
        outgoing = Outgoing(
            self.tap, bus.publish_batch, bus.snapshot_levels, bus.snapshot_interval_ms, bus.snapshot_every_deltas
        )
        places: dict[str, int] = {}
        self.venues: dict[int, str] = {}
        """By instrument id, of all that are published."""
        self._looked_s = 0.0
        self._told: dict[tuple[str, str], bytes] = {}
        self._names: dict[tuple[str, str], tuple[str, str]] = {}
        """(venue, symbol): (provider, symbol)."""
        for provider in providers:
            for symbol in provider.symbols if provider.enabled else ():
                name = f"{provider.venue}:{symbol}"
                if name not in places:
                    place = places[name] = instrument_id(provider.name, symbol)
                    self.venues[place] = provider.venue
                    self._names[provider.venue, symbol] = provider.name, symbol
                    key = stream_key(bus.stream_key, provider.venue, symbol, bus.shards)
                    # Greater than all that a run before has given: none writes a million entries of a symbol a second.
                    outgoing.carry(place, provider.venue, symbol, key, engine.clock.now() // NS_PER_US)
        self.outgoing = outgoing
        settings = StreamSettings(url, bus.shards, bus.retention_s, bus.maxlen_cap)
        self.publisher = StreamPublisher(outgoing, self.tap.wakeup, settings, places, self._instruments)
        streams = (stream_index(place, int(kind)) for place in self.venues for kind in EVENT_TYPES)
        self._index = engine.bus.add(self.tap)
        engine.reporting.names[self._index] = OBSERVER
        engine.board.set_routes(self._index, frozenset(streams))

    def start(self) -> None:
        """Begin to write.

        Raises:
            ConfigError: the server must not be used as it is.
        """
        self.publisher.start()

    def stop(self) -> None:
        """Look at nothing any more, and write what has gathered. Idempotent."""
        self._engine.board.set_routes(self._index, frozenset())
        self._engine.bus.remove(self._index)
        self.publisher.stop()

    def _instruments(self) -> dict[tuple[str, str], bytes]:
        """What the venues have told so far; what changes later is looked for once a second."""
        now_s = time.monotonic()
        is_due = now_s - self._looked_s >= LOOK_EVERY_S
        found: dict[tuple[str, str], bytes] = {}
        for pair, name in self._names.items():
            instrument = self._engine.catalogue.of_provider(*name) if is_due or pair not in self._told else None
            if instrument is not None:
                found[pair] = encode({
                    "price_scale": instrument.price_scale,
                    "qty_scale": instrument.qty_scale,
                    "tick_raw": instrument.tick_size_raw,
                })  # fmt: skip
        if is_due:
            self._looked_s = now_s
        if any(self._told.get(pair) != document for pair, document in found.items()):
            self._told = {**self._told, **found}
        return self._told
