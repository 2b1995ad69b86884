"""The facts of a capture, from dicts and Decimals: the oracle of every replay."""

import hashlib
from collections import Counter
from itertools import pairwise
from pathlib import Path
from types import ModuleType
from typing import Any, Protocol

from tests.twins import facts_binance, facts_coinbase, facts_kraken, facts_simulated
from tests.twins.capture_io import Record, exact_json, is_frame, is_received, read_records
from tests.twins.facts_common import shape_label


class VenueFacts(Protocol):
    """What a venue's facts are fed, and asked for."""

    checkpoint_every: int

    def feed(self, index: int, record: Record) -> str: ...
    def checkpoints(self, before_record: int) -> list[dict[str, Any]]: ...
    def sections(self) -> dict[str, Any]: ...


_MODULES: dict[str, ModuleType] = {
    "binance": facts_binance,
    "coinbase": facts_coinbase,
    "kraken": facts_kraken,
    "simulated": facts_simulated,
}


def facts_of(path: str | Path, instruments: str | bytes | None = None) -> dict[str, Any]:
    """The entry of one capture file, as in `facts.json`.

    *instruments* is a metadata body for a recording without its own (Kraken alone needs one).
    Raises ValueError for the legacy feeds, an unknown venue, an empty file and a frame that does not parse.
    """
    return {"file": Path(path).name, **facts_of_records(read_records(path), instruments)}


def facts_of_records(records: list[Record], instruments: str | bytes | None = None) -> dict[str, Any]:
    """As `facts_of`, for records in memory; the entry names no file."""
    if not records:
        raise ValueError("a capture without records has no facts")
    venue = _venue_of(records)
    if any(record.get("kind") == "fixture" for record in records):
        return {**_counts(venue, records), "message_types": _fixture_types(_MODULES[venue], records)}
    facts = venue_facts(venue, records, instruments)
    message_types: Counter[str] = Counter()
    checkpoints: list[dict[str, Any]] = []
    for index, record in enumerate(records):
        if index and index % facts.checkpoint_every == 0:
            checkpoints += facts.checkpoints(index)
        if is_received(record):
            message_types[_fed(facts, index, record)] += 1
    return {
        **_counts(venue, records),
        "message_types": dict(sorted(message_types.items())),
        **facts.sections(),
        "checkpoints": checkpoints,
    }


def facts_at(records: list[Record], count: int) -> VenueFacts:
    """The state of the recording just before record *count*, metadata of the whole recording known."""
    facts = venue_facts(_venue_of(records), records)
    for index, record in enumerate(records[:count]):
        if is_received(record):
            _fed(facts, index, record)
    return facts


def venue_facts(venue: str, records: list[Record], instruments: str | bytes | None = None) -> VenueFacts:
    """An empty set of facts for *venue*, to be fed one record at a time."""
    if venue == "binance":
        return facts_binance.BinanceFacts(records)
    if venue == "coinbase":
        return facts_coinbase.CoinbaseFacts(records)
    if venue == "simulated":
        return facts_simulated.SimulatedFacts(records, instruments)
    return facts_kraken.KrakenFacts(records, instruments)


def _venue_of(records: list[Record]) -> str:
    spelled = str(records[0]["venue"])
    venue = spelled.split("_")[0]
    if spelled.startswith("kraken_v1"):
        raise ValueError("kraken_v1 is legacy: only WebSocket v2 recordings have facts here")
    if venue not in _MODULES:
        raise ValueError(f"unknown venue {spelled!r}")
    if venue == "coinbase" and facts_coinbase.is_exchange_feed(records):
        raise ValueError(
            "the Coinbase Exchange feed is legacy: only Advanced Trade recordings have facts here"
        )
    return venue


def _fed(facts: VenueFacts, index: int, record: Record) -> str:
    try:
        return facts.feed(index, record)
    except (ValueError, KeyError, TypeError, ArithmeticError) as error:
        raise ValueError(f"record {index} cannot be read: {error!r}") from error


def _counts(venue: str, records: list[Record]) -> dict[str, Any]:
    raws = [record["raw"].encode() for record in records]
    times_ns = [record["ts_ns"] for record in records]
    return {
        "venue": venue,
        "records": len(records),
        "ws_in": sum(is_frame(record) for record in records),
        "ws_out": sum(record["channel"] == "ws" and not is_received(record) for record in records),
        "http": sum(record["channel"] == "http" for record in records),
        "ts_regressions": sum(after < before for before, after in pairwise(times_ns)),
        "first_ts_ns": times_ns[0],
        "last_ts_ns": times_ns[-1],
        "raw_bytes": sum(len(raw) for raw in raws),
        "raw_sha256": hashlib.sha256(b"".join(raw + b"\n" for raw in raws)).hexdigest(),
    }


def _fixture_types(module: ModuleType, records: list[Record]) -> dict[str, int]:
    types: Counter[str] = Counter()
    for record in records:
        message = exact_json(record["raw"])
        kind = shape_label(message) if record["channel"] == "http" else module.fixture_label(message)
        types[f"{record['channel']} {kind}"] += 1
    return dict(sorted(types.items()))
