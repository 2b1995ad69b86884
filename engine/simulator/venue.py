"""What the three simulated venues share: sessions, subscriptions, the market's clock, the count of frames."""

import random
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from itertools import accumulate
from typing import Any, ClassVar, NamedTuple

import msgspec

from engine.simulator.arrivals import Arrivals
from engine.simulator.fault_rules import FaultRule, Point
from engine.simulator.faults import FaultPlan
from engine.simulator.frame_faults import FrameFaults
from engine.simulator.instruments import SimInstrument
from engine.simulator.market import MarketEvent, SymbolMarket
from engine.simulator.sessions import Session, Wire
from engine.simulator.texts import fixed_text, trimmed_text
from engine.simulator.timeline import Timeline

DEFAULT_DEPTH_LEVELS = 250

# What an event is taken to cost in frames while nobody is subscribed, and after a run of events that
# touched no subscribed stream (so that a venue with one quiet listener does not spin).
_UNHEARD_FRAMES = 2.0
_LEAST_FRAMES = 0.25
_SILENT_RUN = 24


class RestReply(NamedTuple):
    """Answer to a REST request; *body* is JSON text."""

    status: int
    body: str


class MarketSetup(msgspec.Struct, frozen=True):
    """What makes a venue's market. The same setup and the same calls give the same bytes.

    *rate_frames_per_s* counts each frame of market data once however many clients get it, over the streams
    that have a subscriber (an assumed two frames an event while there is none).
    """

    seed: int
    rate_frames_per_s: float
    start_us: int
    depth_levels: int = DEFAULT_DEPTH_LEVELS


class Venue(ABC):
    """One simulated venue: no sockets and no clock of its own, the same inputs give the same bytes.

    The server calls ``connect``, ``receive`` and ``disconnect`` for each connection, ``rest`` for each
    request and ``advance`` as time passes; frames go out through the sessions meanwhile. Times are
    microseconds since 1970.
    """

    name: ClassVar[str]
    rest_root: ClassVar[str]
    """What the paths of its REST calls begin with."""
    one_order: ClassVar[bool] = False
    """Whether all frames of a connection are numbered together."""

    def __init__(self, instruments: Sequence[SimInstrument], setup: MarketSetup) -> None:
        self.timeline = Timeline(setup.start_us)
        self.rng = self._seeded("venue", setup.seed)
        self.markets: dict[str, SymbolMarket] = {}
        for instrument in instruments:
            symbol = instrument.venue_symbol
            market_rng = self._seeded(symbol, setup.seed)
            self.markets[symbol] = SymbolMarket(instrument, market_rng, setup.start_us, setup.depth_levels)
        self.sessions: dict[Session, None] = {}
        self.counts: Counter[str] = Counter()
        self.faults = FaultPlan(self.name, setup.seed, setup.start_us)
        self._frame_faults = FrameFaults(self.faults, self.timeline, self.deliver, self.one_order)
        self._connections_count = 0
        self._symbols = list(self.markets)
        # The first symbols are the busiest, as on a real venue.
        self._symbol_weights = list(accumulate(1 / (rank + 3) for rank in range(len(self._symbols))))
        self._arrivals = Arrivals(self._seeded("arrivals", setup.seed), setup.rate_frames_per_s)
        self._published_count = 0
        self._silent_events = 0
        self._frozen = False
        self._event_is_due = False
        self._next_event_us = setup.start_us
        self._schedule_event(self._arrivals.gap_us(_UNHEARD_FRAMES))

    def _seeded(self, purpose: str, seed: int) -> random.Random:
        """A generator of its own for each purpose, so that one does not disturb another."""
        return random.Random(f"{seed}/{self.name}/{purpose}")

    # --- clients ---

    @abstractmethod
    def serves(self, path: str) -> bool:
        """Whether a WebSocket may be opened at *path*."""

    @abstractmethod
    def connect(self, path: str, query: Mapping[str, str], wire: Wire) -> Session:
        """Open a session at a path that the venue serves, and send what the venue sends first."""

    @abstractmethod
    def receive(self, session: Session, frame: bytes) -> None:
        """Take one text frame from a client."""

    @abstractmethod
    def rest(self, path: str, query: Mapping[str, str]) -> RestReply:
        """Answer a public GET request."""

    def opened(self, session: Session) -> None:
        """Number a new session and keep it."""
        self._connections_count += 1
        session.number = self._connections_count
        self.sessions[session] = None

    def ping_received(self, session: Session, payload: bytes) -> None:
        """Answer a client's protocol ping."""
        session.pong(payload)

    def pong_received(self, session: Session, payload: bytes) -> None:
        """Take a client's protocol pong."""

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

    def arm(self, number: int, rule: FaultRule) -> None:
        """Add a rule to the fault plan.

        Raises:
            ValueError: the venue does not list its symbol.
        """
        symbol = self.symbol_of(rule.symbol) if rule.symbol else ""
        self.faults.arm(number, msgspec.structs.replace(rule, symbol=symbol, venue=self.name))

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

    def every(self, period_us: int, session: Session, action: Callable[[], None]) -> None:
        """Run *action* each *period_us*, without drift, for as long as *session* is here."""
        due_us = self.timeline.now_us + period_us

        def run() -> None:
            nonlocal due_us
            if session in self.sessions:
                action()
                due_us += period_us
                self.timeline.at(due_us, run)

        self.timeline.at(due_us, run)

    # --- the market ---

    def advance(self, to_us: int) -> None:
        """Let the venue's time pass until *to_us*."""
        self.timeline.advance(to_us)

    def freeze(self) -> None:
        """Let nothing more happen in the market, and send out all that had been held for a later frame.

        Time goes on: heartbeats and clock-driven streams keep coming.
        """
        self._frozen = True
        self.flush()
        for session in self.sessions:
            self._frame_faults.release(session)

    def thaw(self) -> None:
        """Let the market go on from where it was frozen."""
        self._frozen = False
        if not self._event_is_due:
            self._next_event_us = self.timeline.now_us
            self._schedule_event(self._arrivals.gap_us(_LEAST_FRAMES))

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
        self._published_count += 1

    def books(self, symbol: str = "") -> dict[str, Any]:
        """The venue's own books, whole: sides of [price, quantity], best first, no trailing zeros.

        *symbol*: only this one, in any spelling. Raises ValueError for an unknown one.
        """
        wanted = [self.symbol_of(symbol)] if symbol else self.markets
        return {name: _book(self.markets[name]) for name in wanted}

    def symbols(self) -> dict[str, Any]:
        """What it lists, by its own spelling."""
        return {symbol: _listing(market.instrument) for symbol, market in self.markets.items()}

    def _schedule_event(self, gap_us: int) -> None:
        self._event_is_due = True
        self._next_event_us += gap_us
        self.timeline.at(self._next_event_us, self._run_event)

    def _run_event(self) -> None:
        self._event_is_due = False
        if self._frozen:
            return
        (symbol,) = self.rng.choices(self._symbols, cum_weights=self._symbol_weights)
        self.on_event(self.markets[symbol].step(self.timeline.now_us))
        self._schedule_event(self._arrivals.gap_us(self._frames_since_last_event()))

    def _frames_since_last_event(self) -> float:
        if not self.has_subscribers:
            return _UNHEARD_FRAMES
        frames = float(self._published_count)
        self._published_count = 0
        self._silent_events = 0 if frames else self._silent_events + 1
        return _LEAST_FRAMES if self._silent_events > _SILENT_RUN else frames


def _book(market: SymbolMarket) -> dict[str, Any]:
    instrument = market.instrument
    sides = {
        name: [
            [trimmed_text(price_raw, instrument.price_scale), trimmed_text(qty_raw, instrument.qty_scale)]
            for price_raw, qty_raw in ladder.top(len(ladder))
        ]
        for name, ladder in (("bids", market.bids), ("asks", market.asks))
    }
    return {**sides, "last_update_id": market.last_update_id, "last_trade_id": market.last_trade_id}


def _listing(instrument: SimInstrument) -> dict[str, str]:
    return {
        "symbol": f"{instrument.base}-{instrument.quote}",
        "tick": fixed_text(instrument.tick_raw, instrument.price_scale),
        "lot": fixed_text(instrument.lot_raw, instrument.qty_scale),
    }


def _plain(symbol: str) -> str:
    return symbol.upper().replace("-", "").replace("/", "")


def decoded(frame: bytes) -> dict[str, Any] | None:
    """A client's JSON object, or None where it is not one."""
    try:
        message = msgspec.json.decode(frame)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    return message if isinstance(message, dict) else None


def json_text(value: object) -> str:
    """Compact JSON text of strings, integers, lists and mappings."""
    return msgspec.json.encode(value).decode()
