"""What venues' order messages have in common: exact sums, known values only, rows that stand alone. Pure."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping
from decimal import Context, Decimal, DecimalException, Inexact, InvalidOperation, Overflow
from functools import reduce
from typing import Any, NamedTuple, TypeVar

from engine.base.errors import ValidationError
from engine.schema.enums import Side
from engine.schema.order import Fee, Sent, VenueReport

NS_PER_MS = 1_000_000
NS_PER_S = 1_000_000_000
_EXACT = Context(prec=400, traps=[InvalidOperation, Overflow, Inexact])
_OP = "order.read"

Value = TypeVar("Value")
Read = TypeVar("Read")


class Verdict(NamedTuple):
    """What a venue's refusal means: whether it has the order, our code, and whether orders end for good."""

    sent: Sent
    code: str
    halts: bool = False


def known(table: Mapping[Any, Value], key: Hashable, what: str) -> Value:
    """The row of *key*; a value that we do not know is never taken for another.

    Raises:
        ValidationError: there is none.
    """
    try:
        return table[key]
    except KeyError:
        raise ValidationError(f"{what} {key!r} is not known", op=_OP) from None


def product(left: Decimal, right: Decimal) -> Decimal:
    """Every digit of it.

    Raises:
        ValidationError: there are too many.
    """
    try:
        return _EXACT.multiply(left, right)
    except DecimalException:
        raise ValidationError("a product has too many digits", op=_OP) from None


def total(values: Iterable[Decimal]) -> Decimal:
    """Every digit of the sum.

    Raises:
        ValidationError: there are too many.
    """
    try:
        return reduce(_EXACT.add, values, Decimal(0))
    except DecimalException:
        raise ValidationError("a sum has too many digits", op=_OP) from None


def ns_of_seconds(seconds: Decimal) -> int:
    """Of a time in seconds with decimals."""
    return int(product(seconds, Decimal(NS_PER_S)))


def fees_total(fees: Iterable[Fee]) -> tuple[Fee, ...]:
    """One fee an asset."""
    found: dict[str, list[Decimal]] = {}
    for fee in fees:
        found.setdefault(fee.asset, []).append(fee.amount)
    return tuple(Fee(asset, total(amounts)) for asset, amounts in found.items())


def side_of(text: str) -> Side:
    """``BUY`` or ``sell``, in any case.

    Raises:
        ValidationError: it is neither.
    """
    return known(_SIDES, text.upper(), "side")


_SIDES = {"BUY": Side.BUY, "SELL": Side.SELL}


def read_rows(
    rows: Iterable[dict[str, Any]], read: Callable[[dict[str, Any]], Read | None]
) -> tuple[list[Read], str]:
    """What *read* makes of each row, and why the first one that it could not read is left out; empty: none is.

    An order that cannot be read is no reason to lose what is said of others.
    """
    found: list[Read] = []
    why = ""
    for row in rows:
        try:
            report = read(row)
        except ValidationError as error:
            why = why or error.reason
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            why = why or f"{type(error).__name__}: {error}"
        else:
            if report is not None:
                found.append(report)
    return found, why


def read_row(row: dict[str, Any], read: Callable[[dict[str, Any]], Read]) -> Read:
    """What *read* makes of one row.

    Raises:
        ValidationError: a field is missing or of another kind.
    """
    try:
        return read(row)
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise ValidationError(f"{type(error).__name__}: {error}", op=_OP) from None


Reports = list[VenueReport]
