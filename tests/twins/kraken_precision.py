"""Where Kraken's decimals come from: metadata bodies, else the pair under which a checksum verifies."""

from decimal import Decimal
from itertools import product
from typing import Any

from tests.twins.capture_io import Record, exact_json, is_received
from tests.twins.checksum_twin import book_checksum
from tests.twins.ladder_twin import Window

Decimals = tuple[int, int]

_MOST_DECIMALS = 18
_NEW_SPELLING = {"XBT": "BTC", "XDG": "DOGE"}


def decimals_in(body: Any) -> dict[str, Decimals]:
    """(price, quantity) decimals by v2 symbol in an AssetPairs reply or an instrument frame, else {}."""
    if not isinstance(body, dict):
        return {}
    if body.get("channel") == "instrument":
        body = body["data"]
    if "pairs" in body:
        return {pair["symbol"]: (pair["price_precision"], pair["qty_precision"]) for pair in body["pairs"]}
    pairs = body.get("result", body)
    if not isinstance(pairs, dict):
        return {}
    return {
        v2_symbol(pair["wsname"]): (pair["pair_decimals"], pair["lot_decimals"])
        for pair in pairs.values()
        if isinstance(pair, dict) and {"wsname", "pair_decimals", "lot_decimals"} <= pair.keys()
    }


def decimals_in_recording(records: list[Record]) -> dict[str, Decimals]:
    """All decimals a recording tells, wherever in it they stand."""
    found: dict[str, Decimals] = {}
    for record in records:
        told = record["channel"] == "http" or '"instrument"' in record["raw"]
        if told and is_received(record):
            found.update(decimals_in(exact_json(record["raw"])))
    return found


def decimals_verifying(window: Window, checksum: int) -> Decimals | None:
    """The shortest pair of decimals under which *window* has *checksum*; None if there is none."""
    levels = window[0] + window[1]
    fewest_price = max((_decimals_of(price) for price, _ in levels), default=0)
    fewest_qty = max((_decimals_of(qty) for _, qty in levels), default=0)
    choices = product(range(fewest_price, _MOST_DECIMALS + 1), range(fewest_qty, _MOST_DECIMALS + 1))
    for decimals in sorted(choices, key=sum):
        if book_checksum(window, *decimals) == checksum:
            return decimals
    return None


def v2_symbol(wsname: str) -> str:
    """`XBT/USD` of the REST and v1 world as v2 spells it."""
    return "/".join(_NEW_SPELLING.get(asset, asset) for asset in wsname.split("/"))


def _decimals_of(value: Decimal) -> int:
    exponent = value.normalize().as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0
