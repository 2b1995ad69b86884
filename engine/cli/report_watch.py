"""The report of a running engine, once or as it goes on."""

from __future__ import annotations

import asyncio
import sys
from contextlib import nullcontext

import msgspec
from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from engine.base import errors
from engine.cli.report_view import decoded, print_report, view
from engine.reports.answers import Answers
from engine.reports.reader import Served
from engine.runtime.live import stopping

EVERY_S = 0.5
_OP = "report.get"


class _Refusal(msgspec.Struct):
    error: str
    message: str
    reason: str | None = None
    available: tuple[str, ...] = ()
    candidates: tuple[str, ...] = ()


async def show(answers: Answers, symbol: str, *, as_json: bool) -> None:
    """Print the report.

    Raises:
        EngineError: there is none.
    """
    try:
        served = await answers.report(symbol)
    finally:
        await answers.close()
    if served.error is not None:
        raise error_of(served)
    if as_json:
        print(served.body.decode())
    else:
        print_report(served.body)


async def watch_until_stopped(answers: Answers, symbol: str, *, as_json: bool) -> None:
    """Print the report again and again, until a signal: as JSON a line each, on a terminal in one place.

    An engine that is away meanwhile is said to be, and waited for.

    Raises:
        EngineError: there is no such report.
    """
    stopped = asyncio.Event()
    console = Console()
    in_place = not as_json and console.is_terminal
    shown = Live(console=console, auto_refresh=False) if in_place else nullcontext()
    try:
        with stopping(stopped.set), shown as live:
            while not stopped.is_set():
                served = await answers.report(symbol)
                if served.error not in (None, "backend_unavailable"):
                    raise error_of(served)
                if live is not None:
                    live.update(_shown(served), refresh=True)
                elif as_json or served.error is not None:
                    print(served.body.decode())
                else:
                    print_report(served.body)
                sys.stdout.flush()
                await _wait(stopped)
    finally:
        await answers.close()


async def _wait(stopped: asyncio.Event) -> None:
    try:
        async with asyncio.timeout(EVERY_S):
            await stopped.wait()
    except TimeoutError:
        return


def _shown(served: Served) -> Group | Text:
    if served.error is None:
        return view(decoded(served.body))
    return Text(str(error_of(served)), style="bold red")


def error_of(served: Served) -> errors.EngineError:
    """What the command ends with where there is no report."""
    refusal = msgspec.json.decode(served.body, type=_Refusal)
    if refusal.error == "symbol_not_indexed":
        return errors.UnknownSymbolError(
            refusal.message, op=_OP, hint=f"there are: {', '.join(refusal.available) or 'none'}"
        )
    if refusal.error == "backend_unavailable":
        hint = "start one with `engine-run run` or `engine-run demo --reports`, or name it with --url URL"
        kind = errors.EngineGoneError if refusal.reason == "connection" else errors.UnavailableError
        return kind(refusal.message, op=_OP, hint=hint)
    hint = f"name one of {', '.join(refusal.candidates)}" if refusal.candidates else "as BTC-USDT, or binance:BTC-USDT"
    return errors.ValidationError(refusal.message, op=_OP, hint=hint)
