"""What an account holds, as last told: scales, differences, numbers of its stream. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal
from typing import NamedTuple

import msgspec

from engine.base.decimals import to_raw
from engine.base.errors import EngineError, ScaleOverflowError, ValidationError
from engine.providers.userstream import Holding
from engine.schema.enums import BalanceCause


class Balance(msgspec.Struct, frozen=True, gc=False):
    """One asset of an account; raws at *scale*, see :class:`~engine.schema.account.BalanceUpdate`."""

    account: str
    asset: str
    scale: int
    total_raw: int
    available_raw: int
    held_raw: int
    delta_raw: int | None
    cause: BalanceCause
    epoch: int
    number: int
    ts_venue_ns: int
    ts_recv_ns: int


class _Known(NamedTuple):
    """What was told of an asset; the raw at *scale*."""

    holding: Holding
    total_raw: int
    scale: int


class BalanceSheet:
    """The balances of one account. An asset's scale grows, and falls only where a large amount has no room else.

    Args:
        account: whose.
        on_unfit: called as on_unfit(asset, error) with an amount that no 64 bits hold, once until one of that asset
            does; what was told of it before stands.
    """

    def __init__(self, account: str, on_unfit: Callable[[str, EngineError], None]) -> None:
        self._account = account
        self._on_unfit = on_unfit
        self._unfit: set[str] = set()
        self._known: dict[str, _Known] = {}
        self._epoch = 0
        self._number = 0
        self._told: set[str] = set()

    @property
    def is_blank(self) -> bool:
        """Whether nothing was told in this epoch."""
        return self._number == 0

    def begin_epoch(self) -> None:
        """The stream begins anew: what comes next is told whether or not it has changed."""
        self._epoch += 1
        self._number = 0
        self._told.clear()

    def take(
        self, holdings: Sequence[Holding], cause: BalanceCause, ts_venue_ns: int, ts_recv_ns: int
    ) -> Iterator[Balance]:
        """What is new in *holdings*; a whole snapshot tells each asset that is or was there, once an epoch."""
        for told in holdings:
            known = self._known.get(told.asset)
            before = None if known is None else known.holding
            total, held = _complete(told, before)
            if total is None:
                continue
            holding = Holding(told.asset, total, held)
            if before == holding and holding.asset in self._told:
                self._unfit.discard(told.asset)
                continue
            if before is None and not total and not held:
                continue
            least = 0 if known is None else known.scale
            try:
                total_raw, held_raw, scale = _raws(total, held, least)
            except (ScaleOverflowError, ValidationError) as error:
                if told.asset not in self._unfit:
                    self._unfit.add(told.asset)
                    self._on_unfit(told.asset, error)
                continue
            self._unfit.discard(told.asset)
            delta_raw = None
            if known is not None and cause is not BalanceCause.SNAPSHOT and scale >= known.scale:
                delta_raw = total_raw - known.total_raw * 10 ** (scale - known.scale)
            self._known[holding.asset] = _Known(holding, total_raw, scale)
            self._told.add(holding.asset)
            self._number += 1
            yield Balance(self._account, told.asset, scale, total_raw, total_raw - held_raw, held_raw, delta_raw,
                          cause, self._epoch, self._number, ts_venue_ns, ts_recv_ns)  # fmt: skip


def _complete(told: Holding, before: Holding | None) -> tuple[Decimal | None, Decimal]:
    """Total and what of it is held; no total while none was told."""
    total = told.total if told.total is not None or before is None else before.total
    held = told.held
    if held is None:
        # What orders held before what they held was sold: it is told in a moment, and is never more than there is.
        known = Decimal(0) if before is None or before.held is None else before.held
        held = known if total is None else min(known, max(total, Decimal(0)))
    return total, held


def _raws(total: Decimal, held: Decimal, least_scale: int) -> tuple[int, int, int]:
    """Both at the scale that they are told with, or at the one that they need where that leaves no room; and the scale.

    Raises:
        ScaleOverflowError, ValidationError: one does not fit 64 bits, or needs more than eighteen decimals.
    """
    texts = f"{total:f}", f"{held:f}"
    scale = max(least_scale, *map(_decimals, texts))
    try:
        return to_raw(texts[0], scale), to_raw(texts[1], scale), scale
    except (ScaleOverflowError, ValidationError):
        # Zeros at the end, or dust that was there before, take the room of a large amount.
        scale = max(_decimals(text.rstrip("0")) if "." in text else 0 for text in texts)
        return to_raw(texts[0], scale), to_raw(texts[1], scale), scale


def _decimals(text: str) -> int:
    return len(text.partition(".")[2])
