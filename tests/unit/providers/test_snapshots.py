"""Snapshots for books that need one: by REST, by a new subscription, one at a time (BOOK-12, BOOK-17, BOOK-20, BOOK-22)."""

from __future__ import annotations

import asyncio
from random import Random

import pytest

from engine.providers.backoff import Backoff
from engine.providers.snapshots import HELD_S, RESUBSCRIBED_MAX, Renewal
from engine.schema.enums import BookReason
from tests.unit.providers.coinbase import frames as coinbase
from tests.unit.providers.kraken import frames as kraken
from tests.unit.providers.session_kit import depth, diff, live
from tests.unit.providers.simulated import frames as simulated
from tests.unit.providers.socket_kit import ScriptedVenue, on_loop, until

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


class Longest(Random):
    """A source of chance that always draws the whole bound."""

    def uniform(self, a: float, b: float) -> float:
        return b


@pytest.mark.parametrize(("held_s", "waits_s"), [(0.1, [0, 0, 0, 0.5, 1, 2, 4]), (HELD_S + 0.1, [0, 0, 0, 0.5, 0.5, 0.5, 0.5])])
def test_a_book_that_held_for_a_while_does_not_wait_longer_each_time_BOOK_17(held_s: float, waits_s: list[float]) -> None:
    renewal = Renewal(Backoff(0.5, 30.0, Longest()))
    now_s, waited_s = 1000.0, []
    for _ in waits_s:
        waited_s.append(renewal.wait_s(now_s))
        now_s += waited_s[-1] + held_s
    assert waited_s == waits_s


def test_reasons_of_a_refresh_reach_the_venue_only_where_rest_has_snapshots() -> None:
    async def main() -> None:
        async with ScriptedVenue() as venue, live(venue, "kraken") as it:
            client = await venue.client()
            it.feed.want_snapshot(it.feed.stream, 0, BookReason.REFRESH)
            await until(lambda: len(client.said) == 4)
            assert venue.asked == []

    on_loop(main())
