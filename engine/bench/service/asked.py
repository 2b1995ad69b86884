"""Whoever asks the operator's surface takes nothing from the events (API-04)."""
from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import msgspec

from engine.bench.paired import MIN_PAIRS
from engine.bench.record import Row
from engine.bench.service.caller import Call, get, open_loop
from engine.bench.service.figures import NORMAL_RATE, SYMBOLS, failure, row
from engine.bench.service.load import delays_of, watchers
from engine.bench.service.turns import added_p99
from engine.bench.service.world import SURFACE, THREE, TOKEN, Run, engine_on, world

CLIENTS = 100
ROUTES = ("/consumers", "/providers", "/books/binance/BTC-USDT", "/instruments", "/telemetry", "/pools", "/health")
SHARE = 0.05
WITHIN_NS = 1_000_000_000


class _Asked(NamedTuple):
    delays_ns: list[int]
    requests: int
    late: int
    failed: str


def clients(seconds: float, pairs: int = MIN_PAIRS) -> Iterator[Row]:
    """A hundred clients at one request a second each, in turns with nobody."""
    runs: dict[bool, list[_Asked]] = {False: [], True: []}
    for turn in range(2 * pairs + 1):
        runs[bool(turn % 2)].append(_run(seconds, is_asked=bool(turn % 2)))
    alone, beside = runs[False], runs[True]
    case = f"{CLIENTS} clients x 1/s, 3 x {SYMBOLS} x 3, {NORMAL_RATE}/s, {seconds:g} s"
    void = "; ".join({run.failed for run in (*alone, *beside)} - {""})
    yield added_p99(
        "API-04", case, "what requests add to the p99 of venue's writing to callback", [run.delays_ns for run in alone],
        [run.delays_ns for run in beside], SHARE, void,
    )  # fmt: skip
    requests, late = sum(run.requests for run in beside), sum(run.late for run in beside)
    share = 100 * (1 - late / requests) if requests else 0.0
    yield row(
        "API-04", case, "requests answered within their second", share, "%", "at_least", 100,
        voided=bool(void) or not requests, note=f"{requests:,} requests",
    )  # fmt: skip


def _run(seconds: float, *, is_asked: bool) -> _Asked:
    with world(NORMAL_RATE, SYMBOLS, THREE) as place, engine_on(place, watchers(place, 3), api=SURFACE) as run:
        requests, late = _ask(run, seconds) if is_asked else (0, 0)
        if not is_asked:
            run.pause(seconds)
        ended = run.stop()
    return _Asked(delays_of(ended), requests, late, failure(ended))


def _ask(run: Run, seconds: float) -> tuple[int, int]:
    """Requests made, evenly spaced, and those whose answer took longer than a second, or was a refusal."""
    assert run.api is not None
    calls = [Call(route, get(run.api, route, TOKEN), _is_answer) for route in ROUTES]
    found = open_loop(run.api, calls, CLIENTS, CLIENTS, seconds).values()
    late = sum(sum(took_ns > WITHIN_NS for took_ns in one.took_ns) + one.refused.total() for one in found)
    return sum(len(one.took_ns) for one in found), late


def _is_answer(body: bytes) -> bool:
    return "error" not in msgspec.json.decode(body)
