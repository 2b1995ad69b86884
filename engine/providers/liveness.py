"""Whether a connection is alive (BOOK-02): judged on all that comes over it, never on one symbol. Pure."""

from __future__ import annotations

from enum import Enum

LOOKS_PER_TIMEOUT = 5


class Verdict(Enum):
    """What to do after a look."""

    ALIVE = "alive"
    PING = "ping"
    """Send a ping, then tell it by ``pinged()``."""
    DEAD = "dead"


class Liveness:
    """Watches the counters of one standing connection.

    Where the venue sends a heartbeat, any read counts and silence for *heartbeat_timeout_s* is death. Elsewhere the
    connection is asked by a ping of ours and has to answer it.

    Args:
        heartbeat_timeout_s: None = the venue sends no heartbeat.
        ping_interval_s: between our pings.
        pong_timeout_s: for an answer.
        now_s: when the connection began to stand.
    """

    def __init__(
        self, heartbeat_timeout_s: float | None, ping_interval_s: float, pong_timeout_s: float, now_s: float
    ) -> None:
        self._heartbeat_timeout_s = heartbeat_timeout_s
        self._ping_interval_s = ping_interval_s
        self._pong_timeout_s = pong_timeout_s
        self._reads = 0
        self._pongs = 0
        self._read_s = now_s
        self._looked_s = now_s
        self._asked_s = now_s
        self._is_asked = False
        self.cause = ""
        """Of death."""

    def look(self, now_s: float, reads: int, pongs: int) -> Verdict:
        """Judge the counters as they are now."""
        self._looked_s = now_s
        if reads != self._reads:
            self._reads = reads
            self._read_s = now_s
        if self._heartbeat_timeout_s is not None:
            if now_s - self._read_s < self._heartbeat_timeout_s:
                return Verdict.ALIVE
            self.cause = f"no frame for {self._heartbeat_timeout_s:g} s"
            return Verdict.DEAD
        if self._is_asked and pongs != self._pongs:
            self._is_asked = False
        self._pongs = pongs
        if self._is_asked:
            if now_s - self._asked_s < self._pong_timeout_s:
                return Verdict.ALIVE
            self.cause = f"no answer to a ping for {self._pong_timeout_s:g} s"
            return Verdict.DEAD
        return Verdict.PING if now_s - self._asked_s >= self._ping_interval_s else Verdict.ALIVE

    def pinged(self, now_s: float) -> None:
        """A ping was sent."""
        self._is_asked = True
        self._asked_s = now_s

    def excuse(self, now_s: float) -> None:
        """We did not listen until now: what did not come is no fault of the venue."""
        self._looked_s = now_s
        self._read_s = now_s
        self._asked_s = now_s
        self._is_asked = False

    def next_s(self) -> float:
        """When to look again."""
        if self._heartbeat_timeout_s is not None:
            # A read is noticed at a look, not when it comes: more looks make for less error.
            return self._looked_s + self._heartbeat_timeout_s / LOOKS_PER_TIMEOUT
        return self._asked_s + (self._pong_timeout_s if self._is_asked else self._ping_interval_s)
