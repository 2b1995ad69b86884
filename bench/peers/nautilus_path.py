"""nautilus_trader on recorded Binance depth frames, along the path a live TradingNode uses.

The spot adapter decodes, LiveDataEngine queues, the message bus publishes, the Cache holds the managed
book, and three actors read its best bid and best ask price. Run inside its environment:
``python -m peer.nautilus_path FRAMES_FILE``. Nothing is stubbed but the network: the client
subscribes to nothing and the snapshots are applied from the recording.
"""
import asyncio
from decimal import Decimal
from time import thread_time_ns
from typing import Any

import msgspec
import uvloop
from nautilus_trader.adapters.binance.common.enums import BinanceAccountType
from nautilus_trader.adapters.binance.config import BinanceDataClientConfig
from nautilus_trader.adapters.binance.http.client import BinanceHttpClient
from nautilus_trader.adapters.binance.spot.data import BinanceSpotDataClient
from nautilus_trader.cache.cache import Cache
from nautilus_trader.common.actor import Actor
from nautilus_trader.common.component import LiveClock, MessageBus, init_logging
from nautilus_trader.common.enums import LogLevel
from nautilus_trader.common.providers import InstrumentProvider
from nautilus_trader.config import LiveDataEngineConfig
from nautilus_trader.live.data_engine import LiveDataEngine
from nautilus_trader.model.currencies import BTC, USDT
from nautilus_trader.model.data import BookOrder, OrderBookDelta, OrderBookDeltas
from nautilus_trader.model.enums import BookAction, BookType, OrderSide, RecordFlag
from nautilus_trader.model.identifiers import InstrumentId, TraderId
from nautilus_trader.model.instruments import CurrencyPair
from nautilus_trader.model.objects import Price, Quantity
from nautilus_trader.portfolio.portfolio import Portfolio
from peer.framefile import Frames, read
from peer.report import arguments, print_result
from peer.timing import timed_passes

CONSUMER_COUNT = 3
FRAMES_PER_TURN = 10
"""Frames the socket hands over before the event loop turns, as in a busy read."""

UNREACHABLE = "127.0.0.1:1"
PLACEHOLDER_SECRET = "cGxhY2Vob2xkZXI="


class OfflineClient(BinanceSpotDataClient):
    """The adapter without its network side."""

    async def _connect(self) -> None:
        """Nothing to connect to."""

    async def _subscribe_order_book_deltas(self, command: Any) -> None:
        """The frames are played from memory."""


class BookActor(Actor):
    """A strategy that looks at the top of the book on every update."""

    def __init__(self) -> None:
        super().__init__()
        self.calls = 0
        self.tops: dict[str, tuple[Any, Any]] = {}

    def on_order_book_deltas(self, deltas: OrderBookDeltas) -> None:
        self.calls += 1
        book = self.cache.order_book(deltas.instrument_id)
        self.tops[deltas.instrument_id.symbol.value] = book.best_bid_price(), book.best_ask_price()


def _decimals(texts: list[str]) -> int:
    return max(-int(Decimal(text).as_tuple().exponent) for text in texts)


def instrument(instrument_id: InstrumentId, body: dict[str, Any]) -> CurrencyPair:
    """A currency pair with the precision the snapshot's numbers have; its currencies do not matter here."""
    levels = body["bids"] + body["asks"]
    price_decimals = _decimals([level[0] for level in levels])
    quantity_decimals = _decimals([level[1] for level in levels])
    return CurrencyPair(
        instrument_id=instrument_id,
        raw_symbol=instrument_id.symbol,
        base_currency=BTC,
        quote_currency=USDT,
        price_precision=price_decimals,
        size_precision=quantity_decimals,
        price_increment=Price(10**-price_decimals, price_decimals),
        size_increment=Quantity(10**-quantity_decimals, quantity_decimals),
        ts_event=0,
        ts_init=0,
    )


def snapshot_deltas(instrument_id: InstrumentId, body: dict[str, Any]) -> OrderBookDeltas:
    """The REST body as deltas that clear the book and fill it."""
    deltas = [OrderBookDelta.clear(instrument_id, 0, 0, 0)]
    for side, levels in ((OrderSide.BUY, body["bids"]), (OrderSide.SELL, body["asks"])):
        for price, quantity, *_ in levels:
            order = BookOrder(side, Price.from_str(price), Quantity.from_str(quantity), 0)
            flags = RecordFlag.F_SNAPSHOT
            deltas.append(OrderBookDelta(instrument_id, BookAction.ADD, order, flags, 0, 0, 0))
    return OrderBookDeltas(instrument_id, deltas)


class Node:
    """The parts of a live node that stand between a frame and an actor."""

    def __init__(self, loop: asyncio.AbstractEventLoop, frames: Frames) -> None:
        self.loop = loop
        self.frames = frames.frames
        clock = LiveClock()
        bus = MessageBus(trader_id=TraderId("BENCH-001"), clock=clock)
        self.cache = Cache(database=None)
        portfolio = Portfolio(msgbus=bus, cache=self.cache, clock=clock)
        parts = {"msgbus": bus, "cache": self.cache, "clock": clock}
        engine = LiveDataEngine(loop=loop, config=LiveDataEngineConfig(), **parts)
        self.client = OfflineClient(
            loop=loop,
            client=BinanceHttpClient(
                clock=clock, api_key="none", api_secret=PLACEHOLDER_SECRET, base_url=f"http://{UNREACHABLE}"
            ),
            instrument_provider=InstrumentProvider(),
            base_url_ws=f"ws://{UNREACHABLE}",
            config=BinanceDataClientConfig(account_type=BinanceAccountType.SPOT),
            **parts,
        )
        self.snapshots: list[OrderBookDeltas] = []
        for symbol, raw in frames.snapshots.items():
            body = msgspec.json.decode(raw)
            instrument_id = self.client._get_cached_instrument_id(symbol)
            self.cache.add_instrument(instrument(instrument_id, body))
            self.snapshots.append(snapshot_deltas(instrument_id, body))
        engine.register_client(self.client)
        engine.start()
        self.actors = [BookActor() for _ in range(CONSUMER_COUNT)]
        for actor in self.actors:
            actor.register_base(portfolio=portfolio, **parts)
            actor.start()
            for deltas in self.snapshots:
                actor.subscribe_order_book_deltas(deltas.instrument_id, book_type=BookType.L2_MBP)
        loop.run_until_complete(self._settle())

    async def _settle(self) -> None:
        """Let the subscriptions pass through the engine's queues until every book exists."""
        # its queues signal nothing, so this and the wait below have to look
        while any(self.cache.order_book(deltas.instrument_id) is None for deltas in self.snapshots):  # noqa: ASYNC110
            await asyncio.sleep(0.01)

    async def _play(self) -> int:
        handle, last = self.client._handle_ws_message, self.actors[-1]
        total = len(self.frames)
        start_ns = thread_time_ns()
        for number, frame in enumerate(self.frames, 1):
            handle(frame)
            if not number % FRAMES_PER_TURN:
                await asyncio.sleep(0)
        while last.calls < total:  # noqa: ASYNC110
            await asyncio.sleep(0)
        return thread_time_ns() - start_ns

    def one_pass(self) -> int:
        """Books back to the snapshots, then all frames; ns until the last actor has seen the last frame."""
        for deltas in self.snapshots:
            self.cache.order_book(deltas.instrument_id).apply_deltas(deltas)
        for actor in self.actors:
            actor.calls = 0
        return self.loop.run_until_complete(self._play())


def main() -> None:
    options = arguments()
    log_guard = init_logging(level_stdout=LogLevel.ERROR)
    frames = read(options.frames_file)
    loop = uvloop.new_event_loop()
    asyncio.set_event_loop(loop)
    node = Node(loop, frames)
    spread = timed_passes(node.one_pass, len(frames.frames), options.seconds, options.repeats)
    if any(actor.calls != len(frames.frames) for actor in node.actors):
        raise SystemExit(f"actor calls {[a.calls for a in node.actors]} of {len(frames.frames)} messages")
    path = "adapter -> LiveDataEngine queue -> bus -> Cache book + 3 actors"
    print_result("nautilus_trader", ["nautilus_trader", "uvloop"], path, spread, node.actors[-1].tops)
    del log_guard


if __name__ == "__main__":
    main()
