"""Merge rules (EVT-50): which providers' events of one symbol and type become one, and when."""

from __future__ import annotations

from typing import Literal

import msgspec

from engine.schema.enums import EventType


class MergeRule(msgspec.Struct, frozen=True, kw_only=True):
    """One rule.

    Attributes:
        name: of the stream ``merged:<name>``.
        symbol, event_type: the key.
        providers: each gives one fragment.
        window_duration_ms: a window closes at this age; longer = more complete windows, older ones.
        window_max_events: or with this many fragments.
        close_on_complete: or as soon as every provider is there.
        partial_policy: what becomes of a window that misses a provider.
    """

    name: str
    symbol: str
    event_type: EventType
    providers: tuple[str, ...]
    window_duration_ms: int = 10_000
    window_max_events: int = 1000
    close_on_complete: bool = False
    partial_policy: Literal["suppress"] = "suppress"

    @property
    def merge_key(self) -> str:
        """``BTC-USD:BookSnapshot``."""
        return f"{self.symbol}:{self.event_type.class_name}"

    @property
    def provider(self) -> str:
        """The provider of what it emits."""
        return f"merged:{self.name}"
