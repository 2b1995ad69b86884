"""QA-01: the figure counts compiled modules by a traced build; without the tracing it falls and the gate fails."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("Cython")

pytestmark = [pytest.mark.lint, pytest.mark.timeout(180)]

MODULE = """
def absolute(int x):
    if x < 0:
        return -x
    return x
"""
BUILD = """
import importlib.util, sys
from pathlib import Path
from Cython.Build import cythonize
from setuptools import Extension, setup
spec = importlib.util.spec_from_file_location("engine_setup", {project!r})
modes = importlib.util.module_from_spec(spec)
sys.modules[spec.name] = modes
spec.loader.exec_module(modes)
mode = modes.MODES[{mode!r}]
extension = Extension("tiny", ["pyx/tiny.pyx"], define_macros=list(mode.macros.items()), extra_compile_args=["-O0"])
setup(name="tiny", ext_modules=cythonize([extension], compiler_directives={{**modes.DIRECTIVES, **mode.directives}}))
"""
USE = "import tiny\nassert tiny.absolute(-1) == tiny.absolute(1) == 1\n"


def run(command: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("COV", "PYTHONSAFEPATH"))}
    environment["ENGINE_COVERAGE_ROOT"] = str(folder)
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def gate(mode: str, project_root: Path, folder: Path) -> tuple[int, str]:
    """Build, use and judge a project of one compiled module and one Python file: exit code of the gate, what it said."""
    for name in ("pyx", "engine"):
        (folder / name).mkdir()
    (folder / "pyx" / "tiny.pyx").write_text(MODULE)
    (folder / "engine" / "use.py").write_text(USE)
    (folder / "setup.py").write_text(BUILD.format(project=str(project_root / "setup.py"), mode=mode))
    (folder / "pyproject.toml").write_text(coverage_section(project_root))
    built = run([sys.executable, "setup.py", "-q", "build_ext", "--inplace"], folder)
    assert built.returncode == 0, built.stderr[-2000:]
    (folder / "engine" / "run.py").write_text("import sys\nsys.path.insert(0, '.')\nimport runpy\nrunpy.run_path('engine/use.py')\n")
    for command in (["run", "engine/run.py"], ["combine", "--quiet"]):
        done = run([sys.executable, "-m", "coverage", *command], folder)
        assert done.returncode == 0, done.stdout + done.stderr
    report = run([sys.executable, "-m", "coverage", "report"], folder)
    (folder / "report.txt").write_text(report.stdout)
    script = str(project_root / "scripts" / "covered.py")
    judged = run([sys.executable, script, "report.txt"], folder)
    return judged.returncode, judged.stdout


def coverage_section(project_root: Path) -> str:
    """What pyproject.toml says of coverage, alone: the rest would ask for this project's own metadata."""
    text = (project_root / "pyproject.toml").read_text(encoding="utf-8")
    return text[text.index("[tool.coverage.run]") :]


def test_qa_01_without_tracing_the_figure_falls_and_the_gate_fails(project_root: Path, tmp_path: Path) -> None:
    traced, plain = tmp_path / "traced", tmp_path / "plain"
    traced.mkdir()
    plain.mkdir()
    code, said = gate("trace", project_root, traced)
    assert code == 0, said
    assert "100.0 %" in said
    code, said = gate("release", project_root, plain)
    assert code == 1
    assert "coverage says nothing of pyx/tiny.pyx: it was not traced, and its 4 lines count as uncovered" in said
    assert "100.0 %" not in said


@pytest.mark.parametrize(("missed", "code"), [(15, 0), (16, 1)])
def test_qa_01_the_gate_is_at_85_percent(missed: int, code: int, project_root: Path, tmp_path: Path) -> None:
    (tmp_path / "report.txt").write_text(f"Name  Stmts  Miss  Cover\nengine/a.py  100  {missed}  {100 - missed}%\n")
    done = run([sys.executable, str(project_root / "scripts" / "covered.py"), "report.txt"], tmp_path)
    assert done.returncode == code, done.stdout
