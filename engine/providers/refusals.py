"""What a venue refuses of the public subscriptions: each told once, and not asked for again while the socket stands."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

from engine.base.errors import InvalidRequestError
from engine.providers.feed import Feed, SubscriptionRefusal

_BOOK = "book"
_HINT = "leave the symbol out of providers[].symbols or the stream out of providers[].streams, or ask the venue why"

log = logging.getLogger("engine.providers")


class Refusals:
    """Owned by its session.

    Args:
        feed: whose subscriptions.
        tell: telemetry.
    """

    def __init__(self, feed: Feed, tell: Callable[..., None]) -> None:
        self._feed = feed
        self._tell = tell
        self.told: dict[tuple[str, str], str] = {}
        """(symbol, stream) -> the venue's words; no symbol where the venue names none."""
        self._books: set[int] = set()

    def take(self, refusal: SubscriptionRefusal) -> None:
        """Hook of the feed: note a refusal, and tell it if it is new."""
        for venue_symbol in refusal.venue_symbols or ("",):
            if refusal.stream == _BOOK and venue_symbol:
                self._books.add(self._feed.stream.index_of(venue_symbol.encode()))
            known = self._feed.instruments.get(venue_symbol)
            symbol = venue_symbol if known is None else known.symbol
            if (symbol, refusal.stream) not in self.told:
                self.told[symbol, refusal.stream] = refusal.said
                self._told(symbol, refusal)

    def _told(self, symbol: str, refusal: SubscriptionRefusal) -> None:
        what = " of ".join(part for part in (refusal.stream, symbol) if part) or "a request"
        error = InvalidRequestError(
            f"the venue refuses {what}: {refusal.said}",
            op="subscribe",
            provider=self._feed.provider,
            symbol=symbol or None,
            venue_message=refusal.said,
            hint=_HINT,
        )
        log.error("%s; %s", error, error.hint)
        self._tell("instrument.skipped", provider=self._feed.provider, venue_symbol=symbol, why=error.reason)

    def is_refused(self, symbol_index: int) -> bool:
        """Whether the venue does not send a symbol's book over the connection that stands."""
        return symbol_index in self._books

    def forget(self, venue_symbols: Sequence[str]) -> None:
        """Their connection has gone: the next one asks again."""
        self._books.difference_update(self._feed.stream.index_of(symbol.encode()) for symbol in venue_symbols)

    def texts(self) -> tuple[str, ...]:
        """``book of BTC-USD: the venue's words``, one each."""
        return tuple(
            f"{' of '.join(part for part in (stream, symbol) if part)}: {said}"
            for (symbol, stream), said in self.told.items()
        )

    @property
    def books(self) -> int:
        """How many books are not sent."""
        return len(self._books)
