"""QA-07: the wheel is what is tested; an outside Cython module builds against it and needs no Python call."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

pytestmark = [pytest.mark.system, pytest.mark.timeout(240)]

STRATEGY = """
# cython: language_level=3
from libc.stdint cimport int64_t
from engine.base.units cimport ENGINE_POW10
from engine.consumers.handler cimport Handler
from engine.schema.event cimport Event, TRADE
from engine.schema.market cimport Trade


cdef class Volume(Handler):
    cdef public int64_t qty_raw
    cdef public long events

    cdef int on_event(self, Event event, object ctx) except -1:
        self.events += 1
        if event.s.type == TRADE:
            self.qty_raw += (<Trade>event).t.qty_raw * ENGINE_POW10[8 - event.h.qty_scale]   # one scale for the sum
        return 0
"""

SETUP = """
from Cython.Build import cythonize
from setuptools import Extension, setup
setup(name="desk", ext_modules=cythonize([Extension("desk", ["desk.pyx"])]))
"""

USE = """
import sys
import engine
from desk import Volume
strategy = Volume()
result = engine.replay(sys.argv[1], strategy, event_types=["Trade"])
print(engine.__file__)
print(strategy.events, strategy.qty_raw, result.summary.imbalances)
"""


def test_qa_07_an_outside_cython_module_cimports_the_installed_engine(captures: Path, tmp_path: Path) -> None:
    for name, text in (("desk.pyx", STRATEGY), ("setup.py", SETUP), ("use.py", USE)):
        (tmp_path / name).write_text(textwrap.dedent(text))
    env = {**os.environ, "CFLAGS": "-O0"}
    build = subprocess.run([sys.executable, "setup.py", "-q", "build_ext", "--inplace"], cwd=tmp_path, env=env,
                           capture_output=True, text=True, check=False)  # fmt: skip
    assert build.returncode == 0, build.stderr[-2000:]
    capture = captures / "binance_spot_btcusdt_20240809.jsonl.gz"
    env = {name: value for name, value in os.environ.items() if name != "PYTHONSAFEPATH"}
    used = subprocess.run([sys.executable, "use.py", str(capture)], cwd=tmp_path, env=env, capture_output=True, text=True,
                          check=False)  # fmt: skip
    assert used.returncode == 0, used.stderr
    where, counts = used.stdout.splitlines()
    if os.environ.get("ENGINE_TESTS_INSTALLED"):
        assert not Path(where).is_relative_to(Path(__file__).resolve().parents[2] / "engine")
    assert counts == "19904 43791552000 []"


def test_obs_12_importing_engine_configures_nothing_and_loads_little() -> None:
    """OBS-12: root logger and signal handlers stay as they were; the heavy parts come when first used."""
    code = (
        "import logging, signal, sys\n"
        "before = (logging.getLogger().handlers[:], logging.getLogger().level, signal.getsignal(signal.SIGTERM))\n"
        "import engine\n"
        "assert before == (logging.getLogger().handlers, logging.getLogger().level,"
        " signal.getsignal(signal.SIGTERM))\n"
        "assert not {'pydantic', 'numpy', 'aiohttp', 'uvloop', 'typer'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
