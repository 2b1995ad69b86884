"""A second assembly of books, beside those in use, to see whether these are right (BOOK-21).

A shadow is fed by a fresh snapshot and publishes nothing. Where the venue numbers its diffs the two are compared at
equal numbers, and one difference is proof. Elsewhere nothing says which state answers to which: differences that are
under way come and go, and one that stays the same for a while is proof.
"""

from __future__ import annotations

from collections.abc import Sequence

from engine.base.clock import Clock
from engine.pools.frames import FramePools
from engine.providers.feed import Feed, FeedPorts
from engine.schema.instrument import Instrument
from engine.schema.ports import EventPool, EventSink

STAYS_S = 2.0
"""A difference that has not moved for so long is none of timing."""

Difference = tuple[int, int, int, int]
"""Side, price, quantity here, quantity in the shadow, all raw."""


def shadow_of(feed: Feed, instruments: Sequence[Instrument], clock: Clock) -> Feed:
    """A feed like *feed* that carries *instruments*, publishes nothing and tells nobody."""
    ports = FeedPorts(
        pool=EventPool(FramePools()),
        sink=EventSink(),
        clock=clock,
        timer=None,
        on_reject=lambda *_: None,
        on_telemetry=lambda *_, **__: None,
        on_widened=lambda _: None,
        on_instrument=lambda _: None,
        on_balance=lambda _: None,
        on_foreign_order=lambda *_: None,
    )
    shadow = type(feed)(feed.provider, feed.rules, ports)
    for instrument in instruments:
        shadow.add_instrument(instrument)
    return shadow


class Lasting:
    """Which differences stay: told each look, by a clock of seconds. Pure."""

    def __init__(self) -> None:
        self._since_s: dict[Difference, float] = {}

    def look(self, now_s: float, found: Sequence[Difference]) -> Difference | None:
        """A difference that has stayed the same for long enough, if there is one."""
        self._since_s = {one: self._since_s.get(one, now_s) for one in found}
        return next((one for one, since_s in self._since_s.items() if now_s - since_s >= STAYS_S), None)
