"""The control port, and faults asked for while clients are connected."""

from __future__ import annotations

import asyncio
import json
from decimal import Decimal
from typing import Any

import aiohttp
import picows
import pytest

from engine.base.errors import CapacityError
from engine.simulator.control import read_rules
from engine.simulator.server import Simulator
from tests.unit.simulator.clients import SocketClient, parse
from tests.unit.simulator.test_server import fetch, running


async def post(http: aiohttp.ClientSession, url: str, body: Any) -> tuple[int, Any]:
    async with http.post(url, data=body if isinstance(body, bytes) else json.dumps(body)) as response:
        return response.status, await response.json()


async def kraken_book(simulator: Simulator) -> SocketClient:
    client = await SocketClient.open(simulator.endpoints["kraken"]["ws"])
    client.say(method="subscribe", params={"channel": "book", "symbol": ["BTC/USD"]})
    await client.until(lambda: len(client.frames) > 5)
    return client


def test_faults_are_armed_told_and_disarmed_BOOK_29() -> None:
    async def main() -> None:
        async with running() as simulator, aiohttp.ClientSession() as http:
            control = simulator.endpoints["control"]["rest"]
            client = await kraken_book(simulator)
            rules = [
                {"fault": "corrupt_checksum", "venue": "kraken", "symbol": "btc-usd"},
                {"fault": "drop", "venue": "kraken", "probability": 0.5, "count": 0, "at_s": 3600},
            ]
            assert await post(http, f"{control}/faults", rules) == (200, {"rules": [1, 2]})
            seen = len(client.frames)
            await client.until(lambda: len(client.frames) > seen + 3)
            told = await fetch(http, f"{control}/faults")
            assert told["counts"] == {"binance": {}, "coinbase": {}, "kraken": {"corrupt_checksum": 1}, "simulated": {}}
            (injected,) = told["injected"]
            assert {key: injected[key] for key in ("number", "rule", "fault", "venue", "symbol")} == {
                "number": 1, "rule": 1, "fault": "corrupt_checksum", "venue": "kraken", "symbol": "BTC/USD",
            }  # fmt: skip
            assert [armed["number"] for armed in told["rules"]] == [2]
            assert (await fetch(http, f"{control}/faults?kraken=1"))["injected"] == []
            assert await fetch(http, f"{control}/faults", "DELETE") == {"rules": []}
            assert (await fetch(http, f"{control}/faults"))["rules"] == []
            client.transport.disconnect()

    asyncio.run(main())


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"{", "not JSON"),
        ({"fault": "dorp"}, "[0].fault: must be one of"),
        ([{"fault": "drop"}, {"fault": "drop", "x": 1}], "[1].x: drop has no such key"),
        ({"fault": "drop", "symbol": "NOPE-USD"}, "no venue here lists 'NOPE-USD'"),
        ("drop", "[0]: must be a mapping"),
    ],
)
def test_wrong_rules_are_refused_whole(body: Any, words: str) -> None:
    async def main() -> None:
        async with running(held=True) as simulator, aiohttp.ClientSession() as http:
            control = simulator.endpoints["control"]["rest"]
            status, reply = await post(http, f"{control}/faults", body)
            assert status == 400
            assert words in reply["error"][0]
            assert (await fetch(http, f"{control}/faults"))["rules"] == []

    asyncio.run(main())


def test_books_and_symbols_of_one_venue() -> None:
    async def main() -> None:
        async with running(held=True) as simulator, aiohttp.ClientSession() as http:
            control = simulator.endpoints["control"]["rest"]
            books = await fetch(http, f"{control}/books?venue=binance&symbol=btc-usdt")
            assert {venue: list(found) for venue, found in books.items()} == {"binance": ["BTCUSDT"]}
            symbols = await fetch(http, f"{control}/symbols")
            assert symbols["kraken"]["BTC/USD"] == {
                "symbol": "BTC-USD", "tick": "0.1", "lot": "0.00000001", "status": "trading",
            }  # fmt: skip
            for query, words in (("venue=bitmex", "no venue 'bitmex'"), ("symbol=NOPE", "no symbol 'NOPE'")):
                async with http.get(f"{control}/books?{query}") as response:
                    assert response.status == 400
                    assert words in (await response.json())["error"][0]

    asyncio.run(main())


def test_the_newest_trades_and_who_listens_are_told() -> None:
    async def main() -> None:
        async with running(held=True, rate_frames_per_s=400) as simulator, aiohttp.ClientSession() as http:
            control, addresses = simulator.endpoints["control"]["rest"], simulator.endpoints
            nobody: dict[str, dict[str, int]] = {"binance": {}, "coinbase": {}, "kraken": {}, "simulated": {}}
            assert await fetch(http, f"{control}/subscriptions") == nobody
            binance = await SocketClient.open(f"{addresses['binance']['ws']}/stream?streams=ethusdt@depth@100ms")
            coinbase = await SocketClient.open(addresses["coinbase"]["ws"])
            coinbase.say(type="subscribe", channel="market_trades", product_ids=["ETH-USD"])
            kraken = [await SocketClient.open(addresses["kraken"]["ws"]) for _ in range(2)]
            for client in kraken:
                client.say(method="subscribe", params={"channel": "book", "symbol": ["ETH/USD"], "depth": 25})
                client.say(method="subscribe", params={"channel": "trade", "symbol": ["ETH/USD"]})
                # The status, two acks and the book's snapshot.
                await client.until(lambda client=client: len(client.frames) == 4)
            plain = await SocketClient.open(addresses["simulated"]["ws"])
            plain.say(op="subscribe", channel="kline", symbols=["ETH-USD"], interval="1m")
            await plain.until(lambda: len(plain.frames) == 3)
            await coinbase.until(lambda: len(coinbase.frames) == 1)
            assert await fetch(http, f"{control}/subscriptions") == {
                "binance": {"ethusdt@depth@100ms": 1},
                "coinbase": {"market_trades ETH-USD": 1},
                "kraken": {"book ETH/USD 25": 2, "trade ETH/USD": 2},
                "simulated": {"kline ETH-USD 1m": 1},
            }
            assert (await fetch(http, f"{control}/trades"))["kraken"] == {"BTC/USD": [], "ETH/USD": []}
            simulator.resume()
            frames = kraken[0].frames

            def traded() -> list[Any]:
                messages = [parse(frame) for frame in frames if frame.startswith(b'{"channel":"trade"')]
                return [trade for message in messages for trade in message["data"]]

            await kraken[0].until(lambda: len(traded()) > 2)
            simulator.pause()
            await kraken[0].until(
                lambda: traded()[-1]["trade_id"] == simulator.books("kraken")["kraken"]["ETH/USD"]["last_trade_id"]
            )
            told = await fetch(http, f"{control}/trades?venue=kraken&symbol=eth-usd")
            assert [
                (trade["id"], Decimal(trade["price"]), Decimal(trade["qty"]), trade["taker"])
                for trade in told["kraken"]["ETH/USD"]
            ] == [(trade["trade_id"], trade["price"], trade["qty"], trade["side"]) for trade in traded()]
            for client in (binance, coinbase, *kraken):
                client.transport.disconnect()

    asyncio.run(main())


def test_the_sockets_do_what_the_faults_say() -> None:
    async def main() -> None:
        async with running() as simulator, aiohttp.ClientSession() as http:
            control = simulator.endpoints["control"]["rest"]
            for rule in ({"fault": "torn_frame"}, {"fault": "disconnect"}, {"fault": "disconnect", "code": 1012}):
                client = await kraken_book(simulator)
                await post(http, f"{control}/faults", {**rule, "venue": "kraken"})
                await client.until(lambda client=client: not client.is_open)
                handshake = client.transport.close_handshake
                received = None if handshake is None else handshake.recv
                assert (None if received is None else received.code.value) == rule.get("code")
            await post(http, f"{control}/faults", {"fault": "refuse", "venue": "kraken", "status": 503})
            with pytest.raises(picows.WSHandshakeError, match="503"):
                await kraken_book(simulator)
            client = await kraken_book(simulator)
            client.transport.disconnect()
            counts = (await fetch(http, f"{control}/counts"))["kraken"]
            assert (counts["connections"], counts["breaches"]) == (4, {})

    asyncio.run(main())


def test_rest_replies_carry_headers_delays_and_refusals() -> None:
    async def main() -> None:
        async with running(held=True) as simulator, aiohttp.ClientSession() as http:
            control, rest = simulator.endpoints["control"]["rest"], simulator.endpoints["binance"]["rest"]
            rules = [{"fault": "delay_snapshot", "for_s": 0.2}, {"fault": "rate_limited", "retry_after_s": 60}]
            await post(http, f"{control}/faults", {**rules[0], "venue": "binance"})
            loop = asyncio.get_running_loop()
            began_s = loop.time()
            async with http.get(f"{rest}/api/v3/depth?symbol=BTCUSDT") as response:
                assert response.headers["X-MBX-USED-WEIGHT-1M"] == "5"
            assert loop.time() - began_s >= 0.2
            await post(http, f"{control}/faults", {**rules[1], "venue": "binance"})
            async with http.get(f"{rest}/api/v3/ping") as response:
                assert (response.status, response.headers["Retry-After"]) == (429, "60")
            counts = (await fetch(http, f"{control}/counts"))["binance"]
            assert counts["calls"] == {"depth": 1, "ping": 1}
            assert counts["rest_connections"] == 1

    asyncio.run(main())


def test_a_taken_port_is_told_with_what_to_do() -> None:
    async def main() -> None:
        async with running(held=True) as simulator:
            rest_port = int(simulator.endpoints["binance"]["rest"].rpartition(":")[2])
            with pytest.raises(CapacityError, match=f"a port from {rest_port - 1} to {rest_port + 1} is taken") as caught:
                await Simulator(port=rest_port - 1).start()
            assert "--port 0" in caught.value.hint

    asyncio.run(main())


def test_rules_are_read_from_one_or_from_a_list() -> None:
    assert [rule.fault for rule in read_rules(b'{"fault":"drop"}')[0]] == ["drop"]
    assert [rule.fault for rule in read_rules(b'[{"fault":"drop"},{"fault":"swap"}]')[0]] == ["drop", "swap"]
