"""Subscriptions that a venue does not grant: told once by name, not asked for again, and the others go on."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from engine.providers.feed import Wanted
from engine.schema.enums import BookReason
from tests.unit.providers.session_kit import Live, live
from tests.unit.providers.socket_kit import ScriptedVenue, on_loop, until


def skipped(it: Live) -> list[tuple[str, str]]:
    return [(row["venue_symbol"], row["why"]) for kind, row in it.told if kind == "instrument.skipped"]


def refused(words: str, **fields: Any) -> dict[str, Any]:
    return {"error": words, "method": "subscribe", "success": False, "time_in": "x", "time_out": "x", **fields}


def test_kraken_names_the_symbol_or_the_request_and_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        async with ScriptedVenue() as venue, live(venue, "kraken") as it:
            client = await venue.client()
            await until(lambda: len(client.said) == 2)
            number = client.said[1]["req_id"]
            words = "Subscription depth not supported"
            client.send(refused(words, req_id=number, symbol="A/B"))
            await until(lambda: len(skipped(it)) == 1)
            client.send(*[refused(words, req_id=number)] * 3)  # no symbol: both are meant, and one was told
            await until(lambda: len(skipped(it)) == 2)
            assert skipped(it) == [
                ("A-B", f"the venue refuses book of A-B: {words}"), ("C-D", f"the venue refuses book of C-D: {words}"),
            ]  # fmt: skip
            assert it.session.refusals.texts() == (f"book of A-B: {words}", f"book of C-D: {words}")
            (first, _) = [record.getMessage() for record in caplog.records if record.levelno == logging.ERROR]
            assert first.startswith(
                f"[kraken] subscribe failed: the venue refuses book of A-B: {words} (code: invalid_request); leave the "
            )

    on_loop(main())


def test_a_book_that_is_refused_is_asked_for_again_by_the_next_connection_alone() -> None:
    async def main() -> None:
        async with ScriptedVenue() as venue, live(venue, "kraken") as it:
            client = await venue.client()
            await until(lambda: len(client.said) == 2)
            client.send(refused("Currency pair not supported A/B", symbol="A/B", req_id=client.said[1]["req_id"]))
            await until(lambda: it.session.refusals.is_refused(0))
            it.session.snapshots.resubscribe(0, BookReason.GAP)
            it.session.snapshots.resubscribe(1, BookReason.GAP)
            await until(lambda: len(client.said) == 4)
            assert {tuple(one["params"]["symbol"]) for one in client.said[2:]} == {("C/D",)}
            client.transport.disconnect(graceful=False)
            client = await venue.client(1)
            await until(lambda: len(client.said) == 2)
            assert client.said[1]["params"]["symbol"] == ["A/B", "C/D"]
            assert not it.session.refusals.is_refused(0)

    on_loop(main())


def test_kraken_saying_that_one_has_it_already_is_no_refusal() -> None:
    async def main() -> None:
        async with ScriptedVenue() as venue, live(venue, "kraken") as it:
            client = await venue.client()
            client.send(refused("Already subscribed", symbol="A/B"), refused("Event rate exceeded"))
            await until(lambda: len(skipped(it)) == 1)
            assert skipped(it) == [("", "the venue refuses a request: Event rate exceeded")]

    on_loop(main())


def test_coinbase_leaves_out_of_its_acknowledgement_what_it_does_not_grant() -> None:
    async def main() -> None:
        async with ScriptedVenue() as venue, live(venue, "coinbase") as it:
            client = await venue.client()
            await until(lambda: len(client.said) == 2)
            assert [one["channel"] for one in client.said] == ["heartbeats", "level2"]
            beats = {"heartbeats": ["heartbeats"]}
            for number, current in enumerate((beats, {**beats, "level2": ["A-USD"]})):
                client.send({
                    "channel": "subscriptions", "timestamp": "2026-11-20T10:00:00Z", "sequence_num": number,
                    "events": [{"subscriptions": current}],
                })  # fmt: skip
            await until(lambda: len(skipped(it)) == 1)
            (told,) = skipped(it)
            assert told[0] == "B-USD"
            assert told[1].startswith("the venue refuses book of B-USD: ")
            assert it.session.refusals.is_refused(1)
            assert not it.session.refusals.is_refused(0)

    on_loop(main())


def test_coinbase_an_error_is_for_the_request_whose_turn_it_is() -> None:
    async def main() -> None:
        async with ScriptedVenue() as venue, live(venue, "coinbase") as it:
            client = await venue.client()
            await until(lambda: len(client.said) == 2)
            client.send({
                "channel": "subscriptions", "timestamp": "2026-11-20T10:00:00Z", "sequence_num": 0,
                "events": [{"subscriptions": {"heartbeats": ["heartbeats"]}}],
            })  # fmt: skip
            client.send(*[{"type": "error", "message": "authentication failure"}] * 2)
            await until(lambda: len(skipped(it)) == 3)
            assert skipped(it) == [
                ("A-USD", "the venue refuses book of A-USD: authentication failure"),
                ("B-USD", "the venue refuses book of B-USD: authentication failure"),
                ("", "the venue refuses a request: authentication failure"),
            ]

    on_loop(main())


def test_binance_refuses_a_whole_frame_by_its_number() -> None:
    async def main() -> None:
        async with ScriptedVenue() as venue, live(venue, "binance") as it:
            client = await venue.client()
            (connection,) = it.session.connections
            connection.send(it.feed.requests("subscribe", Wanted(("trade",)), ["ABUSDT", "CDUSDT"]))
            await until(lambda: len(client.said) == 1)
            client.send({"code": 2, "msg": "Invalid request: request ID", "id": client.said[0]["id"]})
            await until(lambda: len(skipped(it)) == 2)
            assert [symbol for symbol, _ in skipped(it)] == ["AB-USDT", "CD-USDT"]
            assert skipped(it)[0][1] == "the venue refuses trade of AB-USDT: Invalid request: request ID"

    on_loop(main())
