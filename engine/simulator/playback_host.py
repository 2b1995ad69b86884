"""A recording at the ports of a simulator: every venue in it played beside the others."""

from __future__ import annotations

import ssl
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
import picows
from aiohttp import web

from engine.base.workers import TaskScope
from engine.simulator.playback import PlaybackServer
from engine.simulator.playback_link import PlaybackLink
from engine.simulator.ports import Ports
from engine.simulator.recording import CaptureRecord
from engine.simulator.server import SOCKET_PATHS, VENUE_TYPES

# Clients come when they come, and ask for snapshots when they want them.
_CLIENT_TIMEOUT_S = 7 * 24 * 3600.0
_REQUEST_TIMEOUT_S = 5.0


class PlaybackHost:
    """Serves a recording; it begins with the client's first connection, each venue by itself.

    Args:
        records: readable again and again.
        venues: which of the recording's.
        speed: multiple of the recorded pace; None = as fast as the clients read.
        port: as of a simulator.
        tls: as of a simulator.

    Attributes:
        endpoints: as of a simulator; filled by :meth:`start`.
    """

    def __init__(
        self, records: Iterable[CaptureRecord], venues: Sequence[str], *, speed: float | None, port: int,
        tls: ssl.SSLContext | None,
    ) -> None:  # fmt: skip
        self._players = {
            venue: PlaybackServer(
                records, venue=venue, speed=speed, request_timeout_s=_REQUEST_TIMEOUT_S, timeout_s=_CLIENT_TIMEOUT_S
            )
            for venue in venues
        }
        self._ports = Ports(port, tls)
        self.endpoints: dict[str, dict[str, str]] = {}

    async def start(self) -> None:
        """Listen on loopback.

        Raises:
            CapacityError: a port is taken.
        """
        await self._ports.open(self._accept, self._rest(), self._control())
        for venue in self._players:
            self.endpoints[venue] = {"ws": f"{self._ports.ws_url}{SOCKET_PATHS[venue]}", "rest": self._ports.rest_url}
        self.endpoints["control"] = {"rest": self._ports.control_url}

    async def work(self) -> None:
        """Play; returns when every venue's last frame has been taken.

        Raises:
            PlaybackError: a client does not answer.
        """
        async with TaskScope() as scope:
            for task in [scope.start(player.finished()) for player in self._players.values()]:
                await task

    async def stop(self) -> None:
        """Stop playing, drop every client and close every port."""
        for player in self._players.values():
            await player.stop()
        await self._ports.close()

    def counts(self) -> dict[str, Any]:
        """What has been played, by venue."""
        return {
            venue: {**msgspec.structs.asdict(player.counts()), "position": player.position}
            for venue, player in self._players.items()
        }

    def _accept(self, request: picows.WSUpgradeRequest) -> PlaybackLink | None:
        path = request.path.decode().partition("?")[0]
        for venue, player in self._players.items():
            if VENUE_TYPES[venue].serves(path):
                return player.accept(request)
        return None

    def _rest(self) -> web.Application:
        roots = sorted(self._players, key=lambda venue: len(VENUE_TYPES[venue].rest_root), reverse=True)

        async def answer(request: web.Request) -> web.StreamResponse:
            for venue in roots:
                if request.path.startswith(VENUE_TYPES[venue].rest_root):
                    return await self._players[venue].answer(request)
            raise web.HTTPNotFound(text="no path of a venue in the recording")

        application = web.Application()
        application.router.add_get("/{path:.*}", answer)
        return application

    def _control(self) -> web.Application:
        async def counts(_: web.Request) -> web.Response:
            return web.Response(body=msgspec.json.encode(self.counts()), content_type="application/json")

        application = web.Application()
        application.router.add_get("/counts", counts)
        return application
