"""Waiting for a condition from threads and coroutines: woken when it may hold, never longer than the deadline."""

from __future__ import annotations

import asyncio
import threading
import time

from engine.base.workers import Waiting


def test_what_is_there_already_is_found_without_waiting() -> None:
    waiting = Waiting()
    assert waiting.until(lambda: "there", timeout_s=0) == "there"
    assert asyncio.run(waiting.until_async(lambda: "there", timeout_s=0)) == "there"


def test_the_wait_ends_at_its_deadline() -> None:
    waiting = Waiting()
    for wait in (
        lambda: waiting.until(lambda: None, timeout_s=0.03),
        lambda: asyncio.run(waiting.until_async(lambda: None, timeout_s=0.03)),
    ):
        started_s = time.monotonic()
        assert wait() is None
        assert 0.03 <= time.monotonic() - started_s < 1


def test_something_falsy_is_something() -> None:
    assert Waiting().until(lambda: 0, timeout_s=0) == 0


def test_the_last_look_comes_after_the_deadline() -> None:
    looks = iter([None, None, "just in time"])
    assert Waiting().until(lambda: next(looks), timeout_s=0.001) in ("just in time", None)


def test_notify_wakes_every_thread() -> None:
    waiting = Waiting()
    slots: list[int] = []
    got: list[int] = []
    looked = threading.Semaphore(0)

    def look() -> int | None:
        looked.release()
        return slots.pop() if slots else None

    def wait() -> None:
        found = waiting.until(look, timeout_s=4)
        assert found is not None
        got.append(found)

    threads = [threading.Thread(target=wait) for _ in range(4)]
    for thread in threads:
        thread.start()
    for _ in threads:
        assert looked.acquire(timeout=4)
    slots.extend(range(4))
    waiting.notify()
    for thread in threads:
        thread.join(4)
    assert sorted(got) == [0, 1, 2, 3]


def test_a_notification_between_two_looks_is_not_lost() -> None:
    """The thing comes after the first look and before the wait: the lock makes the wait see it."""
    waiting = Waiting()
    slots: list[str] = []
    first = threading.Event()

    def look() -> str | None:
        if not first.is_set():
            first.set()
            thread.start()
        return slots.pop() if slots else None

    def bring() -> None:
        slots.append("brought")
        waiting.notify()

    thread = threading.Thread(target=bring)
    started_s = time.monotonic()
    assert waiting.until(look, timeout_s=4) == "brought"
    assert time.monotonic() - started_s < 3
    thread.join()


def test_notify_wakes_coroutines_on_their_own_loops() -> None:
    waiting = Waiting()
    slots: list[int] = []

    async def wait() -> int | None:
        return await waiting.until_async(lambda: slots.pop() if slots else None, timeout_s=4)

    async def main(number: int) -> int | None:
        task = asyncio.ensure_future(wait())
        await asyncio.sleep(0)
        slots.append(number)
        threading.Thread(target=waiting.notify).start()
        return await task

    assert [asyncio.run(main(number)) for number in (5, 6)] == [5, 6]


def test_notify_after_a_coroutine_gave_up_does_no_harm() -> None:
    waiting = Waiting()

    async def main() -> None:
        assert await waiting.until_async(lambda: None, timeout_s=0.001) is None
        waiting.notify()
        waiting.notify()
        await asyncio.sleep(0)

    asyncio.run(main())
    waiting.notify()


def test_on_loop_tells_where_it_was_called() -> None:
    async def inside() -> bool:
        return Waiting.on_loop()

    assert asyncio.run(inside())
    assert not Waiting.on_loop()
