"""A report as a person reads it: the book as bars, what stands out in it, who is buying, what is wrong."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import msgspec
from rich.console import Console, Group
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

BAR_CELLS = 22
FLOW_CELLS = 40
PLAIN_WIDTH = 100
_BLOCKS = " ▏▎▍▌▋▊▉█"
_EIGHTHS = 8
_DECODER = msgspec.json.Decoder(float_hook=Decimal)
_COLOUR = {"high": "bold red", "medium": "yellow", "low": "cyan"}
_STATUS = {"ok": "green", "degraded": "yellow", "down": "bold red"}
Report = dict[str, Any]


def print_report(text: bytes) -> None:
    """Print a report given as JSON; colours where a terminal shows them."""
    console = Console()
    if not console.is_terminal:
        console = Console(width=PLAIN_WIDTH)
    console.print(view(decoded(text)))


def decoded(text: bytes) -> Report:
    """A report with its numbers exact."""
    return _DECODER.decode(text)  # type: ignore[no-any-return]


def print_overview(texts: list[bytes]) -> None:
    """One line a report."""
    from engine.cli.output import print_table

    columns = ("report", "status", "age ms", "last", "spread bps", "imbalance", "net flow", "health", "anomalies")
    rows = []
    for report in map(_DECODER.decode, texts):
        found = Counter(f"{one['severity']} {one['type']}" for one in report["anomalies"])
        anomalies = ", ".join(what if times == 1 else f"{times} x {what}" for what, times in found.items())
        rows.append((
            f"{report['venue']} {report['symbol']}",
            report["ingestion"]["status"],
            report["data_age_ms"],
            _number(report["last_price"]),
            _number(report["spread_bps"]),
            _number(report["depth"]["imbalance"]),
            _number(report["flow"]["net_flow"]),
            report["health"]["score"],
            anomalies or "none",
        ))  # fmt: skip
    print_table(columns, rows)


def view(report: Report) -> Group:
    """The report, top to bottom."""
    return Group(
        _head(report),
        _prices(report),
        _depth(report),
        _flow(report["flow"]),
        *_liquidity(report),
        _anomalies(report),
    )


# -- parts ---------------------------------------------------------------------------------------------------


def _head(report: Report) -> Panel:
    status = report["ingestion"]["status"]
    age = report["data_age_ms"]
    health = report["health"]
    line = Text.assemble(
        (f"{report['venue']} {report['symbol']}", "bold"),
        f"   {report['generated_at']}   ",
        (status, _STATUS[status]),
        f"   age {'-' if age is None else f'{age:,} ms'}   book {report['book_state']}   ",
    )
    if health is not None:
        line.append(f"health {health['score']}", "bold")
    return Panel(line, expand=False)


def _prices(report: Report) -> Table:
    table = Table.grid(padding=(0, 3))
    day = report["stats_24h"]
    source = "" if day["source"] is None else f"{day['source']}, {_seconds(day['coverage_sec'])}"
    change = report["change_24h_pct"]
    shown = "-" if change is None else f"{change:+} %"
    colour = "" if not change else "green" if change > 0 else "red"
    table.add_row("last", _number(report["last_price"]), "24 h", Text(shown, colour), f"({source})" if source else "")
    table.add_row("mid", _number(report["mid_price"]), "high", _number(report["high_24h"]))
    table.add_row("micro", _number(report["micro_price"]), "low", _number(report["low_24h"]))
    spread = report["spread_bps"]
    table.add_row("spread", "-" if spread is None else f"{spread} bps", "volume", _number(report["volume_24h"]))
    return table


def _depth(report: Report) -> Table:
    depth = report["depth"]
    bids, asks = depth["top20_bid"], depth["top20_ask"]
    if bids is None:
        note = "depth unknown: the book is resyncing"
        if report["l1_source"] == "ticker":
            bid, ask = report["best_bid"], report["best_ask"]
            note = f"no book yet; ticker: {_level(bid)} | {_level(ask)}"
        table = Table.grid()
        table.add_row(Text(note, "yellow"))
        return table
    most = max((level["qty"] for level in (*bids, *asks)), default=Decimal(1))
    walls = {(wall["side"], wall["price"]): wall["severity"] for wall in report["liquidity"]["walls"] or ()}
    table = Table(box=None, padding=(0, 1), title=_depth_title(depth), title_justify="left")
    for name in ("", "quantity", "bid"):
        table.add_column(name, justify="right")
    for name in ("ask", "quantity", ""):
        table.add_column(name)
    for place in range(max(len(bids), len(asks))):
        left = _side(bids, place, most, "bid", walls)
        right = _side(asks, place, most, "ask", walls)
        table.add_row(left[2], left[1], left[0], *right)
    return table


def _depth_title(depth: Report) -> str:
    cut = ", not all 20 levels known" if depth["truncated"] else ""
    return (
        f"depth  {_number(depth['sum_bid'])} bid | {_number(depth['sum_ask'])} ask"
        f"  imbalance {depth['imbalance']:+}{cut}"
    )


def _side(levels: list[Report], place: int, most: Decimal, side: str, walls: dict[Any, str]) -> tuple[Text, Text, Text]:
    if place >= len(levels):
        return Text(), Text(), Text()
    level = levels[place]
    severity = walls.get((side, level["price"]))
    colour = "green" if side == "bid" else "red"
    bar = _bar(level["qty"], most, BAR_CELLS, mirrored=side == "bid")
    style = _COLOUR[severity] if severity else ""
    mark = f" wall {severity}" if severity else ""
    return (
        Text(_number(level["price"]), colour),
        Text(_number(level["qty"]), style),
        Text(f"{mark} {bar}" if side == "bid" else f"{bar}{mark}", style or colour),
    )


def _flow(flow: Report) -> Table:
    table = Table.grid(padding=(0, 2))
    buy, sell = flow["buy_volume"], flow["sell_volume"]
    if buy is None:
        return table
    both = buy + sell
    cells = round(FLOW_CELLS * buy / both) if both else 0
    bar = Text.assemble(("█" * cells, "green"), ("█" * (FLOW_CELLS - cells if both else 0), "red"))
    net = Text(f"net {flow['net_flow']:+}", "green" if flow["net_flow"] > 0 else "red" if flow["net_flow"] < 0 else "")
    table.add_row("flow 30 s", f"buy {_number(buy)}", bar, f"sell {_number(sell)}", net)
    table.add_row(
        "rates",
        f"{flow['orders_per_sec']}/s",
        f"trades {flow['trades_per_sec']}/s, book {flow['book_updates_per_sec']}/s",
        f"unknown {_number(flow['unknown_volume'])}",
        f"over {_seconds(flow['coverage_sec'])}",
    )
    return table


def _liquidity(report: Report) -> Iterator[Text]:
    liquidity = report["liquidity"]
    basis = liquidity["basis"]
    if liquidity["walls"] is None:
        yield Text(f"walls and vacuums: not evaluated ({basis['n']} of 20 samples at the least)", "dim")
    else:
        walls, vacuums = liquidity["walls"], liquidity["vacuums"]
        yield Text(f"walls {len(walls)} at {_number(basis['threshold'])} or more; vacuums {len(vacuums)}")
        for vacuum in vacuums:
            span = f"{_number(vacuum['from'])} to {_number(vacuum['to'])}"
            words = f"  vacuum {vacuum['side']} {span}, {vacuum['levels']} levels, {vacuum['severity']}"
            yield Text(words, _COLOUR[vacuum["severity"]])
    profile = liquidity["profile"]
    if profile is not None:
        yield Text(
            f"volume profile  {_number(profile['val'])} .. {_number(profile['poc'])} .. {_number(profile['vah'])}"
            f"  ({profile['trade_count']:,} trades in {_seconds(profile['coverage_sec'])})"
        )


def _anomalies(report: Report) -> Group:
    lines = []
    for anomaly in report["anomalies"]:
        what = f"{anomaly['type']} {anomaly['side']}" if anomaly["side"] else anomaly["type"]
        lines.append(Text(f"{anomaly['severity'].upper()} {what} {anomaly['note']}", _COLOUR[anomaly["severity"]]))
    return Group(*(lines or [Text("no anomaly", "dim")]))


# -- texts ---------------------------------------------------------------------------------------------------


def _bar(value: Decimal, most: Decimal, cells: int, *, mirrored: bool) -> str:
    """A bar of eighths of a cell; a mirrored one grows to the left, in whole cells."""
    eighths = int(value * cells * _EIGHTHS / most)
    whole, rest = divmod(max(eighths, 1), _EIGHTHS)
    if mirrored:
        return "█" * whole if whole else "▕"
    return "█" * whole + (_BLOCKS[rest] if rest else "")


def _number(value: Any) -> str:
    return "-" if value is None else f"{value:,}"


def _level(level: Report | None) -> str:
    return "-" if level is None else f"{_number(level['qty'])} at {_number(level['price'])}"


def _seconds(value: Any) -> str:
    return "-" if value is None else f"{value:,} s"
