"""The processes of a measurement: simulated venues, and the engine as its command runs it, with a desk."""
from __future__ import annotations

import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from engine.bench.children import ProcessFailedError, surroundings
from engine.bench.service.desk import NUMBERS, Notes
from engine.simulator.keys import KEYS

THREE = ("binance", "coinbase", "kraken")
PLAIN = ("simulated",)
TRADERS = ("Trader", "TradingChanger")
_DESK, _TRADER = "engine.bench.service.desk", "engine.bench.service.trader"
TOKEN = "the token of a measurement"
CONFIG = "engine.yaml"
"""Of a run, in the folder of its world."""
_END_WITHIN_S = 60
_OPEN_WITHIN_S = 30
FREE = {
    "limits": {"max_order_notional": None, "max_position": None, "orders_per_s": 100_000, "orders_burst": 100_000,
               "max_open_orders_per_symbol": 10_000},
    "circuit_breaker": {"breaches": 10_000, "window_s": 1},
}  # fmt: skip
"""Risk that stands in nobody's way."""
SURFACE = {"port": 0, "token_env": "BENCH_API_TOKEN"}
"""`api` of a run that is asked things."""


class World:
    """Venues that run, and a folder for what engines write."""

    def __init__(self, process: subprocess.Popen[str], folder: Path, venues: Sequence[str]) -> None:
        assert process.stdout is not None
        line = process.stdout.readline()
        if not line:
            raise ProcessFailedError("the simulated venues did not start")
        self.endpoints: dict[str, dict[str, str]] = msgspec.json.decode(line)
        self.folder = folder
        listed = self.ask("GET", "/symbols")
        self.symbols: dict[str, list[str]] = {
            venue: [row["symbol"] for row in listed[venue].values()] for venue in venues
        }

    def ask(self, method: str, path: str, body: object = None) -> Any:
        """A call to the venues' control port.

        Raises:
            ProcessFailedError: it was refused.
        """
        data = None if body is None else msgspec.json.encode(body)
        request = urllib.request.Request(f"{self.endpoints['control']['rest']}{path}", data, method=method)
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return msgspec.json.decode(answer.read())
        except urllib.error.HTTPError as refused:
            raise ProcessFailedError(f"{method} {path}: {refused.read().decode()}") from None

    def ahead_ns(self) -> int:
        """How far the venues' clock is ahead of the machine's."""
        told = self.ask("GET", "/time")
        return int(told["market_ns"] - told["clock_ns"])

    def all_symbols(self) -> list[str]:
        """Every public symbol, once."""
        return sorted({symbol for symbols in self.symbols.values() for symbol in symbols})


@contextmanager
def world(rate: int, symbols: int, venues: Sequence[str] = THREE, *more: str) -> Iterator[World]:
    """Simulated venues of *symbols* each, *rate* frames a second in all; *more*: flags of ``engine-run sim``.

    Raises:
        ProcessFailedError: they do not start.
    """
    command = [
        *(sys.executable, "-m", "engine", "sim", "--json", "--port", "0", "--log-level", "error"),
        *("--venue", ",".join(venues), "--rate", str(rate), "--symbols", str(symbols), *more),
    ]
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        process = subprocess.Popen(
            command, env=surroundings(), cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        stack.enter_context(process)
        stack.callback(process.kill)
        yield World(process, folder, venues)


def trading_at(venue: str) -> tuple[dict[str, Any], dict[str, str]]:
    """What a provider of *venue* needs to trade there with the venue's public key: its keys, and the environment."""
    key = KEYS[venue][0]
    names = {field: f"BENCH_{venue.upper()}_{field.upper()}" for field in ("api_key", "api_secret")}
    credentials = {f"{field}_env": name for field, name in names.items()} | {"key_type": key.kind}
    return (
        {"credentials": credentials, "orders": {"enabled": True}},
        {names["api_key"]: key.api_key, names["api_secret"]: key.secret},
    )


def consumer(
    name: str,
    kind: str,
    symbols: Sequence[str],
    types: Sequence[str] = ("Trade", "BookUpdate"),
    *,
    params: Mapping[str, Any] | None = None,
    merged: Mapping[str, str] | None = None,
    **keys: Any,
) -> dict[str, Any]:
    """A consumer of the configuration: the strategy *kind* of the desk on *symbols*.

    Args:
        name: its id; it writes its notes to a file of that name.
        kind: class of :mod:`engine.bench.service.desk`, or one of TRADERS.
        symbols: subscribed.
        types: of their events; of a merge rule, that of the rule alone.
        params: of the strategy, besides its notes.
        merged: merge rule by event type, of the first symbol; then nothing else is subscribed.
        keys: further keys of the configuration.
    """
    notes = {} if kind == "Sleeper" else {"notes": f"{name}.notes"}
    if merged is None:
        rows = [{"symbol": symbol, "event_types": list(types)} for symbol in symbols]
    else:
        rows = [{"symbol": symbols[0], "event_types": [wanted], "merged": rule} for wanted, rule in merged.items()]
    handler = f"{_TRADER if kind in TRADERS else _DESK}:{kind}"
    return {
        "consumer_id": name, "handler": handler, "params": {**notes, **(params or {})},
        "callback_budget_ms": 60_000, "subscriptions": rows, **keys,
    }  # fmt: skip


class Written:
    """When venues wrote a frame to its socket, by the machine's clock: no earlier than what is said here.

    A frame's own time is when it was due; a venue that shares the machine with its clients comes to it later.

    Args:
        writes: as the venues' control port tells them.
    """

    def __init__(self, writes: Mapping[str, Mapping[str, list[int]]]) -> None:
        self._writes = {NUMBERS[name]: (rows["up_to_us"], rows["written_ns"]) for name, rows in writes.items()}

    def at_ns(self, number: int, venue_ns: int) -> int:
        """Of a frame of the venue *number* with the time *venue_ns*; 0 where that is not told any more, or not yet."""
        up_to_us, written_ns = self._writes[number]
        place = bisect_left(up_to_us, venue_ns // 1000)
        return written_ns[place] if up_to_us and up_to_us[0] <= venue_ns // 1000 <= up_to_us[-1] else 0


@dataclass
class Ended:
    """What a run came to.

    Attributes:
        code: its exit code.
        report: what ``engine-run run --json`` printed.
        log: its stderr.
        notes: of each consumer.
        began_ns, ended_ns: the part of the run that counts, by the machine's clock.
        ahead_ns: how far the venues' clock is ahead of it.
        written: when venues wrote what they sent.
        stop_s: from the signal to the end of the process.
    """

    code: int
    report: dict[str, Any]
    log: str
    notes: dict[str, Notes]
    began_ns: int
    ended_ns: int
    ahead_ns: int
    written: Written
    stop_s: float
    dead_letters: list[dict[str, Any]] = field(default_factory=list)

    def delays_ns(self, name: str) -> list[int]:
        """Of a Watcher: from the venue's writing to the callback, of what was written in the part that counts."""
        at_ns, began_ns, ended_ns = self.written.at_ns, self.began_ns, self.ended_ns
        rows = ((at_ns(number, venue_ns), callback_ns) for venue_ns, callback_ns, number in self.notes[name].times)
        return [callback_ns - sent_ns for sent_ns, callback_ns in rows if began_ns <= sent_ns <= ended_ns]


def asked(request: urllib.request.Request | str) -> Any:
    """What a server answers, refusals as well."""
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return msgspec.json.decode(answer.read())
    except urllib.error.HTTPError as refused:
        return msgspec.json.decode(refused.read())


class Run:
    """``engine-run run`` in a process of its own, ready."""

    def __init__(self, place: World, process: subprocess.Popen[str], consumers: Sequence[dict[str, Any]]) -> None:
        self._place = place
        self.process = process
        self._names = [row["consumer_id"] for row in consumers if "notes" in row["params"]]
        assert process.stdout is not None
        line = process.stdout.readline()
        if '"ready"' not in line:
            raise ProcessFailedError(f"engine-run run did not start: {self._log()[-2000:]}")
        ready = msgspec.json.decode(line)["ready"]
        self.api: str | None = ready["api"]
        """Where the operator's surface is served, if it is."""
        self.reports: str | None = ready["reports"]
        """Where the reports are served, if they are."""
        self._ahead_ns = place.ahead_ns()
        self.began_ns = time.time_ns()

    def _log(self) -> str:
        return (self._place.folder / "log").read_text()

    def pause(self, seconds: float) -> None:
        """Let it run for so long."""
        time.sleep(seconds)

    def until_open(self) -> None:
        """Let it run until every book is in force and orders are reconciled; it has an operator's surface.

        Raises:
            ProcessFailedError: that does not come.
        """
        end_s = time.monotonic() + _OPEN_WITHIN_S
        while not (answer := self.ask("GET", "/ready"))["ready"]:
            if time.monotonic() > end_s:
                raise ProcessFailedError(f"the engine is not ready within {_OPEN_WITHIN_S} s: {answer['reasons']}")
            self.pause(0.05)

    def threads(self) -> int:
        """Threads of the process now."""
        return len(list(Path(f"/proc/{self.process.pid}/task").iterdir()))

    def children(self) -> int:
        """Processes that it has started and that are there."""
        return len(Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split())

    def resident_bytes(self) -> int:
        """Memory that it holds now."""
        pages = int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1])
        return pages * 4096

    def ask(self, method: str, path: str, body: object = None) -> Any:
        """A call to the operator's surface; what it answers, refusals as well."""
        data = None if body is None else msgspec.json.encode(body)
        headers = {"Authorization": f"Bearer {TOKEN}"}
        return asked(urllib.request.Request(f"{self.api}{path}", data, headers, method=method))

    def kill(self) -> None:
        """End it without warning, as a crash would."""
        self.process.kill()
        self.process.wait()

    def stop(self) -> Ended:
        """End it in order.

        Raises:
            ProcessFailedError: it does not end, or ended with an error.
        """
        ended_ns = time.time_ns()
        written = Written(self._place.ask("GET", "/writes"))
        self.process.send_signal(signal.SIGTERM)
        try:
            out, _ = self.process.communicate(timeout=_END_WITHIN_S)
        except subprocess.TimeoutExpired:
            raise ProcessFailedError("engine-run run does not end") from None
        stop_s = (time.time_ns() - ended_ns) / 1e9
        if not out:
            raise ProcessFailedError(f"engine-run run told nothing: {self._log()[-2000:]}")
        folder = self._place.folder
        files = {name: folder / f"{name}.notes" for name in self._names}
        notes = {name: msgspec.msgpack.decode(file.read_bytes(), type=Notes) for name, file in files.items()}
        letters = folder / "letters"
        lines = letters.read_bytes().splitlines() if letters.is_file() else []
        return Ended(
            self.process.returncode, msgspec.json.decode(out), self._log(), notes, self.began_ns, ended_ns,
            self._ahead_ns, written, stop_s, [msgspec.json.decode(line) for line in lines],
        )  # fmt: skip


@contextmanager
def engine_on(
    place: World,
    consumers: Sequence[dict[str, Any]],
    *,
    symbols: Mapping[str, Sequence[str]] | None = None,
    trading: Sequence[str] = (),
    variables: Mapping[str, str] | None = None,
    **sections: Any,
) -> Iterator[Run]:
    """An engine on the venues of *place*, ready; killed at the end if it still runs.

    Args:
        place: the venues.
        consumers: see :func:`consumer`.
        symbols: by venue; None = all.
        trading: venues at which orders are enabled; then no limit of ours is in the way of a measurement, and the
            operator's surface is there.
        variables: of its environment, further ones.
        sections: further sections of the configuration.

    Raises:
        ProcessFailedError: it does not start.
    """
    providers: list[dict[str, Any]] = [
        {"name": venue, "venue": venue, "symbols": list(wanted), "ws_endpoint": place.endpoints[venue]["ws"],
         "rest_endpoint": place.endpoints[venue]["rest"]}
        for venue, wanted in (symbols or place.symbols).items()
    ]  # fmt: skip
    env = {**surroundings(), "BENCH_API_TOKEN": TOKEN, **(variables or {})}
    for row, venue in zip(providers, symbols or place.symbols, strict=True):
        if venue in trading:
            more, keys = trading_at(venue)
            row |= {**more, "ws_private_endpoint": place.endpoints[venue].get("ws_private")}
            env |= keys
    if trading:
        sections = {"engine": {"state_dir": "state"}, "risk": FREE, "api": SURFACE, **sections}
    config = {
        "schema_version": 1, "log": {"level": "error"}, "dlq": {"path": "letters"}, "providers": providers,
        "consumers": list(consumers), "api": {"enabled": False}, "reports": {"enabled": False}, **sections,
    }  # fmt: skip
    (place.folder / "letters").unlink(missing_ok=True)
    (place.folder / CONFIG).write_bytes(msgspec.json.encode(config))
    command = [sys.executable, "-m", "engine", "run", "--json", "--config", CONFIG]
    with (place.folder / "log").open("w") as log, ExitStack() as stack:
        process = subprocess.Popen(
            command, env=env, cwd=place.folder, stdout=subprocess.PIPE, stderr=log, text=True
        )
        stack.enter_context(process)
        stack.callback(process.kill)
        yield Run(place, process, consumers)
