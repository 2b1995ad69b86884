"""Subscriptions of which no trade may be lost: a bounded spill, then a notice that names the gap (BP-10, CTL-01)."""

from __future__ import annotations

from typing import Any

import pytest

from engine.base.errors import ConfigError
from engine.config.load import load_config
from engine.consumers.subscriptions import Subscription
from tests.unit.config.configs import assignment, wrongs_at
from tests.unit.pipeline_kit import Blocked, Collector
from tests.unit.runtime.engine_kit import UNLIMITED, TradeEngine

CAPACITY, SPILL = 16, 50


class Desk(TradeEngine):
    """A consumer of sixteen places that can be kept busy, and one that never is."""

    def __init__(self, spill: int = SPILL) -> None:
        super().__init__(sets=(*UNLIMITED, f"bus.spill_trades={spill}"))
        self.blocked = Blocked()
        self.other = Collector()
        self.runner = self.engine.add_consumer("c", self.blocked, capacity=CAPACITY)
        self.engine.start()
        self.add("other", self.other).start()

    def subscribe(self, *, keep: bool = True, **changes: Any) -> Any:
        context = self.runner.context
        return context.subscribe("BTC-USDT", event_types=["Trade"], never_drop_trades=keep, **changes)

    def while_busy(self, *numbers: int) -> None:
        self.blocked.while_busy(self.engine.recycler, self.runner, lambda: [self.trade(n, is_last=False) for n in numbers])
        self.engine.dispatcher.deliver()

    def trades(self) -> list[int]:
        return [event["seq_provider"] for event in self.blocked.events if event["type"].class_name == "Trade"]

    def notices(self) -> list[dict[str, Any]]:
        results = [event["result"] for event in self.blocked.events if event["type"].class_name == "ControlResult"]
        return [result for result in results if "gap" in result]

    def statistics(self) -> dict[str, int]:
        row: dict[str, int] = self.runner.statistics()
        assert row["offered"] == sum(row[name] for name in ("delivered", "coalesced", "skipped", "dropped", "queued"))
        return row


def test_bp_10_no_trade_is_missing_while_the_spill_holds_them() -> None:
    with Desk() as desk:
        desk.subscribe()
        last = CAPACITY + SPILL
        desk.while_busy(*range(1, last + 1))
        assert desk.trades() == list(range(1, last + 1))
        assert (desk.statistics()["dropped"], desk.statistics()["spilled"]) == (0, SPILL)
        assert desk.notices() == []
        # What is kept beside the mailbox holds no place of the pool.
        row = desk.engine.recycler.statistics().pools["Trade"]
        assert row.overflowed == SPILL
        assert desk.engine.recycler.statistics().out() == {}
        desk.while_busy(last + 1)
        assert desk.trades()[-1] == last + 1
    assert desk.engine.summary().imbalances == []


def test_bp_10_past_the_spill_the_subscription_is_suspended_and_the_notice_names_the_first_that_is_missing() -> None:
    with Desk() as desk:
        held = desk.subscribe().outcome()["subscription_id"]
        version = desk.engine.board.current_version()
        last = CAPACITY + SPILL
        desk.while_busy(*range(1, last + 31))
        assert desk.trades() == list(range(1, last + 1)), "never thinned: whole up to the gap, nothing after it"
        (notice,) = desk.notices()
        assert notice == {
            "subscription_id": held,
            "suspended": True,
            "gap": {"provider": "binance", "symbol": "BTC-USDT", "event_type": "Trade",
                    "first_missing": f"binance:BTC-USDT:Trade:{last + 1}"},
        }  # fmt: skip
        (row,) = desk.engine.desk.subscriptions("c")
        assert not row.active
        assert desk.engine.board.current_version() == version + 1
        assert desk.statistics()["dropped"] == 1
        assert desk.engine.dlq.statistics().records_count == 1
        assert desk.other.seqs() == list(range(1, last + 31)), "nobody else notices"
        # Asked for again, it goes on from there, and keeps again.
        assert desk.subscribe().outcome()["subscription_id"] == held
        assert desk.engine.board.current_version() == version + 2
        desk.while_busy(*range(last + 31, 2 * last + 36))
        assert desk.trades()[last:] == list(range(last + 31, 2 * last + 31))
        assert len(desk.notices()) == 2
    assert desk.engine.summary().imbalances == []


def test_bp_10_without_a_spill_the_first_that_finds_the_mailbox_full_suspends_it() -> None:
    with Desk(spill=0) as desk:
        desk.subscribe()
        desk.while_busy(*range(1, 31))
        assert desk.trades() == list(range(1, CAPACITY + 1))
        assert desk.notices()[0]["gap"]["first_missing"] == f"binance:BTC-USDT:Trade:{CAPACITY + 1}"


def test_bp_09_another_symbols_trades_go_first_and_kept_ones_never() -> None:
    with Desk() as desk:
        engine = desk.engine
        engine.carry(desk.feed, desk.feed.guess_instrument("ETHUSDT"))
        desk.subscribe()
        engine.desk.subscribe(Subscription(consumer_id="c", symbol="ETH-USDT", event_types=("Trade",)))
        eth = (b'{"stream":"ethusdt@trade","data":{"e":"trade","E":1,"s":"ETHUSDT","t":%d,"p":"1.10","q":"1.00","T":1,'
               b'"m":true,"M":true}}')  # fmt: skip

        def mixed() -> None:
            for number in range(1, 31):
                desk.trade(number, is_last=False)
                desk.feed.stream.feed(eth % number, desk.clock.now(), 0)

        desk.blocked.while_busy(engine.recycler, desk.runner, mixed)
        seen = [(event["symbol"], event["seq_provider"]) for event in desk.blocked.events if event["type"].class_name == "Trade"]
        assert [number for symbol, number in seen if symbol == "BTC-USDT"] == list(range(1, 31))
        lost = 30 - len([number for symbol, number in seen if symbol == "ETH-USDT"])
        assert desk.statistics()["dropped"] == lost > 0
    assert engine.summary().imbalances == []


def test_a_plain_subscription_of_the_same_trades_goes_on_when_the_kept_one_is_suspended() -> None:
    with Desk(spill=4) as desk:
        desk.subscribe()
        desk.subscribe(keep=False)
        desk.while_busy(*range(1, 41))
        assert desk.trades()[: CAPACITY + 4] == list(range(1, CAPACITY + 5))
        assert [row.active for row in desk.engine.desk.subscriptions("c")] == [False, True]
        desk.while_busy(*range(41, 81))
        assert desk.trades()[-CAPACITY:] == list(range(65, 81)), "as any other: the oldest go"
        assert len(desk.notices()) == 1
    assert desk.engine.summary().imbalances == []


def test_unsubscribing_ends_the_keeping() -> None:
    with Desk() as desk:
        desk.subscribe()
        desk.subscribe(keep=False, providers=["binance"])
        assert desk.runner.context.unsubscribe("BTC-USDT", event_types=["Trade"]).result().success
        desk.while_busy(*range(1, 41))
        assert desk.trades() == list(range(25, 41))
        assert desk.statistics()["spilled"] == 0


@pytest.mark.parametrize(
    "changes", [{"event_types": ["BookUpdate"]}, {"event_types": ["Ticker", "BookUpdate"]}], ids=["books", "several"]
)
def test_the_configuration_asks_for_it_only_where_there_are_trades(changes: dict[str, Any]) -> None:
    path = "consumers[0].subscriptions[0].never_drop_trades"
    assert wrongs_at(path, True) == []
    consumer = {"consumer_id": "mm1", "handler": "m:C",
                "subscriptions": [{"symbol": "BTC-USD", "event_types": ["Trade"], "never_drop_trades": True, **changes}]}  # fmt: skip
    with pytest.raises(ConfigError) as caught:
        load_config(None, [assignment("consumers", [consumer])], {})
    assert "is for Trade of a provider's own" in str([str(fault) for fault in caught.value.faults])
