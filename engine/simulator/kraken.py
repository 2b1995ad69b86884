"""The simulated Kraken: WebSocket v2 market channels and the public REST calls.

The venue's rules, as protocols tell them:
1. ``status`` is the first frame; a heartbeat comes each second from the first subscription on;
2. one ack a symbol; an unsubscribe repeats what keys the subscription (book depth, ohlc interval);
3. a book frame carries the changes that touch the best N levels, and the CRC32 of the best ten of each side;
4. levels pushed out of the best N get no delete; when they come back they are sent again;
5. numbers are JSON numbers at the pair's full precision.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from engine.simulator import kraken_payloads as payloads
from engine.simulator.candles import MINUTE_US, SECOND_US
from engine.simulator.instruments import KRAKEN, SimInstrument
from engine.simulator.kraken_book import DepthView, book_checksum
from engine.simulator.market import MarketEvent
from engine.simulator.sessions import Session, Wire
from engine.simulator.texts import rfc3339_us
from engine.simulator.venue import MarketSetup, RestReply, Venue, decoded, json_text

_DEPTHS = (10, 25, 100, 500, 1000)
_INTERVALS_MIN = (1, 5, 15, 30, 60, 240, 1440, 10080, 21600)
_SNAPSHOT_BY_DEFAULT = {"book": True, "ticker": True, "ohlc": True, "trade": False, "instrument": True}
_STREAM_OF_CHANNEL = {"book": "book", "trade": "trade", "ticker": "ticker", "ohlc": "candle"}
_OHLC_SNAPSHOT_CANDLES = 5
_REST_ROOT = "/0/public/"


class _Stream(NamedTuple):
    """One symbol of one channel. *key* is the depth of a book, the interval of ohlc, the ticker's trigger."""

    channel: str
    symbol: str
    key: int | str | None


class KrakenSession(Session):
    """A connection and its streams."""

    def __init__(self, wire: Wire) -> None:
        super().__init__(wire)
        self.streams: dict[_Stream, None] = {}
        self.has_heartbeat = False


class _RefusedError(Exception):
    """A request that the venue answers with ``success: false`` and this text."""


class KrakenVenue(Venue):
    """Kraken v2 market data on ``/v2``, and ``/0/public``."""

    name = KRAKEN
    rest_root = "/0/"

    def __init__(self, instruments: Sequence[SimInstrument], setup: MarketSetup) -> None:
        super().__init__(instruments, setup)
        self._subscribers: dict[_Stream, dict[KrakenSession, None]] = {}
        self._views: dict[str, dict[int, DepthView]] = {symbol: {} for symbol in self.markets}

    # --- clients ---

    def serves(self, path: str) -> bool:
        """``/v2``."""
        return path.rstrip("/") == "/v2"

    def connect(self, path: str, query: Mapping[str, str], wire: Wire) -> Session:
        """Open a session and send the status frame."""
        session = KrakenSession(wire)
        self.opened(session)
        # Past 2^53, so that a client which reads numbers as floats is found out.
        self.deliver(session, "status", payloads.status(2**62 + self.rng.getrandbits(61)).encode())
        return session

    def receive(self, session: Session, frame: bytes) -> None:
        """Answer a ping, a subscribe or an unsubscribe."""
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
        else:
            self._refuse(session, str(method), "Unsupported event", "", tail)

    def _reply_tail(self, request_id: object) -> str:
        """What ends every reply; a request id is echoed only where it is an integer."""
        now = rfc3339_us(self.timeline.now_us)
        echo = f',"req_id":{request_id}' if type(request_id) is int else ""
        return f'"time_in":"{now}","time_out":"{now}"{echo}'

    def _change_subscriptions(
        self, session: KrakenSession, method: str, params: dict[str, Any], tail: str
    ) -> None:
        """Answer each symbol, then send the snapshots."""
        channel = params.get("channel")
        if channel not in _SNAPSHOT_BY_DEFAULT:
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
        for stream in started if snapshot else []:
            self._send_snapshot(session, stream)

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
        channel, symbol, key = stream
        # A book has one depth and a ticker one trigger on a connection; intervals stand side by side.
        if any(held == stream or (held[:2] == stream[:2] and channel != "ohlc") for held in session.streams):
            raise _RefusedError("Already subscribed")
        session.streams[stream] = None
        self._subscribers.setdefault(stream, {})[session] = None
        if isinstance(key, int) and channel == "book" and key not in self._views[symbol]:
            self._views[symbol][key] = DepthView(self.markets[symbol], key)

    def _unsubscribe(self, session: KrakenSession, stream: _Stream) -> None:
        if stream.channel == "ticker":
            # The trigger does not key a subscription: whichever stands is meant.
            stream = next((held for held in session.streams if held[:2] == stream[:2]), stream)
        if stream not in session.streams:
            raise _RefusedError("Subscription Not Found")
        channel, symbol, key = stream
        del session.streams[stream]
        listeners = self._subscribers[stream]
        del listeners[session]
        if not listeners:
            del self._subscribers[stream]
            if isinstance(key, int) and channel == "book":
                del self._views[symbol][key]

    def drop_subscriptions(self, session: Session) -> None:
        """Take *session* out of every stream."""
        assert isinstance(session, KrakenSession)
        for stream in list(session.streams):
            self._unsubscribe(session, stream)

    @property
    def has_subscribers(self) -> bool:
        """Whether any symbol's stream has a listener."""
        return any(stream.symbol for stream in self._subscribers)

    def _heartbeat(self, session: KrakenSession) -> None:
        self.deliver(session, "heartbeat", b'{"channel":"heartbeat"}')

    def _send_snapshot(self, session: KrakenSession, stream: _Stream) -> None:
        channel, symbol, key = stream
        now_us = self.timeline.now_us
        if channel == "instrument":
            listed = [market.instrument for market in self.markets.values()]
            self.deliver(session, channel, payloads.instruments(listed, now_us).encode())
            return
        market = self.markets[symbol]
        frame = ""
        if channel == "book" and isinstance(key, int):
            bids, asks = market.bids.top(key), market.asks.top(key)
            frame = payloads.book(
                market.instrument, "snapshot", now_us, bids, asks, book_checksum(market)
            )
        elif channel == "trade" and market.recent_trades:
            frame = payloads.trades(market.instrument, "snapshot", market.recent_trades)
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
        checksum = None
        for depth, view in self._views[symbol].items():
            bids, asks = view.absorb(event)
            if bids or asks:
                checksum = book_checksum(event.market) if checksum is None else checksum
                self._publish(_Stream("book", symbol, depth), payloads.book(
                    instrument, "update", event.at_us, bids, asks, checksum
                ))
        for trigger, fired in (("trades", bool(event.trades)), ("bbo", event.top_changed)):
            if fired and (stream := _Stream("ticker", symbol, trigger)) in self._subscribers:
                self._publish(stream, payloads.ticker(event.market, "update", event.at_us))

    def _ohlc(self, symbol: str, interval_min: int, kind: str, candles_count: int) -> str:
        market, now_us = self.markets[symbol], self.timeline.now_us
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

    def rest(self, path: str, query: Mapping[str, str]) -> RestReply:
        """``Time``, ``SystemStatus`` and ``AssetPairs``; failures come with status 200."""
        now_us = self.timeline.now_us
        listed = {market.instrument.venue_symbol: market.instrument for market in self.markets.values()}
        match path.removeprefix(_REST_ROOT):
            case "Time":
                return RestReply(200, payloads.envelope({"unixtime": now_us // SECOND_US}))
            case "SystemStatus":
                status = {"status": "online", "timestamp": rfc3339_us(now_us)}
                return RestReply(200, payloads.envelope(status))
            case "AssetPairs":
                wanted = query["pair"].split(",") if "pair" in query else None
                return RestReply(200, payloads.asset_pairs(listed.values(), wanted))
        return RestReply(200, payloads.failure("EGeneral:Unknown method"))


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
