"""RSK-02, RSK-07, RSK-08: risk against its slow twin over random orders, at the ends of its numbers, from many threads."""

from __future__ import annotations

import threading
from collections.abc import Callable
from decimal import Context, Decimal
from random import Random
from typing import Any

import pytest

from engine.base.clock import ManualClock
from engine.bench.riskload import FixedTops
from engine.orders.limits import checked
from engine.orders.refusals import Refusal
from engine.orders.risk import Risk
from engine.orders.room import Reservation
from engine.schema.enums import Side
from engine.schema.instrument import Instrument, InstrumentStatus, OrderType, TimeInForce
from engine.schema.order import Breach, OrderRequest
from tests.twins.risk_twin import MAX_RAW, MAX_WIDE, NS, Ask, RiskTwin, Venue
from tests.unit.orders.kit import START_NS, request
from tests.unit.orders.risk_kit import LOOSE, Bench, instrument, risk_config

EXACT = Context(prec=200)
CONSUMERS = ("mm1", "mm2")
PLACES = (("simulated", "BTC-USD"), ("simulated", "ETH-USD"), ("kraken", "BTC-USD"))


def scaled(raw: int, scale: int) -> Decimal:
    return Decimal(raw).scaleb(-scale, EXACT)


def text(value: Decimal) -> str:
    return format(value, "f")


class Pair:
    """Risk and its twin, fed alike."""

    def __init__(self, config: dict[str, Any], instruments: list[Instrument]) -> None:
        self.clock, self.tops = ManualClock(START_NS), FixedTops()
        self.risk = Risk(checked(config), self.clock, self.tops)
        self.risk.set_journal(True)
        self.instruments = {(each.provider, each.symbol): each for each in instruments}
        for each in instruments:
            self.risk.set_instrument(each)
        for provider, _ in PLACES:
            self.risk.hold(provider, False)
            self.risk.set_provider(provider, True)
        self.twin = RiskTwin(
            {"overrides": [], "circuit_breaker": {}, "kill_switch": {}} | self.risk.config.model_dump(),
            {key: venue_of(each) for key, each in self.instruments.items()},
        )
        self.taken: dict[int, Reservation] = {}

    def top(self, place: tuple[str, str], bid: int, ask: int, scale: int) -> None:
        if bid:
            self.tops.set(self.instruments[place].instrument_id, bid, ask, scale)
            self.twin.tops[place] = (scaled(bid, scale), scaled(ask, scale))
        else:
            self.tops.clear(self.instruments[place].instrument_id)
            self.twin.tops.pop(place, None)

    def submit(self, asked: OrderRequest) -> tuple[str | None, str | None, Refusal | None]:
        """(breach by the engine, breach by the twin, the refusal)."""
        ask = Ask(
            asked.consumer_id, asked.provider, asked.symbol, asked.side == Side.BUY,
            None if asked.price_raw is None else scaled(asked.price_raw, asked.price_scale),
            scaled(asked.qty_raw, asked.qty_scale), asked.post_only, asked.tif.name.lower(),
        )  # fmt: skip
        found = self.risk.check(asked, True)
        breach, number = self.twin.check(ask, self.clock.now())
        if isinstance(found, Refusal):
            return found.breach.name.lower(), breach, found
        if breach is None:
            self.taken[number] = found
        return None, breach, None


def venue_of(each: Instrument) -> Venue:
    return Venue(
        tick=scaled(each.tick_size_raw, each.price_scale),
        lot=scaled(each.lot_size_raw, each.qty_scale),
        price_scale=each.price_scale,
        qty_scale=each.qty_scale,
        min_qty=scaled(each.min_qty_raw, each.qty_scale),
        max_qty=None if each.max_qty_raw is None else scaled(each.max_qty_raw, each.qty_scale),
        min_notional=None if each.min_notional is None else Decimal(each.min_notional),
        max_notional=None if each.max_notional is None else Decimal(each.max_notional),
        status=each.status.name.lower(),
        order_types=tuple(kind.name.lower() for kind in each.order_types),
        tifs=tuple(tif.name.lower() for tif in each.tifs),
        post_only=each.post_only_supported,
    )


def maybe(random: Random, make: Callable[[], Any], share: float = 0.5) -> Any:
    return make() if random.random() < share else None


def a_rule(random: Random) -> dict[str, Any]:
    return {
        "max_order_qty": maybe(random, lambda: text(scaled(random.randrange(1, 3000), 3))),
        "max_order_notional": maybe(random, lambda: text(scaled(random.randrange(1, 400_000), 3))),
        "max_position": maybe(random, lambda: text(scaled(random.randrange(1, 20_000), 3))),
        "price_band": maybe(random, lambda: text(scaled(random.randrange(1, 300), 4))),
    }


def a_config(random: Random) -> dict[str, Any]:
    limits = a_rule(random) | {
        "orders_per_s": random.choice((1, 3, 7, 1000)),
        "orders_burst": random.choice((1, 4, 50)),
        "max_open_orders_per_symbol": random.choice((1, 3, 8, 100)),
        "order_types": random.choice((["limit", "market"], ["limit", "market"], ["limit"])),
    }
    overrides = [
        a_rule(random)
        | {
            "consumer_id": maybe(random, lambda: random.choice(CONSUMERS)),
            "provider": maybe(random, lambda: random.choice(PLACES)[0], 0.3),
            "symbol": maybe(random, lambda: random.choice(PLACES)[1], 0.3),
            "orders_per_s": maybe(random, lambda: random.choice((1, 2, 20)), 0.2),
            "orders_burst": maybe(random, lambda: random.choice((1, 2)), 0.2),
            "max_open_orders_per_symbol": maybe(random, lambda: random.choice((1, 2, 5)), 0.2),
        }
        for _ in range(random.randrange(4))
    ]
    return {
        "limits": limits,
        "overrides": overrides,
        "circuit_breaker": {"breaches": random.choice((2, 5, 1000)), "window_s": random.choice((1, 30)), "open_s": random.choice((1, 20))},
        "kill_switch": {"breaker_opens": random.choice((3, 1000)), "window_s": random.choice((5, 300))},
    }


def an_instrument(random: Random, place: tuple[str, str]) -> Instrument:
    return instrument(
        *place,
        price_scale=random.choice((1, 2)),
        qty_scale=random.choice((2, 3)),
        tick_size_raw=random.choice((0, 1, 5)),
        lot_size_raw=random.choice((0, 1, 10)),
        min_qty_raw=random.choice((0, 1, 50)),
        max_qty_raw=maybe(random, lambda: random.randrange(100, 5000)),
        min_notional=maybe(random, lambda: str(random.randrange(1, 100))),
        max_notional=maybe(random, lambda: str(random.randrange(100, 900))),
        status=random.choice((*[InstrumentStatus.TRADING] * 8, *InstrumentStatus)),
        post_only_supported=random.random() < 0.8,
    )


def an_order(random: Random) -> OrderRequest:
    provider, symbol = random.choice(PLACES)
    price_scale, qty_scale = random.choice((1, 1, 2)), random.choice((2, 2, 3))
    is_market = random.random() < 0.25
    return request(
        str(random.random()),
        consumer_id=random.choice(CONSUMERS),
        provider=provider,
        symbol=symbol,
        side=random.choice((Side.BUY, Side.SELL)),
        order_type=OrderType.MARKET if is_market else OrderType.LIMIT,
        price_raw=None if is_market else random.randrange(960, 1041) * 10 ** (price_scale - 1) + (random.random() < 0.1),
        price_scale=price_scale,
        qty_raw=random.choice((10, 100, 150, 200, 215)) * random.choice((1, 1, 10)) // random.choice((1, 1, 7)),
        qty_scale=qty_scale,
        post_only=random.random() < 0.2,
        tif=random.choice(list(TimeInForce)),
    )


@pytest.mark.property
@pytest.mark.parametrize("seed", range(60))
def test_rsk_02_random_orders_are_answered_as_the_twin_does(seed: int) -> None:
    random = Random(seed)
    pair = Pair(a_config(random), [an_instrument(random, place) for place in PLACES if random.random() < 0.9])
    seen = set()
    for _ in range(400):
        happens = random.random()
        if happens < 0.1 and pair.instruments:
            bid = random.choice((0, random.randrange(970, 1031)))
            scale = random.choice((1, 2, 3))
            pair.top(random.choice(list(pair.instruments)), bid * 10 ** (scale - 1), (bid + random.randrange(1, 9)) * 10 ** (scale - 1), scale)
        elif happens < 0.2:
            pair.clock.advance(random.choice((1, NS // 7, NS, 40 * NS)))
        elif happens < 0.35 and pair.taken:
            number = random.choice(list(pair.taken))
            asked = pair.taken[number].request
            filled = random.randrange(1, asked.qty_raw + 2)
            pair.taken[number].fill(filled)
            pair.twin.fill(number, scaled(filled, asked.qty_scale))
        elif happens < 0.5 and pair.taken:
            number = random.choice(list(pair.taken))
            assert pair.taken.pop(number).release()
            pair.twin.release(number)
        else:
            ours, theirs, _ = pair.submit(an_order(random))
            assert ours == theirs
            seen.add(ours)
        if random.random() < 0.02 and pair.risk.kill.is_on:
            pair.risk.set_kill(False, "anna")
            pair.twin.is_killed = False
    nets = {(each.consumer_id, each.provider, each.symbol): each.net_qty for each in pair.risk.exposures() if each.net_qty}
    assert nets == {key: net for key, net in pair.twin.net.items() if net}
    assert pair.risk.statistics().reserved == len(pair.taken)
    assert len(seen) >= 2


def test_rsk_02_every_breach_of_an_order_is_among_the_random_ones() -> None:
    seen: set[str | None] = set()
    for seed in range(60):
        random = Random(seed)
        pair = Pair(a_config(random), [an_instrument(random, place) for place in PLACES])
        for place in PLACES[1:]:
            pair.top(place, 1000, 1001, 1)
        for _ in range(60):
            seen.add(pair.submit(an_order(random))[0])
            pair.clock.advance(NS // 3 if random.random() < 0.5 else 0)
    assert seen == {None} | {breach.name.lower() for breach in Breach if breach >= Breach.KILL_SWITCH}


# --- the ends of the numbers --------------------------------------------------------------------------------

ENDS = (0, 1, 2, 9, 10, 11, 999, 10**9, 10**18 - 1, 10**18, 2**62, MAX_RAW - 1, MAX_RAW)


def is_beyond(pair: Pair, asked: OrderRequest) -> bool:
    """Whether something about that order is beyond 128 bits, so that a refusal is right whatever is exact."""
    own = pair.instruments[asked.provider, asked.symbol]
    top = pair.twin.tops.get((asked.provider, asked.symbol), (Decimal(0), Decimal(0)))
    scale = max(own.price_scale, 18)
    price = top[1] if asked.price_raw is None else scaled(asked.price_raw, asked.price_scale)
    sizes = (
        abs(2 * price - top[0] - top[1]) * 10 ** (scale + 18),
        (top[0] + top[1]) * 10 ** (scale + 18),
        price * 10**scale * scaled(asked.qty_raw, asked.qty_scale) * 10**own.qty_scale,
    )
    return max(sizes) > MAX_WIDE


@pytest.mark.property
@pytest.mark.parametrize("seed", range(40))
def test_rsk_08_at_the_ends_of_the_numbers_it_is_exact_or_refused(seed: int) -> None:
    random = Random(seed)

    def end() -> int:
        return min(MAX_RAW, max(0, random.choice(ENDS) + random.randrange(-1, 2)))

    config = {
        "limits": LOOSE
        | {
            "max_order_qty": maybe(random, lambda: text(scaled(1 + end(), random.randrange(19)))),
            "max_order_notional": maybe(random, lambda: text(scaled((1 + end()) * (1 + end()), random.randrange(19)))[:40].rstrip(".")),
            "max_position": maybe(random, lambda: text(scaled((1 + end()) * 10 ** random.randrange(19), random.randrange(19)))[:40].rstrip(".")),
            "price_band": maybe(random, lambda: "0." + "0" * random.randrange(18) + "1", 0.3),
        },
        "circuit_breaker": {"breaches": 10_000, "window_s": 1},
    }
    scales = random.randrange(19), random.randrange(19)
    own = instrument(price_scale=scales[0], qty_scale=scales[1], tick_size_raw=0, lot_size_raw=0, min_qty_raw=0)
    pair = Pair(config, [own])
    for _ in range(300):
        if random.random() < 0.2:
            bid = end()
            pair.top(("simulated", "BTC-USD"), min(bid, MAX_RAW - 1), min(MAX_RAW, bid + 1 + end() // 2), random.randrange(19))
        is_market = random.random() < 0.3
        asked = request(
            side=random.choice((Side.BUY, Side.SELL)),
            order_type=OrderType.MARKET if is_market else OrderType.LIMIT,
            price_raw=None if is_market else end(),
            qty_raw=end(),
            price_scale=random.choice((scales[0], random.randrange(19))),
            qty_scale=random.choice((scales[1], random.randrange(19))),
        )
        ours, theirs, _ = pair.submit(asked)
        if ours != theirs:
            assert ours is not None, f"the twin says {theirs}"
            assert is_beyond(pair, asked), (ours, theirs, asked)
            pair.twin.release(max(pair.twin.open, default=0) if theirs is None else 0)
        for number in [n for n in pair.taken if random.random() < 0.5]:
            taken = pair.taken.pop(number)
            taken.fill(taken.request.qty_raw)
            pair.twin.fill(number, scaled(taken.request.qty_raw, taken.request.qty_scale))
            taken.release()
            pair.twin.release(number)
    for each in pair.risk.exposures():
        assert each.net_qty == pair.twin.net.get((each.consumer_id, each.provider, each.symbol), 0)


# --- from many threads --------------------------------------------------------------------------------------

THREADS = 32


def from_threads(work: Callable[[int], None]) -> None:
    errors: list[BaseException] = []
    start = threading.Barrier(THREADS)

    def run(number: int) -> None:
        try:
            start.wait(4)
            work(number)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert errors == []


@pytest.mark.threads
@pytest.mark.parametrize(
    ("limits", "most"),
    [
        ({"max_open_orders_per_symbol": 100}, 100),
        ({"max_position": "200.5"}, 100),
        ({"orders_per_s": 1, "orders_burst": 100}, 100),
    ],
)
def test_rsk_07_no_limit_is_exceeded_by_one(limits: dict[str, Any], most: int) -> None:
    bench = Bench(risk_config(limits))
    taken: list[Reservation] = []

    def work(number: int) -> None:
        for each in range(50):
            found = bench.risk.check(request(f"{number}-{each}"), True)
            if isinstance(found, Reservation):
                taken.append(found)

    from_threads(work)
    assert len(taken) == most
    counted = bench.risk.statistics()
    assert (counted.approved, counted.reserved, sum(counted.refused.values())) == (most, most, THREADS * 50 - most)
    (exposure,) = bench.risk.exposures()
    assert (exposure.open_orders, exposure.open_buy) == (most, 2 * most)


@pytest.mark.threads
def test_rsk_07_taking_and_freeing_at_once_ends_at_nothing() -> None:
    bench = Bench(risk_config({"max_open_orders_per_symbol": 5, "max_position": "10"}))
    most: list[int] = []

    def work(number: int) -> None:
        for each in range(200):
            found = bench.risk.check(request(f"{number}-{each}", consumer_id=CONSUMERS[number % 2]), True)
            if isinstance(found, Reservation):
                most.append(max(exposure.open_orders for exposure in bench.risk.exposures()))
                found.release()

    from_threads(work)
    assert 1 <= max(most) <= 5
    assert bench.risk.statistics().reserved == 0
    assert all((each.open_orders, each.open_buy) == (0, 0) for each in bench.risk.exposures())
