"""An engine in one process, simulated venues in another, and what each says of the books: the kit of these tests.

Nothing here looks into the engine: its books are those a strategy rebuilds from its events, and the venues' own come
from their control port.
"""

from __future__ import annotations

import json
import math
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

SCALE = float(os.environ.get("ENGINE_TEST_TIME_SCALE", "1"))
VENUES = ("binance", "coinbase", "kraken")
HEALED_WITHIN_S = 5.0
"""BOOK-20, SC-06."""
_READY_WITHIN_S = 30.0
_ANSWER_WITHIN_S = 20.0
_LEVELS_TOLD = 3
_LOG_TOLD = 1500

Rule = dict[str, Any]


class Venues:
    """Simulated venues in a process of their own, spoken to by their control port."""

    def __init__(self, *arguments: str) -> None:
        command = (
            *(sys.executable, "-m", "engine", "sim", "--json", "--log-level", "warning"),
            *("--venue", ",".join(VENUES)),
            *arguments,
        )
        self._errors = tempfile.TemporaryFile("w+")  # noqa: SIM115 - open as long as the process
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=self._errors, text=True)
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise AssertionError(f"no simulator: {self.errors()[-2000:]}")
        self.endpoints: dict[str, dict[str, str]] = json.loads(line)
        self._began_s = time.monotonic()

    def at_s(self) -> float:
        """The market's time, in seconds from its start, to a few milliseconds."""
        return time.monotonic() - self._began_s

    def ask(self, method: str, path: str, body: object = None) -> Any:
        """A call to the control port."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.endpoints['control']['rest']}{path}", data, method=method)
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return json.loads(answer.read())
        except urllib.error.HTTPError as refused:
            raise AssertionError(f"{method} {path}: {refused.read().decode()}") from None

    def symbols(self) -> dict[str, list[str]]:
        """Public symbols by venue, in the venue's order."""
        listed = self.ask("GET", "/symbols")
        return {venue: [row["symbol"] for row in rows.values()] for venue, rows in listed.items()}

    def books(self) -> dict[str, dict[str, Any]]:
        """``venue BASE-QUOTE`` -> its book as the venue has it."""
        listed, books = self.ask("GET", "/symbols"), self.ask("GET", "/books")
        return {
            f"{venue} {listed[venue][symbol]['symbol']}": book
            for venue, found in books.items()
            for symbol, book in found.items()
        }

    def arm(self, *rules: Rule) -> None:
        """Add rules to the fault plan."""
        self.ask("POST", "/faults", list(rules))

    def struck(self) -> Counter[tuple[str, str]]:
        """How often each fault of each venue has struck: (venue, fault) -> count."""
        counts = self.ask("GET", "/faults")["counts"]
        return Counter({(venue, name): count for venue, row in counts.items() for name, count in row.items()})

    def injected(self) -> list[dict[str, Any]]:
        """Every strike so far, in order."""
        found: list[dict[str, Any]] = self.ask("GET", "/faults")["injected"]
        return found

    def errors(self) -> str:
        """What it has said on stderr."""
        self._errors.seek(0)
        return self._errors.read()

    def stop(self) -> str:
        """End it in order; returns what it said on stderr."""
        self.process.send_signal(signal.SIGTERM)
        self.process.communicate(timeout=30 * SCALE)
        return self.errors()

    def kill(self) -> None:
        """End it at once, as a power cut would."""
        self.process.kill()
        self.process.wait()

    def close(self) -> None:
        """Leave nothing behind."""
        self.kill()
        assert self.process.stdout is not None
        self.process.stdout.close()
        self._errors.close()


@dataclass
class Result:
    """What a run came to: exit code, its ``--json`` document, the strategy's last words, its log."""

    code: int
    summary: dict[str, Any]
    report: dict[str, Any]
    errors: str


class Run:
    """``engine-run run`` with the observer as its one consumer."""

    def __init__(self, folder: Path, config: dict[str, Any]) -> None:
        self._report = folder / "report.json"
        self._bell = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._bell.bind(str(folder / "bell"))
        self._bell.settimeout(_ANSWER_WITHIN_S * SCALE)
        (folder / "engine.yaml").write_text(json.dumps(config))
        self._errors = (folder / "errors.log").open("w+")
        command = (sys.executable, "-m", "engine", "run", "--config", "engine.yaml", "--json", "--set",
                   "api.enabled=false", "--set", "mcp.enabled=false")  # fmt: skip
        self.process = subprocess.Popen(
            command, cwd=folder, stdout=subprocess.PIPE, stderr=self._errors, text=True
        )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise AssertionError(f"no engine: {self.errors()[-2000:]}")
        self.ready: list[dict[str, Any]] = json.loads(line)["ready"]["providers"]

    def errors(self) -> str:
        """What it has said on stderr."""
        self._errors.flush()
        return Path(self._errors.name).read_text()

    def report(self) -> dict[str, Any]:
        """What the strategy holds now."""
        os.kill(self.process.pid, signal.SIGUSR1)
        self._bell.recv(64)
        found: dict[str, Any] = json.loads(self._report.read_bytes())
        return found

    def stop(self) -> Result:
        """End it in order."""
        self.process.send_signal(signal.SIGTERM)
        out, _ = self.process.communicate(timeout=40 * SCALE)
        assert self.process.returncode in (0, 1, 3), self.errors()[-2000:]
        return Result(
            self.process.returncode, json.loads(out), json.loads(self._report.read_bytes()), self.errors()
        )

    def close(self) -> None:
        """Leave nothing behind."""
        self.process.kill()
        self.process.wait()
        assert self.process.stdout is not None
        self.process.stdout.close()
        self._bell.close()
        self._errors.close()


def configured(
    venues: Venues, folder: Path, symbols: dict[str, list[str]], special: dict[str, dict[str, Any]]
) -> dict[str, Any]:
    """A configuration: every symbol at every venue, all of it to one observer; *special*: keys of single providers."""
    (folder / "observer.py").write_text(Path(__file__).with_name("observer.py").read_text())
    return {
        "schema_version": 1,
        "log": {"level": "info"},
        "providers": [
            {
                "name": venue,
                "venue": venue,
                "symbols": found,
                "ws_endpoint": venues.endpoints[venue]["ws"],
                "rest_endpoint": venues.endpoints[venue]["rest"],
                **special.get(venue, {}),
            }
            for venue, found in symbols.items()
        ],
        "consumers": [
            {
                "consumer_id": "observer",
                "mode": "inline",
                "handler": "observer:Observer",
                "params": {"report": str(folder / "report.json"), "bell": str(folder / "bell")},
                "mailbox_capacity": 8192,
                "callback_budget_ms": 1000,
                "subscriptions": [
                    {"symbol": symbol, "event_types": ["BookUpdate", "Trade", "InstrumentUpdate"]}
                    for symbol in sorted({symbol for found in symbols.values() for symbol in found})
                ],
            }
        ],
    }


class Scene:
    """Venues, an engine on them, and the comparison of the two."""

    def __init__(self, venues: Venues, run: Run, symbols: dict[str, list[str]], depths: dict[str, int]) -> None:
        self.venues = venues
        self.run = run
        self._depths = depths
        self.expected = {f"{venue} {symbol}" for venue, found in symbols.items() for symbol in found}

    def until(self, holds: Callable[[dict[str, Any]], bool], what: str, within_s: float = 20.0) -> dict[str, Any]:
        """The first report for which *holds* is true; the strategy takes its time to answer, so nobody spins."""
        deadline_s = time.monotonic() + within_s * SCALE
        while not holds(report := self.run.report()):
            if time.monotonic() > deadline_s:
                unhealed = sorted(self.expected - set(report["books"]))
                log = self.run.errors()[-_LOG_TOLD:]
                raise AssertionError(f"not within {within_s} s: {what}; not valid: {unhealed[:5]}; the log: {log}")
        return report

    def valid(self, within_s: float = 20.0) -> dict[str, Any]:
        """Wait until every book is valid."""
        return self.until(lambda report: self.expected == set(report["books"]), "every book valid", within_s)

    def _published(self, name: str, book: dict[str, Any]) -> dict[str, Any]:
        """As much of a venue's book as the engine is to publish."""
        depth = self._depths.get(name.partition(" ")[0])
        return book if depth is None else {**book, **{side: book[side][:depth] for side in ("bids", "asks")}}

    def equal(self, within_s: float = 5.0) -> dict[str, Any]:
        """Stop the market, and wait until the strategy has every book exactly as its venue has it."""
        self.valid()
        self.venues.ask("POST", "/pause")
        theirs = {name: self._published(name, book) for name, book in self.venues.books().items()}
        deadline_s = time.monotonic() + within_s * SCALE
        while found := differences(report := self.run.report(), theirs, self.expected):
            assert time.monotonic() < deadline_s, f"{len(found)} books differ: {found[:_LEVELS_TOLD]}"
        self.venues.ask("POST", "/resume")
        return report


    def breaches(self) -> dict[str, Any]:
        """Limits of the venues that were broken, by venue."""
        counts = self.venues.ask("GET", "/counts")
        return {venue: row["breaches"] for venue, row in counts.items() if row["breaches"]}


@contextmanager
def scene(
    folder: Path, *arguments: str, port: int = 0, special: dict[str, dict[str, Any]] | None = None
) -> Iterator[Scene]:
    """Simulated venues begun with *arguments*, and a ready engine with every book of them valid."""
    with ExitStack() as stack:
        venues = Venues("--port", str(port), *arguments)
        stack.callback(venues.close)
        symbols = venues.symbols()
        run = Run(folder, configured(venues, folder, symbols, special or {}))
        stack.callback(run.close)
        depths = {venue: keys["book"]["depth_levels"] for venue, keys in (special or {}).items() if "book" in keys}
        found = Scene(venues, run, symbols, depths)
        found.valid(within_s=_READY_WITHIN_S)
        yield found


def differences(report: dict[str, Any], theirs: dict[str, Any], expected: set[str]) -> list[str]:
    """Books that are not the venue's, each with its first level that differs."""
    found = []
    for name in sorted(expected):
        ours = report["books"].get(name)
        if ours is None:
            found.append(f"{name}: not valid")
            continue
        for side in ("bids", "asks"):
            told = [
                (Decimal(price).scaleb(-ours["price_scale"]), Decimal(qty).scaleb(-ours["qty_scale"]))
                for price, qty in ours[side]
            ]
            true = [(Decimal(price), Decimal(qty)) for price, qty in theirs[name][side]]
            if told != true:
                place = next((at for at, pair in enumerate(zip(told, true, strict=False)) if pair[0] != pair[1]), -1)
                first = "" if place < 0 else f", level {place + 1}: {told[place]} here, {true[place]} there"
                found.append(f"{name} {side}: {len(told)} levels here, {len(true)} there{first}")
                break
    return found


def assert_clean(result: Result, within_s: float = HEALED_WITHIN_S) -> None:
    """A run that ended in order, delivered nothing it should not, balances, and healed every book in time."""
    report, summary = result.report, result.summary
    assert report["breaches"] == []
    assert result.code == 0, result.errors[-2000:]
    assert summary["balanced"]
    assert summary["pipeline"]["consumers"]["observer"]["dropped"] == 0
    assert [one for one in report["resyncs"] if took_s(one) >= within_s * SCALE] == []


def took_s(resync: dict[str, Any]) -> float:
    """From the loss to the next snapshot; infinite where there was none."""
    return math.inf if resync["valid_ns"] is None else float(resync["valid_ns"] - resync["lost_ns"]) / 1e9
