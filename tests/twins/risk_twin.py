"""Risk in plain Python with Decimal and fractions, slowly: the rules of ORDM-30 to ORDM-32, one after the other.

1. What holds everyone back comes first, then the order itself, then prices, then what is counted; the first breach ends it.
2. Room is taken with the approval, and tokens too: a refused order costs none.
3. A token bucket: tokens grow with time up to the burst; an order needs a whole one, of each rule it falls under.
4. Strikes are an order's own faults; N of them within the window open the breaker, M openings within theirs latch the kill
   switch; each counts anew afterwards.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from decimal import Context, Decimal, localcontext
from fractions import Fraction
from typing import Any

NS = 1_000_000_000
MAX_RAW = 2**63 - 1
MAX_WIDE = 2**127 - 1
STRIKES = {
    "order_validation", "order_type", "price_band", "concurrency", "rate_limit", "position_limit", "notional_limit",
    "order_qty",
}  # fmt: skip


@dataclass
class Ask:
    """One order. *price* None: a market order."""

    consumer: str
    provider: str
    symbol: str
    is_buy: bool
    price: Decimal | None
    qty: Decimal
    post_only: bool = False
    tif: str = "gtc"


@dataclass
class Venue:
    """One instrument, as far as risk looks at it."""

    tick: Decimal
    lot: Decimal
    price_scale: int
    qty_scale: int
    min_qty: Decimal
    max_qty: Decimal | None = None
    min_notional: Decimal | None = None
    max_notional: Decimal | None = None
    status: str = "trading"
    order_types: tuple[str, ...] = ()
    tifs: tuple[str, ...] = ()
    post_only: bool = True


@dataclass
class Tokens:
    """A bucket as its definition has it."""

    count: Fraction
    at_ns: int

    def grown(self, now_ns: int, per_s: int, burst: int) -> Fraction:
        # A gap of a whole number of ns, rounded up, is what the engine promises: never one too many.
        gap_ns = -(-NS // per_s)
        return min(Fraction(burst), self.count + Fraction(now_ns - self.at_ns, gap_ns))


@dataclass
class Breaker:
    """Strikes within a window."""

    strikes: deque[int] = field(default_factory=deque)

    def strike(self, now_ns: int, limit: int, window_s: int) -> bool:
        self.strikes.append(now_ns)
        while now_ns - self.strikes[0] > window_s * NS:
            self.strikes.popleft()
        if len(self.strikes) < limit:
            return False
        self.strikes.clear()
        return True


class RiskTwin:
    """Args:
    config: plain values of the section `risk`.
    venues: by (provider, symbol).
    """

    def __init__(self, config: dict[str, Any], venues: dict[tuple[str, str], Venue]) -> None:
        self.config = config
        self.venues = venues
        self.tops: dict[tuple[str, str], tuple[Decimal, Decimal]] = {}
        self.net: dict[tuple[str, str, str], Decimal] = {}
        self.open: dict[int, tuple[Ask, Decimal]] = {}
        self.tokens: dict[tuple[str, int], Tokens] = {}
        self.breakers: dict[str, Breaker] = {}
        self.open_until_ns: dict[str, int] = {}
        self.kill = Breaker()
        self.is_killed = False
        self._next = 0

    def rules(self, ask: Ask) -> list[tuple[int, dict[str, Any]]]:
        """(number, limits) that bind an order."""
        found = [(0, self.config["limits"])]
        for number, rule in enumerate(self.config["overrides"], 1):
            named = (("consumer_id", ask.consumer), ("provider", ask.provider), ("symbol", ask.symbol))
            if all(rule.get(key) in (None, value) for key, value in named):
                found.append((number, rule))
        return found

    def tightest(self, ask: Ask, name: str) -> Decimal | None:
        values = [Decimal(rule[name]) for _, rule in self.rules(ask) if rule.get(name) is not None]
        return min(values) if values else None

    def check(self, ask: Ask, now_ns: int) -> tuple[str | None, int]:
        """(breach or None, number of the reservation)."""
        with localcontext(Context(prec=200)):
            breach = self._breach(ask, now_ns)
        if breach is None:
            self._next += 1
            self.open[self._next] = (ask, ask.qty)
            for number, per_s, burst in self._rates(ask):
                bucket = self._bucket(ask.consumer, number, burst, now_ns)
                self.tokens[ask.consumer, number] = Tokens(bucket.grown(now_ns, per_s, burst) - 1, now_ns)
        elif breach in STRIKES:
            limits, kill = self.config["circuit_breaker"], self.config["kill_switch"]
            breaker = self.breakers.setdefault(ask.consumer, Breaker())
            if breaker.strike(now_ns, limits["breaches"], limits["window_s"]):
                self.open_until_ns[ask.consumer] = now_ns + limits["open_s"] * NS
                self.is_killed |= self.kill.strike(now_ns, kill["breaker_opens"], kill["window_s"])
        return breach, self._next

    def fill(self, number: int, qty: Decimal) -> None:
        ask, left = self.open[number]
        key = (ask.consumer, ask.provider, ask.symbol)
        with localcontext(Context(prec=200)):
            self.net[key] = self.net.get(key, Decimal(0)) + (qty if ask.is_buy else -qty)
            self.open[number] = (ask, max(left - qty, Decimal(0)))

    def release(self, number: int) -> None:
        self.open.pop(number, None)

    def _bucket(self, consumer: str, number: int, burst: int, now_ns: int) -> Tokens:
        return self.tokens.get((consumer, number)) or Tokens(Fraction(burst), now_ns)

    def _rates(self, ask: Ask) -> list[tuple[int, int, int]]:
        base = self.config["limits"]
        return [
            (number, rule.get("orders_per_s") or base["orders_per_s"], rule.get("orders_burst") or base["orders_burst"])
            for number, rule in self.rules(ask)
            if rule.get("orders_per_s") or rule.get("orders_burst")
        ]

    def _breach(self, ask: Ask, now_ns: int) -> str | None:
        if self.is_killed:
            return "kill_switch"
        if self.open_until_ns.get(ask.consumer, 0) > now_ns:
            return "circuit_breaker"
        venue = self.venues.get((ask.provider, ask.symbol))
        if venue is None or not self._is_valid(ask, venue):
            return "order_validation"
        kind = "market" if ask.price is None else "limit"
        if (venue.order_types and kind not in venue.order_types) or any(
            kind not in rule["order_types"] for _, rule in self.rules(ask) if rule.get("order_types")
        ):
            return "order_type"
        top = self.tops.get((ask.provider, ask.symbol))
        band, notional = self.tightest(ask, "price_band"), self.tightest(ask, "max_order_notional")
        if top is None and (band is not None or (ask.price is None and notional is not None)):
            return "book_unavailable"
        price = self._price(ask)
        if band is not None and top is not None:
            mid2 = top[0] + top[1]
            if price is None or abs(2 * price - mid2) > band * mid2:
                return "price_band"
        return self._counted(ask, venue, price, notional, now_ns)

    def _counted(self, ask: Ask, venue: Venue, price: Decimal | None, notional: Decimal | None, now_ns: int) -> str | None:
        mine = [(other, left) for other, left in self.open.values() if (other.consumer, other.provider, other.symbol) == (ask.consumer, ask.provider, ask.symbol)]
        if len(mine) >= (self.tightest(ask, "max_open_orders_per_symbol") or 0):
            return "concurrency"
        for number, per_s, burst in self._rates(ask):
            if self._bucket(ask.consumer, number, burst, now_ns).grown(now_ns, per_s, burst) < 1:
                return "rate_limit"
        net = self.net.get((ask.consumer, ask.provider, ask.symbol), Decimal(0))
        worst = (net if ask.is_buy else -net) + sum((left for other, left in mine if other.is_buy == ask.is_buy), Decimal(0)) + ask.qty
        most = self.tightest(ask, "max_position")
        if worst * 10**18 > MAX_WIDE or (most is not None and worst > most):
            return "position_limit"
        if notional is not None and price is not None and price * ask.qty > notional:
            return "notional_limit"
        quantities = [value for value in (self.tightest(ask, "max_order_qty"), venue.max_qty) if value is not None]
        return "order_qty" if quantities and ask.qty > min(quantities) else None

    def _price(self, ask: Ask) -> Decimal | None:
        if ask.price is not None:
            return ask.price
        top = self.tops.get((ask.provider, ask.symbol))
        return None if top is None else top[1 if ask.is_buy else 0]

    def _is_valid(self, ask: Ask, venue: Venue) -> bool:
        if venue.status not in ("trading", "post_only", "limit_only"):
            return False
        if (venue.status == "post_only" and not ask.post_only) or (venue.status == "limit_only" and ask.price is None):
            return False
        for value, scale in ((ask.price, venue.price_scale), (ask.qty, venue.qty_scale)):
            if value is not None and (value <= 0 or value * 10**scale % 1 or value * 10**scale > MAX_RAW):
                return False
        if ask.price is not None and venue.tick and ask.price % venue.tick:
            return False
        if (venue.lot and ask.qty % venue.lot) or ask.qty < venue.min_qty:
            return False
        if (venue.tifs and ask.tif not in venue.tifs) or (ask.post_only and not venue.post_only):
            return False
        price = self._price(ask)
        if price is None:
            return True
        cost = price * ask.qty
        return not (
            (venue.min_notional is not None and cost < venue.min_notional)
            or (venue.max_notional is not None and cost > venue.max_notional)
        )
