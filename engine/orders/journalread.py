"""What a journal tells an engine that starts, and of one order by its wire id (JRN-06, JRN-12)."""

from __future__ import annotations

import sqlite3
from typing import Any

import msgspec

from engine.orders.journalschema import damaged, unsealed
from engine.orders.journalstore import KILL_SWITCH, Totals, decoded_request, fill_of
from engine.orders.records import KillState, Position, Recovered, RecoveredOrder, Undelivered
from engine.schema.order import OrderRequest, OrderState, Sent


def read_back(connection: sqlite3.Connection, ids_ended_after_ns: int) -> Recovered:
    """Everything an engine has to know: orders without an end or ended after that instant, and what goes with them.

    Raises:
        JournalError: a row is not what was written.
    """
    found = connection.execute(
        "SELECT i.* FROM intent i LEFT JOIN terminal t ON t.order_no = i.order_no "
        "WHERE t.order_no IS NULL OR t.ended_ns > ? ORDER BY i.order_no",
        (ids_ended_after_ns,),
    ).fetchall()
    orders = tuple(_order(connection, unsealed("intent", row)) for row in found)
    since_ns = min((order.request.created_ns for order in orders), default=ids_ended_after_ns)
    totals = Totals()
    for row in connection.execute("SELECT * FROM position"):
        totals.add_position(unsealed("position", row))
    exec_ids, last_ns = set(), dict[tuple[str, str], int]()
    for row in connection.execute("SELECT * FROM fill"):
        fill = unsealed("fill", row)
        totals.add_fill(fill)
        where = fill[0], fill[1]
        last_ns[where] = max(last_ns.get(where, 0), fill[10])
        if fill[10] >= since_ns:
            exec_ids.add((fill[0], fill[1], fill[2]))
    return Recovered(
        orders=orders,
        undelivered=_undelivered(connection),
        exec_ids=frozenset(exec_ids),
        last_fill_ns=last_ns,
        positions=tuple(_position(totals, holder) for holder in sorted(totals.holders())),
        kill=_kill(connection),
        next_report_no=_next_report_no(connection),
    )


def find(connection: sqlite3.Connection, wire_id: str) -> RecoveredOrder | None:
    """The order of a wire id; None = the journal does not know it, or no longer.

    Raises:
        JournalError: a row is not what was written.
    """
    row = connection.execute("SELECT * FROM intent WHERE wire_id = ?", (wire_id,)).fetchone()
    return None if row is None else _order(connection, unsealed("intent", row))


def _order(connection: sqlite3.Connection, intent: tuple[Any, ...]) -> RecoveredOrder:
    order_no = intent[0]
    request = _whole(intent)
    sent = _row(connection, "sent", order_no)
    terminal = _row(connection, "terminal", order_no)
    report = connection.execute(
        "SELECT * FROM report WHERE order_no = ? ORDER BY report_seq DESC LIMIT 1", (order_no,)
    ).fetchone()
    last = None if report is None else _report(report)
    fills = connection.execute("SELECT * FROM fill WHERE order_no = ? ORDER BY ts_ns, exec_id", (order_no,))
    outcome = None if sent is None else Sent(sent[1])
    if terminal is not None:
        state = OrderState(terminal[1])
    elif last is not None:
        state = OrderState(last[4])
    else:
        state = OrderState.SUBMITTED if outcome == Sent.TAKEN else OrderState.UNKNOWN
    venue_ids = [row for row in (last and last[5], sent and sent[2]) if row]
    return RecoveredOrder(
        request=request,
        wire_order_id=intent[4],
        use_no=intent[3],
        state=state,
        report_seq=0 if last is None else last[3],
        sent=outcome,
        venue_order_id=venue_ids[0] if venue_ids else None,
        updated_ns=max(request.created_ns, sent[3] if sent else 0, last[6] if last else 0),
        ended_ns=None if terminal is None else terminal[2],
        fills=tuple(fill_of(unsealed("fill", row)) for row in fills.fetchall()),
        last_report=None if last is None else last[7],
    )


def _whole(intent: tuple[Any, ...]) -> OrderRequest:
    request = decoded_request(intent[7])
    if (request.consumer_id, request.client_order_id) != (intent[1], intent[2]):
        raise damaged("an intent holds another order's request")
    return request


def _row(connection: sqlite3.Connection, table: str, order_no: int) -> tuple[Any, ...] | None:
    row = connection.execute(f"SELECT * FROM {table} WHERE order_no = ?", (order_no,)).fetchone()
    return None if row is None else unsealed(table, row)


def _report(row: tuple[Any, ...]) -> tuple[Any, ...]:
    """The columns of a report; *delivered* is 0 or the row's seal, and nothing else."""
    values = unsealed("report", row[:-1])
    if row[-1] not in (0, row[-2]):
        raise damaged("a row of report is not what was written")
    return values


def _undelivered(connection: sqlite3.Connection) -> dict[str, tuple[Undelivered, ...]]:
    found: dict[str, list[Undelivered]] = {}
    rows = connection.execute(
        "SELECT i.wire_id, r.* FROM report r JOIN intent i ON i.order_no = r.order_no "
        "WHERE r.delivered = 0 ORDER BY r.report_no"
    )
    for wire_id, *row in rows:
        values = _report(tuple(row))
        found.setdefault(values[2], []).append(
            Undelivered(report_no=values[0], wire_order_id=wire_id, order_report_seq=values[3], body=values[7])
        )
    return {consumer_id: tuple(reports) for consumer_id, reports in found.items()}


def _position(totals: Totals, holder: tuple[str, str, str]) -> Position:
    net, fees = totals.of(holder)
    return Position(consumer_id=holder[0], provider=holder[1], symbol=holder[2], net_qty=net, fees=fees)


def _kill(connection: sqlite3.Connection) -> KillState:
    row = connection.execute("SELECT * FROM risk_state WHERE control = ?", (KILL_SWITCH,)).fetchone()
    return KillState() if row is None else msgspec.json.decode(unsealed("risk_state", row)[1], type=KillState)


def _next_report_no(connection: sqlite3.Connection) -> int:
    found = connection.execute("SELECT seq + 1 FROM sqlite_sequence WHERE name = 'report'").fetchone()
    return 1 if found is None else int(found[0])
