"""Kraken's instrument channel on the running feed (INS-22, EVT-20): each real change is published, nothing else is."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from engine.base.clock import ManualClock
from engine.config.load import default_config
from engine.consumers.subscriptions import Subscription
from engine.runtime.assembly import Engine
from engine.schema.enums import InstrumentChange
from engine.schema.instrument import InstrumentStatus
from tests.unit.providers.kraken.frames import book, checksum_of, entry
from tests.unit.providers.kraken.test_symbols import ASSET_PAIR, body

PAIR = {
    "symbol": "BTC/USD",
    "base": "BTC",
    "quote": "USD",
    "status": "online",
    "price_precision": 1,
    "qty_precision": 8,
    "price_increment": 0.1,
    "qty_increment": 1e-08,
    "qty_min": 0.00005,
    "cost_min": 0.5,
}
OTHER = {**PAIR, "symbol": "DOGE/USD", "base": "DOGE"}


class Venue:
    """A Kraken feed that carries BTC/USD, and what a consumer was told of its instruments."""

    def __init__(self) -> None:
        self.engine = Engine(default_config(), ManualClock(1))
        self.told: list[Any] = []
        self.engine.add_consumer("watch", self)
        self.feed = self.engine.open_provider("kraken", "kraken")
        (instrument,), _ = self.feed.read_instruments(body(XXBTZUSD=ASSET_PAIR))
        self.book = self.engine.carry(self.feed, instrument)
        self.engine.desk.subscribe(
            Subscription(consumer_id="watch", symbol="BTC-USD", providers=(), event_types=("InstrumentUpdate",))
        )
        self.engine.start()

    def on_event(self, event: Any, ctx: object) -> None:
        self.told.append(event.detach())

    def tell(self, *pairs: dict[str, Any], kind: str = "update") -> list[Any]:
        """An instrument frame; returns the updates it caused."""
        frame = {"channel": "instrument", "type": kind, "data": {"assets": [], "pairs": list(pairs)}}
        return self.feed_text(json.dumps(frame))

    def feed_text(self, text: str) -> list[Any]:
        before = len(self.told)
        self.feed.stream.feed(text.encode(), 1, 0)
        self.feed.stream.read_end()
        return self.told[before:]

    def refused(self) -> dict[str, int]:
        return self.feed.stream.rejected_by_code()


@pytest.fixture
def venue() -> Iterator[Venue]:
    made = Venue()
    yield made
    made.engine.close()
    assert made.engine.recycler.statistics().balanced


def test_what_rest_told_already_is_no_change_INS_22(venue: Venue) -> None:
    assert venue.tell(PAIR, OTHER, kind="snapshot") == []
    assert venue.tell(PAIR) == []
    assert venue.refused() == {}
    assert len(venue.engine.catalogue) == 1


def test_a_change_is_told_once_with_its_fields_EVT_20(venue: Venue) -> None:
    (update,) = venue.tell({**PAIR, "status": "cancel_only"})
    assert (update.change, update.changed_fields) == (InstrumentChange.STATUS, ("status",))
    assert (update.instrument.status, update.instrument.version) == (InstrumentStatus.CANCEL_ONLY, 2)
    assert venue.tell({**PAIR, "status": "cancel_only"}, kind="snapshot") == []
    (update,) = venue.tell({**PAIR, "status": "online", "qty_min": 0.0001})
    assert (update.change, set(update.changed_fields)) == (InstrumentChange.CHANGED, {"status", "min_qty_raw"})
    assert (update.instrument.min_qty_raw, update.instrument.version) == (10_000, 3)
    assert venue.tell({**OTHER, "status": "delisted"}) == [], "nobody carries it"


def test_a_new_tick_widens_the_book_and_its_checksums_are_written_with_it_INS_03(venue: Venue) -> None:
    widened, changed = venue.tell({**PAIR, "price_precision": 2, "price_increment": 0.05})
    assert (widened.change, widened.changed_fields) == (InstrumentChange.SCALE_WIDENED, ("price_scale",))
    assert (changed.change, changed.changed_fields) == (InstrumentChange.CHANGED, ("tick_size_raw",))
    assert (changed.instrument.tick_size_raw, changed.instrument.price_scale) == (5, 2)
    assert venue.book.price_scale == 2
    bids, asks = {"10.05": "1"}, {"11.00": "1.5"}
    told = entry(bids, asks, checksum_of(bids, asks, (2, 8)), "BTC/USD")
    venue.feed_text(json.dumps(book("snapshot", told)))
    assert (venue.book.checksums_compared, venue.book.checksums_ok) == (1, 1)


def test_digits_beyond_the_metadata_are_not_taken_back_by_it(venue: Venue) -> None:
    ticker = {"channel": "ticker", "type": "update", "data": [{"symbol": "BTC/USD", "last": 10.125}]}
    (widened,) = venue.feed_text(json.dumps(ticker))
    assert (widened.change, widened.instrument.price_scale) == (InstrumentChange.SCALE_WIDENED, 3)
    assert venue.tell(PAIR, kind="snapshot") == []
    (update,) = venue.tell({**PAIR, "price_increment": 0.5})
    assert (update.changed_fields, update.instrument.tick_size_raw) == (("tick_size_raw",), 500)


def test_catalogue_data_that_cannot_be_read_is_refused_and_costs_nothing_else(venue: Venue) -> None:
    assert venue.feed_text('{"channel":"instrument","type":"update","data":{"pairs":5}}') == []
    assert venue.refused() == {"bad_value": 1}
    assert venue.tell({**PAIR, "status": "asleep"}) == []
    assert venue.refused() == {"bad_value": 1}
    assert len(venue.tell({**PAIR, "status": "post_only"})) == 1

