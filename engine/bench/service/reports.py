"""SLO-05: how long a report takes whoever asks, an MCP client or plain HTTP, while the engine is at work."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import msgspec

from engine.base.errors import ConfigError
from engine.bench.children import ProcessFailedError, surroundings
from engine.bench.record import Row
from engine.bench.service.caller import Call, Called, closed_loop, get, open_loop, tool_call
from engine.bench.service.figures import PEAK_RATE, percentile, row
from engine.bench.service.load import watchers
from engine.bench.service.world import CONFIG, THREE, World, asked, engine_on, world
from engine.bench.streamserver import StreamServer, missing
from engine.runtime.reportextra import need_packages

CLIENTS, RATE = 100, 250
CALLS = 100_000
CLOSED_S = 2.0
SYMBOLS = 10
LIMIT_MS, LISTING_MS = 150, 100
OTHERS_EVERY = 10
"""One call in so many is a listing, and one /health."""

_READY_WITHIN_S = 20.0
_LOOK_EVERY_S = 0.25


def calls(seconds: float, *, clients: int = CLIENTS, rate: int = RATE) -> Iterator[Row]:
    """The MCP server as a process of its own, then what the engine serves itself.

    Raises:
        ConfigError: a package that the server of the reports needs is not installed.
        ProcessFailedError: a process did not start, or hung up.
    """
    need_packages()
    asked_s = max(seconds, 0.5)
    sections: dict[str, Any] = {"reports": {"enabled": True}, "mcp": {"port": 0}}
    with world(PEAK_RATE, SYMBOLS, THREE) as place, engine_on(place, watchers(place, 1), **sections) as run:
        assert run.reports is not None
        names = _until_there(place, run.reports)
        with _lone(place, "--url", run.reports) as lone:
            alone = open_loop(lone, _tools(lone, names), clients, rate, asked_s)
            busy = closed_loop(lone, _tools(lone, names)[:1], clients, min(CLOSED_S, asked_s))
        facade = open_loop(run.reports, _paths(run.reports, names), clients, rate, asked_s)
        inside = open_loop(run.reports, _tools(run.reports, names), clients, rate, asked_s)
        ended = run.stop()
    made = sum(row["value"] for row in ended.report["metrics"]["engine_report_publish_total"])
    void = "" if made and ended.report["balanced"] else "failed: no reports, or counts that do not balance"
    case = f"{clients} clients, {rate} calls/s, {PEAK_RATE}/s to {len(names)} reports, {asked_s:g} s"
    told = f"{made:,.0f} reports made meanwhile"
    yield _row("SLO-05", case, "get_report, MCP server of its own, p99", alone["report"], LIMIT_MS, void, told, CALLS)
    others = Called()
    for found in (alone, facade, inside):
        for name in ("symbols", "health"):
            others.add(found[name])
    yield _row("SLO-05", case, "listing and /health, every server, p99", others, LISTING_MS, void, told)
    yield _row("MCP-03", case, "get_report, HTTP facade of the engine, p99", facade["report"], LIMIT_MS, void, told)
    yield _row("MCP-03", case, "get_report, MCP server of the engine, p99", inside["report"], LIMIT_MS, void, told)
    took_ns, refused = busy["report"].took_ns, sum(busy["report"].refused.values())
    yield Row(
        "SLO-05", f"{clients} clients, each as fast as it is answered", "get_report, MCP server of its own",
        (len(took_ns) - refused) / min(CLOSED_S, asked_s), "1/s", cores=2, regime="profile service, closed loop",
        note=f"{_spread(took_ns)}; {_refused(busy['report'])}",
    )  # fmt: skip


def stored(seconds: float, *, clients: int = CLIENTS, rate: int = RATE) -> Iterator[Row]:
    """The MCP server again, where a worker writes the reports into a server of streams; each in a process of its own.

    Raises:
        ConfigError: a package that it needs is not installed.
        ProcessFailedError: a process did not start, or hung up.
        ServerFailedError: the server of the streams does not start.
    """
    need_packages()
    lacking = missing()
    if lacking:
        raise ConfigError(f"reports through a server of streams need {lacking}", op="bench.reports",
                          hint="pip install 'engine[bench]'")  # fmt: skip
    asked_s = max(seconds, 0.5)
    sections: dict[str, Any] = {"bus": {"backend": "redis"}, "cache": {"backend": "redis"}, "mcp": {"enabled": False}}
    with ExitStack() as stack:
        place = stack.enter_context(world(PEAK_RATE, SYMBOLS, THREE))
        server = StreamServer(place.folder).start()
        stack.callback(server.kill)
        known = {"ENGINE_REDIS_URL": server.url}
        run = stack.enter_context(engine_on(place, watchers(place, 1), variables=known, **sections))
        words = ("worker", "--config", CONFIG, "--metrics-port", "0", "--log-level", "warning")
        stack.enter_context(_beside(place, words, known))
        lone = stack.enter_context(_lone(place, "--config", CONFIG, variables=known))
        names = _until_there(place, lone)
        found = open_loop(lone, _tools(lone, names), clients, rate, asked_s)
        ended = run.stop()
    void = "" if ended.report["balanced"] else "failed: counts do not balance"
    case = f"through Redis, {clients} clients, {rate} calls/s, {PEAK_RATE}/s to {len(names)} reports, {asked_s:g} s"
    told = "five processes beside who calls"
    yield _row("SLO-05", case, "get_report, MCP server of its own, p99", found["report"], LIMIT_MS, void, told, CALLS)


def _row(
    goal: str, case: str, subject: str, found: Called, limit_ms: float, void: str, told: str, wanted: int = 0
) -> Row:  # fmt: skip
    took_ns = found.took_ns
    short = "" if len(took_ns) >= wanted else f"{len(took_ns):,} calls; the criterion has {wanted:,}"
    refused = sum(found.refused.values())
    if 2 * refused > len(took_ns):
        void = "; ".join(filter(None, (void, "failed: most calls were refused")))
    told = "; ".join(filter(None, (
        _spread(took_ns), _refused(found),
        f"sent at most {found.late_ns / 1e6:.1f} ms after they were due, which counts", told, short, void,
    )))  # fmt: skip
    return row(
        goal, case, subject, percentile(took_ns, 0.99) / 1e6, "ms", "at_most", limit_ms,
        voided=bool(void) or not took_ns, note=f"open loop, from the instant a call was due: {told}",
    )  # fmt: skip


def _spread(took_ns: Sequence[int]) -> str:
    shares = {"p50": 0.5, "p95": 0.95, "p99": 0.99, "max": 1.0}
    return ", ".join(f"{name} {percentile(took_ns, share) / 1e6:.2f}" for name, share in shares.items()) + " ms"


def _refused(found: Called) -> str:
    count = sum(found.refused.values())
    return f"{count:,} refused {dict(found.refused)}" if count else "none refused"


# -- who is asked, and for what --------------------------------------------------------------------------------


@contextmanager
def _beside(place: World, words: Sequence[str], variables: Mapping[str, str]) -> Iterator[str]:
    """A verb of ``engine-run`` in a process of its own: the line with which it is ready."""
    command = [sys.executable, "-m", "engine", *words]
    env = {**surroundings(), **variables}
    with ExitStack() as stack:
        process = subprocess.Popen(
            command, env=env, cwd=place.folder, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        stack.enter_context(process)
        stack.callback(process.kill)
        assert process.stdout is not None
        line = process.stdout.readline()
        if not line.startswith("ready: "):
            raise ProcessFailedError(f"engine-run {words[0]} did not start")
        yield line


@contextmanager
def _lone(place: World, *source: str, variables: Mapping[str, str] | None = None) -> Iterator[str]:
    """``engine-run mcp`` on the reports that the words *source* tell: its URL."""
    words = ("mcp", "--transport", "http", "--port", "0", "--log-level", "warning", *source)
    with _beside(place, words, variables or {}) as line:
        yield line.split()[2]


def _until_there(place: World, url: str) -> list[str]:
    """``venue:SYMBOL`` of every report at *url*, once all are there.

    Raises:
        ProcessFailedError: that does not come.
    """
    wanted = sum(map(len, place.symbols.values()))
    left_s = _READY_WITHIN_S
    while True:
        found = asked(f"{url}/api/symbols").get("symbols", [])
        names = [f"{one['venue']}:{one['symbol']}" for one in found if one["generated_at"]]
        if len(names) == wanted:
            return names
        if left_s <= 0:
            raise ProcessFailedError(f"{len(names)} reports of {wanted} are there after {_READY_WITHIN_S:g} s")
        time.sleep(_LOOK_EVERY_S)
        left_s -= _LOOK_EVERY_S


def _paths(url: str, names: Sequence[str]) -> list[Call]:
    asked = [Call("report", get(url, f"/api/report?symbol={name}"), _is_report_of(name)) for name in names]
    return _with_others(asked, Call("symbols", get(url, "/api/symbols"), _is_listing(len(names))), url)


def _tools(url: str, names: Sequence[str]) -> list[Call]:
    asked = [Call("report", tool_call(url, "get_report", symbol=name), _of_tool(_is_report_of(name))) for name in names]
    listing = Call("symbols", tool_call(url, "list_symbols"), _of_tool(_is_listing(len(names))))
    return _with_others(asked, listing, url)


def _with_others(asked: Sequence[Call], listing: Call, url: str) -> list[Call]:
    """Every report in turn; here and there a listing and a look at the server's health."""
    health = Call("health", get(url, "/health"), lambda body: True)
    found: list[Call] = []
    for number, call in enumerate(asked):
        found.append(call)
        if number % OTHERS_EVERY == OTHERS_EVERY - 1:
            found += [listing, health]
    return found if listing in found else [*found, listing, health]


def _is_report_of(name: str) -> Callable[[bytes], bool]:
    def is_right(body: bytes) -> bool:
        report = msgspec.json.decode(body)
        return "served_at" in report and f"{report['venue']}:{report['symbol']}" == name

    return is_right


def _is_listing(count: int) -> Callable[[bytes], bool]:
    return lambda body: msgspec.json.decode(body).get("count") == count


def _of_tool(is_right: Callable[[bytes], bool]) -> Callable[[bytes], bool]:
    """What is right of a tool's result: of its text, and that it is no error."""

    def is_right_too(body: bytes) -> bool:
        result = msgspec.json.decode(body).get("result", {})
        return result.get("isError") is False and is_right(result["content"][0]["text"].encode())

    return is_right_too
