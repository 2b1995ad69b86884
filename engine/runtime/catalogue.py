"""The instruments in use, by provider and symbol; every real change is published once (INS-20..22)."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import msgspec

from engine.base.ids import instrument_id, instrument_key
from engine.providers.assembler import BookAssembler
from engine.schema.enums import InstrumentChange
from engine.schema.instrument import Instrument

Publisher = Callable[[Instrument, InstrumentChange, tuple[str, ...]], None]


class Catalogue:
    """Instrument records of one engine. Owned by the runtime.

    Args:
        publish: called with the new record, what happened, and the names of the fields that changed.
        clock_ns: now, for ``updated_ns``.
    """

    def __init__(self, publish: Publisher, clock_ns: Callable[[], int]) -> None:
        self._publish = publish
        self._clock_ns = clock_ns
        self.on_kept: Callable[[Instrument], None] = lambda record: None
        """Called with each record that is new or has changed, before anybody is told."""
        self._records: dict[tuple[str, str], Instrument] = {}
        self._carriers: dict[str, dict[str, int]] = {}
        """Instrument ids of all that have a record, by symbol and provider."""
        self._resting: set[tuple[str, str]] = set()

    def __iter__(self) -> Iterator[Instrument]:
        return iter(self._records.values())

    def __len__(self) -> int:
        return len(self._records)

    def add(self, record: Instrument) -> None:
        """Note an instrument; one known already is compared and a change published."""
        key = (record.provider, record.symbol)
        self._resting.discard(key)
        known = self._records.get(key)
        if known is None:
            self._keep(key, record, InstrumentChange.ADDED, ())
            return
        # Scales only ever widen: what the venue tells at fewer decimals than its digits had is the same instrument.
        record = _at_scales(
            record, max(record.price_scale, known.price_scale), max(record.qty_scale, known.qty_scale)
        )
        changed = tuple(
            name
            for name in record.__struct_fields__
            if name not in ("version", "updated_ns") and getattr(record, name) != getattr(known, name)
        )
        if changed:
            kind = InstrumentChange.STATUS if changed == ("status",) else InstrumentChange.CHANGED
            self._keep(key, msgspec.structs.replace(record, version=known.version + 1), kind, changed)

    def widened(self, book: BookAssembler) -> None:
        """A book's scales grew (INS-03): publish the record at the new scales before the next event."""
        key = self._key_of(book)
        known = self._records.get(key)
        if known is None:
            return
        record = _at_scales(
            known, max(book.price_scale, known.price_scale), max(book.qty_scale, known.qty_scale)
        )
        changed = tuple(
            name for name in ("price_scale", "qty_scale") if getattr(record, name) != getattr(known, name)
        )
        if changed:
            record = msgspec.structs.replace(record, version=known.version + 1)
            self._keep(key, record, InstrumentChange.SCALE_WIDENED, changed)

    def carriers(self, symbol: str) -> dict[str, int]:
        """{provider: instrument id} of those that carry *symbol*."""
        return {
            provider: number
            for provider, number in self._carriers.get(symbol, {}).items()
            if (provider, symbol) not in self._resting
        }

    def of_symbol(self, symbol: str) -> dict[str, Instrument]:
        """The records of those that carry *symbol*, by provider."""
        return {provider: self._records[provider, symbol] for provider in self.carriers(symbol)}

    def of_provider(self, provider: str, symbol: str) -> Instrument | None:
        """A provider's record of a symbol, None where it has none yet."""
        return self._records.get((provider, symbol))

    def rest(self, provider: str, symbol: str) -> None:
        """A provider does not carry a symbol any more, until it is added again."""
        self._resting.add((provider, symbol))

    def _keep(
        self, key: tuple[str, str], record: Instrument, change: InstrumentChange, changed: tuple[str, ...]
    ) -> None:
        record = msgspec.structs.replace(record, updated_ns=self._clock_ns())
        self._records[key] = record
        provider, symbol = key
        self._carriers.setdefault(symbol, {})[provider] = instrument_id(provider, symbol)
        self.on_kept(record)
        self._publish(record, change, changed)

    @staticmethod
    def _key_of(book: BookAssembler) -> tuple[str, str]:
        provider, symbol = instrument_key(book.instrument_id)
        return provider, symbol or ""


def _at_scales(record: Instrument, price_scale: int, qty_scale: int) -> Instrument:
    """The same instrument at scales that are at least its own."""
    price_by, qty_by = 10 ** (price_scale - record.price_scale), 10 ** (qty_scale - record.qty_scale)
    return msgspec.structs.replace(
        record,
        price_scale=price_scale,
        qty_scale=qty_scale,
        tick_size_raw=record.tick_size_raw * price_by,
        lot_size_raw=record.lot_size_raw * qty_by,
        min_qty_raw=record.min_qty_raw * qty_by,
        max_qty_raw=None if record.max_qty_raw is None else record.max_qty_raw * qty_by,
    )
