"""What an account holds, told as events: over its stream, by REST where that has it, to whoever takes it (EVT-21)."""

from __future__ import annotations

import asyncio
from itertools import count
from typing import Any

import pytest

from engine.base import shares
from engine.base.errors import NotPermittedError
from engine.config.load import default_config
from engine.consumers.subscriptions import Subscription
from engine.observability.dlq import DlqReason
from engine.providers.account import ASK_AGAIN_S
from engine.runtime.assembly import Engine
from engine.schema.enums import BalanceCause
from tests.unit.providers.private_kit import VENUES, PrivateVenue, client_of, held
from tests.unit.providers.virtual_time import in_virtual_time, now_s, pass_s, reached

pytestmark = pytest.mark.timeout(30)  # hours of virtual time, on a machine that may be busy


# --- of a login ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", VENUES)
def test_balances_of_the_login_reach_a_consumer_EVT_21(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        async with PrivateVenue(name) as venue, held(venue, monkeypatch) as it:
            await it.balances_known()
            # The stream of Kraken tells no holds: they are asked for.
            told = [("BTC", "1.75", "0.0"), ("BTC", "1.75", "0.25")]
            assert it.balances() == (told if name == "kraken" else told[1:])
            for event in it.events:
                assert (event.account, event.provider, event.symbol, event.asset) == (name, name, None, "BTC")
                assert event.total_raw == event.available_raw + event.held_raw
                assert 0 < event.ts_recv_ns <= event.ts_emit_ns
            assert (it.events[0].cause, it.events[0].delta_raw) == (BalanceCause.SNAPSHOT, None)
            if name == "kraken":
                assert (it.events[1].cause, it.events[1].delta_raw) == (BalanceCause.ORDER, 0)

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
            await it.balances_known()
            client = await client_of(venue)
            rows = b'[{"asset":"BTC","balance":1.7500000001,"type":"trade"},{"asset":"EUR","balance":1e-2,"type":"deposit"}]'
            client.send(b'{"channel":"balances","type":"update","data":' + rows + b',"sequence":2}')
            await reached(lambda: len(it.events) == 4)
            assert [(one.asset, one.asset_scale, one.total_raw, one.held_raw, one.cause) for one in it.events[2:]] == [
                ("BTC", 10, 17_500_000_001, 2_500_000_000, BalanceCause.TRADE), ("EUR", 2, 1, 0, BalanceCause.TRANSFER),
            ]  # fmt: skip

    in_virtual_time(main())


def test_a_ledger_entry_of_an_unknown_kind_is_no_guess_ARC_24(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        async with PrivateVenue("kraken") as venue, held(venue, monkeypatch) as it:
            await it.balances_known()
            row = {"asset": "BTC", "balance": 9, "type": "never heard of"}
            (await client_of(venue)).send({"channel": "balances", "type": "update", "data": [row], "sequence": 2})
            await reached(lambda: it.engine.reporting.rejected_frames["kraken", "bad_value"] == 1)
            assert len(it.events) == 2

    in_virtual_time(main())


def test_coinbase_balances_are_asked_for_when_an_order_moves_and_at_most_once_a_second(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def main() -> None:
        async with PrivateVenue("coinbase") as venue, held(venue, monkeypatch) as it:
            await reached(lambda: bool(it.events))
            client, path = await client_of(venue), "/api/v3/brokerage/accounts"
            venue.balances["BTC"] = ("2.5", "0")
            order = {"client_order_id": "theirs", "cumulative_quantity": "0", "leaves_quantity": "1", "avg_price": "0",
                     "total_fees": "0", "status": "OPEN", "product_id": "BTC-USD"}  # fmt: skip
            for number in range(50):
                client.numbered("user", {"type": "update", "orders": [{**order, "order_id": f"o-{number}"}]})
            await reached(lambda: len(it.events) == 2)
            await pass_s(10.0)
            assert venue.calls.count(path) <= 4
            assert (it.events[1].total_raw, it.events[1].delta_raw) == (250, 75)
            assert it.account.orders_told == 50

    in_virtual_time(main())


def test_a_deposit_at_coinbase_is_seen_without_any_order(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        async with PrivateVenue("coinbase") as venue, held(venue, monkeypatch) as it:
            await it.balances_known()
            asked = venue.calls.count("/api/v3/brokerage/accounts")
            venue.balances["BTC"] = ("11.5", "0.25")
            deposited_s = now_s()
            await reached(lambda: len(it.events) == 2, 60.0)
            assert now_s() - deposited_s <= ASK_AGAIN_S + 1.5
            assert (it.events[1].total_raw, it.events[1].delta_raw, it.events[1].cause) == (1175, 1000, BalanceCause.OTHER)
            await pass_s(3600.0)
            assert len(it.events) == 2
            assert venue.calls.count("/api/v3/brokerage/accounts") - asked <= 3600 / ASK_AGAIN_S + 2

    in_virtual_time(main())


def test_what_kraken_s_orders_hold_is_asked_for_when_one_moves_and_at_most_once_a_second(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def main() -> None:
        async with PrivateVenue("kraken") as venue, held(venue, monkeypatch) as it:
            venue.balances = {"BTC": ("1.50", "0.25"), "DOGE": ("7", "0")}
            await reached(lambda: len(it.events) == 3)
            client = await client_of(venue)
            venue.balances["BTC"] = ("0.75", "1.00")
            for number in range(2, 52):
                order = {"order_id": f"O-{number}", "exec_type": "new"}
                client.send({"channel": "executions", "type": "update", "data": [order], "sequence": number})
            await reached(lambda: len(it.events) == 4)
            await pass_s(10.0)
            (moved,) = it.events[3:]
            assert (moved.asset, moved.total_raw, moved.held_raw, moved.cause) == ("BTC", 175, 100, BalanceCause.ORDER)
            assert len(venue.nonces) <= 4
            assert venue.nonces == sorted(set(venue.nonces))
            # Sold what was held, and not told yet: never more held than there is.
            client.send({"channel": "balances", "type": "update", "data": [{"asset": "BTC", "balance": 0.5, "type": "trade"}], "sequence": 2})
            await reached(lambda: len(it.events) == 5)
            assert (it.events[4].total_raw, it.events[4].available_raw) == (50, 0)

    in_virtual_time(main())


def test_a_consumer_that_begins_to_take_balances_is_told_those_that_are_known_EVT_21(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        async with PrivateVenue("binance") as venue, held(venue, monkeypatch) as it:
            venue.balances = {"BTC": ("1.50", "0.25"), "EUR": ("5", "0")}
            await reached(lambda: len(it.events) == 2)
            late: list[Any] = []

            class Late:
                def on_event(self, event: Any, ctx: Any) -> None:
                    late.append(event.detach())

            it.engine.add_consumer("late", Late()).start()
            wanted = Subscription(consumer_id="late", symbol="BTC-USD", event_types=("BalanceUpdate",))
            it.engine.desk.subscribe(wanted)
            it.engine.dispatcher.deliver()
            await reached(lambda: len(late) == 2)
            assert [(one.asset, one.total_raw, one.held_raw, one.cause, one.seq_provider) for one in late] == [
                ("BTC", 175, 25, BalanceCause.SNAPSHOT, 1), ("EUR", 5, 0, BalanceCause.SNAPSHOT, 2),
            ]  # fmt: skip
            (await client_of(venue)).send({"subscriptionId": 0, "event": {
                "e": "outboundAccountPosition", "E": 1, "B": [{"a": "EUR", "f": "6", "l": "0"}],
            }})  # fmt: skip
            await reached(lambda: len(late) == 3)
            assert (late[2].asset, late[2].total_raw, late[2].delta_raw, late[2].seq_provider) == ("EUR", 6, 1, 3)
            assert len(it.events) == 3

    in_virtual_time(main())


def test_an_amount_that_no_64_bits_hold_hides_no_other_asset_INS_01(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        async with PrivateVenue("binance") as venue, held(venue, monkeypatch) as it:
            venue.balances = {"BTC": ("1.50", "0"), "PEPE": ("1" + "0" * 11 + ".00000001", "0"), "EUR": ("5", "0")}
            await reached(lambda: len(it.events) == 2)
            assert [event.asset for event in it.events] == ["BTC", "EUR"]
            client = await client_of(venue)

            async def tell(amount: str, cents: str) -> None:
                rows = [{"a": "PEPE", "f": amount, "l": "0"}, {"a": "EUR", "f": cents, "l": "0"}]
                client.send({"subscriptionId": 0, "event": {"e": "outboundAccountPosition", "E": 1, "B": rows}})

            for number in range(1, 6):  # told once, however often it comes
                await tell("1" + "0" * 11 + ".00000001", f"5.0{number}")
                await reached(lambda count=2 + number: len(it.events) == count)  # type: ignore[misc]
            (letter,) = it.engine.dlq.records()
            assert (letter.reason, letter.count) == (DlqReason.SCALE_OVERFLOW, 1)
            assert "balance of PEPE" in letter.message
            await tell("7", "5.05")
            await reached(lambda: len(it.events) == 8)
            assert (it.events[7].asset, it.events[7].total_raw) == ("PEPE", 7)
            for number in (6, 7):  # more decimals than there can be, then what it was: told anew each time
                await tell("0." + "1" * 19, f"5.1{number}")
                await tell("7", f"5.2{number}")
                await reached(lambda count=8 + 2 * (number - 5): len(it.events) == count)  # type: ignore[misc]
            assert it.account.is_up
            assert sum(one.count for one in it.engine.dlq.records()) == 3

    in_virtual_time(main())


def test_a_large_amount_takes_the_scale_that_it_needs_INS_01(monkeypatch: pytest.MonkeyPatch) -> None:
    """Zeros that the venue writes, and dust that was there before, do not make it unfit; each event has its scale."""

    async def main() -> None:
        async with PrivateVenue("binance") as venue, held(venue, monkeypatch) as it:
            venue.balances = {"ETH": ("0." + "0" * 17 + "1", "0"), "PEPE": ("1" + "0" * 13 + ".00000000", "0.50000000")}
            await reached(lambda: len(it.events) == 2)
            assert [(one.asset, one.asset_scale, one.total_raw, one.held_raw) for one in it.events] == [
                ("ETH", 18, 1, 0), ("PEPE", 1, 10**14 + 5, 5),
            ]  # fmt: skip
            client = await client_of(venue)
            for amount, scale, raw, delta in (("12.5", 1, 125, None), ("12.75", 2, 1275, 25), ("0.001", 3, 1, -12749)):
                rows = [{"a": "ETH", "f": amount, "l": "0"}]
                client.send({"subscriptionId": 0, "event": {"e": "outboundAccountPosition", "E": 1, "B": rows}})
                await reached(lambda raw=raw: it.events[-1].total_raw == raw)  # type: ignore[misc]
                told = it.events[-1]
                assert (told.asset, told.asset_scale, told.total_raw, told.delta_raw) == ("ETH", scale, raw, delta)
            assert it.engine.dlq.records() == []

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


# --- bursts -------------------------------------------------------------------------------------------------

BURST = 20


def burst() -> list[Any]:
    return [
        {"subscriptionId": 0, "event": {"e": "outboundAccountPosition", "E": 1, "B": [{"a": "ETH", "f": str(n), "l": "0"}]}}
        for n in range(1, 1 + BURST)
    ]


@pytest.fixture
def one_a_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each look at the clock finds that a share is used up."""
    passed_ns = count(0, 10**9)
    monkeypatch.setattr(shares, "monotonic_now", lambda: next(passed_ns))


@pytest.mark.usefixtures("one_a_turn")
@pytest.mark.parametrize("is_cut", [False, True])
def test_a_burst_is_told_whole_and_in_order_though_the_connection_goes(is_cut: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        async with PrivateVenue("binance") as venue, held(venue, monkeypatch) as it:
            await reached(lambda: bool(it.events))
            told, loop = it.account.take_holdings, asyncio.get_running_loop()
            passed, seen = list[None](), list[int]()

            def take(*rest: Any) -> None:
                seen.append(len(passed))
                loop.call_soon(passed.append, None)
                told(*rest)

            monkeypatch.setattr(it.account, "take_holdings", take)
            known = list[int]()
            it.engine.reporting.watchers.append(lambda kind, row: known.append(len(seen)) if row.get("state") == "down" else None)
            client = await client_of(venue)
            client.send(*burst())
            if is_cut:
                client.transport.underlying_transport.close()
                await reached(lambda: bool(known))
                assert known == [BURST]
            await reached(lambda: len(seen) == BURST)
            assert [row[:2] for row in it.balances()[1 : 1 + BURST]] == [("ETH", f"{n:.1f}") for n in range(1, 1 + BURST)]
            # One a turn, the first beside the second, so that others come in between.
            assert is_cut or len(set(seen)) == BURST - 1

    in_virtual_time(main())


def test_a_frame_that_cannot_be_read_costs_its_connection_and_what_came_behind_it_is_asked_for(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        async with PrivateVenue("binance") as venue, held(venue, monkeypatch) as it:
            await reached(lambda: bool(it.events))

            def fail(*_: Any) -> None:
                raise RuntimeError("planted")

            with monkeypatch.context() as patch:
                patch.setattr(it.account, "take_holdings", fail)
                (await client_of(venue)).send(*burst())
                await reached(lambda: not it.account.is_up)
            venue.balances = {"BTC": ("2", "0")}
            await reached(lambda: it.account.is_up and it.balances()[-1] == ("BTC", "2.0", "0.0"))
            assert it.states() == ["up", "down", "up"]

    in_virtual_time(main())
    assert [record.exc_info[1].args for record in caplog.records if record.exc_info and record.exc_info[1]] == [("planted",)]
