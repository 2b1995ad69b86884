"""Runs beside a test, under a disk that fails (faultydisk.c): stories of a journal, each told to the test as JSON lines."""

from __future__ import annotations

import asyncio
import ctypes
import json
import os
import sys
import time
from pathlib import Path

from engine.base.errors import JournalError
from engine.orders.records import KillState
from engine.schema.order import OrderState, Sent
from tests.unit.orders.kit import fill, first_wire, intended, journal_in, report, request, wire

KILL_BEFORE, KILL_WITHIN, NO_SPACE, DELAY = 1, 2, 4, 5
DISK = ctypes.CDLL(os.environ["LD_PRELOAD"])
GROUP = 5


async def life(folder: Path) -> None:
    """Everything a journal is for; what it has promised is written down at once, past the faulty disk."""
    acks = os.open(folder / "promised", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    journal = journal_in(folder)
    await journal.open()
    for number in range(3):
        asked = request(f"a{number}")
        await intended(journal, asked, wire(asked))
        os.write(acks, f"{asked.client_order_id}\n".encode())
    journal.sent(first_wire(request("a0")), Sent.TAKEN, "v-0")
    journal.report(report(request("a0"), 1, OrderState.ACKED))
    journal.report(report(request("a0"), 2, OrderState.PARTIALLY_FILLED, fill=fill("x1", 30, "0.1")))
    await journal.settled()
    os.write(acks, b"filled\n")
    together = [request(f"b{number}") for number in range(GROUP)]

    async def one(number: int) -> None:
        await intended(journal, together[number], wire(together[number]))
        os.write(acks, f"b{number}\n".encode())

    await asyncio.gather(*(one(number) for number in range(GROUP)))
    journal.report(report(request("a0"), 3, OrderState.CANCELLED))
    journal.delivered("mm1", 3)
    journal.risk_state(KillState(is_on=True))
    await journal.settled()
    os.write(acks, b"ended\n")
    await journal.close()
    os.write(acks, b"closed\n")


def killed(folder: Path, kind: int) -> None:
    """A life for each call on the journal's files, killed there; the last one lives."""
    at = 0
    while True:
        at += 1
        place = folder / f"{kind}-{at}"
        place.mkdir()
        child = os.fork()
        if child == 0:
            DISK.fault_set(kind, at, 0)
            asyncio.run(life(place))
            os._exit(0)
        _, status = os.waitpid(child, 0)
        if status == 0:
            break
    print(json.dumps({"lives": at}), flush=True)


async def full(folder: Path) -> None:
    """The disk is full for a while."""
    states: list[bool] = []
    back = asyncio.Event()

    def on_state(works: bool, _: str) -> None:
        states.append(works)
        if works:
            back.set()

    journal = journal_in(folder, on_state=on_state)
    await journal.open()
    await intended(journal, request("before"), wire(request("before")))
    back.clear()
    DISK.fault_set(NO_SPACE, 0, 0)
    refused = []
    for name in ("first", "second"):
        try:
            await intended(journal, request(name), wire(request(name)))
        except JournalError as error:
            refused.append(error.reason)
    numbers = [journal.report(report(request("before"), seq, OrderState.ACKED)) for seq in range(1, 21)]
    was_available = journal.is_available
    DISK.fault_set(0, 0, 0)
    await asyncio.wait_for(back.wait(), 10)
    await intended(journal, request("after"), wire(request("after")))
    await journal.close()
    print(json.dumps({"refused": refused, "numbers": numbers, "was_available": was_available, "states": states}), flush=True)


async def slow(folder: Path) -> None:
    """Every write takes 100 ms; meanwhile the loop turns."""
    journal = journal_in(folder)
    await journal.open()
    DISK.fault_set(DELAY, 0, 100_000)
    started_s = time.monotonic()
    waiting = asyncio.ensure_future(intended(journal, request(), wire(request())))
    turns, longest_s, last_s = 0, 0.0, started_s
    for _ in range(10**9):
        await asyncio.sleep(0)
        turns += 1
        now_s = time.monotonic()
        longest_s, last_s = max(longest_s, now_s - last_s), now_s
        if waiting.done():
            break
    took_s = time.monotonic() - started_s
    DISK.fault_set(0, 0, 0)
    await waiting
    await journal.close()
    print(json.dumps({"took_s": took_s, "turns": turns, "longest_s": longest_s}), flush=True)


def main() -> None:
    story, folder = sys.argv[1], Path(sys.argv[2])
    if story == "full":
        asyncio.run(full(folder))
    elif story == "slow":
        asyncio.run(slow(folder))
    else:
        killed(folder, int(story))


if __name__ == "__main__":
    main()
