"""Orders without a pause beside market data: what a submit takes, and what it takes from the market data (ORDM-07)."""
from __future__ import annotations

import sqlite3
import statistics
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from engine.bench.paired import MIN_PAIRS
from engine.bench.record import Row
from engine.bench.service.figures import SYMBOLS, percentile, row
from engine.bench.service.trading import VENUE, begin, orders_of, settled, trader, unlike
from engine.bench.service.turns import added_p99
from engine.bench.service.world import THREE, consumer, engine_on, world

FRAMES = 10_000
ORDERS_A_MINUTE = 50_000
QTY = "0.001"
"""Small enough that one level of the book fills it."""
WARM_S = 1.0
"""Before what counts."""
COMMITS = 400
COMMIT_AND_MS = 1.0
"""Half of the submits take less than that above the disk's own commit: none of it is counted here."""
ROW_BYTES = 600
"""As large as an intent's row."""
UNTHROTTLED = {"backpressure": {"token_rate_per_stream": "unlimited"}}
"""With and without orders: each is a trade of one symbol, which would come to the rate that a stream is held to."""
GOAL = "ORDM-07"


@dataclass(frozen=True)
class Load:
    """One run.

    Attributes:
        delays_ns: venue's writing to callback of market data.
        submits_ns: from asking for an order to the venue's having it.
        prompt: share of the orders that went to the venue within COMMIT_AND_MS of being asked for, %; of the whole run.
        rate: orders a minute that reached the venue.
        wrong: orders whose reports were not all told, each once.
        commit_ms: of the disk, at that time.
        failed: why the run proves nothing.
    """

    delays_ns: list[int]
    submits_ns: list[int]
    prompt: float
    rate: float
    wrong: int
    commit_ms: float
    failed: str


def sustained(
    seconds: float, pairs: int = MIN_PAIRS, *, mode: str = "inline", frames: int = FRAMES,
    orders_a_minute: int = ORDERS_A_MINUTE,
) -> Iterator[Row]:  # fmt: skip
    """50,000 orders a minute and 10,000 frames a second, in turns with the same market data alone.

    Args:
        seconds: of each run.
        pairs: of runs.
        mode: of the consumers.
        frames: a second.
        orders_a_minute: at one venue.
    """
    runs: dict[bool, list[Load]] = {False: [], True: []}
    for turn in range(2 * pairs + 1):
        runs[bool(turn % 2)].append(_run(seconds, mode, frames, orders_a_minute if turn % 2 else 0))
    alone, beside = runs[False], runs[True]
    case = f"{frames:,} frames/s of 3 venues, {orders_a_minute:,} orders/min at one, {mode}, {seconds:g} s"
    void = "; ".join({run.failed for run in (*alone, *beside)} - {""})
    rates = sorted(run.rate for run in beside)
    yield row(
        GOAL, case, "orders a minute at the venue", statistics.median(rates), "", "at_least", 0.99 * orders_a_minute,
        figure_min=rates[0], figure_max=rates[-1], voided=bool(void), note=void,
    )  # fmt: skip
    yield row(
        GOAL, case, "orders with a report lost, doubled or displaced", sum(run.wrong for run in beside), "", "at_most",
        0, voided=bool(void), note=void,
    )  # fmt: skip
    yield added_p99(
        GOAL, case, "what orders add to the market data's p99, venue's writing to callback",
        [run.delays_ns for run in alone], [run.delays_ns for run in beside], 0.1, void,
    )  # fmt: skip
    yield from _submits(case, beside, void)


def _run(seconds: float, mode: str, frames: int, orders_a_minute: int) -> Load:
    with world(frames, SYMBOLS, THREE, "--unlimited") as place:
        everything = place.all_symbols()
        consumers = [consumer("watcher", "Watcher", everything, mode=mode)]
        # Market data of the traded venue alone gives the moments at which to ask.
        consumers.append(
            {**trader("owner", place.symbols[VENUE], seconds + WARM_S, every_ms=60_000 / orders_a_minute, qty=QTY),
             "mode": mode}
            if orders_a_minute
            else consumer("owner", "Watcher", place.symbols[VENUE], params={"keep": 0}, mode=mode)
        )
        with engine_on(place, consumers, trading=[VENUE], dispatcher=UNTHROTTLED) as run:
            begin(run, *(["owner"] if orders_a_minute else []))
            run.pause(WARM_S)
            began_ns = time.time_ns()
            run.pause(seconds)
            ended_ns = time.time_ns()
            placed = settled(run, place)
            ended = run.stop()
        commit_ms = _commit_ms(place.folder)
    counted = replace(ended, began_ns=began_ns, ended_ns=ended_ns)
    told = orders_of(ended, "owner") if orders_a_minute else []
    wrong = unlike(told, placed)
    submits = [
        placed[one.venue_order_id]["received_us"] * 1000 - ended.ahead_ns - int(one.asked_ns)
        for one in told
        if one.venue_order_id in placed and began_ns <= int(one.asked_ns) <= ended_ns
    ]
    failed = "" if ended.report["balanced"] else "failed: the counts do not balance"
    if not orders_a_minute and placed:
        failed = "failed: there were orders without a trader"
    prompt, rate = _prompt(ended.report["metrics"]), len(submits) * 60 / seconds
    return Load(counted.delays_ns("watcher"), submits, prompt, rate, len(wrong), commit_ms, failed)


def _prompt(metrics: dict[str, Any]) -> float:
    (row,) = metrics.get("engine_order_send_seconds", [{"count": 0, "buckets": [(COMMIT_AND_MS / 1e3, 0)]}])
    (within,) = [count for edge, count in row["buckets"] if edge == COMMIT_AND_MS / 1e3]
    return float(100 * within / row["count"]) if row["count"] else 0.0


def _commit_ms(folder: Path) -> float:
    """The disk's own: one row a commit, as SQLite in WAL mode makes them where nobody waits for the disk's cache."""
    took = []
    connection = sqlite3.connect(folder / "disk.db", isolation_level=None)
    try:
        connection.execute("PRAGMA journal_mode = WAL").fetchall()
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute("CREATE TABLE row (number INTEGER PRIMARY KEY, body BLOB)")
        for _ in range(COMMITS):
            began_ns = time.perf_counter_ns()
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("INSERT INTO row (body) VALUES (?)", (b"x" * ROW_BYTES,))
            connection.execute("COMMIT")
            took.append(time.perf_counter_ns() - began_ns)
    finally:
        connection.close()
    return statistics.median(took) / 1e6


def _submits(case: str, beside: list[Load], void: str) -> Iterator[Row]:
    """What a submit takes in the engine, and until the venue has it."""
    commit_ms = statistics.median(run.commit_ms for run in beside)
    voids = void or ("" if all(run.submits_ns for run in beside) else "failed: no order was timed")
    p50s, p99s = [sorted(percentile(run.submits_ns, share) / 1e6 for run in beside) for share in (0.5, 0.99)]
    prompt = sorted(run.prompt for run in beside)
    yield row(
        GOAL, case, f"submits whose order goes to the venue within {COMMIT_AND_MS:g} ms, its intent's commit included",
        statistics.median(prompt), "%", "at_least", 50, figure_min=prompt[0], figure_max=prompt[-1], voided=bool(voids),
        note=f"the disk's own commit takes {commit_ms:.3f} ms, median",
    )  # fmt: skip
    yield row(
        GOAL, case, "a strategy's submit to the venue's having the order, p50", statistics.median(p50s), "ms",
        "shown", None, figure_min=p50s[0], figure_max=p50s[-1], voided=bool(voids),
        note="; ".join(filter(None, (f"p99 {statistics.median(p99s):.2f} ms, with the simulated venue's turn", voids))),
    )  # fmt: skip
