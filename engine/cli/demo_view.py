"""How the demo looks: a live view on a terminal, a line a second elsewhere, a summary at the end."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Protocol, Self

import msgspec

from engine.cli.output import on_terminal, print_table
from engine.cli.replay_view import consumer_text, streams_text
from engine.cli.summary_view import duration_text, latency_cells, print_latencies, print_tallies

if TYPE_CHECKING:
    from rich.console import Group
    from rich.live import Live

    from engine.runtime.demo import DemoResult, DemoView
    from engine.runtime.summary import EngineSummary


# --- while it runs ------------------------------------------------------------------------------------------


class View(Protocol):
    """Shows the demo each second; a context manager."""

    def show(self, now: DemoView) -> None:
        """The demo as it is now."""

    def __enter__(self) -> Self: ...
    def __exit__(self, *exc_info: object) -> None: ...


def view(seconds: float) -> View:
    """A live view where a person looks, else plain lines; both on stderr."""
    return _Screen(seconds) if on_terminal() else _Lines()


class _Lines:
    def show(self, now: DemoView) -> None:
        venues = ", ".join(
            f"{provider.name} {provider.frames_per_s:,.0f}/s {provider.books_valid}/{provider.books} books"
            for provider in now.providers
        )
        others = [latency.p99_ns for name, latency in now.summary.delivery.items() if name != "slow"]
        events = now.summary.totals()["received"]
        print(
            f"demo: {now.elapsed_s:.0f} s, {events:,} events; {venues}; "
            f"delivery p99 {duration_text(max(others, default=0))}, the slow consumer aside",
            file=sys.stderr,
            flush=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        return


_WIDE = 108
"""Columns from which on the best prices of every symbol fit beside each other."""


class _Screen:
    def __init__(self, seconds: float) -> None:
        from rich.console import Console
        from rich.live import Live

        self._seconds = seconds
        self._console = Console(stderr=True)
        self._live: Live = Live(
            "demo: starting the simulated venues ...", console=self._console, auto_refresh=False, transient=True
        )

    def show(self, now: DemoView) -> None:
        self._live.update(_screen(now, self._seconds, self._console.width), refresh=True)

    def __enter__(self) -> Self:
        self._live.start(refresh=True)
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._live.stop()


def _screen(now: DemoView, seconds: float, width: int) -> Group:
    from rich.console import Group
    from rich.text import Text

    of = f" of {seconds:g}" if seconds else ""
    head = Text(f"engine-run demo   {now.elapsed_s:.0f}{of} s   Ctrl-C ends it with the summary", style="bold")
    bases = _bases(now) if width >= _WIDE else _bases(now)[:1]
    venues = _grid("venue", "up", "frames", "frames/s", "valid", *bases)
    for provider in now.providers:
        venues.add_row(
            provider.name,
            f"{provider.connections_up}/{provider.connections}",
            f"{provider.frames:,}",
            f"{provider.frames_per_s:,.0f}",
            f"{provider.books_valid}/{provider.books}",
            *(f"{bid or '-'} / {ask or '-'}" for _, bid, ask in provider.tops[: len(bases)]),
        )
    consumers = _grid("consumer", "delivered", "waiting", "p50", "p99", "max")
    for name, row in now.summary.consumers.items():
        consumers.add_row(
            name, f"{row['delivered']:,}", f"{row['queued']:,}", *latency_cells(now.summary.delivery[name])
        )
    stages = _grid("stage", "frames timed", "p50", "p99", "max")
    for name, latency in now.summary.stages.items():
        stages.add_row(name, f"{latency.count:,}", *latency_cells(latency))
    return Group(head, venues, consumers, stages, Text(_pools_text(now.summary)))


def _bases(now: DemoView) -> list[str]:
    return [f"{symbol.partition('-')[0]} bid / ask" for symbol, _, _ in now.providers[0].tops]


def _grid(*columns: str) -> Any:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for place, column in enumerate(columns):
        table.add_column(column, justify="right" if place else "left", no_wrap=True)
    return table


def _pools_text(summary: EngineSummary) -> str:
    used = [
        f"{name} {row.in_use}/{row.capacity}, most {row.in_use_peak}"
        for name, row in summary.pools.pools.items()
        if row.acquired
    ]
    return f"pools in use: {'; '.join(used)}"


# --- the end ------------------------------------------------------------------------------------------------


def print_result(result: DemoResult) -> None:
    """The summary: what came, how fast it went through, and whether everything balances."""
    from engine.runtime.runreport import report_lines

    summary = result.summary
    totals = summary.totals()
    started = "" if result.first_event_ms is None else f"; first event after {result.first_event_ms / 1e3:.2f} s"
    frames = sum(summary.frames.values())
    print(f"demo: {result.seconds:.1f} s, {frames:,} frames, {totals['received']:,} events{started}")
    print_table(
        ("venue", "frames", "per second", "events", "books"), [_venue_row(result, name) for name in summary.frames]
    )
    if result.reports:
        from engine.cli.report_view import print_overview

        print_overview(list(result.reports.values()))
    print_latencies(summary)
    print(f"  {streams_text(summary)}")
    for name, row in summary.consumers.items():
        print(f"  {name}: {consumer_text(row)}")
        for finding in result.findings.get(name, ()):
            print(f"    {finding}")
    lent = sum(row.acquired for row in summary.pools.pools.values())
    back = sum(row.recycled + row.escaped for row in summary.pools.pools.values())
    print(f"  pools: {lent:,} lent = {back:,} back + {sum(result.outstanding.values()):,} out")
    print_tallies("faults at the venue", result.struck)
    print_tallies("books begun anew", summary.resyncs)
    for line in report_lines(result.setup):
        print(f"  {line}")
    for name, count in summary.rejected.items():
        print(f"  refused frames: {name} {count:,}")
    for check in result.differing:
        print(f"  FAULT: {check.provider} {check.symbol} is not the venue's book: {check.difference}")
    for line in result.faults:
        print(f"  FAULT: counts do not balance: {line}")
    for name, count in result.outstanding.items():
        print(f"  FAULT: pool {name} has {count:,} out")
    if not (result.differing or result.faults or result.outstanding):
        count = len(result.books)
        slow = len(result.slow_books)
        print(f"  slow: {slow} of {slow} books that it rebuilt from what came through equal the venue's own")
        print("  maker: orders, quantities and cash equal the venue's own record of them")
        print(f"  balanced: every count adds up, every pool is whole, {count} of {count} books equal the venue's own")


def _venue_row(result: DemoResult, name: str) -> tuple[str, int, int, int, str]:
    frames = result.summary.frames[name]
    events = sum(row.received for key, row in result.summary.streams.items() if key.startswith(f"{name}:"))
    checks = [check for check in result.books if check.provider == name]
    equal = sum(not check.difference for check in checks)
    per_s = round(frames / result.seconds) if result.seconds else 0
    return name, frames, per_s, events, f"{equal} of {len(checks)} equal the venue's own"


def as_json_document(result: DemoResult) -> dict[str, Any]:
    """The summary as ``--json`` prints it."""
    summary = result.summary
    return {
        "seconds": result.seconds,
        "first_event_ms": result.first_event_ms,
        "frames": summary.frames,
        "pipeline": summary.pipeline(),
        "stages": summary.stages,
        "traces": summary.traces,
        "delivery": summary.delivery,
        "books": result.books,
        "slow_books": result.slow_books,
        "maker_difference": result.maker_difference,
        "books_equal": not result.differing,
        "balanced": not summary.imbalances,
        "findings": result.findings,
        "struck": result.struck,
        "resyncs": summary.resyncs,
        "run": result.setup,
        "reports": {name: msgspec.Raw(text) for name, text in result.reports.items()},
    }
