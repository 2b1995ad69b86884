"""An order's life a second time: slow, plain, of exact fractions, from the table as it is written (ORDM-20)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from fractions import Fraction

TABLE = """
from         | ack             | partial                          | filled                  | cancelled                      | rejected                   | expired
submitted    | acked           | partially_filled !fill_before_ack | filled !fill_before_ack | cancelled !terminal_before_ack | rejected                   | expired !terminal_before_ack
acked        | = duplicate     | partially_filled                 | filled                  | cancelled                      | rejected !reject_after_ack | expired
partially_filled | = !stale    | ?                                | filled                  | cancelled                      | rejected !reject_after_fill | expired
terminal     | = !after_terminal | ?                              | ?                       | = !after_terminal              | = !after_terminal          | = !after_terminal
"""
ENDS = ("filled", "cancelled", "rejected", "expired")


def rows() -> dict[str, dict[str, str]]:
    """The table, by row and column."""
    head, *body = ([cell.strip() for cell in line.split("|")] for line in TABLE.strip().splitlines())
    return {row[0]: dict(zip(head[1:], row[1:], strict=True)) for row in body}


_ROWS = rows()


@dataclass(frozen=True)
class Told:
    """A report as plainly as can be. *total*: filled in all; *fill*: (id, quantity) of one fill."""

    kind: str
    total: Fraction | None = None
    fill: tuple[str, Fraction] | None = None


@dataclass
class OrderTwin:
    """One order. *delivered*: kind, state, anomaly and growth of each report that is told to the owner."""

    qty: Fraction
    state: str = "submitted"
    totals: list[Fraction] = field(default_factory=lambda: [Fraction(0)])
    fills: dict[str, Fraction] = field(default_factory=dict)
    delivered: list[tuple[str, str, str, Fraction]] = field(default_factory=list)
    duplicates: int = 0

    @property
    def filled(self) -> Fraction:
        """The most that anything so far says."""
        return max(*self.totals, sum(self.fills.values(), Fraction(0)))

    def take_all(self, reports: Iterable[Told]) -> OrderTwin:
        """Take them one after the other."""
        for report in reports:
            self.take(report)
        return self

    def take(self, report: Told) -> None:
        """Take one report."""
        before, told_again = self.filled, False
        if report.fill is not None:
            told_again = report.fill[0] in self.fills
            self.fills.setdefault(*report.fill)
        if report.total is not None:
            self.totals.append(report.total)
        if report.kind == "filled" and report.total is None and report.fill is None:
            self.totals.append(self.qty)
        grew, less = self.filled > before, report.total is not None and report.total < before
        is_whole = self.filled == self.qty
        if told_again and not grew and report.kind in ("partial", "filled"):
            self.duplicates += 1
            return
        kind, anomaly = report.kind, ""
        if grew and kind == "ack":
            kind = "partial"
        if grew and is_whole and kind != "filled":
            anomaly = "" if kind == "partial" else "inconsistent"
            kind = "filled"
        elif kind == "filled" and not is_whole and (grew or self.state not in ENDS):
            kind, anomaly = ("partial" if grew else "ack"), "inconsistent"
        state, told = self._cell(kind, grew, less)
        if told == "duplicate" and not anomaly:
            self.duplicates += 1
            return
        if grew and self.state in ENDS:
            anomaly = "late_fill"
            state = "filled" if is_whole else self.state
        self.state = state
        self.delivered.append((kind, state, anomaly or told.lstrip("!") or "none", self.filled - before))

    def _cell(self, kind: str, grew: bool, less: bool) -> tuple[str, str]:
        row = "terminal" if self.state in ENDS else "submitted" if self.state == "unknown" else self.state
        cell = _ROWS[row][kind]
        if cell == "?":
            if row == "partially_filled":
                cell = "partially_filled" if grew else "= !stale" if less else "= duplicate"
            elif kind == "partial":
                cell = "= !late_fill" if grew else "= !after_terminal"
            else:
                cell = "filled !late_fill" if grew else "= duplicate"
        elif cell.startswith("partially_filled") and not grew:
            cell = "= !inconsistent"                       # a part that is nothing
        state, _, told = cell.partition(" ")
        return self.state if state == "=" else state, told
