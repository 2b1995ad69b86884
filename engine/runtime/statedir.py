"""The folder that a run keeps its state in: its journal, its token and its address. One engine at a time has it."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from engine.base.errors import ConfigError

TOKEN_FILE = "api.token"
ADDRESS_FILE = "api.address"


@contextmanager
def taken(folder: Path) -> Iterator[None]:
    """Have a state folder for oneself, made where it is not there; a process that ends in any way gives it back.

    Args:
        folder: `engine.state_dir`.

    Raises:
        ConfigError: it cannot be had, or another engine has it; that one is named where its address is known.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        # The folder itself is locked: no file of ours is left behind in it.
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise ConfigError(f"engine.state_dir: {folder} cannot be written: {error.strerror}", op="run.start") from error
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise ConfigError(
                f"engine.state_dir: {folder} is in use by another engine{_where(folder)}", op="run.start",
                hint="end that engine, or give this one an engine.state_dir of its own",
            ) from error  # fmt: skip
        yield
    finally:
        os.close(handle)


def _where(folder: Path) -> str:
    with suppress(OSError):
        return f", at {(folder / ADDRESS_FILE).read_text(encoding='utf-8')[:100]}"
    return ""
