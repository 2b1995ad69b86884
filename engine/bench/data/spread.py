"""The same frames over many symbols: what growth with the number of streams is measured on."""
from dataclasses import replace
from itertools import chain, islice, product
from string import ascii_uppercase

from engine.bench.data.corpus import Corpus
from engine.bench.data.wire import read_frame

_BASE_LETTERS = 3
MAX_SYMBOLS = len(ascii_uppercase) ** _BASE_LETTERS


def spread(corpus: Corpus, symbol: str, symbol_count: int) -> Corpus:
    """*symbol*'s frames of a Binance *corpus*, once per new symbol, interleaved message by message.

    New names keep the length (``NKNUSDT`` becomes ``AAAUSDT``, ``AABUSDT``, ..), so every frame has the
    bytes of its original; ids, levels and order within a symbol are untouched.

    Raises:
        ValueError: the corpus is not Binance's, the symbol has no frames, or there are more than
            ``MAX_SYMBOLS`` to name.
    """
    if corpus.venue != "binance":
        raise ValueError(f"spread names Binance symbols, not {corpus.venue}'s")
    if not 1 <= symbol_count <= MAX_SYMBOLS:
        raise ValueError(f"symbol_count must be 1 to {MAX_SYMBOLS}, not {symbol_count}")
    originals = [raw for raw in corpus.frames if read_frame("binance", raw)[0].symbol == symbol]
    if not originals:
        raise ValueError(f"no frames of {symbol} in {corpus.name}")
    letters = islice(product(ascii_uppercase, repeat=_BASE_LETTERS), symbol_count)
    names = ["".join(base) + symbol[_BASE_LETTERS:] for base in letters]
    copies = [_renamed(originals, symbol, name) for name in names]
    frames = list(chain.from_iterable(zip(*copies, strict=True)))
    snapshots = dict.fromkeys(names, corpus.snapshots[symbol])
    level_count = symbol_count * sum(
        len(message.bids) + len(message.asks) for raw in originals for message in read_frame("binance", raw)
    )
    return replace(
        corpus,
        name=f"{corpus.name}_{symbol}_on_{symbol_count}",
        frames=frames,
        snapshots=snapshots,
        symbols=tuple(names),
        level_count=level_count,
        reference=None,
    )


def _renamed(frames: list[bytes], symbol: str, name: str) -> list[bytes]:
    stream, field = f'"stream":"{symbol.lower()}@'.encode(), f'"s":"{symbol}"'.encode()
    new_stream, new_field = f'"stream":"{name.lower()}@'.encode(), f'"s":"{name}"'.encode()
    return [frame.replace(stream, new_stream, 1).replace(field, new_field, 1) for frame in frames]
