"""The simulator: all venues behind one WebSocket port and one REST port, told apart by their own paths."""

from __future__ import annotations

import asyncio
import errno
import ssl
import time
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any
from weakref import WeakSet

import picows
from aiohttp import web

from engine.base.errors import CapacityError
from engine.observability.logs import Log
from engine.simulator.binance import BinanceVenue
from engine.simulator.coinbase import CoinbaseVenue
from engine.simulator.control import control_application
from engine.simulator.fault_rules import FaultRule
from engine.simulator.faults import Injection
from engine.simulator.instruments import VENUES, SimInstrument, default_coins, list_instruments
from engine.simulator.kraken import KrakenVenue
from engine.simulator.pacing import Pacer
from engine.simulator.venue import DEFAULT_DEPTH_LEVELS, MarketSetup, Venue
from engine.simulator.wires import accept

HOST = "127.0.0.1"
_VENUE_TYPES: dict[str, Callable[[Sequence[SimInstrument], MarketSetup], Venue]] = {
    "binance": BinanceVenue, "coinbase": CoinbaseVenue, "kraken": KrakenVenue,
}  # fmt: skip
_SOCKET_PATHS = {"binance": "", "coinbase": "", "kraken": "/v2"}
_GOING_AWAY = 1001
_LATENESS_SHARES = {"p50": 0.5, "p99": 0.99, "p999": 0.999}


class Simulator:
    """All simulated venues on one event loop.

    Args:
        seed: the same seed gives the same markets and the same faults.
        rate_frames_per_s: of all venues together.
        symbols: how many, or which base assets.
        venues: which.
        depth_levels: of a side of a book.
        start_us: the market's first moment, now if None.
        held: let no time pass before ``resume``, so that clients which subscribe alike see the same bytes from the
            same seed and start.
        port: of the WebSockets; REST has the next, control the one after; 0 = any three free.
        rules: the fault plan.
        tls: for WebSockets and REST; None = plain.

    Raises:
        ValueError: an unknown venue, or a rule names a symbol that is not there.
    """

    def __init__(
        self, *, seed: int = 1, rate_frames_per_s: float = 2000, symbols: int | Sequence[str] = 3,
        venues: Sequence[str] = VENUES, depth_levels: int = DEFAULT_DEPTH_LEVELS,
        start_us: int | None = None, held: bool = False, port: int = 0, rules: Sequence[FaultRule] = (),
        tls: ssl.SSLContext | None = None,
    ) -> None:  # fmt: skip
        bases = default_coins(symbols) if isinstance(symbols, int) else list(symbols)
        if not bases or not venues:
            raise ValueError("a simulator needs at least one venue and one symbol")
        self._start_us = time.time_ns() // 1000 if start_us is None else start_us
        setup = MarketSetup(seed, rate_frames_per_s / len(venues), self._start_us, depth_levels)
        listed = {name: list_instruments(name, bases) for name in venues}
        self.venues = {name: _VENUE_TYPES[name](instruments, setup) for name, instruments in listed.items()}
        self.endpoints: dict[str, dict[str, str]] = {}
        self._port = port
        self._held = held
        self._tls = tls
        self._pacer = Pacer([venue.timeline for venue in self.venues.values()], self._start_us)
        self._log = Log("simulator")
        self._server: asyncio.Server | None = None
        self._runners: list[web.AppRunner] = []
        self._rules_count = 0
        self._rest_clients: dict[str, WeakSet[object]] = {name: WeakSet() for name in self.venues}
        self._rest_connections: Counter[str] = Counter()
        for venue in self.venues.values():
            venue.faults.told = self._tell
            venue.true_us = _true_us
        self.arm(rules)

    async def start(self) -> None:
        """Listen on loopback and let the market run; ``endpoints`` is filled on return.

        Raises:
            CapacityError: a port is taken.
        """
        ws_port, rest_port, control_port = (0, 0, 0) if self._port == 0 else range(self._port, self._port + 3)
        try:
            self._server = await picows.ws_create_server(
                partial(accept, self.venues.values()), HOST, ws_port, enable_auto_pong=False, ssl=self._tls
            )
            rest_url = await self._serve_http(self._rest(), rest_port, self._tls)
            control_url = await self._serve_http(control_application(self), control_port, None)
        except OSError as error:
            await self.stop()
            if error.errno != errno.EADDRINUSE:
                raise
            raise CapacityError(
                f"a port from {self._port} to {self._port + 2} is taken", op="simulator.start",
                hint="end what listens there, choose another with --port, or take any three free ones with --port 0",
            ) from error  # fmt: skip
        scheme = "wss" if self._tls else "ws"
        ws_url = f"{scheme}://{HOST}:{self._server.sockets[0].getsockname()[1]}"
        for name in self.venues:
            self.endpoints[name] = {"ws": f"{ws_url}{_SOCKET_PATHS[name]}", "rest": rest_url}
        self.endpoints["control"] = {"rest": control_url}
        if not self._held:
            self._pacer.start()

    async def stop(self) -> None:
        """Stop the market, drop every client and close every port."""
        self._pacer.stop()
        if self._server is not None:
            self._server.close()
            self._server = None
        for venue in self.venues.values():
            for session in list(venue.sessions):
                session.close(_GOING_AWAY)
        for runner in self._runners:
            await runner.cleanup()
        self._runners.clear()

    # --- what the control port does ---

    def pause(self) -> None:
        """Freeze every market with all its frames sent. Heartbeats go on, so that clients stay connected."""
        self._pacer.catch_up()
        for venue in self.venues.values():
            venue.freeze()

    def resume(self) -> None:
        """Let the markets go on, or begin where the simulator was made *held*."""
        if not self._pacer.is_running:
            self._pacer.start()
        for venue in self.venues.values():
            venue.thaw()

    def books(self, venue: str = "", symbol: str = "") -> dict[str, Any]:
        """Every venue's own books: venue -> symbol -> sides of [price, quantity] and the last ids.

        Raises:
            ValueError: no such venue or symbol.
        """
        if venue and venue not in self.venues:
            raise ValueError(f"no venue {venue!r} here; there are {', '.join(self.venues)}")
        named = [venue] if venue else list(self.venues)
        return {name: self.venues[name].books(symbol) for name in named}

    def counts(self) -> dict[str, dict[str, Any]]:
        """By venue: frames sent by kind, limits broken by name, REST calls by path, connections of either kind."""
        return {
            name: {
                "frames": dict(venue.counts),
                "breaches": dict(venue.breaches),
                "calls": dict(venue.calls),
                "connections": venue.connections_count,
                "rest_connections": self._rest_connections[name],
            }
            for name, venue in self.venues.items()
        }

    def symbols(self) -> dict[str, Any]:
        """Instruments by venue: symbol -> base, quote, tick, lot, status."""
        return {name: venue.symbols() for name, venue in self.venues.items()}

    def lateness(self) -> dict[str, Any]:
        """How late what was due came, in microseconds."""
        found = self._pacer.lateness
        shares = {f"{name}_us": found.percentile_ns(share) // 1000 for name, share in _LATENESS_SHARES.items()}
        return {"count": found.count, **shares, "max_us": found.max_ns // 1000}

    def arm(self, rules: Sequence[FaultRule]) -> list[int]:
        """Add rules to the plan; returns their numbers.

        Raises:
            ValueError: a rule fits no venue here, or names a symbol that is not there; none is added.
        """
        placed = [(rule, self._venues_of(rule)) for rule in rules]
        numbers = []
        for rule, venues in placed:
            self._rules_count += 1
            numbers.append(self._rules_count)
            for venue in venues:
                venue.arm(self._rules_count, rule)
        return numbers

    def disarm(self) -> None:
        """Take every rule out of the plan."""
        for venue in self.venues.values():
            venue.faults.disarm()

    def faults(self, since: dict[str, int]) -> dict[str, Any]:
        """Armed rules, counts, and what struck after the given number of each venue, in order of time."""
        plans = {name: venue.faults for name, venue in self.venues.items()}
        struck = [
            injection
            for name, plan in plans.items()
            for injection in plan.injections
            if injection.number > since.get(name, 0)
        ]
        return {
            "counts": {name: dict(plan.counts) for name, plan in plans.items()},
            "rules": [
                {"number": armed.number, "struck": armed.struck, "rule": armed.rule}
                for plan in plans.values()
                for armed in plan.rules()
            ],
            "injected": sorted(struck, key=lambda injection: injection.at_us),
        }

    def _venues_of(self, rule: FaultRule) -> list[Venue]:
        wanted = [rule.venue] if rule.venue else rule.kind.venues
        able = [venue for name, venue in self.venues.items() if name in wanted]
        if not able:
            raise ValueError(f"{rule.fault}: no venue here takes it; it is for {', '.join(wanted)}")
        if not rule.symbol:
            return able
        listing = [venue for venue in able if venue.lists(rule.symbol)]
        if not listing:
            raise ValueError(f"{rule.fault}: no venue here lists {rule.symbol!r}")
        return listing

    def _tell(self, injection: Injection) -> None:
        self._log.info(
            "fault", fault=injection.fault, venue=injection.venue, symbol=injection.symbol, at_s=injection.at_s,
            connection=injection.connection, **injection.detail,
        )  # fmt: skip

    # --- HTTP ---

    async def _serve_http(self, application: web.Application, port: int, tls: ssl.SSLContext | None) -> str:
        runner = web.AppRunner(application, access_log=None)
        await runner.setup()
        self._runners.append(runner)
        await web.TCPSite(runner, HOST, port, ssl_context=tls).start()
        return f"{'https' if tls else 'http'}://{HOST}:{runner.addresses[0][1]}"

    def _rest(self) -> web.Application:
        # Of two roots that both begin a path the longer one names the venue.
        roots = sorted(self.venues.values(), key=lambda venue: len(venue.rest_root), reverse=True)

        async def answer(request: web.Request) -> web.Response:
            for venue in roots:
                if request.path.startswith(venue.rest_root):
                    self._note_client(venue, request)
                    reply = venue.rest(request.path, request.query)
                    if reply.delay_us:
                        await asyncio.sleep(reply.delay_us / 1e6)
                    return web.Response(
                        text=reply.body, status=reply.status, headers=reply.headers, content_type="application/json"
                    )
            raise web.HTTPNotFound(text=f"no venue's path; there are {', '.join(venue.rest_root for venue in roots)}")

        application = web.Application()
        application.router.add_get("/{path:.*}", answer)
        return application

    def _note_client(self, venue: Venue, request: web.Request) -> None:
        if request.transport is not None and request.transport not in self._rest_clients[venue.name]:
            self._rest_clients[venue.name].add(request.transport)
            self._rest_connections[venue.name] += 1


def _true_us() -> int:
    return time.monotonic_ns() // 1000
