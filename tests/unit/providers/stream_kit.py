"""A venue's stream with a consumer behind it: frames in; events, refusals and requests out, as lists."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import engine.schema.control
import engine.schema.market  # noqa: F401  (the pools need every event class)
from engine.base.clock import ManualClock
from engine.consumers.inline import InlineRunner
from engine.consumers.settings import MailboxSettings
from engine.observability.stages import StageTimer
from engine.pools.frames import FramePools
from engine.pools.recycler import Recycler
from engine.pools.sizes import FLOORS
from engine.providers.assembler import BookAssembler
from engine.schema.enums import BookReason

RECV_NS = 1_800_000_000_000_000_000
wired_streams: list[Any] = []
"""Those of the test that runs."""


def close_streams() -> None:
    """What they still keep goes back to their pools, as when their engine closes; then they are forgotten."""
    while wired_streams:
        wired_streams.pop().close()


@dataclass
class Wired:
    """One stream and everything it said; build it with `wire`."""

    stream: Any
    pool: Recycler
    books: dict[str, BookAssembler]
    events: list[Any] = field(default_factory=list)
    rejects: list[tuple[str, str | None]] = field(default_factory=list)
    dead: list[bytes] = field(default_factory=list)
    wanted: list[tuple[str, BookReason]] = field(default_factory=list)
    telemetry: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    def feed(self, message: Any, conn: int = 0, record: int = -1) -> list[Any]:
        """Hand one frame in, as bytes, text or a tree; returns the events it caused, detached."""
        if isinstance(message, str):
            message = message.encode()
        elif not isinstance(message, bytes):
            message = json.dumps(message).encode()
        before = len(self.events)
        self.stream.record_index = record
        self.stream.feed(message, RECV_NS, conn)
        self.stream.read_end()
        return self.events[before:]

    def levels(self, symbol: str) -> tuple[list[tuple[Decimal, Decimal]], list[tuple[Decimal, Decimal]]]:
        """The assembled book: bids, asks, best first, as decimals."""
        book = self.books[symbol]
        bids, asks = (
            [
                (Decimal(price).scaleb(-book.price_scale), Decimal(qty).scaleb(-book.qty_scale))
                for price, qty in book.ladder.levels(side)
            ]
            for side in (0, 1)
        )
        return bids, asks

    def assert_balanced(self) -> None:
        """Every event that left a pool is back."""
        assert all(pool.balanced for pool in self.pool.statistics().pools.values())


def wire(
    stream_type: Any,
    provider: str,
    symbols: dict[str, str],
    *,
    price_scale: int = 2,
    qty_scale: int = 2,
    book_options: dict[str, Any] | None = None,
    frames: FramePools | None = None,
    **hooks: Any,
) -> Wired:
    """A *stream_type* over *symbols* (venue spelling to public symbol), its consumer keeping everything."""
    clock, pool = ManualClock(RECV_NS), Recycler(FLOORS["service"], frames=frames)
    wired = Wired(None, pool, {})

    class Keeper:
        def on_event(self, event: Any, ctx: object) -> None:
            wired.events.append(event.detach())

    def rejected(_provider: str, code: str, name: str | None, raw: bytes, _length: int) -> None:
        wired.rejects.append((code, name))
        wired.dead.append(raw)

    runner = InlineRunner("keeper", 0, Keeper(), None, pool, clock, StageTimer(), settings=MailboxSettings(capacity=65_536))
    runner.start()
    wired.stream = stream_type(
        provider,
        pool,
        runner,
        clock,
        on_reject=rejected,
        on_want_snapshot=lambda stream, index, reason: wired.wanted.append(
            (stream.book_list()[index].symbol, reason)
        ),
        on_telemetry=lambda kind, **metadata: wired.telemetry.append((kind, metadata)),
        **hooks,
    )
    wired_streams.append(wired.stream)
    for venue_symbol, symbol in symbols.items():
        book = BookAssembler(
            provider=provider,
            symbol=symbol,
            venue_symbol=venue_symbol.encode(),
            price_scale=price_scale,
            qty_scale=qty_scale,
            pool=pool,
            sink=runner,
            clock=clock,
            **(book_options or {}),
        )
        wired.stream.add_book(book)
        wired.books[symbol] = book
    return wired
