"""Compiles the disk that fails (faultydisk.c), to be preloaded into a process of its own."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

SOURCE = Path(__file__).resolve().with_suffix(".c")
NOTHING, NO_SPACE, DELAY = 0, 4, 5
"""Kinds of fault, as fault_set() takes them."""


def compiled(folder: Path) -> Path:
    """The library, made in *folder*; where it cannot be preloaded the test is skipped."""
    if not sys.platform.startswith("linux"):
        pytest.skip("its calls are caught by LD_PRELOAD")
    built = folder / "faultydisk.so"
    compiler = shlex.split(os.environ.get("CC") or sysconfig.get_config_var("CC") or "cc")
    subprocess.run([*compiler, "-shared", "-fPIC", "-O1", "-o", built, SOURCE, "-ldl"], check=True)
    return built
