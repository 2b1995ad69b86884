"""The simulated Binance Spot: combined and raw streams, control frames, and the public REST calls.

The venue's rules, as protocols tell them:
1. every changed level takes one update id; a diff names the first and the last it covers, without a break;
2. a bookTicker carries the id at which the top changed, which is a diff's last id where the two coincide;
3. diffs gather 100 ms or 1 s and come only when something changed; partial depth comes with them, same id;
4. a subscription to a symbol that does not exist is acknowledged and never sends.
"""

import re
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import count
from typing import NamedTuple

from engine.simulator import binance_payloads as payloads
from engine.simulator import binance_user
from engine.simulator.binance_payloads import Aggregate
from engine.simulator.binance_rest import INTERVALS_US, BinanceRest
from engine.simulator.binance_user import BinanceUserApi
from engine.simulator.candles import DAY_US, SECOND_US
from engine.simulator.desk import BINANCE_RULES, Change
from engine.simulator.fault_rules import Point
from engine.simulator.gate import BINANCE_LIMITS
from engine.simulator.images import image_of
from engine.simulator.instruments import BINANCE, SimInstrument
from engine.simulator.limits import Refusal, WeightBudget
from engine.simulator.market import MarketEvent, SymbolMarket
from engine.simulator.messages import RestReply, SignedCall, decoded, json_text
from engine.simulator.sessions import Session, Wire
from engine.simulator.tampering import tamper
from engine.simulator.venue import MarketSetup, Venue

_PING_PERIOD_US = 20 * SECOND_US
_PONG_WITHIN_US = 60 * SECOND_US
_STREAMS_MAX = 1024
_RECENT_AGGREGATES = 50
_GOING_AWAY = 1001
_POLICY = 1008
_STREAM = re.compile(r"([^@]+)@(trade|aggTrade|bookTicker|ticker|miniTicker|kline_\w+|depth(?:5|10|20)?(?:@100ms)?)")
_STREAM_OF_KIND = {
    "depthUpdate": "book", "partialDepth": "snapshot", "trade": "trade", "aggTrade": "trade",
    "bookTicker": "ticker", "24hrTicker": "ticker", "24hrMiniTicker": "ticker", "kline": "candle",
}


class BinanceSession(Session):
    """A stream connection: its streams, and whether frames come in the combined envelope."""

    def __init__(self, wire: Wire, combined: bool) -> None:
        super().__init__(wire)
        self.combined = combined
        self.streams: dict[str, None] = {}
        self.unanswered_us: dict[bytes, int] = {}
        self.is_api = False


class _Names(NamedTuple):
    """A symbol's real-time streams, spelled once."""

    trade: str
    agg_trade: str
    book_ticker: str


class _DiffWindow:
    """The changes of one symbol since the last diff of its stream."""

    def __init__(self, market: SymbolMarket, period_us: int, phase_us: int) -> None:
        self.market = market
        self.period_us = period_us
        self.phase_us = phase_us
        self.suffix = "@100ms" if period_us < SECOND_US else ""
        self.flush_is_due = False
        self.clear()

    def clear(self) -> None:
        """Begin a new window."""
        self.first_id = 0
        self.bids: dict[int, int] = {}
        self.asks: dict[int, int] = {}

    def absorb(self, event: MarketEvent) -> None:
        """Take in what *event* changed; of two changes to a level the later one stands."""
        self.first_id = self.first_id or event.first_update_id
        self.bids.update(event.bids)
        self.asks.update(event.asks)


class BinanceVenue(Venue):
    """Binance Spot market data on ``/ws`` and ``/stream``, and ``/api/v3``."""

    name = BINANCE
    rest_root = "/api/v3/"
    wire_limits = BINANCE_LIMITS
    order_rules = BINANCE_RULES

    def __init__(self, instruments: Sequence[SimInstrument], setup: MarketSetup) -> None:
        self.weights = WeightBudget()
        super().__init__(instruments, setup, self.weights)
        self._rest = BinanceRest(self)
        self._user = BinanceUserApi(self)
        self._subscribers: dict[str, dict[BinanceSession, None]] = {}
        self._clocked: set[str] = set()
        self._windows: dict[str, dict[int, _DiffWindow]] = {symbol: {} for symbol in self.markets}
        self._aggregate_ids = {symbol: count(1 + self.rng.randrange(10**6)) for symbol in self.markets}
        self.recent_aggregates: dict[str, deque[Aggregate]] = {
            symbol: deque(maxlen=_RECENT_AGGREGATES) for symbol in self.markets
        }
        self._names = {
            symbol: _Names(*(f"{symbol.lower()}@{kind}" for kind in ("trade", "aggTrade", "bookTicker")))
            for symbol in self.markets
        }

    # --- clients ---

    @staticmethod
    def serves(path: str) -> bool:
        """``/ws``, ``/ws/<stream>`` and ``/stream``, and ``/ws-api/v3``."""
        return path in ("/stream", "/ws", binance_user.PATH) or path.startswith("/ws/")

    def connect(self, path: str, query: Mapping[str, str], wire: Wire) -> Session:
        """Start the streams that the URL names; the venue itself sends nothing first."""
        _, root, *rest = path.split("/")
        session = BinanceSession(wire, combined=root == "stream")
        session.is_api = path == binance_user.PATH
        self.opened(session)
        names = query.get("streams", "").split("/") if session.combined else [] if session.is_api else rest
        self._subscribe(session, [name for name in names if name])
        self.every(_PING_PERIOD_US, session, lambda: self._ping(session))
        self.timeline.after(DAY_US, lambda: self._end_of_day(session))
        return session

    def _end_of_day(self, session: BinanceSession) -> None:
        if session.is_open:
            session.close(_GOING_AWAY, "24 h")

    def may_speak(self, session: Session) -> bool:
        """Requests of the WebSocket API are counted by their weight alone."""
        assert isinstance(session, BinanceSession)
        return session.is_open if session.is_api else super().may_speak(session)

    def on_message(self, session: Session, frame: bytes) -> None:
        """Answer a control frame."""
        assert isinstance(session, BinanceSession)
        if session.is_api:
            self._user.on_message(session, frame)
            return
        reply = self._control_reply(session, frame)
        if len(session.streams) > _STREAMS_MAX:
            self.breach("streams")
            session.close(_POLICY, "Too many streams")
        self.deliver(session, "reply", reply.encode())

    def ping_received(self, session: Session, payload: bytes) -> None:
        """Answer a client's ping, which counts as a message."""
        if self.may_speak(session):
            session.pong(payload)

    def pong_received(self, session: Session, payload: bytes) -> None:
        """Take a pong, which counts as a message; only one with a ping's own payload answers it."""
        assert isinstance(session, BinanceSession)
        if self.may_speak(session):
            session.unanswered_us.pop(payload, None)

    def _ping(self, session: BinanceSession) -> None:
        now_us = self.timeline.now_us
        if any(now_us - sent_us >= _PONG_WITHIN_US for sent_us in session.unanswered_us.values()):
            self.breach("pong")
            session.close(_POLICY, "Pong timeout")
        elif not session.is_muted:
            payload = str(self.now_us // 1000).encode()
            session.unanswered_us[payload] = now_us
            session.ping(payload)

    def announce_shutdown(self, session: Session) -> None:
        """Send the ``serverShutdown`` event."""
        assert isinstance(session, BinanceSession)
        event = f'{{"e":"serverShutdown","E":{self.now_us // 1000}}}'
        if session.is_api:
            event = f'{{"event":{event}}}'
        frame = f'{{"stream":"!serverShutdown","data":{event}}}' if session.combined else event
        self.deliver(session, "serverShutdown", frame.encode())

    def _control_reply(self, session: BinanceSession, frame: bytes) -> str:
        message = decoded(frame)
        if message is None:
            return _failure(3, "Invalid JSON: expected value at line 1 column 1", None)
        request_id, params = message.get("id"), message.get("params", [])
        if not isinstance(params, list):
            return _failure(1, "Invalid value type: expected an array", request_id)
        result: object = None
        match message.get("method"):
            case "SUBSCRIBE":
                self._subscribe(session, [str(name) for name in params])
            case "UNSUBSCRIBE":
                self._unsubscribe(session, [str(name) for name in params])
            case "LIST_SUBSCRIPTIONS":
                result = list(session.streams)
            case "SET_PROPERTY" if len(params) == 2:
                if params[0] != "combined":
                    return _failure(0, "Unknown property", request_id)
                session.combined = params[1] is True
            case _:
                return _failure(2, "Invalid request: unknown method", request_id)
        return f'{{"result":{json_text(result)},"id":{json_text(request_id)}}}'

    def _subscribe(self, session: BinanceSession, names: list[str]) -> None:
        for name in names:
            session.streams[name] = None
            parts = _STREAM.fullmatch(name)
            market = self.markets.get(parts[1].upper()) if parts and parts[1].islower() else None
            if parts and market:
                self._subscribers.setdefault(name, {})[session] = None
                self._start_stream(name, market, parts[2])

    def _unsubscribe(self, session: BinanceSession, names: list[str]) -> None:
        for name in names:
            session.streams.pop(name, None)
            listeners = self._subscribers.get(name, {})
            listeners.pop(session, None)
            if not listeners:
                self._subscribers.pop(name, None)

    def drop_subscriptions(self, session: Session) -> None:
        """Take *session* out of every stream."""
        assert isinstance(session, BinanceSession)
        self._unsubscribe(session, list(session.streams))
        self._user.forget(session)

    @property
    def has_subscribers(self) -> bool:
        """Whether any stream has a listener."""
        return bool(self._subscribers)

    def subscriptions(self) -> dict[str, int]:
        """How many connections listen to each stream: ``btcusdt@trade``."""
        return {name: len(listeners) for name, listeners in self._subscribers.items()}

    # --- streams ---

    def _start_stream(self, name: str, market: SymbolMarket, kind: str) -> None:
        """Set going what a stream needs besides the market's events."""
        symbol = market.instrument.venue_symbol
        if kind.startswith("depth"):
            period_us = 100_000 if kind.endswith("@100ms") else SECOND_US
            # Symbols take turns within the period, so that their diffs do not come in one heap.
            phase_us = list(self.markets).index(symbol) * period_us // len(self.markets)
            self._windows[symbol].setdefault(period_us, _DiffWindow(market, period_us, phase_us))
        elif name in self._clocked:
            return
        elif kind == "ticker":
            self._run_each(name, SECOND_US, lambda: self._publish(
                name, "24hrTicker", symbol, payloads.day_ticker(market, self.now_us)
            ))
        elif kind == "miniTicker":
            self._run_each(name, SECOND_US, lambda: self._publish(
                name, "24hrMiniTicker", symbol, payloads.mini_ticker(market, self.now_us)
            ))
        elif (interval := kind.removeprefix("kline_")) in INTERVALS_US:
            period_us = SECOND_US if interval == "1s" else 2 * SECOND_US
            self._run_each(name, period_us, self._kline_action(name, market, interval))

    def _run_each(self, name: str, period_us: int, action: Callable[[], None]) -> None:
        """Run *action* each *period_us* for as long as stream *name* has a listener."""
        self._clocked.add(name)

        def run() -> None:
            if name not in self._subscribers:
                self._clocked.discard(name)
                return
            action()
            self.timeline.after(period_us, run)

        self.timeline.after(period_us, run)

    def _kline_action(self, name: str, market: SymbolMarket, interval: str) -> Callable[[], None]:
        interval_us = INTERVALS_US[interval]
        open_us = self.now_us - self.now_us % interval_us

        def send(closed: bool) -> None:
            candle = market.history.candle(open_us, interval_us)
            self._publish(name, "kline", market.instrument.venue_symbol, payloads.kline(
                market.instrument, self.now_us, interval, interval_us, candle, closed
            ))

        def act() -> None:
            nonlocal open_us
            while open_us + interval_us <= self.now_us:
                send(closed=True)
                open_us += interval_us
            send(closed=False)

        return act

    def on_event(self, event: MarketEvent) -> None:
        """Trades and the top of book go out at once, changed levels gather in the diff windows."""
        market = event.market
        instrument = market.instrument
        symbol = instrument.venue_symbol
        names = self._names[symbol]
        if event.trades:
            if names.trade in self._subscribers:
                for fill in event.trades:
                    self._publish(names.trade, "trade", symbol, payloads.trade(instrument, fill))
            for fills in payloads.fills_by_price(event):
                aggregate = Aggregate(next(self._aggregate_ids[symbol]), fills)
                self.recent_aggregates[symbol].append(aggregate)
                if names.agg_trade in self._subscribers:
                    self._publish(names.agg_trade, "aggTrade", symbol, payloads.agg_trade(instrument, aggregate))
        if event.top_changed and names.book_ticker in self._subscribers:
            self._publish(names.book_ticker, "bookTicker", symbol, payloads.book_ticker(market))
        for window in self._windows[symbol].values():
            window.absorb(event)
            if not window.flush_is_due:
                window.flush_is_due = True
                now_us = self.timeline.now_us
                since_us = (now_us - window.phase_us) % window.period_us
                self.timeline.at(now_us - since_us + window.period_us, partial(self._on_flush, window))

    def _on_flush(self, window: _DiffWindow) -> None:
        window.flush_is_due = False
        self._flush_window(window)

    def _flush_window(self, window: _DiffWindow) -> None:
        market = window.market
        if not window.first_id:
            return
        symbol = market.instrument.venue_symbol
        heard = False
        if (name := f"{symbol.lower()}@depth{window.suffix}") in self._subscribers:
            heard = True
            bids, asks = window.bids, window.asks
            if self.faults.has(Point.BOOK):
                told = tamper(self.faults, self.timeline.now_us, market, bids, asks)
                bids, asks = (told.bids, told.asks) if told else (bids, asks)
            self._publish(name, "depthUpdate", symbol, payloads.depth_update(
                market.instrument, self.now_us, window.first_id, market.last_update_id, bids, asks
            ))
        for levels_count in (5, 10, 20):
            if (name := f"{symbol.lower()}@depth{levels_count}{window.suffix}") in self._subscribers:
                heard = True
                self._publish(name, "partialDepth", symbol, payloads.depth_image(
                    image_of(market, levels_count), market.instrument, levels_count
                ))
        window.clear()
        if not heard:
            self._windows[symbol].pop(window.period_us, None)

    def flush(self) -> None:
        """Send every diff that is being gathered."""
        for windows in self._windows.values():
            for window in list(windows.values()):
                self._flush_window(window)

    def _publish(self, name: str, kind: str, symbol: str, payload: str) -> None:
        raw = payload.encode()
        combined = f'{{"stream":"{name}","data":{payload}}}'.encode()
        stream = _STREAM_OF_KIND[kind]
        for session in self._subscribers[name]:
            self.emit(session, kind, combined if session.combined else raw, stream, symbol)
        self.published()

    # --- REST ---

    def charge(self, endpoint: str, query: Mapping[str, str], call: SignedCall | None, now_us: int) -> Refusal | None:
        """Count a call's weight toward that of the minute."""
        method = self._user.method_of(endpoint, call)
        return self._user.charge(method, query) if method else self._rest.charge(endpoint, query, now_us)

    def answer(self, endpoint: str, query: Mapping[str, str]) -> RestReply:
        """Answer a call below ``/api/v3/``."""
        return self._rest.answer(endpoint, query)

    def private_answer(self, endpoint: str, call: SignedCall) -> RestReply | None:
        """Answer a signed call."""
        return self._user.rest(endpoint, call)

    def on_change(self, change: Change) -> None:
        """An executionReport and an outboundAccountPosition."""
        self._user.tell(change)

    def refused(self, refusal: Refusal) -> RestReply:
        """What the venue says over a limit."""
        return self._rest.refused(refusal)


def _failure(code: int, message: str, request_id: object) -> str:
    return json_text({"code": code, "msg": message, "id": request_id})
