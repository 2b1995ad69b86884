"""The build: stale declarations force generation, modes keep their promises, missing tools get one line."""

from __future__ import annotations

import importlib.util
import os
import shlex
import subprocess
import sys
import sysconfig
from pathlib import Path
from types import ModuleType

import pytest

pytest.importorskip("setuptools")


@pytest.fixture(scope="module")
def build(project_root: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("engine_setup", project_root / "setup.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


# --- stale declarations -------------------------------------------------------------------------------------

FILES = {
    "setup.py": "",
    "engine/base/units.pxd": "cdef inline int one(): return 1\n",
    "engine/book/ladder.pxd": "from engine.base.units cimport one\ncdef class Ladder:\n    cdef int a\n",
    "pyx/book/ladder.pyx": "cdef class Ladder:\n    pass\n",
    "engine/bus/data.pxd": "",
    "pyx/bus/data.pyx": "cimport cython\ncimport engine.book.ladder as l, engine.base.units\n",
    "engine/pools/recycler.pxd": "",
    "pyx/pools/recycler.pyx": "from libc.stdlib cimport free\n",
    "pyx/base/shim.h": "",
}
GENERATED = {
    "engine.book.ladder": "build/cython/pyx/book/ladder.c",
    "engine.bus.data": "build/cython/pyx/bus/data.c",
    "engine.pools.recycler": "build/cython/pyx/pools/recycler.c",
}
OLD_S, GENERATED_S, NEW_S = 1_000, 2_000, 3_000


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A small project whose generated C is newer than all it was made from."""
    for name, text in FILES.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        os.utime(path, (OLD_S, OLD_S))
    for name in GENERATED.values():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
        os.utime(path, (GENERATED_S, GENERATED_S))
    return tmp_path


def test_fresh_c_is_kept(build: ModuleType, tree: Path) -> None:
    assert build.drop_stale(build.MODES["release"], tree) == []
    assert all((tree / name).is_file() for name in GENERATED.values())


@pytest.mark.parametrize(
    ("edited", "dropped"),
    [
        # its own declaration, and those who cimport it
        ("engine/book/ladder.pxd", ["engine.book.ladder", "engine.bus.data"]),
        # reached through the own declaration only
        ("engine/base/units.pxd", ["engine.book.ladder", "engine.bus.data"]),
        ("engine/bus/data.pxd", ["engine.bus.data"]),
        ("engine/pools/recycler.pxd", ["engine.pools.recycler"]),
        # what everyone depends on
        ("pyx/base/shim.h", sorted(GENERATED)),
        ("setup.py", sorted(GENERATED)),
    ],
)
def test_a_newer_declaration_drops_the_c_of_all_that_use_it(
    edited: str, dropped: list[str], build: ModuleType, tree: Path
) -> None:
    os.utime(tree / edited, (NEW_S, NEW_S))
    assert build.drop_stale(build.MODES["release"], tree) == dropped
    assert {module for module, name in GENERATED.items() if not (tree / name).exists()} == set(dropped)


def test_a_declaration_as_old_as_the_c_is_not_trusted(build: ModuleType, tree: Path) -> None:
    os.utime(tree / "engine/pools/recycler.pxd", (GENERATED_S, GENERATED_S))
    assert build.drop_stale(build.MODES["release"], tree) == ["engine.pools.recycler"]


def test_a_traced_build_looks_beside_the_source(build: ModuleType, tree: Path) -> None:
    beside = tree / "pyx/pools/recycler.c"
    beside.touch()
    os.utime(beside, (GENERATED_S, GENERATED_S))
    os.utime(tree / "engine/pools/recycler.pxd", (NEW_S, NEW_S))
    assert build.drop_stale(build.MODES["trace"], tree) == ["engine.pools.recycler"]
    assert not beside.exists()
    assert (tree / GENERATED["engine.pools.recycler"]).exists()


# --- modules and modes --------------------------------------------------------------------------------------


def test_every_source_is_a_module(build: ModuleType, tree: Path, project_root: Path) -> None:
    assert list(build.find_sources(tree)) == sorted(GENERATED)
    assert len(build.find_sources(project_root)) == len(list((project_root / "pyx").rglob("*.pyx")))


def test_only_marked_modules_are_cpp(build: ModuleType) -> None:
    assert build.is_cpp("engine.base.jsonindex", "")
    assert build.is_cpp("engine.a", "# distutils: language = c++\n")
    assert not build.is_cpp("engine.a", '"""not language = c++"""\n')


def test_modes_keep_their_promises(build: ModuleType, tree: Path) -> None:
    source = Path("pyx/book/ladder.pyx")
    made = {
        name: build.make_extension("engine.book.ladder", source, mode, tree)
        for name, mode in build.MODES.items()
    }
    macros = {name: dict(extension.define_macros) for name, extension in made.items()}
    assert {name: values["ENGINE_CHECKS"] for name, values in macros.items()} == {
        "release": "0",
        "checks": "1",
        "trace": "0",
        "asan": "0",
    }
    assert {name: values["ENGINE_BUILD_MODE"] for name, values in macros.items()} == {
        name: f'"{name}"' for name in made
    }
    assert "-DNDEBUG" in made["release"].extra_compile_args
    assert "-UNDEBUG" in made["checks"].extra_compile_args
    assert macros["trace"]["CYTHON_TRACE_NOGIL"] == "1"
    assert any("address" in flag for flag in made["asan"].extra_link_args)
    assert not any("-march" in flag for extension in made.values() for flag in extension.extra_compile_args)
    assert build.MODES["checks"].directives["boundscheck"]
    assert len({(mode.build_base, mode.generated) for mode in build.MODES.values()}) == len(made)


def test_an_unknown_mode_is_told_in_one_line(build: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ENGINE_BUILD", "fast")
    with pytest.raises(SystemExit, match="ENGINE_BUILD=fast is not one of release, checks, trace, asan"):
        build.chosen_mode()


OVERFLOWS = r"""
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
int main(int argc, char **argv) {
    volatile int sum = INT_MAX;
    volatile char *volatile block = malloc(atoi(argv[2]));
    if (argv[1][0] == 's') sum += 1;
    block[argv[1][0] == 'h' ? 8 : 7] = 1;
    puts("went on");
    free((void *)block);
    return 0;
}
"""


@pytest.mark.parametrize(
    ("mode", "fault", "report"),
    [
        ("release", "signed", None),
        ("checks", "none", None),
        ("checks", "signed", ""),
        ("asan", "none", None),
        ("asan", "signed", "signed integer overflow"),
        ("asan", "heap", "heap-buffer-overflow"),
    ],
)
@pytest.mark.timeout(30)
def test_qa_05_a_planted_overflow_ends_the_program(
    mode: str, fault: str, report: str | None, build: ModuleType, tmp_path: Path
) -> None:
    """A mode's flags stand behind Python's own, which ask for wrapping; both are given here as the build gives them."""
    source, program = tmp_path / "overflow.c", tmp_path / "overflow"
    source.write_text(OVERFLOWS)
    chosen = build.MODES[mode]
    compiler = shlex.split(os.environ.get("CC") or sysconfig.get_config_var("CC") or "cc")
    own_flags = shlex.split(sysconfig.get_config_var("CFLAGS") or "")
    plain = {name: value for name, value in os.environ.items() if not name.startswith(("LD_", "ASAN_", "UBSAN_"))}
    subprocess.run(
        [*compiler, *own_flags, *chosen.c_flags, str(source), "-o", str(program), *chosen.link_flags],
        check=True, capture_output=True, env=plain,
    )  # fmt: skip
    done = subprocess.run([program, fault, "8"], capture_output=True, text=True, check=False, env=plain)
    if report is None:
        assert (done.returncode, done.stdout) == (0, "went on\n"), done.stderr
    else:
        assert done.returncode != 0
        assert done.stdout == ""
        assert report in done.stderr


# --- what is missing ----------------------------------------------------------------------------------------


def test_nothing_is_missing_here(build: ModuleType) -> None:
    assert build.missing_tools() is None


def test_a_missing_compiler_is_told_in_one_line(build: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CXX", "no-such-compiler -O2")
    assert build.missing_tools() == (
        "error: the compiler no-such-compiler is missing; install it: apt-get install g++"
    )


def test_a_missing_header_is_told_in_one_line(
    build: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(build.sysconfig, "get_path", lambda _name: str(tmp_path))
    line = build.missing_tools()
    assert line.startswith("error: Python.h of Python 3.")
    assert line.endswith("apt-get install python3-dev")


def test_missing_simdjson_sources_are_told_in_one_line(
    build: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(build, "simdjson_folder", lambda: None)
    assert build.missing_tools().endswith("pip install pysimdjson==7.0.2")


# --- packages -----------------------------------------------------------------------------------------------


def test_a_deleted_module_leaves_the_next_wheel(build: ModuleType, tmp_path: Path) -> None:
    kept = tmp_path / "engine/book/ladder.cpython-311-x86_64-linux-gnu.so"
    gone = [tmp_path / "engine/book/tree.cpython-311-x86_64-linux-gnu.so", tmp_path / "engine/book/old.py"]
    kept.parent.mkdir(parents=True)
    for path in (kept, *gone):
        path.touch()
    build.remove_leftovers(tmp_path, ["engine.book.ladder"])
    assert kept.exists()
    assert not any(path.exists() for path in gone)
