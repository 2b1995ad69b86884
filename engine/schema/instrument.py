"""What can be traded where, at which precision and within which limits (model.md INS-20 to INS-22)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from enum import IntEnum
from typing import Any, NamedTuple

import msgspec

from engine.base.errors import ScaleOverflowError, ValidationError
from engine.base.ids import instrument_id
from engine.base.instants import from_rfc3339, to_rfc3339
from engine.schema.enums import EventType, OrderingMode, wire_name

SCALE_MAX = 18
RAW_MAX = 2**63 - 1

_SYMBOL = re.compile(r"[A-Z0-9]{1,20}-[A-Z0-9]{1,20}", re.ASCII)
_NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]{1,2})?", re.ASCII)
_NUMBER_MAX_CHARS = 40
_EXPONENT_MAX = 60


# --- closed sets --------------------------------------------------------------------------------------------


class InstrumentKind(IntEnum):
    """What is traded."""

    SPOT = 1


class InstrumentStatus(IntEnum):
    """What the venue lets one do; anything but TRADING gates some or all orders."""

    TRADING = 1
    POST_ONLY = 2
    LIMIT_ONLY = 3
    CANCEL_ONLY = 4
    REDUCE_ONLY = 5
    HALTED = 6
    DELISTED = 7


class OrderType(IntEnum):
    """Order types the engine knows."""

    LIMIT = 1
    MARKET = 2


class TimeInForce(IntEnum):
    """How long an order stands."""

    GTC = 1
    IOC = 2
    FOK = 3


class ChecksumKind(IntEnum):
    """What a venue proves its books with."""

    NONE = 0
    CRC32 = 1


# --- the record ---------------------------------------------------------------------------------------------


class Instrument(msgspec.Struct, frozen=True, kw_only=True):
    """One instrument at one provider; a change makes a new record with the next version.

    Prices are integers at ``price_scale`` decimals, quantities at ``qty_scale``: the decimals of the tick and
    of the lot. A tick or lot of 0 is a filter switched off; then its scale is the asset's precision.

    Raises:
        ValidationError: the symbol is not BASE-QUOTE, or a scale lies outside 0..18.
    """

    provider: str
    symbol: str
    venue_symbol: str
    base: str
    quote: str
    status: InstrumentStatus
    price_scale: int
    qty_scale: int
    tick_size_raw: int
    lot_size_raw: int
    min_qty_raw: int
    max_qty_raw: int | None = None
    """None: no limit, or one beyond what 64 bits can hold."""
    min_notional: str | None = None
    """Decimal text in units of the quote asset."""
    max_notional: str | None = None
    aliases: tuple[str, ...] = ()
    """Other public symbols of the same book."""
    kind: InstrumentKind = InstrumentKind.SPOT
    order_types: tuple[OrderType, ...] = ()
    tifs: tuple[TimeInForce, ...] = ()
    post_only_supported: bool = False
    ordering_mode: dict[EventType, OrderingMode] = {}
    checksum: ChecksumKind = ChecksumKind.NONE
    book_depths: tuple[int, ...] = ()
    """Depths the venue serves; empty where it does not cut its book."""
    version: int = 1
    updated_ns: int = 0

    def __post_init__(self) -> None:
        if self.symbol != public_symbol(self.base, self.quote):
            raise ValidationError(f"{self.symbol!r} is not BASE-QUOTE of its assets", op="instrument.make")
        for name, scale in (("price_scale", self.price_scale), ("qty_scale", self.qty_scale)):
            if not 0 <= scale <= SCALE_MAX:
                raise ValidationError(f"{name} {scale} lies outside 0..{SCALE_MAX}", op="instrument.make")

    @property
    def instrument_id(self) -> int:
        """Dense id of this provider and symbol, given at its first use and never written anywhere."""
        return instrument_id(self.provider, self.symbol)

    def is_price_on_grid(self, price_raw: int) -> bool:
        """Whether a price at ``price_scale`` is a multiple of the tick."""
        return self.tick_size_raw == 0 or price_raw % self.tick_size_raw == 0

    def is_qty_on_grid(self, qty_raw: int) -> bool:
        """Whether a quantity at ``qty_scale`` is a multiple of the lot."""
        return self.lot_size_raw == 0 or qty_raw % self.lot_size_raw == 0

    def to_record(self) -> dict[str, Any]:
        """The JSON form: raws as decimal texts without ``_raw``, enums in lower case, no ids."""
        record: dict[str, Any] = {}
        for name in self.__struct_fields__:
            value = getattr(self, name)
            if name.endswith("_raw"):
                scale = self.price_scale if name == "tick_size_raw" else self.qty_scale
                record[_record_name(name)] = None if value is None else _fixed_text(value, scale)
            elif name == "updated_ns":
                record["updated"] = to_rfc3339(value)
            elif name == "ordering_mode":
                record[name] = {wire_name(kind): wire_name(mode) for kind, mode in value.items()}
            elif isinstance(value, IntEnum):
                record[name] = value.name.lower()
            elif isinstance(value, tuple):
                record[name] = [item.name.lower() if isinstance(item, IntEnum) else item for item in value]
            else:
                record[name] = value
        return record

    def to_json(self) -> bytes:
        """:meth:`to_record` as one JSON object."""
        return msgspec.json.encode(self.to_record())

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Instrument:
        """The instrument of a :meth:`to_record` form.

        Raises:
            ValidationError: a key is missing or unknown, or a value is not of its field.
        """
        wire_names = {_record_name(name): name for name in cls.__struct_fields__}
        wrong = sorted(set(record) ^ set(wire_names))
        if wrong:
            raise ValidationError(f"instrument key {wrong[0]!r} is missing or unknown", op="instrument.read")
        try:
            scales = {"tick_size_raw": int(record["price_scale"])}
            values = {
                name: _of_record(name, record[wire], scales.get(name, int(record["qty_scale"])))
                for wire, name in wire_names.items()
            }
            return msgspec.convert(values, cls, strict=True)
        except (msgspec.ValidationError, KeyError, TypeError, ValueError, AttributeError) as error:
            raise ValidationError(f"not an instrument: {error}", op="instrument.read") from None


_SETS: dict[str, type[IntEnum]] = {
    "kind": InstrumentKind,
    "status": InstrumentStatus,
    "checksum": ChecksumKind,
    "order_types": OrderType,
    "tifs": TimeInForce,
}


def _record_name(field: str) -> str:
    return "updated" if field == "updated_ns" else field.removesuffix("_raw")


def _of_record(name: str, value: Any, scale: int) -> Any:
    """A field's value from its JSON form."""
    if name.endswith("_raw"):
        return None if value is None else raw_of(value, scale)
    if name == "updated_ns":
        return from_rfc3339(value)
    if name == "ordering_mode":
        types = {event_type.class_name: event_type for event_type in EventType}
        return {types[kind]: OrderingMode[mode.upper()] for kind, mode in value.items()}
    if name in ("order_types", "tifs"):
        return tuple(_SETS[name][item.upper()] for item in value)
    if name in _SETS:
        return _SETS[name][value.upper()]
    return tuple(value) if isinstance(value, list) else value


class Skipped(NamedTuple):
    """An instrument of a venue's metadata that the catalogue leaves out, and why."""

    venue_symbol: str
    reason: str


def public_symbol(base: str, quote: str) -> str | None:
    """``BASE-QUOTE``, or None when the two cannot be spelled so (INS-07); nothing is re-spelled to fit."""
    symbol = f"{base}-{quote}"
    return symbol if _SYMBOL.fullmatch(symbol) else None


# --- exact decimals of venue metadata -----------------------------------------------------------------------


def decimals_of(number: str | Decimal) -> int:
    """Decimals that *number* needs: 2 for ``0.0100``, 8 for ``1e-8``, 0 for ``100``.

    Raises:
        ValidationError: not a finite number of at most 40 characters.
    """
    return max(0, -_exact(number)[1])


def raw_of(number: str | Decimal, scale: int) -> int:
    """*number* x 10^scale, exactly.

    Raises:
        ValidationError: not a number, or it needs more decimals than *scale*.
        ScaleOverflowError: the result does not fit 64 bits.
    """
    raw, is_exact = _scaled(number, scale)
    if not is_exact:
        raise ValidationError(f"{number} needs more than {scale} decimals", op="instrument.decimal")
    return _fitting(raw, number, scale)


def raw_at_least(number: str | Decimal, scale: int) -> int:
    """The smallest raw at *scale* that is not below *number*: a minimum, brought onto the grid.

    Raises:
        ValidationError: not a number.
        ScaleOverflowError: the result does not fit 64 bits.
    """
    raw, is_exact = _scaled(number, scale)
    return _fitting(raw if is_exact else raw + 1, number, scale)


def raw_at_most(number: str | Decimal, scale: int) -> int | None:
    """The largest raw at *scale* that is not above *number*: a maximum; None where 64 bits end below it.

    Raises:
        ValidationError: not a number.
    """
    raw, _ = _scaled(number, scale)
    return raw if raw <= RAW_MAX else None


def plain_text(number: str | Decimal) -> str:
    """*number* without exponent and without trailing zeros.

    Raises:
        ValidationError: not a number.
    """
    mantissa, exponent = _exact(number)
    if exponent >= 0:
        return str(mantissa * 10**exponent)
    return _fixed_text(mantissa, -exponent)


def _exact(number: str | Decimal) -> tuple[int, int]:
    """(mantissa, exponent) with value = mantissa x 10^exponent and no trailing zero in the mantissa."""
    text = str(number)
    if len(text) > _NUMBER_MAX_CHARS or not _NUMBER.fullmatch(text):
        raise ValidationError(f"{text[:60]!r} is not a number", op="instrument.decimal")
    sign, digits, exponent = Decimal(text).as_tuple()
    assert isinstance(exponent, int)
    mantissa = int("".join(map(str, digits)))
    if mantissa == 0:
        return 0, 0
    while mantissa % 10 == 0:
        mantissa //= 10
        exponent += 1
    if abs(exponent) > _EXPONENT_MAX:
        raise ValidationError(f"{text!r} is out of all proportion", op="instrument.decimal")
    return (-mantissa if sign else mantissa), exponent


def _scaled(number: str | Decimal, scale: int) -> tuple[int, bool]:
    """The floor of *number* x 10^scale, and whether that is exact."""
    mantissa, exponent = _exact(number)
    shift = exponent + scale
    if shift >= 0:
        return mantissa * 10**shift, True
    return mantissa // 10**-shift, False


def _fitting(raw: int, number: str | Decimal, scale: int) -> int:
    if abs(raw) > RAW_MAX:
        raise ScaleOverflowError(f"{number} does not fit 64 bits at scale {scale}", op="instrument.decimal")
    return raw


def _fixed_text(raw: int, scale: int) -> str:
    """*raw* x 10^-scale with exactly *scale* decimals."""
    digits = str(abs(raw)).rjust(scale + 1, "0")
    text = f"{digits[:-scale]}.{digits[-scale:]}" if scale else digits
    return f"-{text}" if raw < 0 else text
