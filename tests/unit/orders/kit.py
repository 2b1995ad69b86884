"""Requests, reports and an opened journal, for the tests of orders."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec

from engine.base.clock import ManualClock
from engine.base.errors import EngineError
from engine.config.sections_orders import JournalConfig
from engine.orders.journal import Journal
from engine.orders.records import FillRecord, Intended, Recovered, ReportRecord
from engine.schema.enums import Side
from engine.schema.instrument import OrderType, TimeInForce
from engine.schema.order import Fee, OrderRequest, OrderState

NS = 1_000_000_000
DAY_NS = 86_400 * NS
START_NS = 1_750_000_000 * NS


def request(client_order_id: str = "mm1-1", **changes: Any) -> OrderRequest:
    """A limit order to buy 2.00 BTC-USD at 100.0 on `simulated`."""
    fields: dict[str, Any] = {
        "client_order_id": client_order_id,
        "consumer_id": "mm1",
        "provider": "simulated",
        "symbol": "BTC-USD",
        "side": Side.BUY,
        "order_type": OrderType.LIMIT,
        "qty_raw": 200,
        "price_raw": 1000,
        "price_scale": 1,
        "qty_scale": 2,
        "created_ns": START_NS,
        "tif": TimeInForce.GTC,
    }
    return OrderRequest(**(fields | changes))


def wire(asked: OrderRequest) -> Callable[[int], str]:
    """A wire id of its own for each use of each id."""
    return lambda use_no: f"w-{asked.consumer_id}-{asked.client_order_id}-{use_no}"


def intended(journal: Journal, asked: OrderRequest, wire_id_of: Callable[[int], str]) -> asyncio.Future[Intended]:
    """What the journal says of an intent, to be awaited."""
    found: asyncio.Future[Intended] = asyncio.get_running_loop().create_future()

    def done(said: Intended | EngineError) -> None:
        if isinstance(said, EngineError):
            found.set_exception(said)
        else:
            found.set_result(said)

    journal.intent(asked, wire_id_of, done)
    return found


def first_wire(asked: OrderRequest) -> str:
    return wire(asked)(1)


def report(asked: OrderRequest, seq: int, state: OrderState, **changes: Any) -> ReportRecord:
    fields: dict[str, Any] = {
        "wire_order_id": first_wire(asked),
        "order_report_seq": seq,
        "state": state,
        "ts_ns": START_NS + seq,
        "body": f'{{"report":{seq}}}'.encode(),
    }
    return ReportRecord(**(fields | changes))


def fill(exec_id: str, qty_raw: int, fee: str | None = None, ts_ns: int = START_NS) -> FillRecord:
    fees = () if fee is None else (Fee("USD", Decimal(fee)),)
    return FillRecord(exec_id=exec_id, qty_raw=qty_raw, price=Decimal("100.0"), ts_ns=ts_ns, fees=fees)


def config(**changes: Any) -> JournalConfig:
    return JournalConfig(**({"commit_linger_us": 0} | changes))


def journal_in(folder: Path, clock: ManualClock | None = None, **changes: Any) -> Journal:
    """A journal in *folder*: settings by name, *on_state*, *on_kept* and *schema* besides."""
    own = {name: changes.pop(name) for name in ("on_state", "on_kept", "schema") if name in changes}
    return Journal(config(**changes), folder, clock or ManualClock(START_NS), dedupe_retention_s=3600, **own)


@asynccontextmanager
async def opened(
    folder: Path, clock: ManualClock | None = None, **changes: Any
) -> AsyncIterator[tuple[Journal, Recovered]]:
    """A journal that is open, and what it read; closed at the end."""
    journal = journal_in(folder, clock, **changes)
    found = await journal.open()
    try:
        yield journal, found
    finally:
        await journal.close()


async def taken(journal: Journal) -> None:
    """Until the journal's thread has what was queued in its hands."""
    for _ in range(1_000_000):
        await asyncio.sleep(0)
        if not journal.statistics().queued:
            return
    raise AssertionError("the journal takes nothing")


def plain(found: Recovered) -> Any:
    """A value to compare by, without order where there is none."""
    value = msgspec.to_builtins(found)
    return value | {"exec_ids": sorted(map(tuple, value["exec_ids"]))} if isinstance(value, dict) else value
