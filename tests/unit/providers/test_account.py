"""The private half of a provider over days that pass in a moment: logins, tokens, handovers, refusals (BOOK-30)."""

from __future__ import annotations

import asyncio
import base64
import json
import logging
from typing import Any

import pytest

from engine.base.errors import AuthError
from engine.providers.account import LOGIN_WITHIN_S
from tests.unit.providers.private_kit import SEED, VENUES, PrivateClient, PrivateVenue, client_of, held
from tests.unit.providers.virtual_time import START_NS, in_virtual_time, now_s, pass_s, reached

pytestmark = pytest.mark.timeout(30)  # days of virtual time, on a machine that may be busy
DAY_S = 86_400.0
FIRST_WORDS: dict[str, list[str]] = {
    "binance": ["session.logon", "userDataStream.subscribe", "account.status"],
    "coinbase": ["heartbeats", "user"],
    "kraken": ["executions", "balances"],
}
OWN_ADDRESS = {
    "binance": "wss://ws-api.binance.com:443/ws-api/v3",
    "coinbase": "wss://advanced-trade-ws-user.coinbase.com",
    "kraken": "wss://ws-auth.kraken.com/v2",
}
FINAL: dict[str, Any] = {
    "binance": (-2015, "Invalid API-key, IP, or permissions for action."),
    "coinbase": "authentication failure",
    "kraken": "EGeneral:Permission denied",
}
DOUBTFUL: dict[str, Any] = {
    "binance": (-1021, "Timestamp for this request is outside of the recvWindow."),
    "coinbase": "authentication failure",
    "kraken": "EAPI:Invalid token",
}


def words(venue: str, message: dict[str, Any]) -> str:
    found: str = message["method"] if venue == "binance" else message.get("channel") or message["params"]["channel"]
    return found


def claims(token: str) -> dict[str, Any]:
    part = token.split(".")[1]
    found: dict[str, Any] = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    return found


def engine_tasks() -> int:
    """All but those of the venue's own connections by REST."""
    return sum("RequestHandler" not in repr(task.get_coro()) for task in asyncio.all_tasks())


# --- logging in ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", VENUES)
def test_where_the_private_connection_goes_and_what_it_says_first(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        async with PrivateVenue(name) as venue, held(venue, monkeypatch) as it:
            await reached(lambda: it.account.is_up and len(venue.clients[0].said) == len(FIRST_WORDS[name]))
            assert venue.clients[0].path == "/private"
            assert [words(name, message) for message in venue.clients[0].said] == FIRST_WORDS[name]
            assert it.states() == ["up"]
            feed, credentials = it.session.feed, it.session.settings.credentials
            assert credentials.api_key_env == "A_KEY"
            assert it.account.new_stream().url.endswith("/private")
            from engine.providers.credentials import Credentials

            key = Credentials("k", SEED, "ed25519")
            assert feed.private_half(key, None, None, lambda: START_NS).new_stream().url == OWN_ADDRESS[name]

    in_virtual_time(main())


def test_a_key_that_cannot_log_on_signs_the_subscription_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        async with PrivateVenue("binance") as venue, held(venue, monkeypatch, kind="hmac") as it:
            await reached(lambda: it.account.is_up and len(venue.clients[0].said) == 2)
            assert [one["method"] for one in venue.clients[0].said] == [
                "userDataStream.subscribe.signature", "account.status",
            ]  # fmt: skip
            assert all("signature" in one["params"] for one in venue.clients[0].said)

    in_virtual_time(main())


# --- days ---------------------------------------------------------------------------------------------------


def test_a_connection_is_replaced_within_24_h_by_one_that_is_logged_in_BOOK_05(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def main() -> None:
        async with PrivateVenue("binance") as venue, held(venue, monkeypatch) as it:
            await reached(lambda: it.account.is_up)
            await pass_s(DAY_S)
            tasks = engine_tasks()
            await pass_s(DAY_S)
            assert engine_tasks() == tasks
            assert sum(client.is_open for client in venue.clients) == 1
            assert len(it.account._links) == 1
            assert it.account.logins == len(venue.logins) == len(venue.clients) == 3
            for place, client in enumerate(venue.clients[:-1]):
                assert isinstance(client, PrivateClient)
                assert client.closed_s is not None
                assert client.closed_s < venue.logins[place][0] + DAY_S
                # The one after it was logged in before it closed: nobody was away.
                assert venue.logins[place + 1][0] < client.closed_s
            assert it.states() == ["up"]
            assert len({message["params"]["timestamp"] for _, message in venue.logins}) == 3
            assert [one.epoch for one in it.events] == [1, 2, 3]

    in_virtual_time(main())


@pytest.mark.parametrize("name", VENUES)
def test_each_login_of_a_day_of_losses_is_signed_anew_and_nothing_grows(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main() -> None:
        async with PrivateVenue(name) as venue, held(venue, monkeypatch) as it:
            await reached(lambda: it.account.is_up)
            await pass_s(1.0)
            tasks = engine_tasks()
            for lost in range(24):
                client = await client_of(venue)
                client.transport.disconnect(graceful=False)
                await reached(lambda lost=lost: it.account.logins == lost + 2)  # type: ignore[misc]
                await pass_s(3600.0)
            assert engine_tasks() == tasks
            assert len(it.account._links) == 1
            assert it.states() == ["up", *("down", "up") * 24]
            assert sorted({one.epoch for one in it.events}) == list(range(1, 26))
            assert len(it.events) <= 25 + (name == "kraken")  # what is held is asked for once it is known what there is
            signed = [json.dumps(message) for _, message in venue.logins]
            assert len(set(signed)) == 25
            for at_s, message in venue.logins:
                if name == "coinbase":
                    token = claims(message["jwt"])
                    assert token["nbf"] <= START_NS / 1e9 + at_s < token["exp"] <= token["nbf"] + 120
                elif name == "kraken":
                    assert message["params"]["token"].startswith("token-")
                else:
                    assert abs(message["params"]["timestamp"] - (START_NS // 1_000_000 + at_s * 1e3)) < 1000
            if name == "kraken":
                nonces = [int(body.partition("nonce=")[2]) for body in venue.asked]
                assert nonces == sorted(set(nonces))
                assert len(nonces) == 25

    in_virtual_time(main())


# --- what a venue refuses -----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", VENUES)
def test_a_refused_key_is_told_once_and_not_tried_again_BOOK_03(
    name: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        async with PrivateVenue(name) as venue, held(venue, monkeypatch) as it:
            venue.refusals.extend([FINAL[name]] * 100)
            await reached(lambda: it.account.state == "refused")
            attempts = len(venue.clients)
            # A refusal of Coinbase may be the clock's fault: its words do not say.
            assert attempts == len(venue.logins) == (2 if name == "coinbase" else 1)
            await pass_s(DAY_S)
            assert len(venue.clients) == attempts
            assert not any(client.is_open for client in venue.clients)
            assert it.states() == ["refused"]
            error = it.account.error
            assert isinstance(error, AuthError)
            said = FINAL[name][1] if name == "binance" else FINAL[name]
            assert str(error) == f"[{name}] account.open failed: the venue refuses the login: {said} (code: auth)"
            assert "check --online" in error.hint
            errors = [record for record in caplog.records if record.levelno >= logging.ERROR]
            assert [said in record.getMessage() for record in errors if "account" in record.getMessage()] == [True]

    in_virtual_time(main())


@pytest.mark.parametrize("name", VENUES)
def test_what_a_fresh_clock_or_token_may_heal_is_tried_once_more(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        async with PrivateVenue(name) as venue, held(venue, monkeypatch) as it:
            venue.offset_ns = -20_000_000_000
            venue.refusals.append(DOUBTFUL[name])
            await reached(lambda: it.account.is_up)
            assert len(venue.logins) == 2
            assert it.states() == ["up"]
            # The second one is by the venue's clock.
            _, message = venue.logins[1]
            now_s_there = START_NS / 1e9 + venue.logins[1][0] - 20
            if name == "coinbase":
                assert abs(claims(message["jwt"])["nbf"] + 5 - now_s_there) <= 2
            elif name == "binance":
                assert abs(message["params"]["timestamp"] / 1e3 - now_s_there) < 1

    in_virtual_time(main())


def test_a_second_doubt_ends_it(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        async with PrivateVenue("binance") as venue, held(venue, monkeypatch) as it:
            venue.refusals.extend([DOUBTFUL["binance"]] * 5)
            await reached(lambda: it.account.state == "refused")
            await pass_s(3600.0)
            assert len(venue.logins) == 2

    in_virtual_time(main())


def test_a_token_that_is_refused_ends_it_and_a_nonce_is_tried_once_more(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        async with PrivateVenue("kraken") as venue, held(venue, monkeypatch) as it:
            venue.refusals.append("token:EAPI:Invalid nonce")
            await reached(lambda: it.account.is_up)
            (await client_of(venue)).transport.disconnect(graceful=False)
            venue.refusals.extend(["token:EAPI:Invalid key"] * 9)
            await reached(lambda: it.account.state == "refused")
            calls = venue.calls.count("/0/private/GetWebSocketsToken")
            await pass_s(DAY_S)
            assert venue.calls.count("/0/private/GetWebSocketsToken") == calls == 3
            assert "EAPI:Invalid key" in it.account.cause

    in_virtual_time(main())


def test_a_key_that_is_revoked_while_it_is_used_is_told_once(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        async with PrivateVenue("binance") as venue, held(venue, monkeypatch) as it:
            await reached(lambda: it.account.is_up)
            code, said = FINAL["binance"]
            (await client_of(venue)).send({"id": None, "status": 401, "error": {"code": code, "msg": said}})
            await reached(lambda: not venue.clients[0].is_open)
            await pass_s(DAY_S)
            assert it.states() == ["up", "refused"]
            assert len(venue.clients) == 1

    in_virtual_time(main())


def test_an_address_that_refuses_the_upgrade_is_told_once_BOOK_03(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        async with PrivateVenue("binance") as venue:
            venue.is_closed = True
            async with held(venue, monkeypatch) as it:
                await reached(lambda: it.account.state == "refused")
                await pass_s(3600.0)
                assert it.states() == ["refused"]
                assert venue.upgrades == 1
                assert it.account.error is not None
                assert "ws_private_endpoint" in it.account.error.hint

    in_virtual_time(main())


def test_a_busy_venue_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        async with PrivateVenue("kraken") as venue, held(venue, monkeypatch) as it:
            venue.refusals.extend(["token:EService:Unavailable"] * 4)
            await reached(lambda: it.account.is_up)
            assert it.account.error is None
            assert venue.calls.count("/0/private/GetWebSocketsToken") == 5

    in_virtual_time(main())


def test_a_secret_that_is_no_key_is_told_and_connects_nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        async with PrivateVenue("binance") as venue, held(venue, monkeypatch, kind="rsa") as it:
            await pass_s(60.0)
            assert venue.clients == []
            assert (it.account.state, it.states()) == ("refused", ["refused"])
            assert "no rsa key" in it.account.cause

    in_virtual_time(main())


def test_a_login_that_is_not_answered_is_made_again_over_another_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        async with PrivateVenue("binance") as venue, held(venue, monkeypatch) as it:
            venue.is_silent = True
            await reached(lambda: len(venue.clients) == 2)
            assert now_s() >= LOGIN_WITHIN_S
            venue.is_silent = False
            await reached(lambda: it.account.is_up)
            causes = [row["cause"] for kind, row in it.told if kind == "connection.state"]
            assert causes == [f"no answer to the login for {LOGIN_WITHIN_S:g} s", "logged in"]

    in_virtual_time(main())


# --- the stream ---------------------------------------------------------------------------------------------


EVENT = {
    "e": "executionReport", "E": 1, "s": "BTCUSDT", "c": "theirs", "C": "", "S": "BUY", "x": "NEW", "X": "NEW", "r": "NONE",
    "i": 42, "q": "5", "l": "0", "z": "0", "L": "0", "Z": "0", "n": "0", "N": None, "T": 2, "t": -1, "m": False, "O": 1,
}  # fmt: skip
ENTRY = {"order_id": "O-42", "exec_type": "new", "order_status": "new", "timestamp": "2026-11-20T10:00:00Z"}
ORDERS: dict[str, tuple[Any, str]] = {
    "binance": ({"subscriptionId": 0, "event": EVENT}, "42"),
    "kraken": ({"channel": "executions", "type": "update", "sequence": 2, "data": [ENTRY]}, "O-42"),
}


@pytest.mark.parametrize("name", ORDERS)
def test_an_order_of_somebody_else_is_counted_told_and_kept_ORDM_22(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        async with PrivateVenue(name) as venue, held(venue, monkeypatch) as it:
            await it.balances_known()
            told = len(it.events)
            message, order = ORDERS[name]
            (await client_of(venue)).send(message)
            await reached(lambda: it.account.orders_told == 1)
            assert ("order.foreign", {"provider": name, "venue_order_id": order}) in it.told
            (letter,) = [one for one in it.engine.dlq.records() if one.reason.text == "foreign_order"]
            assert letter.raw is not None
            assert json.loads(letter.raw) == message
            assert len(it.events) == told

    in_virtual_time(main())


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("kraken", {"channel": "executions", "type": "update", "sequence": 3, "data": []}),
        ("coinbase", {"channel": "user", "timestamp": "x", "sequence_num": 99, "events": []}),
        ("binance", {"subscriptionId": 0, "event": {"e": "eventStreamTerminated", "E": 1}}),
    ],
)
def test_a_stream_that_lost_something_begins_anew(name: str, message: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        async with PrivateVenue(name) as venue, held(venue, monkeypatch) as it:
            await reached(lambda: bool(it.events))
            (await client_of(venue)).send(message)
            await reached(lambda: it.account.logins == 2)
            assert it.states() == ["up", "down", "up"]

    in_virtual_time(main())


@pytest.mark.parametrize("frame", [b"{", b"[]", b'{"subscriptionId":0,"event":{"e":"outboundAccountPosition"}}', b'{"id":1}'])
def test_a_frame_that_cannot_be_read_is_kept_and_the_stream_goes_on(
    frame: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main() -> None:
        async with PrivateVenue("binance") as venue, held(venue, monkeypatch) as it:
            await reached(lambda: bool(it.events))
            (await client_of(venue)).send(frame)
            await reached(lambda: it.engine.reporting.rejected_frames["binance", "bad_value"] == 1)
            assert it.account.is_up

    in_virtual_time(main())


def test_a_shutdown_notice_is_met_by_a_second_connection_BOOK_05(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        async with PrivateVenue("binance") as venue, held(venue, monkeypatch) as it:
            await reached(lambda: bool(it.events))
            (await client_of(venue)).send({"event": {"e": "serverShutdown", "E": 1}})
            await reached(lambda: len(venue.clients) == 2 and not venue.clients[0].is_open)
            assert it.account.logins == 2
            assert it.states() == ["up"]

    in_virtual_time(main())
