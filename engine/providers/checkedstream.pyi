from collections.abc import Callable
from typing import Any

from typing_extensions import disjoint_base

from engine.providers.assembler import BookAssembler
from engine.providers.rowstream import RowStream
from engine.providers.tape import TradeTape

@disjoint_base
class CheckedContinuity:
    in_sync: bool
    conn: int
    snapshots: int
    updates: int
    empty_updates: int
    checksum_failed_at_record: list[int]
    def __init__(self) -> None: ...

@disjoint_base
class CheckedSymbol:
    book: BookAssembler
    continuity: Any
    trades: TradeTape
    has_precision: bool
    def __init__(self, book: BookAssembler, continuity: CheckedContinuity) -> None: ...

@disjoint_base
class CheckedStream(RowStream):
    verify_checksum: bool
    heartbeats: int
    errors: int
    def __init__(
        self,
        provider: str,
        pool: Any,
        sink: Any,
        clock: Any,
        *,
        verify_checksum: bool = True,
        on_error: Callable[[int, str], None] | None = None,
        on_instruments: Callable[[bytes], None] | None = None,
        **hooks: Any,
    ) -> None: ...
    def add_book(self, book: BookAssembler) -> int: ...
    def drop_book(self, index: int, reason: int = ...) -> None: ...
    def symbol_states(self) -> list[Any]: ...
    def set_precision(self, index: int, price_precision: int, qty_precision: int) -> None: ...
    def reset_connection(self, conn: int) -> None: ...
