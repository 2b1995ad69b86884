"""Hand-rolled loops over Binance depth frames: decode, follow the ids, set levels, call the consumers."""
from collections.abc import Callable, Iterable

import msgspec
import orjson

from engine.bench.baselines.books import HandBook, Levels
from engine.bench.baselines.consumers import consumers
from engine.bench.data.corpus import Corpus
from engine.bench.data.plainbook import Top


class GapError(Exception):
    """An update id did not follow; the corpora have no gaps, so a loop that raises this is wrong."""


class _Depth(msgspec.Struct):
    symbol: str = msgspec.field(name="s")
    first_id: int = msgspec.field(name="U")
    last_id: int = msgspec.field(name="u")
    bids: list[tuple[str, str]] = msgspec.field(name="b")
    asks: list[tuple[str, str]] = msgspec.field(name="a")


class _Combined(msgspec.Struct):
    data: _Depth


class _BinanceLoop:
    """Books of a corpus; ``reset`` rebuilds them from the snapshots, ``play`` is the measured part."""

    def __init__(self, corpus: Corpus, new_book: Callable[[Levels, Levels, int], HandBook]) -> None:
        self._frames = corpus.frames
        self._new_book = new_book
        self._bodies = {symbol: orjson.loads(raw) for symbol, raw in corpus.snapshots.items()}
        self._books: dict[str, HandBook] = {}
        self._consumers = consumers()

    def reset(self) -> None:
        self._books = {
            symbol: self._new_book(_pairs(body["bids"]), _pairs(body["asks"]), body["lastUpdateId"])
            for symbol, body in self._bodies.items()
        }

    def tops(self) -> dict[str, Top]:
        return {symbol: book.top() for symbol, book in self._books.items()}


def _pairs(levels: Iterable[list[str]]) -> list[tuple[str, str]]:
    return [(price, quantity) for price, quantity, *_ in levels]


class MsgspecLoop(_BinanceLoop):
    """msgspec decodes straight into typed structs."""

    def play(self) -> None:
        decode = msgspec.json.Decoder(_Combined).decode
        books, callbacks = self._books, self._consumers
        for frame in self._frames:
            data = decode(frame).data
            book = books[data.symbol]
            if data.first_id > book.last_update_id + 1:
                raise GapError(data.symbol)
            book.apply(data.bids, data.asks)
            book.last_update_id = data.last_id
            for callback in callbacks:
                callback(book)


class OrjsonLoop(_BinanceLoop):
    """orjson decodes into dictionaries and lists."""

    def play(self) -> None:
        decode = orjson.loads
        books, callbacks = self._books, self._consumers
        for frame in self._frames:
            data = decode(frame)["data"]
            book = books[data["s"]]
            if data["U"] > book.last_update_id + 1:
                raise GapError(data["s"])
            book.apply(data["b"], data["a"])
            book.last_update_id = data["u"]
            for callback in callbacks:
                callback(book)
