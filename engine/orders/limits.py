"""Limits, from the configuration to integers of one consumer's instrument; the tighter value wins (ORDM-30)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import ROUND_CEILING, ROUND_FLOOR, Context, Decimal
from typing import Any

from pydantic import ValidationError as ModelError

from engine.base.errors import ValidationError
from engine.config.sections_orders import RiskConfig, RiskOverrideConfig
from engine.schema.instrument import Instrument, OrderType
from engine.schema.order import Breach, RiskScope

QTY_SCALE = 18
"""Positions are kept at this scale, whatever an instrument's is: one that changes changes no position."""
BAND_SCALE = 18
REST_DIGITS = 18
WIDE_MAX = 2**127 - 1
NS = 1_000_000_000
EVERYONE = RiskScope()
_EXACT = Context(prec=200)


@dataclass(frozen=True, slots=True)
class RateRule:
    """One rule's bucket of a consumer: an order takes a token from every bucket it falls under.

    Attributes:
        rule: 0 = the limits of all, n = the n-th override.
        gap_ns: between tokens, rounded up.
        burst: tokens it can save up.
    """

    rule: int
    scope: RiskScope
    per_s: int
    burst: int

    @property
    def gap_ns(self) -> int:
        """Between two tokens, rounded up: never one too many."""
        return -(-NS // self.per_s)


@dataclass(frozen=True, slots=True)
class Limits:
    """What binds one consumer at one instrument, in integers; None = no limit.

    Attributes:
        qty: at the instrument's qty_scale, also the instrument's own.
        notional, min_notional, max_notional: at price_scale + qty_scale, and REST_DIGITS more digits: a book may be
            finer than its instrument. The last two are the instrument's.
        position: at QTY_SCALE.
        band: at BAND_SCALE.
        type_mask: a bit for each OrderType that may be used.
        scopes: whose limit it is, by breach.
    """

    open_orders: int
    type_mask: int
    rates: tuple[RateRule, ...]
    qty: int | None = None
    notional: tuple[int, int] | None = None
    position: int | None = None
    band: int | None = None
    min_notional: tuple[int, int] | None = None
    max_notional: tuple[int, int] | None = None
    scopes: Mapping[Breach, RiskScope] = field(default_factory=dict)


def limits_of(config: RiskConfig, consumer_id: str, instrument: Instrument) -> Limits:
    """The limits in force for a consumer at an instrument."""
    rules = [(EVERYONE, config.limits)] + [
        (RiskScope(provider=rule.provider, symbol=rule.symbol, consumer_id=rule.consumer_id), rule)
        for rule in config.overrides
        if _binds(rule, consumer_id, instrument)
    ]
    scopes: dict[Breach, RiskScope] = {}

    def tightest(name: str, breach: Breach) -> Any:
        found = None
        for scope, rule in rules:
            value = getattr(rule, name)
            if value is not None and (found is None or Decimal(value) < Decimal(found)):
                found, scopes[breach] = value, scope
        return found

    money_scale = instrument.price_scale + instrument.qty_scale
    qty = at_scale(tightest("max_order_qty", Breach.ORDER_QTY), instrument.qty_scale)
    if instrument.max_qty_raw is not None and (qty is None or instrument.max_qty_raw < qty):
        qty, scopes[Breach.ORDER_QTY] = instrument.max_qty_raw, _own(instrument)
    return Limits(
        open_orders=tightest("max_open_orders_per_symbol", Breach.CONCURRENCY),
        type_mask=_type_mask([rule.order_types for _, rule in rules if rule.order_types is not None], instrument),
        rates=tuple(_rates(config, consumer_id, instrument)),
        qty=qty,
        notional=_cost(tightest("max_order_notional", Breach.NOTIONAL_LIMIT), money_scale),
        position=at_scale(tightest("max_position", Breach.POSITION_LIMIT), QTY_SCALE),
        band=at_scale(tightest("price_band", Breach.PRICE_BAND), BAND_SCALE),
        min_notional=_cost(instrument.min_notional, money_scale, ROUND_CEILING),
        max_notional=_cost(instrument.max_notional, money_scale),
        scopes=scopes,
    )


def at_scale(value: str | None, scale: int) -> int | None:
    """A maximum as an integer at *scale*: rounded to the stricter side, and never above what 128 bits hold."""
    if value is None:
        return None
    raw = Decimal(value).scaleb(scale, _EXACT).to_integral_value(ROUND_FLOOR, _EXACT)
    return min(int(raw), WIDE_MAX)


def _cost(value: str | None, scale: int, rounding: str = ROUND_FLOOR) -> tuple[int, int] | None:
    if value is None:
        return None
    raw = Decimal(value).scaleb(scale + REST_DIGITS, _EXACT).to_integral_value(rounding, _EXACT)
    whole, rest = divmod(int(raw), 10**REST_DIGITS)
    return (whole, rest) if whole <= WIDE_MAX else (WIDE_MAX, 0)


def replaced(config: RiskConfig, scope: RiskScope, values: Mapping[str, Any]) -> RiskConfig:
    """*config* with limits of one scope set anew, validated as a whole (RSK-12); None takes a limit away.

    Args:
        config: what is in force.
        scope: everyone's limits, or an override: the one of that very scope, else a new one.
        values: by the names of `risk.limits`.

    Raises:
        ValidationError: one of the values cannot be; nothing has changed.
    """
    tree = config.model_dump()
    if scope == EVERYONE:
        tree["limits"] |= values
    else:
        named: dict[str, Any] = {"consumer_id": scope.consumer_id, "provider": scope.provider, "symbol": scope.symbol}
        rules = list(tree["overrides"])
        place = next((n for n, rule in enumerate(rules) if all(rule[k] == v for k, v in named.items())), len(rules))
        rules[place:] = [(rules[place] if place < len(rules) else named) | dict(values), *rules[place + 1 :]]
        tree["overrides"] = rules
    return checked(tree)


def checked(tree: Mapping[str, Any]) -> RiskConfig:
    """The section `risk` of plain values.

    Raises:
        ValidationError: it is none; every fault is named.
    """
    try:
        return RiskConfig.model_validate(tree)
    except ModelError as error:
        faults = "; ".join(f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in error.errors())
        raise ValidationError(faults, op="risk.set_limits") from None


def _binds(rule: RiskOverrideConfig, consumer_id: str, instrument: Instrument) -> bool:
    return (
        rule.consumer_id in (None, consumer_id)
        and rule.provider in (None, instrument.provider)
        and rule.symbol in (None, instrument.symbol)
    )


def _own(instrument: Instrument) -> RiskScope:
    return RiskScope(provider=instrument.provider, symbol=instrument.symbol)


def _type_mask(allowed: list[tuple[str, ...]], instrument: Instrument) -> int:
    kinds = [kind for kind in OrderType if all(kind.name.lower() in names for names in allowed)]
    return sum(1 << kind for kind in kinds if not instrument.order_types or kind in instrument.order_types)


def _rates(config: RiskConfig, consumer_id: str, instrument: Instrument) -> list[RateRule]:
    base = config.limits
    found = [RateRule(0, EVERYONE, base.orders_per_s, base.orders_burst)]
    for number, rule in enumerate(config.overrides, 1):
        if (rule.orders_per_s or rule.orders_burst) and _binds(rule, consumer_id, instrument):
            scope = RiskScope(provider=rule.provider, symbol=rule.symbol, consumer_id=rule.consumer_id)
            per_s, burst = rule.orders_per_s or base.orders_per_s, rule.orders_burst or base.orders_burst
            found.append(RateRule(number, scope, per_s, burst))
    return found
