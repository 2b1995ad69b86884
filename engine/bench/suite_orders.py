"""RSK-13: what risk costs an order, with limits and without any."""
from collections.abc import Callable, Iterator, Sequence
from functools import partial

from engine.base.clock import SystemClock
from engine.bench.measure import Figure, in_turns
from engine.bench.record import Row
from engine.bench.rig import WrongResultError
from engine.bench.riskload import FixedTops, RiskLoad
from engine.config.sections_orders import CircuitBreakerConfig, RiskConfig, RiskLimitsConfig, RiskOverrideConfig
from engine.orders.risk import Risk
from engine.schema.enums import Side
from engine.schema.instrument import Instrument, InstrumentStatus, OrderType
from engine.schema.order import Breach, OrderRequest

CHECKS = 50_000
CONSUMERS = 5
SYMBOLS = 20
P99_NS = 5_000

_FREE = RiskLimitsConfig(
    max_order_notional=None, max_position=None, price_band=None, orders_per_s=100_000, orders_burst=100_000,
    max_open_orders_per_symbol=10_000,
)  # fmt: skip
_BOUND = RiskLimitsConfig(max_order_qty="100", orders_per_s=100_000, orders_burst=100_000)


def run(seconds: float, scale: float = 1.0) -> Iterator[Row]:
    """Every row, *seconds* of measuring each; *scale* below 1 makes a run smaller.

    Raises:
        WrongResultError: an order was not answered as it must be, or its room was not freed.
    """
    count = max(2000, int(CHECKS * scale))
    overrides = [
        RiskOverrideConfig(symbol=_symbol(0), max_order_qty="50"),
        RiskOverrideConfig(consumer_id="c1", orders_per_s=99_999),
    ]
    plain, bound = _risk(_FREE, ()), _risk(_BOUND, overrides)
    passing = [_order(f"c{number % CONSUMERS}", number, 10_000) for number in range(CONSUMERS * SYMBOLS)]
    # One consumer an order: no breaker is to open, however many are refused a second.
    refused = [_order(f"r{number}", number, 20_000) for number in range(CONSUMERS * SYMBOLS)]

    def p99(risk: Risk, orders: list[OrderRequest]) -> float:
        took = sorted(RiskLoad(risk, orders).run(count))
        return took[len(took) * 99 // 100]

    runs: dict[str, Callable[[], float]] = {
        "passes": partial(p99, bound, passing),
        "refused": partial(p99, bound, refused),
        "free": partial(p99, plain, passing),
    }
    found = in_turns(runs, seconds)
    _prove(plain, refused=0)
    _prove(bound, refused=bound.statistics().approved)
    note = f"{count} orders a run, {CONSUMERS} consumers x {SYMBOLS} symbols; each check timed alone, clock included"
    yield _row("risk check and reservation, p99", found["passes"], found["free"], note)
    yield _row("risk check of an order it refuses, p99", found["refused"], found["free"], note)


def _symbol(number: int) -> str:
    return f"C{number}-USD"


def _risk(limits: RiskLimitsConfig, overrides: Sequence[RiskOverrideConfig]) -> Risk:
    tops = FixedTops()
    breaker = CircuitBreakerConfig(breaches=10_000, window_s=1)
    config = RiskConfig(limits=limits, overrides=tuple(overrides), circuit_breaker=breaker)
    risk = Risk(config, SystemClock(), tops)
    risk.set_journal(True)
    risk.hold("simulated", False)
    risk.set_provider("simulated", True)
    for number in range(SYMBOLS):
        one = Instrument(
            provider="simulated", symbol=_symbol(number), venue_symbol=_symbol(number), base=f"C{number}", quote="USD",
            status=InstrumentStatus.TRADING, price_scale=2, qty_scale=4, tick_size_raw=1, lot_size_raw=1, min_qty_raw=1,
            min_notional="1",
        )  # fmt: skip
        risk.set_instrument(one)
        tops.set(one.instrument_id, 9_999, 10_001, 2)
    return risk


def _order(consumer_id: str, number: int, price_raw: int) -> OrderRequest:
    return OrderRequest(
        client_order_id=str(number), consumer_id=consumer_id, provider="simulated",
        symbol=_symbol(number // CONSUMERS), side=Side.BUY if number % 2 else Side.SELL, order_type=OrderType.LIMIT,
        price_raw=price_raw, qty_raw=12_500, price_scale=2, qty_scale=4, created_ns=1,
    )  # fmt: skip


def _prove(risk: Risk, refused: int) -> None:
    counted = risk.statistics()
    wrong = sum(counted.refused.values()) != refused or counted.refused[Breach.PRICE_BAND] != refused
    if wrong or counted.reserved or counted.approved == 0:
        raise WrongResultError(f"orders became {counted}")


def _row(subject: str, figure: Figure, free: Figure, note: str) -> Row:
    return Row(
        "RSK-13", "every limit set", subject, figure.median, "ns", "at_most", P99_NS, None, "no limit of ours set",
        free.median, figure.least, figure.most, "", note,
    )  # fmt: skip
