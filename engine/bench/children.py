"""Fresh interpreters with this one's engine, run in a folder where nothing else is found."""
import os
import subprocess
import sys
import tempfile

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
