"""One connection against a venue on loopback, in time that jumps: pacing, silence, age, limits, the way out."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import pairwise
from random import Random
from typing import Any

import picows
import pytest

from engine.base.workers import TaskScope
from engine.providers.backoff import Backoff
from engine.providers.connection import Connection, SocketSettings
from engine.providers.feed import ConnectionPlan
from engine.providers.limits import SocketLimits
from engine.providers.listener import HeldFrames
from engine.providers.pacing import SlidingWindow
from tests.unit.providers.socket_kit import Client, ScriptedVenue
from tests.unit.providers.virtual_time import in_virtual_time, now_s, pass_s, reached, virtual_clock

ASKED = SocketLimits(0.25, 5, 300, 300.0, has_heartbeat=False)
HEARD = SocketLimits(0.2, 8, 8, 1.0, has_heartbeat=True)

pytestmark = pytest.mark.timeout(20)  # hours of virtual time, on a machine that may be busy


class Told:
    """What a connection said of itself, with the time."""

    def __init__(self) -> None:
        self.states: list[tuple[str, str, float]] = []

    def __call__(self, connection: Connection, state: str, cause: str) -> None:
        self.states.append((state, cause, now_s()))

    def names(self) -> list[str]:
        return [state for state, _, _ in self.states]


def made(
    venue: ScriptedVenue, told: Any, limits: SocketLimits = ASKED, frames: tuple[bytes, ...] = (), **own: Any
) -> Connection:
    connects = SlidingWindow(limits.connects, limits.connects_within_s)
    return Connection(
        "test",
        0,
        ConnectionPlan(venue.ws_url, frames),
        HeldFrames(1 << 20),
        virtual_clock(),
        settings=SocketSettings(limits, connects, **own),
        backoff=Backoff(0.5, 30.0, Random(1)),
        on_state=told,
    )


@asynccontextmanager
async def standing(
    limits: SocketLimits = ASKED, frames: tuple[bytes, ...] = (), **own: Any
) -> AsyncIterator[tuple[ScriptedVenue, Connection, Told]]:
    told = Told()
    async with ScriptedVenue() as venue:
        connection = made(venue, told, limits, frames, **own)
        async with TaskScope() as scope:
            scope.start(connection.keep())
            await reached(lambda: connection.is_up)
            yield venue, connection, told
            await connection.close()


def test_control_frames_are_paced_and_in_order_BOOK_06() -> None:
    async def main() -> None:
        frames = tuple(b'{"n":%d}' % number for number in range(12))
        times: list[float] = []
        async with standing(frames=frames) as (venue, connection, _):
            client = venue.clients[0]
            for count in range(1, 13):
                await reached(lambda count=count: len(client.said) >= count)
                times.append(now_s())
            assert [one["n"] for one in client.said] == list(range(12))
            assert times[0] < 0.05
            gaps = [later - earlier for earlier, later in pairwise(times)]
            assert min(gaps) >= 0.24
            assert max(gaps) < 0.5
            await connection.settled()
            connection.send((b'{"n":99}',))
            await connection.settled()
            await reached(lambda: len(client.said) == 13)

    in_virtual_time(main())


def test_what_was_still_to_be_said_dies_with_the_socket() -> None:
    async def main() -> None:
        frames = (b'{"n":0}', b'{"n":1}', b'{"n":2}')
        async with standing(frames=frames) as (venue, _, told):
            venue.clients[0].transport.disconnect()
            await reached(lambda: told.names() == ["up", "down", "up"])
            await pass_s(5.0)
            assert [one["n"] for one in venue.clients[1].said] == [0, 1, 2]

    in_virtual_time(main())


class Deaf(Client):
    """Keeps the socket open and answers nothing any more."""

    is_deaf = True

    def on_ws_frame(self, transport: picows.WSTransport, frame: picows.WSFrame) -> None:
        if not self.is_deaf:
            super().on_ws_frame(transport, frame)


class DeafVenue(ScriptedVenue):
    def _accept(self, request: picows.WSUpgradeRequest) -> Client | None:
        return Deaf(request.path.decode(), self.clients)

    async def listen(self) -> None:
        self._server = await picows.ws_create_server(self._accept, "127.0.0.1", self._port, enable_auto_pong=False)
        self._port = self._server.sockets[0].getsockname()[1]


def test_a_muted_socket_is_left_within_30_s_BOOK_02() -> None:
    async def main() -> None:
        told = Told()
        async with DeafVenue() as venue:
            connection = made(venue, told)
            async with TaskScope() as scope:
                scope.start(connection.keep())
                await reached(lambda: "down" in told.names())
                state, cause, at_s = told.states[1]
                assert (state, cause) == ("down", "no answer to a ping for 5 s")
                assert 25.0 <= at_s <= 26.0
                await reached(lambda: told.names() == ["up", "down", "up"])
                await connection.close()

    in_virtual_time(main())


def test_a_venue_that_answers_pings_is_left_alone_for_an_hour_however_silent_BOOK_02() -> None:
    async def main() -> None:
        async with standing() as (venue, _, told):
            await pass_s(3600.0)
            assert told.names() == ["up"]
            assert len(venue.clients) == 1

    in_virtual_time(main())


def test_five_seconds_without_a_heartbeat_begin_a_reconnect_within_10_s_BOOK_02() -> None:
    async def main() -> None:
        async with standing(HEARD) as (venue, _, told):
            client = venue.clients[0]
            for _ in range(60):
                client.send(b'{"channel":"heartbeat"}')
                await pass_s(1.0)
            assert told.names() == ["up"]
            silent_from_s = now_s()
            await reached(lambda: "down" in told.names())
            _, cause, at_s = told.states[1]
            assert cause == "no frame for 5 s"
            assert at_s - silent_from_s <= 6.1

    in_virtual_time(main())


def test_a_pause_of_ours_is_not_held_against_the_venue() -> None:
    async def main() -> None:
        async with standing(HEARD) as (venue, connection, told):
            connection.pause()
            venue.clients[0].send(*[b'{"n":1}'] * 5)
            await pass_s(60.0)
            assert told.names() == ["up"]
            assert connection.sink.held_bytes == 0  # type: ignore[attr-defined]
            connection.resume()
            await reached(lambda: connection.sink.held_bytes == 35)  # type: ignore[attr-defined]
            assert told.names() == ["up"]
            await reached(lambda: "down" in told.names(), 6.1)

    in_virtual_time(main())


def test_connects_stay_within_the_venues_window_BOOK_06() -> None:
    async def main() -> None:
        limits = SocketLimits(0.25, 5, 4, 60.0, has_heartbeat=False)
        async with standing(limits) as (venue, connection, told):
            for count in range(1, 21):
                await reached(lambda count=count: len(venue.clients) == count and connection.is_up)
                venue.clients[-1].transport.disconnect()
                await reached(lambda: not connection.is_up)
            times = [at_s for state, _, at_s in told.states if state == "up"]
            assert len(times) == 20
            for start in times:
                assert sum(start <= one < start + 60.0 - 0.05 for one in times) <= 4

    in_virtual_time(main())


def test_a_healthy_minute_makes_the_next_delay_a_first_one_BOOK_03() -> None:
    async def main() -> None:
        async with standing() as (venue, connection, _):
            for stood_s, attempts in ((1.0, 1), (59.0, 2), (60.0, 1)):
                await pass_s(stood_s)
                count = len(venue.clients)
                venue.clients[-1].transport.disconnect()
                await reached(lambda count=count: len(venue.clients) == count + 1 and connection.is_up)
                assert connection.backoff.attempts == attempts

    in_virtual_time(main())


def test_only_attempts_in_a_row_that_bring_nothing_make_the_delays_grow_BOOK_20() -> None:
    async def main() -> None:
        async with standing() as (venue, connection, _):
            # Short-lived ones make the delays grow ..
            for _ in range(12):
                count = len(venue.clients)
                venue.clients[-1].transport.disconnect()
                await reached(lambda count=count: len(venue.clients) == count + 1 and connection.is_up, 31.0)
            # .. and so does one that says nothing, however long it stands; one that speaks does not.
            failures = []
            delays_s = []
            for stood_s, speaks in ((9.0, True), (11.0, False), *[(11.0, True)] * 20):
                client = venue.clients[-1]
                if speaks:
                    client.send(b"{}")
                await pass_s(stood_s)
                lost_s, count = now_s(), len(venue.clients)
                client.transport.disconnect()
                await reached(lambda count=count: len(venue.clients) == count + 1 and connection.is_up, 31.0)
                failures.append(connection.backoff.attempts)
                delays_s.append(now_s() - lost_s)
            assert failures == [13, 14, *[1] * 20]
            assert max(delays_s[2:]) < 0.7

    in_virtual_time(main())


def test_a_venue_that_listens_again_is_begun_with_anew() -> None:
    async def main() -> None:
        async with standing() as (venue, connection, _):
            await venue.stop_listening()
            venue.clients[-1].transport.disconnect()
            await pass_s(300.0)
            assert connection.backoff.attempts >= 8
            venue.failing_upgrades = 3
            await venue.listen()
            back_s = now_s()
            await reached(lambda: connection.is_up)
            # A look a second, and delays within 0.5, 1 and 2 s.
            assert now_s() - back_s < 5.0
            assert venue.failing_upgrades == 0

    in_virtual_time(main())


def test_a_venue_that_is_away_is_told_once_and_tried_until_it_is_there() -> None:
    async def main() -> None:
        told = Told()
        async with ScriptedVenue() as venue:
            await venue.stop_listening()
            connection = made(venue, told)
            async with TaskScope() as scope:
                scope.start(connection.keep())
                await pass_s(120.0)
                assert told.names() == ["down"]
                assert connection.backoff.attempts >= 4
                await venue.listen()
                await reached(lambda: connection.is_up, 31.0)
                assert told.names() == ["down", "up"]
                await connection.close()

    in_virtual_time(main())


def test_a_venue_that_was_away_for_long_is_found_within_5_s_of_its_return() -> None:
    async def main() -> None:
        async with standing() as (venue, connection, told):
            for away_s in (10.0, 100.0, 1000.0):
                before = connection.backoff.attempts
                await venue.stop_listening()
                venue.clients[-1].transport.disconnect()
                await pass_s(away_s)
                assert not connection.is_up
                attempts = connection.backoff.attempts - before
                await venue.listen()
                back_s = now_s()
                await reached(lambda: connection.is_up)
                assert now_s() - back_s <= 2.5
                assert attempts < 8 + away_s / 10
            assert told.names() == ["up", *["down", "up"] * 3]

    in_virtual_time(main())


def test_a_refused_upgrade_ends_the_first_attempt_for_good_BOOK_03() -> None:
    async def main() -> None:
        told = Told()
        async with ScriptedVenue() as venue:
            venue.refused_upgrades = 100
            await made(venue, told).keep()
            assert told.names() == ["refused"]
            assert venue.refused_upgrades == 99

    in_virtual_time(main())


def test_a_message_above_the_limit_ends_the_connection() -> None:
    async def main() -> None:
        async with standing(message_bytes_max=65_536) as (venue, _, told):
            venue.clients[0].send(b'{"x":"' + b"y" * 70_000 + b'"}')
            await reached(lambda: told.names() == ["up", "down", "up"])

    in_virtual_time(main())


@pytest.mark.parametrize("times", [1, 2])
def test_closing_may_be_done_again_ARC_10(times: int) -> None:
    async def main() -> None:
        async with standing() as (venue, connection, told):
            for _ in range(times):
                await connection.close()
            await reached(lambda: not venue.clients[0].is_open)
            assert told.names() == ["up"]

    in_virtual_time(main())
