"""The long run: an engine as its configuration says, with whatever venues are there, until it is told to stop."""

from __future__ import annotations

import asyncio
import logging
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.base.heap import keep_heap, release_heap
from engine.base.workers import TaskScope
from engine.config.sections import EngineConfig
from engine.observability.metrics import Sample
from engine.runtime.assembly import Engine
from engine.runtime.live import LiveEngine
from engine.runtime.metrics import metrics
from engine.runtime.pooling import holder_names
from engine.runtime.providerreport import ProviderReport, provider_report
from engine.runtime.reportextra import embedded_site
from engine.runtime.runreport import loop_name, run_report
from engine.runtime.statedir import taken
from engine.runtime.summary import EngineSummary
from engine.runtime.surface.hosting import Surface

if TYPE_CHECKING:
    from engine.runtime.reportserving import EmbeddedSite

READY_WITHIN_S = 30.0
"""A venue that is neither ready nor known to be away after this long no longer keeps the others from being ready."""
_LOOK_EVERY_S = 0.02
_SWITCH_INTERVAL_S = 0.0005
_NOBODY = "engine"
"""Whom the pools name for what no callback has kept: it is queued, or in the hands of one that does not return."""

log = logging.getLogger("engine.runtime")


@dataclass(frozen=True)
class ReadyReport:
    """What the engine started with. *api*, *reports*: where the operator's surface and the reports' server answer."""

    profile: str
    consumers: tuple[str, ...]
    providers: tuple[ProviderReport, ...]
    api: str | None = None
    reports: str | None = None


@dataclass(frozen=True)
class ServiceResult:
    """What a run came to.

    Attributes:
        seconds: from the start to the order to stop.
        providers: as they were at the end.
        summary: counts after all was drained.
        setup: what ran: profile, sizes, limits, modes, versions.
        outstanding: pools that have not everything back, and how much is out.
        metrics: by name, as they were at the end.
    """

    seconds: float
    providers: tuple[ProviderReport, ...]
    summary: EngineSummary
    setup: dict[str, Any]
    outstanding: Mapping[str, int]
    metrics: Mapping[str, list[Sample]]


def bases_of(config: EngineConfig) -> list[str]:
    """Base assets of all configured symbols."""
    symbols = [symbol for provider in config.providers for symbol in provider.symbols]
    return sorted({symbol.partition("-")[0] for symbol in symbols})


def venues_of(config: EngineConfig) -> list[str]:
    """The configured venues, each once."""
    return sorted({provider.venue for provider in config.providers})


def at_simulator(config: EngineConfig, endpoints: Mapping[str, Mapping[str, str]]) -> EngineConfig:
    """The same configuration with each venue replaced by its simulator.

    Args:
        config: validated.
        endpoints: by venue: addresses under ``ws``, ``rest`` and, where it has accounts, ``ws_private``.
    """
    providers = tuple(
        provider.model_copy(
            update={
                "ws_endpoint": endpoints[provider.venue]["ws"],
                "ws_private_endpoint": endpoints[provider.venue].get("ws_private"),
                "rest_endpoint": endpoints[provider.venue]["rest"],
            }
        )
        for provider in config.providers
    )
    return config.model_copy(update={"providers": providers})


class Service:
    """Runs once, on a loop.

    Args:
        config: validated.
        on_ready: called once, when every venue is either complete or known to be away.
        has_surface: serve the operator's surface and the reports, where the configuration has them.
        takes_orders: False = every order is rejected, whatever the configuration says.
    """

    def __init__(
        self,
        config: EngineConfig,
        on_ready: Callable[[ReadyReport], None],
        *,
        has_surface: bool = False,
        takes_orders: bool = True,
    ) -> None:
        self._config = config
        self._on_ready = on_ready
        self._has_surface = has_surface and config.api.enabled
        has_reports = (
            config.reports.enabled
            and config.cache.backend != "redis"
            and any(one.enabled for one in config.providers)
        )
        self._has_site = has_surface and has_reports and config.mcp.enabled
        self._takes_orders = takes_orders
        self._stopped = asyncio.Event()
        self.live: LiveEngine | None = None
        """While it runs."""

    def stop(self) -> None:
        """End the run in order."""
        self._stopped.set()

    async def run(self) -> ServiceResult:
        """Everything from the first connection to the last event delivered.

        Raises:
            ConfigError: a handler that cannot be loaded, a subscription nobody can serve, a state folder that
                another engine has.
            EngineErrorGroup: several consumers failed in on_stop.
        """
        async with AsyncExitStack() as stack:
            if self._has_surface or self._has_journal:
                stack.enter_context(taken(Path(self._config.engine.state_dir)))
            stack.callback(release_heap)
            surface = Surface(self._config) if self._has_surface else None
            if surface is not None:
                stack.push_async_callback(surface.close)
            site = None
            if self._has_site:
                site = embedded_site(self._config)
                if site is not None:
                    stack.callback(site.close)
            return await self._run(surface, site)

    @property
    def _has_journal(self) -> bool:
        return self._takes_orders and any(one.enabled and one.orders.enabled for one in self._config.providers)

    async def _run(self, surface: Surface | None, site: EmbeddedSite | None) -> ServiceResult:
        started_s = time.monotonic()
        if self._config.reports.enabled or any(one.mode == "thread" for one in self._config.consumers):
            # How long a callback in Python, or a report, may keep the interpreter from the loop, which frames wait for.
            sys.setswitchinterval(_SWITCH_INTERVAL_S)
        with Engine(self._config) as engine:
            for warning in engine.warnings:
                log.warning("%s", warning)
            engine.add_configured_consumers(venues_may_come_later=True)
            engine.start()
            async with LiveEngine(engine, takes_orders=self._takes_orders) as live:
                self.live = live
                live.start()
                if surface is not None:
                    surface.start(live, self.stop)
                if site is not None and live.reporter is not None:
                    site.start(live, live.reporter)
                async with TaskScope() as scope:
                    urls = (None if face is None else face.url for face in (surface, site))
                    scope.start(self._tell_ready(live, *urls))
                    await self._stopped.wait()
                if surface is not None:
                    await surface.close()
                if site is not None:
                    site.close()
                self.live = None
                ran_s = time.monotonic() - started_s
                providers = _reports(live)
            waited_since_s = time.monotonic()
        outstanding = await self._drained(engine, waited_since_s)
        setup = run_report(engine, loop_name())
        told = metrics(engine, live, live.reporter)
        return ServiceResult(ran_s, providers, engine.summary(), setup, outstanding, told)

    async def _tell_ready(self, live: LiveEngine, api: str | None, reports: str | None) -> None:
        deadline_s = time.monotonic() + READY_WITHIN_S
        # Books become valid in many places, on the hot path; only the start waits for them.
        while time.monotonic() < deadline_s and not all(one.is_settled for one in _reports(live)):  # noqa: ASYNC110
            await asyncio.sleep(_LOOK_EVERY_S)
        keep_heap()
        self._on_ready(ReadyReport(self._config.profile, tuple(live.engine.runners), _reports(live), api, reports))

    async def _drained(self, engine: Engine, since_s: float) -> dict[str, int]:
        """Wait for events that consumers still hold, since they were told to stop, and tell of those that stay out."""
        deadline_s = since_s + self._config.engine.shutdown_wait_ms / 1e3
        while engine.recycler.statistics().out() and time.monotonic() < deadline_s:  # noqa: ASYNC110
            await asyncio.sleep(_LOOK_EVERY_S)
        out: dict[str, int] = engine.recycler.statistics().out()
        for pool, count in out.items():
            holders = _holders(engine, pool)
            engine.reporting.tell("shutdown.outstanding", pool=pool, count=count, holders=holders)
            log.error("pool %s has %d out, held by %s", pool, count, ", ".join(holders))
        return out


def _holders(engine: Engine, pool: str) -> list[str]:
    """Consumers that keep events of a pool, and those that still have any queued or in hand (SHUT-03)."""
    names = holder_names(engine.runners)
    told = [str(row["holder"]) for row in engine.recycler.outstanding() if row["type"] == pool]
    keepers = {names.get(holder, holder) for holder in told if holder != _NOBODY}
    stalled = {name for name, runner in engine.runners.items() if runner.statistics()["pinned"]}
    return sorted(keepers | stalled) or [_NOBODY]


def _reports(live: LiveEngine) -> tuple[ProviderReport, ...]:
    return tuple(provider_report(session) for session in live.sessions)
