"""A provider's live half against a venue on loopback: catalogue, connections, losses, snapshots."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from random import Random
from typing import Any

import pytest

from engine.base.clock import SystemClock
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
from engine.config.load import default_config
from engine.config.sections_providers import ConnectionConfig, ProviderConfig
from engine.providers.backoff import Backoff
from engine.providers.budget import RestBudget, RestLimits
from engine.providers.feed import Feed
from engine.providers.rest import RestClient
from engine.providers.session import Session
from engine.providers.snapshots import RESUBSCRIBED_MAX
from engine.runtime.assembly import Engine
from engine.schema.enums import BookReason
from tests.unit.providers.coinbase import frames as coinbase
from tests.unit.providers.kraken import frames as kraken
from tests.unit.providers.simulated import frames as simulated
from tests.unit.providers.socket_kit import ScriptedVenue, on_loop, until

EXCHANGE_INFO = json.dumps(
    {
        "symbols": [
            {"symbol": f"{base}USDT", "status": "TRADING", "baseAsset": base, "quoteAsset": "USDT"}
            for base in ("AB", "CD", "E€")
        ]
    }
).encode()
QUICK = {"backoff_min_ms": 10, "backoff_max_ms": 10}
SYMBOLS = {"binance": ("ABUSDT", "CDUSDT"), "coinbase": ("A-USD", "B-USD"), "kraken": ("A/B", "C/D"),
           "simulated": ("A-B", "C-D")}  # fmt: skip


class Live:
    """A session whose engine keeps what it was told."""

    def __init__(self, session: Session, feed: Feed) -> None:
        self.session = session
        self.feed = feed
        self.told: list[tuple[str, dict[str, Any]]] = []

    def states(self) -> list[str]:
        return [metadata["state"] for kind, metadata in self.told if kind == "connection.state"]

    def is_valid(self, place: int = 0) -> bool:
        return bool(self.feed.stream.book_list()[place].is_valid)

    def resyncs(self, place: int = 0) -> dict[str, int]:
        counts: dict[str, int] = self.feed.stream.book_list()[place].counts_by_reason()
        return counts


@asynccontextmanager
async def live(
    venue: ScriptedVenue, name: Any = "binance", *, connect: bool = True, **connection: int
) -> AsyncIterator[Live]:
    settings = ProviderConfig(
        name=name,
        venue=name,
        symbols=("AB-USDT",),
        streams=("book",),
        ws_endpoint=venue.ws_url,
        rest_endpoint=venue.rest_url,
        connection=ConnectionConfig(**(QUICK | connection)),
    )
    with Engine(default_config(), SystemClock()) as engine:
        engine.start()
        feed = engine.open_provider(name, name)
        for symbol in SYMBOLS[name]:
            engine.carry(feed, feed.guess_instrument(symbol))
        session = Session(feed, settings, engine.clock, tell=engine.reporting.tell, random=Random(1))
        found = Live(session, feed)
        engine.reporting.watchers.append(lambda kind, metadata: found.told.append((kind, dict(metadata))))
        async with session:
            if connect:
                await session.connect()
            yield found


def depth(book_id: int) -> bytes:
    return b'{"lastUpdateId":%d,"bids":[["10.0","1.0"]],"asks":[["11.0","2.0"]]}' % book_id


def diff(first_id: int, final_id: int, symbol: str = "ABUSDT") -> dict[str, Any]:
    row = {"e": "depthUpdate", "E": 1, "s": symbol, "U": first_id, "u": final_id}
    return {"stream": f"{symbol.lower()}@depth@100ms", "data": {**row, "b": [["9.5", "1.5"]], "a": []}}


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


# --- snapshots by REST --------------------------------------------------------------------------------------


def test_the_first_diff_brings_a_snapshot_and_the_book_stands() -> None:
    async def main() -> None:
        async with ScriptedVenue() as venue:
            venue.answers.append(depth(10))
            async with live(venue) as it:
                client = await venue.client()
                assert client.path.startswith("/stream?streams=abusdt@depth@100ms/cdusdt@depth@100ms")
                client.send(diff(9, 11), diff(12, 13))
                await until(it.is_valid)
                assert venue.asked == ["/api/v3/depth?symbol=ABUSDT&limit=1000"]

    on_loop(main())


def test_a_snapshot_that_is_too_old_or_refused_is_asked_for_again() -> None:
    async def main() -> None:
        async with ScriptedVenue() as venue:
            venue.answers.extend([503, depth(3), depth(10)])
            async with live(venue) as it:
                (await venue.client()).send(diff(9, 11))
                await until(it.is_valid)
                assert len(venue.asked) == 3
                state = it.feed.stream.symbol_states()[0]  # type: ignore[attr-defined]
                assert (state.continuity.snapshots, state.continuity.snapshots_too_old) == (2, 1)

    on_loop(main())


def test_one_request_at_a_time_for_a_book_and_each_book_its_own() -> None:
    async def main() -> None:
        async with ScriptedVenue() as venue:
            venue.answers.append(asyncio.get_running_loop().create_future())
            async with live(venue) as it:
                (await venue.client()).send(diff(9, 11), diff(13, 14), diff(5, 6, "CDUSDT"), diff(20, 21))
                await until(lambda: len(venue.asked) == 2)
                it.session.refresh("ABUSDT")
                await it.session.round_trip()
                assert it.session.is_fetching("ABUSDT")
                assert sorted(venue.asked) == [
                    "/api/v3/depth?symbol=ABUSDT&limit=1000",
                    "/api/v3/depth?symbol=CDUSDT&limit=1000",
                ]

    on_loop(main())


def test_a_quiet_symbol_s_book_waits_for_no_message_BOOK_20(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.providers.snapshots.QUIET_S", 0.02)

    async def main() -> None:
        async with ScriptedVenue() as venue:
            venue.answers.append(depth(10))
            async with live(venue) as it:
                first = await venue.client()
                await until(lambda: it.is_valid() and it.is_valid(1))
                first.send(diff(11, 12))
                first.transport.disconnect()
                await venue.client(1)
                await until(lambda: it.resyncs() == {"reconnect": 1} and it.is_valid() and it.is_valid(1))
                assert sorted(venue.asked) == sorted(
                    f"/api/v3/depth?symbol={symbol}&limit=1000" for symbol in ("ABUSDT", "CDUSDT") for _ in range(2)
                )

    on_loop(main())


def test_a_book_in_sync_can_be_asked_for_anew() -> None:
    async def main() -> None:
        async with ScriptedVenue() as venue:
            venue.answers.append(depth(10))
            async with live(venue) as it:
                it.session.refresh("CDUSDT")
                await until(lambda: it.is_valid(1))
                assert venue.asked == ["/api/v3/depth?symbol=CDUSDT&limit=1000"]

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


# --- snapshots by subscription ------------------------------------------------------------------------------


def test_kraken_subscribes_one_book_anew_after_a_wrong_checksum() -> None:
    async def main() -> None:
        async with ScriptedVenue() as venue, live(venue, "kraken") as it:
            client = await venue.client()
            await until(lambda: len(client.said) == 2)
            client.send(kraken.snapshot(), kraken.snapshot(symbol="C/D"))
            await until(lambda: it.is_valid(0) and it.is_valid(1))
            client.send(kraken.book("update", kraken.entry({"10": "7"}, {}, 1)))
            await until(lambda: len(client.said) == 4)
            assert [one["method"] for one in client.said[1:]] == ["subscribe", "unsubscribe", "subscribe"]
            assert [one["params"]["symbol"] for one in client.said[2:]] == [["A/B"], ["A/B"]]
            assert not it.is_valid(0)
            assert it.is_valid(1)
            client.send(kraken.snapshot())
            await until(it.is_valid)

    on_loop(main())


def test_kraken_subscribes_books_lost_together_anew_by_one_request_BOOK_20() -> None:
    async def main() -> None:
        async with ScriptedVenue() as venue, live(venue, "kraken") as it:
            client = await venue.client()
            await until(lambda: len(client.said) == 2)
            client.send(kraken.snapshot(), kraken.snapshot(symbol="C/D"))
            await until(lambda: it.is_valid(0) and it.is_valid(1))
            client.send("{")  # it may have been of either
            await until(lambda: len(client.said) == 4)
            assert [one["method"] for one in client.said[2:]] == ["unsubscribe", "subscribe"]
            assert [one["params"]["symbol"] for one in client.said[2:]] == [["A/B", "C/D"]] * 2
            await it.session.round_trip()
            assert len(client.said) == 4

    on_loop(main())


def test_coinbase_subscribes_a_whole_connection_anew_once_after_a_gap() -> None:
    async def main() -> None:
        async with ScriptedVenue() as venue, live(venue, "coinbase") as it:
            client = await venue.client()
            await until(lambda: len(client.said) == 2)
            assert [one["channel"] for one in client.said] == ["heartbeats", "level2"]
            both = (coinbase.snapshot("A-USD"), coinbase.snapshot("B-USD"))
            client.send(coinbase.message(0, *both), coinbase.message(2))
            await until(lambda: len(client.said) == 4)
            assert [one["type"] for one in client.said[2:]] == ["unsubscribe", "subscribe"]
            assert client.said[3]["product_ids"] == ["A-USD", "B-USD"]
            assert (it.resyncs(0), it.resyncs(1)) == ({"gap": 1}, {"gap": 1})

    on_loop(main())


def test_the_plain_feed_subscribes_one_book_anew_after_a_gap_BOOK_12() -> None:
    async def main() -> None:
        async with ScriptedVenue() as venue, live(venue, "simulated") as it:
            client = await venue.client()
            await until(lambda: len(client.said) == 2)
            client.send(simulated.snapshot(), simulated.snapshot(symbol="C-D"))
            await until(lambda: it.is_valid(0) and it.is_valid(1))
            for number in (3, 4, 5):
                client.send(simulated.book("update", number, {"10.0": "7"}, {}, 1))
            await until(lambda: len(client.said) == 4)
            assert [(one["op"], one.get("symbols")) for one in client.said[2:]] == [
                ("unsubscribe", ["A-B"]), ("subscribe", ["A-B"]),
            ]  # fmt: skip
            assert (it.resyncs(0), it.resyncs(1)) == ({"gap": 1}, {})
            client.send(simulated.snapshot())
            await until(it.is_valid)

    on_loop(main())


def test_a_book_that_fails_again_and_again_waits_BOOK_17() -> None:
    async def main() -> None:
        async with ScriptedVenue() as venue, live(venue, "kraken", backoff_min_ms=60_000, backoff_max_ms=60_000) as it:
            client = await venue.client()
            for round_number in range(1, RESUBSCRIBED_MAX + 2):
                client.send(kraken.snapshot())
                await until(it.is_valid)
                client.send(kraken.book("update", kraken.entry({"10": "7"}, {}, 1)))
                await until(lambda: not it.is_valid())
                if round_number <= RESUBSCRIBED_MAX:
                    await until(lambda: len(client.said) == 2 + 2 * round_number)  # noqa: B023
            await it.session.round_trip()
            assert len(client.said) == 2 + 2 * RESUBSCRIBED_MAX

    on_loop(main())


# --- delays -------------------------------------------------------------------------------------------------


def test_delays_double_up_to_the_cap_with_full_jitter_BOOK_03() -> None:
    backoff, same = Backoff(0.5, 30.0, Random(7)), Backoff(0.5, 30.0, Random(7))
    delays = [backoff.next_s() for _ in range(40)]
    assert delays == [same.next_s() for _ in range(40)]
    bounds = [min(30.0, 0.5 * 2.0**attempt) for attempt in range(40)]
    assert all(0 <= delay <= bound for delay, bound in zip(delays, bounds, strict=True))
    assert min(delays[6:]) < 10 < 20 < max(delays[6:])
    backoff.reset()
    assert backoff.next_s() <= 0.5


def test_reasons_of_a_refresh_reach_the_venue_only_where_rest_has_snapshots() -> None:
    async def main() -> None:
        async with ScriptedVenue() as venue, live(venue, "kraken") as it:
            client = await venue.client()
            it.feed.want_snapshot(it.feed.stream, 0, BookReason.REFRESH)
            await until(lambda: len(client.said) == 4)
            assert venue.asked == []

    on_loop(main())
