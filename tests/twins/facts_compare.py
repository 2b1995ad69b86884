"""Comparing two sets of facts field by field."""

import hashlib
import json
from pathlib import Path
from typing import Any

EXPERIMENTS = frozenset({"checksum_ok_by_wire_lexeme", "checksum_ok_without_truncation"})
ENGINE_ONLY = frozenset({"pipeline"})
EMPTY_BOOK: dict[str, Any] = {
    "bid_levels": 0,
    "ask_levels": 0,
    "top_bids": [],
    "top_asks": [],
    "book_sha256": hashlib.sha256().hexdigest(),
}
_ABSENT = object()


def published_facts(captures: Path) -> dict[str, dict[str, Any]]:
    """The entries of `facts.json` in the folder *captures*, by file name without `.jsonl.gz`."""
    entries = json.loads((captures / "facts.json").read_text(encoding="utf-8"))["captures"]
    return {entry["file"].removesuffix(".jsonl.gz"): entry for entry in entries}


def has(section: dict[str, Any], **fields: Any) -> bool:
    """True if *section* has all of *fields* with these values."""
    return {key: section.get(key, _ABSENT) for key in fields} == fields


def published_facts_subset_equal(got: dict[str, Any], want: dict[str, Any]) -> bool:
    """True if *got* agrees with *want* in every field; see `facts_differences`."""
    return not facts_differences(got, want)


def facts_differences(got: Any, want: Any, where: str = "") -> list[str]:
    """One line for each field in which *got* is not *want*, naming its path.

    The reference's two experiments and the engine's own `pipeline` are passed over. A counter that
    stayed 0 and an empty list may be missing on either side. Types count: 1 is not True, nor "1".
    """
    if isinstance(got, dict) and isinstance(want, dict):
        differences = []
        for key in sorted((got.keys() | want.keys()) - EXPERIMENTS - ENGINE_ONLY):
            path = f"{where}.{key}" if where else key
            differences += facts_differences(got.get(key, _ABSENT), want.get(key, _ABSENT), path)
        return differences
    if isinstance(got, list) and isinstance(want, list) and len(got) == len(want):
        return [
            line
            for index, (mine, theirs) in enumerate(zip(got, want, strict=True))
            for line in facts_differences(mine, theirs, f"{where}[{index}]")
        ]
    if _ABSENT in (got, want):
        same = _is_nothing(want if got is _ABSENT else got)
    else:
        same = type(got) is type(want) and got == want
    if same:
        return []
    return [f"{where}: got {_shown(got)}, want {_shown(want)}"]


def _is_nothing(value: Any) -> bool:
    return value == [] or (type(value) is int and value == 0)


def _shown(value: Any) -> str:
    text = "nothing" if value is _ABSENT else repr(value)
    return text if len(text) <= 200 else f"{text[:200]}... ({len(text)} characters)"
