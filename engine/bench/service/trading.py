"""Orders under load: every report comes, nothing is doubled, and what is switched off sends nothing."""
from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from decimal import Decimal
from functools import partial
from typing import Any

from engine.bench.record import Row
from engine.bench.service.figures import NORMAL_RATE, PEAK_RATE, SYMBOLS, percentile, row
from engine.bench.service.pressure import BLOCKED_US, MAILBOX
from engine.bench.service.trader import SENT, Told
from engine.bench.service.world import THREE, Ended, Run, World, consumer, engine_on, world

VENUE, SYMBOL = "binance", "BTC-USDT"
AT_ONCE = 8
EVERY_MS = 5
SETTLE_S = 0.5
"""Between two looks at the venue's record; once they are alike, what was under way has come back."""
THREADS = 32
OFF_S = ON_S = 0.05
SUPPRESSED = "suppressed"
_ENDED = ("filled", "cancelled", "rejected", "expired")


def trader(
    name: str, symbols: Sequence[str], seconds: float, kind: str = "Trader",
    types: Sequence[str] = ("Trade", "BookUpdate"), mailbox_capacity: int = 1024, **params: Any,
) -> dict[str, Any]:  # fmt: skip
    """A consumer that trades SYMBOL beside its market data, for so long since begin(); settled() waits for its end."""
    of_all = {"symbol": SYMBOL, "provider": VENUE, "every_ms": EVERY_MS, "for_s": seconds}
    return consumer(
        name, kind, symbols, types, params={**of_all, **params}, trading_switch="disabled",
        mailbox_capacity=mailbox_capacity,
    )  # fmt: skip


def orders_of(ended: Ended, *names: str) -> list[Told]:
    """What these traders asked for, and what they were told."""
    return [Told(*texts) for name in names for texts in ended.notes[name].texts]


def begin(run: Run, *names: str) -> None:
    """Have these traders trade, now that every book is in force and orders are reconciled."""
    run.until_open()
    for name in names:
        switch(run, name, on=True)


def switch(run: Run, name: str, *, on: bool) -> None:
    """Set a consumer's trading switch."""
    run.ask("POST", "/control/set-trading-mode", {"consumer_id": name, "enabled": on})


def settled(run: Run, place: World) -> dict[str, dict[str, Any]]:
    """The venue's record once nothing changes in it any more: the traders have come to their end."""
    last, now = None, at_venue(place)
    while last != now:
        run.pause(SETTLE_S)
        last, now = now, at_venue(place)
    return now


def at_venue(place: World) -> dict[str, dict[str, Any]]:
    """The venue's own record of every order of ours, by its id there."""
    accounts = place.ask("GET", "/orders")[VENUE]
    return {order["id"]: order for rows in accounts.values() for order in rows if not order["foreign"]}


def unlike(told: Sequence[Told], placed: dict[str, dict[str, Any]]) -> list[str]:
    """Ids at the venue whose owner was not told all, each once and in order: fills to the last digit, and their end."""
    owned = {order.venue_order_id: order for order in told if order.venue_order_id}
    wrong = []
    for name, theirs in placed.items():
        ours = owned.get(name)
        if (
            ours is None
            or Decimal(ours.filled) != Decimal(theirs["filled"])
            or ours.state not in _ENDED
            or ours.breaks != "0"
        ):
            wrong.append(name)
    return wrong


def burst(seconds: float) -> Iterator[Row]:
    """SC-03: reports to a blocked owner with a full mailbox, of more orders than any pool holds reports."""
    with world(PEAK_RATE, 5, THREE, "--unlimited") as place:
        owner = trader(
            "owner", place.all_symbols(), seconds, work_us=BLOCKED_US, at_once=AT_ONCE, mailbox_capacity=MAILBOX
        )
        pools = {name: {"capacity": 24} for name in ("Trade", "BookUpdate", "ExecReport", "ControlAck")}
        with engine_on(place, [owner], trading=[VENUE], pools=pools) as run:
            begin(run, "owner")
            run.pause(seconds)
            placed = settled(run, place)
            ended = run.stop()
    told = orders_of(ended, "owner")
    wrong = unlike(told, placed)
    report = ended.report
    counts = ", ".join([
        f"{sum(int(order.reports) for order in told):,} reports",
        f"{report['pipeline']['coalesced']:,} books coalesced", f"{report['pipeline']['dropped']:,} dropped",
        f"{report['pools']['ExecReport']['overflowed']:,} reports beyond the pool",
    ])  # fmt: skip
    failed = "" if report["balanced"] and not report["pipeline"]["pools_out"] else "failed: counts or pools; "
    yield row(
        "SC-03", f"burst, mailbox of {MAILBOX}, pools of 24, {seconds:g} s",
        "orders at the venue whose every fill and end the owner was told", _share(placed, wrong), "%", "at_least", 100,
        voided=bool(failed) or not placed, note=f"{failed}{len(placed):,} orders at the venue; {counts}",
    )  # fmt: skip


def grown(seconds: float) -> Iterator[Row]:
    """SC-11: three traders on 50 symbols of three venues at peak, their reports against the venue's record."""
    with world(PEAK_RATE, SYMBOLS, THREE, "--unlimited") as place:
        names = [f"trader-{number}" for number in range(3)]
        consumers = [trader(name, place.all_symbols(), seconds, every_ms=20, work_us=100) for name in names]
        with engine_on(place, consumers, trading=[VENUE]) as run:
            begin(run, *names)
            run.pause(seconds)
            placed = settled(run, place)
            ended = run.stop()
    wrong = unlike(orders_of(ended, *names), placed)
    yield row(
        "SC-11", f"3 x {SYMBOLS} x 3, {PEAK_RATE}/s, {seconds:g} s", "orders with a report lost, doubled or displaced",
        len(wrong), "", "at_most", 0, voided=not placed, note=f"{len(placed):,} orders at the venue",
    )  # fmt: skip


def switching(seconds: float) -> Iterator[Row]:
    """SC-05 and SC-08: an operator switches a consumer's trading off and on while it submits without a pause."""
    with world(NORMAL_RATE, SYMBOLS, THREE, "--unlimited") as place:
        owner = trader("owner", place.all_symbols(), seconds, every_ms=1)
        spans: list[tuple[int, int, int]] = []
        with engine_on(place, [owner], trading=[VENUE]) as run:
            begin(run, "owner")
            ends_s = time.monotonic() + seconds
            while time.monotonic() < ends_s:
                run.pause(ON_S)
                commanded_ns = time.time_ns()
                switch(run, "owner", on=False)
                acknowledged_ns = time.time_ns()
                run.pause(OFF_S)
                spans.append((commanded_ns, acknowledged_ns, time.time_ns()))
                switch(run, "owner", on=True)
            placed = settled(run, place)
            ended = run.stop()
    told = orders_of(ended, "owner")
    waits, after = [], 0
    for commanded_ns, acknowledged_ns, until_ns in spans:
        refused = [int(one.answered_ns) for one in told
                   if one.status == SUPPRESSED and commanded_ns <= int(one.asked_ns) <= until_ns]  # fmt: skip
        waits += [(min(refused) - commanded_ns) / 1e6] if refused else []
        after += sum(
            one.venue_order_id in placed for one in told if acknowledged_ns <= int(one.asked_ns) <= until_ns
        )
    case = f"{NORMAL_RATE}/s, {len(spans)} times off and on, {seconds:g} s"
    sent = sum(one.status == SENT for one in told)
    counts = f"{len(told):,} submits, {sent:,} sent, {len(placed):,} at the venue"
    yield row(
        "SC-05", case, "trading mode: command to the first refused order", max(waits, default=0.0), "ms", "at_most",
        1000, voided=not waits, note=f"the longest of {len(waits)}; p50 {percentile(waits, 0.5):.2f} ms; {counts}",
    )  # fmt: skip
    yield row(
        "SC-08", case, "orders at the venue that were asked for while the switch was off", after, "", "at_most", 0,
        voided=not sent or sent == len(told), note=f"off from the acknowledgement to the next command; {counts}",
    )  # fmt: skip


def duplicates(seconds: float) -> Iterator[Row]:
    """SC-07: each id from 32 threads at once, kill -9, and every id once more."""
    ids = [f"key-{number}" for number in range(max(4, int(seconds * 10)))]
    with ExitStack() as stack, world(NORMAL_RATE, 2, (VENUE,), "--unlimited") as place:
        owner = consumer("owner", "Watcher", place.all_symbols(), trading_switch="enabled")
        threads = stack.enter_context(ThreadPoolExecutor(THREADS))
        answers: list[str] = []
        for life in range(2):
            with engine_on(place, [owner], trading=[VENUE]) as run:
                run.until_open()
                for number, client_order_id in enumerate(ids):
                    # In turns, for what an account has is spent at some time.
                    side = "sell" if number % 2 else "buy"
                    one = partial(_submit, run, client_order_id, side)
                    answers += [told.result() for told in [threads.submit(one) for _ in range(THREADS)]]
                if life == 0:
                    run.kill()
                    first = len(at_venue(place))
                else:
                    run.stop()
        placed = len(at_venue(place))
    counts = ", ".join(f"{answers.count(status):,} {status}" for status in sorted(set(answers)))
    case = f"{THREADS} threads, {len(ids)} ids, then kill -9 and the same again"
    yield row(
        "SC-07", case, "orders at the venue beyond one an id", placed - len(ids), "", "at_most", 0,
        voided=first < len(ids) or placed < len(ids), note=f"{placed} at the venue; answers: {counts}",
    )  # fmt: skip


def _submit(run: Run, client_order_id: str, side: str) -> str:
    body = {"consumer_id": "owner", "client_order_id": client_order_id, "symbol": SYMBOL, "side": side,
            "order_type": "market", "qty": "0.01", "provider": VENUE}  # fmt: skip
    answer = run.ask("POST", "/orders", body)
    return str(answer.get("status") or answer["error"]["code"])


def _share(placed: dict[str, dict[str, Any]], wrong: Sequence[str]) -> float:
    return 100 * (len(placed) - len(wrong)) / len(placed) if placed else 0.0
