from collections.abc import Callable
from typing import Any

from typing_extensions import disjoint_base

from engine.providers.assembler import BookAssembler
from engine.providers.coinbase.continuity import SequenceContinuity
from engine.providers.tape import TradeTape
from engine.providers.venuestream import VenueStream

@disjoint_base
class CoinbaseSymbol:
    book: BookAssembler
    trades: TradeTape
    conn: int
    snapshots: int
    updates: int
    empty_updates: int
    def __init__(self, book: BookAssembler) -> None: ...

@disjoint_base
class CoinbaseStream(VenueStream):
    heartbeats: int
    errors: int
    def __init__(
        self,
        provider: str,
        pool: Any,
        sink: Any,
        clock: Any,
        *,
        on_error: Callable[[int, str], None] | None = None,
        on_subscriptions: Callable[[int, dict[str, list[str]]], None] | None = None,
        **hooks: Any,
    ) -> None: ...
    def drop_book(self, index: int, reason: int = ...) -> None: ...
    def symbol_states(self) -> list[CoinbaseSymbol]: ...
    def connections(self) -> dict[int, SequenceContinuity]: ...
    def reset_connection(self, conn: int) -> None: ...
