"""Fresh interpreters with this one's engine, run in a folder where nothing else is found."""
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO

TIME_LIMIT_S = 300


class ProcessFailedError(Exception):
    """A measuring process ended with an error."""


def surroundings() -> dict[str, str]:
    """Environment in which a child imports what this process imports."""
    return {**os.environ, "PYTHONSAFEPATH": "1", "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}


def python(*arguments: str) -> str:
    """Last line a fresh interpreter prints.

    Raises:
        ProcessFailedError: it ended with an error.
    """
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            [sys.executable, *arguments],
            cwd=folder,
            env=surroundings(),
            capture_output=True,
            text=True,
            timeout=TIME_LIMIT_S,
        )
    if done.returncode:
        raise ProcessFailedError(f"{' '.join(arguments)}: {done.stderr[-2000:]}")
    return done.stdout.splitlines()[-1]


@contextmanager
def sending(frames: Sequence[bytes], rate: int, connections: int) -> Iterator[tuple[str, IO[str]]]:
    """A sender of *frames* in a process of its own: its URL, and what it answers, one line a connection."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "frames"
        file.write_bytes(b"\n".join(frames) + b"\n")
        command = [sys.executable, "-m", "engine.bench.sender", str(file)]
        command += ["--rate", str(rate), "--count", str(len(frames)), "--connections", str(connections)]
        with subprocess.Popen(command, env=surroundings(), stdout=subprocess.PIPE, text=True) as sender:
            assert sender.stdout is not None
            try:
                yield f"ws://127.0.0.1:{int(sender.stdout.readline())}/", sender.stdout
            finally:
                sender.kill()
