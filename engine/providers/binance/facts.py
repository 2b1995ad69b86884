"""What a Binance stream has counted, in the words of the capture facts (CLI-40)."""

from __future__ import annotations

from typing import Any

from engine.providers.binance.feed import BinanceFeed
from engine.providers.facts import book_part, http_type, message_fields, tape_part

CHECKPOINT_RECORDS = 5000


def books_seen(feed: BinanceFeed) -> list[str]:
    """Venue symbols of books that saw a diff or a snapshot."""
    return [
        state.book.venue_symbol.decode()
        for state in feed.stream.symbol_states()
        if state.continuity.diffs or state.continuity.snapshots
    ]


def books(feed: BinanceFeed) -> dict[str, dict[str, Any]]:
    """Facts of every book that saw a diff or a snapshot, by venue symbol."""
    found: dict[str, dict[str, Any]] = {}
    for state in feed.stream.symbol_states():
        ids, view, book = state.continuity, state.second_view, state.book
        if not ids.diffs and not ids.snapshots:
            continue
        part: dict[str, Any] = {
            "in_sync": ids.in_sync,
            "last_update_id": ids.book_id if ids.in_sync else None,
            "applied": ids.applied,
            "diffs": ids.diffs,
            "overlapping_applied": ids.overlapping_applied,
            "snapshots": ids.snapshots,
            "snapshots_too_old": ids.snapshots_too_old,
            "snapshots_ignored_in_sync": ids.snapshots_ignored_in_sync,
            "stale_dropped": ids.stale_dropped,
            "gaps": ids.gaps,
            "stream_breaks_U_ne_prev_u_plus_1": ids.stream_breaks,
            "crossed_after_apply": book.crossed_count,
            "book_ticker_checked": view.tickers_checked,
            "book_ticker_equal": view.tickers_equal,
            **book_part(book),
        }
        if ids.gap_at:
            part["gap_at"] = list(ids.gap_at)
        if view.partials_checked:
            part["partial_depth_checked"] = view.partials_checked
            part["partial_depth_equal"] = view.partials_equal
        found[book.venue_symbol.decode()] = part
    return found


def trades(feed: BinanceFeed) -> dict[str, dict[str, Any]]:
    """Facts of every trade stream, by ``SYMBOL stream``."""
    found: dict[str, dict[str, Any]] = {}
    for state in feed.stream.symbol_states():
        for name, tape in (("trade", state.trades), ("aggTrade", state.aggregates)):
            if tape.count:
                found[f"{state.book.venue_symbol.decode()} {name}"] = tape_part(tape, "buyer_maker")
    return found


def entry_part(feed: BinanceFeed) -> dict[str, Any]:
    """Facts of the whole entry: candles told, by ``SYMBOL interval``."""
    from engine.schema.quotes import INTERVAL_NAMES

    books = feed.stream.book_list()
    candles = {
        f"{books[index].venue_symbol.decode()} {INTERVAL_NAMES[interval_ns // 1_000_000_000]}": count
        for (index, interval_ns), count in feed.stream.kline_frames().items()
    }
    return {"klines": candles} if candles else {}


def checkpoint_part(feed: BinanceFeed, venue_symbol: str) -> dict[str, Any] | None:
    """``update_id`` of a book in sync; None leaves the book out."""
    ids = feed.stream.symbol_states()[feed.stream.index_of(venue_symbol.encode())].continuity
    return {"update_id": ids.book_id} if ids.in_sync else None


def message_type(raw: bytes, channel: str, url: str | None, is_fixture: bool) -> str:
    """The name a frame is counted under; those of fixtures carry their channel."""
    if channel == "http":
        return http_type(url, raw)
    message = message_fields(raw)
    if is_fixture:
        inner = message.fields.get("event")
        kept = inner if isinstance(inner, dict) else message.fields
        return f"ws {kept.get('e', message.shape)}"
    payload = message.fields.get("data")
    fields = payload if isinstance(payload, dict) else message.fields
    stream = message.fields.get("stream")
    if "e" in fields:
        return str(fields["e"])
    if isinstance(stream, str) and "@" in stream:
        return stream.split("@")[1]
    return "bookTicker" if {"u", "s", "b", "a"} <= set(fields) else message.shape
