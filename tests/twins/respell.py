"""The same message spelled otherwise: what must not change a book, a trade or a count."""

import re
from collections.abc import Callable
from random import Random
from typing import Any

from tests.twins.capture_io import Record, is_received
from tests.twins.json_lexemes import Members, Number, dump, parse

# The keys under which the three venues send prices and quantities, alone or in arrays of levels. Binance has
# ids and counts under single letters too: there only a JSON string is money.
_MONEY_WORDS = {"price", "qty", "size", "price_level", "new_quantity", "bids", "asks", "bid", "ask"}
_MONEY_WORDS |= {"bid_qty", "ask_qty", "last", "volume", "vwap", "open", "high", "low", "close"}
_MONEY_LETTERS = frozenset("pqbBaAochlvVQwxP")
_DECIMAL = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?")
_UNKNOWN_VALUES: tuple[Any, ...] = (
    Number("7"),
    Number("-1.5e3"),
    None,
    True,
    'quoted "asks":[["1","2"]] \\ é',
    [],
    [[Number("1"), "2"], [Members()]],
    Members([("U", Number("1")), ("u", Number("2")), ("asks", [["1", "2"]]), ("s", "NONE"), ("e", "trade")]),
)


def strip_zeros(raw: str) -> str:
    """Prices and quantities without trailing zeros: `"0.00100000"` as `"0.001"`, `4.0` as `4`."""
    return _over_money(raw, lambda value: type(value)(_shortest(value)))


def pad_zeros(raw: str, count: int = 2) -> str:
    """Prices and quantities with *count* more trailing zeros."""
    return _over_money(raw, lambda value: type(value)(value + ("" if "." in value else ".") + "0" * count))


def strings_to_numbers(raw: str) -> str:
    """Prices and quantities that are JSON strings, as JSON numbers of the same digits."""
    return _over_money(raw, Number)


def numbers_to_strings(raw: str) -> str:
    """Prices and quantities that are JSON numbers, as JSON strings of the same digits."""
    return _over_money(raw, str)


def shuffle_keys(raw: str, rng: Random) -> str:
    """The members of every object in another order."""

    def shuffled(members: Members) -> Members:
        return Members(rng.sample(members, len(members)))

    return dump(_over_objects(parse(raw), shuffled))


def add_unknown_fields(raw: str, rng: Random) -> str:
    """A member of an unknown name somewhere in every object; its value may look like a book."""

    def grown(members: Members) -> Members:
        place = rng.randrange(len(members) + 1)
        unknown = (f"x_unknown_{rng.randrange(100)}", rng.choice(_UNKNOWN_VALUES))
        return Members([*members[:place], unknown, *members[place:]])

    return dump(_over_objects(parse(raw), grown))


def respell_records(records: list[Record], respell: Callable[[str], str]) -> list[Record]:
    """*respell* over every received frame and every depth snapshot; metadata bodies stay as they are."""
    return [
        {**record, "raw": respell(record["raw"])} if _is_market_data(record) else record for record in records
    ]


def _is_market_data(record: Record) -> bool:
    if record["channel"] == "http":
        return "/depth?" in (record["url"] or "")
    return is_received(record)


def _shortest(text: str) -> str:
    return text.rstrip("0").rstrip(".") if "." in text else text


def _over_money(raw: str, change: Callable[[str], Any]) -> str:
    """*change* over every price and quantity of a message."""

    def walk(value: Any, key: str) -> Any:
        if isinstance(value, Members):
            return Members((name, walk(member, name)) for name, member in value)
        if isinstance(value, list):
            return [walk(member, key) for member in value]
        is_money = key in _MONEY_WORDS or (key in _MONEY_LETTERS and not isinstance(value, Number))
        return change(value) if is_money and isinstance(value, str) and _DECIMAL.fullmatch(value) else value

    return dump(walk(parse(raw), ""))


def _over_objects(value: Any, change: Callable[[Members], Members]) -> Any:
    if isinstance(value, Members):
        return change(Members((key, _over_objects(member, change)) for key, member in value))
    if isinstance(value, list):
        return [_over_objects(member, change) for member in value]
    return value
