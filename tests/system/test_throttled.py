"""BP-05, RTE-07, SUB-08 at every venue: who takes one event in a hundred has the source's book at each of them.

A simulator and an engine in processes of their own; one strategy that takes everything, one that sleeps, gives up
subscriptions and takes them again, while the venues lose messages.
"""

from __future__ import annotations

import time
from collections import Counter

import msgspec
import pytest

from engine.bench.service.world import PLAIN, THREE, engine_on, world

pytestmark = [pytest.mark.system, pytest.mark.timeout(120)]
LONGEST_S = 60
ONE_IN = 100
VENUES = (*THREE, *PLAIN)
DESK = '''
import pathlib
import time

import msgspec

import engine


class Source:
    """Every state of every book, by its number."""

    states = {}
    seen = 0

    def __init__(self):
        self.books = {}

    def on_batch(self, events, ctx):
        Source.seen += len(events)
        for event in events:
            book = self.books.setdefault(event.instrument_id, engine.Book())
            if book.apply(event):
                self.states[event.instrument_id, event.epoch, event.seq_provider] = hash((*book.bids(), 0, *book.asks()))


class Slow:
    """Its books from what comes through; each state is compared with the source's at the end."""

    def __init__(self, flipped, one_in):
        self.flipped = flipped
        self.one_in = one_in
        self.is_over = False
        self.books = {}
        self.mine = []
        self.taken = self.folded = self.flips = 0
        self.is_off = False

    def on_event(self, event, ctx):
        if event.is_critical:
            return
        self.sleep()
        self.taken += 1
        self.folded += engine.EventFlag.COALESCED in event.flags
        book = self.books.setdefault(event.instrument_id, engine.Book())
        if book.apply(event):
            state = hash((*book.bids(), 0, *book.asks()))
            self.mine.append((event.provider, (event.instrument_id, event.epoch, event.seq_provider), state))
            with open("slow.rows", "a") as rows:
                rows.write(event.provider + "\\n")
        if self.taken % 10 == 0:
            self.is_off = not self.is_off
            self.flips += 1
            (ctx.unsubscribe if self.is_off else ctx.subscribe)(self.flipped, event_types=["BookUpdate"])

    def sleep(self):
        """Until the source has had so many more, or no more come."""
        until, deadline = Source.seen + self.one_in, time.monotonic() + 3
        while not self.is_over and Source.seen < until:
            time.sleep(0.005)
            self.is_over = time.monotonic() > deadline

    def on_stop(self, ctx):
        rows = [(provider, Source.states.get(place) == state) for provider, place, state in self.mine]
        found = {"rows": rows, "taken": self.taken, "folded": self.folded, "flips": self.flips}
        pathlib.Path("slow.notes").write_bytes(msgspec.json.encode(found))
'''


def has_enough(states: Counter[str]) -> bool:
    """Whether the slow one has seen each venue's books in a few states, however fast this machine is."""
    return states.total() > 60 and min(states[venue] for venue in VENUES) > 5


def test_bp_05_one_event_in_a_hundred_is_enough_for_the_right_book_at_every_venue() -> None:
    with world(2500, 2, VENUES) as place:
        (place.folder / "desk.py").write_text(DESK)
        wanted = [{"symbol": symbol, "event_types": ["BookUpdate"]} for symbol in place.all_symbols()]
        slow = {"flipped": place.all_symbols()[0], "one_in": ONE_IN}
        consumers = [
            {"consumer_id": "source", "mode": "inline", "handler": "desk:Source", "params": {}, "subscriptions": wanted},
            {"consumer_id": "slow", "handler": "desk:Slow", "params": slow, "mailbox_capacity": 32, "subscriptions": wanted,
             "callback_budget_ms": 60_000},
        ]  # fmt: skip
        with engine_on(place, consumers, engine={"shutdown_wait_ms": 20_000}) as run:
            place.ask("POST", "/faults", [{"fault": "drop", "stream": "book", "count": 0, "every_s": 2.0}])
            rows, deadline = place.folder / "slow.rows", time.monotonic() + LONGEST_S
            while not has_enough(Counter(rows.read_text().split()) if rows.exists() else Counter()):
                assert time.monotonic() < deadline, rows.read_text()
                run.pause(0.2)
            place.ask("DELETE", "/faults")
            ended = run.stop()
        found = msgspec.json.decode((place.folder / "slow.notes").read_bytes())
    assert ended.code == 0, ended.log
    row, source = (ended.report["consumers"][name] for name in ("slow", "source"))
    states, right = Counter(provider for provider, _ in found["rows"]), sum(is_right for _, is_right in found["rows"])
    assert right == len(found["rows"]) > 60
    assert has_enough(states), states
    assert (found["folded"] > 10, found["flips"] > 5) == (True, True), found
    assert found["taken"] < source["delivered"] / ONE_IN + 40, "but for what its mailbox held at the end"
    assert row["coalesced"] > 1000
    assert row["skipped_version"] + row["skipped_dirty"] > 0
    assert source["coalesced"] == source["dropped"] == source["skipped"] == 0, "CON-04: nobody else is touched"
    resyncs = {venue: sum(count for reason, count in reasons.items() if reason != "initial")
               for venue, reasons in ended.report["resyncs"].items()}  # fmt: skip
    assert min(resyncs.values()) >= 1, resyncs
    assert ended.report["balanced"]
