"""python-kraken-sdk on the simulated Kraken: its books, checked by its own CRC32, are the venue's. BOOK-29."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.interop.kit import Client, Simulated, agree, installed, running, simulated, until

pytestmark = [pytest.mark.system, pytest.mark.interop, pytest.mark.timeout(150)]

SYMBOLS = ("BTC/USD", "ETH/USD")
DEPTH = 10
STREAMS = ("book BTC/USD 10", "trade BTC/USD", "book ETH/USD 10", "trade ETH/USD")
MISMATCH = "Checksum mismatch - resubscribing to the orderbook for BTC/USD"


@contextmanager
def watching(tmp_path: Path) -> Iterator[tuple[Simulated, Client]]:
    folders = installed("interop", "kraken")
    with simulated("kraken") as market:
        config = {"symbols": SYMBOLS, "depth": DEPTH, **market.addresses}
        with running("kraken_sdk", config, folders, tmp_path) as client:
            market.await_streams(STREAMS, client)
            yield market, client


def test_its_books_and_trades_are_the_venues_and_it_finds_a_wrong_checksum(tmp_path: Path) -> None:
    with watching(tmp_path) as (market, client):
        for _ in range(3):
            market.go_on(SYMBOLS)
            assert agree(client, market, SYMBOLS, DEPTH)["complaints"] == []
        market.arm(fault="corrupt_checksum", symbol="BTC-USD")
        market.go_on(SYMBOLS)
        until(lambda: bool(client.tell()["complaints"]), "the client has found nothing wrong")
        assert agree(client, market, SYMBOLS, DEPTH)["complaints"] == [MISMATCH]


def test_its_checksum_misses_an_update_that_was_not_sent(tmp_path: Path) -> None:
    with watching(tmp_path) as (market, client):
        market.arm(fault="drop", symbol="BTC-USD")
        # What is lost may be the last of the first round, and shows by what comes next.
        for _ in range(2):
            market.go_on(SYMBOLS)
        # It joins again once for each frame that waits by then, and rests three seconds each time: not awaited.
        until(lambda: MISMATCH in client.tell()["complaints"], "the client has found nothing wrong")
