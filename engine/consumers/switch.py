"""The trading switch: who may trade (CTL-14). Off until it is switched on; asked before every order, twice."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from engine.base.build import planted
from engine.base.errors import UnknownSymbolError

BY_CONFIGURATION = "config"
"""Who set what stands since the start."""


class TradingSwitch(msgspec.Struct, frozen=True, kw_only=True):
    """One consumer's switch as it stands.

    Attributes:
        enabled: whether it may trade.
        updated_ns: since when, ns since 1970 UTC.
        by: ``config``, the consumer itself, or the operator's name.
    """

    consumer_id: str
    enabled: bool
    updated_ns: int
    by: str


class TradingSwitches:
    """Every consumer's switch. Owned by the runtime; written on the engine's loop, read from any thread.

    Whoever takes an order asks here at that moment: what is off is off from the acknowledgement on.

    Args:
        clock_ns: now.
        on_change: called as on_change(consumer_id=.., enabled=.., by=..) at each change.
    """

    def __init__(self, clock_ns: Callable[[], int], on_change: Callable[..., None]) -> None:
        self._clock_ns = clock_ns
        self._on_change = on_change
        self._switches: dict[str, TradingSwitch] = {}

    def add(self, consumer_id: str, *, enabled: bool) -> None:
        """Make a consumer known, as its configuration says."""
        self._switches[consumer_id] = TradingSwitch(
            consumer_id=consumer_id,
            enabled=enabled or planted("switch.on"),
            updated_ns=self._clock_ns(),
            by=BY_CONFIGURATION,
        )

    def remove(self, consumer_id: str) -> None:
        """The consumer has left: it may not trade."""
        del self._switches[consumer_id]

    def is_enabled(self, consumer_id: str) -> bool:
        """Whether a consumer may trade now; one that is not known may not."""
        switch = self._switches.get(consumer_id)
        return switch is not None and switch.enabled

    def of(self, consumer_id: str) -> TradingSwitch:
        """A consumer's switch.

        Raises:
            UnknownSymbolError: there is no such consumer.
        """
        switch = self._switches.get(consumer_id)
        if switch is None:
            raise UnknownSymbolError(f"there is no consumer {consumer_id}", op="switch.find")
        return switch

    def set(self, consumer_id: str, *, enabled: bool, by: str) -> None:
        """Switch; what stands so already stays as it is.

        Raises:
            UnknownSymbolError: there is no such consumer.
        """
        if self.of(consumer_id).enabled == enabled:
            return
        self._switches[consumer_id] = TradingSwitch(
            consumer_id=consumer_id, enabled=enabled, updated_ns=self._clock_ns(), by=by
        )
        self._on_change(consumer_id=consumer_id, enabled=enabled, by=by)
