"""JRN-12, JRN-03: a report is told once the journal has it, in order, and whatever the disk does it is told before long."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from engine.orders.journal import Journal
from engine.orders.outbox import KEPT_WITHIN_NS, Outbox
from engine.schema.order import OrderState
from tests.unit.orders.kit import intended, opened, report, request, wire


class Line:
    """An outbox over a journal and a clock in the test's hands."""

    def __init__(self) -> None:
        self.works, self.now_ns = True, 0
        self.gone: list[str] = []
        self.outbox = Outbox(lambda: self.works, lambda: self.now_ns)

    def put(self, number: int, name: str = "") -> None:
        self.outbox.put(number, lambda: self.gone.append(name or str(number)))


def test_jrn_12_reports_go_when_they_are_kept_and_in_their_order() -> None:
    line = Line()
    for number in (1, 2, 3):
        line.put(number)
    assert (line.gone, len(line.outbox)) == ([], 3)
    line.outbox.kept(2)
    assert line.gone == ["1", "2"]
    line.put(0, "again")                                              # told before: it goes behind those that wait
    line.put(4)
    line.outbox.kept(3)
    assert line.gone == ["1", "2", "3", "again"]
    line.outbox.kept(4)
    line.put(0, "and again")
    assert line.gone[4:] == ["4", "and again"]


def test_jrn_03_without_a_journal_that_works_nothing_waits() -> None:
    line = Line()
    line.put(1)
    line.put(2)
    line.works = False
    line.outbox.flush()
    line.put(3)
    assert (line.gone, len(line.outbox)) == (["1", "2", "3"], 0)


def test_jrn_03_a_disk_that_takes_too_long_holds_nothing_back_any_more() -> None:
    line = Line()
    line.put(1)
    line.now_ns = KEPT_WITHIN_NS - 1
    line.put(2)
    assert line.outbox.let_overdue_go() == 0
    line.now_ns += 1
    assert line.outbox.let_overdue_go() == 1
    assert line.gone == ["1"]
    line.outbox.kept(2)                                               # the disk is back
    assert line.gone == ["1", "2"]


def test_jrn_12_the_journal_says_which_reports_are_committed(tmp_path: Path) -> None:
    """Told by number, after their commit and never before it: the file has them by then."""
    kept: list[tuple[int, int]] = []

    def looked(journal: Journal) -> int:
        with closing(sqlite3.connect(journal.path)) as reader:
            return int(reader.execute("SELECT coalesce(max(report_no), 0) FROM report").fetchone()[0])

    async def story() -> None:
        async with opened(tmp_path, on_kept=lambda number: kept.append((number, looked(journal)))) as (journal, _):
            asked = request("a")
            await intended(journal, asked, wire(asked))
            for number, state in enumerate((OrderState.ACKED, OrderState.FILLED), 1):
                assert journal.report(report(asked, number, state)) == number
            await journal.settled()

    asyncio.run(story())
    assert [number for number, _ in kept] == sorted(number for number, _ in kept)
    assert kept[-1][0] == 2
    assert all(in_file >= number for number, in_file in kept)


@pytest.mark.parametrize("report_no", [1, 7])
def test_what_goes_at_once_is_not_held_twice(report_no: int) -> None:
    line = Line()
    line.works = False
    line.put(report_no)
    line.works = True
    line.outbox.kept(report_no)
    line.outbox.flush()
    assert line.gone == [str(report_no)]
