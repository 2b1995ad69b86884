from collections.abc import Callable
from typing import Any

from typing_extensions import disjoint_base

from engine.providers.assembler import BookAssembler
from engine.providers.checkedstream import CheckedStream, CheckedSymbol
from engine.providers.kraken.continuity import ChecksumContinuity
from engine.providers.tape import TradeTape

@disjoint_base
class KrakenSymbol(CheckedSymbol):
    continuity: ChecksumContinuity
    past_trades: TradeTape
    def __init__(self, book: BookAssembler) -> None: ...

@disjoint_base
class KrakenStream(CheckedStream):
    system: str | None
    def __init__(
        self,
        provider: str,
        pool: Any,
        sink: Any,
        clock: Any,
        *,
        on_reply: Callable[[int | None, str | None, bool, str | None, str | None], None] | None = None,
        on_pong: Callable[[int | None], None] | None = None,
        on_status: Callable[[str], None] | None = None,
        **hooks: Any,
    ) -> None: ...
    def symbol_states(self) -> list[KrakenSymbol]: ...
