"""What the surface shows: read on the engine's loop, as values that its own thread encodes. Each read is short."""

from __future__ import annotations

import asyncio
from dataclasses import asdict
from typing import Any, NamedTuple

import msgspec

from engine.base.errors import CapacityError, UnknownSymbolError
from engine.base.ids import instrument_id, instrument_key
from engine.base.instants import to_rfc3339
from engine.config.effective import effective
from engine.consumers.subscriptions import HeldSubscription
from engine.observability.telemetry import TelemetryEvent
from engine.providers.budget import CallClass
from engine.providers.session import Session
from engine.runtime.live import LiveEngine
from engine.runtime.pooling import holder_names
from engine.runtime.providerreport import ProviderReport, provider_report
from engine.runtime.surface.calls import Answer, Call, page
from engine.runtime.surface.requests import TelemetryQuery
from engine.runtime.surface.texts import Texts
from engine.schema.codec import to_object
from engine.schema.enums import EventType

_UNAVAILABLE = 503


# -- how it goes -----------------------------------------------------------------------------------------------


async def health(call: Call) -> Answer:
    """What is wrong, by venue, book, consumer, journal and pool; the loop turns, for it answers."""
    faults = faults_of(call.live)
    return Answer({"status": "degraded" if any(faults.values()) else "ok", **faults})


async def ready(call: Call) -> Answer:
    """Whether every book is in force and orders are reconciled; else why not."""
    faults = faults_of(call.live)
    reasons = [f"{name}: {why}" for part in ("venues", "books", "orders") for name, why in faults[part].items()]
    return Answer({"ready": not reasons, "reasons": reasons}, _UNAVAILABLE if reasons else 200)


def faults_of(live: LiveEngine) -> dict[str, dict[str, str]]:
    """What is wrong, by part and name; empty parts are how it should be."""
    engine = live.engine
    venues, books = {}, {}
    for session in live.sessions:
        report = provider_report(session)
        if report.state != "up":
            venues[report.name] = f"{report.state}: {report.cause}"
        elif report.account not in ("none", "up"):
            venues[report.name] = f"account {report.account}: {report.account_cause}"
        if "book" in session.settings.streams:
            books.update({
                f"{report.name}:{book.symbol}": "not in force" for book in session.feed.stream.book_list()
                if not book.is_valid
            })  # fmt: skip
    pools = {
        name: f"{row.in_use} of {row.capacity} in use, exhausted {row.exhausted} times"
        for name, row in engine.recycler.statistics().pools.items()
        if row.capacity and row.in_use >= row.capacity
    }
    consumers = {name: runner.state for name, runner in engine.runners.items() if runner.state != "running"}
    consumers |= dict.fromkeys(engine.leaving, "stalled")
    return {"venues": venues, "books": books, "consumers": consumers, "pools": pools,
            "orders": {} if live.orders is None else live.orders.faults()}  # fmt: skip


# -- consumers -------------------------------------------------------------------------------------------------


async def subscriptions(call: Call) -> Answer:
    """Held subscriptions, of one consumer or of all."""
    wanted = call.consumer(call.query.consumer_id)
    desk = call.live.engine.desk
    rows = [
        _subscription(held)
        for consumer_id in (call.live.engine.runners if wanted is None else (wanted,))
        for held in desk.subscriptions(consumer_id)
    ]
    return Answer(page("subscriptions", rows, call.query))


def _subscription(held: HeldSubscription) -> dict[str, Any]:
    return {
        "subscription_id": held.subscription_id,
        **msgspec.to_builtins(held.content),
        "active": held.active,
        "created": to_rfc3339(held.created_ns),
        "updated": to_rfc3339(held.updated_ns),
    }


async def consumers(call: Call) -> Answer:
    """Every consumer."""
    rows = [_consumer(call.live, name) for name in call.live.engine.runners]
    return Answer(page("consumers", rows, call.query))


async def consumer(call: Call) -> Answer:
    """One consumer."""
    name = call.consumer(call.path["consumer_id"])
    assert name is not None
    return Answer(_consumer(call.live, name))


def _consumer(live: LiveEngine, consumer_id: str) -> dict[str, Any]:
    engine = live.engine
    runner, switch = engine.runners[consumer_id], engine.switches.of(consumer_id)
    return {
        "consumer_id": consumer_id,
        "name": engine.names[consumer_id],
        "mode": runner.mode,
        "state": runner.state,
        "trading_switch": {"consumer_id": consumer_id, "enabled": switch.enabled, "by": switch.by,
                           "updated": to_rfc3339(switch.updated_ns)},
        "subscriptions": [held.subscription_id for held in engine.desk.subscriptions(consumer_id)],
        "counts": runner.statistics(),
    }  # fmt: skip


async def routing(call: Call) -> Answer:
    """The routing version in force, and what reaches whom."""
    engine = call.live.engine
    table = {
        consumer_id: sorted(_stream_name(stream) for stream in engine.desk.streams(consumer_id))
        for consumer_id in engine.runners
    }
    return Answer({"version": engine.board.current_version(), "table": table})


def _stream_name(stream: int) -> str:
    provider, symbol = instrument_key(stream >> 4)
    return f"{provider}:{symbol or ''}:{EventType(stream & 15).class_name}"


# -- venues ----------------------------------------------------------------------------------------------------


async def providers(call: Call) -> Answer:
    """Every provider."""
    return Answer(page("providers", [_provider(session) for session in call.live.sessions], call.query))


async def provider(call: Call) -> Answer:
    """One provider."""
    return Answer(_provider(session_of(call)))


def session_of(call: Call) -> Session:
    """The session of the provider that the path names.

    Raises:
        UnknownSymbolError: there is none of this name.
    """
    name = call.provider()
    return next(session for session in call.live.sessions if session.feed.provider == name)


def _provider(session: Session) -> dict[str, Any]:
    report: ProviderReport = provider_report(session)
    budget, now_s = session.gate.budget, asyncio.get_running_loop().time()
    limits = {
        "weight": budget.limits.weight,
        "within_s": budget.limits.within_s,
        "used": budget.used(now_s),
        "banned_s": budget.banned_s(now_s, CallClass.ORDERS),
    }
    return {**asdict(report), "rest_limits": limits}


async def balances(call: Call) -> Answer:
    """What a provider's account holds, as last told."""
    events = call.live.engine.purses.of(call.provider())
    return Answer(lambda: {"balances": [to_object(event) for event in events]})


async def instruments(call: Call) -> Answer:
    """Instrument records."""
    query = call.query
    rows = [
        record
        for record in call.live.engine.catalogue
        if query.provider in (None, record.provider) and query.symbol in (None, record.symbol)
    ]
    found = page("instruments", rows, query)
    return Answer(lambda: {**found, "instruments": [call.texts.of(record) for record in found["instruments"]]})


async def book(call: Call) -> Answer:
    """A book as it is now; never one that is not in force."""
    engine, name, symbol = call.live.engine, call.provider(), call.path["symbol"]
    if name not in engine.catalogue.carriers(symbol):
        raise UnknownSymbolError(f"provider {name} does not carry {symbol}", op="books.get", symbol=symbol,
                                 hint=f"GET /instruments?provider={name} lists what it carries")  # fmt: skip
    event = engine.shelf.copy_of(instrument_id(name, symbol))
    if event is None:
        raise CapacityError(f"the book of {symbol} at {name} is not in force", op="books.get", provider=name,
                            symbol=symbol, hint="it resynchronises; ask again in a moment")  # fmt: skip
    age_ns = max(0, engine.clock.now() - event.ts_recv_ns)

    def told() -> dict[str, Any]:
        return {**to_object(event, call.query.depth), "state": "valid", "age_ns": age_ns}

    return Answer(told)


# -- the engine itself -----------------------------------------------------------------------------------------


class Newer(NamedTuple):
    """What telemetry has told after a number: records with theirs, and the number of the newest of all."""

    records: list[tuple[int, TelemetryEvent]]
    newest: int


def newer(live: LiveEngine, since_id: int) -> Newer:
    """Records after *since_id*; on the engine's loop."""
    bus = live.engine.telemetry
    return Newer(bus.newer_than(since_id), bus.newest)


def shown(found: Newer, query: TelemetryQuery, texts: Texts) -> tuple[list[msgspec.Raw], int, int]:
    """Those that *query* wants as JSON, the number to go on from, and how many had left before they were read."""
    wanted = [
        (number, one) for number, one in found.records
        if query.type in (None, one.type.text) and query.severity in (None, one.severity.text)
    ]  # fmt: skip
    told = wanted[: query.limit]
    next_id = told[-1][0] if len(told) < len(wanted) else max(found.newest, query.since_id)
    missed = max(0, found.newest - query.since_id) - len(found.records)
    return [texts.of(one) for _, one in told], next_id, missed


async def telemetry(call: Call) -> Answer:
    """What operators are told."""
    found = newer(call.live, call.query.since_id)

    def told() -> dict[str, Any]:
        rows, next_id, missed = shown(found, call.query, call.texts)
        return {"records": rows, "next_id": next_id, "missed": missed}

    return Answer(told)


async def dead_letters(call: Call) -> Answer:
    """What could not be delivered; it stays where it is."""
    dlq = call.live.engine.dlq
    found, counts = page("records", dlq.records(), call.query), dlq.statistics()

    def told() -> dict[str, Any]:
        rows = [msgspec.Raw(record.to_json()) for record in found["records"]]
        return {**found, "records": rows, "counts": msgspec.to_builtins(counts)}

    return Answer(told)


async def pools(call: Call) -> Answer:
    """Every pool, and what is out of them the longest."""
    engine = call.live.engine
    recycler, found = engine.recycler, engine.recycler.statistics()
    rows = {name: asdict(row) for name, row in found.pools.items()}
    rows |= {f"levels[{size}]": asdict(row) for size, row in found.blocks.items()}
    holders = holder_names(engine.runners)
    out = [_outstanding(row, holders) for row in recycler.outstanding(call.query.limit)]
    return Answer({"debug": recycler.debug, "pools": rows, "outstanding": out})


def _outstanding(row: dict[str, Any], holders: dict[str, str]) -> dict[str, Any]:
    return {
        "type": row["type"],
        "slot": row["index"],
        "references": row["refs"],
        "holder": holders.get(row["holder"], row["holder"]),
        "ts_recv": to_rfc3339(row["ts_recv_ns"]),
        "age_ns": row["age_ns"],
        "acquired_at": row["acquired_at"],
    }


async def configuration(call: Call) -> Answer:
    """Every value in force and where it came from, secrets masked."""
    rows = effective(call.live.engine.config)
    return Answer({"values": {path: {"value": value, "from": origin} for path, (value, origin) in rows.items()}})


