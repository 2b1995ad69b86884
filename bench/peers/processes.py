"""Other engines on the same frames, each run as a process in an environment of its own."""
import json
import os
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from bench.peers import framefile
from engine.bench import timing
from engine.bench.data.corpus import Corpus
from engine.bench.data.plainbook import final_tops

MODULES = {
    "cryptofeed": "peer.cryptofeed_path",
    "nautilus": "peer.nautilus_path",
}
"""Module by environment name."""

HERE = Path(__file__).resolve().parent
PROJECT_ROOT = HERE.parents[1]

TIME_LIMIT_S = 300


class PeerMissingError(Exception):
    """The peer's environment has not been built; ``bench/peers/setup.sh`` builds it."""


class PeerFailedError(Exception):
    """The peer's process ended with an error, or its books are not the plain book's."""


@dataclass(frozen=True)
class PeerResult:
    """What a peer's process printed, checked.

    Attributes:
        report: the JSON line as it came: versions, path, nanoseconds, final prices.
    """

    peer: str
    corpus: str
    report: dict[str, Any]

    @property
    def ns_per_message(self) -> float:
        """Median over the repeats."""
        return float(self.report["ns_per_message"]["median_ns"])

    @property
    def label(self) -> str:
        """Name, version and Python, as the tables have it."""
        package, release = next(iter(self.report["versions"].items()))
        return f"{package} {release} (Python {self.report['python']})"


def environment(peer: str) -> Path:
    """The peer's interpreter, below ``ENGINE_PEERS`` or ``build/peers``.

    Raises:
        PeerMissingError: it is not there.
    """
    folder = Path(os.environ.get("ENGINE_PEERS") or PROJECT_ROOT / "build" / "peers").resolve()
    python = folder / peer / "bin" / "python"
    if not (folder / peer / "ready").is_file():
        raise PeerMissingError(f"{peer} is not installed in {folder}: run bench/peers/setup.sh {peer}")
    return python


def run(peer: str, corpus: Corpus, seconds: float = 3.0, repeats: int = 5) -> PeerResult:
    """Play *corpus* in the peer's process and check the best prices it ends with.

    Raises:
        KeyError: no such peer.
        PeerMissingError: its environment is not built.
        PeerFailedError: it failed, took more than ``TIME_LIMIT_S``, or ended with other prices.
    """
    python, module = environment(peer), MODULES[peer]
    with tempfile.TemporaryDirectory() as folder:
        frames_file = Path(folder) / "frames"
        framefile.write(corpus, frames_file)
        command = [str(python), "-m", module, str(frames_file)]
        command += ["--seconds", str(seconds), "--repeats", str(repeats)]
        surroundings = {**os.environ, "PYTHONPATH": str(_lay_out(Path(folder)))}
        try:
            done = subprocess.run(
                command, cwd=folder, env=surroundings, capture_output=True, text=True, timeout=TIME_LIMIT_S
            )
        except subprocess.TimeoutExpired as error:
            raise PeerFailedError(f"{peer} took more than {TIME_LIMIT_S} s on {corpus.name}") from error
    if done.returncode:
        raise PeerFailedError(f"{peer} on {corpus.name}: {done.stderr[-2000:]}")
    report = json.loads(done.stdout.splitlines()[-1])
    tops = {symbol: (Decimal(bid), Decimal(ask)) for symbol, (bid, ask) in report["tops"].items()}
    expected = final_tops(corpus)
    if tops != expected:
        raise PeerFailedError(f"{peer} on {corpus.name} ended with {tops}, not {expected}")
    return PeerResult(peer, corpus.name, report)


def _lay_out(folder: Path) -> Path:
    """A package of the few modules a peer needs: in its environment there is no engine to import from."""
    package = folder / "lib" / "peer"
    shutil.copytree(HERE, package, ignore=shutil.ignore_patterns("__pycache__", "processes.py"))
    shutil.copy(timing.__file__, package / "timing.py")
    return package.parent
