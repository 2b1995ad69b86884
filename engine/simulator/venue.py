"""What the simulated venues share: sessions, limits, faults, the market's clock, the count of frames."""

import random
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

import msgspec

from engine.simulator.arrivals import Arrivals
from engine.simulator.clock_faults import ClockFaults
from engine.simulator.desk import Change, OrderDesk, OrderRules
from engine.simulator.fault_rules import FaultRule, Point
from engine.simulator.faults import FaultPlan
from engine.simulator.frame_faults import FrameFaults
from engine.simulator.gate import Gate, WireLimits
from engine.simulator.images import OldImages
from engine.simulator.instruments import SimInstrument
from engine.simulator.keys import KEYS
from engine.simulator.limits import BANNED, TOO_MANY_REQUESTS, Block, Refusal, RestBudget
from engine.simulator.market import MarketEvent, SymbolMarket
from engine.simulator.messages import RestReply, SignedCall
from engine.simulator.order_faults import OrderGate, ReportFaults
from engine.simulator.orders import SimAccount, SimFill, SimOrder, Terms
from engine.simulator.running import MarketRun
from engine.simulator.sessions import Session, Wire
from engine.simulator.telling import told_book, told_listing, told_trades
from engine.simulator.timeline import Timeline

DEFAULT_DEPTH_LEVELS = 250

_POLICY = 1008


class MarketSetup(msgspec.Struct, frozen=True):
    """What makes a venue's market. The same setup and the same calls give the same bytes.

    *rate_frames_per_s* counts each frame of market data once however many clients get it, over the streams
    that have a subscriber (an assumed two frames an event while there is none). *limited*: whether the venue's limits
    of calls, messages and orders stand.
    """

    seed: int
    rate_frames_per_s: float
    start_us: int
    depth_levels: int = DEFAULT_DEPTH_LEVELS
    limited: bool = True


class Venue(ABC):
    """One simulated venue: no sockets and no clock of its own, the same inputs give the same bytes.

    The server calls ``connect``, ``receive`` and ``disconnect`` for each connection, ``rest`` for each
    request and ``advance`` as time passes; frames go out through the sessions meanwhile. Times are
    microseconds since 1970.
    """

    name: ClassVar[str]
    rest_root: ClassVar[str]
    """What the paths of its REST calls begin with."""
    wire_limits: ClassVar[WireLimits]
    order_rules: ClassVar[OrderRules]
    one_order: ClassVar[bool] = False
    """Whether all frames of a connection are numbered together."""
    hidden_rank: int = 40
    """A level so far behind the best is in no second view and in no checksum."""

    def __init__(self, instruments: Sequence[SimInstrument], setup: MarketSetup, budget: RestBudget) -> None:
        self.timeline = Timeline(setup.start_us)
        self.clock_offset_us = 0
        self.true_us: Callable[[], int] = lambda: self.timeline.now_us
        self.market_us: Callable[[], int] = lambda: self.timeline.now_us
        self.rng = self._seeded("venue", setup.seed)
        self.markets: dict[str, SymbolMarket] = {}
        for instrument in instruments:
            symbol = instrument.venue_symbol
            market_rng = self._seeded(symbol, setup.seed)
            self.markets[symbol] = SymbolMarket(instrument, market_rng, setup.start_us, setup.depth_levels)
        self.sessions: dict[Session, None] = {}
        self.counts: Counter[str] = Counter()
        self.breaches: Counter[str] = Counter()
        self.calls: Counter[str] = Counter()
        self.connections_count = 0
        self.old_images = OldImages()
        self.accounts = {key.api_key: SimAccount(key, instruments) for key in KEYS[self.name]}
        self.faults = FaultPlan(self.name, setup.seed, setup.start_us)
        self.desk = OrderDesk(
            self.order_rules, self.markets, lambda: self.now_us, lambda: self.present_us, self.on_event, self._on_change
        )
        self.limited = self.desk.limited = setup.limited
        self.order_gate = OrderGate(self.desk, self.faults, self.timeline)
        self._report_faults = ReportFaults(self.faults, self.timeline, self.on_change)
        self._frame_faults = FrameFaults(self.faults, self.timeline, self.deliver, self.one_order)
        self._clock_faults = ClockFaults(self, self.faults)
        self._gate = Gate(self.wire_limits)
        self._budget = budget
        self._block = Block()
        self._run = MarketRun(
            self.markets, self.timeline, self.rng,
            Arrivals(self._seeded("arrivals", setup.seed), setup.rate_frames_per_s),
            self._on_market, lambda: self.has_subscribers, lambda: self.now_us,
        )  # fmt: skip

    def _seeded(self, purpose: str, seed: int) -> random.Random:
        """A generator of its own for each purpose, so that one does not disturb another."""
        return random.Random(f"{seed}/{self.name}/{purpose}")

    @property
    def now_us(self) -> int:
        """What the venue's clock shows: the market's time, and what the clock is off."""
        return self.timeline.now_us + self.clock_offset_us

    @property
    def present_us(self) -> int:
        """The same at this instant: where the market is behind its schedule, the venue's clock is not."""
        return self.market_us() + self.clock_offset_us

    # --- clients ---

    @staticmethod
    @abstractmethod
    def serves(path: str) -> bool:
        """Whether a WebSocket may be opened at *path*."""

    def admit(self) -> Refusal | None:
        """Why a connection is refused now, None where it is not."""
        refusal = self._gate.connect(self.true_us()) if self.limited else None
        if refusal is not None:
            self.breach(refusal.breach)
            return refusal
        armed = self.faults.draw(Point.UPGRADE, self.timeline.now_us, "")
        if armed is None:
            return None
        self.faults.strike(armed, self.timeline.now_us, status=armed.rule.status)
        return Refusal(armed.rule.status, 0, "")

    @abstractmethod
    def connect(self, path: str, query: Mapping[str, str], wire: Wire) -> Session:
        """Open a session at a path that the venue serves, and send what the venue sends first."""

    def opened(self, session: Session) -> None:
        """Number a new session and keep it."""
        self.connections_count += 1
        session.number = self.connections_count
        self.sessions[session] = None

    def receive(self, session: Session, frame: bytes) -> None:
        """Take one text frame from a client, if it does not speak too often."""
        if self.may_speak(session):
            self.on_message(session, frame)

    def may_speak(self, session: Session) -> bool:
        """Count a message; whether it is within the venue's limit, which else does what it does."""
        if not session.is_open:
            return False
        if not self.limited or self._gate.message(session, self.true_us()):
            return True
        self.breach("messages")
        self.on_too_many_messages(session)
        return False

    @abstractmethod
    def on_message(self, session: Session, frame: bytes) -> None:
        """Answer a text frame."""

    def on_too_many_messages(self, session: Session) -> None:
        """A client speaks too often: it is disconnected."""
        session.close(_POLICY, "Too many requests")

    def ping_received(self, session: Session, payload: bytes) -> None:
        """Answer a client's protocol ping."""
        session.pong(payload)

    def pong_received(self, session: Session, payload: bytes) -> None:  # noqa: B027 - most venues ask for none
        """Take a client's protocol pong."""

    def breach(self, what: str) -> None:
        """Count a limit that a client has broken."""
        self.breaches[what] += 1

    def disconnect(self, session: Session) -> None:
        """Forget the session and all it was subscribed to."""
        session.is_open = False
        self.sessions.pop(session, None)
        self.drop_subscriptions(session)

    @abstractmethod
    def drop_subscriptions(self, session: Session) -> None:
        """Take *session* out of every stream."""

    def deliver(self, session: Session, kind: str, frame: bytes) -> None:
        """Send one frame and count it under *kind*; on a connection that has ended or fallen silent nothing is."""
        if session.is_open and not session.is_muted:
            self.counts[kind] += 1
            session.wire.send(frame)

    def emit(self, session: Session, kind: str, frame: bytes, stream: str, symbol: str) -> None:
        """Send a frame of market data, which may meet a fault; *stream*: as rules of the plan name it."""
        if session.held or self.faults.has(Point.FRAME):
            self._frame_faults.pass_on(session, kind, frame, stream, symbol)
        else:
            self.deliver(session, kind, frame)

    def every(self, period_us: int, session: Session, action: Callable[[], None]) -> None:
        """Run *action* each *period_us*, without drift, for as long as *session* is open."""
        due_us = self.timeline.now_us + period_us

        def run() -> None:
            nonlocal due_us
            if session.is_open:
                action()
                due_us += period_us
                self.timeline.at(due_us, run)

        self.timeline.at(due_us, run)

    # --- REST ---

    def rest(self, path: str, query: Mapping[str, str], call: SignedCall | None = None) -> RestReply:
        """Answer a request, within the venue's limits; *call* has what a private one is signed over."""
        now_us = self.true_us()
        endpoint = path.removeprefix(self.rest_root)
        self.calls[endpoint] += 1
        refusal = self._block.check(now_us)
        if refusal is None and self.limited:
            refusal = self.charge(endpoint, query, call, now_us)
        if refusal is not None:
            self.breach(refusal.breach)
        else:
            refusal = self._injected_refusal(now_us)
        if refusal is not None:
            reply = self.refused(refusal)
        else:
            private = None if call is None else self.private_answer(endpoint, call)
            reply = private or self.answer(endpoint, query)
        return reply._replace(headers={**self._budget.headers(now_us), **reply.headers})

    def _injected_refusal(self, now_us: int) -> Refusal | None:
        armed = self.faults.draw(Point.REST, self.timeline.now_us, "")
        if armed is None:
            return None
        rule = armed.rule
        self.faults.strike(armed, self.timeline.now_us, retry_after_s=rule.retry_after_s)
        status = BANNED if rule.fault == "banned" else TOO_MANY_REQUESTS
        return self._block.set(status, round(rule.retry_after_s * 1e6), now_us)

    def charge(self, endpoint: str, query: Mapping[str, str], call: SignedCall | None, now_us: int) -> Refusal | None:
        """Count a call toward its limit; why it is refused, None where it is not."""
        return self._budget.take(1, now_us)

    @abstractmethod
    def answer(self, endpoint: str, query: Mapping[str, str]) -> RestReply:
        """Answer a call that is within the limits; *endpoint*: its path below the root."""

    @abstractmethod
    def private_answer(self, endpoint: str, call: SignedCall) -> RestReply | None:
        """Answer a call that only the owner of a key may make; None where it is none of these."""

    @abstractmethod
    def refused(self, refusal: Refusal) -> RestReply:
        """What the venue says to a call that is over a limit."""

    def snapshot_fault(self, symbol: str) -> FaultRule | None:
        """The rule that strikes the snapshot about to be sent."""
        armed = self.faults.draw(Point.SNAPSHOT, self.timeline.now_us, symbol)
        if armed is None:
            return None
        self.faults.strike(armed, self.timeline.now_us, symbol)
        return armed.rule

    # --- accounts ---

    def trade_elsewhere(self, market: SymbolMarket) -> None:
        """Fill an order of somebody else on every account."""
        for account in self.accounts.values():
            terms = Terms(f"web_{len(self.desk.orders) + 1}", True, None, market.instrument.lot_raw)
            self.desk.place(account, market, terms, is_foreign=True)
        self.desk.tell_all()

    def _on_change(self, change: Change) -> None:
        self._report_faults.pass_on(change)

    def on_change(self, change: Change) -> None:  # noqa: B027 - a venue without accounts has none
        """Tell those who listen to an account what happened to its order, and its balances."""

    def is_refused(self, symbol: str, stream: str) -> bool:
        """Whether a fault keeps a subscription from being granted."""
        if not self.faults.has(Point.SUBSCRIBE):
            return False
        armed = self.faults.draw(
            Point.SUBSCRIBE, self.timeline.now_us, symbol, lambda rule: rule.stream in ("any", stream)
        )
        if armed is not None:
            self.faults.strike(armed, self.timeline.now_us, symbol)
        return armed is not None

    def order_name(self, order: SimOrder) -> str:
        """The venue's own name of an order."""
        return str(order.number)

    def fill_name(self, fill: SimFill) -> str:
        """The venue's own name of a fill."""
        return str(fill.trade_id)

    # --- faults ---

    def arm(self, number: int, rule: FaultRule) -> None:
        """Add a rule to the fault plan.

        Raises:
            ValueError: the venue does not list its symbol.
        """
        symbol = self.symbol_of(rule.symbol) if rule.symbol else ""
        armed = self.faults.arm(number, msgspec.structs.replace(rule, symbol=symbol, venue=self.name))
        if rule.kind.point is Point.CLOCK:
            self._clock_faults.schedule(armed)
        elif rule.fault == "stale_snapshot":
            for name in [symbol] if symbol else self.markets:
                self.old_images.remember(self.markets[name])

    def symbol_of(self, text: str) -> str:
        """The venue's spelling of a symbol in any spelling. Raises ValueError where the venue has none such."""
        found = self._find(text)
        if found is None:
            raise ValueError(f"{self.name} has no symbol {text!r}; it has {', '.join(self.markets)}")
        return found

    def lists(self, text: str) -> bool:
        """Whether the venue has a symbol, in any spelling."""
        return self._find(text) is not None

    def _find(self, text: str) -> str | None:
        plain = _plain(text)
        return next((symbol for symbol in self.markets if _plain(symbol) == plain), None)

    def announce_shutdown(self, session: Session) -> None:  # noqa: B027 - not every venue does
        """Tell a client that its connection will end, where the venue does."""

    def change_tick(self, market: SymbolMarket, tick: str) -> None:
        """Give an instrument another tick, a decimal text, and tell it as the venue does."""
        self.flush()
        whole, _, decimals = tick.partition(".")
        scale = max(market.instrument.price_scale, len(decimals.rstrip("0")))
        market.set_tick(int(whole + decimals.ljust(scale, "0")[:scale]), scale)
        self.instrument_changed(market)

    def change_status(self, market: SymbolMarket, state: str) -> None:
        """Give an instrument another status, and tell it as the venue does."""
        market.set_status(state)
        self.instrument_changed(market)

    def instrument_changed(self, market: SymbolMarket) -> None:  # noqa: B027 - not every venue does
        """Tell that an instrument is not what it was, where the venue does by itself."""

    def silence_market(self, symbol: str, for_us: int) -> None:
        """Let nothing happen in a symbol; 0 = for ever."""
        self._run.silence(symbol, for_us)

    # --- the market ---

    def advance(self, to_us: int) -> None:
        """Let the venue's time pass until *to_us*."""
        self.timeline.advance(to_us)

    def freeze(self) -> None:
        """Let nothing more happen in the market, and send out all that had been held for a later frame.

        Time goes on: heartbeats and clock-driven streams keep coming.
        """
        self._run.freeze()
        self.flush()
        self._report_faults.release()
        for session in self.sessions:
            self._frame_faults.release(session)

    def thaw(self) -> None:
        """Let the market go on from where it was frozen."""
        self._run.thaw()

    @abstractmethod
    def on_event(self, event: MarketEvent) -> None:
        """Turn a market event into frames; each frame with a subscriber is reported to ``published``."""

    @abstractmethod
    def flush(self) -> None:
        """Send what is being gathered for a batched frame."""

    @property
    @abstractmethod
    def has_subscribers(self) -> bool:
        """Whether any market-data stream has a listener."""

    def published(self) -> None:
        """Count one frame of market data toward the rate."""
        self._run.published()

    def books(self, symbol: str = "") -> dict[str, Any]:
        """The venue's own books, whole: sides of [price, quantity], best first, no trailing zeros.

        *symbol*: only this one, in any spelling. Raises ValueError for an unknown one.
        """
        wanted = [self.symbol_of(symbol)] if symbol else self.markets
        return {name: told_book(self.markets[name]) for name in wanted}

    def trades(self, symbol: str = "") -> dict[str, Any]:
        """The newest trades of each symbol, oldest first; *symbol* as in ``books``."""
        wanted = [self.symbol_of(symbol)] if symbol else self.markets
        return {name: told_trades(self.markets[name]) for name in wanted}

    @abstractmethod
    def subscriptions(self) -> dict[str, int]:
        """How many connections listen to each stream of market data, by the stream's name."""

    def symbols(self) -> dict[str, Any]:
        """What it lists, by its own spelling."""
        return {symbol: told_listing(market.instrument) for symbol, market in self.markets.items()}

    def _on_market(self, event: MarketEvent) -> None:
        self.on_event(event)
        self.desk.on_event(event)


def _plain(symbol: str) -> str:
    return symbol.upper().replace("-", "").replace("/", "")
