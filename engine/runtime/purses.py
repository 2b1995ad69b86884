"""What accounts hold, as last told: made into events, and given to whoever begins to take them (EVT-21)."""

from __future__ import annotations

from collections.abc import Callable

from msgspec.structs import replace

from engine.base.ids import instrument_id
from engine.consumers.runner import Runner
from engine.pools.lease import Lease
from engine.pools.recycler import Recycler
from engine.providers.balances import Balance
from engine.runtime.reporting import Reporting
from engine.schema.account import BalanceUpdate
from engine.schema.enums import BalanceCause, EventType

_COPIED = (
    "account", "asset", "total_raw", "available_raw", "held_raw", "delta_raw", "cause", "epoch", "ts_venue_ns",
    "ts_recv_ns",
)  # fmt: skip


class Purses:
    """The newest balance of each asset of each account. Owned by the engine, used on its loop.

    Args:
        recycler: the pools.
        offer: lets an event go to everybody.
        deliver: hands on what is queued.
        reporting: told where there is no slot.
        version: the routing version in force.
        now_ns: the engine's clock.
    """

    def __init__(
        self,
        recycler: Recycler,
        offer: Callable[[Lease], None],
        deliver: Callable[[], object],
        reporting: Reporting,
        version: Callable[[], int],
        now_ns: Callable[[], int],
    ) -> None:
        self._recycler = recycler
        self._offer = offer
        self._deliver = deliver
        self._reporting = reporting
        self._version = version
        self._now_ns = now_ns
        self._told: dict[int, dict[str, Balance]] = {}

    def tell(self, balance: Balance) -> None:
        """A balance is new: everybody who takes the account's gets it."""
        self._told.setdefault(instrument_id(balance.account, None), {})[balance.asset] = balance
        lease = self._lease(balance)
        if lease is not None:
            lease.publish()
            self._offer(lease)

    def of(self, account: str) -> list[BalanceUpdate]:
        """What an account holds, as events to keep."""
        found = self._told.get(instrument_id(account, None), {}).values()
        return [_event(replace(balance, cause=BalanceCause.SNAPSHOT, delta_raw=None)) for balance in found]

    def offer_to(self, runner: Runner, instrument: int) -> bool:
        """Hand all that is known of an account to one consumer that begins to take it; whether there is anything."""
        told = self._told.get(instrument, {})
        for balance in told.values():
            lease = self._lease(replace(balance, cause=BalanceCause.SNAPSHOT, delta_raw=None))
            if lease is not None:
                lease.fill("routing_version", self._version())
                lease.publish()
                if lease.offer_to(runner) == "full":
                    lease.release()
        return bool(told)

    def _lease(self, balance: Balance) -> Lease | None:
        """A slot with the balance in it, not published; one that finds none is told again with its next change."""
        lease = self._recycler.acquire_lease(EventType.BALANCE_UPDATE)
        if lease is None:
            self._deliver()
            lease = self._recycler.acquire_lease(EventType.BALANCE_UPDATE)
        if lease is None:
            self._reporting.tell("pool.exhausted", pool="BalanceUpdate", in_use=0, capacity=0, waited_ms=0)
            return None
        fields = {name: getattr(balance, name) for name in _COPIED}
        fields["instrument_id"] = instrument_id(balance.account, None)
        fields["asset_scale"] = balance.scale
        fields["seq_provider"] = fields["seq_first"] = balance.number
        fields["folded_count"] = 1
        fields["ts_emit_ns"] = self._now_ns()
        lease.fill_all(fields)
        return lease


def _event(balance: Balance) -> BalanceUpdate:
    copied = {name: getattr(balance, name) for name in _COPIED}
    return BalanceUpdate.from_dict({
        **copied, "provider": balance.account, "asset_scale": balance.scale, "seq_provider": balance.number,
        "seq_first": balance.number, "folded_count": 1, "ts_emit_ns": balance.ts_recv_ns,
    })  # fmt: skip
