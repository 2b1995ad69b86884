"""BUS-03, DST-02: where a symbol lies, by the vectors of the contract, whatever the interpreter's hash is."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from engine.distribution.keys import shard_of, stream_key, text_number

VECTORS = {
    "BTC-USDT": (8158325467891204128, 0, 32),
    "ETH-USDT": (13687418351620762695, 7, 7),
    "SOL-USDT": (2984060090460227265, 1, 1),
    "XRP-USD": (16208694579524726717, 13, 61),
    "1INCH-USDT": (7956064595689125206, 6, 22),
    "ETH-BTC": (7196412981494754015, 15, 31),
}
"""Symbol: its number, its shard of 16 and of 64."""


@pytest.mark.parametrize("symbol", VECTORS)
def test_bus_03_the_vectors(symbol: str) -> None:
    number, of_16, of_64 = VECTORS[symbol]
    assert text_number(symbol) == number
    assert [shard_of(symbol, shards) for shards in (1, 16, 64)] == [0, of_16, of_64]


def test_bus_03_one_shard_is_the_venues_key_alone() -> None:
    assert stream_key("nt:{venue}", "binance", "BTC-USDT", 1) == "nt:binance"
    assert stream_key("nt:{venue}", "binance", "BTC-USDT", 64) == "nt:binance:32"


def test_chk_20_no_hash_of_the_interpreter_takes_part() -> None:
    code = "from engine.distribution.keys import shard_of; print([shard_of(s, 64) for s in ('BTC-USDT', 'ETH-BTC')])"
    for seed in ("0", "1", "2"):
        done = subprocess.run(
            [sys.executable, "-c", code], env={**os.environ, "PYTHONHASHSEED": seed}, capture_output=True, text=True, check=True
        )
        assert done.stdout == "[32, 31]\n"
