"""EVT-09, BP-02..09, CTL-11: what a mailbox does with each type while it is saturated, and what it tells of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from engine.base.clock import ManualClock
from engine.base.ids import instrument_id
from engine.consumers.settings import MailboxSettings
from engine.schema.classes import class_of
from engine.schema.enums import UNDER_SATURATION, EventFlag, EventType, Saturation, UpdateType
from engine.schema.fold import SaturationTable
from tests.unit.event_kit import BUILT, leased, recycler
from tests.unit.pipeline_kit import INSTRUMENT_ID, Blocked, runner_of

ACK, TRADE, TICKER = EventType.CONTROL_ACK, EventType.TRADE, EventType.TICKER
UPDATE, SNAPSHOT, KLINE = EventType.BOOK_UPDATE, EventType.BOOK_SNAPSHOT, EventType.KLINE_SUMMARY
CAPACITY, HIGH = 16, 12
SECOND_NS = 1_000_000_000
OF_TYPE: dict[EventType, dict[str, Any]] = {
    UPDATE: {"update_type": UpdateType.DELTA},
    KLINE: {"interval_ns": 60 * SECOND_NS},
}


def other(number: int) -> int:
    """One of many instruments."""
    return instrument_id("binance", f"C{number}-USDT")


class Desk:
    """A consumer that is busy while it is offered to."""

    def __init__(self, **options: Any) -> None:
        self.pools = recycler(512)
        self.clock = ManualClock(1_700_000_000 * SECOND_NS)
        self.told: list[tuple[Any, ...]] = []
        self.dropped: list[tuple[Any, ...]] = []
        self.blocked = Blocked()
        self.answers: list[str] = []
        options = {"capacity": CAPACITY, **options}
        self.runner = runner_of(
            self.pools, self.blocked, clock=self.clock,
            on_coalesced=lambda *what: self.told.append(what), on_dropped=lambda *what: self.dropped.append(what), **options,
        )  # fmt: skip

    def offer(self, event_type: EventType, number: int, **fields: Any) -> str:
        fields = {"seq_provider": number, "seq_first": number, "epoch": 1, "instrument_id": INSTRUMENT_ID, "folded_count": 1,
                  **OF_TYPE.get(event_type, {}), **fields}  # fmt: skip
        lease = leased(self.pools, event_type, **fields)
        answer = lease.offer_to(self.runner)
        if answer == "full":
            lease.release()
        self.answers.append(answer)
        return answer

    def saturate(self) -> None:
        """Twelve trades of another instrument."""
        for number in range(HIGH):
            assert self.offer(TRADE, number, instrument_id=0) == "accepted"

    def during(self, body: Callable[[], object], *, saturated: bool = True) -> list[dict[str, Any]]:
        """What is delivered of what *body* offers, the trades that saturate left out."""

        def all_of_it() -> None:
            if saturated:
                self.saturate()
            body()

        self.blocked.while_busy(self.pools, self.runner, all_of_it)
        row = self.runner.statistics()
        assert row["offered"] == sum(row[name] for name in ("delivered", "coalesced", "skipped", "dropped", "queued"))
        return [event for event in self.blocked.events if event["type"] is not TRADE or event["symbol"] is not None]


# --- the table ----------------------------------------------------------------------------------------------

# model.md section 2, "under saturation": how many of ten are left in a saturated queue with room for them.
LEFT_OF_TEN = {
    "BookSnapshot": 1, "BookUpdate": 1, "Trade": 4, "MergedEvent": 4, "Ticker": 1, "KlineSummary": 1, "ExecReport": 10, "ControlAck": 10,
    "ControlResult": 10, "InstrumentUpdate": 1, "BalanceUpdate": 1, "RiskControl": 10,
}  # fmt: skip


def test_evt_09_every_type_has_a_rule_and_critical_kinds_never_coalesce() -> None:
    assert {event_type.class_name for event_type in UNDER_SATURATION} == set(LEFT_OF_TEN)
    for event_type, rule in UNDER_SATURATION.items():
        assert (rule is Saturation.NEVER) == (LEFT_OF_TEN[event_type.class_name] == 10)
        assert (rule is Saturation.DROP_OLDEST) == (event_type in (TRADE, EventType.MERGED_EVENT))


@pytest.mark.parametrize("event_type", BUILT, ids=lambda kind: kind.class_name)
def test_evt_09_ten_of_a_type_in_a_saturated_mailbox(event_type: EventType) -> None:
    desk = Desk(capacity=64, saturate_at=HIGH / 64, resume_at=0.0)
    left = desk.during(lambda: [desk.offer(event_type, number) for number in range(1, 11)])
    expected = {TRADE: 10, EventType.MERGED_EVENT: 10}.get(event_type, LEFT_OF_TEN[event_type.class_name])
    assert len(left) == expected
    assert left[-1]["seq_provider"] == 10
    assert desk.answers[-9:] == (["coalesced"] if expected == 1 else ["accepted"]) * 9
    assert class_of(event_type) is BUILT[event_type]


def test_evt_09_an_unlisted_type_never_coalesces() -> None:
    assert SaturationTable().rule_of(0) is Saturation.NEVER
    table = SaturationTable([TICKER])
    assert table.rule_of(TICKER) is Saturation.TICKER
    assert table.rule_of(UPDATE) is table.rule_of(KLINE) is Saturation.DROP_OLDEST
    assert table.rule_of(EventType.INSTRUMENT_UPDATE) is table.rule_of(EventType.BALANCE_UPDATE) is Saturation.REPLACE


# --- idle, saturated, recovered -----------------------------------------------------------------------------


def test_bp_03_an_idle_consumer_gets_all_of_ten_thousand() -> None:
    desk = Desk()
    for number in range(1, 10_001):
        assert desk.offer(TICKER, number, last_price_raw=number) == "accepted"
    desk.runner.deliver()
    assert desk.blocked.seqs() == list(range(1, 10_001))
    assert desk.runner.mailbox.coalesced == desk.runner.mailbox.saturations == 0


def test_bp_04_the_last_of_ten_tickers_stands_at_the_place_of_the_first() -> None:
    desk = Desk()

    def body() -> None:
        desk.offer(TICKER, 1)
        desk.offer(TRADE, 1)
        for number in range(2, 11):
            desk.offer(TICKER, number)

    left = desk.during(body)
    assert [(event["type"], event["seq_provider"]) for event in left] == [(TICKER, 10), (TRADE, 1)]


def test_bp_06_ten_book_updates_and_ten_reports_are_one_and_ten() -> None:
    desk = Desk()

    def body() -> None:
        for number in range(1, 11):
            desk.offer(UPDATE, number)
            desk.offer(ACK, number)

    kinds = [event["type"] for event in desk.during(body)]
    assert (kinds.count(UPDATE), kinds.count(ACK)) == (1, 10)


def test_ctl_11_saturated_from_three_quarters_until_under_a_half() -> None:
    desk = Desk()
    seen: list[tuple[int, bool]] = []

    def body() -> None:
        for number in range(1, HIGH + 1):
            desk.offer(TICKER, number, instrument_id=0)
            seen.append((number, desk.runner.mailbox.is_saturated))
        desk.offer(TICKER, 99, instrument_id=0)
        seen.append((99, desk.runner.mailbox.is_saturated))

    desk.during(body, saturated=False)
    assert seen == [*((number, False) for number in range(1, HIGH + 1)), (99, True)]
    assert not desk.runner.mailbox.is_saturated, "BP-15"
    assert [desk.offer(TICKER, number) for number in (1, 2)] == ["accepted"] * 2
    desk.runner.deliver()
    assert desk.runner.mailbox.saturations == 1


# --- books --------------------------------------------------------------------------------------------------


def test_bp_05_deltas_unite_level_by_level_and_say_what_they_cover() -> None:
    desk = Desk()

    def body() -> None:
        desk.offer(UPDATE, 7, seq_first=5, bids=[(100, 1), (98, 2)], asks=[(101, 4)], first_update_id=5, final_update_id=7,
                   flags=frozenset({EventFlag.GAP_BEFORE}), verified_through_id=7)  # fmt: skip
        desk.offer(UPDATE, 9, seq_first=8, bids=[(100, 0), (99, 3)], asks=[(101, 5), (103, 0)], first_update_id=8,
                   final_update_id=9, folded_count=2, verified_through_id=9)  # fmt: skip

    (event,) = desk.during(body)
    assert event["bids"] == [(100, 0), (99, 3), (98, 2)]
    assert event["asks"] == [(101, 5), (103, 0)]
    assert (event["seq_first"], event["seq_provider"], event["first_update_id"], event["final_update_id"]) == (5, 9, 5, 9)
    assert (event["folded_count"], event["verified_through_id"]) == (3, 9)
    assert event["flags"] == {EventFlag.COALESCED, EventFlag.GAP_BEFORE}


def test_bp_05_a_delta_at_a_wider_scale_unites_exactly() -> None:
    desk = Desk()

    def body() -> None:
        desk.offer(UPDATE, 1, price_scale=1, qty_scale=0, bids=[(100, 1), (98, 2)])
        desk.offer(UPDATE, 2, price_scale=2, qty_scale=1, bids=[(1001, 5), (980, 0)])

    (event,) = desk.during(body)
    assert (event["price_scale"], event["qty_scale"], event["bids"]) == (2, 1, [(1001, 5), (1000, 10), (980, 0)])


def test_a_published_event_that_others_hold_is_never_changed() -> None:
    desk = Desk()
    first = leased(desk.pools, UPDATE, **{**OF_TYPE[UPDATE], "seq_provider": 1, "epoch": 1, "instrument_id": INSTRUMENT_ID,
                                          "bids": [(100, 1)]})  # fmt: skip
    first.retain()

    def body() -> None:
        assert first.offer_to(desk.runner) == "accepted"
        desk.offer(UPDATE, 2, bids=[(100, 2)])
        desk.offer(UPDATE, 3, bids=[(99, 3)])
        assert list(first.event().bids) == [(100, 1)]

    (event,) = desk.during(body)
    assert event["bids"] == [(100, 2), (99, 3)]
    first.release()


@pytest.mark.parametrize(
    ("offered", "left"),
    [
        ("ddd", "d3"),
        ("sd", "s1 d2"),
        ("sdsd", "s3 d4"),
        ("dds", "s3"),
        ("ddi", "i3"),
        ("sdi", "i3"),
        ("dis", "i2 s3"),
        ("disd", "i2 s3 d4"),
        ("disdds", "i2 s6"),
        ("disdi", "i5"),
        ("dfd", "f2 d3"),
        ("fdf", "f3"),
        ("ssds", "s4"),
    ],
)
def test_bp_04_bp_05_what_is_left_of_a_book(offered: str, left: str) -> None:
    """d: delta, f: full, i: invalid, s: snapshot; with their numbers."""
    desk = Desk()
    kinds = {"d": UpdateType.DELTA, "f": UpdateType.FULL, "i": UpdateType.INVALID}

    def body() -> None:
        for number, letter in enumerate(offered, 1):
            if letter == "s":
                desk.offer(SNAPSHOT, number)
            else:
                desk.offer(UPDATE, number, update_type=kinds[letter])

    letters = {kind: letter for letter, kind in kinds.items()}
    found = [
        f"{'s' if event['type'] is SNAPSHOT else letters[event['update_type']]}{event['seq_provider']}"
        for event in desk.during(body)
    ]
    assert " ".join(found) == left


# --- tickers and candles ------------------------------------------------------------------------------------


def test_a_ticker_is_replaced_field_by_field() -> None:
    desk = Desk()

    def body() -> None:
        desk.offer(TICKER, 1, last_price_raw=5, high_24h_raw=9)
        desk.offer(TICKER, 2, last_price_raw=6, bid_price_raw=4)

    (event,) = desk.during(body)
    assert (event["last_price_raw"], event["bid_price_raw"], event["high_24h_raw"], event["low_24h_raw"]) == (6, 4, 9, None)
    assert event["folded_count"] == 2


def test_open_candles_are_replaced_by_interval_and_a_closed_one_never() -> None:
    desk = Desk()

    def body() -> None:
        desk.offer(KLINE, 1)
        desk.offer(KLINE, 2, interval_ns=300 * SECOND_NS)
        desk.offer(KLINE, 3, is_closed=True)
        desk.offer(KLINE, 4)
        desk.offer(KLINE, 5)

    assert [event["seq_provider"] for event in desk.during(body)] == [3, 2, 5]


# --- what is lost, and who is told --------------------------------------------------------------------------


def test_bp_08_what_was_queued_before_is_merged_before_a_trade_is_dropped() -> None:
    desk = Desk()

    def body() -> None:
        for number in range(1, 11):
            desk.offer(TICKER, number)
        for number in range(1, 8):
            desk.offer(TRADE, number)

    left = desk.during(body, saturated=False)
    assert [event["seq_provider"] for event in left] == [10, 1, 2, 3, 4, 5, 6, 7]
    assert desk.runner.mailbox.dropped == 0


def test_bp_09_the_oldest_trades_go_counted_by_stream() -> None:
    desk = Desk()
    desk.during(lambda: [desk.offer(TRADE, number) for number in range(1, 31)])
    assert desk.runner.mailbox.dropped == HIGH + 30 - CAPACITY
    assert desk.runner.mailbox.lost_by_stream() == {"engine::Trade": (0, HIGH), "binance:BTC-USDT:Trade": (0, 14)}


def test_without_trades_the_oldest_that_may_go_does_and_invalid_books_stay() -> None:
    desk = Desk()

    def body() -> None:
        for number in range(1, 21):
            desk.offer(UPDATE, number, instrument_id=other(number), update_type=UpdateType.INVALID)
        desk.offer(TICKER, 99)

    left = desk.during(body, saturated=False)
    assert [event["seq_provider"] for event in left] == list(range(1, 21))
    assert desk.answers[-1] == "full"
    assert desk.runner.mailbox.refused == desk.runner.mailbox.dropped == 1


def test_bp_14_at_most_one_line_a_second_a_stream_and_their_sum_is_the_count() -> None:
    desk = Desk()

    def body() -> None:
        for number in range(100):
            desk.offer(TICKER, number)
            desk.offer(TRADE, number)
            desk.clock.advance(SECOND_NS // 20)

    desk.during(body)
    desk.runner.stop()
    coalesced = [count for _, stream, count in desk.told if stream.endswith("Ticker")]
    assert len(coalesced) <= 6
    assert sum(coalesced) == desk.runner.mailbox.coalesced == 99
    dropped = [row for row in desk.dropped if row[1] == "binance:BTC-USDT:Trade"]
    assert len(dropped) <= 7
    assert sum(row[2] for row in desk.dropped) == desk.runner.mailbox.dropped


def test_bp_02_each_answer_is_counted() -> None:
    desk = Desk()

    def body() -> None:
        for number in range(1, 41):
            desk.offer((TICKER, UPDATE, TRADE, ACK)[number % 4], number)

    desk.during(body)
    box = desk.runner.mailbox
    assert (box.accepted, box.coalesced_answers, box.refused) == tuple(
        desk.answers.count(name) + (name == "accepted") for name in ("accepted", "coalesced", "full")
    ), "and the one that keeps it busy"


def test_arc_07_memory_stays_flat_however_much_is_offered() -> None:
    desk = Desk(capacity=64)

    def body() -> None:
        for number in range(1, 20_001):
            desk.offer((TICKER, UPDATE, TRADE, SNAPSHOT)[number % 4], number, instrument_id=other(number % 7))
            assert len(desk.runner.mailbox) <= 64

    desk.during(body)
    assert desk.pools.statistics().pools["Trade"].in_use_peak <= 66
    assert MailboxSettings().capacity == 256


def test_evt_09_balances_are_replaced_by_asset() -> None:
    desk = Desk()

    def body() -> None:
        for number in range(1, 9):
            desk.offer(EventType.BALANCE_UPDATE, number, account="binance", asset=("BTC", "USDT")[number % 2], total_raw=number)

    assert [(event["asset"], event["total_raw"]) for event in desk.during(body)] == [("USDT", 7), ("BTC", 8)]
