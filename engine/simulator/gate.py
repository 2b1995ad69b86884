"""How often a venue lets an address connect and a client speak."""

from __future__ import annotations

from typing import NamedTuple

from engine.simulator.limits import MINUTE_US, SECOND_US, TOO_MANY_REQUESTS, Refusal, SlidingWindow
from engine.simulator.sessions import Session


class WireLimits(NamedTuple):
    """A venue's figures.

    Attributes:
        connects: attempts of an address in *connects_window_us*.
        ban_us: how long an address that goes over is kept out altogether.
        messages: of a client in a second.
        by_address: whether all connections of an address share *messages*.
    """

    connects: int
    connects_window_us: int
    ban_us: int
    messages: int
    by_address: bool


BINANCE_LIMITS = WireLimits(300, 5 * MINUTE_US, 0, 5, by_address=False)
COINBASE_LIMITS = WireLimits(8, SECOND_US, 0, 8, by_address=True)
# Kraken calls its message rate dynamic and names no figure: ours.
KRAKEN_LIMITS = WireLimits(150, 10 * MINUTE_US, 10 * MINUTE_US, 10, by_address=False)
PLAIN_LIMITS = WireLimits(60, MINUTE_US, 0, 20, by_address=False)


class Gate:
    """Counts the connects and the messages of one address, which is all there is on loopback."""

    def __init__(self, limits: WireLimits) -> None:
        self._limits = limits
        self._connects = SlidingWindow(limits.connects, limits.connects_window_us)
        self._messages = SlidingWindow(limits.messages, SECOND_US)
        self._banned_until_us = 0

    def connect(self, now_us: int) -> Refusal | None:
        """Count an attempt to connect; why it is refused, None where it is not."""
        if now_us >= self._banned_until_us:
            if self._connects.take(now_us):
                return None
            self._banned_until_us = now_us + self._limits.ban_us
        wait_us = self._banned_until_us - now_us
        wait_s = -(-wait_us // SECOND_US) if wait_us > 0 else self._connects.wait_s(now_us)
        return Refusal(TOO_MANY_REQUESTS, wait_s, "connects")

    def message(self, session: Session, now_us: int) -> bool:
        """Count a message; whether it is within the limit."""
        if self._limits.by_address:
            return self._messages.take(now_us)
        if session.messages is None:
            session.messages = SlidingWindow(self._limits.messages, SECOND_US)
        return session.messages.take(now_us)
