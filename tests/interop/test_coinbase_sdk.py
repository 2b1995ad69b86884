"""Coinbase's SDK on the simulated Coinbase over TLS: what its messages add up to is the venue's book. BOOK-29."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.interop.kit import Client, Simulated, agree, differences, installed, levels, running, simulated, until

pytestmark = [pytest.mark.system, pytest.mark.interop, pytest.mark.timeout(150)]

PRODUCTS = ("BTC-USD", "ETH-USD")
STREAMS = ("level2 BTC-USD", "market_trades BTC-USD", "level2 ETH-USD", "market_trades ETH-USD")


@contextmanager
def watching(tmp_path: Path) -> Iterator[tuple[Simulated, Client]]:
    folders = installed("interop-coinbase", "coinbase")
    with simulated("coinbase", "--tls") as market:
        config = {"symbols": PRODUCTS, **market.addresses}
        with running("coinbase_sdk", config, folders, tmp_path, **market.trust) as client:
            market.await_streams(STREAMS, client)
            yield market, client


def test_its_books_and_trades_are_the_venues_until_a_fault_strikes(tmp_path: Path) -> None:
    with watching(tmp_path) as (market, client):
        told_by_rest = client.tell()["rest"]
        for product, book in market.books(PRODUCTS).items():
            assert {side: levels(told_by_rest[product][side]) for side in ("bids", "asks")} == {
                side: levels(book[side]) for side in ("bids", "asks")
            }
        for _ in range(3):
            market.go_on(PRODUCTS)
            assert agree(client, market, PRODUCTS)["complaints"] == []

        # A level that nobody was told of is a difference, and a lost frame is a gap.
        market.arm(fault="divergence", symbol="BTC-USD")
        until(lambda: "divergence" in market.get("faults")["counts"]["coinbase"], "the book has not changed")
        (wrong,) = differences(client.tell(), market.books(PRODUCTS), market.trades, None)
        assert wrong.startswith("BTC-USD ")
        market.arm(fault="drop", symbol="BTC-USD")
        market.go_on(PRODUCTS)
        until(lambda: client.tell()["complaints"] == ["a gap in sequence_num"], "the client has found no gap")
