"""How long to wait before trying again."""

from __future__ import annotations

from random import Random


class Backoff:
    """Delays that double up to a cap, each drawn anew between nothing and that bound (full jitter).

    Args:
        min_s: bound of the first delay.
        max_s: no bound grows past this.
        random: a seeded source gives the same delays again.
    """

    def __init__(self, min_s: float, max_s: float, random: Random | None = None) -> None:
        self._min_s = min_s
        self._max_s = max_s
        self._random = random or Random()
        self._step = 0
        self.attempts = 0
        """Delays given since the last reset."""

    def next_s(self) -> float:
        """The next delay."""
        # Past 2^32 every cap is reached; the bound keeps the power small.
        bound_s = min(self._max_s, self._min_s * 2.0 ** min(self._step, 32))
        self._step += 1
        self.attempts += 1
        return self._random.uniform(0.0, bound_s)

    def step_back(self) -> None:
        """What failed before need not fail again: the next delay is a first one, though all is not well yet."""
        self._step = 0

    def reset(self) -> None:
        """All is well again: the next delay is a first one."""
        self._step = self.attempts = 0
