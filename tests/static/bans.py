"""Which libraries and calls engine code may not use, and how each use is found.

The bans follow the import graph: an alias, a re-export by an own module, a name reached through one, a
dynamic import and a cimport are all uses of what stands behind them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.static.imports import Call, Source, read_tree

CODEC = "use engine.schema.codec (msgspec)"
WALK = "use engine.base.jsonindex and engine.base.jsonwalk"
PICOWS = "use picows"
WORKERS = "use engine.base.workers"
PLAIN = "use a plain import statement"

LIBRARIES = {
    **dict.fromkeys(("json", "_json", "orjson", "ujson", "simplejson", "rapidjson", "hyperjson"), CODEC),
    **dict.fromkeys(("aiohttp.web.json_response", "aiohttp.JsonPayload"), CODEC),
    **dict.fromkeys(("simdjson", "csimdjson", "cysimdjson"), WALK),
    **dict.fromkeys(("websockets", "websocket", "wsproto", "wsaccel", "autobahn"), PICOWS),
    **dict.fromkeys(("aiohttp.ClientWebSocketResponse", "aiohttp.web.WebSocketResponse"), PICOWS),
}
"""Banned everywhere in engine code, by dotted prefix."""

WORKER_LIBRARIES = dict.fromkeys(
    (
        "threading",
        "_thread",
        "concurrent.futures",
        "multiprocessing",
        "cython.parallel",
        "openmp",
        "asyncio.create_task",
        "asyncio.ensure_future",
        "asyncio.to_thread",
        "asyncio.TaskGroup",
        "asyncio.tasks",
    ),
    WORKERS,
)
"""Banned outside the worker module."""

METHODS = {
    "create_task": WORKERS,
    "ensure_future": WORKERS,
    "run_in_executor": WORKERS,
    "to_thread": WORKERS,
    "ws_connect": PICOWS,
    "send_json": CODEC,
    "receive_json": CODEC,
    "json_response": CODEC,
}
"""Calls that reach a banned library through an object, by method name."""

IMPORTERS = {"importlib.import_module", "importlib.__import__", "__import__", "builtins.__import__"}
CODE_RUNNERS = {"exec", "eval", "builtins.exec", "builtins.eval"}
MODULE_TABLE = "sys.modules"

WORKER_MODULE = "engine.base.workers"
EXEMPT = "engine.bench"
"""Benchmarks measure against the banned libraries."""


@dataclass(frozen=True, order=True)
class Breach:
    """One use of something banned."""

    path: Path
    line: int
    banned: str
    replacement: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.banned} is banned: {self.replacement}"


def breaches(root: Path) -> list[Breach]:
    """Every breach in ``engine/`` and ``pyx/`` below *root*, sorted, one per line and banned name."""
    sources = read_tree(root)
    graph = Names(sources)
    found: set[Breach] = set()
    for source in sources:
        if not _within(source.module, EXEMPT):
            found.update(_in_source(source, graph))
    return sorted(found)


class Names:
    """What each own module binds, so that a name can be followed to where it really comes from."""

    def __init__(self, sources: list[Source]) -> None:
        self._bound: dict[str, dict[str, str]] = {}
        self._stars: dict[str, list[str]] = {}
        for source in sources:
            bound = self._bound.setdefault(source.module, {})
            for item in source.imports:
                if item.name == "*":
                    self._stars.setdefault(source.module, []).append(item.module)
                else:
                    bound[item.bound] = item.stands_for

    def resolve(self, dotted: str) -> str:
        """Follow *dotted* through own modules until it leaves them or stands for itself."""
        seen: set[str] = set()
        while dotted not in seen:
            seen.add(dotted)
            dotted = self._step(dotted)
        return dotted

    def _step(self, dotted: str) -> str:
        parts = dotted.split(".")
        for length in range(len(parts) - 1, 0, -1):
            module, name = ".".join(parts[:length]), parts[length]
            if module in self._bound:
                target = self.exported(module).get(name)
                return ".".join([target, *parts[length + 1 :]]) if target else dotted
        return dotted

    def exported(self, module: str, seen: frozenset[str] = frozenset()) -> dict[str, str]:
        """Names that *module* binds by import, its star imports of own modules included."""
        names: dict[str, str] = {}
        for star in self._stars.get(module, []):
            if star in self._bound and star not in seen:
                names.update(self.exported(star, seen | {module}))
        return names | self._bound.get(module, {})

    def local(self, source: Source, dotted: str) -> str:
        """*dotted* as written in *source*, resolved."""
        first, _, rest = dotted.partition(".")
        target = self.exported(source.module).get(first)
        if target is None:
            return dotted
        return self.resolve(f"{target}.{rest}" if rest else target)


def _in_source(source: Source, graph: Names) -> Iterator[Breach]:
    for item in source.imports:
        targets = [item.target]
        if item.name == "*":
            targets = [item.module, *(f"{item.module}.{name}" for name in graph.exported(item.module))]
        for target in targets:
            yield from _judge(source, item.line, graph.resolve(target))
            yield from _judge(source, item.line, target)
    bound = graph.exported(source.module)
    told = {name for name, target in bound.items() if _banned(source, graph.resolve(target))}
    for line, dotted in source.names:
        first = dotted.partition(".")[0]
        if first in bound and first not in told:
            yield from _judge(source, line, graph.local(source, dotted))
    for call in source.calls:
        yield from _in_call(source, call, graph)
    if any(graph.local(source, dotted) == MODULE_TABLE for _, dotted in source.names):
        for line, text in source.texts:
            yield from _judge(source, line, text)


def _in_call(source: Source, call: Call, graph: Names) -> Iterator[Breach]:
    callee = graph.local(source, call.callee)
    if callee in IMPORTERS:
        if call.text is None:
            yield Breach(source.path, call.line, f"{callee}() of a computed name", PLAIN)
        else:
            yield from _judge(source, call.line, graph.resolve(call.text))
    if callee in CODE_RUNNERS:
        yield Breach(source.path, call.line, f"{callee}()", "write the code out")
    method = callee.rpartition(".")
    replacement = METHODS.get(method[2]) if method[1] and method[0] != "picows" else None
    if replacement and (replacement != WORKERS or source.module != WORKER_MODULE):
        yield Breach(source.path, call.line, f"{method[2]}()", replacement)
    if method[1] and method[2] == "json":
        yield Breach(source.path, call.line, "json()", CODEC)
    if "json" in call.keywords:
        yield Breach(source.path, call.line, "json=", CODEC)


def _judge(source: Source, line: int, dotted: str) -> Iterator[Breach]:
    if (banned := _banned(source, dotted)) is not None:
        table = LIBRARIES if banned in LIBRARIES else WORKER_LIBRARIES
        yield Breach(source.path, line, banned, table[banned])
    elif dotted.partition(".")[0] in {"tests", "bench", "scripts"}:
        yield Breach(source.path, line, dotted, "engine code stands alone")


def _banned(source: Source, dotted: str) -> str | None:
    for banned in LIBRARIES:
        if _within(dotted, banned):
            return banned
    if source.module != WORKER_MODULE:
        for banned in WORKER_LIBRARIES:
            if _within(dotted, banned):
                return banned
    return None


def _within(dotted: str, prefix: str) -> bool:
    return dotted == prefix or dotted.startswith(prefix + ".")
