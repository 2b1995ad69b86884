"""What a stream of the plain feed has counted, in the words of the capture facts (CLI-40)."""

from __future__ import annotations

from typing import Any

from engine.providers.facts import book_part, http_type, message_fields, tape_part
from engine.providers.simulated.feed import SimulatedFeed

CHECKPOINT_RECORDS = 500


def books_seen(feed: SimulatedFeed) -> list[str]:
    """Symbols of books that were told of."""
    return [
        state.book.venue_symbol.decode()
        for state in feed.stream.symbol_states()
        if state.continuity.snapshots or state.continuity.updates
    ]


def books(feed: SimulatedFeed) -> dict[str, dict[str, Any]]:
    """Facts of every book that was told of, by symbol."""
    found: dict[str, dict[str, Any]] = {}
    for state in feed.stream.symbol_states():
        ids, book = state.continuity, state.book
        if not ids.snapshots and not ids.updates:
            continue
        part: dict[str, Any] = {
            "in_sync": ids.in_sync,
            "snapshot": ids.snapshots,
            "update": ids.updates,
            "empty_updates": ids.empty_updates,
            "repeats": ids.repeats,
            "gaps": ids.gaps,
            "messages_missing": ids.missing,
            "last_seq": ids.last,
            "checksums": book.checksums_compared,
            "checksum_ok": book.checksums_ok,
            "crossed_after_message": book.crossed_count,
            **book_part(book),
        }
        for key, at in (
            ("gap_at_record", ids.gap_at_record),
            ("checksum_failed_at_record", ids.checksum_failed_at_record),
        ):
            if at:
                part[key] = list(at)
        found[book.venue_symbol.decode()] = part
    return found


def trades(feed: SimulatedFeed) -> dict[str, dict[str, Any]]:
    """Facts of every symbol that traded; the flag counts ``side`` buy, which is the taker's."""
    return {
        state.book.venue_symbol.decode(): tape_part(state.trades, "buy")
        for state in feed.stream.symbol_states()
        if state.trades.count
    }


def entry_part(feed: SimulatedFeed) -> dict[str, Any]:
    """Nothing is counted over the whole entry: numbers are of a symbol."""
    return {}


def checkpoint_part(feed: SimulatedFeed, venue_symbol: str) -> dict[str, Any] | None:
    """Nothing beside the top of a valid book; None leaves the book out."""
    return {} if feed.book_of(venue_symbol).is_valid else None


def message_type(raw: bytes, channel: str, url: str | None, is_fixture: bool) -> str:
    """The name a frame is counted under: its channel, with the type of a book's and the op of a reply's."""
    if channel == "http":
        return http_type(url, raw)
    message = message_fields(raw)
    fields = message.fields
    name = str(fields.get("channel", message.shape))
    detail = fields.get("type", fields.get("op"))
    return name if detail is None else f"{name} {detail}"
