"""cryptofeed on recorded Binance depth frames: ``message_handler`` -> OrderBook -> three async callbacks.

Run inside its environment: ``python -m peer.cryptofeed_path FRAMES_FILE``. The feed object is
cryptofeed's own; only its REST answers (the recorded snapshots) and its symbol list are given to it.
Each callback reads the best bid and the best ask price.
"""
import asyncio
import logging
from time import thread_time_ns, time
from typing import Any

import uvloop
from cryptofeed.defines import L2_BOOK
from cryptofeed.exchanges import Binance
from cryptofeed.symbols import Symbols
from peer.framefile import Frames, read
from peer.report import arguments, print_result
from peer.timing import timed_passes

CONSUMER_COUNT = 3


class RecordedSnapshots:
    """Stands in for the feed's HTTP connection."""

    def __init__(self, snapshots: dict[str, bytes]) -> None:
        self._bodies = {symbol: raw.decode() for symbol, raw in snapshots.items()}

    async def read(self, url: str, *_: Any, **__: Any) -> str:
        symbol = url.partition("symbol=")[2].partition("&")[0]
        return self._bodies[symbol]


class Consumer:
    """A user's callback."""

    def __init__(self) -> None:
        self.calls = 0
        self.tops: dict[str, tuple[Any, Any]] = {}

    async def on_book(self, book: Any, receipt_time_s: float) -> None:
        self.calls += 1
        best_bid = book.book.bids.index(0)[0]
        best_ask = book.book.asks.index(0)[0]
        self.tops[book.symbol] = best_bid, best_ask


def build_feed(frames: Frames, consumers: list[Consumer]) -> Binance:
    """A Binance feed for the recording's symbols, which keep the venue's spelling as their names."""
    names = {symbol: symbol for symbol in frames.symbols}
    Symbols.set(Binance.id, names, {"instrument_type": dict.fromkeys(names, "spot"), "tick_size": {}})
    callbacks = {L2_BOOK: [consumer.on_book for consumer in consumers]}
    feed = Binance(symbols=list(frames.symbols), channels=[L2_BOOK], callbacks=callbacks)
    feed.http_conn = RecordedSnapshots(frames.snapshots)
    return feed


def main() -> None:
    options = arguments()
    logging.disable(logging.CRITICAL)
    frames = read(options.frames_file)
    consumers = [Consumer() for _ in range(CONSUMER_COUNT)]
    loop = uvloop.new_event_loop()
    asyncio.set_event_loop(loop)
    feed = build_feed(frames, consumers)
    texts = [frame.decode() for frame in frames.frames]  # its socket library hands over str

    async def play() -> int:
        feed._reset()
        for symbol in frames.symbols:
            await feed._snapshot(symbol)
        for consumer in consumers:
            consumer.calls = 0
        handle = feed.message_handler
        start_ns = thread_time_ns()
        for text in texts:
            await handle(text, None, time())
        return thread_time_ns() - start_ns

    def one_pass() -> int:
        return loop.run_until_complete(play())

    spread = timed_passes(one_pass, len(texts), options.seconds, options.repeats)
    if any(consumer.calls != len(texts) for consumer in consumers):
        raise SystemExit(f"callbacks {[c.calls for c in consumers]} of {len(texts)} messages")
    path = "message_handler -> OrderBook -> 3 async callbacks"
    print_result("cryptofeed", ["cryptofeed", "order_book", "uvloop"], path, spread, consumers[-1].tops)


if __name__ == "__main__":
    main()
