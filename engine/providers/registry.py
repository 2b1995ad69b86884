"""The venues there are. The one place that names them all."""

from __future__ import annotations

from typing import Any

from engine.base.errors import MisuseError
from engine.providers.feed import BookRules, Feed, FeedPorts

VENUES = ("binance", "coinbase", "kraken", "simulated")


def feed_class(venue: str) -> type[Feed]:
    """The feed of a venue; its module is imported only when asked for.

    Raises:
        MisuseError: no such venue.
    """
    if venue == "binance":
        from engine.providers.binance.feed import BinanceFeed

        return BinanceFeed
    if venue == "coinbase":
        from engine.providers.coinbase.feed import CoinbaseFeed

        return CoinbaseFeed
    if venue == "kraken":
        from engine.providers.kraken.feed import KrakenFeed

        return KrakenFeed
    if venue == "simulated":
        from engine.providers.simulated.feed import SimulatedFeed

        return SimulatedFeed
    raise MisuseError(f"no venue {venue!r}", op="providers.open", hint=f"venues: {', '.join(VENUES)}")


def open_feed(venue: str, provider: str, rules: BookRules, ports: FeedPorts) -> Feed:
    """A provider of *venue* under the name *provider*.

    Raises:
        MisuseError: no such venue.
    """
    return feed_class(venue)(provider, rules, ports)


def facts_of(venue: str) -> Any:
    """The venue's module that tells its counters as capture facts: books, trades, entry_part, checkpoint_part.

    Raises:
        MisuseError: no such venue.
    """
    if venue == "binance":
        from engine.providers.binance import facts as binance

        return binance
    if venue == "coinbase":
        from engine.providers.coinbase import facts as coinbase

        return coinbase
    if venue == "kraken":
        from engine.providers.kraken import facts as kraken

        return kraken
    if venue == "simulated":
        from engine.providers.simulated import facts as simulated

        return simulated
    raise MisuseError(f"no venue {venue!r}", op="facts.of", hint=f"venues: {', '.join(VENUES)}")
