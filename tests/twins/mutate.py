"""A recording with something gone wrong in it: what the network, the recorder or the venue may do.

Every function leaves its input alone and gives the same output for the same seed. Receive times stay where
they stood, so a mutated capture is sorted when its source was. Respelling is in `respell.py`, broken bytes in
`fuzz.py`, fresh snapshots in `heal.py`; all of it is offered here too.
"""

from collections.abc import Callable
from random import Random
from typing import Any

from tests.twins.capture_io import Record, exact_json, is_frame, is_received, write_records
from tests.twins.checksum_twin import CHECKED_LEVELS
from tests.twins.facts_binance import payload_of
from tests.twins.facts_kraken import KrakenFacts, levels_of
from tests.twins.fuzz import fuzz_frames
from tests.twins.heal import lose_and_heal
from tests.twins.json_lexemes import Members, Number, dump, parse
from tests.twins.respell import (
    add_unknown_fields,
    numbers_to_strings,
    pad_zeros,
    respell_records,
    shuffle_keys,
    strings_to_numbers,
    strip_zeros,
)

__all__ = [
    "add_unknown_fields",
    "book_frames",
    "change_digit",
    "cut_metadata",
    "drop",
    "duplicate",
    "fuzz_frames",
    "lose_and_heal",
    "numbers_to_strings",
    "pad_zeros",
    "received_frames",
    "repeat_snapshot",
    "respell_records",
    "shuffle_keys",
    "stale_snapshot",
    "strings_to_numbers",
    "strip_zeros",
    "swap_neighbours",
    "write_records",
]

Places = Callable[[list[Record]], list[int]]


def received_frames(records: list[Record]) -> list[int]:
    """Positions of the frames that came over a socket."""
    return [at for at, record in enumerate(records) if is_frame(record)]


def book_frames(records: list[Record]) -> list[int]:
    """Positions of the frames that change a book: diffs and updates, not snapshots."""
    return [at for at in received_frames(records) if _is_book_change(records[at])]


def drop(records: list[Record], seed: int, count: int, places: Places = received_frames) -> list[Record]:
    """*count* of the frames at *places* never came."""
    lost = set(Random(seed).sample(places(records), count))
    return [record for at, record in enumerate(records) if at not in lost]


def duplicate(records: list[Record], seed: int, count: int, places: Places = received_frames) -> list[Record]:
    """*count* of the frames at *places* came twice in a row."""
    doubled = set(Random(seed).sample(places(records), count))
    return [copy for at, record in enumerate(records) for copy in [record] * (1 + (at in doubled))]


def swap_neighbours(
    records: list[Record], seed: int, count: int, places: Places = received_frames
) -> list[Record]:
    """*count* of the frames at *places* came after the one that follows them there on their connection."""
    pairs = _neighbours(records, places(records))
    swapped = list(records)
    taken: set[int] = set()
    for first, second in Random(seed).sample(pairs, len(pairs)):
        if len(taken) == 2 * count:
            break
        if first not in taken and second not in taken:
            taken |= {first, second}
            swapped[first] = {**records[second], "ts_ns": records[first]["ts_ns"]}
            swapped[second] = {**records[first], "ts_ns": records[second]["ts_ns"]}
    if len(taken) < 2 * count:
        raise ValueError(f"only {len(taken) // 2} of {count} pairs to swap")
    return swapped


def stale_snapshot(records: list[Record], symbol: str, replace: bool = False) -> list[Record]:
    """Binance: a snapshot older than the first diff comes in front of the recorded one, or in its place."""
    at = _snapshot_place(records, symbol)
    payloads = [payload_of(exact_json(record["raw"])) for record in records[:at] if is_frame(record)]
    first = next(diff for diff in payloads if diff.get("e") == "depthUpdate" and diff["s"] == symbol)
    body = [
        (key, Number(first["U"] - 2) if key == "lastUpdateId" else value)
        for key, value in parse(records[at]["raw"])
    ]
    stale = {**records[at], "raw": dump(Members(body))}
    return [*records[:at], stale, *records[at + replace :]]


def repeat_snapshot(records: list[Record], symbol: str, at: int) -> list[Record]:
    """Binance: the recorded snapshot of *symbol* comes once more, in front of record *at*."""
    again = {**records[_snapshot_place(records, symbol)], "ts_ns": records[at]["ts_ns"]}
    return [*records[:at], again, *records[at:]]


def cut_metadata(records: list[Record]) -> list[Record]:
    """The recording without instrument metadata: exchangeInfo, products, AssetPairs, instruments and their frames."""
    return [record for record in records if not _is_metadata(record)]


def change_digit(records: list[Record], seed: int) -> tuple[list[Record], int]:
    """Kraken: one digit of a quantity among the ten best of a side is another one.

    Returns the capture and the 0-based position of the record that lies.
    """
    rng = Random(seed)
    at, entry_place, side, level_place = rng.choice(_quantities_among_best(records))
    tree = parse(records[at]["raw"])
    level = _member(_member(tree, "data")[entry_place], side)[level_place]
    level[:] = [(key, _other_digit(value, rng) if key == "qty" else value) for key, value in level]
    return [*records[:at], {**records[at], "raw": dump(tree)}, *records[at + 1 :]], at


def _other_digit(text: str, rng: Random) -> str:
    """*text* with one digit changed: as long as before, and not 0."""
    place = rng.choice([place for place, letter in enumerate(text) if letter.isdigit()])
    other = rng.choice([digit for digit in "123456789" if digit != text[place]])
    return type(text)(text[:place] + other + text[place + 1 :])


def _quantities_among_best(records: list[Record]) -> list[tuple[int, int, str, int]]:
    """(record, entry, side, level) of each level sent that is among the ten best after its message."""
    places = []
    facts = KrakenFacts(records)
    for at, record in enumerate(records):
        if is_received(record):
            facts.feed(at, record)
        if not _is_book_change(record):
            continue
        for entry_place, entry in enumerate(exact_json(record["raw"])["data"]):
            best = facts.books[entry["symbol"]].ladder.top(CHECKED_LEVELS)
            for side, best_levels in zip(("bids", "asks"), best, strict=True):
                # Of a price sent twice the last one counts.
                last_place = {level[0]: place for place, level in enumerate(levels_of(entry[side]))}
                places += [
                    (at, entry_place, side, last_place[price])
                    for price, _ in best_levels
                    if price in last_place
                ]
    return places


def _member(members: Members, key: str) -> Any:
    return next(value for name, value in members if name == key)


def _neighbours(records: list[Record], places: list[int]) -> list[tuple[int, int]]:
    last: dict[int, int] = {}
    pairs = []
    for at in places:
        conn = records[at]["conn"]
        if conn in last:
            pairs.append((last[conn], at))
        last[conn] = at
    return pairs


def _snapshot_place(records: list[Record], symbol: str) -> int:
    address = f"/depth?symbol={symbol}&"
    return next(at for at, record in enumerate(records) if address in (record["url"] or ""))


def _is_book_change(record: Record) -> bool:
    if not is_frame(record):
        return False
    message = payload_of(exact_json(record["raw"]))
    if not isinstance(message, dict):
        return False
    if message.get("channel") == "l2_data":
        return all(event["type"] == "update" for event in message["events"])
    return message.get("e") == "depthUpdate" or (message.get("channel"), message.get("type")) == (
        "book",
        "update",
    )


def _is_metadata(record: Record) -> bool:
    if record["channel"] == "http":
        return "/depth?" not in (record["url"] or "")
    message = exact_json(record["raw"])
    return isinstance(message, dict) and message.get("channel") == "instrument"
