"""How a row is told in a cell: shared by the terminal and by BENCHMARKS.md."""
from engine.bench.record import Row

HEADER = ("id", "what", "figure", "floor or baseline", "ratio", "goal", "met", "cores")


def number(value: float | None) -> str:
    """Three to four digits that mean something; thousands are grouped."""
    if value is None:
        return ""
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 100 else f"{value:.3g}"


def figure(row: Row) -> str:
    """The figure with its unit, and its range where it was kept."""
    text = f"{number(row.figure)} {row.unit}"
    if row.figure_min is not None and row.figure_max is not None:
        text += f" ({number(row.figure_min)}-{number(row.figure_max)})"
    return text


def baseline(row: Row) -> str:
    """The floor or rival and its figure."""
    return "" if row.baseline_figure is None else f"{row.baseline}: {number(row.baseline_figure)} {row.unit}"


def ratio(row: Row) -> str:
    """The ratio the goal speaks of; how many times faster where that is the goal."""
    if row.relation in ("at_most", "at_least", "within") or row.ratio is None:
        return ""
    return f"{row.ratio:.1f}x faster" if row.relation == "times_faster" else f"{row.ratio:.2f}x"


def goal(row: Row) -> str:
    """The limit, and the stretch where there is one."""
    if row.limit is None:
        return ""
    limit = number(row.limit)
    text = {
        "at_most": f"<= {limit} {row.unit}",
        "at_least": f">= {limit} {row.unit}",
        "at_most_times": f"<= {limit}x",
        "times_faster": f">= {limit}x faster",
        "within": f"<= {1 + row.limit:.2f}",
        "shown": "",
    }[row.relation]
    return text if row.stretch is None else f"{text} ({number(row.stretch)})"


def met(row: Row) -> str:
    """``met``, ``missed``, ``void``, or nothing where there is no goal."""
    if row.voided:
        return "void"
    return {True: "met", False: "missed", None: ""}[row.met]


def cells(row: Row) -> tuple[str, ...]:
    """One line of the terminal's table, by HEADER."""
    what = ", ".join(filter(None, (row.subject, row.case, row.regime)))
    return row.goal, what, figure(row), baseline(row), ratio(row), goal(row), met(row), str(row.cores)


def order(row: Row) -> tuple[str, int, str]:
    """Goals in order of their numbers, criteria behind them."""
    kind, _, number = row.goal.rpartition("-")
    return (kind, int(number), row.goal) if kind and number.isdigit() else ("", _number(row.goal[1:]), row.goal)


def _number(text: str) -> int:
    return int(text) if text.isdigit() else 99
