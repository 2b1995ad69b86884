"""The simulated Coinbase Advanced Trade: market channels and the public REST calls.

The venue's rules, as protocols tell them:
1. one channel a subscribe message; the reply names the whole current set and comes after the snapshots;
2. ``sequence_num`` runs from 0 by 1 over all messages of a connection, acks and heartbeats included;
3. level2 is a snapshot of the whole book, then absolute quantities ("0" deletes), some updates empty;
4. trades come gathered over 250 ms, newest first, and carry the maker's side;
5. an unknown channel is answered with "authentication failure", without envelope or sequence number.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from engine.simulator import coinbase_payloads as payloads
from engine.simulator import coinbase_reports as reports
from engine.simulator.candles import SECOND_US
from engine.simulator.coinbase_orders import CoinbaseOrders
from engine.simulator.desk import COINBASE_RULES, Change
from engine.simulator.fault_rules import Point
from engine.simulator.gate import COINBASE_LIMITS
from engine.simulator.instruments import COINBASE, SimInstrument
from engine.simulator.keys import jwt_key
from engine.simulator.limits import RateBudget, Refusal
from engine.simulator.market import MarketEvent, SymbolMarket, Trade
from engine.simulator.messages import RestReply, SignedCall, decoded, json_text
from engine.simulator.orders import SimAccount, SimFill, SimOrder
from engine.simulator.sessions import Session, Wire
from engine.simulator.tampering import tamper
from engine.simulator.texts import rfc3339_ns, rfc3339_us
from engine.simulator.venue import MarketSetup, Venue

_TRADES_PERIOD_US = 250_000
_BATCH_TICKER_PERIOD_US = 5 * SECOND_US
_EMPTY_UPDATE_EACH = 10
_SPEAK_WITHIN_US = 5 * SECOND_US
_QUIET_US = 90 * SECOND_US
_GOING_AWAY = 1001
_POLICY = 1008
_SNAPSHOT_ORDERS = 50
_PRIVATE_CALLS_PER_S = 30
_API_HOST = "api.coinbase.com"
_STREAM_OF_CHANNEL = {
    "level2": "book", "market_trades": "trade", "ticker": "ticker", "ticker_batch": "ticker", "candles": "candle",
    "status": "any",
}
_USER = "user"
_CHANNELS = ("level2", "market_trades", "ticker", "ticker_batch", "candles", "status", "heartbeats", _USER)


class CoinbaseSession(Session):
    """A connection: its sequence number, its subscriptions by channel, each product with the subscription's number."""

    def __init__(self, wire: Wire) -> None:
        super().__init__(wire)
        self.next_sequence = 0
        self.has_heartbeat = False
        self.has_subscribed = False
        self.last_sent_us = 0
        self.products: dict[str, dict[str, int]] = {}
        self.account: SimAccount | None = None


class CoinbaseVenue(Venue):
    """Coinbase Advanced Trade market data on ``/``, and ``/api/v3/brokerage``."""

    name = COINBASE
    rest_root = "/api/v3/brokerage/"
    wire_limits = COINBASE_LIMITS
    order_rules = COINBASE_RULES
    one_order = True

    def __init__(self, instruments: Sequence[SimInstrument], setup: MarketSetup) -> None:
        super().__init__(instruments, setup, RateBudget())
        self._started_us = setup.start_us
        self._keys = {api_key: account.key for api_key, account in self.accounts.items()}
        self._orders = CoinbaseOrders(self)
        self._private_budget = RateBudget(_PRIVATE_CALLS_PER_S)
        self._subscribers: dict[tuple[str, str], dict[CoinbaseSession, None]] = {}
        self._clocked: set[tuple[str, str]] = set()
        self._updates_count: dict[str, int] = dict.fromkeys(self.markets, 0)
        self._untold_trades: dict[str, list[Trade]] = {}
        self._subscriptions_count = 0

    # --- clients ---

    @staticmethod
    def serves(path: str) -> bool:
        """``/``: the venue's host has no other."""
        return path in ("", "/")

    def connect(self, path: str, query: Mapping[str, str], wire: Wire) -> Session:
        """Open a session; the venue sends nothing before a subscribe."""
        session = CoinbaseSession(wire)
        self.opened(session)
        session.last_sent_us = self.timeline.now_us
        self.timeline.after(_SPEAK_WITHIN_US, lambda: self._check_spoken(session))
        self.every(_QUIET_US // 3, session, lambda: self._check_quiet(session))
        return session

    def _check_spoken(self, session: CoinbaseSession) -> None:
        if session.is_open and not session.has_subscribed:
            self.breach("first_subscribe")
            session.close(_POLICY, "no subscribe")

    def _check_quiet(self, session: CoinbaseSession) -> None:
        """A connection on which nothing is sent is closed; heartbeats are what clients keep it open with."""
        if not session.is_muted and self.timeline.now_us - session.last_sent_us >= _QUIET_US:
            session.close(_GOING_AWAY, "no updates")

    def on_message(self, session: Session, frame: bytes) -> None:
        """Change the subscriptions and tell the whole set, or refuse."""
        assert isinstance(session, CoinbaseSession)
        message = decoded(frame)
        if message is None or message.get("type") not in ("subscribe", "unsubscribe"):
            self._refuse(session, "malformed message")
            return
        channel = message.get("channel")
        if channel not in _CHANNELS:
            self._refuse(session, "authentication failure")
            return
        if channel == _USER:
            self._change_user(session, message)
            return
        listed = message.get("product_ids") or []
        wanted = [_canonical(str(product)) for product in listed] if isinstance(listed, list) else []
        products = [product for product in wanted if product in self.markets]
        if message["type"] == "subscribe":
            session.has_subscribed = True
            self._subscribe(session, channel, products)
        else:
            self._unsubscribe(session, channel, products)
        self._acknowledge(session)

    def _change_user(self, session: CoinbaseSession, message: Mapping[str, Any]) -> None:
        """The orders of an account, to whoever has a token of its key: the open ones, and then every change."""
        key = jwt_key(self._keys, message.get("jwt"), self.present_us // SECOND_US)
        if key is None:
            self._refuse(session, "authentication failure")
            return
        session.has_subscribed = True
        if message["type"] == "subscribe":
            session.account = self.accounts[key.api_key]
            session.products[_USER] = {key.api_key.rpartition("/")[2]: 0}
            self._acknowledge(session)
            open_orders = [reports.user_snapshot(order) for order in reversed(session.account.open_orders.values())]
            # The last message has fewer than a full one, and so says that it is the last.
            for first in range(0, len(open_orders) + 1, _SNAPSHOT_ORDERS):
                part = open_orders[first : first + _SNAPSHOT_ORDERS]
                self._reply(session, _USER, json_text([{"type": "snapshot", "orders": part}]))
        else:
            session.account = None
            session.products.pop(_USER, None)
            self._acknowledge(session)

    def order_name(self, order: SimOrder) -> str:
        """As all calls name it."""
        return reports.order_id(order)

    def fill_name(self, fill: SimFill) -> str:
        """As the list of fills names it."""
        return reports.trade_id(fill)

    def on_change(self, change: Change) -> None:
        """The order as it stands; balances are told by REST alone."""
        listeners = [
            session
            for session in self.sessions
            if isinstance(session, CoinbaseSession) and session.account is change.order.account
        ]
        if listeners:
            events = json_text([{"type": "update", "orders": [reports.user_order(change)]}])
            for session in listeners:
                self._reply(session, _USER, events)

    def _refuse(self, session: CoinbaseSession, reason: str) -> None:
        self.deliver(session, "error", json_text({"type": "error", "message": reason}).encode())

    def _subscribe(self, session: CoinbaseSession, channel: str, products: list[str]) -> None:
        if channel == "heartbeats":
            session.products[channel] = {channel: 0}
            if not session.has_heartbeat:
                session.has_heartbeat = True
                self.every(SECOND_US, session, lambda: self._heartbeat(session))
            return
        for product in products:
            if self.is_refused(product, _STREAM_OF_CHANNEL[channel]):
                continue
            self._subscriptions_count += 1
            number = self._subscriptions_count
            session.products.setdefault(channel, {})[product] = number
            begin = partial(self._begin, session, channel, product, number)
            rule = self.snapshot_fault(product) if channel == "level2" and self.faults.has(Point.SNAPSHOT) else None
            if rule is None:
                begin()
            else:
                self.timeline.after(round(rule.for_s * 1e6), begin)

    def _begin(self, session: CoinbaseSession, channel: str, product: str, number: int) -> None:
        """Send the snapshot of subscription *number*, and updates from now on, if it still stands."""
        if session.products.get(channel, {}).get(product) != number:
            return
        if channel == "market_trades":
            # What is gathered so far goes to the others first: the newcomer has it in its snapshot.
            self._flush_trades(product)
        self._subscribers.setdefault((channel, product), {})[session] = None
        self._send_snapshot(session, channel, self.markets[product])
        if channel == "ticker_batch":
            self._run_each(channel, product, _BATCH_TICKER_PERIOD_US)
        elif channel == "candles":
            self._run_each(channel, product, SECOND_US)

    def _unsubscribe(self, session: CoinbaseSession, channel: str, products: list[str]) -> None:
        held = session.products.get(channel, {})
        for product in [channel] if channel == "heartbeats" else products:
            held.pop(product, None)
            listeners = self._subscribers.get((channel, product), {})
            listeners.pop(session, None)
            if not listeners:
                self._subscribers.pop((channel, product), None)
        if not held:
            session.products.pop(channel, None)

    def drop_subscriptions(self, session: Session) -> None:
        """Take *session* out of every channel."""
        assert isinstance(session, CoinbaseSession)
        for channel, products in list(session.products.items()):
            self._unsubscribe(session, channel, list(products))

    @property
    def has_subscribers(self) -> bool:
        """Whether any channel of market data has a listener."""
        return any(channel != "status" for channel, _ in self._subscribers)

    def subscriptions(self) -> dict[str, int]:
        """How many connections listen to each channel of a product: ``level2 BTC-USD``."""
        return {" ".join(key): len(listeners) for key, listeners in self._subscribers.items()}

    def _acknowledge(self, session: CoinbaseSession) -> None:
        current = {channel: list(products) for channel, products in session.products.items()}
        self._reply(session, "subscriptions", f'[{{"subscriptions":{json_text(current)}}}]')

    def _heartbeat(self, session: CoinbaseSession) -> None:
        if "heartbeats" in session.products:
            uptime_s = (self.now_us - self._started_us) // SECOND_US
            self._reply(session, "heartbeats", payloads.heartbeat(self.now_us, uptime_s))

    def _send_snapshot(self, session: CoinbaseSession, channel: str, market: SymbolMarket) -> None:
        now_us = self.now_us
        if channel == "level2":
            events = payloads.book_snapshot(market, now_us)
        elif channel == "candles":
            events = payloads.candle(market, now_us, "snapshot")
        elif channel == "status":
            events = payloads.status(market.instrument, "snapshot")
        elif channel in ("ticker", "ticker_batch"):
            events = payloads.ticker(market, now_us, "snapshot", channel == "ticker")
        elif market.recent_trades:
            events = payloads.trades(market.instrument, market.snapshot_trades(), "snapshot")
        else:
            return
        stream = "snapshot" if channel == "level2" else _STREAM_OF_CHANNEL[channel]
        self._send(session, channel, events, stream, market.instrument.venue_symbol)

    # --- streams ---

    def on_event(self, event: MarketEvent) -> None:
        """Book changes and the ticker of a match go out at once, trades gather."""
        product = event.market.instrument.venue_symbol
        if ("level2", product) in self._subscribers:
            self._updates_count[product] += 1
            if self._updates_count[product] % _EMPTY_UPDATE_EACH == 0:
                self._publish("level2", product, payloads.book_update(event.market.instrument, 0, {}, {}))
            bids, asks = event.bids, event.asks
            if self.faults.has(Point.BOOK):
                told = tamper(self.faults, self.timeline.now_us, event.market, bids, asks)
                bids, asks = (told.bids, told.asks) if told else (bids, asks)
            self._publish("level2", product, payloads.book_update(event.market.instrument, event.at_us, bids, asks))
        if not event.trades:
            return
        if ("ticker", product) in self._subscribers:
            self._publish("ticker", product, payloads.ticker(event.market, event.at_us, "update", True))
        if product not in self._untold_trades:
            self.timeline.after(_TRADES_PERIOD_US, lambda: self._flush_trades(product))
        self._untold_trades.setdefault(product, []).extend(event.trades)

    def instrument_changed(self, market: SymbolMarket) -> None:
        """Push the product on the ``status`` channel."""
        product = market.instrument.venue_symbol
        for session in self._subscribers.get(("status", product), {}):
            self._reply(session, "status", payloads.status(market.instrument, "update"))

    def _flush_trades(self, product: str) -> None:
        fills = self._untold_trades.pop(product, None)
        if fills and ("market_trades", product) in self._subscribers:
            instrument = self.markets[product].instrument
            self._publish("market_trades", product, payloads.trades(instrument, fills, "update"))

    def flush(self) -> None:
        """Send every trade that is being gathered."""
        for product in list(self._untold_trades):
            self._flush_trades(product)

    def _run_each(self, channel: str, product: str, period_us: int) -> None:
        """Publish a clock-driven channel for as long as it has a listener."""
        if (channel, product) in self._clocked:
            return
        self._clocked.add((channel, product))
        market = self.markets[product]

        def run() -> None:
            if (channel, product) not in self._subscribers:
                self._clocked.discard((channel, product))
                return
            now_us = self.now_us
            if channel == "candles":
                self._publish(channel, product, payloads.candle(market, now_us, "update"))
            else:
                self._publish(channel, product, payloads.ticker(market, now_us, "update", False))
            self.timeline.after(period_us, run)

        self.timeline.after(period_us, run)

    def _publish(self, channel: str, product: str, events: str) -> None:
        stream = _STREAM_OF_CHANNEL[channel]
        for session in self._subscribers[channel, product]:
            self._send(session, channel, events, stream, product)
        self.published()

    def _send(self, session: CoinbaseSession, channel: str, events: str, stream: str, product: str) -> None:
        told = "l2_data" if channel == "level2" else channel
        self.emit(session, told, self._frame(session, told, events), stream, product)

    def _reply(self, session: CoinbaseSession, channel: str, events: str) -> None:
        self.deliver(session, channel, self._frame(session, channel, events))

    def _frame(self, session: CoinbaseSession, channel: str, events: str) -> bytes:
        """The events in their envelope, which takes the connection's next number."""
        number = session.next_sequence
        session.next_sequence += 1
        session.last_sent_us = self.timeline.now_us
        return (
            f'{{"channel":"{channel}","timestamp":"{rfc3339_ns(self.now_us)}",'
            f'"sequence_num":{number},"events":{events}}}'
        ).encode()

    # --- REST ---

    def answer(self, endpoint: str, query: Mapping[str, str]) -> RestReply:
        """``time``, ``products``, ``product_book`` and what lies below a product, with or without ``market/``."""
        name, _, rest = endpoint.removeprefix("market/").partition("/")
        if name == "time":
            now_us = self.present_us
            return RestReply(200, json_text({
                "iso": rfc3339_us(now_us), "epochSeconds": str(now_us // SECOND_US),
                "epochMillis": str(now_us // 1000),
            }))
        if name == "products" and not rest:
            # There is nothing but spot here; clients ask for futures too.
            listed = self.markets.values() if query.get("product_type", "SPOT") == "SPOT" else ()
            bodies = [payloads.product(market) for market in listed]
            return RestReply(200, json_text({"products": bodies, "num_products": len(bodies)}))
        product, _, below = rest.partition("/")
        market = self.markets.get(_canonical(product or query.get("product_id", "")))
        if name not in ("products", "product_book"):
            return _not_found("no such endpoint")
        if market is None:
            return _not_found("valid product_id is required")
        return self._of_product(market, name if name == "product_book" else below, query)

    def _of_product(self, market: SymbolMarket, what: str, query: Mapping[str, str]) -> RestReply:
        if what == "product_book":
            limit = int(query["limit"]) if query.get("limit", "").isdecimal() else len(market.bids)
            return RestReply(200, json_text(payloads.product_book(market, self.now_us, limit)))
        if what == "ticker":
            limit = int(query["limit"]) if query.get("limit", "").isdecimal() else 100
            return RestReply(200, json_text(payloads.product_ticker(market, limit)))
        if what == "candles":
            span = payloads.GRANULARITIES_US.get(query.get("granularity", ""))
            edges = [query.get(edge, "") for edge in ("start", "end")]
            if span is None or not all(edge.isdecimal() for edge in edges):
                return _BAD_CANDLES
            start_us, end_us = (int(edge) * SECOND_US for edge in edges)
            rows = payloads.candles(market, start_us, min(end_us, self.now_us), span)
            return RestReply(200, json_text({"candles": rows}))
        return _not_found("no such endpoint") if what else RestReply(200, json_text(payloads.product(market)))

    def charge(self, endpoint: str, query: Mapping[str, str], call: SignedCall | None, now_us: int) -> Refusal | None:
        """Count a call toward those of the address, or of the key's owner."""
        is_private = call is not None and self._orders.knows(call.method, endpoint)
        return self._private_budget.take(1, now_us) if is_private else super().charge(endpoint, query, call, now_us)

    def private_answer(self, endpoint: str, call: SignedCall) -> RestReply | None:
        """Calls of accounts and orders with a bearer's token for just this call; None for any other."""
        if not self._orders.knows(call.method, endpoint):
            return None
        token = call.headers.get("authorization", "").removeprefix("Bearer ")
        # By the venue's name, or by that under which it was called.
        uris = [f"{call.method} {host}{call.path}" for host in (_API_HOST, call.headers.get("host", _API_HOST))]
        key = jwt_key(self._keys, token, self.present_us // SECOND_US, uris)
        if key is None:
            return RestReply(401, '"Unauthorized"')
        return self._orders.answer(self.accounts[key.api_key], endpoint, call)

    def refused(self, refusal: Refusal) -> RestReply:
        """What the venue says over a limit; it does not say how long to wait."""
        return RestReply(
            refusal.status, '{"errors":[{"id":"rate_limit_exceeded","message":"Too many requests"}]}'
        )


_BAD_CANDLES = RestReply(
    400, '{"error":"INVALID_ARGUMENT","message":"start, end and granularity are required","code":3}'
)


def _not_found(message: str) -> RestReply:
    return RestReply(404, json_text({"error": "NOT_FOUND", "message": message, "code": 5}))


def _canonical(product: str) -> str:
    """The book that a product id means: -USDC is another name of -USD."""
    return product.removesuffix("C") if product.endswith("-USDC") else product
