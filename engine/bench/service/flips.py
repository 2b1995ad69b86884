"""Routes that change under load: how soon, what gets lost, what of before comes through, what others notice."""
from __future__ import annotations

from collections.abc import Iterator

from engine.bench.paired import DEFAULT_LIMIT, MIN_PAIRS
from engine.bench.record import Row
from engine.bench.service.figures import PEAK_RATE, SYMBOLS, failure, percentile, row
from engine.bench.service.load import delays_of, watchers
from engine.bench.service.trading import VENUE, begin, orders_of, settled, trader, unlike
from engine.bench.service.turns import times_p99
from engine.bench.service.world import THREE, consumer, engine_on, world

FLIP_EVERY_MS = 100
ORDER_EVERY_MS = 20
FLIPPED = 10
NEVER_MS = 3_600_000


def flips(seconds: float) -> Iterator[Row]:
    """SC-05, SC-25 and SC-31: ten changes a second of one consumer beside three that change nothing."""
    with world(PEAK_RATE, SYMBOLS, THREE, "--unlimited") as place:
        books, trades = place.all_symbols()[:FLIPPED], place.all_symbols()
        changer = trader(
            "changer", trades, seconds, "TradingChanger", ("Trade",), every_ms=ORDER_EVERY_MS, changed=books,
            change_ms=FLIP_EVERY_MS,
        )  # fmt: skip
        with engine_on(place, [*watchers(place, 3), changer], trading=[VENUE]) as run:
            begin(run, "changer")
            run.pause(seconds)
            placed = settled(run, place)
            ended = run.stop()
    seen, kept = ended.notes["changer"], ended.report["consumers"]
    case = f"peak, {PEAK_RATE}/s, {1000 // FLIP_EVERY_MS} changes/s, {seconds:g} s"
    commands = seen.counts["commands"]
    nothing = commands == 0
    for place_of, what in ((0, "Subscribe to the first event"), (1, "Unsubscribe to the last event")):
        waits = [took / 1e6 for kind, took in seen.times if kind == place_of]
        yield row(
            "SC-05", case, what, max(waits, default=0.0), "ms", "at_most", 1000, voided=nothing,
            note=f"the longest of {commands} changes; p50 {percentile(waits, 0.5):.2f} ms",
        )  # fmt: skip
    share = 100 * seen.counts["acks"] / commands if commands else 0.0
    yield row(
        "SC-25", case, "acknowledgements that came", share, "%", "at_least", 100, voided=nothing,
        note=f"{seen.counts['acks']} of {commands}; {seen.counts['refused']} refused",
    )  # fmt: skip
    others = [name for name in ended.notes if name != "changer"]
    skipped = sum(kept[name]["skipped"] for name in others)
    missing = sum(ended.notes[name].counts["missing"] for name in others)
    yield row(
        "SC-25", case, "events skipped or missing at who changes nothing", skipped + missing, "events", "at_most", 0,
        note=f"{sum(ended.notes[name].counts['events'] for name in others):,} deliveries",
    )  # fmt: skip
    yield row("SC-31", case, "acknowledgements lost", commands - seen.counts["acks"], "", "at_most", 0, voided=nothing)
    wrong = unlike(orders_of(ended, "changer"), placed)
    yield row(
        "SC-31", case, "orders with a report lost, doubled or displaced", len(wrong), "", "at_most", 0,
        voided=not placed, note=f"{len(placed):,} orders of who changes its subscriptions",
    )  # fmt: skip
    old, cut_off = seen.counts["old"], kept["changer"]["skipped_version"]
    yield row(
        "SC-31", case, "market data of the older version that came after the acknowledgement",
        100 * old / (old + cut_off) if old + cut_off else 0.0, "%", "at_most", 5, voided=nothing,
        note=f"{old} came, {cut_off} were skipped",
    )  # fmt: skip


def unnoticed(seconds: float, pairs: int = MIN_PAIRS) -> Iterator[Row]:
    """RTE-08: ten changes a second of one consumer, in turns with none, and the p99 of three that change nothing."""
    delays: dict[bool, list[list[int]]] = {False: [], True: []}
    void: dict[str, None] = {}
    commands = 0
    for turn in range(2 * pairs + 1):
        is_changing = bool(turn % 2)
        with world(PEAK_RATE, SYMBOLS, THREE) as place:
            symbols = place.all_symbols()
            params = {"changed": symbols[:FLIPPED], "change_ms": FLIP_EVERY_MS if is_changing else NEVER_MS}
            changer = consumer("changer", "Changer", symbols, ("Trade",), params=params)
            with engine_on(place, [*watchers(place, 3), changer]) as run:
                run.pause(seconds)
                ended = run.stop()
        delays[is_changing].append(delays_of(ended))
        if why := failure(ended):
            void[why] = None
        commands += ended.notes["changer"].counts["commands"] if is_changing else 0
    if commands < pairs:
        void["nothing was changed"] = None
    case = f"peak, {PEAK_RATE}/s, {1000 // FLIP_EVERY_MS} changes/s against none, {seconds:g} s each"
    yield times_p99(
        "RTE-08", case, "p99, venue's writing to callback, of those who change nothing", delays[False], delays[True],
        DEFAULT_LIMIT, list(void), f"{commands:,} changes",
    )  # fmt: skip
