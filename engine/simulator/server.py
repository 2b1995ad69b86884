"""The simulator process: each venue behind a WebSocket and a REST port of its own, and a control port."""

import asyncio
import time
from collections.abc import Sequence
from functools import partial
from typing import Any

import picows
from aiohttp import web

from engine.simulator.binance import BinanceVenue
from engine.simulator.coinbase import CoinbaseVenue
from engine.simulator.instruments import VENUES, default_coins, list_instruments
from engine.simulator.kraken import KrakenVenue
from engine.simulator.venue import DEFAULT_DEPTH_LEVELS, MarketSetup, Venue, json_text
from engine.simulator.wires import accept

_HOST = "127.0.0.1"
_TICK_S = 0.010
# How far a venue that fell behind its schedule moves before the sockets get a turn again.
_CATCH_UP_US = 200_000
_VENUE_TYPES: dict[str, type[Venue]] = {
    venue_type.name: venue_type for venue_type in (BinanceVenue, CoinbaseVenue, KrakenVenue)
}
_SOCKET_PATHS = {"binance": "", "coinbase": "", "kraken": "/v2"}


class Simulator:
    """All simulated venues on one event loop, paced on an absolute schedule.

    The market's time is the start plus what the monotonic clock has run since, so a late timer delays a
    batch of frames and shifts none after it.
    """

    def __init__(
        self, *, seed: int = 1, rate_frames_per_s: float = 2000, symbols: int | Sequence[str] = 3,
        venues: Sequence[str] = VENUES, depth_levels: int = DEFAULT_DEPTH_LEVELS,
        start_us: int | None = None, held: bool = False,
    ) -> None:
        """*rate_frames_per_s* is for all venues together. *symbols*: how many, or which base assets.

        *start_us*: the market's first moment, now if None. *held*: let no time pass before ``resume``, so
        that clients which subscribe alike see the same bytes from the same seed and start. Raises
        ValueError for an unknown venue.
        """
        bases = default_coins(symbols) if isinstance(symbols, int) else list(symbols)
        if not bases or not venues:
            raise ValueError("a simulator needs at least one venue and one symbol")
        self._start_us = time.time_ns() // 1000 if start_us is None else start_us
        setup = MarketSetup(seed, rate_frames_per_s / len(venues), self._start_us, depth_levels)
        listed = {name: list_instruments(name, bases) for name in venues}
        self.venues = {name: _VENUE_TYPES[name](instruments, setup) for name, instruments in listed.items()}
        self.endpoints: dict[str, dict[str, str]] = {}
        self._servers: list[asyncio.Server] = []
        self._runners: list[web.AppRunner] = []
        self._timer: asyncio.TimerHandle | None = None
        self._started_s = 0.0
        self._held = held

    async def start(self) -> None:
        """Listen on free loopback ports and let the market run; ``endpoints`` is filled on return."""
        for name, venue in self.venues.items():
            server = await picows.ws_create_server(partial(accept, venue), _HOST, 0)
            self._servers.append(server)
            socket_port = server.sockets[0].getsockname()[1]
            application = web.Application()
            application.router.add_get("/{path:.*}", partial(_answer_rest, venue))
            self.endpoints[name] = {
                "ws": f"ws://{_HOST}:{socket_port}{_SOCKET_PATHS[name]}",
                "rest": await self._serve_http(application),
            }
        self.endpoints["control"] = {"rest": await self._serve_http(self._control())}
        if not self._held:
            self._start_clock()

    async def stop(self) -> None:
        """Stop the market, drop every client and close every port."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        for server in self._servers:
            server.close()
        for venue in self.venues.values():
            for session in list(venue.sessions):
                session.wire.close()
        for runner in self._runners:
            await runner.cleanup()
        self._servers.clear()
        self._runners.clear()

    def pause(self) -> None:
        """Freeze every market with all its frames sent. Heartbeats go on, so that clients stay connected."""
        self._advance()
        for venue in self.venues.values():
            venue.freeze()

    def resume(self) -> None:
        """Let the markets go on, or begin where the simulator was made *held*."""
        if self._timer is None:
            self._start_clock()
        for venue in self.venues.values():
            venue.thaw()

    def books(self) -> dict[str, Any]:
        """Every venue's own books: venue -> symbol -> sides of [price, quantity] and the last ids."""
        return {name: venue.books() for name, venue in self.venues.items()}

    def counts(self) -> dict[str, dict[str, int]]:
        """Frames sent by venue and kind."""
        return {name: dict(venue.counts) for name, venue in self.venues.items()}

    # --- time ---

    def _start_clock(self) -> None:
        loop = asyncio.get_running_loop()
        self._started_s = loop.time()
        self._timer = loop.call_later(_TICK_S, self._on_tick)

    def _on_tick(self) -> None:
        loop = asyncio.get_running_loop()
        if self._advance():
            elapsed_ticks = (loop.time() - self._started_s) // _TICK_S
            due_s = self._started_s + (elapsed_ticks + 1) * _TICK_S
        else:
            due_s = loop.time()
        self._timer = loop.call_at(due_s, self._on_tick)

    def _advance(self) -> bool:
        """Bring the venues to the present; False where one is still behind and wants another turn."""
        if self._timer is None:
            return True
        now_us = self._start_us + int((asyncio.get_running_loop().time() - self._started_s) * 1e6)
        up_to_date = True
        for venue in self.venues.values():
            to_us = min(now_us, venue.timeline.now_us + _CATCH_UP_US)
            venue.advance(to_us)
            up_to_date = up_to_date and to_us == now_us
        return up_to_date

    # --- HTTP ---

    async def _serve_http(self, application: web.Application) -> str:
        runner = web.AppRunner(application, access_log=None)
        await runner.setup()
        self._runners.append(runner)
        site = web.TCPSite(runner, _HOST, 0)
        await site.start()
        return f"http://{_HOST}:{runner.addresses[0][1]}"

    def _control(self) -> web.Application:
        async def books(_: web.Request) -> web.Response:
            return _json(json_text(self.books()))

        async def counts(_: web.Request) -> web.Response:
            return _json(json_text(self.counts()))

        async def pause(_: web.Request) -> web.Response:
            self.pause()
            return _json('{"paused":true}')

        async def resume(_: web.Request) -> web.Response:
            self.resume()
            return _json('{"paused":false}')

        application = web.Application()
        application.router.add_get("/books", books)
        application.router.add_get("/counts", counts)
        application.router.add_post("/pause", pause)
        application.router.add_post("/resume", resume)
        return application


async def _answer_rest(venue: Venue, request: web.Request) -> web.Response:
    reply = venue.rest(request.path, request.query)
    return _json(reply.body, reply.status)


def _json(text: str, status: int = 200) -> web.Response:
    return web.Response(text=text, status=status, content_type="application/json")
