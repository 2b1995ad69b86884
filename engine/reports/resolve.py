"""Which report is meant: one resolver for every face (MCP-06). No folding of case, no trimming, never a guess."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

SHOWN = 50
_SPELLING = re.compile(r"(?:([a-z][a-z0-9_]{1,31}):)?(?:([A-Z0-9]{1,20}-[A-Z0-9]{1,20})|([A-Z0-9]{2,40}))", re.ASCII)
Pair = tuple[str, str]
"""Venue and symbol."""


@dataclass(frozen=True, slots=True)
class Resolved:
    """What an input stands for.

    Attributes:
        requested: the input.
        venue, symbol: the pair meant.
        rule: ``exact``, ``canonical`` or ``joined``.
        alternatives: ``venue:SYMBOL`` of the other venues that list the symbol, sorted.
    """

    requested: str
    venue: str
    symbol: str
    rule: str
    alternatives: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Unresolved:
    """Why an input stands for nothing, as faces tell it (MCP-07).

    Attributes:
        code: ``invalid_symbol``, ``symbol_not_indexed`` or ``ambiguous_symbol``.
        symbol: the input.
        message: one line.
        others: what there is, or what it might stand for; sorted, the first 50.
    """

    code: str
    symbol: str
    message: str
    others: tuple[str, ...] = ()


def resolve(requested: str, known: Collection[Pair], venue_priority: Sequence[str] = ()) -> Resolved | Unresolved:
    """The pair that *requested* stands for.

    Args:
        requested: ``[venue:](BASE-QUOTE | JOINED)``.
        known: the pairs there are.
        venue_priority: venues, the first that lists a symbol is meant; others come after it, by name.
    """
    match = _SPELLING.fullmatch(requested)
    if match is None:
        message = f"{requested!r} is not [venue:]BASE-QUOTE"
        return Unresolved("invalid_symbol", requested, message)
    venue, symbol, joined = match.groups()
    if symbol is not None:
        symbols = {symbol} & {one for _, one in known}
    else:
        symbols = {one for at, one in known if one.replace("-", "") == joined and (venue is None or at == venue)}
    if len(symbols) > 1:
        candidates = _named(pair for pair in known if pair[1] in symbols and (venue is None or pair[0] == venue))
        message = f"{requested} may be {' or '.join(sorted(symbols))}"
        return Unresolved("ambiguous_symbol", requested, message, candidates)
    venues = [at for at, one in known if one in symbols]
    if venue is not None:
        found = venue if venue in venues else None
    else:
        found = min(venues, key=lambda at: _rank(at, venue_priority), default=None)
    if found is None:
        message = f"there is no report of {requested}"
        return Unresolved("symbol_not_indexed", requested, message, _named(known))
    (only,) = symbols
    rule = "joined" if joined is not None else "canonical" if venue is None else "exact"
    others = () if venue is not None else _named((at, only) for at in venues if at != found)
    return Resolved(requested, found, only, rule, others)


def _rank(venue: str, priority: Sequence[str]) -> tuple[int, str]:
    return (priority.index(venue) if venue in priority else len(priority), venue)


def _named(pairs: Iterable[Pair]) -> tuple[str, ...]:
    return tuple(sorted(f"{venue}:{symbol}" for venue, symbol in pairs))[:SHOWN]
