from collections.abc import Callable
from typing import Any

from typing_extensions import disjoint_base

from engine.providers.assembler import BookAssembler
from engine.providers.rowstream import RowStream
from engine.providers.simulated.continuity import NumberContinuity
from engine.providers.tape import TradeTape

@disjoint_base
class SimulatedSymbol:
    book: BookAssembler
    continuity: NumberContinuity
    trades: TradeTape
    has_precision: bool
    def __init__(self, book: BookAssembler) -> None: ...

@disjoint_base
class SimulatedStream(RowStream):
    verify_checksum: bool
    heartbeats: int
    errors: int
    state: str | None
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
    def symbol_states(self) -> list[SimulatedSymbol]: ...
    def set_precision(self, index: int, price_precision: int, qty_precision: int) -> None: ...
    def reset_connection(self, conn: int) -> None: ...
