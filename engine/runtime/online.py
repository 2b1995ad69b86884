"""`check --online`: does each venue answer, list our symbols, keep time with us, and take our key?"""

from __future__ import annotations

from engine.base.clock import SystemClock
from engine.base.errors import EngineError, ValidationError, VenueError
from engine.base.workers import TaskScope
from engine.config.sections import EngineConfig
from engine.config.sections_providers import ProviderConfig
from engine.providers.budget import CallClass
from engine.providers.credentials import read_credentials
from engine.providers.session import Session
from engine.runtime.assembly import Engine
from engine.runtime.environment import Finding
from engine.runtime.live import book_rules

OFFSET_WARN_MS = 1000
"""A venue refuses what is signed further ahead of its clock than this."""


async def examine_online(config: EngineConfig) -> list[Finding]:
    """Ask the venues of the enabled providers, all at once."""
    with Engine(config.model_copy(update={"consumers": ()}), SystemClock()) as engine:
        async with TaskScope() as scope:
            tasks = [scope.start(_of_provider(engine, one)) for one in config.providers if one.enabled]
            return [finding for task in tasks for finding in await task]


async def _of_provider(engine: Engine, provider: ProviderConfig) -> list[Finding]:
    feed = engine.open_provider(provider.venue, provider.name, book_rules(provider))
    async with Session(feed, provider, engine.clock, tell=engine.reporting.tell) as session:
        return [await _catalogue(session), await _clock(session), await _key(session)]


async def _catalogue(session: Session) -> Finding:
    name = f"{session.feed.provider} catalogue"
    try:
        found, missing = await session.listed_instruments()
    except VenueError as error:
        return _failed(name, error)
    if missing:
        symbols = " ".join(error.symbol or "" for error in missing)
        return Finding(name, False, f"not listed: {symbols}", "correct providers[].symbols")
    halted = [one.symbol for one in found if one.status.name != "TRADING"]
    state = f"; not trading now: {' '.join(halted)}" if halted else ""
    return Finding(name, True, f"{len(found)} symbols listed{state}")


async def _clock(session: Session) -> Finding:
    name = f"{session.feed.provider} clock"
    try:
        await session.upkeep.measure_clock()
    except (VenueError, ValidationError) as error:
        return _failed(name, error)
    best = session.gate.clock.best
    assert best is not None
    offset_ms, error_ms = best.offset_ns / 1e6, best.error_ns / 1e6
    detail = f"{offset_ms:+.1f} ms from ours, to within {error_ms:.1f} ms"
    is_near = abs(offset_ms) - error_ms <= OFFSET_WARN_MS
    return Finding(name, is_near, detail, "" if is_near else "set this machine's clock by NTP")


async def _key(session: Session) -> Finding:
    name = f"{session.feed.provider} key"
    try:
        credentials = read_credentials(session.feed.provider, session.settings.credentials)
        if credentials is None:
            return Finding(name, True, "none: public data only")
        clock_ns = session.gate.clock.venue_now_ns(session.now_ns())
        call = session.feed.key_check(credentials, session.settings.rest_endpoint, clock_ns)
        if call.body is None:
            body = await session.rest.get(call.url, headers=call.headers, call=CallClass.ORDERS, weight=call.weight)
        else:
            body = await session.rest.post(call.url, call.body, call.headers, weight=call.weight)
        session.feed.judge_key_check(body)
    except EngineError as error:
        return _failed(name, error)
    return Finding(name, True, "the venue takes it")


def _failed(name: str, error: EngineError) -> Finding:
    said = f" ({error.venue_message})" if error.venue_message else ""
    return Finding(name, False, f"{error.reason}{said}", error.hint)
