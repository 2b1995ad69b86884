"""The private half of a provider over days that pass in a moment: logins, tokens, handovers, refusals (BOOK-30)."""

from __future__ import annotations

import asyncio
import base64
import json
import logging
from typing import Any

import pytest

from engine.base.errors import AuthError, NotPermittedError
from engine.config.load import default_config
from engine.consumers.subscriptions import Subscription
from engine.providers.account import LOGIN_WITHIN_S
from engine.runtime.assembly import Engine
from engine.schema.enums import BalanceCause
from tests.unit.providers.private_kit import SEED, PrivateClient, PrivateVenue, held
from tests.unit.providers.virtual_time import START_NS, in_virtual_time, now_s, pass_s, reached

pytestmark = pytest.mark.timeout(30)  # days of virtual time, on a machine that may be busy
VENUES = ("binance", "coinbase", "kraken")
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


async def client_of(venue: PrivateVenue, number: int = -1) -> PrivateClient:
    client = venue.clients[number]
    assert isinstance(client, PrivateClient)
    return client


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
            assert feed.user_streams(key, None, None, lambda: START_NS)().url == OWN_ADDRESS[name]

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


@pytest.mark.parametrize("name", VENUES)
def test_balances_of_the_login_reach_a_consumer_EVT_21(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        async with PrivateVenue(name) as venue, held(venue, monkeypatch) as it:
            await reached(lambda: bool(it.events))
            (event,) = it.events
            assert (event.account, event.provider, event.symbol, event.asset) == (name, name, None, "BTC")
            # The stream of Kraken tells no holds.
            assert it.balances() == [("BTC", "1.75", "0.0" if name == "kraken" else "0.25")]
            assert event.total_raw == event.available_raw + event.held_raw
            assert (event.cause, event.delta_raw) == (BalanceCause.SNAPSHOT, None)
            assert 0 < event.ts_recv_ns <= event.ts_emit_ns

    in_virtual_time(main())


def test_coinbase_accounts_are_read_page_by_page(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        async with PrivateVenue("coinbase") as venue, held(venue, monkeypatch) as it:
            venue.balances = {f"A{number}": (str(number), "0.5") for number in range(8)}
            await reached(lambda: len(it.events) == 8)
            assert [event.asset for event in it.events] == list(venue.balances)
            assert venue.calls.count("/api/v3/brokerage/accounts") == 3

    in_virtual_time(main())


def test_a_snapshot_of_more_assets_than_a_mailbox_holds_is_delivered_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        async with PrivateVenue("binance") as venue, held(venue, monkeypatch) as it:
            venue.balances = {f"A{number}": ("1", "0") for number in range(1000)}
            await reached(lambda: it.account.is_up)
            await pass_s(1.0)
            assert [event.asset for event in it.events] == list(venue.balances)
            assert it.engine.dlq.records() == []

    in_virtual_time(main())


# --- days ---------------------------------------------------------------------------------------------------


def test_a_connection_is_replaced_within_24_h_by_one_that_is_logged_in_BOOK_05(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def main() -> None:
        async with PrivateVenue("binance") as venue, held(venue, monkeypatch) as it:
            await reached(lambda: it.account.is_up)
            await pass_s(DAY_S)
            tasks = len(asyncio.all_tasks())
            await pass_s(DAY_S)
            assert len(asyncio.all_tasks()) == tasks
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
            tasks = len(asyncio.all_tasks())
            for lost in range(24):
                client = await client_of(venue)
                client.transport.disconnect(graceful=False)
                await reached(lambda lost=lost: it.account.logins == lost + 2)  # type: ignore[misc]
                await pass_s(3600.0)
            assert len(asyncio.all_tasks()) == tasks
            assert len(it.account._links) == 1
            assert it.states() == ["up", *("down", "up") * 24]
            assert [one.epoch for one in it.events] == list(range(1, 26))
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


def test_binance_positions_are_balances_with_what_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        async with PrivateVenue("binance") as venue, held(venue, monkeypatch) as it:
            await reached(lambda: bool(it.events))
            client = await client_of(venue)
            event = {
                "e": "outboundAccountPosition", "E": 1_700_000_000_123, "u": 1,
                "B": [{"a": "BTC", "f": "1.00000001", "l": "0.5"}, {"a": "NIL", "f": "0.0", "l": "0"}],
            }  # fmt: skip
            client.send({"subscriptionId": 0, "event": event}, event)  # wrapped, then as older servers send it
            await reached(lambda: len(it.events) == 2)
            told = it.events[1]
            assert (told.asset_scale, told.total_raw, told.available_raw) == (8, 150_000_001, 100_000_001)
            assert (told.delta_raw, told.cause) == (-24_999_999, BalanceCause.OTHER)
            assert told.ts_venue_ns == 1_700_000_000_123_000_000
            await pass_s(1.0)
            assert len(it.events) == 2  # the same again is nothing new

    in_virtual_time(main())


def test_kraken_ledger_entries_are_balances_with_their_cause(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        async with PrivateVenue("kraken") as venue, held(venue, monkeypatch) as it:
            await reached(lambda: bool(it.events))
            client = await client_of(venue)
            rows = b'[{"asset":"BTC","balance":1.7500000001,"type":"trade"},{"asset":"EUR","balance":1e-2,"type":"deposit"}]'
            client.send(b'{"channel":"balances","type":"update","data":' + rows + b',"sequence":2}')
            await reached(lambda: len(it.events) == 3)
            assert [(one.asset, one.asset_scale, one.total_raw, one.cause) for one in it.events[1:]] == [
                ("BTC", 10, 17_500_000_001, BalanceCause.TRADE), ("EUR", 2, 1, BalanceCause.TRANSFER),
            ]  # fmt: skip

    in_virtual_time(main())


def test_a_ledger_entry_of_an_unknown_kind_is_no_guess_ARC_24(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        async with PrivateVenue("kraken") as venue, held(venue, monkeypatch) as it:
            await reached(lambda: bool(it.events))
            row = {"asset": "BTC", "balance": 9, "type": "never heard of"}
            (await client_of(venue)).send({"channel": "balances", "type": "update", "data": [row], "sequence": 2})
            await reached(lambda: it.engine.reporting.rejected_frames["kraken", "bad_value"] == 1)
            assert len(it.events) == 1

    in_virtual_time(main())


def test_coinbase_balances_are_asked_for_when_an_order_moves_and_at_most_once_a_second(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def main() -> None:
        async with PrivateVenue("coinbase") as venue, held(venue, monkeypatch) as it:
            await reached(lambda: bool(it.events))
            client, path = await client_of(venue), "/api/v3/brokerage/accounts"
            venue.balances["BTC"] = ("2.5", "0")
            for number in range(50):
                client.numbered("user", {"type": "update", "orders": [{"order_id": f"o-{number}", "status": "OPEN"}]})
            await reached(lambda: len(it.events) == 2)
            await pass_s(10.0)
            assert venue.calls.count(path) <= 4
            assert (it.events[1].total_raw, it.events[1].delta_raw) == (250, 75)
            assert it.account.orders_told == 50

    in_virtual_time(main())


ORDERS: dict[str, tuple[Any, str]] = {
    "binance": ({"subscriptionId": 0, "event": {"e": "executionReport", "E": 1, "i": 42}}, "42"),
    "kraken": ({"channel": "executions", "type": "update", "sequence": 2, "data": [{"order_id": "O-42"}]}, "O-42"),
}


@pytest.mark.parametrize("name", ORDERS)
def test_an_order_of_somebody_else_is_counted_told_and_kept_ORDM_22(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        async with PrivateVenue(name) as venue, held(venue, monkeypatch) as it:
            await reached(lambda: bool(it.events))
            message, order = ORDERS[name]
            (await client_of(venue)).send(message)
            await reached(lambda: it.account.orders_told == 1)
            assert ("order.foreign", {"provider": name, "venue_order_id": order}) in it.told
            (letter,) = [one for one in it.engine.dlq.records() if one.reason.text == "foreign_order"]
            assert letter.raw is not None
            assert json.loads(letter.raw) == message
            assert len(it.events) == 1

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


# --- who may have balances ----------------------------------------------------------------------------------


def test_balances_are_refused_where_no_provider_has_a_key_EVT_21() -> None:
    with Engine(default_config()) as engine:
        feed = engine.open_provider("binance", "binance")
        engine.carry(feed, feed.guess_instrument("BTCUSDT"))
        engine.add_consumer("one", type("One", (), {"on_event": lambda self, event, ctx: None})())
        with pytest.raises(NotPermittedError) as caught:
            engine.desk.subscribe(Subscription(consumer_id="one", symbol="BTC-USDT", event_types=("BalanceUpdate",)))
        assert caught.value.code == "auth"
