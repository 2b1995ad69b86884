"""Work in shares: what of it is done at once, what the loop does in between, in which order, and what nothing keeps away."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from engine.base import shares
from engine.base.shares import Shares

SHARE_NS = 1000


class Desk:
    """Work that takes as long as the item says, by a clock of its own; what was done when, turn by turn."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now_ns = 10_000
        self.done: list[Any] = []
        self.then: dict[int, Callable[[], None]] = {}
        monkeypatch.setattr(shares, "monotonic_now", lambda: self.now_ns)
        self.shares = Shares(self.work, SHARE_NS)

    def work(self, took_ns: int) -> None:
        self.now_ns += took_ns
        self.done.append(took_ns)
        self.then.pop(took_ns, lambda: None)()


@pytest.fixture
def desk(monkeypatch: pytest.MonkeyPatch) -> Desk:
    return Desk(monkeypatch)


async def turns(desk: Desk, count: int) -> list[int]:
    """How much was done after each."""
    told = []
    for _ in range(count):
        await asyncio.sleep(0)
        told.append(len(desk.done))
    return told


def test_what_fits_into_the_share_is_done_at_once_and_the_rest_a_share_a_turn(desk: Desk) -> None:
    async def main() -> None:
        for took_ns in (400, 401, 402, 403, 404, 405, 406):
            desk.shares.put(took_ns)
        assert desk.done == [400, 401, 402]
        assert await turns(desk, 3) == [6, 7, 7]
        assert desk.done == [400, 401, 402, 403, 404, 405, 406]

    asyncio.run(main())


def test_nothing_overtakes_what_waits(desk: Desk) -> None:
    async def main() -> None:
        desk.shares.put(1001)
        desk.shares.put(1)
        await asyncio.sleep(0)
        desk.shares.put(2)
        assert desk.done == [1001, 1, 2]
        desk.shares.put(1002)
        desk.shares.put(3)
        desk.shares.put(4)
        assert desk.done == [1001, 1, 2, 1002]
        await turns(desk, 1)
        assert desk.done == [1001, 1, 2, 1002, 3, 4]

    asyncio.run(main())


def test_a_turn_that_has_passed_gives_a_new_share(desk: Desk) -> None:
    async def main() -> None:
        for _ in range(5):
            desk.shares.put(1500)
            await asyncio.sleep(0)
        assert len(desk.done) == 5

    asyncio.run(main())


def test_what_else_is_ready_comes_between_two_shares(desk: Desk) -> None:
    async def main() -> None:
        seen = []
        for _ in range(3):
            desk.shares.put(1000)
        asyncio.get_running_loop().call_soon(lambda: seen.append(len(desk.done)))
        await turns(desk, 3)
        assert seen == [2]
        assert len(desk.done) == 3

    asyncio.run(main())


def test_flushed_work_is_done_now_but_not_within_the_work(desk: Desk) -> None:
    async def main() -> None:
        desk.then[1003] = desk.shares.flush
        for took_ns in (1000, 1001, 1002, 1003, 1004):
            desk.shares.put(took_ns)
        desk.shares.flush()
        assert desk.done == [1000, 1001, 1002, 1003, 1004]
        await turns(desk, 2)
        assert len(desk.done) == 5

    asyncio.run(main())


def test_no_more_than_so_much_waits(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        monkeypatch.setattr(shares, "WAITING_MAX", 3)
        for took_ns in (1000, 1, 2, 3):
            desk.shares.put(took_ns)
        assert desk.done == [1000]
        desk.shares.put(4)
        assert desk.done == [1000, 1, 2, 3, 4]

    asyncio.run(main())


def test_work_that_puts_more_has_it_done_behind_the_rest(desk: Desk) -> None:
    async def main() -> None:
        desk.then[1] = lambda: desk.shares.put(3)
        desk.shares.put(1)
        desk.shares.put(2)
        await turns(desk, 1)
        assert desk.done == [1, 3, 2]

    asyncio.run(main())


def test_work_that_is_forgotten_is_not_done(desk: Desk) -> None:
    async def main() -> None:
        desk.shares.put(1000)
        desk.shares.put(1)
        desk.shares.clear()
        await turns(desk, 2)
        assert desk.done == [1000]

    asyncio.run(main())


def test_work_that_fails_keeps_no_other_from_being_done(desk: Desk) -> None:
    async def main() -> None:
        def fail() -> None:
            raise ValueError("planted")

        told: list[Any] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context["exception"]))
        desk.then[999] = fail
        with pytest.raises(ValueError, match="planted"):
            desk.shares.put(999)
        desk.shares.put(1000)
        desk.then[998] = fail
        for took_ns in (998, 1, 2):
            desk.shares.put(took_ns)
        await turns(desk, 4)
        assert desk.done == [999, 1000, 998, 1, 2]
        assert [str(error) for error in told] == ["planted"]

    asyncio.run(main())
