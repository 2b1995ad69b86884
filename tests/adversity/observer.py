"""A strategy that rebuilds every book from what it is given, and notes what must not be. It runs inside the engine.

It is copied beside the configuration of a run and knows the public API alone. Asked by SIGUSR1, and when it is stopped,
it writes all that it holds; a tenth of a second after it was asked, so that who asks again and again takes little of
the engine's time.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

import engine

ANSWERS_AFTER_S = 0.1
_KEPT_BREACHES = 50


class Stream:
    """One instrument at one provider, as far as events have told of it."""

    def __init__(self) -> None:
        self.book = engine.Book()
        self.is_valid = False
        self.was_lost = False
        self.epoch = 0
        self.seq = 0
        self.trades_epoch = 0
        self.trade_id = 0


class Observer:
    """Takes books and trades of everything that is subscribed.

    Args:
        report: where to write.
        bell: a datagram socket that is told when something was written.
    """

    def __init__(self, report: str, bell: str) -> None:
        self._report = Path(report)
        self._bell = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._bell.connect(bell)
        self._streams: dict[tuple[str, str], Stream] = {}
        self._breaches: list[str] = []
        self._resyncs: list[dict[str, Any]] = []
        self._open: dict[tuple[str, str], dict[str, Any]] = {}
        self._events: Counter[str] = Counter()
        self._instruments: list[dict[str, Any]] = []

    def on_start(self, ctx: engine.Context) -> None:
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGUSR1, lambda: loop.call_later(ANSWERS_AFTER_S, self.tell))

    def on_stop(self, ctx: engine.Context) -> None:
        self.tell()

    def tell(self) -> None:
        """Write what is held now."""
        books = {
            f"{provider} {symbol}": {
                "bids": stream.book.bids(),
                "asks": stream.book.asks(),
                "price_scale": stream.book.price_scale,
                "qty_scale": stream.book.qty_scale,
            }
            for (provider, symbol), stream in self._streams.items()
            if stream.is_valid
        }
        document = {
            "books": books,
            "resyncs": self._resyncs,
            "breaches": self._breaches,
            "events": self._events,
            "instruments": self._instruments,
        }
        written = self._report.with_suffix(".part")
        written.write_bytes(msgspec.json.encode(document))
        os.replace(written, self._report)
        try:
            self._bell.send(b"written", socket.MSG_DONTWAIT)
        except OSError:
            return  # nobody asks any more

    def on_batch(self, events: Sequence[Any], ctx: engine.Context) -> None:
        for event in events:
            name = type(event).__name__
            self._events[f"{event.provider} {name}"] += 1
            if name == "BookUpdate" or name == "BookSnapshot":
                self._take_book(event, name == "BookSnapshot")
            elif name == "Trade":
                self._take_trade(event)
            elif name == "InstrumentUpdate":
                record = event.instrument
                self._instruments.append(
                    {"provider": record.provider, "symbol": record.symbol, "changed": list(event.changed_fields)}
                )

    def _stream(self, event: Any) -> Stream:
        key = (event.provider, event.symbol)
        stream = self._streams.get(key)
        if stream is None:
            stream = self._streams[key] = Stream()
        return stream

    def _breach(self, event: Any, what: str) -> None:
        if len(self._breaches) < _KEPT_BREACHES:
            self._breaches.append(f"{event.event_id}: {what}")

    def _take_book(self, event: Any, is_snapshot: bool) -> None:
        stream = self._stream(event)
        if is_snapshot:
            self._begin(event, stream)
        elif event.update_type is engine.UpdateType.INVALID:
            self._lose(event, stream)
        else:
            if not stream.is_valid:
                self._breach(event, "an update of a book that is not valid")
            if event.epoch != stream.epoch or event.seq_first != stream.seq + 1:
                self._breach(event, f"number {event.epoch}/{event.seq_first} after {stream.epoch}/{stream.seq}")
        stream.seq = event.seq_provider
        if stream.book.apply(event) != stream.is_valid:
            self._breach(event, f"the book {'cannot' if stream.is_valid else 'can'} be read")
        if stream.is_valid:
            bids, asks = stream.book.bids(1), stream.book.asks(1)
            if bids and asks and bids[0][0] >= asks[0][0]:
                self._breach(event, f"crossed: {bids[0]} {asks[0]}")

    def _begin(self, event: Any, stream: Stream) -> None:
        key = (event.provider, event.symbol)
        if event.epoch <= stream.epoch:
            self._breach(event, f"a snapshot of epoch {event.epoch} after {stream.epoch}")
        stream.epoch = event.epoch
        stream.is_valid = True
        lost = self._open.pop(key, None)
        if lost is not None:
            lost["valid_ns"] = event.ts_recv_ns
            lost["begun_by"] = event.reason.name.lower()

    def _lose(self, event: Any, stream: Stream) -> None:
        if not stream.is_valid:
            self._breach(event, "lost again")
        stream.is_valid = False
        lost = {
            "provider": event.provider,
            "symbol": event.symbol,
            "reason": event.invalid_reason.name.lower(),
            "lost_ns": event.ts_recv_ns,
            "valid_ns": None,
            "begun_by": None,
        }
        self._open[event.provider, event.symbol] = lost
        self._resyncs.append(lost)

    def _take_trade(self, event: Any) -> None:
        stream = self._stream(event)
        if event.epoch == stream.trades_epoch and event.seq_provider <= stream.trade_id:
            self._breach(event, f"a trade of number {event.seq_provider} after {stream.trade_id}")
        if event.epoch < stream.trades_epoch:
            self._breach(event, f"a trade of epoch {event.epoch} after {stream.trades_epoch}")
        stream.trades_epoch, stream.trade_id = event.epoch, event.seq_provider
