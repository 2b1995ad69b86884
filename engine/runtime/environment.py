"""Whether this machine and process can run a configuration; and the start of its logs."""

from __future__ import annotations

import os
import platform
import socket
import sys
from collections.abc import Iterator, Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import msgspec

from engine.base.secrets import mask_text
from engine.base.version import engine_version
from engine.config.sections import EngineConfig
from engine.observability.logs import start_logging

PYTHON_MIN = (3, 11)
LIBRARIES = ("aiohttp", "msgspec", "numpy", "picows", "pydantic", "PyYAML", "rich", "typer", "uvloop")
PROXY_VARIABLES = ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy")


class Finding(msgspec.Struct, frozen=True):
    """One thing looked at.

    Attributes:
        name: what, as ``python``.
        ok: whether it will do.
        detail: what was found.
        hint: what to do about it; empty if it will do.
    """

    name: str
    ok: bool
    detail: str
    hint: str = ""


def begin_logging(config: EngineConfig) -> None:
    """Send the engine's logs to stderr as the configuration says."""
    start_logging(config.log.level, config.log.format)


def examine(config: EngineConfig, env: Mapping[str, str] | None = None) -> list[Finding]:
    """Look at versions, compiled modules, directories, variables and ports.

    Args:
        config: what would run.
        env: environment variables; None = those of the process.
    """
    return [
        *_versions(),
        _compiled(),
        _dead_letter_file(config),
        *_variables(os.environ if env is None else env),
        _loopback(),
    ]


def _versions() -> Iterator[Finding]:
    yield Finding("engine", True, engine_version())
    wanted = ".".join(map(str, PYTHON_MIN))
    old = sys.version_info < PYTHON_MIN
    yield Finding(
        "python", not old, platform.python_version(), f"install Python {wanted} or later" if old else ""
    )
    for name in LIBRARIES:
        try:
            yield Finding(name, True, version(name))
        except PackageNotFoundError:
            yield Finding(name, False, "not installed", f"pip install {name}")


def _compiled() -> Finding:
    try:
        from engine.base.clock import monotonic_now
    except ImportError as error:
        return Finding("compiled modules", False, str(error), "build and install the package: pip install .")
    return Finding("compiled modules", monotonic_now() > 0, "loaded")


def _dead_letter_file(config: EngineConfig) -> Finding:
    name = "dlq.path"
    if config.dlq.path is None:
        return Finding(name, True, "none: dead letters stay in memory")
    path = Path(config.dlq.path)
    if path.is_dir():
        return Finding(name, False, f"{path} is a directory", "name a file")
    if not path.parent.is_dir():
        return Finding(name, False, f"{path.parent} is not there", f"mkdir -p {path.parent}")
    target = path if path.exists() else path.parent
    if not os.access(target, os.W_OK):
        return Finding(name, False, f"{target} may not be written", "change its owner or its mode")
    return Finding(name, True, f"{path} can be written")


def _variables(env: Mapping[str, str]) -> Iterator[Finding]:
    named = env.get("ENGINE_CONFIG")
    if named:
        there = Path(named).is_file()
        yield Finding(
            "ENGINE_CONFIG", there, named, "" if there else "name a file that is there, or unset it"
        )
    for name in PROXY_VARIABLES:
        if env.get(name):
            yield Finding(name, True, mask_text(env[name]))


def _loopback() -> Finding:
    try:
        with socket.create_server(("127.0.0.1", 0)) as server:
            return Finding("loopback port", True, f"127.0.0.1:{server.getsockname()[1]} was free")
    except OSError as error:
        return Finding("loopback port", False, str(error), "allow this process to listen on 127.0.0.1")
