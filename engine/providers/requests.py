"""Numbers by which a venue's answer finds the request it is for. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from engine.base.jsontext import encode


class RequestNumbers:
    """Numbers of control frames; the same request has the same number again, so there are no more than requests."""

    def __init__(self) -> None:
        self._numbers: dict[bytes, int] = {}
        self._asked: list[tuple[str, tuple[str, ...]]] = []

    def number(self, stream: str, venue_symbols: Sequence[str], request: object) -> int:
        """The number of a request for *stream* of *venue_symbols*."""
        key = encode(request)
        if key not in self._numbers:
            self._asked.append((stream, tuple(venue_symbols)))
            self._numbers[key] = len(self._asked)
        return self._numbers[key]

    def asked(self, number: int | None) -> tuple[str, tuple[str, ...]]:
        """Stream and symbols of the request with a number; nothing for a number that is none of ours."""
        if number is None or not 0 < number <= len(self._asked):
            return "", ()
        return self._asked[number - 1]
