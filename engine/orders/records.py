"""What the journal takes and what it tells after a start. Cold values; the journal keeps nothing else."""

from __future__ import annotations

from decimal import Decimal

import msgspec

from engine.schema.order import Breach, Fee, OrderKey, OrderRequest, OrderState, Sent


class FillRecord(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One fill, as the difference it makes.

    Attributes:
        exec_id: the venue's; unique per provider and symbol. Empty: the venue gave none, and the report's number
            within its order stands for it.
        qty_raw: at the order's qty_scale, > 0.
        price: in quote units a base unit.
        ts_ns: when it came here, ns since 1970 UTC.
    """

    exec_id: str
    qty_raw: int
    price: Decimal
    ts_ns: int
    fees: tuple[Fee, ...] = ()


class ReportRecord(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What a report made of an order, to be kept until its order's rows go.

    Attributes:
        wire_order_id: whose.
        order_report_seq: its number within the order, from 1.
        state: of the order after it; an end makes the order's *terminal* row.
        ts_ns: when it came here, ns since 1970 UTC.
        body: the report as the consumer gets it, encoded; opaque here.
        fill: what it filled, if it did.
    """

    wire_order_id: str
    order_report_seq: int
    state: OrderState
    ts_ns: int
    body: bytes
    venue_order_id: str | None = None
    fill: FillRecord | None = None


class Intended(msgspec.Struct, frozen=True, gc=False):
    """An intent that is committed. *use_no*: which use of its id this is, counting those the journal still knows."""

    wire_order_id: str
    use_no: int


class KillState(msgspec.Struct, frozen=True, kw_only=True):
    """The kill switch, as it stands and as it stood before a restart."""

    is_on: bool = False
    since_ns: int = 0
    breach: Breach = Breach.NONE
    breaker_opens: int = 0
    operator: str = ""
    text: str = ""


class Undelivered(msgspec.Struct, frozen=True, kw_only=True):
    """A report its consumer did not confirm; *report_no* lets it tell repeats."""

    report_no: int
    wire_order_id: str
    order_report_seq: int
    body: bytes


class Position(msgspec.Struct, frozen=True, kw_only=True):
    """What a consumer's fills of one symbol at one provider come to (ORDM-33), in base units, less what is sold."""

    consumer_id: str
    provider: str
    symbol: str
    net_qty: Decimal
    fees: tuple[Fee, ...] = ()


class RecoveredOrder(msgspec.Struct, frozen=True, kw_only=True):
    """An order as the journal knows it.

    Attributes:
        sent: what is known of its sending; None: nothing was written, it may be at the venue or not.
        state: after its last report; without one SUBMITTED, and UNKNOWN where nothing tells how it stands.
        report_seq: number of its last report, 0 = none yet.
        ended_ns: when it ended; None = it has not.
    """

    request: OrderRequest
    wire_order_id: str
    use_no: int
    state: OrderState
    report_seq: int
    sent: Sent | None = None
    venue_order_id: str | None = None
    updated_ns: int = 0
    ended_ns: int | None = None
    fills: tuple[FillRecord, ...] = ()
    last_report: bytes | None = None

    @property
    def key(self) -> OrderKey:
        """What makes it one order."""
        return self.request.key

    @property
    def filled_qty_raw(self) -> int:
        """Sum of its fills, at the order's qty_scale (JRN-11)."""
        return sum(fill.qty_raw for fill in self.fills)


class Recovered(msgspec.Struct, frozen=True, kw_only=True):
    """All that an engine has to know at its start.

    Attributes:
        orders: those without an end, and those whose id is still taken; oldest first.
        undelivered: by consumer, in order.
        exec_ids: (provider, symbol, exec_id) of every fill no older than the oldest order above.
        last_fill_ns: by (provider, symbol): when its last known fill came here.
    """

    orders: tuple[RecoveredOrder, ...] = ()
    undelivered: dict[str, tuple[Undelivered, ...]] = {}
    exec_ids: frozenset[tuple[str, str, str]] = frozenset()
    last_fill_ns: dict[tuple[str, str], int] = {}
    positions: tuple[Position, ...] = ()
    kill: KillState = KillState()
    next_report_no: int = 1


class JournalStatistics(msgspec.Struct, frozen=True, kw_only=True):
    """Counts since the start.

    Attributes:
        queued: what waits for its commit now.
        refused: intents refused because the queue was full or the disk failed.
        unwritten: sent, reports and the like that found no room either while the disk failed.
        group_max: most writes in one commit.
        purged: orders whose rows went.
    """

    queued: int = 0
    commits: int = 0
    writes: int = 0
    failures: int = 0
    refused: int = 0
    unwritten: int = 0
    group_max: int = 0
    purged: int = 0
