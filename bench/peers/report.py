"""The one JSON line a peer's process prints. Standard library only."""
import argparse
import json
import platform
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from peer.timing import Spread


def arguments() -> argparse.Namespace:
    """``frames_file``, ``--seconds`` and ``--repeats``, the same for every peer."""
    parser = argparse.ArgumentParser()
    parser.add_argument("frames_file", type=Path)
    parser.add_argument("--seconds", type=float, default=3.0, help="timed work in all")
    parser.add_argument("--repeats", type=int, default=5)
    return parser.parse_args()


def print_result(
    peer: str, packages: list[str], path: str, spread: Spread, tops: Mapping[str, tuple[Any, Any]]
) -> None:
    """Print versions, path, nanoseconds a message and the final best bid and ask of each symbol."""
    result = {
        "peer": peer,
        "path": path,
        "python": platform.python_version(),
        "versions": {package: version(package) for package in packages},
        "ns_per_message": spread.as_dict(),
        "tops": {symbol: [str(bid), str(ask)] for symbol, (bid, ask) in tops.items()},
    }
    print(json.dumps(result), flush=True)
