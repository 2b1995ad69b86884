"""Fixtures and rules of every test: loopback only, a time limit each, where recorded traffic lies.

Fixtures that watch the pools live in tests/fixtures_pools.py.
"""

from __future__ import annotations

import importlib
import importlib.util
import ipaddress
import os
import random
import socket
import sys
from collections.abc import Callable
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

ROOT = Path(__file__).resolve().parent.parent


class _Helpers(MetaPathFinder):
    """Finds the helper packages of this tree; the tree itself, and `engine` in it, stays off the path."""

    def find_spec(self, fullname: str, path: object, target: object = None) -> ModuleSpec | None:
        return PathFinder.find_spec(fullname, [str(ROOT)]) if fullname in {"tests", "bench"} else None


sys.meta_path.insert(0, _Helpers())

if (ROOT / "tests" / "fixtures_pools.py").is_file():
    pytest_plugins = ["tests.fixtures_pools"]

# The same examples in every run (QA-03), and one kind of time limit: that of the whole test, below.
settings.register_profile("engine", deadline=None, derandomize=True, database=None)
# Which lines run is told by few examples, and a traced line takes a hundred times as long.
settings.register_profile("traced", settings.get_profile("engine"), max_examples=10)
settings.load_profile("traced" if os.environ.get("ENGINE_COVERAGE_ROOT") else "engine")
if traced := os.environ.get("ENGINE_COVERAGE_ROOT"):
    # The tracer looks for a module's source from where its first line runs, once: not from the folder of a test.
    for built in sorted(Path(traced, "engine").rglob("*.so")):
        importlib.import_module(".".join(built.relative_to(traced).with_suffix("").parts).partition(".cpython")[0])


# --- the wheel is what is tested ----------------------------------------------------------------------------


def pytest_sessionstart(session: pytest.Session) -> None:
    """Refuse to test the source tree when the installed package is meant (``ENGINE_TESTS_INSTALLED``)."""
    if not os.environ.get("ENGINE_TESTS_INSTALLED"):
        return
    spec = importlib.util.find_spec("engine")
    if spec is None or spec.origin is None:
        raise pytest.UsageError("engine is not installed in this environment")
    if Path(spec.origin).is_relative_to(ROOT / "engine"):
        raise pytest.UsageError(f"engine comes from the source tree, not from the wheel: {spec.origin}")


# --- order --------------------------------------------------------------------------------------------------


def pytest_addoption(parser: pytest.Parser) -> None:
    """``--order-seed``; workers take the one that the first process drew."""
    parser.addoption("--order-seed", type=int, help="order of the tests; 0 = as written (default: drawn, and printed)")


def pytest_configure(config: pytest.Config) -> None:
    """Draw a seed where none is given."""
    if config.option.order_seed is None:
        workers = getattr(config, "workerinput", {})
        config.option.order_seed = workers.get("order_seed") or random.SystemRandom().randrange(1, 1_000_000)


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Hand the seed to a worker."""
    node.workerinput["order_seed"] = node.config.option.order_seed


def pytest_report_header(config: pytest.Config) -> str:
    """The seed that gives this order again (QA-03)."""
    return f"order of the tests: --order-seed={config.option.order_seed}"


def shuffled(items: list[pytest.Item], seed: int) -> list[pytest.Item]:
    """Files in random order and their tests as well; a file stays together, so that what it shares is made once."""
    if seed == 0:
        return items
    rng = random.Random(seed)
    files: dict[Path, list[pytest.Item]] = {}
    for item in items:
        files.setdefault(item.path, []).append(item)
    order = list(files.values())
    rng.shuffle(order)
    for tests in order:
        rng.shuffle(tests)
    return [item for tests in order for item in tests]


# --- time limits --------------------------------------------------------------------------------------------

LIMITS_S = {"soak": 600, "fuzz": 300, "lint": 180, "replay": 120, "property": 60, "system": 30}
UNIT_LIMIT_S = 5


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Give each test the limit of its kind, unless it states its own; slow builds scale all of them. Then shuffle."""
    items[:] = shuffled(items, config.option.order_seed)
    scale = float(os.environ.get("ENGINE_TEST_TIME_SCALE", "1"))
    for item in items:
        own = item.get_closest_marker("timeout")
        if own is not None:
            limit_s = own.args[0] if own.args else own.kwargs["timeout"]
        else:
            kinds = (limit for kind, limit in LIMITS_S.items() if item.get_closest_marker(kind))
            limit_s = max(kinds, default=UNIT_LIMIT_S)
        item.add_marker(pytest.mark.timeout(limit_s * scale), append=False)


# --- loopback only ------------------------------------------------------------------------------------------


class NotLoopbackError(AssertionError):
    """A test tried to reach another machine."""


def _is_loopback(host: object) -> bool:
    text = host.decode() if isinstance(host, bytes | bytearray) else host
    if text in (None, "", "localhost"):
        return True
    try:
        return ipaddress.ip_address(str(text).partition("%")[0]).is_loopback
    except ValueError:
        return False


def _refuse(host: object) -> None:
    if not _is_loopback(host):
        raise NotLoopbackError(f"tests stay on loopback; this one asked for {host!r}")


def _guard_socket(original: Callable[..., Any], address_index: int) -> Callable[..., Any]:
    def guarded(self: socket.socket, *args: Any, **kwargs: Any) -> Any:
        if self.family in (socket.AF_INET, socket.AF_INET6):
            _refuse(args[address_index][0])
        return original(self, *args, **kwargs)

    return guarded


def _guard_host(original: Callable[..., Any], host_index: int) -> Callable[..., Any]:
    def guarded(*args: Any, **kwargs: Any) -> Any:
        _refuse(kwargs.get("host", args[host_index] if len(args) > host_index else None))
        return original(*args, **kwargs)

    return guarded


@pytest.fixture(autouse=True)
def loopback_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """Connecting, sending or resolving beyond loopback raises, through sockets and through uvloop's own."""
    for name, address_index in (("connect", 0), ("connect_ex", 0), ("sendto", -1)):
        monkeypatch.setattr(socket.socket, name, _guard_socket(getattr(socket.socket, name), address_index))
    monkeypatch.setattr(socket, "getaddrinfo", _guard_host(socket.getaddrinfo, 0))
    try:
        import uvloop
    except ImportError:
        pass
    else:
        for name, host_index in (("create_connection", 2), ("getaddrinfo", 1)):
            original = getattr(uvloop.Loop, name)
            monkeypatch.setattr(uvloop.Loop, name, _guard_host(original, host_index), raising=False)


# --- recorded traffic ---------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def project_root() -> Path:
    """The source tree the tests belong to; `engine` itself may be installed elsewhere."""
    return ROOT


@pytest.fixture(scope="session")
def captures() -> Path:
    """Folder of recorded venue traffic: ``ENGINE_CAPTURES``, else ``../shared/captures``."""
    folder = Path(os.environ.get("ENGINE_CAPTURES") or ROOT.parent / "shared" / "captures")
    if not folder.is_dir():
        pytest.skip(f"no recorded traffic at {folder}; set ENGINE_CAPTURES to its folder")
    return folder
