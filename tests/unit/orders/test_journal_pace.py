"""CFG-07: `journal.commit_linger_us` keeps commits of rows apart; an order that waits for its intent does not linger."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

from engine.orders.journal import Journal
from engine.schema.order import OrderState
from tests.unit.orders.kit import intended, journal_in, report, request, taken, wire

ROWS = 12
LINGER_US = 10_000


def reports_ns(folder: Path, linger_us: int) -> int:
    """Of twelve reports, each told once the one before is committed."""
    folder.mkdir()

    async def story() -> int:
        kept = asyncio.Event()
        journal = journal_in(folder, commit_linger_us=linger_us, on_kept=lambda number: kept.set())
        await journal.open()
        asked = request()
        await intended(journal, asked, wire(asked))
        began_ns = time.monotonic_ns()
        for number in range(ROWS):
            kept.clear()
            journal.report(report(asked, number + 1, OrderState.ACKED))
            await kept.wait()
        took_ns = time.monotonic_ns() - began_ns
        await journal.close()
        return took_ns

    return asyncio.run(story())


def orders_ns(folder: Path) -> tuple[int, int]:
    """Of twelve orders, each asked for once the one before is committed and a row lingers; and how many commits."""
    folder.mkdir()

    async def one(journal: Journal, number: int) -> None:
        asked = request(f"o{number}")
        await intended(journal, asked, wire(asked))
        journal.report(report(asked, 1, OrderState.ACKED))

    async def story() -> tuple[int, int]:
        journal = journal_in(folder, commit_linger_us=LINGER_US)
        await journal.open()
        began_ns = time.monotonic_ns()
        for number in range(ROWS):
            await one(journal, number)
        took_ns = time.monotonic_ns() - began_ns
        commits = journal.statistics().commits
        await taken(journal)
        await journal.close()
        return took_ns, commits

    return asyncio.run(story())


def test_commits_are_as_far_apart_as_is_set(tmp_path: Path) -> None:
    pauses_ns = (ROWS - 1) * LINGER_US * 1000
    assert reports_ns(tmp_path / "apart", LINGER_US) >= pauses_ns
    # A busy machine may be slow by itself, not each time.
    assert min(reports_ns(tmp_path / str(number), 0) for number in range(5)) < pauses_ns


def test_what_follows_an_order_waits_all_the_same(tmp_path: Path) -> None:
    async def story() -> int:
        kept = asyncio.Event()
        journal = journal_in(tmp_path, commit_linger_us=LINGER_US, on_kept=lambda number: kept.set())
        await journal.open()
        waited_ns = 0
        for number in range(ROWS):
            asked = request(f"o{number}")
            await intended(journal, asked, wire(asked))
            kept.clear()
            told_ns = time.monotonic_ns()
            journal.report(report(asked, 1, OrderState.ACKED))
            await kept.wait()
            waited_ns += time.monotonic_ns() - told_ns
        await journal.close()
        return waited_ns

    # From the commit before on, which is told a little later.
    assert asyncio.run(story()) >= ROWS * LINGER_US * 1000 // 2


def test_an_order_does_not_wait_for_company(tmp_path: Path) -> None:
    found = [orders_ns(tmp_path / str(number)) for number in range(5)]
    assert min(took_ns for took_ns, _ in found) < (ROWS - 1) * LINGER_US * 1000
    # What lingered before it goes with it: a commit an order, and one of the rows that begin.
    assert min(commits for _, commits in found) <= ROWS + 1
