"""Workers as processes of their own, and what they tell."""

from __future__ import annotations

import os
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path


def worker(folder: Path, url: str, *options: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "engine", "worker", "--json", "--metrics-port", "0", *options]
    env = {**os.environ, "ENGINE_REDIS_URL": url}
    return subprocess.Popen(command, cwd=folder, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def answer(url: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(url, timeout=5) as found:
            return found.status, found.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def value(metrics: str, name: str) -> float:
    return sum(float(line.rpartition(" ")[2]) for line in metrics.splitlines() if line.startswith((f"{name}{{", f"{name} ")))
