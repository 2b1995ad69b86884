"""cryptofeed on the simulated Binance: its books and trades are the venue's, and it sees a lost diff. BOOK-29."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.interop.kit import Client, Simulated, agree, installed, running, simulated

pytestmark = [pytest.mark.system, pytest.mark.interop, pytest.mark.timeout(150)]

SYMBOLS = {"BTC-USDT": "BTCUSDT", "ETH-USDT": "ETHUSDT"}
STREAMS = ("btcusdt@depth@100ms", "btcusdt@aggTrade", "ethusdt@depth@100ms", "ethusdt@aggTrade")


@contextmanager
def watching(tmp_path: Path) -> Iterator[tuple[Simulated, Client]]:
    folders = installed("interop", "cryptofeed")
    # It speaks nothing but TLS.
    with simulated("binance", "--tls") as market:
        config = {"symbols": SYMBOLS, **market.addresses}
        with running("cryptofeed_binance", config, folders, tmp_path, **market.trust) as client:
            market.await_streams(STREAMS, client)
            yield market, client


def test_its_books_and_trades_are_the_venues_and_it_misses_a_diff_that_was_not_sent(tmp_path: Path) -> None:
    symbols = list(SYMBOLS.values())
    with watching(tmp_path) as (market, client):
        for _ in range(3):
            market.go_on(symbols)
            assert agree(client, market, symbols)["complaints"] == []
        market.arm(fault="drop", symbol="BTC-USDT")
        # What is lost may be the last of the first round, and shows by what comes next.
        for _ in range(2):
            market.go_on(symbols)
        assert agree(client, market, symbols)["complaints"] == ["BINANCE: Missing book update detected, resetting book"]
