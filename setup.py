"""Builds the extension modules: every ``pyx/a/b.pyx`` becomes ``engine.a.b``.

Everything that can be said as data is in pyproject.toml; this file holds what needs code: finding the
modules, the build modes, the guard against stale declarations, the checks for missing tools.

``ENGINE_BUILD`` chooses the mode:

========  ============================================================================================
release   (default) optimised, Cython's checks off, symbols stripped, generated C under ``build/cython``
checks    bounds, memoryview and signed-overflow checks on, assertions on, macro ``ENGINE_CHECKS=1``
trace     line tracing for coverage; generated C beside the ``.pyx``, where the coverage plugin looks
asan      address and undefined-behaviour sanitizers, release directives
========  ============================================================================================

C code may read three macros in every mode: ``ENGINE_CHECKS`` (0 or 1), ``ENGINE_BUILD_MODE`` and
``ENGINE_BUILD_FLAGS`` (strings).
"""

from __future__ import annotations

import fcntl
import importlib.metadata
import importlib.util
import os
import re
import shlex
import shutil
import sys
import sysconfig
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext
from setuptools.command.build_py import build_py

ROOT = Path(__file__).resolve().parent
SIMDJSON_OWNER = "engine.base.jsonindex"
"""The one module that compiles simdjson in; the others reach it by cimport."""

CPP_MARK = re.compile(r"^#\s*distutils:\s*language\s*=\s*c\+\+\s*$", re.MULTILINE)
PARALLEL_JOBS = 2


# --- build modes --------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Mode:
    """How one build mode compiles; see the module docstring for what each is for."""

    name: str
    c_flags: tuple[str, ...]
    link_flags: tuple[str, ...]
    generated: str | None
    """Folder of the generated C, relative to the root; None leaves it beside the ``.pyx``."""
    macros: dict[str, str] = field(default_factory=dict)
    directives: dict[str, bool] = field(default_factory=dict)

    @property
    def build_base(self) -> str:
        """Folder of objects and built packages: one per mode, so that no mode links another's objects."""
        return "build" if self.name == "release" else f"build/{self.name}"


DIRECTIVES = {
    "language_level": 3,
    "boundscheck": False,
    "wraparound": False,
    "initializedcheck": False,
    "cdivision": True,
    "embedsignature": True,
}
COMMON_C_FLAGS = ("-fvisibility=hidden",)
SANITIZERS = "-fsanitize=address,undefined"

MODES = {
    mode.name: mode
    for mode in (
        Mode(
            "release",
            c_flags=("-O3", "-DNDEBUG", "-g0"),
            link_flags=("-Wl,-s",) if sys.platform == "linux" else (),
            generated="build/cython",
            macros={"ENGINE_CHECKS": "0", "CYTHON_WITHOUT_ASSERTIONS": "1"},
        ),
        Mode(
            "checks",
            # Python's own flags define NDEBUG and -fwrapv; without them a signed overflow traps.
            c_flags=(
                "-O1",
                "-g1",
                "-UNDEBUG",
                "-fno-wrapv",
                "-fsanitize=signed-integer-overflow",
                "-fsanitize-undefined-trap-on-error",
                "-D_GLIBCXX_ASSERTIONS",
            ),
            link_flags=(),
            generated="build/cython-checks",
            macros={"ENGINE_CHECKS": "1"},
            directives={"boundscheck": True, "wraparound": True, "initializedcheck": True},
        ),
        Mode(
            "trace",
            c_flags=("-O1", "-g0"),
            link_flags=(),
            generated=None,
            macros={
                "ENGINE_CHECKS": "0",
                "CYTHON_TRACE": "1",
                "CYTHON_TRACE_NOGIL": "1",
                "CYTHON_USE_SYS_MONITORING": "0",
            },
            directives={"linetrace": True},
        ),
        Mode(
            "asan",
            c_flags=(
                "-O1",
                "-g1",                     # lines for the reports: more takes a third of the build
                "-UNDEBUG",
                "-fno-omit-frame-pointer",
                "-fno-wrapv",
                SANITIZERS,
                "-fno-sanitize-recover=undefined",
            ),
            link_flags=(SANITIZERS,),
            generated="build/cython",      # the release's, whose directives it has
            macros={"ENGINE_CHECKS": "0"},
        ),
    )
}


def chosen_mode() -> Mode:
    """The mode that ``ENGINE_BUILD`` names; an unknown name ends the build with one line."""
    name = os.environ.get("ENGINE_BUILD", "release")
    if name not in MODES:
        raise SystemExit(f"error: ENGINE_BUILD={name} is not one of {', '.join(MODES)}")
    return MODES[name]


# --- what the build needs -----------------------------------------------------------------------------------


def simdjson_folder() -> Path | None:
    """Folder with simdjson.h and simdjson.cpp inside the installed pysimdjson, or None."""
    spec = importlib.util.find_spec("simdjson")
    if spec is None or not spec.submodule_search_locations:
        return None
    folder = Path(spec.submodule_search_locations[0])
    return folder if (folder / "simdjson.h").is_file() and (folder / "simdjson.cpp").is_file() else None


def missing_tools() -> str | None:
    """One line that names the first thing the build lacks and what to install, or None."""
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    c_compiler = shlex.split(os.environ.get("CC") or sysconfig.get_config_var("CC") or "cc")[0]
    cpp_compiler = shlex.split(os.environ.get("CXX") or sysconfig.get_config_var("CXX") or "c++")[0]
    for tool in (c_compiler, cpp_compiler):
        if shutil.which(tool) is None:
            return f"error: the compiler {tool} is missing; install it: apt-get install g++"
    if not (Path(sysconfig.get_path("include")) / "Python.h").is_file():
        return f"error: Python.h of Python {python} is missing; install it: apt-get install python3-dev"
    if importlib.util.find_spec("Cython") is None:
        return "error: Cython is missing; install it: pip install 'Cython>=3.3,<3.4'"
    if simdjson_folder() is None:
        return "error: simdjson.h and simdjson.cpp are missing; install them: pip install pysimdjson==7.0.2"
    return None


# --- modules ------------------------------------------------------------------------------------------------


def find_sources(root: Path = ROOT) -> dict[str, Path]:
    """Module name to ``.pyx`` path (relative to *root*), sorted by name."""
    paths = (path.relative_to(root) for path in (root / "pyx").rglob("*.pyx"))
    named = {".".join(("engine", *path.with_suffix("").parts[1:])): path for path in paths}
    return dict(sorted(named.items()))


def is_cpp(module: str, text: str) -> bool:
    """A module is C++ when it owns simdjson or says ``# distutils: language = c++`` at its top."""
    return module == SIMDJSON_OWNER or CPP_MARK.search(text) is not None


def make_extension(module: str, source: Path, mode: Mode, root: Path = ROOT) -> Extension:
    """The extension of one ``.pyx``; its sources are the ``.pyx`` until `BuildExtensions` generates the C."""
    cpp = is_cpp(module, (root / source).read_text(encoding="utf-8"))
    c_flags = [*COMMON_C_FLAGS, *mode.c_flags, *(["-std=c++17"] if cpp else [])]
    include_dirs = [str(source.parent), "pyx"]
    if module == SIMDJSON_OWNER and (folder := simdjson_folder()) is not None:
        include_dirs.append(str(folder))
    macros = {
        **mode.macros,
        "ENGINE_BUILD_MODE": f'"{mode.name}"',
        "ENGINE_BUILD_FLAGS": f'"{" ".join(c_flags)}"',
    }
    headers = sorted(str(path.relative_to(root)) for path in (root / source.parent).glob("*.h"))
    return Extension(
        module,
        [str(source)],
        language="c++" if cpp else "c",
        include_dirs=include_dirs,
        define_macros=list(macros.items()),
        extra_compile_args=c_flags,
        extra_link_args=list(mode.link_flags),
        depends=[str(source), *headers],
    )


# --- stale declarations -------------------------------------------------------------------------------------
#
# Cython looks for a module's own .pxd beside the .pyx. Ours lies in engine/, so an edited .pxd would leave
# the module's C as it was while its importers follow the new declaration: two layouts of one struct, and no
# error. We follow the declarations ourselves and delete the C that is older than any of them.

CIMPORT = re.compile(r"^\s*(?:from\s+(engine[\w.]*)\s+cimport\b|cimport\s+(.+)$)", re.MULTILINE)
ENGINE_NAME = re.compile(r"\bengine[\w.]*")


def cimported(text: str) -> set[str]:
    """Dotted names under ``engine`` that *text* cimports."""
    names: set[str] = set()
    for from_name, plain in CIMPORT.findall(text):
        names.update([from_name] if from_name else ENGINE_NAME.findall(plain))
    return names


def declarations(module: str, root: Path = ROOT) -> list[Path]:
    """The ``.pxd`` files that *module* names; for a package that is every declaration in it."""
    path = root.joinpath(*module.split("."))
    own = path.with_suffix(".pxd")
    return ([own] if own.is_file() else []) + (sorted(path.rglob("*.pxd")) if path.is_dir() else [])


def declarations_of(module: str, source: Path, root: Path = ROOT) -> set[Path]:
    """Every ``.pxd`` that the C of *module* depends on: its own, what both cimport, and so on."""
    found: set[Path] = set()
    waiting = declarations(module, root)
    for name in cimported((root / source).read_text(encoding="utf-8")):
        waiting += declarations(name, root)
    while waiting:
        path = waiting.pop()
        if path not in found:
            found.add(path)
            for name in cimported(path.read_text(encoding="utf-8")):
                waiting += declarations(name, root)
    return found


def generated_path(module: str, source: Path, mode: Mode, root: Path = ROOT) -> Path:
    """Where Cython writes the C or C++ of *source*."""
    suffix = ".cpp" if is_cpp(module, (root / source).read_text(encoding="utf-8")) else ".c"
    return (root / mode.generated if mode.generated else root) / source.with_suffix(suffix)


def shared_inputs(root: Path = ROOT) -> Iterator[Path]:
    """Files that count for every module: this one, headers and includes."""
    yield root / "setup.py"
    for folder in ("engine", "pyx"):
        for pattern in ("*.h", "*.pxi"):
            yield from (root / folder).rglob(pattern)


def drop_stale(mode: Mode, root: Path = ROOT) -> list[str]:
    """Delete each generated file that is older than a declaration it depends on.

    Returns:
        The names of the modules that will be generated again, sorted.
    """
    shared_ns = max((path.stat().st_mtime_ns for path in shared_inputs(root) if path.is_file()), default=0)
    dropped = []
    for module, source in find_sources(root).items():
        generated = generated_path(module, source, mode, root)
        if not generated.is_file():
            continue
        declared_ns = (path.stat().st_mtime_ns for path in declarations_of(module, source, root))
        if max([shared_ns, *declared_ns]) >= generated.stat().st_mtime_ns:
            generated.unlink()
            dropped.append(module)
    return dropped


def tool_versions() -> str:
    """The versions that generated C depends on and no file time shows."""
    lines = [f"python {sys.version_info.major}.{sys.version_info.minor}"]
    for package in ("Cython", "picows", "pysimdjson"):
        try:
            lines.append(f"{package} {importlib.metadata.version(package)}")
        except importlib.metadata.PackageNotFoundError:
            lines.append(f"{package} none")
    return "\n".join(lines) + "\n"


def changed(stamp: Path, text: str) -> bool:
    """Whether *stamp* held anything but *text*; it holds *text* afterwards."""
    if stamp.is_file() and stamp.read_text(encoding="utf-8") == text:
        return False
    stamp.parent.mkdir(parents=True, exist_ok=True)
    stamp.write_text(text, encoding="utf-8")
    return True


# --- commands -----------------------------------------------------------------------------------------------


class BuildExtensions(build_ext):
    """``build_ext`` that generates the C itself and compiles simdjson once, not at each edit of its owner."""

    def run(self) -> None:
        """Check the tools, drop stale C, generate, compile; one build of a tree at a time."""
        if (problem := missing_tools()) is not None:
            raise SystemExit(problem)
        with (ROOT / "build" / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            self._generate(chosen_mode())
            with ThreadPoolExecutor(1) as beside:
                # Beside the modules: alone it would keep all processors but one waiting.
                self._simdjson = [
                    beside.submit(self._simdjson_object, extension)
                    for extension in self.extensions
                    if extension.name == SIMDJSON_OWNER
                ]
                super().run()

    def build_extension(self, extension: Extension) -> None:
        """As ever; the owner of simdjson waits for it."""
        if extension.name == SIMDJSON_OWNER:
            extension.extra_objects = [compiled.result() for compiled in self._simdjson]
        super().build_extension(extension)

    def _generate(self, mode: Mode) -> None:
        from Cython.Build import cythonize

        stamp = ROOT / (mode.generated or mode.build_base) / "tool-versions"
        new_tools = changed(stamp, tool_versions())
        drop_stale(mode)
        generated = cythonize(
            [make_extension(module, source, mode) for module, source in find_sources().items()],
            include_path=["."],
            build_dir=mode.generated,
            nthreads=PARALLEL_JOBS,
            force=self.force or new_tools,
            compiler_directives={**DIRECTIVES, **mode.directives},
        )
        by_name = {extension.name: extension for extension in generated}
        for extension in self.extensions:
            extension.sources = by_name[extension.name].sources

    def _simdjson_object(self, extension: Extension) -> str:
        """Compile the amalgamated simdjson, unless this mode's object of this version is there already."""
        from distutils.ccompiler import new_compiler
        from distutils.sysconfig import customize_compiler

        folder = Path(self.build_temp) / f"simdjson-{importlib.metadata.version('pysimdjson')}"
        unit = folder / "simdjson_unit.cpp"
        built = unit.with_suffix(".o")
        fresh = built.is_file() and built.stat().st_mtime_ns > (ROOT / "setup.py").stat().st_mtime_ns
        if self.force or not fresh:
            folder.mkdir(parents=True, exist_ok=True)
            unit.write_text('#include "simdjson.cpp"\n', encoding="utf-8")
            compiler = new_compiler()
            customize_compiler(compiler)
            flags = extension.extra_compile_args
            objects = compiler.compile(
                [str(unit)], str(folder), include_dirs=[str(simdjson_folder())], extra_postargs=flags
            )
            os.replace(objects[0], built)
        return str(built)


class BuildPackage(build_py):
    """``build_py`` that starts from a clean folder: a deleted module must not live on in the next wheel."""

    def run(self) -> None:
        """Remove what no source accounts for, then copy."""
        if not self.editable_mode:
            remove_leftovers(Path(self.build_lib), find_sources())
        super().run()


def remove_leftovers(build_lib: Path, modules: Iterable[str]) -> None:
    """Delete every file of an earlier build but the extension modules that still have a source."""
    kept = {module.replace(".", "/") for module in modules}
    for path in (build_lib / "engine").rglob("*"):
        if path.is_file():
            name = path.relative_to(build_lib).as_posix().split(".", 1)[0]
            if path.suffix != ".so" or name not in kept:
                path.unlink()


def main() -> None:
    """Hand the extensions and commands to setuptools."""
    os.chdir(ROOT)
    mode = chosen_mode()
    (ROOT / "build").mkdir(exist_ok=True)
    setup(
        ext_modules=[make_extension(module, source, mode) for module, source in find_sources().items()],
        cmdclass={"build_ext": BuildExtensions, "build_py": BuildPackage},
        options={
            "build": {"build_base": mode.build_base},
            "build_ext": {"parallel": PARALLEL_JOBS},
            "egg_info": {"egg_base": "build"},
        },
    )


if __name__ == "__main__":
    main()
