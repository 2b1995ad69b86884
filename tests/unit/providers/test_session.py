"""A provider's live half against a venue on loopback: catalogue, connections, losses."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from engine.base.errors import (
    AuthError,
    NetworkError,
    NotFoundError,
    ProtocolError,
    RateLimitedError,
    UnavailableError,
    UnknownSymbolError,
    VenueError,
)
from engine.providers.budget import RestBudget, RestLimits
from engine.providers.rest import RestClient
from tests.unit.providers.session_kit import EXCHANGE_INFO, depth, diff, live
from tests.unit.providers.socket_kit import ScriptedVenue, on_loop, until

# --- the catalogue ------------------------------------------------------------------------------------------


def test_instruments_are_read_and_what_is_left_out_is_told() -> None:
    async def main() -> None:
        async with ScriptedVenue() as venue, live(venue, connect=False) as it:
            venue.answers.append(EXCHANGE_INFO)
            assert [one.symbol for one in await it.session.load_instruments()] == ["AB-USDT", "CD-USDT"]
            assert venue.asked == ["/api/v3/exchangeInfo"]
            assert [kind for kind, _ in it.told] == ["instrument.skipped"]
            assert [one.symbol for one in await it.session.configured_instruments()] == ["AB-USDT"]

    on_loop(main())


def test_a_symbol_that_is_not_listed_is_refused_by_name() -> None:
    async def main() -> None:
        async with ScriptedVenue() as venue, live(venue, connect=False) as it:
            venue.answers.append(b'{"symbols":[]}')
            with pytest.raises(UnknownSymbolError, match="AB-USDT is not listed"):
                await it.session.configured_instruments()

    on_loop(main())


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (b"<html>", ProtocolError),
        (500, UnavailableError),
        (429, RateLimitedError),
        (404, NotFoundError),
        (403, AuthError),
    ],
)
def test_a_bad_answer_is_an_error_of_its_kind(answer: Any, error: type[VenueError]) -> None:
    async def main() -> None:
        async with ScriptedVenue() as venue, live(venue, connect=False) as it:
            venue.answers.append(answer)
            venue.headers["Retry-After"] = "7"
            with pytest.raises(error) as caught:
                await it.session.load_instruments()
            if error is RateLimitedError:
                assert caught.value.retry_after_s == 7.0
                assert caught.value.http_status == 429
                assert caught.value.venue_message == "not now"

    on_loop(main())


def test_calls_that_wait_for_a_connection_stay_behind_when_the_venue_refuses_BOOK_07() -> None:
    async def main() -> None:
        async with ScriptedVenue() as venue:
            venue.answers.append(429)
            venue.headers["Retry-After"] = "7"
            budget = RestBudget(RestLimits(100, 60.0), 1.0)
            client = RestClient("binance", max_connections=2, budget=budget)
            calls = (client.get(f"{venue.rest_url}/{number}") for number in range(8))
            found = await asyncio.gather(*calls, return_exceptions=True)
            await client.close()
            assert [type(one) for one in found] == [RateLimitedError] * 8
            assert len(venue.asked) == 2
            assert budget.used(asyncio.get_running_loop().time()) == 2

    on_loop(main())


def test_an_address_where_nobody_listens_is_a_network_error() -> None:
    async def main() -> None:
        async with ScriptedVenue() as venue:
            gone = venue
        async with live(gone, connect=False) as it:
            with pytest.raises(NetworkError):
                await it.session.load_instruments()
            with pytest.raises(NetworkError, match=r"ws://127\.0\.0\.1"):
                await it.session.connect()

    on_loop(main())


# --- losses -------------------------------------------------------------------------------------------------


def test_a_lost_connection_voids_its_books_and_comes_back() -> None:
    async def main() -> None:
        async with ScriptedVenue() as venue:
            venue.answers.append(depth(10))
            async with live(venue) as it:
                first = await venue.client()
                first.send(diff(9, 11))
                await until(it.is_valid)
                first.transport.disconnect()
                second = await venue.client(1)
                assert not it.is_valid()
                assert it.resyncs() == {"reconnect": 1}
                await until(lambda: it.states() == ["up", "down", "up"])
                venue.answers[0] = depth(30)
                second.send(diff(30, 31))
                await until(it.is_valid)
                assert it.resyncs() == {"reconnect": 1}

    on_loop(main())


def test_a_snapshot_on_its_way_when_the_connection_goes_is_not_used() -> None:
    async def main() -> None:
        async with ScriptedVenue() as venue:
            slow: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
            venue.answers.extend([slow, depth(40)])
            async with live(venue) as it:
                first = await venue.client()
                first.send(diff(9, 11))
                await until(lambda: len(venue.asked) == 1)
                first.transport.disconnect()
                second = await venue.client(1)
                assert not it.session.is_fetching("ABUSDT")
                second.send(diff(40, 41))
                await until(it.is_valid)
                state = it.feed.stream.symbol_states()[0]  # type: ignore[attr-defined]
                assert (state.continuity.snapshots, state.continuity.gaps) == (1, 0)

    on_loop(main())


def test_attempts_go_on_until_one_succeeds() -> None:
    async def main() -> None:
        async with ScriptedVenue() as venue, live(venue) as it:
            first = await venue.client()
            await venue.stop_listening()
            first.transport.disconnect()
            await until(lambda: it.session.connections[0].backoff.attempts >= 3)
            assert it.states() == ["up", "down"]
            await venue.listen()
            await venue.client(1)
            await until(lambda: it.states() == ["up", "down", "up"])
            assert it.told[-1][1]["attempts"] >= 3

    on_loop(main())


def test_a_refusal_for_good_is_told_and_not_tried_again() -> None:
    async def main() -> None:
        async with ScriptedVenue() as venue, live(venue) as it:
            venue.refused_upgrades = 1
            (await venue.client()).transport.disconnect()
            await until(lambda: it.states() == ["up", "down", "refused"])
            assert venue.refused_upgrades == 0
            assert it.told[-1][1]["cause"].endswith("404")

    on_loop(main())


def test_a_close_with_1008_is_for_good() -> None:
    async def main() -> None:
        async with ScriptedVenue() as venue, live(venue) as it:
            (await venue.client()).transport.send_close(1008, b"policy")
            await until(lambda: it.states() == ["up", "down", "refused"])
            assert len(venue.clients) == 1

    on_loop(main())


def test_a_first_attempt_that_is_refused_raises() -> None:
    async def main() -> None:
        async with ScriptedVenue() as venue, live(venue, connect=False) as it:
            venue.refused_upgrades = 1
            with pytest.raises(AuthError) as caught:
                await it.session.connect()
            assert caught.value.http_status == 404

    on_loop(main())


def test_a_bug_behind_the_socket_ends_the_session() -> None:
    async def main() -> None:
        def fail(*args: object) -> None:
            raise ValueError("planted")

        async def body(venue: ScriptedVenue) -> None:
            async with live(venue) as it:
                it.feed.on_snapshot_request = fail
                (await venue.client()).send(diff(9, 11))
                await until(lambda: False)

        async with ScriptedVenue() as venue:
            with pytest.raises(ValueError, match="planted"):
                await body(venue)

    on_loop(main())


def test_closing_leaves_books_as_they_are_and_may_be_done_twice() -> None:
    async def main() -> None:
        async with ScriptedVenue() as venue:
            venue.answers.append(depth(10))
            async with live(venue) as it:
                client = await venue.client()
                client.send(diff(9, 11))
                await until(it.is_valid)
                await it.session.close()
                await it.session.close()
                await until(lambda: not client.is_open)
                assert it.is_valid()
                assert it.states() == ["up"]

    on_loop(main())
