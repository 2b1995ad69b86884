"""How a replay is told: what was played, books, counts, what the strategies found, what was proven by what."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from engine.runtime.replay import ReplayResult
    from engine.runtime.summary import EngineSummary
    from engine.runtime.verify import Verdict


def print_result(result: ReplayResult, verdict: Verdict, *, verifying: bool, facts: Path | None) -> None:
    """One file's summary."""
    from engine.runtime.runreport import report_lines

    print(_headline(result))
    for line in (*_books(result), streams_text(result.summary), *windows_texts(result.summary)):
        print(f"  {line}")
    for name, row in result.summary.consumers.items():
        print(f"  {name}: {consumer_text(row)}")
        for finding in result.findings.get(name, ()):
            print(f"    {finding}")
    for name, count in result.summary.rejected.items():
        print(f"  refused frames: {name} {count:,}")
    if result.summary.telemetry:
        told = ", ".join(f"{name} {count:,}" for name, count in result.summary.telemetry.items())
        print(f"  told: {told}; {result.summary.dead_letters:,} dead letters kept")
    for line in report_lines(result.setup):
        print(f"  {line}")
    for warning in result.warnings:
        print(f"  warning: {warning}")
    for line in verdict.healed:
        print(f"  healed: {line}")
    for fault in verdict.faults:
        print(f"  {'FAULT' if verifying else 'note'}: {fault}")
    if result.is_stopped:
        left = f"stopped by a signal: {result.records - result.played:,} records were not played"
        print(f"  {left}{'; no facts were written' if facts is not None else ''}")
    if verifying:
        print(f"  {_verified(result, verdict)}")


def consumer_text(row: dict[str, int]) -> str:
    """The second equation of a consumer, and its failures."""
    text = f"{row['offered']:,} offered = {row['delivered']:,} delivered"
    if row["coalesced"]:
        text += f" + {row['coalesced']:,} coalesced"
    if row["skipped"]:
        text += f" + {row['skipped']:,} skipped"
    text += f" + {row['dropped']:,} dropped + {row['queued']:,} queued"
    return f"{text}; {row['failures']:,} callbacks FAILED" if row["failures"] else text


def streams_text(summary: EngineSummary) -> str:
    """The first equation, over all streams."""
    totals = summary.totals()
    merged = f" + {totals['merged']:,} merged" if totals["merged"] else ""
    limited = (
        f" + {totals['coalesced_at_entry']:,} coalesced + {totals['dropped_at_entry']:,} over the rate"
        if totals["coalesced_at_entry"] or totals["dropped_at_entry"]
        else ""
    )
    return (
        f"events: {totals['received']:,} received = {totals['routed']:,} routed + {totals['unrouted']:,} unrouted"
        f"{merged} + {totals['duplicates']:,} duplicates + {totals['late_dropped']:,} late{limited}"
        f" + {totals['held']:,} held"
    )


def windows_texts(summary: EngineSummary) -> list[str]:
    """The equation of each merge rule's windows, its late fragments and how long its windows stood open (MRG-19)."""
    return [
        f"merge {rule}: {row.opened:,} opened = {row.emitted:,} emitted + {row.suppressed:,} suppressed"
        f" + {row.discarded:,} discarded + {row.open:,} open; {row.late_fragments:,} of"
        f" {row.fragments + row.late_fragments:,} fragments late; open p50 {summary.dwell[rule].p50_ns / 1e6:,.0f} ms"
        for rule, row in summary.windows.items()
    ]


def _headline(result: ReplayResult) -> str:
    seconds = result.wall_ns / 1e9
    rate = result.played / seconds if seconds else 0
    of = "" if result.played == result.records else f" of {result.records:,}"
    return f"{result.path}: {result.played:,}{of} records in {seconds:.2f} s ({rate:,.0f} a second)"


def _books(result: ReplayResult) -> list[str]:
    lines = []
    for feed in result.feeds.values():
        for book in feed.stream.book_list():
            bids, asks = book.ladder.counts()
            state = "valid" if book.is_valid else "not valid"
            if book.snapshots_published or book.updates_published:
                lines.append(
                    f"{feed.provider} {book.symbol}: {state}, {bids:,} x {asks:,} levels, "
                    f"{book.updates_published:,} updates, {book.snapshots_published:,} snapshots, "
                    f"{sum(book.counts_by_reason().values()):,} resyncs"
                )
    return lines


def _verified(result: ReplayResult, verdict: Verdict) -> str:
    if not verdict.holds:
        word = "NOT verified"
    elif not sum(result.summary.frames.values()):
        word = "nothing to verify: no frame was played"
    else:
        word = "verified as far as it was played" if result.is_stopped else "verified"
    return f"{word}; proven: {'; '.join(verdict.proofs)}" if verdict.proofs else word


def as_json_document(result: ReplayResult, verdict: Verdict) -> dict[str, Any]:
    """One file as ``--json`` prints it."""
    return {
        "file": str(result.path),
        "records": result.records,
        "played": result.played,
        "stopped": result.is_stopped,
        "wall_ns": result.wall_ns,
        "pipeline": result.summary.pipeline(),
        "findings": result.findings,
        "run": result.setup,
        "warnings": result.warnings,
        "verified": verdict.holds,
        "faults": [
            {"record": fault.record, "what": fault.what, "file": str(fault.path)} for fault in verdict.faults
        ],
        "healed": verdict.healed,
        "proven": verdict.proofs,
    }
