"""When the next market event comes: a Poisson process with clustered bursts and a steady long-run rate."""

import random

_BURST_SHARE = 1 / 150
_BURST_EVENTS = 24
_BURST_SPEED = 12
_DEBT_EVENTS = 48


class Arrivals:
    """Gaps between events such that *rate_frames_per_s* frames leave a second, however many an event makes.

    A burst of some events comes twelve times as fast; the quiet afterwards pays the time back, so the
    schedule never drifts from the rate. The floats here are times, never money.
    """

    def __init__(self, rng: random.Random, rate_frames_per_s: float) -> None:
        if rate_frames_per_s <= 0:
            raise ValueError(f"rate must be above 0 frames a second, not {rate_frames_per_s}")
        self._rng = rng
        self._us_per_frame = 1e6 / rate_frames_per_s
        self._ahead_us = 0.0
        self._burst_left = 0

    def gap_us(self, frames: float) -> int:
        """Microseconds until the next event, after one that made *frames* frames."""
        nominal_us = frames * self._us_per_frame
        gap_us = self._rng.expovariate(1.0) * nominal_us
        if self._burst_left:
            self._burst_left -= 1
            gap_us /= _BURST_SPEED
        else:
            gap_us = max(0.0, gap_us + self._ahead_us / _DEBT_EVENTS)
            if self._rng.random() < _BURST_SHARE:
                self._burst_left = 1 + int(self._rng.expovariate(1 / _BURST_EVENTS))
        whole_us = int(gap_us)
        self._ahead_us += nominal_us - whole_us
        return whole_us
