"""BOOK-14: one number a connection over all its messages; what a lower, a higher and a lost one do."""

from __future__ import annotations

import json

import pytest

from engine.schema.enums import BookReason, UpdateType
from tests.unit.providers.coinbase.frames import (
    candles,
    event,
    message,
    snapshot,
    trade,
    trades,
    update,
    wired,
)
from tests.unit.providers.stream_kit import RECV_NS, Wired


def names(events: list[object]) -> list[str]:
    return [type(one).__name__ for one in events]


def counts(kit: Wired, conn: int = 0) -> tuple[int, int, int]:
    numbers = kit.stream.connections()[conn]
    return numbers.last, numbers.sequence_gaps, numbers.messages_missing


def test_every_message_takes_a_number_whatever_its_channel() -> None:
    kit = wired()
    kit.feed(message(0, snapshot()))
    kit.feed(message(1, update()))
    kit.feed(message(2, {"subscriptions": {"level2": ["A-USD"]}}, channel="subscriptions"))
    kit.feed(message(3, {"current_time": "x", "heartbeat_counter": 1}, channel="heartbeats"))
    kit.feed(message(4, {"anything": [1]}, channel="futures_balance_summary"))
    kit.feed(trades(5, trade(1)))
    kit.feed(candles(6))
    assert names(kit.feed(message(7, update(("bid", "9", "1"))))) == ["BookUpdate"]
    assert counts(kit) == (7, 0, 0)
    kit.assert_balanced()


def test_the_first_number_seen_sets_the_baseline() -> None:
    kit = wired()
    kit.feed(message(41, snapshot()))
    assert names(kit.feed(message(42, update(("bid", "9", "1"))))) == ["BookUpdate"]
    assert counts(kit) == (42, 0, 0)


def test_a_gap_voids_every_book_of_that_connection_and_no_other() -> None:
    kit = wired()
    kit.feed(message(0, snapshot("A-USD")))
    kit.feed(message(0, snapshot("B-USD")), conn=1)
    caused = kit.feed(message(3, {"current_time": "x"}, channel="heartbeats"), record=17)
    assert [(e.symbol, e.update_type, e.invalid_reason) for e in caused] == [
        ("A-USD", UpdateType.INVALID, BookReason.GAP)
    ]
    assert kit.wanted == [("A-USD", BookReason.GAP)]
    assert kit.telemetry == []  # told when it has ended
    assert counts(kit) == (3, 1, 2)
    assert kit.stream.connections()[0].gap_at_record == [17]
    assert (kit.books["A-USD"].is_valid, kit.books["B-USD"].is_valid) == (False, True)
    assert kit.books["A-USD"].counts_by_reason() == {"gap": 1}
    assert kit.feed(message(4, update(("bid", "9", "1")))) == []
    assert names(kit.feed(message(1, update(("bid", "9", "1"), product="B-USD")), conn=1)) == ["BookUpdate"]
    kit.assert_balanced()


def test_the_message_that_shows_the_gap_is_itself_taken() -> None:
    kit = wired()
    kit.feed(message(0, snapshot("A-USD"), snapshot("B-USD")))
    caused = kit.feed(message(2, snapshot("A-USD", bid="9.5"), update(("bid", "9", "1"), product="B-USD")))
    assert [(type(e).__name__, e.symbol) for e in caused] == [
        ("BookUpdate", "A-USD"),
        ("BookUpdate", "B-USD"),
        ("BookSnapshot", "A-USD"),
    ]
    assert caused[2].reason is BookReason.GAP
    assert kit.levels("B-USD") == ([], [])


@pytest.mark.parametrize("number", [0, 1])
def test_a_number_not_above_the_last_is_ignored_wholly_and_counted(number: int) -> None:
    kit = wired()
    kit.feed(message(0, snapshot()))
    kit.feed(message(1, update(("bid", "9", "1"))))
    before = kit.levels("A-USD")
    assert kit.feed(message(number, update(("bid", "9", "5")), update())) == []
    assert kit.feed(message(number, snapshot(bid="1", ask="2"))) == []
    assert kit.feed(trades(number, trade(1))) == []
    assert kit.levels("A-USD") == before
    state = kit.stream.symbol_states()[0]
    # As received: ignored ones too.
    assert (state.snapshots, state.updates, state.empty_updates, state.trades.count) == (2, 3, 1, 0)
    assert counts(kit) == (1, 3, 0)
    assert names(kit.feed(message(2, update(("bid", "9", "2"))))) == ["BookUpdate"]


def test_a_frame_that_cannot_be_decoded_shows_as_a_gap_in_the_next_one() -> None:
    kit = wired()
    kit.feed(message(0, snapshot()))
    assert kit.feed(message(1, update(("bid", "9", "x")))) == []
    assert kit.rejects == [("bad_number", None)]
    assert kit.books["A-USD"].is_valid
    caused = kit.feed(message(2, update(("bid", "9", "1"))))
    assert [e.invalid_reason for e in caused] == [BookReason.GAP]
    assert counts(kit) == (2, 1, 1)


def test_an_error_has_no_number() -> None:
    told: list[tuple[int, str]] = []
    kit = wired(on_error=lambda conn, text: told.append((conn, text)))
    kit.feed(message(0, snapshot()))
    kit.feed({"type": "error", "message": 'authentication "failure"'}, conn=0)
    kit.feed(message(1, update(("bid", "9", "1"))))
    assert told == [(0, 'authentication "failure"')]
    assert kit.stream.errors == 1
    assert counts(kit) == (1, 0, 0)


def test_numbers_near_the_end_of_64_bits() -> None:
    kit = wired()
    last = 2**64 - 1
    kit.feed(message(last - 1, snapshot()))
    kit.feed(message(last, update(("bid", "9", "1"))))
    assert counts(kit) == (last, 0, 0)
    kit.feed(message(0, update(("bid", "9", "2"))))
    assert counts(kit) == (last, 1, 0)
    kit.feed(message(last + 1, update()))
    assert kit.rejects == [("overflow", "sequence_num")]


def test_a_connection_made_anew_counts_from_its_own_first_number() -> None:
    kit = wired()
    kit.feed(message(0, snapshot()))
    kit.feed(message(1, update(("bid", "9", "1"))))
    kit.stream.reset_connection(0)
    kit.stream.read_end()
    invalid = kit.events[-1]
    assert (invalid.update_type, invalid.invalid_reason) == (UpdateType.INVALID, BookReason.RECONNECT)
    assert kit.wanted == [("A-USD", BookReason.RECONNECT)]
    kit.stream.reset_connection(0)
    assert kit.wanted == [("A-USD", BookReason.RECONNECT)], "there was no book left to lose"
    fresh = kit.feed(message(0, snapshot(bid="9.5")))[0]
    assert (fresh.reason, fresh.epoch) == (BookReason.RECONNECT, 2)
    assert counts(kit) == (0, 0, 0)


def test_a_book_follows_the_connection_that_brought_its_last_snapshot() -> None:
    kit = wired()
    kit.feed(message(0, snapshot()))
    kit.feed(message(0, snapshot(bid="9.5")), conn=1)
    assert kit.feed(message(1, update(("bid", "9", "1"))), conn=0) == []
    # The old connection's gap is no concern of the book any more.
    assert kit.feed(message(9, event("update", "A-USD")), conn=0) == []
    assert names(kit.feed(message(1, update(("bid", "9", "1"))), conn=1)) == ["BookUpdate"]
    assert kit.stream.symbol_states()[0].conn == 1


def test_after_a_refused_first_frame_the_next_number_is_a_gap_BOOK_14() -> None:
    kit = wired()
    kit.feed(b'{"channel":"l2_data",')
    assert [code for code, _ in kit.rejects] == ["not_json"]
    assert kit.feed(message(1, {"current_time": "x"}, channel="heartbeats"), record=5) == []
    assert counts(kit) == (1, 1, 1)
    assert kit.stream.connections()[0].gap_at_record == [5]
    kit.feed(message(2, update(("bid", "9", "1"))))
    assert kit.wanted == [("A-USD", BookReason.GAP)], "its snapshot was in what was refused"
    kit.feed(message(3, update(("bid", "9", "2"))))
    assert len(kit.wanted) == 1
    assert names(kit.feed(message(4, snapshot()))) == ["BookSnapshot"]
    assert names(kit.feed(message(5, update(("bid", "9", "3"))))) == ["BookUpdate"]
    assert counts(kit) == (5, 1, 1)
    kit.assert_balanced()


def test_a_refused_first_frame_costs_no_other_connection_its_books() -> None:
    kit = wired()
    kit.feed(message(0, snapshot("B-USD")), conn=1)
    kit.feed(b"[", conn=0)
    kit.feed(message(1, snapshot("A-USD")), conn=0)
    assert kit.books["B-USD"].is_valid
    assert kit.books["A-USD"].is_valid
    assert (counts(kit, 0), counts(kit, 1)) == ((1, 1, 1), (0, 0, 0))


def test_a_connection_made_anew_forgets_its_refused_frame() -> None:
    kit = wired()
    kit.feed(b"[")
    kit.stream.reset_connection(0)
    kit.feed(message(0, snapshot()))
    assert counts(kit) == (0, 0, 0)


def test_a_resync_is_told_when_it_has_ended_with_the_time_it_took_BOOK_20() -> None:
    kit = wired()
    kit.feed(message(0, snapshot("A-USD"), snapshot("B-USD")))
    kit.feed(message(2, {"current_time": "x"}, channel="heartbeats"))
    kit.stream.abandon(kit.stream.index_of(b"B-USD"), BookReason.STALENESS)  # of one that was lost already
    kit.stream.feed(json.dumps(message(3, snapshot("A-USD"))).encode(), RECV_NS + 1_234_567_890, 0)
    kit.stream.read_end()
    lost = {"provider": "coinbase", "reason": "gap", "expected": None, "actual": None}
    assert kit.telemetry == [("book.resync", {**lost, "symbol": "A-USD", "took_ms": 1234})]
    kit.stream.close()
    assert kit.telemetry[1:] == [("book.resync", {**lost, "symbol": "B-USD", "took_ms": None})]
    kit.stream.close()
    assert len(kit.telemetry) == 2
