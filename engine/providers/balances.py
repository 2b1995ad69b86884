"""What an account holds, as last told: scales, differences, numbers of its stream. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal

from engine.base.decimals import to_raw
from engine.providers.userstream import Holding
from engine.schema.enums import BalanceCause


@dataclass(frozen=True)
class Balance:
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


class BalanceSheet:
    """The balances of one account. An asset's scale only ever grows.

    Args:
        account: whose.
    """

    def __init__(self, account: str) -> None:
        self._account = account
        self._held: dict[str, Holding] = {}
        self._scales: dict[str, int] = {}
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
        """What is new in *holdings*; a whole snapshot tells each asset that is or was there, once an epoch.

        Raises:
            ScaleOverflowError: an amount does not fit 64 bits.
        """
        for told in holdings:
            before = self._held.get(told.asset)
            total, held = _complete(told, before)
            if total is None:
                continue
            holding = Holding(told.asset, total, held)
            if before == holding and holding.asset in self._told:
                continue
            if before is None and not total and not held:
                continue
            self._held[holding.asset] = holding
            self._told.add(holding.asset)
            self._number += 1
            scale = max(self._scales.get(holding.asset, 0), _decimals(total), _decimals(held))
            self._scales[holding.asset] = scale
            total_raw, held_raw = _raw(total, scale), _raw(held, scale)
            delta_raw = None
            if before is not None and before.total is not None and cause is not BalanceCause.SNAPSHOT:
                delta_raw = total_raw - _raw(before.total, scale)
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


def _decimals(value: Decimal) -> int:
    exponent = value.as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0


def _raw(value: Decimal, scale: int) -> int:
    return to_raw(f"{value:f}", scale)
