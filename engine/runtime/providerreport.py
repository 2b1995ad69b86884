"""How a provider stands at a moment: its connections, its books, its account."""

from __future__ import annotations

from dataclasses import dataclass

from engine.providers.session import Session


@dataclass(frozen=True)
class ProviderReport:
    """One provider at a moment.

    Attributes:
        name, venue: of the configuration.
        state: ``starting``, ``up``, ``down``, ``refused`` or ``stopped``.
        cause: what made it so.
        symbols: those that are carried.
        missing_symbols: those that the venue does not list.
        books_valid: of those symbols, where books are among the streams.
        connections_up, connections: its sockets.
        refused: subscriptions that the venue does not grant, each with its words.
        books_refused: of the symbols, whose book it does not send.
        account: state of the private connection, as of the provider; ``none`` without a key.
        account_cause: what made it so.
        foreign_orders: orders on the account that no consumer of ours sent.
        read_pauses: how often its sockets were not read for a while, because nobody had room.
        read_paused_ms: how long that was in all.
    """

    name: str
    venue: str
    state: str
    cause: str
    symbols: tuple[str, ...]
    missing_symbols: tuple[str, ...]
    books_valid: int
    connections_up: int
    connections: int
    refused: tuple[str, ...] = ()
    books_refused: int = 0
    account: str = "none"
    account_cause: str = ""
    foreign_orders: int = 0
    read_pauses: int = 0
    read_paused_ms: int = 0

    @property
    def is_settled(self) -> bool:
        """Whether waiting for it any longer brings nothing soon: it is complete, or away."""
        if self.state == "up":
            return self.books_valid + self.books_refused >= len(self.symbols) and self.account != "starting"
        return self.state != "starting"


def provider_report(session: Session) -> ProviderReport:
    """How a provider stands now."""
    feed, account = session.feed, session.account
    with_books = "book" in session.settings.streams
    return ProviderReport(
        name=feed.provider,
        venue=feed.venue,
        state=session.state,
        cause=session.cause,
        symbols=tuple(instrument.symbol for instrument in feed.instruments.values()),
        missing_symbols=session.missing_symbols,
        books_valid=sum(book.is_valid or not with_books for book in feed.stream.book_list()),
        connections_up=sum(connection.is_up for connection in session.connections),
        connections=len(session.connections),
        refused=session.refusals.texts(),
        books_refused=session.refusals.books,
        account="none" if account is None else account.state,
        account_cause="" if account is None else account.cause,
        foreign_orders=0 if account is None else account.orders_told,
        read_pauses=session.brake.pauses_count,
        read_paused_ms=round(session.brake.paused_s * 1000),
    )
