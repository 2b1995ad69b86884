"""What a corpus is, and how the records of a capture are read."""
import gzip
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

CAPTURES_ENV = "ENGINE_CAPTURES"


class CapturesMissingError(Exception):
    """The folder of recorded venue data, or one file of it, is not there."""


@dataclass(frozen=True)
class Corpus:
    """Book frames of one venue, gap-free behind their snapshots.

    Attributes:
        name: of the corpus, as results spell it.
        venue: ``binance``, ``coinbase`` or ``kraken``.
        frames: raw WebSocket frames in arrival order; snapshots are not among them.
        snapshots: raw snapshot per symbol (Binance: REST body; the others: the in-band frame).
        symbols: venue spelling, in the order of their snapshots.
        level_count: price levels set or removed by ``frames`` in all.
        depth_levels: book depth the venue keeps a side; 0 is the whole book.
        reference: raw REST body naming the instruments (exchangeInfo, AssetPairs), None where not recorded.
    """

    name: str
    venue: str
    frames: list[bytes] = field(repr=False)
    snapshots: dict[str, bytes] = field(repr=False)
    symbols: tuple[str, ...]
    level_count: int
    depth_levels: int = 0
    reference: bytes | None = field(default=None, repr=False)

    @property
    def byte_count(self) -> int:
        """Bytes of all frames, snapshots not included."""
        return sum(map(len, self.frames))

    def describe(self) -> dict[str, Any]:
        """The facts a results file keeps about the corpus."""
        frame_count = len(self.frames)
        return {
            "name": self.name,
            "venue": self.venue,
            "frames": frame_count,
            "bytes": self.byte_count,
            "levels": self.level_count,
            "symbols": len(self.symbols),
            "bytes_per_frame": round(self.byte_count / frame_count, 1),
            "levels_per_frame": round(self.level_count / frame_count, 2),
        }


def captures_dir() -> Path:
    """Folder of the captures, named by the environment variable ``ENGINE_CAPTURES``.

    Raises:
        CapturesMissingError: the variable is not set, or there is no such folder.
    """
    named = os.environ.get(CAPTURES_ENV)
    if not named or not Path(named).is_dir():
        raise CapturesMissingError(f"no captures; set {CAPTURES_ENV} to their folder")
    return Path(named)


def records(file_name: str) -> Iterator[dict[str, Any]]:
    """Received records of one capture file, in order; frames the recorder sent are left out.

    Raises:
        CapturesMissingError: the file is not in ``captures_dir()``.
    """
    path = captures_dir() / file_name
    if not path.is_file():
        raise CapturesMissingError(f"no capture {path}")
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        for line in lines:
            record = json.loads(line)
            if record.get("dir") != "out":
                yield record
