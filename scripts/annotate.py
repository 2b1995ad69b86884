"""Writes Cython's annotated HTML of each module to ``build/annotate``: yellow lines call Python.

    .venv/bin/python scripts/annotate.py [engine.book.ladder ...]

Without names every module is annotated, with the directives of the release build.
"""

from __future__ import annotations

import os
import runpy
import sys
from pathlib import Path

from Cython.Build import cythonize

ROOT = Path(__file__).resolve().parent.parent
OUT = ROOT / "build" / "annotate"


def main(names: list[str]) -> int:
    """Annotate *names* (default: all modules) and print where each page is.

    Returns:
        0, or 2 when a name is not a module of the project.
    """
    os.chdir(ROOT)
    build = runpy.run_path("setup.py", run_name="setup")
    sources: dict[str, Path] = build["find_sources"](ROOT)
    unknown = [name for name in names if name not in sources]
    if unknown:
        print(f"no such module: {', '.join(unknown)}", file=sys.stderr)
        return 2
    mode = build["MODES"]["release"]
    cythonize(
        [build["make_extension"](name, sources[name], mode, ROOT) for name in names or sources],
        include_path=["."],
        build_dir=str(OUT),
        annotate=True,
        force=True,
        quiet=True,
        compiler_directives={**build["DIRECTIVES"], **mode.directives},
    )
    for name in names or sources:
        print(OUT / sources[name].with_suffix(".html"))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
