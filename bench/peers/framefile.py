"""A corpus as one file, handed to a peer's process. Standard library only.

The first line is JSON: name, venue, book depth and raw snapshots by symbol. Each further line
is one raw frame.
"""
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol


class FrameSource(Protocol):
    """What is written: a corpus, or anything with its parts."""

    @property
    def name(self) -> str: ...
    @property
    def venue(self) -> str: ...
    @property
    def snapshots(self) -> dict[str, bytes]: ...
    @property
    def frames(self) -> list[bytes]: ...
    @property
    def depth_levels(self) -> int: ...


@dataclass(frozen=True)
class Frames:
    """The same parts, read back."""

    name: str
    venue: str
    snapshots: dict[str, bytes]
    frames: list[bytes]
    depth_levels: int

    @property
    def symbols(self) -> tuple[str, ...]:
        """Venue spelling, in the order of the snapshots."""
        return tuple(self.snapshots)


def write(source: FrameSource, path: Path) -> None:
    """Write *source* to *path*.

    Raises:
        ValueError: a frame holds a line break.
    """
    if any(b"\n" in frame for frame in source.frames):
        raise ValueError(f"{source.name} has a frame with a line break")
    head = {
        "name": source.name,
        "venue": source.venue,
        "depth_levels": source.depth_levels,
        "snapshots": {symbol: raw.decode() for symbol, raw in source.snapshots.items()},
    }
    path.write_bytes(b"\n".join([json.dumps(head).encode(), *source.frames]) + b"\n")


def read(path: Path) -> Frames:
    """The corpus written to *path*."""
    first, *frames = path.read_bytes().splitlines()
    head = json.loads(first)
    snapshots = {symbol: raw.encode() for symbol, raw in head["snapshots"].items()}
    return Frames(head["name"], head["venue"], snapshots, frames, head["depth_levels"])
