"""Rows on their way into the journal: all of a commit leave in one statement, in their order.

A thread lets go of the interpreter at every statement, and has to get it back from a loop that is busy: that, and not
the rows, is what an order would wait for. So there is a view of this connection alone, and what is inserted into it is
written where it belongs, as its first column says.
"""

from __future__ import annotations

import sqlite3
from functools import cache
from itertools import chain
from typing import Any

COLUMNS = 12
ROWS_MAX = 2048
"""Of one statement: SQLite takes 32,766 values in one."""
_NAMES = [f"v{place}" for place in range(COLUMNS)]
_VIEW = "journal_batch"
_MARKS = ", ".join("?" * (1 + COLUMNS))


def _values(count: int) -> str:
    return f"VALUES ({', '.join(f'NEW.{name}' for name in _NAMES[:count])})"


WRITES = {
    "intent": (
        "SELECT RAISE(ABORT, 'the id was used before') FROM intent WHERE consumer_id = NEW.v1 "
        f"AND client_order_id = NEW.v2 AND use_no >= NEW.v3; INSERT INTO intent {_values(9)}"
    ),
    "withdrawn": "DELETE FROM intent WHERE wire_id = NEW.v0",
    "sent": f"INSERT OR REPLACE INTO sent {_values(5)}",
    "report": f"INSERT INTO report {_values(10)}",
    "fill": f"INSERT OR IGNORE INTO fill {_values(12)}",
    "terminal": f"INSERT OR REPLACE INTO terminal {_values(4)}",
    "delivered": (
        "UPDATE report SET delivered = seal WHERE consumer_id = NEW.v0 AND report_no <= NEW.v1 AND delivered = 0"
    ),
    "position": f"INSERT OR REPLACE INTO position {_values(6)}",
    "risk_state": f"INSERT OR REPLACE INTO risk_state {_values(3)}",
}
"""What is done with a row, by its first column."""


_PADDING = [(None,) * (COLUMNS - count) for count in range(COLUMNS + 1)]
_NO_ROW = (None,) * (1 + COLUMNS)


class Batch:
    """What is to be written next.

    Args:
        connection: a writer's; it gets a view and triggers, which nobody else sees and which go with it.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._rows: list[tuple[Any, ...]] = []
        # Else each statement would begin and end a transaction in a file of its own, for the view's sake.
        connection.execute("PRAGMA temp_store = MEMORY")
        columns = ", ".join(f"NULL AS {name}" for name in ("what", *_NAMES))
        connection.execute(f"CREATE TEMP VIEW {_VIEW} AS SELECT {columns}")
        for what, statement in WRITES.items():
            connection.execute(
                f"CREATE TEMP TRIGGER write_{what} INSTEAD OF INSERT ON {_VIEW} WHEN NEW.what = '{what}' "
                f"BEGIN {statement}; END"
            )

    def add(self, what: str, *values: Any) -> None:
        """Have a row written after those before it; *what* is one of WRITES."""
        self._rows.append((what, *values, *_PADDING[len(values)]))

    def clear(self) -> None:
        """Forget what is not written."""
        self._rows.clear()

    def write(self) -> None:
        """Write all of it: as one transaction, or as a part of the one that is open.

        Raises:
            sqlite3.Error: it is not written; the caller rolls back.
        """
        rows, self._rows = self._rows, []
        if len(rows) > ROWS_MAX and not self._connection.in_transaction:
            self._connection.execute("BEGIN IMMEDIATE")
        for place in range(0, len(rows), ROWS_MAX):
            part = rows[place : place + ROWS_MAX]
            # Few sizes, so that each statement is compiled once.
            size = 1 << (len(part) - 1).bit_length()
            part += [_NO_ROW] * (size - len(part))
            self._connection.execute(_statement(size), tuple(chain.from_iterable(part)))


@cache
def _statement(rows: int) -> str:
    return f"INSERT INTO {_VIEW} VALUES {', '.join([f'({_MARKS})'] * rows)}"
