"""Kraken's legacy book of a thousand levels, spelled as today's v2 objects.

The captures hold no v2 book deeper than 25 levels. Levels, digits and the checksums of updates are the
recording's; the checksum of a snapshot is ours, because legacy snapshots carry none. The legacy wire shows
more decimals than AssetPairs states, so a pair's precision is that of its snapshot.
"""
import json
import zlib
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from engine.bench.data.corpus import Corpus, records
from engine.bench.data.wire import BookMessage, Level, write_kraken_update

DEPTH_LEVELS = 1000
CHECKSUM_LEVELS = 10
NEW_NAMES = {"XBT": "BTC", "XDG": "DOGE"}
"""Assets that v2 spells differently from the legacy feed and from AssetPairs."""


def v2_symbol(wsname: str) -> str:
    """``XBT/USD`` as v2 spells it."""
    return "/".join(NEW_NAMES.get(asset, asset) for asset in wsname.split("/"))


def kraken_d1000() -> Corpus:
    """Ten pairs, a thousand levels a side, about one level a message.

    Raises:
        CapturesMissingError: the capture is not there.
    """
    snapshots: dict[str, bytes] = {}
    frames: list[bytes] = []
    level_count = 0
    for record in records("kraken_v1_2021_10pairs.jsonl.gz"):
        if record["channel"] == "http":
            continue
        frame = json.loads(record["raw"])
        if not isinstance(frame, list) or frame[-2] != f"book-{DEPTH_LEVELS}":
            continue
        symbol, parts = v2_symbol(frame[-1]), frame[1:-2]
        is_snapshot = "as" in parts[0]
        bids, asks = (_levels(parts, key) for key in (("bs", "as") if is_snapshot else ("b", "a")))
        message = BookMessage(symbol, bids, asks, 0, 0, is_snapshot)
        stamp = _iso(record["ts_ns"])
        if is_snapshot:
            raw = write_kraken_update(message, _checksum(bids, asks), stamp)
            snapshots[symbol] = raw.replace(b'"type":"update"', b'"type":"snapshot"', 1)
        else:
            checksum = next(int(part["c"]) for part in reversed(parts) if "c" in part)
            frames.append(write_kraken_update(message, checksum, stamp))
            level_count += len(bids) + len(asks)
    return Corpus(
        "kraken_d1000", "kraken", frames, snapshots, tuple(snapshots), level_count, DEPTH_LEVELS
    )


def _iso(ts_ns: int) -> str:
    moment = datetime.fromtimestamp(ts_ns // 10**9, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    return f"{moment}.{ts_ns % 10**9 // 1000:06d}Z"


def _levels(parts: Iterable[dict[str, Any]], key: str) -> list[Level]:
    return [(price, quantity) for part in parts for price, quantity, *_ in part.get(key, ())]


def _checksum(bids: list[Level], asks: list[Level]) -> int:
    """CRC32 of a legacy snapshot, whose levels are best first."""
    best = asks[:CHECKSUM_LEVELS] + bids[:CHECKSUM_LEVELS]
    digits = (number.replace(".", "").lstrip("0") for level in best for number in level)
    return zlib.crc32("".join(digits).encode())
