"""What happens when in a venue's markets: which symbol's turn it is, and how long until the next."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from itertools import accumulate

from engine.simulator.arrivals import Arrivals
from engine.simulator.market import MarketEvent, SymbolMarket
from engine.simulator.timeline import Timeline

# What an event is taken to cost in frames while nobody is subscribed, and after a run of events that
# touched no subscribed stream (so that a venue with one quiet listener does not spin).
_UNHEARD_FRAMES = 2.0
_LEAST_FRAMES = 0.25
_SILENT_RUN = 24
_FOR_EVER_US = 1 << 62


class MarketRun:
    """Lets one event after the other happen.

    Args:
        markets: by symbol; the first are the busiest, as on a real venue.
        timeline: of the venue.
        rng: draws the symbols.
        arrivals: draws the time between.
        happen: called with each event.
        is_heard: whether any market data has a listener.
        clock: what the venue's clock shows, in microseconds.
    """

    def __init__(
        self, markets: Mapping[str, SymbolMarket], timeline: Timeline, rng: random.Random, arrivals: Arrivals,
        happen: Callable[[MarketEvent], None], is_heard: Callable[[], bool], clock: Callable[[], int],
    ) -> None:  # fmt: skip
        self._markets = markets
        self._timeline = timeline
        self._rng = rng
        self._arrivals = arrivals
        self._happen = happen
        self._is_heard = is_heard
        self._clock = clock
        self._symbols = list(markets)
        self._weights = list(accumulate(1 / (rank + 3) for rank in range(len(self._symbols))))
        self._quiet_until_us: dict[str, int] = {}
        self._published_count = 0
        self._silent_events = 0
        self._is_frozen = False
        self._is_due = False
        self._next_us = timeline.now_us
        self._schedule(arrivals.gap_us(_UNHEARD_FRAMES))

    def published(self) -> None:
        """Count one frame of market data toward the rate."""
        self._published_count += 1

    def silence(self, symbol: str, for_us: int) -> None:
        """Let nothing happen in a symbol; 0 = for ever."""
        self._quiet_until_us[symbol] = self._timeline.now_us + for_us if for_us else _FOR_EVER_US

    def freeze(self) -> None:
        """Let nothing more happen."""
        self._is_frozen = True

    def thaw(self) -> None:
        """Go on from where it was frozen."""
        self._is_frozen = False
        if not self._is_due:
            self._next_us = self._timeline.now_us
            self._schedule(self._arrivals.gap_us(_LEAST_FRAMES))

    def _schedule(self, gap_us: int) -> None:
        self._is_due = True
        self._next_us += gap_us
        self._timeline.at(self._next_us, self._run)

    def _run(self) -> None:
        self._is_due = False
        if self._is_frozen:
            return
        (symbol,) = self._rng.choices(self._symbols, cum_weights=self._weights)
        if self._quiet_until_us.get(symbol, 0) <= self._timeline.now_us:
            event = self._markets[symbol].step(self._clock())
            # Where clients' orders stand, the market's own may have nothing left to take away.
            if event.has_changes:
                self._happen(event)
        self._schedule(self._arrivals.gap_us(self._frames_since_last()))

    def _frames_since_last(self) -> float:
        if not self._is_heard():
            return _UNHEARD_FRAMES
        frames = float(self._published_count)
        self._published_count = 0
        self._silent_events = 0 if frames else self._silent_events + 1
        return _LEAST_FRAMES if self._silent_events > _SILENT_RUN else frames
