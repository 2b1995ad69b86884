"""What a Kraken stream has counted, in the words of the capture facts (CLI-40)."""

from __future__ import annotations

from typing import Any

from engine.providers.facts import book_part, http_type, message_fields, tape_part
from engine.providers.kraken.feed import KrakenFeed

CHECKPOINT_RECORDS = 500


def books_seen(feed: KrakenFeed) -> list[str]:
    """Venue symbols of books that were told of."""
    return [
        state.book.venue_symbol.decode()
        for state in feed.stream.symbol_states()
        if state.continuity.snapshots or state.continuity.updates
    ]


def books(feed: KrakenFeed) -> dict[str, dict[str, Any]]:
    """Facts of every book that was told of, by venue symbol."""
    found: dict[str, dict[str, Any]] = {}
    for state in feed.stream.symbol_states():
        ids, book = state.continuity, state.book
        if not ids.snapshots and not ids.updates:
            continue
        part: dict[str, Any] = {
            "depth": ids.depth_levels or None,
            "checksums": book.checksums_compared,
            "checksum_ok": book.checksums_ok,
            "snapshot": ids.snapshots,
            "update": ids.updates,
            "empty_updates": ids.empty_updates,
            "crossed_after_message": book.crossed_count,
            **book_part(book),
        }
        if ids.checksum_failed_at_record:
            part["checksum_failed_at_record"] = list(ids.checksum_failed_at_record)
        found[book.venue_symbol.decode()] = part
    return found


def trades(feed: KrakenFeed) -> dict[str, dict[str, Any]]:
    """Facts of every pair that traded, by ``SYMBOL type``; the flag counts ``side`` buy, which is the taker's."""
    found: dict[str, dict[str, Any]] = {}
    for state in feed.stream.symbol_states():
        for kind, tape in (("update", state.trades), ("snapshot", state.past_trades)):
            if tape.count:
                found[f"{state.book.venue_symbol.decode()} {kind}"] = tape_part(tape, "buy")
    return found


def entry_part(feed: KrakenFeed) -> dict[str, Any]:
    """Nothing is counted over the whole entry: the venue numbers no message."""
    return {}


def checkpoint_part(feed: KrakenFeed, venue_symbol: str) -> dict[str, Any] | None:
    """Nothing beside the top of a valid book; None leaves the book out."""
    return {} if feed.book_of(venue_symbol).is_valid else None


def message_type(raw: bytes, channel: str, url: str | None, is_fixture: bool) -> str:
    """The name a frame is counted under: its method, or its channel and type; fixtures carry no type."""
    if channel == "http":
        return http_type(url, raw)
    message = message_fields(raw)
    fields = message.fields
    if "method" in fields:
        name = str(fields["method"])
    elif "channel" in fields:
        name = str(fields["channel"])
        if "type" in fields and not is_fixture:
            name += f" {fields['type']}"
    else:
        name = message.shape
    return f"ws {name}" if is_fixture else name
