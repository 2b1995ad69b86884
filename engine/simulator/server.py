"""The simulator: all venues behind one WebSocket port and one REST port, told apart by their own paths."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Sequence
from functools import partial
from typing import Any

from aiohttp import web

from engine.observability.logs import Log
from engine.simulator import binance_user, kraken_user
from engine.simulator.binance import BinanceVenue
from engine.simulator.coinbase import CoinbaseVenue
from engine.simulator.control import control_application
from engine.simulator.fault_rules import FaultRule
from engine.simulator.faults import Injection
from engine.simulator.instruments import VENUES, default_coins, list_instruments
from engine.simulator.kraken import KrakenVenue
from engine.simulator.load import LoadReport, LoadRun
from engine.simulator.messages import SignedCall
from engine.simulator.order_control import act_on, place_foreign, told_balances, told_fills, told_orders
from engine.simulator.pacing import Pacer
from engine.simulator.plain import PlainVenue
from engine.simulator.ports import Ports
from engine.simulator.venue import DEFAULT_DEPTH_LEVELS, MarketSetup, Venue
from engine.simulator.wires import Connection, accept

VENUE_TYPES: dict[str, type[BinanceVenue | CoinbaseVenue | KrakenVenue | PlainVenue]] = {
    "binance": BinanceVenue, "coinbase": CoinbaseVenue, "kraken": KrakenVenue, "simulated": PlainVenue,
}  # fmt: skip
SOCKET_PATHS = {"binance": "", "coinbase": "", "kraken": "/v2", "simulated": "/simulated"}
PRIVATE_PATHS = {"binance": binance_user.PATH, "coinbase": "", "kraken": kraken_user.PATH}
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
        load_frames: make so many frames at the first ``resume``, and send them when they are made; 0 = live.
        flat_out: send them as fast as the clients read, else by the market's time.
        limited: whether the venues' limits of calls, messages and orders stand.

    Raises:
        ValueError: an unknown venue, or a rule names a symbol that is not there.
    """

    def __init__(
        self, *, seed: int = 1, rate_frames_per_s: float = 2000, symbols: int | Sequence[str] = 3,
        venues: Sequence[str] = VENUES, depth_levels: int = DEFAULT_DEPTH_LEVELS,
        start_us: int | None = None, held: bool = False, port: int = 0, rules: Sequence[FaultRule] = (),
        tls: ssl.SSLContext | None = None, load_frames: int = 0, flat_out: bool = False,
        limited: bool = True,
    ) -> None:  # fmt: skip
        bases = default_coins(symbols) if isinstance(symbols, int) else list(symbols)
        if not bases or not venues:
            raise ValueError("a simulator needs at least one venue and one symbol")
        self._is_of_now = start_us is None
        self._start_us = time.time_ns() // 1000 if start_us is None else start_us
        setup = MarketSetup(seed, rate_frames_per_s / len(venues), self._start_us, depth_levels, limited)
        listed = {name: list_instruments(name, bases) for name in venues}
        self.venues: dict[str, Venue] = {
            name: VENUE_TYPES[name](instruments, setup) for name, instruments in listed.items()
        }
        self.endpoints: dict[str, dict[str, str]] = {}
        self._ports = Ports(port, tls)
        self._held = held or load_frames > 0
        self._load_frames = load_frames
        self._flat_out = flat_out
        self._load_report: LoadReport | None = None
        self._resumed = asyncio.Event()
        self._pacer = Pacer([venue.timeline for venue in self.venues.values()], self._start_us)
        self._log = Log("simulator")
        self._rules_count = 0
        self._rest_clients: dict[str, set[object]] = {name: set() for name in self.venues}
        for venue in self.venues.values():
            venue.faults.told = self._tell
            venue.true_us = _true_us
            venue.market_us = partial(self._present_us, venue)
        self.arm(rules)

    async def start(self) -> None:
        """Listen on loopback and let the market run; ``endpoints`` is filled on return.

        Raises:
            CapacityError: a port is taken.
        """
        sockets = partial(accept, self.venues.values(), self._pacer)
        await self._ports.open(sockets, self._rest(), control_application(self))
        for name in self.venues:
            self.endpoints[name] = {
                "ws": f"{self._ports.ws_url}{SOCKET_PATHS[name]}",
                "rest": self._ports.rest_url,
            }
            if name in PRIVATE_PATHS:
                self.endpoints[name]["ws_private"] = f"{self._ports.ws_url}{PRIVATE_PATHS[name]}"
        self.endpoints["control"] = {"rest": self._ports.control_url}
        if not self._held:
            # A market of now is of now when it listens too: whoever signs by his own clock is not ahead of it.
            self._pacer.start(time.time_ns() // 1000 - self._start_us if self._is_of_now else 0)

    async def work(self) -> None:
        """Run the load, where one is asked for; the market itself needs nobody to wait."""
        if self._load_frames == 0:
            return
        await self._resumed.wait()
        connections = [
            session.wire
            for venue in self.venues.values()
            for session in venue.sessions
            if isinstance(session.wire, Connection)
        ]
        lateness = None if self._flat_out else self._pacer.lateness
        run = LoadRun(list(self.venues.values()), connections, self._load_frames, lateness)
        self._load_report = await run.run()

    async def stop(self) -> None:
        """Stop the market, drop every client and close every port."""
        self._pacer.stop()
        for venue in self.venues.values():
            for session in list(venue.sessions):
                session.close(_GOING_AWAY)
        await self._ports.close()

    # --- what the control port does ---

    def pause(self) -> None:
        """Freeze every market with all its frames sent. Heartbeats go on, so that clients stay connected."""
        self._pacer.catch_up()
        for venue in self.venues.values():
            venue.freeze()

    def resume(self) -> None:
        """Let the markets go on, or begin where the simulator was made *held*."""
        self._resumed.set()
        if self._load_frames:
            return
        if not self._pacer.is_running:
            self._pacer.start()
        for venue in self.venues.values():
            venue.thaw()

    def books(self, venue: str = "", symbol: str = "") -> dict[str, Any]:
        """Every venue's own books: venue -> symbol -> sides of [price, quantity] and the last ids.

        Raises:
            ValueError: no such venue or symbol.
        """
        return {found.name: found.books(symbol) for found in self._named(venue)}

    def trades(self, venue: str = "", symbol: str = "") -> dict[str, Any]:
        """The newest trades of every symbol: venue -> symbol -> id, price, quantity and the taker's side, oldest first.

        Raises:
            ValueError: no such venue or symbol.
        """
        return {found.name: found.trades(symbol) for found in self._named(venue)}

    def subscriptions(self) -> dict[str, dict[str, int]]:
        """By venue: how many connections listen to each stream."""
        return {name: venue.subscriptions() for name, venue in self.venues.items()}

    def counts(self) -> dict[str, dict[str, Any]]:
        """By venue: frames sent by kind, limits broken by name, REST calls by path, connections of either kind."""
        return {
            name: {
                "frames": dict(venue.counts),
                "breaches": dict(venue.breaches),
                "calls": dict(venue.calls),
                "connections": venue.connections_count,
                "rest_connections": len(self._rest_clients[name]),
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
        told: dict[str, Any] = {"count": found.count, **shares, "max_us": found.max_ns // 1000}
        return told if self._load_report is None else told | {"load": self._load_report}

    def writes(self) -> dict[str, Any]:
        """By venue: up to which time of its market all was written, and when."""
        return dict(zip(self.venues, self._pacer.writes(), strict=True))

    def time(self) -> dict[str, int]:
        """The market's time, which frames are stamped with, beside the machine's clock at the same instant."""
        return {"market_ns": self._pacer.now_us() * 1000, "clock_ns": time.time_ns()}

    def orders(self, venue: str = "", account: str = "") -> dict[str, Any]:
        """Every order ever taken: venue -> account -> orders, the oldest first.

        Raises:
            ValueError: no such venue.
        """
        return {found.name: told_orders(found, account) for found in self._named(venue)}

    def fills(self, venue: str = "", account: str = "") -> dict[str, Any]:
        """Every fill: venue -> account -> fills, the oldest first. Raises ValueError: no such venue."""
        return {found.name: told_fills(found, account) for found in self._named(venue)}

    def balances(self, venue: str = "", account: str = "") -> dict[str, Any]:
        """What there is: venue -> account -> asset -> free, held. Raises ValueError: no such venue."""
        return {found.name: told_balances(found, account) for found in self._named(venue)}

    def place(self, body: dict[str, Any]) -> dict[str, Any]:
        """Place an order of somebody else on an account.

        Raises:
            ValueError: the body is wrong, or the venue refuses the order.
        """
        self._pacer.step()
        return place_foreign(self._only(body), body)

    def act(self, body: dict[str, Any]) -> dict[str, Any]:
        """Fill, cancel or expire an order as the venue would by itself.

        Raises:
            ValueError: the body is wrong, or the order is not open.
        """
        self._pacer.step()
        return act_on(self._only(body), body)

    def _only(self, body: dict[str, Any]) -> Venue:
        if not isinstance(body.get("venue"), str) or not body["venue"]:
            raise ValueError("venue must be named")
        return self._named(body["venue"])[0]

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

    def _named(self, venue: str) -> list[Venue]:
        """The venue of that name, all where it is empty."""
        if venue and venue not in self.venues:
            raise ValueError(f"no venue {venue!r} here; there are {', '.join(self.venues)}")
        return [self.venues[venue]] if venue else list(self.venues.values())

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

    def _present_us(self, venue: Venue) -> int:
        return self._pacer.now_us() if self._pacer.is_running else venue.timeline.now_us

    # --- HTTP ---

    def _rest(self) -> web.Application:
        # Of two roots that both begin a path the longer one names the venue.
        roots = sorted(self.venues.values(), key=lambda venue: len(venue.rest_root), reverse=True)

        async def answer(request: web.Request) -> web.Response:
            for venue in roots:
                if request.path.startswith(venue.rest_root):
                    self._note_client(venue, request)
                    # What it tells is to be of now, not of the last thing that happened.
                    self._pacer.step()
                    call = SignedCall(
                        request.method, request.path, request.rel_url.raw_query_string,
                        {name.lower(): value for name, value in request.headers.items()}, await request.read(),
                    )  # fmt: skip
                    reply = venue.rest(request.path, request.query, call)
                    if reply.delay_us:
                        await asyncio.sleep(reply.delay_us / 1e6)
                    if reply.is_lost and request.transport is not None:
                        request.transport.abort()
                    return web.Response(
                        text=reply.body, status=reply.status, headers=reply.headers, content_type="application/json"
                    )
            raise web.HTTPNotFound(text=f"no venue's path; there are {', '.join(venue.rest_root for venue in roots)}")

        application = web.Application()
        application.router.add_route("*", "/{path:.*}", answer)
        return application

    def _note_client(self, venue: Venue, request: web.Request) -> None:
        peer = request.transport.get_extra_info("peername") if request.transport is not None else None
        self._rest_clients[venue.name].add(peer)


def _true_us() -> int:
    return time.time_ns() // 1000
