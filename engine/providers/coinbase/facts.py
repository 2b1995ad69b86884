"""What a Coinbase stream has counted, in the words of the capture facts (CLI-40)."""

from __future__ import annotations

from typing import Any

from engine.providers.coinbase.feed import CoinbaseFeed
from engine.providers.facts import book_part, http_type, message_fields, tape_part

CHECKPOINT_RECORDS = 1000


def books_seen(feed: CoinbaseFeed) -> list[str]:
    """Products whose book was told of."""
    return [
        state.book.venue_symbol.decode()
        for state in feed.stream.symbol_states()
        if state.snapshots or state.updates
    ]


def books(feed: CoinbaseFeed) -> dict[str, dict[str, Any]]:
    """Facts of every book that was told of, by product."""
    return {
        state.book.venue_symbol.decode(): {
            "snapshot": state.snapshots,
            "update": state.updates,
            "empty_updates": state.empty_updates,
            "crossed_after_message": state.book.crossed_count,
            **book_part(state.book),
        }
        for state in feed.stream.symbol_states()
        if state.snapshots or state.updates
    }


def trades(feed: CoinbaseFeed) -> dict[str, dict[str, Any]]:
    """Facts of every product that traded; the flag counts ``side`` BUY, which is the maker's."""
    return {
        f"{state.book.venue_symbol.decode()} trade": tape_part(state.trades, "buy")
        for state in feed.stream.symbol_states()
        if state.trades.count
    }


def entry_part(feed: CoinbaseFeed) -> dict[str, Any]:
    """Facts of the connections: the last number of each, and where numbers were missing."""
    connections = feed.stream.connections()
    part: dict[str, Any] = {
        "sequence_gaps": sum(numbers.sequence_gaps for numbers in connections.values()),
        "messages_missing": sum(numbers.messages_missing for numbers in connections.values()),
        "last_sequence": {str(conn): numbers.last for conn, numbers in sorted(connections.items())},
    }
    gaps = sorted(record for numbers in connections.values() for record in numbers.gap_at_record)
    return part | ({"sequence_gap_at_record": gaps} if gaps else {})


def checkpoint_part(feed: CoinbaseFeed, venue_symbol: str) -> dict[str, Any] | None:
    """Nothing beside the top of a valid book; None leaves the book out."""
    return {} if feed.book_of(venue_symbol).is_valid else None


def message_type(raw: bytes, channel: str, url: str | None, is_fixture: bool) -> str:
    """The name a frame is counted under; those of fixtures carry their channel."""
    if channel == "http":
        return http_type(url, raw)
    message = message_fields(raw)
    name = str(message.fields.get("channel") or message.fields.get("type") or message.shape)
    return f"ws {name}" if is_fixture else name
