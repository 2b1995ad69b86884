from collections.abc import Callable
from typing import Any

from typing_extensions import disjoint_base

from engine.providers.assembler import BookAssembler
from engine.providers.kraken.continuity import ChecksumContinuity
from engine.providers.rowstream import RowStream
from engine.providers.tape import TradeTape

@disjoint_base
class KrakenSymbol:
    book: BookAssembler
    continuity: ChecksumContinuity
    trades: TradeTape
    past_trades: TradeTape
    has_precision: bool
    def __init__(self, book: BookAssembler) -> None: ...

@disjoint_base
class KrakenStream(RowStream):
    verify_checksum: bool
    heartbeats: int
    errors: int
    system: str | None
    def __init__(
        self,
        provider: str,
        pool: Any,
        sink: Any,
        clock: Any,
        *,
        verify_checksum: bool = True,
        on_reply: Callable[[int | None, str | None, bool, str | None, str | None], None] | None = None,
        on_error: Callable[[int, str], None] | None = None,
        on_pong: Callable[[int | None], None] | None = None,
        on_status: Callable[[str], None] | None = None,
        on_instruments: Callable[[bytes], None] | None = None,
        **hooks: Any,
    ) -> None: ...
    def add_book(self, book: BookAssembler) -> int: ...
    def drop_book(self, index: int, reason: int = ...) -> None: ...
    def symbol_states(self) -> list[KrakenSymbol]: ...
    def set_precision(self, index: int, price_precision: int, qty_precision: int) -> None: ...
    def reset_connection(self, conn: int) -> None: ...
