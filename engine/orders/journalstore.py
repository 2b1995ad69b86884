"""The journal's rows: made, written, folded away. Plain SQLite, on the journal's thread only."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable
from decimal import Context, Decimal, localcontext
from pathlib import Path
from typing import Any, Literal, TypeAlias

import msgspec

from engine.base.errors import ConflictError
from engine.orders.journalbatch import Batch
from engine.orders.journalschema import PAGE_BYTES, seal_of, unsealed
from engine.orders.records import FillRecord, Intended, KillState, ReportRecord
from engine.schema.enums import Side
from engine.schema.order import Fee, OrderKey, OrderRequest, Sent

WireIdOf: TypeAlias = Callable[[int], str]
"""The wire id of an order at the n-th use of its id, n from 1; pure, called on the journal's thread."""

BUSY_TIMEOUT_S = 2.0
"""For whoever else has the file open (an operator's reader); then the write has failed and is tried again."""
WAL_LIMIT_BYTES = 16 * 1024 * 1024
WAL_PAGES = WAL_LIMIT_BYTES // PAGE_BYTES
"""Moved into the file itself at once; the commit that comes to it takes some 15 ms. The newest pages are written again
and again, and move once: with SQLite's 1000 pages it is 5 ms eleven times as often."""
FREE_PAGES_A_TURN = 512
"""More than the rows of one purge fill; moving them takes some 3 ms, for which a submit may have to wait."""
ORDERS_KEPT = 16384
"""Whose numbers need not be looked up; more than there are writes in one commit."""
EXACT = Context(prec=200)
Holder: TypeAlias = tuple[str, str, str]
"""(consumer_id, provider, symbol): whose position."""

KILL_SWITCH = "kill_switch"
_FEES: msgspec.json.Decoder[tuple[Fee, ...]] = msgspec.json.Decoder(tuple[Fee, ...])
_REQUEST: msgspec.json.Decoder[OrderRequest] = msgspec.json.Decoder(OrderRequest)
encode = msgspec.json.encode


def connect(path: Path, durability: Literal["process", "power"]) -> sqlite3.Connection:
    """A writer's connection. *process*: a commit is in the kernel; *power*: it is on the disk (JRN-04)."""
    connection = sqlite3.connect(path, timeout=BUSY_TIMEOUT_S, isolation_level=None, cached_statements=64)
    for pragma in (
        "journal_mode = WAL",
        f"synchronous = {'FULL' if durability == 'power' else 'NORMAL'}",
        f"journal_size_limit = {WAL_LIMIT_BYTES}",
        f"wal_autocheckpoint = {WAL_PAGES}",
        "cache_size = -8192",
    ):
        connection.execute(f"PRAGMA {pragma}").fetchall()
    return connection


def decoded_request(text: bytes) -> OrderRequest:
    """The request of a row."""
    return _REQUEST.decode(text)


class _Order(msgspec.Struct, frozen=True, gc=False):
    """What an order's rows need of its intent and of its end.

    Nothing of it can be part of a cycle: the collector, which would hold up the loop, need not walk thousands of them.
    """

    order_no: int
    consumer_id: str
    provider: str
    symbol: str
    side: int
    qty_scale: int
    ended_ns: int | None


class JournalStore:
    """Makes rows, writes them at commit(), and folds old ones away.

    Args:
        connection: as :func:`connect` made it, of this thread.

    Attributes:
        looks_up: see what is there already before an intent's row is made. Else its ids are taken for new ones, as
            nearly all are, and where they are not, commit() fails with an IntegrityError.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.connection = connection
        self.looks_up = False
        self._execute = connection.execute
        self._script = connection.executescript
        self._batch = Batch(connection)
        self._orders: dict[str, _Order] = {}
        """By wire id: those that were asked for last, as they are with what is not written yet."""
        found = self._execute("SELECT seq FROM sqlite_sequence WHERE name = 'intent'").fetchone()
        self._last_order_no = 0 if found is None else int(found[0])

    # --- all or nothing -------------------------------------------------------------------------------------

    def commit(self) -> None:
        """Write what was made, and end the transaction.

        Raises:
            sqlite3.Error: it did not work; roll back.
        """
        self._batch.write()
        if self.connection.in_transaction:
            self._execute("COMMIT")
        while len(self._orders) > ORDERS_KEPT:
            del self._orders[next(iter(self._orders))]

    def roll_back(self) -> None:
        """Forget what is not committed.

        Raises:
            sqlite3.Error: the transaction that was begun could not be ended.
        """
        self._batch.clear()
        self._orders.clear()
        if self.connection.in_transaction:
            self._execute("ROLLBACK")

    def readable(self) -> sqlite3.Connection:
        """For reading what was made too, though it is not committed."""
        if not self.connection.in_transaction:
            self._execute("BEGIN IMMEDIATE")
        self._batch.write()
        return self.connection

    # --- writing --------------------------------------------------------------------------------------------

    def intent(self, request: OrderRequest, wire_id_of: WireIdOf) -> Intended:
        """An order that is about to be sent.

        Raises:
            ConflictError: its wire id is another order's; where this is looked up.
        """
        use_no = 1 + (self._last_use(request.key) if self.looks_up else 0)
        wire_id = wire_id_of(use_no)
        if self.looks_up and self._order(wire_id) is not None:
            raise ConflictError(
                f"wire id {wire_id} is another order's",
                op="journal.intent",
                provider=request.provider,
                symbol=request.symbol,
                hint="choose another client_order_id",
            )
        self._last_order_no += 1
        self._orders[wire_id] = _order_of(self._last_order_no, request, None)
        self._add(
            "intent", self._last_order_no, request.consumer_id, request.client_order_id, use_no, wire_id,
            request.provider, request.symbol, encode(request),
        )  # fmt: skip
        return Intended(wire_id, use_no)

    def withdraw(self, wire_id: str) -> None:
        """Forget an intent of which no byte left: its id is not used up."""
        self._orders.pop(wire_id, None)
        self._batch.add("withdrawn", wire_id)

    def sent(self, wire_id: str, outcome: Sent, venue_order_id: str | None, ts_ns: int) -> None:
        """What came of handing an order to its venue."""
        order = self._order(wire_id)
        if order is not None:
            self._add("sent", order.order_no, int(outcome), venue_order_id, ts_ns)

    def report(self, report_no: int, record: ReportRecord) -> None:
        """A report, the fill it brought (once, JRN-11), and the end it made."""
        wire_id = record.wire_order_id
        order = self._order(wire_id)
        if order is None:
            return
        values = (
            report_no, order.order_no, order.consumer_id, record.order_report_seq, int(record.state),
            record.venue_order_id, record.ts_ns, record.body,
        )  # fmt: skip
        self._batch.add("report", *values, seal_of("report", values), 0)
        fill = record.fill
        if fill is not None:
            exec_id = fill.exec_id or f"{wire_id}#{record.order_report_seq}"
            self._add(
                "fill", order.provider, order.symbol, exec_id, order.order_no, order.consumer_id, order.side,
                fill.qty_raw, order.qty_scale, str(fill.price), encode(fill.fees), fill.ts_ns,
            )  # fmt: skip
        if record.state.is_terminal:
            # A late fill may make FILLED of CANCELLED; the order has not ended anew for it.
            ended_ns = record.ts_ns if order.ended_ns is None else order.ended_ns
            self._orders[wire_id] = msgspec.structs.replace(order, ended_ns=ended_ns)
            self._add("terminal", order.order_no, int(record.state), ended_ns)

    def delivered(self, consumer_id: str, report_no: int) -> None:
        """A consumer has had every report up to this one."""
        self._batch.add("delivered", consumer_id, report_no)

    def risk_state(self, state: KillState) -> None:
        """The kill switch as it stands from now on."""
        self._add("risk_state", KILL_SWITCH, encode(state))

    def probe(self) -> None:
        """Write something that changes nothing: whether the disk takes it."""
        (version,) = self._execute("PRAGMA user_version").fetchone()
        self._execute(f"PRAGMA user_version = {version}")

    def _add(self, table: str, *values: Any) -> None:
        self._batch.add(table, *values, seal_of(table, values))

    # --- looking up -----------------------------------------------------------------------------------------

    def _order(self, wire_id: str) -> _Order | None:
        """As it is with what is not written yet."""
        order = self._orders.get(wire_id)
        if order is None:
            found = self._execute(
                "SELECT i.order_no, i.request, t.ended_ns FROM intent i LEFT JOIN terminal t "
                "ON t.order_no = i.order_no WHERE i.wire_id = ?",
                (wire_id,),
            ).fetchone()
            if found is not None:
                order = self._orders[wire_id] = _order_of(found[0], decoded_request(found[1]), found[2])
        return order

    def _last_use(self, key: OrderKey) -> int:
        found = self._execute(
            "SELECT max(use_no) FROM intent WHERE consumer_id = ? AND client_order_id = ?", key
        ).fetchone()
        return found[0] or 0

    # --- folding away ---------------------------------------------------------------------------------------

    def purge(self, ended_before_ns: int, orders_max: int) -> int:
        """Fold the fills of orders that ended so long ago into their positions, and drop their rows (JRN-13).

        Returns:
            How many orders went; fewer than *orders_max* when none is left.
        """
        found = self._execute(
            "SELECT order_no FROM terminal WHERE ended_ns < ? ORDER BY ended_ns LIMIT ?", (ended_before_ns, orders_max)
        )
        gone = [row[0] for row in found.fetchall()]
        if gone:
            self._orders.clear()
            self._fold(gone)
            marks = ", ".join("?" * len(gone))
            for table in ("fill", "report", "sent", "terminal", "intent"):
                self._execute(f"DELETE FROM {table} WHERE order_no IN ({marks})", gone)
        return len(gone)

    def free(self) -> None:
        """Give the file's unused pages back, a bounded number of them."""
        # As a script: each step frees one page and yields a row without columns, at which a cursor stops.
        self._script(f"PRAGMA incremental_vacuum({FREE_PAGES_A_TURN})")

    def _fold(self, order_nos: list[int]) -> None:
        marks = ", ".join("?" * len(order_nos))
        totals = Totals()
        for row in self._execute(f"SELECT * FROM fill WHERE order_no IN ({marks})", order_nos):
            totals.add_fill(unsealed("fill", row))
        for holder in list(totals.holders()):
            row = self._execute(
                "SELECT * FROM position WHERE consumer_id = ? AND provider = ? AND symbol = ?", holder
            ).fetchone()
            if row is not None:
                totals.add_position(unsealed("position", row))
            net, fees = totals.of(holder)
            self._add("position", *holder, str(net), encode(fees))
        self._batch.write()


def _order_of(order_no: int, request: OrderRequest, ended_ns: int | None) -> _Order:
    return _Order(
        order_no, request.consumer_id, request.provider, request.symbol, int(request.side), request.qty_scale, ended_ns
    )


class Totals:
    """Positions, summed exactly from position rows and the fills after them."""

    def __init__(self) -> None:
        self._raws: dict[Holder, dict[int, int]] = {}
        self._rows: dict[Holder, Decimal] = {}
        self._fees: dict[Holder, dict[str, Decimal]] = {}

    def holders(self) -> Iterable[Holder]:
        """Everyone with a position or fills."""
        return self._fees

    def add_fill(self, row: tuple[Any, ...]) -> None:
        """A row of *fill*."""
        holder = (row[4], row[0], row[1])
        by_scale = self._raws.setdefault(holder, {})
        by_scale[row[7]] = by_scale.get(row[7], 0) + (row[6] if row[5] == Side.BUY else -row[6])
        self._add_fees(holder, row[9])

    def add_position(self, row: tuple[Any, ...]) -> None:
        """A row of *position*."""
        self._rows[row[:3]] = Decimal(row[3])
        self._add_fees(row[:3], row[4])

    def _add_fees(self, holder: Holder, text: bytes) -> None:
        paid = self._fees.setdefault(holder, {})
        if text == b"[]":
            return
        with localcontext(EXACT):
            for fee in _FEES.decode(text):
                paid[fee.asset] = paid.get(fee.asset, Decimal(0)) + fee.amount

    def of(self, holder: Holder) -> tuple[Decimal, tuple[Fee, ...]]:
        """(net quantity in base units, fees) of one."""
        with localcontext(EXACT):
            net = self._rows.get(holder, Decimal(0))
            for scale, raw in self._raws.get(holder, {}).items():
                net += Decimal(raw).scaleb(-scale)
            return net, tuple(Fee(asset, amount) for asset, amount in sorted(self._fees[holder].items()))


def fill_of(row: tuple[Any, ...]) -> FillRecord:
    """The fill of a row."""
    return FillRecord(
        exec_id=row[2], qty_raw=row[6], price=Decimal(row[8]), fees=_FEES.decode(row[9]), ts_ns=row[10]
    )
