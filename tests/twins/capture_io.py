"""Reading and writing of captures: gzip'd JSON lines, one record a frame."""

import gzip
import json
from collections.abc import Iterable
from decimal import Decimal
from pathlib import Path
from typing import Any

Record = dict[str, Any]


def read_records(path: str | Path) -> list[Record]:
    """All records of a capture, in file order."""
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines if line.strip()]


def write_records(path: str | Path, records: Iterable[Record]) -> Path:
    """Write *records* as a capture; the same records give the same bytes."""
    target = Path(path)
    # A fixed file time and an empty name keep the gzip header free of the clock and of the path.
    with target.open("wb") as raw, gzip.GzipFile("", "wb", compresslevel=6, fileobj=raw, mtime=0) as packed:
        for record in records:
            packed.write(json.dumps(record, separators=(",", ":"), ensure_ascii=False).encode() + b"\n")
    return target


def is_received(record: Record) -> bool:
    """True unless the recorder sent it."""
    return record.get("dir") != "out"


def is_frame(record: Record) -> bool:
    """True for a frame that came over a socket."""
    return record["channel"] == "ws" and is_received(record)


def exact_json(text: str | bytes) -> Any:
    """Parse JSON without a float: numbers with a point or an exponent become Decimal."""
    return json.loads(text, parse_float=Decimal)
