"""What the command prints: results on stdout, progress on stderr; live on a terminal, else plain lines."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Protocol, Self

import msgspec

if TYPE_CHECKING:
    from rich.progress import Progress as RichProgress
    from rich.progress import TaskID

PLAIN_EVERY_S = 5.0


def on_terminal() -> bool:
    """Whether a person looks at stderr."""
    return sys.stderr.isatty()


def print_json(result: Any) -> None:
    """One JSON document on stdout; indented where a person reads it."""
    text = msgspec.json.encode(result)
    print((msgspec.json.format(text, indent=2) if sys.stdout.isatty() else text).decode())


def print_table(columns: Sequence[str], rows: Sequence[Sequence[object]], title: str | None = None) -> None:
    """A table on stdout: framed on a terminal, aligned columns elsewhere. Numbers stand right."""
    if sys.stdout.isatty():
        _print_rich_table(columns, rows, title)
        return
    texts = [[str(cell) for cell in row] for row in (columns, *rows)]
    widths = [max(len(row[index]) for row in texts) for index in range(len(columns))]
    right = [
        bool(rows) and all(isinstance(row[index], int | float) for row in rows)
        for index in range(len(columns))
    ]
    if title is not None:
        print(title)
    for row in texts:
        cells = [
            cell.rjust(width) if at_right else cell.ljust(width)
            for cell, width, at_right in zip(row, widths, right, strict=True)
        ]
        print("  ".join(cells).rstrip())


def _print_rich_table(columns: Sequence[str], rows: Sequence[Sequence[object]], title: str | None) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(title=title)
    for index, column in enumerate(columns):
        numbers = bool(rows) and all(isinstance(row[index], int | float) for row in rows)
        table.add_column(column, justify="right" if numbers else "left")
    for row in rows:
        # Text, not markup: a value may hold square brackets.
        table.add_row(*(Text(str(cell)) for cell in row))
    Console().print(table)


class Progress(Protocol):
    """A task whose advance is shown; a context manager."""

    def update(self, done: int, note: str = "") -> None:
        """*done* of the total are done; *note* says what else is worth knowing now."""

    def __enter__(self) -> Self: ...
    def __exit__(self, *exc_info: object) -> None: ...


def progress(
    what: str, total: int | None, unit: str, clock_s: Callable[[], float] = time.monotonic
) -> Progress:
    """Show how far a task is: a bar on a terminal, a line every few seconds elsewhere.

    Args:
        what: the task, as ``replay``.
        total: how many there are; None = unknown.
        unit: what is counted, as ``records``.
        clock_s: seconds by a clock that never steps back.
    """
    return _Bar(what, total, unit) if on_terminal() else _Lines(what, total, unit, clock_s)


class _Lines:
    def __init__(self, what: str, total: int | None, unit: str, clock_s: Callable[[], float]) -> None:
        self._what = what
        self._total = total
        self._unit = unit
        self._clock_s = clock_s
        self._next_s = clock_s() + PLAIN_EVERY_S
        self._last = (0, "")
        self._shown: tuple[int, str] | None = None

    def update(self, done: int, note: str = "") -> None:
        self._last = (done, note)
        if self._clock_s() >= self._next_s:
            self._show()

    def _show(self) -> None:
        self._next_s = self._clock_s() + PLAIN_EVERY_S
        self._shown = self._last
        done, note = self._last
        of = "" if self._total is None else f" of {self._total}"
        share = "" if not self._total else f" ({done * 100 // self._total} %)"
        print(
            f"{self._what}: {done}{of} {self._unit}{share}" + (f", {note}" if note else ""), file=sys.stderr
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        if self._shown != self._last:
            self._show()


class _Bar:
    def __init__(self, what: str, total: int | None, unit: str) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

        self._bar: RichProgress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn(f"{{task.completed}} {unit}"),
            TimeElapsedColumn(),
            TextColumn("{task.fields[note]}", markup=False),
            console=Console(stderr=True),
        )
        self._task: TaskID = self._bar.add_task(what, total=total, note="")

    def update(self, done: int, note: str = "") -> None:
        self._bar.update(self._task, completed=done, note=note)

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._bar.stop()
