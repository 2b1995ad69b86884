"""Hand-rolled loops over Kraken v2 book frames, order_book's CRC32 checked on every message."""
from collections.abc import Callable, Iterable
from decimal import Decimal

import msgspec
import orjson

from engine.bench.baselines.checked_book import CheckedBook, ChecksumError
from engine.bench.baselines.consumers import consumers
from engine.bench.data.corpus import Corpus
from engine.bench.data.plainbook import Top
from engine.bench.data.wire import read_frame

Formatter = Callable[[float], str]


class _Level(msgspec.Struct):
    price: Decimal
    qty: Decimal


class _Book(msgspec.Struct):
    symbol: str
    bids: list[_Level]
    asks: list[_Level]
    checksum: int


class _BookFrame(msgspec.Struct):
    data: list[_Book]


class _KrakenLoop:
    def __init__(self, corpus: Corpus) -> None:
        self._corpus = corpus
        self._frames = corpus.frames
        self._books: dict[str, CheckedBook] = {}
        self._consumers = consumers()

    def reset(self) -> None:
        self._books = {symbol: CheckedBook(self._corpus, symbol) for symbol in self._corpus.symbols}

    def tops(self) -> dict[str, Top]:
        return {symbol: (book.best_bid, book.best_ask) for symbol, book in self._books.items()}


class MsgspecChecked(_KrakenLoop):
    """msgspec reads the numbers as Decimals with the digits the wire has."""

    def play(self) -> None:
        decode = msgspec.json.Decoder(_BookFrame).decode
        books, callbacks = self._books, self._consumers
        for frame in self._frames:
            for data in decode(frame).data:
                book = books[data.symbol]
                for level in data.bids:
                    book.set_level(book.bids, level.price, level.qty)
                for level in data.asks:
                    book.set_level(book.asks, level.price, level.qty)
                if book.book.checksum() != data.checksum:
                    raise ChecksumError(data.symbol)
                book.read_top()
                for callback in callbacks:
                    callback(book)


class OrjsonChecked(_KrakenLoop):
    """orjson gives floats, which lose trailing zeros; each is formatted again at the pair's precision."""

    def __init__(self, corpus: Corpus) -> None:
        super().__init__(corpus)
        self._formats = pair_formats(corpus)

    def play(self) -> None:
        decode = orjson.loads
        books, formats, callbacks = self._books, self._formats, self._consumers
        for frame in self._frames:
            for data in decode(frame)["data"]:
                symbol = data["symbol"]
                book = books[symbol]
                price_text, quantity_text = formats[symbol]
                for side, levels in ((book.bids, data["bids"]), (book.asks, data["asks"])):
                    for level in levels:
                        price = Decimal(price_text(level["price"]))
                        book.set_level(side, price, Decimal(quantity_text(level["qty"])))
                if book.book.checksum() != data["checksum"]:
                    raise ChecksumError(symbol)
                book.read_top()
                for callback in callbacks:
                    callback(book)


def pair_formats(corpus: Corpus) -> dict[str, tuple[Formatter, Formatter]]:
    """Formatters of prices and quantities per symbol, at the precision the snapshot shows."""
    formats = {}
    for symbol, raw in corpus.snapshots.items():
        snapshot = read_frame("kraken", raw)[0]
        prices, quantities = zip(*snapshot.bids, *snapshot.asks, strict=True)
        formats[symbol] = _formatter(prices), _formatter(quantities)
    return formats


def _formatter(texts: Iterable[str]) -> Formatter:
    decimals = max(len(text.partition(".")[2]) for text in texts)
    return f"{{:.{decimals}f}}".format
