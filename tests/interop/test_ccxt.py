"""ccxt pro on all three simulated venues: its books and trades are the venue's, and it sees a lost diff. BOOK-29."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.interop.kit import Client, Simulated, agree, installed, running, simulated, until

pytestmark = [pytest.mark.system, pytest.mark.interop, pytest.mark.timeout(150)]

# venue -> ccxt's symbols and the venue's, the depth asked for, the streams that ccxt then listens to
VENUES: dict[str, tuple[dict[str, str], int | None, tuple[str, ...]]] = {
    "binance": (
        {"BTC/USDT": "BTCUSDT", "ETH/USDT": "ETHUSDT"}, None,
        ("btcusdt@depth@100ms", "btcusdt@trade", "ethusdt@depth@100ms", "ethusdt@trade"),
    ),
    "coinbase": (
        {"BTC/USD": "BTC-USD", "ETH/USD": "ETH-USD"}, None,
        ("level2 BTC-USD", "market_trades BTC-USD", "level2 ETH-USD", "market_trades ETH-USD"),
    ),
    "kraken": (
        {"BTC/USD": "BTC/USD", "ETH/USD": "ETH/USD"}, 25,
        ("book BTC/USD 25", "trade BTC/USD", "book ETH/USD 25", "trade ETH/USD"),
    ),
}  # fmt: skip


@contextmanager
def watching(venue: str, tmp_path: Path) -> Iterator[tuple[Simulated, Client]]:
    folders = installed("interop", "ccxt")
    symbols, depth, streams = VENUES[venue]
    with simulated(venue) as market:
        config = {"venue": venue, "symbols": symbols, "depth": depth, **market.addresses}
        with running("ccxt_pro", config, folders, tmp_path) as client:
            market.await_streams(streams, client)
            # The streams come before what they are applied to.
            until(lambda: len(client.tell()["books"]) == len(symbols), "no book has come")
            yield market, client


@pytest.mark.parametrize("venue", VENUES)
def test_its_books_and_trades_are_the_venues(venue: str, tmp_path: Path) -> None:
    symbols, depth, _ = VENUES[venue]
    with watching(venue, tmp_path) as (market, client):
        for _ in range(3):
            market.go_on(list(symbols.values()))
            state = agree(client, market, list(symbols.values()), depth)
        assert state["complaints"] == []


def test_it_misses_a_diff_that_binance_did_not_send(tmp_path: Path) -> None:
    symbols = list(VENUES["binance"][0].values())
    with watching("binance", tmp_path) as (market, client):
        market.go_on(symbols)
        assert agree(client, market, symbols)["complaints"] == []
        market.arm(fault="drop", symbol="BTC-USDT")
        # What is lost may be the last of the first round, and shows by what comes next.
        for _ in range(2):
            market.go_on(symbols)
        (complaint,) = agree(client, market, symbols)["complaints"]
        assert complaint.startswith("ChecksumError: binance BTC/USDT ")
