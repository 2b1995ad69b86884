"""`engine-run run` on the simulated venues, with a desk and a configuration of the test's."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any


def run_for(seconds: float, folder: Path, desk: str, config: str) -> tuple[int, dict[str, Any], str]:
    """A run of so long past its ready line, on *desk* (desk.py) and *config*; exit code, result, stderr."""
    (folder / "desk.py").write_text(desk)
    (folder / "engine.yaml").write_text(config)
    command = (sys.executable, "-m", "engine", "run", "--simulated-providers", "--json", "--set", "api.enabled=false", "--set", "mcp.enabled=false")
    with subprocess.Popen(
        command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert json.loads(process.stdout.readline())["ready"]
        try:
            process.wait(timeout=seconds)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=30)
        return process.returncode, json.loads(out), err
