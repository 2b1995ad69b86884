"""Numbers by which a venue's answer finds the request it is for. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from engine.base.jsontext import encode

REQUESTS_MAX = 1024
"""Kept for their answers, which come within seconds: the sets of books that are lost together have no end."""


class RequestNumbers:
    """Numbers of control frames; the same request has the same number again, for as long as it is kept."""

    def __init__(self) -> None:
        self._numbers: dict[bytes, int] = {}
        self._asked: dict[int, tuple[bytes, str, tuple[str, ...]]] = {}
        self._last = 0

    def number(self, stream: str, venue_symbols: Sequence[str], request: object) -> int:
        """The number of a request for *stream* of *venue_symbols*; the one made longest ago is forgotten."""
        key = encode(request)
        number = self._numbers.get(key)
        if number is None:
            if len(self._asked) == REQUESTS_MAX:
                oldest, *_ = self._asked.pop(next(iter(self._asked)))
                del self._numbers[oldest]
            self._last = self._numbers[key] = number = self._last + 1
        # Written anew, it is the youngest.
        self._asked[number] = self._asked.pop(number, (key, stream, tuple(venue_symbols)))
        return number

    def asked(self, number: int | None) -> tuple[str, tuple[str, ...]]:
        """Stream and symbols of the request with a number; nothing for a number that is none of ours, or forgotten."""
        _, stream, venue_symbols = self._asked.get(number or 0, (b"", "", ()))
        return stream, venue_symbols
