"""CFG-07: `journal.commit_linger_us` keeps commits apart, so that what comes meanwhile is one."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

from tests.unit.orders.kit import intended, opened, request, wire

ORDERS = 12
LINGER_US = 10_000


def took_ns(folder: Path, linger_us: int) -> int:
    """Of twelve orders, each asked for once the one before is committed."""
    folder.mkdir()

    async def story() -> int:
        async with opened(folder, commit_linger_us=linger_us) as (journal, _):
            await journal.settled()
            began_ns = time.monotonic_ns()
            for number in range(ORDERS):
                await intended(journal, request(f"o{number}"), wire(request(f"o{number}")))
            return time.monotonic_ns() - began_ns

    return asyncio.run(story())


def test_commits_are_as_far_apart_as_is_set(tmp_path: Path) -> None:
    pauses_ns = (ORDERS - 1) * LINGER_US * 1000
    assert took_ns(tmp_path / "apart", LINGER_US) >= pauses_ns
    # A busy machine may be slow by itself, not each time.
    assert min(took_ns(tmp_path / str(number), 0) for number in range(5)) < pauses_ns
