"""ARC-02, ARC-03: imports and cimports go downward only, strangers stay strangers, no circles."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.static.imports import Source, read_tree

pytestmark = pytest.mark.lint

# --- the house ----------------------------------------------------------------------------------------------

FLOORS: list[tuple[str, ...]] = [
    ("base",),
    ("schema", "config"),
    ("observability",),
    ("pools", "book"),
    ("providers", "orchestrator", "dispatcher", "bus", "consumers", "orders"),
    ("distribution", "reports", "simulator"),
    ("runtime",),
    ("cli", "bench", "web"),
]
FLOOR = {package: number for number, packages in enumerate(FLOORS) for package in packages}

EXCEPTIONS = {
    # Observers meet the stages through ports alone; the simulator shares no wire code with the providers.
    "distribution": {package for package in FLOOR if FLOOR[package] <= 3},
    "reports": {package for package in FLOOR if FLOOR[package] <= 3},
    "simulator": {package for package in FLOOR if FLOOR[package] <= 3},
    # Faces parse, call and print.
    "cli": {"base", "schema", "config", "reports", "runtime", "bench"},
    "web": {"base", "schema", "config", "reports", "runtime"},
}
"""Where a package may import from, when that is not simply every lower floor."""

FACES = {"", "__main__"}
"""``engine/__init__.py`` and ``engine/__main__.py`` stand above the floors; no module imports them."""

VENUES = {"binance", "coinbase", "kraken", "simulated"}
VENUE_LISTS = {"engine.providers.registry"}
"""Modules that may name a venue's package; benchmarks may too."""


def allowed(package: str) -> set[str]:
    """Packages that *package* may import from, besides itself."""
    return EXCEPTIONS.get(package, {other for other in FLOOR if FLOOR[other] < FLOOR[package]})


# --- the rules ----------------------------------------------------------------------------------------------


def violations(root: Path) -> list[str]:
    """Every breach of the floors below *root*, one line each."""
    sources = read_tree(root)
    modules = {source.module for source in sources}
    lines = [line for source in sources for line in _of_source(source, modules)]
    return lines + [f"cycle: {' -> '.join(cycle)}" for cycle in cycles(import_graph(sources))]


def _of_source(source: Source, modules: set[str]) -> Iterator[str]:
    own = _package(source.module)
    if own not in FACES and own not in FLOOR:
        yield f"{source.path}:1: package {own} is on no floor"
        return
    for item in source.imports:
        place = f"{source.path}:{item.line}"
        if item.module.startswith("."):
            yield f"{place}: relative import of {item.target}"
        elif item.module.partition(".")[0] == "engine":
            target = _module_of(item.target, modules)
            if own not in FACES:
                yield from _of_floor(place, own, target, item.target)
            yield from _of_venue(place, source.module, target)


def _of_floor(place: str, own: str, target: str, written: str) -> Iterator[str]:
    other = _package(target)
    if other in FACES:
        if written != "engine.__version__":
            yield f"{place}: {own} imports the face {target}"
    elif other not in FLOOR:
        yield f"{place}: {target} is on no floor"
    elif other != own and other not in allowed(own):
        step = FLOOR[other] - FLOOR[own]
        kind = "upward" if step > 0 else "a neighbour" if step == 0 else "past a port"
        yield f"{place}: {own} imports {kind}: {target}"


def _of_venue(place: str, module: str, target: str) -> Iterator[str]:
    own, other = _venue(module), _venue(target)
    if other is None or own == other or module in VENUE_LISTS or _package(module) == "bench":
        return
    yield f"{place}: {f'venue {own}' if own else module} imports venue {other}"


def _package(module: str) -> str:
    return module.split(".")[1] if "." in module else ""


def _venue(module: str) -> str | None:
    parts = module.split(".")
    return parts[2] if len(parts) > 2 and parts[1] == "providers" and parts[2] in VENUES else None


def _module_of(target: str, modules: set[str]) -> str:
    """The longest module that *target* names; the rest of it is an attribute."""
    parts = target.split(".")
    while len(parts) > 1 and ".".join(parts) not in modules:
        parts.pop()
    found = ".".join(parts)
    return target if found == "engine" and "." in target and not _is_attribute(target) else found


def _is_attribute(target: str) -> bool:
    return target.count(".") == 1 and target.split(".")[1] not in FLOOR


# --- circles ------------------------------------------------------------------------------------------------


def import_graph(sources: list[Source]) -> dict[str, set[str]]:
    """Module to modules it imports; a module's .py or .pyx, .pxd and .pyi count as one."""
    modules = {source.module for source in sources}
    graph: dict[str, set[str]] = {module: set() for module in sorted(modules)}
    for source in sources:
        targets = {_module_of(item.target, modules) for item in source.imports}
        graph[source.module] |= (targets & modules) - {source.module}
    return graph


def cycles(graph: dict[str, set[str]]) -> list[list[str]]:
    """One closed walk for each group of modules that import each other."""
    found: list[list[str]] = []
    done: set[str] = set()
    for start in graph:
        walk = _closed_walk(graph, start, done)
        if walk:
            found.append(walk)
            done.update(walk)
        done.add(start)
    return found


def _closed_walk(graph: dict[str, set[str]], start: str, done: set[str]) -> list[str] | None:
    came_from: dict[str, str] = {}
    waiting = [start]
    while waiting:
        module = waiting.pop(0)
        for target in sorted(graph[module] - done):
            if target == start:
                walk = [start]
                while module != start:
                    walk.append(module)
                    module = came_from[module]
                return [start, *reversed(walk[1:]), start]
            if target not in came_from:
                came_from[target] = module
                waiting.append(target)
    return None


# --- checks -------------------------------------------------------------------------------------------------


def test_arc_03_the_tree_keeps_its_floors(project_root: Path) -> None:
    found = violations(project_root)
    assert not found, "\n" + "\n".join(found)


def test_every_package_has_its_floor_and_its_init(project_root: Path) -> None:
    folders = [path for path in (project_root / "engine").rglob("*") if path.is_dir()]
    sources = [path for path in folders if any(path.glob("*.py")) or any(path.glob("*.pxd"))]
    assert [str(path) for path in sources if not (path / "__init__.py").is_file()] == []
    assert {path.name for path in sources if path.parent == project_root / "engine"} <= set(FLOOR)


def write_tree(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return root


BROKEN: dict[str, tuple[dict[str, str], str]] = {
    "upward, import": (
        {"engine/base/a.py": "import engine.book.ladder\n", "engine/book/ladder.py": ""},
        "engine/base/a.py:1: base imports upward: engine.book.ladder",
    ),
    "upward, from": (
        {"engine/book/a.py": "\nfrom engine.runtime import assembly\n", "engine/runtime/assembly.py": ""},
        "engine/book/a.py:2: book imports upward: engine.runtime.assembly",
    ),
    "upward, cimport in a source": (
        {"pyx/pools/a.pyx": "from engine.bus.data cimport Bus\n", "engine/bus/data.pxd": ""},
        "pyx/pools/a.pyx:1: pools imports upward: engine.bus.data",
    ),
    "upward, cimport in a declaration": (
        {"engine/base/a.pxd": "from engine.schema.x cimport (\n    Event,\n)\n", "engine/schema/x.pxd": ""},
        "engine/base/a.pxd:1: base imports upward: engine.schema.x",
    ),
    "upward, in a stub": (
        {"engine/base/a.pyi": "from engine.schema.event import Event\n", "engine/schema/event.pyi": ""},
        "engine/base/a.pyi:1: base imports upward: engine.schema.event",
    ),
    "upward, inside a function": (
        {"engine/base/a.py": "def f():\n    from engine.cli import main\n", "engine/cli/main.py": ""},
        "engine/base/a.py:2: base imports upward: engine.cli.main",
    ),
    "a neighbour": (
        {"pyx/bus/data.pyx": "cimport engine.dispatcher.routing as r\n", "engine/dispatcher/routing.pxd": ""},
        "pyx/bus/data.pyx:1: bus imports a neighbour: engine.dispatcher.routing",
    ),
    "an observer past its port": (
        {"engine/simulator/a.py": "import engine.providers.session\n", "engine/providers/session.py": ""},
        "engine/simulator/a.py:1: simulator imports past a port: engine.providers.session",
    ),
    "a face past the runtime": (
        {"engine/cli/a.py": "from engine.book import ladder\n", "engine/book/ladder.py": ""},
        "engine/cli/a.py:1: cli imports past a port: engine.book.ladder",
    ),
    "the face from within": (
        {"engine/runtime/a.py": "from engine import Engine\n", "engine/__init__.py": ""},
        "engine/runtime/a.py:1: runtime imports the face engine",
    ),
    "a venue by another": (
        {"pyx/providers/kraken/wire.pyx": "from engine.providers.binance cimport wire\n"},
        "pyx/providers/kraken/wire.pyx:1: venue kraken imports venue binance",
    ),
    "a venue by what all venues share": (
        {"engine/providers/session.py": "import engine.providers.kraken.feed\n"},
        "engine/providers/session.py:1: engine.providers.session imports venue kraken",
    ),
    "a venue by the runtime": (
        {"engine/runtime/a.py": "from engine.providers.kraken.feed import Feed\n"},
        "engine/runtime/a.py:1: engine.runtime.a imports venue kraken",
    ),
    "relative": (
        {"engine/book/a.py": "from .ladder import Ladder\n"},
        "engine/book/a.py:1: relative import of .ladder.Ladder",
    ),
    "relative, cimport": (
        {"pyx/book/a.pyx": "from . cimport ladder\n"},
        "pyx/book/a.pyx:1: relative import of ..ladder",
    ),
    "a package on no floor": (
        {"engine/helpers/a.py": ""},
        "engine/helpers/a.py:1: package helpers is on no floor",
    ),
    "a cycle of two": (
        {"engine/book/a.py": "import engine.book.b\n", "engine/book/b.py": "from engine.book import a\n"},
        "cycle: engine.book.a -> engine.book.b -> engine.book.a",
    ),
    "a cycle of three, by a declaration": (
        {
            "pyx/book/a.pyx": "from engine.book.b cimport x\n",
            "engine/book/b.pxd": "from engine.book.c cimport x\n",
            "engine/book/c.pyi": "import engine.book.a\n",
        },
        "cycle: engine.book.a -> engine.book.b -> engine.book.c -> engine.book.a",
    ),
}


@pytest.mark.parametrize("fault", BROKEN)
def test_arc_02_each_fault_is_caught(fault: str, tmp_path: Path) -> None:
    files, line = BROKEN[fault]
    assert line in violations(write_tree(tmp_path, files))


def test_what_is_allowed_raises_no_alarm(tmp_path: Path) -> None:
    files = {
        "engine/__init__.py": "from engine.runtime.assembly import Engine\n",
        "engine/__main__.py": "from engine.cli.main import main\n",
        "engine/base/units.pxd": "from libc.stdint cimport int64_t\n",
        "engine/book/ladder.pxd": "from engine.base.units cimport parse, parse_u64\n",
        "engine/schema/event.pxd": "cimport engine.base.units\n",
        "pyx/book/ladder.pyx": '"""import engine.cli"""\nfrom engine.book.ladder cimport Ladder\n',
        "engine/providers/registry.py": "from engine.providers.kraken.feed import Feed\n",
        "engine/providers/kraken/feed.py": "from engine.providers.session import Session\n",
        "engine/providers/session.py": "from engine.book.ladder import Ladder\n",
        "engine/bench/decode.py": "from engine.providers.kraken import feed\n",
        "engine/runtime/assembly.py": "from engine.providers.registry import VENUES\n",
        "engine/cli/main.py": "from engine import __version__\nfrom engine.runtime import assembly\n",
    }
    assert violations(write_tree(tmp_path, files)) == []
