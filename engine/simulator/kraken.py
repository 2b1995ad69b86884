"""The simulated Kraken: WebSocket v2 market channels and the public REST calls.

The venue's rules, as protocols tell them:
1. ``status`` is the first frame; a heartbeat comes each second from the first subscription on;
2. one ack a symbol; an unsubscribe repeats what keys the subscription (book depth, ohlc interval);
3. a book frame carries the changes that touch the best N levels, and the CRC32 of the best ten of each side;
4. levels pushed out of the best N get no delete; when they come back they are sent again;
5. numbers are JSON numbers at the pair's full precision.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

from engine.simulator import kraken_payloads as payloads
from engine.simulator import kraken_reports as reports
from engine.simulator import kraken_user
from engine.simulator.candles import MINUTE_US, SECOND_US
from engine.simulator.checksum import book_checksum, checksum_of, checksum_told
from engine.simulator.desk import KRAKEN_RULES, Change
from engine.simulator.fault_rules import FaultRule, Point
from engine.simulator.gate import KRAKEN_LIMITS
from engine.simulator.images import image_of
from engine.simulator.instruments import KRAKEN, SimInstrument
from engine.simulator.kraken_book import DepthView
from engine.simulator.kraken_private_rest import HISTORY_CALLS, ORDER_CALLS
from engine.simulator.kraken_rest import KrakenRest
from engine.simulator.kraken_user import KrakenUserApi
from engine.simulator.limits import PRIVATE_REQUESTS, CounterBudget, Refusal
from engine.simulator.market import MarketEvent, SymbolMarket
from engine.simulator.messages import RestReply, SignedCall, decoded, json_text
from engine.simulator.orders import SimFill, SimOrder
from engine.simulator.sessions import Session, Wire
from engine.simulator.tampering import tamper
from engine.simulator.texts import rfc3339_us
from engine.simulator.venue import MarketSetup, Venue

_DEPTHS = (10, 25, 100, 500, 1000)
_INTERVALS_MIN = (1, 5, 15, 30, 60, 240, 1440, 10080, 21600)
_SNAPSHOT_BY_DEFAULT = {"book": True, "ticker": True, "ohlc": True, "trade": False, "instrument": True}
_STREAM_OF_CHANNEL = {"book": "book", "trade": "trade", "ticker": "ticker", "ohlc": "candle"}
_OHLC_SNAPSHOT_CANDLES = 5
_IDLE_US = 60 * SECOND_US
_GOING_AWAY = 1001
_NO_RATE_COUNT = 1_000_000_000
"""What is told where the limits are lifted."""


class _Stream(NamedTuple):
    """One symbol of one channel. *key* is the depth of a book, the interval of ohlc, the ticker's trigger."""

    channel: str
    symbol: str
    key: int | str | None


class KrakenSession(Session):
    """A connection and its streams, each with its subscription's number."""

    def __init__(self, wire: Wire) -> None:
        super().__init__(wire)
        self.streams: dict[_Stream, int] = {}
        self.connection_id = 0
        self.has_heartbeat = False
        self.is_private = False
        self.private_channels: set[str] = set()


class _RefusedError(Exception):
    """A request that the venue answers with ``success: false`` and this text."""


class KrakenVenue(Venue):
    """Kraken v2 market data on ``/v2``, and ``/0/public``."""

    name = KRAKEN
    rest_root = "/0/"
    wire_limits = KRAKEN_LIMITS
    order_rules = KRAKEN_RULES
    # Behind the ten levels of the checksum, and within every depth but the least.
    hidden_rank = 15

    def __init__(self, instruments: Sequence[SimInstrument], setup: MarketSetup) -> None:
        self._counters = CounterBudget()
        super().__init__(instruments, setup, self._counters)
        self._subscribers: dict[_Stream, dict[KrakenSession, None]] = {}
        self._views: dict[str, dict[int, DepthView]] = {symbol: {} for symbol in self.markets}
        self._subscriptions_count = 0
        self._rest = KrakenRest(self)
        self._user = KrakenUserApi(self)
        self._token_rng = self._seeded("tokens", setup.seed)

    # --- clients ---

    @staticmethod
    def serves(path: str) -> bool:
        """``/v2``, and ``/v2/private``."""
        return path.rstrip("/") in ("/v2", kraken_user.PATH)

    def connect(self, path: str, query: Mapping[str, str], wire: Wire) -> Session:
        """Open a session and send the status frame."""
        session = KrakenSession(wire)
        session.is_private = path.rstrip("/") == kraken_user.PATH
        self.opened(session)
        # Past 2^53, so that a client which reads numbers as floats is found out.
        session.connection_id = 2**62 + self.rng.getrandbits(61)
        self.deliver(session, "status", payloads.status(session.connection_id, "online").encode())
        self.every(_IDLE_US, session, lambda: self._check_idle(session))
        return session

    def _check_idle(self, session: KrakenSession) -> None:
        if not session.streams and not session.private_channels:
            session.close(_GOING_AWAY, "idle")

    def on_too_many_messages(self, session: Session) -> None:
        """The message is not answered but by this, and the connection stays."""
        self.deliver(session, "error", b'{"Error":"Exceeded msg rate"}')

    def announce_shutdown(self, session: Session) -> None:
        """Push the status, as when the system changes it."""
        assert isinstance(session, KrakenSession)
        self.deliver(session, "status", payloads.status(session.connection_id, "maintenance").encode())

    def may_speak(self, session: Session) -> bool:
        """On a private connection only orders are counted, by themselves."""
        assert isinstance(session, KrakenSession)
        return session.is_open if session.is_private else super().may_speak(session)

    def on_message(self, session: Session, frame: bytes) -> None:
        """Answer a ping, a subscribe, an unsubscribe or a request about orders."""
        assert isinstance(session, KrakenSession)
        message = decoded(frame)
        if message is None:
            self.deliver(session, "reply", b'{"error":"Malformed request","success":false}')
            return
        method = message.get("method")
        params = message.get("params")
        tail = self._reply_tail(message.get("req_id"))
        if method == "ping":
            self.deliver(session, "reply", f'{{"method":"pong",{tail}}}'.encode())
        elif method in ("subscribe", "unsubscribe") and isinstance(params, dict):
            if not session.has_heartbeat:
                session.has_heartbeat = True
                self.every(SECOND_US, session, lambda: self._heartbeat(session))
            self._change_subscriptions(session, method, params, tail)
        elif session.is_private and method in kraken_user.METHODS and isinstance(params, dict):
            self._user.on_request(session, str(method), params, tail)
        else:
            self._refuse(session, str(method), "Unsupported event", "", tail)

    def _reply_tail(self, request_id: object) -> str:
        """What ends every reply; a request id is echoed only where it is an integer."""
        now = rfc3339_us(self.now_us)
        echo = f',"req_id":{request_id}' if type(request_id) is int else ""
        return f'"time_in":"{now}","time_out":"{now}"{echo}'

    def _change_subscriptions(
        self, session: KrakenSession, method: str, params: dict[str, Any], tail: str
    ) -> None:
        """Answer each symbol, then send the snapshots."""
        channel = params.get("channel")
        if session.is_private and method == "subscribe" and channel in kraken_user.CHANNELS:
            self._open_private(session, channel, params, tail)
            return
        if session.is_private or channel not in _SNAPSHOT_BY_DEFAULT:
            self._refuse(session, method, "Subscription name invalid", "", tail)
            return
        listed = [""] if channel == "instrument" else params.get("symbol")
        snapshot = params.get("snapshot", _SNAPSHOT_BY_DEFAULT[channel]) is True
        started = []
        for symbol in listed if isinstance(listed, list) else []:
            try:
                stream = self._stream(channel, str(symbol), params)
                if method == "subscribe":
                    self._subscribe(session, stream)
                    started.append(stream)
                else:
                    self._unsubscribe(session, stream)
            except _RefusedError as refusal:
                self._refuse(session, method, str(refusal), str(symbol), tail)
            else:
                shown = {"snapshot": snapshot} if method == "subscribe" else {}
                result = json_text(_described(stream, shown))
                self.deliver(session, "reply", (
                    f'{{"method":"{method}","result":{result},"success":true,{tail}}}'
                ).encode())
        for stream in started:
            self._start(session, stream, snapshot)

    def _open_private(self, session: KrakenSession, channel: str, params: dict[str, Any], tail: str) -> None:
        reason = self._user.subscribe(session, channel, params)
        if reason:
            self._refuse(session, "subscribe", reason, "", tail)
            return
        session.private_channels.add(channel)
        counter = {"maxratecount": 125 if self.limited else _NO_RATE_COUNT} if params.get("ratecounter") is True else {}
        result = json_text({"channel": channel, **counter, "snapshot": True})
        self.deliver(session, "reply", f'{{"method":"subscribe","result":{result},"success":true,{tail}}}'.encode())
        self._user.begin(session, channel, params)

    def new_token(self) -> str:
        """A token of a private connection."""
        return f"{self._token_rng.getrandbits(256):064x}"

    def _refuse(self, session: KrakenSession, method: str, reason: str, symbol: str, tail: str) -> None:
        named = f'"symbol":{json_text(symbol)},' if symbol else ""
        self.deliver(session, "reply", (
            f'{{"error":{json_text(reason)},"method":{json_text(method)},"success":false,{named}{tail}}}'
        ).encode())

    def _stream(self, channel: str, symbol: str, params: dict[str, Any]) -> _Stream:
        key: int | str | None = None
        if channel != "instrument" and symbol not in self.markets:
            raise _RefusedError(f"Currency pair not supported {symbol}")
        if channel == "book":
            key = params.get("depth", 10)
            if key not in _DEPTHS:
                raise _RefusedError("Subscription depth not supported")
        elif channel == "ohlc":
            key = params.get("interval", 1)
            if key not in _INTERVALS_MIN:
                raise _RefusedError("Subscription ohlc interval not supported")
        elif channel == "ticker":
            key = params.get("event_trigger", "trades")
            if key not in ("trades", "bbo"):
                raise _RefusedError("Event trigger not supported")
        return _Stream(channel, symbol, key)

    def _subscribe(self, session: KrakenSession, stream: _Stream) -> None:
        channel = stream.channel
        # A book has one depth and a ticker one trigger on a connection; intervals stand side by side.
        if self.is_refused(stream.symbol, _STREAM_OF_CHANNEL.get(channel, "")):
            raise _RefusedError(f"Currency pair not supported {stream.symbol}")
        if any(held == stream or (held[:2] == stream[:2] and channel != "ohlc") for held in session.streams):
            raise _RefusedError("Already subscribed")
        self._subscriptions_count += 1
        session.streams[stream] = self._subscriptions_count

    def _start(self, session: KrakenSession, stream: _Stream, snapshot: bool) -> None:
        rule = None
        if snapshot and stream.channel == "book" and self.faults.has(Point.SNAPSHOT):
            rule = self.snapshot_fault(stream.symbol)
        begin = partial(self._begin, session, stream, session.streams[stream], snapshot, rule)
        if rule is not None and rule.fault == "delay_snapshot":
            self.timeline.after(round(rule.for_s * 1e6), begin)
        else:
            begin()

    def _begin(
        self, session: KrakenSession, stream: _Stream, number: int, snapshot: bool, rule: FaultRule | None
    ) -> None:
        """Send the snapshot of subscription *number*, and updates from now on, if it still stands."""
        if session.streams.get(stream) != number:
            return
        self._subscribers.setdefault(stream, {})[session] = None
        channel, symbol, key = stream
        if isinstance(key, int) and channel == "book" and key not in self._views[symbol]:
            self._views[symbol][key] = DepthView(self.markets[symbol], key)
        if snapshot:
            is_stale = rule is not None and rule.fault == "stale_snapshot"
            self._send_snapshot(session, stream, is_stale)

    def _unsubscribe(self, session: KrakenSession, stream: _Stream) -> None:
        if stream.channel == "ticker":
            # The trigger does not key a subscription: whichever stands is meant.
            stream = next((held for held in session.streams if held[:2] == stream[:2]), stream)
        if stream not in session.streams:
            raise _RefusedError("Subscription Not Found")
        channel, symbol, key = stream
        del session.streams[stream]
        listeners = self._subscribers.get(stream, {})
        if listeners.pop(session, self) is self:
            return  # its snapshot is still to come
        if not listeners:
            del self._subscribers[stream]
            if isinstance(key, int) and channel == "book":
                del self._views[symbol][key]

    def drop_subscriptions(self, session: Session) -> None:
        """Take *session* out of every stream."""
        assert isinstance(session, KrakenSession)
        for stream in list(session.streams):
            self._unsubscribe(session, stream)
        self._user.forget(session)

    @property
    def has_subscribers(self) -> bool:
        """Whether any symbol's stream has a listener."""
        return any(stream.symbol for stream in self._subscribers)

    def subscriptions(self) -> dict[str, int]:
        """How many connections listen to each stream: ``book BTC/USD 10``, ``trade BTC/USD``."""
        return {
            " ".join(str(part) for part in stream if part): len(listeners)
            for stream, listeners in self._subscribers.items()
        }

    def _heartbeat(self, session: KrakenSession) -> None:
        self.deliver(session, "heartbeat", b'{"channel":"heartbeat"}')

    def _send_snapshot(self, session: KrakenSession, stream: _Stream, is_stale: bool) -> None:
        channel, symbol, key = stream
        now_us = self.now_us
        if channel == "instrument":
            listed = [market.instrument for market in self.markets.values()]
            self.deliver(session, channel, payloads.instruments(listed, now_us, "snapshot").encode())
            return
        market = self.markets[symbol]
        frame = ""
        if channel == "book" and isinstance(key, int):
            image = self.old_images.take(market) if is_stale else image_of(market, key)
            checksum = book_checksum(image.bids, image.asks)
            frame = payloads.book(
                market.instrument, "snapshot", now_us, image.bids[:key], image.asks[:key], checksum
            )
        elif channel == "trade" and market.recent_trades:
            frame = payloads.trades(market.instrument, "snapshot", market.snapshot_trades())
        elif channel == "ticker":
            frame = payloads.ticker(market, "snapshot", now_us)
        elif channel == "ohlc" and isinstance(key, int):
            frame = self._ohlc(symbol, key, "snapshot", _OHLC_SNAPSHOT_CANDLES)
        if frame:
            told = "snapshot" if channel == "book" else _STREAM_OF_CHANNEL[channel]
            self.emit(session, channel, frame.encode(), told, symbol)

    # --- streams ---

    def on_event(self, event: MarketEvent) -> None:
        """Trades first, then the books at each depth that has a listener, then the tickers."""
        instrument = event.market.instrument
        symbol = instrument.venue_symbol
        if event.trades:
            if (stream := _Stream("trade", symbol, None)) in self._subscribers:
                self._publish(stream, payloads.trades(instrument, "update", event.trades))
            for interval_min in _INTERVALS_MIN:
                if (stream := _Stream("ohlc", symbol, interval_min)) in self._subscribers:
                    self._publish(stream, self._ohlc(symbol, interval_min, "update", 1))
        self._publish_books(event)
        for trigger, fired in (("trades", bool(event.trades)), ("bbo", event.top_changed)):
            if fired and (stream := _Stream("ticker", symbol, trigger)) in self._subscribers:
                self._publish(stream, payloads.ticker(event.market, "update", event.at_us))

    def _publish_books(self, event: MarketEvent) -> None:
        market = event.market
        symbol = market.instrument.venue_symbol
        true_checksum = None
        for depth, view in self._views[symbol].items():
            bids, asks = view.absorb(event)
            if not bids and not asks:
                continue
            if true_checksum is None:
                true_checksum = checksum_of(market)
            checksum = true_checksum
            if self.faults.has(Point.BOOK):
                told = tamper(self.faults, self.timeline.now_us, market, dict(bids), dict(asks))
                if told is not None:
                    bids, asks = list(told.bids.items()), list(told.asks.items())
                    checksum = checksum_told(market, told)
            self._publish(_Stream("book", symbol, depth), payloads.book(
                market.instrument, "update", event.at_us, bids, asks, checksum
            ))

    def instrument_changed(self, market: SymbolMarket) -> None:
        """Push the pair on the ``instrument`` channel."""
        symbol = market.instrument.venue_symbol
        # Their edges may be at another scale.
        self._views[symbol] = {depth: DepthView(market, depth) for depth in self._views[symbol]}
        stream = _Stream("instrument", "", None)
        frame = payloads.instruments([market.instrument], self.now_us, "update").encode()
        for session in self._subscribers.get(stream, {}):
            self.deliver(session, "instrument", frame)

    def _ohlc(self, symbol: str, interval_min: int, kind: str, candles_count: int) -> str:
        market, now_us = self.markets[symbol], self.now_us
        interval_us = interval_min * MINUTE_US
        newest_us = now_us - now_us % interval_us
        candles = [
            market.history.candle(newest_us - age * interval_us, interval_us)
            for age in reversed(range(candles_count))
        ]
        return payloads.ohlc(market.instrument, kind, now_us, interval_min, candles)

    def flush(self) -> None:
        """Nothing is held back: every change goes out with its event."""

    def _publish(self, stream: _Stream, frame: str) -> None:
        raw = frame.encode()
        for session in self._subscribers[stream]:
            self.emit(session, stream.channel, raw, _STREAM_OF_CHANNEL[stream.channel], stream.symbol)
        self.published()

    # --- REST ---

    def charge(self, endpoint: str, query: Mapping[str, str], call: SignedCall | None, now_us: int) -> Refusal | None:
        """Count a call toward those of the address, or of the key; orders are counted by themselves."""
        group, _, name = endpoint.partition("/")
        if group != "private" or call is None:
            return super().charge(endpoint, query, call, now_us)
        weight = 0 if name in ORDER_CALLS else 2 if name in HISTORY_CALLS else 1
        return self._counters.take_private(call.headers.get("api-key", ""), weight, now_us)

    def answer(self, endpoint: str, query: Mapping[str, str]) -> RestReply:
        """The public calls; failures come with status 200."""
        return RestReply(200, self._rest.answer(endpoint, query))

    def private_answer(self, endpoint: str, call: SignedCall) -> RestReply | None:
        """Answer a signed call."""
        return self._user.rest(endpoint, call)

    def order_name(self, order: SimOrder) -> str:
        """As executions name it."""
        return reports.order_id(order)

    def fill_name(self, fill: SimFill) -> str:
        """As executions name it."""
        return reports.exec_id(fill)

    def on_change(self, change: Change) -> None:
        """An execution, and ledger entries for a fill."""
        self._user.tell(change)

    def refused(self, refusal: Refusal) -> RestReply:
        """What the venue says over a limit: with status 200, and the time to wait for where it names one."""
        if refusal.retry_after_s:
            until_s = self.now_us // SECOND_US + refusal.retry_after_s
            return RestReply(200, payloads.failure(f"EService:Throttled: {until_s}"))
        is_private = refusal.breach == PRIVATE_REQUESTS
        text = "EAPI:Rate limit exceeded" if is_private else "EGeneral:Too many requests"
        return RestReply(200, payloads.failure(text))


def _described(stream: _Stream, shown: dict[str, bool]) -> dict[str, object]:
    """The ``result`` of an ack."""
    key_name = {"book": "depth", "ohlc": "interval", "ticker": "event_trigger"}.get(stream.channel)
    described: dict[str, object] = {"channel": stream.channel}
    if key_name:
        described[key_name] = stream.key
    described |= shown
    if stream.symbol:
        described["symbol"] = stream.symbol
    return described
