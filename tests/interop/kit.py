"""A simulated venue and a client that is not ours: what the client keeps is held against what the venue tells."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from decimal import Decimal
from importlib.machinery import PathFinder
from pathlib import Path
from typing import Any

import pytest

from tests.serving import get, post, serving

ROOT = Path(__file__).resolve().parents[2]
CA_VARIABLES = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE")
# Frames a second. Most of Binance's are trades, since diffs gather; of the others every tenth is one.
RATES = {"binance": 100, "coinbase": 600, "kraken": 600}
WITHIN_S = 30.0
_STDERR_CHARS = 3000

Levels = list[tuple[Decimal, Decimal]]
Fill = tuple[int, Decimal, Decimal, str]
State = dict[str, Any]


class Simulated:
    """One venue of a simulator, held until the first ``go_on``.

    Attributes:
        addresses: of the venue.
        trust: environment variables that name the authority to trust, none without TLS.
        trades: by symbol, every trade since the start, as told by the control port.
    """

    def __init__(self, venue: str, addresses: dict[str, dict[str, str]]) -> None:
        self.venue = venue
        self.addresses = addresses[venue]
        self.trust = dict.fromkeys(CA_VARIABLES, addresses["tls"]["ca_file"]) if "tls" in addresses else {}
        self._control = addresses["control"]["rest"]
        books = self.get("books")[venue]
        self.trades: dict[str, list[dict[str, Any]]] = {symbol: [] for symbol in books}
        self._next_ids = {symbol: book["last_trade_id"] + 1 for symbol, book in books.items()}

    def get(self, path: str) -> Any:
        return get(f"{self._control}/{path}")

    def arm(self, **rule: object) -> None:
        post(f"{self._control}/faults", {"venue": self.venue, **rule})

    def await_streams(self, streams: Sequence[str], client: Client) -> None:
        """Return when *client*, the only one here, listens to each of *streams*."""

        def all_are_heard() -> bool:
            client.tell()
            return set(streams) <= set(self.get("subscriptions")[self.venue])

        until(all_are_heard, f"not all are heard: {streams}")

    def go_on(self, symbols: Sequence[str], trades_count: int = 10) -> None:
        """Let the market go on until each of *symbols* has traded so often, then freeze it with all told."""
        goals = [len(self.trades[symbol]) + trades_count for symbol in symbols]

        def have_traded() -> bool:
            counts = [self._collect(symbol) for symbol in symbols]
            return all(count >= goal for count, goal in zip(counts, goals, strict=True))

        post(f"{self._control}/resume")
        until(have_traded, "the market does not trade")
        post(f"{self._control}/pause")
        have_traded()

    def books(self, symbols: Sequence[str]) -> dict[str, Any]:
        told = self.get(f"books?venue={self.venue}")[self.venue]
        return {symbol: told[symbol] for symbol in symbols}

    def _collect(self, symbol: str) -> int:
        """Take in the trades that have come; how many there are. The port keeps the newest alone."""
        told = self.get(f"trades?venue={self.venue}&symbol={symbol}")[self.venue][symbol]
        new = [trade for trade in told if trade["id"] >= self._next_ids[symbol]]
        assert not new or new[0]["id"] == self._next_ids[symbol], "more trades at once than the control port keeps"
        self._next_ids[symbol] += len(new)
        self.trades[symbol] += new
        return len(self.trades[symbol])


class Traded:
    """One venue of a simulator whose market runs, for who trades there.

    Attributes:
        addresses: of the venue.
        ca_file: the authority to trust; trust: environment variables that name it.
        symbol: the venue's name of its first market.
    """

    def __init__(self, venue: str, addresses: dict[str, dict[str, str]]) -> None:
        self.venue = venue
        self.addresses = addresses[venue]
        self.ca_file = addresses["tls"]["ca_file"]
        self.trust = dict.fromkeys(CA_VARIABLES, self.ca_file)
        self._control = addresses["control"]["rest"]
        self.symbol = next(iter(self.get("symbols")[venue]))

    def get(self, path: str) -> Any:
        return get(f"{self._control}/{path}")

    def books(self, symbols: Sequence[str]) -> dict[str, Any]:
        told = self.get(f"books?venue={self.venue}")[self.venue]
        return {symbol: told[symbol] for symbol in symbols}

    def orders(self, account: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.get("orders")[self.venue][account]
        return found

    def fills(self, account: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.get("fills")[self.venue][account]
        return found


class Client:
    """A client in a process of its own; see child.py."""

    def __init__(self, process: subprocess.Popen[str], errors: Path) -> None:
        self._process = process
        self._errors = errors

    def tell(self) -> State:
        """What it keeps: ``books`` and ``trades`` by the venue's symbols, ``complaints``."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            self._process.stdin.write("\n")
            self._process.stdin.flush()
            state: State = json.loads(self._process.stdout.readline())
        except (BrokenPipeError, ValueError):
            code = self._process.wait(WITHIN_S)
            raise AssertionError(f"the client ended with {code}: {self.errors()}") from None
        return state

    def errors(self) -> str:
        """The end of what it said on stderr."""
        return self._errors.read_text()[-_STDERR_CHARS:]


@contextmanager
def simulated(venue: str, *args: object) -> Iterator[Simulated]:
    """A held simulator of one venue with three symbols."""
    with serving(
        "--venue", venue, "--port", 0, "--held", "--rate", RATES[venue], "--seed", 5, "--symbols", 3, *args
    ) as (_, addresses):  # fmt: skip
        yield Simulated(venue, addresses)


@contextmanager
def trading(venue: str) -> Iterator[Traded]:
    """A simulator of one venue with three symbols, over TLS."""
    with serving("--venue", venue, "--port", 0, "--rate", 50, "--seed", 5, "--symbols", 3, "--tls") as (_, addresses):
        yield Traded(venue, addresses)


@contextmanager
def running(name: str, config: dict[str, Any], folders: Sequence[Path], tmp_path: Path, **env: str) -> Iterator[Client]:
    """The client of clients/NAME.py, with *folders* before the installed packages."""
    errors = tmp_path / f"{name}.stderr"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, folders)), **env}
    with (
        errors.open("w") as sink,
        subprocess.Popen(
            (sys.executable, str(ROOT / "tests" / "interop" / "child.py"), name, json.dumps(config)),
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=sink, text=True, cwd=tmp_path, env=environment,
        ) as process,
    ):  # fmt: skip
        try:
            yield Client(process, errors)
        finally:
            process.kill()


def installed(extra: str, package: str, *, is_else_here: bool = True) -> list[Path]:
    """Where the clients of *extra* lie: the folder that scripts/test fills, none where they are installed here.

    A package of another version may be here: then *is_else_here* is False.

    Skips where they are nowhere; in CI that is a failure.
    """
    folder = ROOT / "build" / "interop" / extra
    if PathFinder.find_spec(package, [str(folder)]) is not None:
        return [folder]
    if is_else_here and importlib.util.find_spec(package) is not None:
        return []
    missing = f"{package} is not installed: scripts/test installs it, or pip install 'engine[{extra}]'"
    if os.environ.get("CI"):
        pytest.fail(missing)
    pytest.skip(missing)


def until(holds: Callable[[], bool], otherwise: str) -> None:
    end_s = time.monotonic() + WITHIN_S
    while not holds():
        assert time.monotonic() < end_s, otherwise


def agree(client: Client, venue: Simulated, symbols: Sequence[str], depth: int | None = None) -> State:
    """The state of *client* when its books and trades are the frozen venue's; fails with what differs."""
    books = venue.books(symbols)
    end_s = time.monotonic() + WITHIN_S
    while wrong := differences(state := client.tell(), books, venue.trades, depth):
        assert time.monotonic() < end_s, "\n".join([*wrong, *state["complaints"], client.errors()])
    return state


def differences(
    state: State, books: dict[str, Any], trades: dict[str, list[dict[str, Any]]], depth: int | None
) -> list[str]:
    """Each symbol's side of the book, and each symbol's trades, that are not as the venue tells, in words."""
    found = []
    for symbol, book in books.items():
        for side in ("bids", "asks"):
            kept = levels(state["books"].get(symbol, {}).get(side, []))
            if kept != levels(book[side])[:depth]:
                found.append(f"{symbol} {side}: {len(kept)} levels, {kept[:3]} against {levels(book[side])[:3]}")
        kept_trades = [as_trade(trade) for trade in state["trades"].get(symbol, [])]
        if kept_trades != (told := gathered(trades[symbol], state["trades"].get(symbol, []))):
            found.append(f"{symbol} trades: {len(kept_trades)}, {kept_trades[-2:]} against {len(told)}, {told[-2:]}")
    return found


def levels(side: Sequence[Sequence[object]]) -> Levels:
    """Prices and quantities; the text of a float is the shortest that means it, which is the decimal it came from."""
    return [(Decimal(str(price)), Decimal(str(qty))) for price, qty in side]


def gathered(trades: list[dict[str, Any]], kept: list[dict[str, Any]]) -> list[Fill]:
    """*trades* as the client is to have them: those that it kept as one, by ``last_id``, are summed up."""
    ends = {int(trade.get("last_id", trade["id"])) for trade in kept}
    found: list[Fill] = []
    is_open = False
    for fill in map(as_trade, trades):
        if is_open and found[-1][1] == fill[1] and found[-1][3] == fill[3]:
            found[-1] = (found[-1][0], fill[1], found[-1][2] + fill[2], fill[3])
        else:
            found.append(fill)
        is_open = fill[0] not in ends
    return found


def as_trade(trade: dict[str, Any]) -> Fill:
    """Id, price, quantity, the taker's side."""
    return int(trade["id"]), Decimal(str(trade["price"])), Decimal(str(trade["qty"])), trade["taker"]
