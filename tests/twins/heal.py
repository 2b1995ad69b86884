"""Fresh snapshots made from a twin's book, as the venue would send them after a loss."""

from datetime import UTC, datetime
from typing import Any

from tests.twins.capture_io import Record, is_frame
from tests.twins.checksum_twin import CHECKED_LEVELS, book_checksum
from tests.twins.facts_binance import BinanceFacts
from tests.twins.facts_coinbase import CoinbaseFacts
from tests.twins.facts_common import plain
from tests.twins.facts_kraken import KrakenBook, KrakenFacts
from tests.twins.facts_twin import facts_at
from tests.twins.json_lexemes import Members, Number, dump, parse
from tests.twins.ladder_twin import Level, Window

SNAPSHOT_LIMIT = 1000


def lose_and_heal(
    records: list[Record], lost: set[int], heal_after: int, symbol: str, renumber: bool = True
) -> list[Record]:
    """The capture without the records *lost*, with a fresh snapshot after record *heal_after*.

    The snapshot is the book of *symbol* as the whole recording has it there: a REST reply on Binance, a book
    frame with the right checksum on Kraken, on Coinbase one `l2_data` frame with every book of the connection
    (a loss there spoils them all), carrying the next number; with *renumber* the numbers behind it grow by 1.
    Positions are those of *records*. Raises ValueError where that book is not valid there.
    """
    snapshot = _snapshot_of(records, heal_after, symbol)
    before = [record for at, record in enumerate(records[: heal_after + 1]) if at not in lost]
    behind = [record for at, record in enumerate(records) if at > heal_after and at not in lost]
    if snapshot["venue"].startswith("coinbase") and renumber:
        behind = [_renumbered(record, snapshot["conn"]) for record in behind]
    return [*before, snapshot, *behind]


def binance_snapshot(facts: BinanceFacts, symbol: str, limit: int = SNAPSHOT_LIMIT) -> str:
    """The REST reply of `depth` for the book as it stands."""
    book = facts.books[symbol]
    if book.book_id is None:
        raise ValueError(f"the book of {symbol} is not in sync there")
    bids, asks = book.ladder.top(limit)
    return dump({"lastUpdateId": book.book_id, "bids": _rows(bids), "asks": _rows(asks)})


def kraken_snapshot(book: KrakenBook, symbol: str, timestamp: str) -> str:
    """A book snapshot frame at the pair's precision, with its checksum."""
    if not book.is_valid or book.decimals is None:
        raise ValueError(f"the book of {symbol} is not valid there")
    price_decimals, qty_decimals = book.decimals
    bids, asks = (
        [
            {"price": Number(f"{price:.{price_decimals}f}"), "qty": Number(f"{qty:.{qty_decimals}f}")}
            for price, qty in side
        ]
        for side in book.ladder.levels()
    )
    checksum = book_checksum(book.ladder.top(CHECKED_LEVELS), *book.decimals)
    entry = {"symbol": symbol, "bids": bids, "asks": asks, "checksum": checksum, "timestamp": timestamp}
    return dump({"channel": "book", "type": "snapshot", "data": [entry]})


def coinbase_snapshots(facts: CoinbaseFacts, conn: int, timestamp: str) -> str:
    """One `l2_data` frame with a snapshot of every valid book of *conn*, numbered next."""
    events = [
        {
            "type": "snapshot",
            "product_id": product_id,
            "updates": _updates(book.ladder.levels(), timestamp),
        }
        for product_id, book in sorted(facts.books.items())
        if book.conn == conn
    ]
    number = facts.last_sequence[conn] + 1
    return dump({"channel": "l2_data", "timestamp": timestamp, "sequence_num": number, "events": events})


def _snapshot_of(records: list[Record], at: int, symbol: str) -> Record:
    """The record that heals: the book's text, by the way its venue sends one, at the time of record *at*."""
    facts = facts_at(records, at + 1)
    ts_ns = records[at]["ts_ns"]
    if isinstance(facts, BinanceFacts):
        model = next(record for record in records if f"/depth?symbol={symbol}&" in (record["url"] or ""))
        return {**model, "ts_ns": ts_ns, "raw": binance_snapshot(facts, symbol)}
    timestamp = datetime.fromtimestamp(ts_ns // 10**9, UTC).strftime("%Y-%m-%dT%H:%M:%S.000000Z")
    if isinstance(facts, KrakenFacts):
        raw = kraken_snapshot(facts.books[symbol], symbol, timestamp)
        model = next(record for record in records if is_frame(record) and '"book"' in record["raw"])
        return {**model, "ts_ns": ts_ns, "raw": raw}
    assert isinstance(facts, CoinbaseFacts)
    conn = facts.books[symbol].conn
    if conn is None:
        raise ValueError(f"the book of {symbol} is not valid there")
    model = next(record for record in records if is_frame(record) and record["conn"] == conn)
    return {**model, "ts_ns": ts_ns, "raw": coinbase_snapshots(facts, conn, timestamp)}


def _renumbered(record: Record, conn: int) -> Record:
    if not is_frame(record) or record["conn"] != conn:
        return record
    members = [
        (key, Number(int(value) + 1) if key == "sequence_num" else value)
        for key, value in parse(record["raw"])
    ]
    return {**record, "raw": dump(Members(members))}


def _rows(levels: list[Level]) -> list[list[str]]:
    return [[plain(price), plain(qty)] for price, qty in levels]


def _updates(sides: Window, timestamp: str) -> list[dict[str, Any]]:
    return [
        {"side": side, "event_time": timestamp, "price_level": plain(price), "new_quantity": plain(qty)}
        for side, levels in zip(("bid", "offer"), sides, strict=True)
        for price, qty in levels
    ]
