"""Too much for who takes it: what must come comes, and who shares shares fairly."""
from __future__ import annotations

from collections.abc import Iterator, Mapping

from engine.bench.record import Row
from engine.bench.service.figures import PEAK_RATE, row
from engine.bench.service.world import Ended, consumer, engine_on, world

MAILBOX = 16
BLOCKED_US = 20_000
COMMANDS = 10 * MAILBOX // 4
OVERLOAD = 3
SHARE_LEAST = 25


def burst(seconds: float) -> Iterator[Row]:
    """SC-03: a blocked consumer with a full mailbox and more acknowledgements than its reserve holds."""
    with world(PEAK_RATE, 5) as place:
        params = {"work_us": BLOCKED_US, "symbol": place.all_symbols()[0], "commands": COMMANDS}
        blocked = consumer("blocked", "Blocked", place.all_symbols(), params=params, mailbox_capacity=MAILBOX)
        pools = {"Trade": {"capacity": 24}, "BookUpdate": {"capacity": 24}, "ControlAck": {"capacity": 16}}
        with engine_on(place, [blocked], pools=pools) as run:
            run.pause(seconds)
            ended = run.stop()
    seen, report = ended.notes["blocked"].counts, ended.report
    losses = {
        "coalesced": report["pipeline"]["coalesced"], "dropped": report["pipeline"]["dropped"],
        "found no slot": sum(pool["exhausted"] for pool in report["pools"].values()),
        "acknowledgements beyond the pool": report["pools"]["ControlAck"]["overflowed"],
    }  # fmt: skip
    told = ", ".join(f"{count:,} {name}" for name, count in losses.items())
    answers = seen["acks"] + seen["results"]
    share = 50 * answers / seen["commands"] if seen["commands"] else 0.0
    failed = "" if report["balanced"] and not report["pipeline"]["pools_out"] else "failed: counts or pools; "
    yield row(
        "SC-03", f"burst, mailbox of {MAILBOX}, pools of 24, {seconds:g} s", "acknowledgements and results that came",
        share, "%", "at_least", 100, voided=bool(failed) or seen["commands"] == 0,
        note=f"{failed}{answers:,} to {seen['commands']:,} commands, {seen['market']:,} market events beside; {told}",
    )  # fmt: skip


def fairness(seconds: float) -> Iterator[Row]:
    """SC-04: three consumers that each get three times what they can take; then one of them ten times that."""
    per_s = PEAK_RATE / 2
    with world(int(per_s), 10) as place:
        symbols = place.all_symbols()
        work_us = int(OVERLOAD / per_s * 1e6)
        equal = [_loaded(f"equal-{number}", symbols, work_us) for number in range(3)]
        with engine_on(place, equal) as run:
            run.pause(seconds)
            ended = run.stop()
        shares = _shares(ended)
        case = f"{OVERLOAD} x overload, {per_s:.0f}/s to each, {seconds:g} s"
        told = ", ".join(f"{name} {share:.1f} %" for name, share in shares.items())
        yield row("SC-04", case, "least share of three", min(shares.values()), "%", "at_least", SHARE_LEAST, note=told)
        yield row("SC-04", case, "Jain's index of three", _jain(shares), "", "at_least", 0.95)
        few = symbols[:2]
        work_us = work_us * len(symbols) // len(few)
        modest = [_loaded(f"modest-{number}", few, work_us) for number in range(2)]
        with engine_on(place, [_loaded("greedy", symbols, work_us), *modest]) as run:
            run.pause(seconds)
            ended = run.stop()
        shares = _shares(ended)
        told = ", ".join(f"{name} {share:.1f} %" for name, share in shares.items())
        yield row(
            "SC-04", f"one greedy beside two, {seconds:g} s", "least share of the modest",
            min(share for name, share in shares.items() if name != "greedy"), "%", "at_least", SHARE_LEAST, note=told,
        )  # fmt: skip


def _loaded(name: str, symbols: list[str], work_us: int) -> dict[str, object]:
    return consumer(name, "Watcher", symbols, params={"work_us": work_us}, mailbox_capacity=4 * MAILBOX)


def _shares(ended: Ended) -> dict[str, float]:
    """What was delivered of what was offered, in %, while the load was on; what the end delivers is not in it."""
    taken = {
        name: sum(callback_ns <= ended.ended_ns for _, callback_ns, _ in notes.times)
        for name, notes in ended.notes.items()
    }
    return {name: 100 * taken[name] / max(1, row["offered"]) for name, row in ended.report["consumers"].items()}


def _jain(shares: Mapping[str, float]) -> float:
    """1 = all equal, 1/n = one has everything."""
    values = list(shares.values())
    return sum(values) ** 2 / (len(values) * sum(value * value for value in values) or 1.0)
