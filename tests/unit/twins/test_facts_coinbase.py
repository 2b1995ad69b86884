"""The rules of Coinbase books, one by one, on captures of a few records."""

from tests.twins.facts_compare import EMPTY_BOOK, has
from tests.twins.facts_twin import facts_of_records
from tests.twins.frames import coinbase_event, coinbase_full, coinbase_message


def test_gap_spoils_every_book_of_its_connection_until_its_snapshot() -> None:
    records = [
        coinbase_message(0, coinbase_full("A-B"), coinbase_full("C-D")),
        coinbase_message(5, coinbase_full("E-F"), conn=1),
        coinbase_message(3, coinbase_full("A-B"), coinbase_event("update", "C-D", ("bid", "9", "1"))),
        coinbase_message(4, coinbase_event("update", "A-B", ("bid", "9", "2"))),
    ]
    facts = facts_of_records(records)
    assert has(facts, sequence_gaps=1, messages_missing=2, sequence_gap_at_record=[2])
    assert facts["last_sequence"] == {"0": 4, "1": 5}
    assert has(facts["books"]["A-B"], snapshot=2, update=1, top_bids=[["10", "1"], ["9", "2"]])
    assert has(facts["books"]["C-D"], snapshot=1, update=1, **EMPTY_BOOK)
    assert has(facts["books"]["E-F"], bid_levels=1, ask_levels=1)


def test_lower_number_is_counted_as_received_and_otherwise_ignored() -> None:
    trade = {"trade_id": "7", "product_id": "A-B", "price": "1", "size": "2", "side": "BUY"}
    records = [
        coinbase_message(0, coinbase_full("A-B")),
        coinbase_message(1, coinbase_event("update", "A-B", ("bid", "9", "1"))),
        coinbase_message(
            1, coinbase_event("update", "A-B", ("bid", "9", "5")), coinbase_event("update", "A-B")
        ),
        coinbase_message(0, {"type": "update", "trades": [trade]}, channel="market_trades"),
        coinbase_message(2, channel="heartbeats"),
    ]
    facts = facts_of_records(records)
    assert has(facts, sequence_gaps=2, messages_missing=0, sequence_gap_at_record=[2, 3], trades={})
    assert facts["last_sequence"] == {"0": 2}
    assert facts["message_types"] == {"heartbeats": 1, "l2_data": 3, "market_trades": 1}
    assert has(facts["books"]["A-B"], update=3, empty_updates=1, top_bids=[["10", "1"], ["9", "1"]])


def test_crossing_is_judged_after_the_whole_message() -> None:
    raise_bid, raise_ask = ("bid", "11", "1"), ("offer", "11", "0")
    passing = coinbase_message(
        1, coinbase_event("update", "A-B", raise_bid), coinbase_event("update", "A-B", raise_ask)
    )
    assert (
        "crossed_after_message"
        not in facts_of_records([coinbase_message(0, coinbase_full("A-B")), passing])["books"]["A-B"]
    )
    crossing = [
        coinbase_message(0, coinbase_full("A-B")),
        coinbase_message(1, coinbase_event("update", "A-B", raise_bid)),
    ]
    book = facts_of_records([*crossing, coinbase_message(2, coinbase_event("update", "A-B", raise_ask))])[
        "books"
    ]["A-B"]
    assert has(book, crossed_after_message=1, update=2, **EMPTY_BOOK)


def test_trades_of_a_message_are_read_from_the_last() -> None:
    trades = [
        {"trade_id": str(number), "product_id": "A-B", "price": str(number), "size": "1", "side": side}
        for number, side in ((9, "SELL"), (8, "BUY"), (7, "BUY"))
    ]
    facts = facts_of_records(
        [coinbase_message(0, {"type": "update", "trades": trades}, channel="market_trades")]
    )
    assert has(
        facts["trades"]["A-B trade"], count=3, first_id=7, last_id=9, buy=2, id_breaks=0, last_price="9"
    )
