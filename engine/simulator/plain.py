"""The plain feed: the simulator's own protocol, as docs/simulator.md describes it.

1. ``status`` is the first frame; a heartbeat comes each second;
2. one reply a symbol, then the snapshots;
3. the book messages of a subscription are numbered from 1 by 1, the snapshot first, each with the CRC32 of the book;
4. books are of full depth; an update brings absolute quantities, 0 removes;
5. numbers of the market are strings with all the instrument's decimals, times are integers.
"""

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

from engine.simulator import plain_payloads as payloads
from engine.simulator.candles import DAY_US, MINUTE_US, SECOND_US
from engine.simulator.checksum import book_checksum, checksum_of, checksum_told
from engine.simulator.desk import NO_ORDERS
from engine.simulator.fault_rules import FaultRule, Point
from engine.simulator.gate import PLAIN_LIMITS
from engine.simulator.images import image_of
from engine.simulator.instruments import SIMULATED, SimInstrument
from engine.simulator.limits import RateBudget, Refusal
from engine.simulator.market import MarketEvent, SymbolMarket
from engine.simulator.messages import RestReply, SignedCall, decoded, json_text
from engine.simulator.sessions import Session, Wire
from engine.simulator.tampering import tamper
from engine.simulator.venue import MarketSetup, Venue

_CHANNELS = ("book", "trade", "ticker", "kline", "instrument")
_STREAM_OF_CHANNEL = {"book": "book", "trade": "trade", "ticker": "ticker", "kline": "candle"}
_INTERVALS_US = {
    "1m": MINUTE_US, "5m": 5 * MINUTE_US, "15m": 15 * MINUTE_US, "30m": 30 * MINUTE_US, "1h": 60 * MINUTE_US,
    "4h": 240 * MINUTE_US, "1d": DAY_US,
}  # fmt: skip
_STREAMS_MAX = 1000


class _Stream(NamedTuple):
    """One symbol of one channel; the instrument channel is of no symbol."""

    channel: str
    symbol: str
    interval: str | None


class PlainSession(Session):
    """A connection: its streams, each with its subscription's number, and the number of each book's last message."""

    def __init__(self, wire: Wire) -> None:
        super().__init__(wire)
        self.streams: dict[_Stream, int] = {}
        self.last_seq: dict[str, int] = {}


class _RefusedError(Exception):
    """A request that is answered with this text."""


class PlainVenue(Venue):
    """The plain feed on ``/simulated``, and the REST calls below it."""

    name = SIMULATED
    rest_root = "/simulated/"
    wire_limits = PLAIN_LIMITS
    order_rules = NO_ORDERS

    def __init__(self, instruments: Sequence[SimInstrument], setup: MarketSetup) -> None:
        super().__init__(instruments, setup, RateBudget())
        self._subscribers: dict[_Stream, dict[PlainSession, None]] = {}
        self._subscriptions_count = 0

    # --- clients ---

    @staticmethod
    def serves(path: str) -> bool:
        """``/simulated``."""
        return path.rstrip("/") == "/simulated"

    def connect(self, path: str, query: Mapping[str, str], wire: Wire) -> Session:
        """Open a session and send the greeting."""
        session = PlainSession(wire)
        self.opened(session)
        self._send(session, "status", payloads.status("online", self.now_us))
        self.every(SECOND_US, session, lambda: self._send(session, "heartbeat", payloads.heartbeat(self.now_us)))
        return session

    def announce_shutdown(self, session: Session) -> None:
        """Tell it in a status frame."""
        self._send(session, "status", payloads.status("ending", self.now_us))

    def _send(self, session: Session, kind: str, frame: str) -> None:
        self.deliver(session, kind, frame.encode())

    def on_message(self, session: Session, frame: bytes) -> None:
        """Answer a ping, a subscribe or an unsubscribe."""
        assert isinstance(session, PlainSession)
        message = decoded(frame) or {}
        op, request_id = str(message.get("op", "")), message.get("id")
        echoed: dict[str, Any] = {"id": request_id if type(request_id) is int else None}
        if op == "ping":
            self._send(session, "reply", payloads.reply(op, **echoed))
        elif op not in ("subscribe", "unsubscribe"):
            self._send(session, "reply", payloads.reply(op, "no such request", **echoed))
        else:
            self._change_subscriptions(session, op, message, echoed)

    def _change_subscriptions(
        self, session: PlainSession, op: str, message: dict[str, Any], echoed: dict[str, Any]
    ) -> None:
        """Answer each symbol, then send the snapshots."""
        channel, interval = message.get("channel"), message.get("interval")
        listed = [""] if channel == "instrument" else message.get("symbols")
        echoed |= {"to": channel if isinstance(channel, str) else None}
        if channel not in _CHANNELS or not isinstance(listed, list) or not listed:
            error = "no symbols" if channel in _CHANNELS else "no such channel"
            self._send(session, "reply", payloads.reply(op, error, **echoed))
            return
        started = []
        for symbol in listed:
            told = echoed | {"symbol": symbol if symbol and isinstance(symbol, str) else None}
            try:
                stream = self._stream(channel, str(symbol), interval)
                if op == "subscribe":
                    self._subscribe(session, stream)
                    started.append(stream)
                else:
                    self._unsubscribe(session, stream)
            except _RefusedError as refusal:
                self._send(session, "reply", payloads.reply(op, str(refusal), **told))
            else:
                self._send(session, "reply", payloads.reply(op, interval=stream.interval, **told))
        for stream in started:
            self._start(session, stream)

    def _stream(self, channel: str, symbol: str, interval: object) -> _Stream:
        if channel != "instrument" and symbol not in self.markets:
            raise _RefusedError("no such symbol")
        if channel == "kline" and interval not in _INTERVALS_US:
            raise _RefusedError("no such interval")
        return _Stream(channel, symbol, str(interval) if channel == "kline" else None)

    def _subscribe(self, session: PlainSession, stream: _Stream) -> None:
        if stream in session.streams:
            raise _RefusedError("already subscribed")
        if len(session.streams) == _STREAMS_MAX:
            self.breach("streams")
            raise _RefusedError("too many streams")
        self._subscriptions_count += 1
        session.streams[stream] = self._subscriptions_count

    def _start(self, session: PlainSession, stream: _Stream) -> None:
        rule = None
        if stream.channel == "book" and self.faults.has(Point.SNAPSHOT):
            rule = self.snapshot_fault(stream.symbol)
        begin = partial(self._begin, session, stream, session.streams[stream], rule)
        if rule is not None and rule.fault == "delay_snapshot":
            self.timeline.after(round(rule.for_s * 1e6), begin)
        else:
            begin()

    def _begin(self, session: PlainSession, stream: _Stream, number: int, rule: FaultRule | None) -> None:
        """Send what subscription *number* begins with, and what comes from now on, if it still stands."""
        if session.streams.get(stream) != number:
            return
        self._subscribers.setdefault(stream, {})[session] = None
        if stream.channel == "instrument":
            listed = [market.instrument for market in self.markets.values()]
            self._send(session, "instrument", payloads.instruments(listed))
            return
        market = self.markets[stream.symbol]
        if stream.channel == "book":
            is_stale = rule is not None and rule.fault == "stale_snapshot"
            image = self.old_images.take(market) if is_stale else image_of(market)
            checksum = book_checksum(image.bids, image.asks)
            rest = payloads.book_rest(market.instrument, self.now_us, image.bids, image.asks, checksum)
            session.last_seq[stream.symbol] = 0
            self._send_book(session, "snapshot", stream.symbol, rest)
        elif stream.channel == "ticker":
            self.emit(session, "ticker", payloads.ticker(market, self.now_us).encode(), "ticker", stream.symbol)
        elif stream.interval is not None:
            self.emit(session, "kline", self._kline(market, stream.interval).encode(), "candle", stream.symbol)

    def _unsubscribe(self, session: PlainSession, stream: _Stream) -> None:
        if session.streams.pop(stream, None) is None:
            raise _RefusedError("not subscribed")
        listeners = self._subscribers.get(stream, {})
        listeners.pop(session, None)  # not there while its snapshot is still to come
        if not listeners:
            self._subscribers.pop(stream, None)

    def drop_subscriptions(self, session: Session) -> None:
        """Take *session* out of every stream."""
        assert isinstance(session, PlainSession)
        for stream in list(session.streams):
            self._unsubscribe(session, stream)

    @property
    def has_subscribers(self) -> bool:
        """Whether any symbol's stream has a listener."""
        return any(stream.symbol for stream in self._subscribers)

    def subscriptions(self) -> dict[str, int]:
        """How many connections listen to each stream: ``book BTC-USD``, ``kline BTC-USD 1m``."""
        return {
            " ".join(part for part in stream if part): len(listeners)
            for stream, listeners in self._subscribers.items()
        }

    # --- streams ---

    def on_event(self, event: MarketEvent) -> None:
        """Trades and their candles first, then the book, then the ticker."""
        market = event.market
        symbol = market.instrument.venue_symbol
        if event.trades:
            if (stream := _Stream("trade", symbol, None)) in self._subscribers:
                self._publish(stream, payloads.trades(market.instrument, event.trades))
            for interval in _INTERVALS_US:
                if (stream := _Stream("kline", symbol, interval)) in self._subscribers:
                    self._publish(stream, self._kline(market, interval))
        if (event.bids or event.asks) and (stream := _Stream("book", symbol, None)) in self._subscribers:
            self._publish_book(event, self._subscribers[stream])
        if (event.trades or event.top_changed) and (stream := _Stream("ticker", symbol, None)) in self._subscribers:
            self._publish(stream, payloads.ticker(market, event.at_us))

    def _publish_book(self, event: MarketEvent, listeners: Iterable[PlainSession]) -> None:
        market = event.market
        bids, asks = event.bids, event.asks
        told = tamper(self.faults, self.timeline.now_us, market, bids, asks) if self.faults.has(Point.BOOK) else None
        if told is None:
            checksum = checksum_of(market)
        else:
            bids, asks, checksum = told.bids, told.asks, checksum_told(market, told)
        rest = payloads.book_rest(market.instrument, event.at_us, bids.items(), asks.items(), checksum)
        for session in listeners:
            self._send_book(session, "update", market.instrument.venue_symbol, rest)
        self.published()

    def _send_book(self, session: PlainSession, kind: str, symbol: str, rest: str) -> None:
        """Send a book message under the next number of its subscription."""
        number = session.last_seq[symbol] = session.last_seq[symbol] + 1
        frame = (payloads.book_head(kind, symbol, number) + rest).encode()
        self.emit(session, "book", frame, "snapshot" if kind == "snapshot" else "book", symbol)

    def _publish(self, stream: _Stream, frame: str) -> None:
        raw = frame.encode()
        for session in self._subscribers[stream]:
            self.emit(session, stream.channel, raw, _STREAM_OF_CHANNEL[stream.channel], stream.symbol)
        self.published()

    def _kline(self, market: SymbolMarket, interval: str) -> str:
        span_us = _INTERVALS_US[interval]
        start_us = self.now_us - self.now_us % span_us
        return payloads.kline(market.instrument, self.now_us, interval, market.history.candle(start_us, span_us))

    def instrument_changed(self, market: SymbolMarket) -> None:
        """Push the instrument on its channel, before any frame is written with its new decimals."""
        frame = payloads.instruments([market.instrument])
        for session in self._subscribers.get(_Stream("instrument", "", None), {}):
            self._send(session, "instrument", frame)

    def flush(self) -> None:
        """Nothing is held back: every change goes out with its event."""

    # --- REST ---

    def answer(self, endpoint: str, query: Mapping[str, str]) -> RestReply:
        """``time`` and ``instruments``."""
        if endpoint == "time":
            return RestReply(200, json_text({"time_ns": self.now_us * 1000}))
        if endpoint == "instruments":
            listed = payloads.listing(market.instrument for market in self.markets.values())
            return RestReply(200, json_text({"instruments": listed}))
        return RestReply(404, '{"error":"no such call"}')

    def private_answer(self, endpoint: str, call: SignedCall) -> RestReply | None:
        """There are no accounts here."""
        return None

    def refused(self, refusal: Refusal) -> RestReply:
        """Over a limit: with the time to wait for, where there is one to name."""
        headers = {"Retry-After": str(refusal.retry_after_s)} if refusal.retry_after_s else {}
        return RestReply(refusal.status, '{"error":"too many calls"}', headers)
