"""Kraken book frames as decoded levels at the instrument's precision, for a load that only sets and sums."""
import json
from collections.abc import Callable

from engine.bench.checksumload import ChecksumLoad
from engine.bench.data.corpus import Corpus
from engine.bench.data.wire import Level, read_frame, read_kraken_checksums

Decimals = tuple[int, int]


def precisions(corpus: Corpus) -> dict[str, Decimals]:
    """Price and quantity decimals of each symbol, from the AssetPairs body of *corpus*.

    Raises:
        ValueError: the corpus has none.
    """
    if corpus.reference is None:
        raise ValueError(f"{corpus.name} has no AssetPairs")
    return {
        pair["wsname"].replace("XBT", "BTC").replace("XDG", "DOGE"): (pair["pair_decimals"], pair["lot_decimals"])
        for pair in json.loads(corpus.reference)["result"].values()
        if "wsname" in pair
    }


def _raw(text: str, decimals: int) -> int:
    whole, _, part = text.partition(".")
    return int(whole + part.ljust(decimals, "0"))


def _levels(levels: list[Level], decimals: Decimals) -> list[tuple[int, int]]:
    return [(_raw(price, decimals[0]), _raw(quantity, decimals[1])) for price, quantity in levels]


def checksum_load(corpus: Corpus) -> tuple[ChecksumLoad, Callable[[ChecksumLoad], None]]:
    """The load of *corpus*, and what opens its books before a run."""
    decimals = precisions(corpus)
    books = {symbol: number for number, symbol in enumerate(corpus.symbols)}
    messages = []
    for frame in corpus.frames:
        stated = read_kraken_checksums(frame)
        for message, crc in zip(read_frame("kraken", frame), stated, strict=True):
            of_symbol = decimals[message.symbol]
            changes = [(0, *level) for level in _levels(message.bids, of_symbol)]
            changes += [(1, *level) for level in _levels(message.asks, of_symbol)]
            messages.append((books[message.symbol], changes, crc))
    load = ChecksumLoad(messages, len(books), corpus.depth_levels)
    opening = {}
    for symbol, raw in corpus.snapshots.items():
        snapshot = read_frame("kraken", raw)[0]
        of_symbol = decimals[symbol]
        opening[books[symbol]] = _levels(snapshot.bids, of_symbol), _levels(snapshot.asks, of_symbol)

    def open_books(into: ChecksumLoad) -> None:
        for number, (bids, asks) in opening.items():
            into.open(number, bids, asks)

    return load, open_books
