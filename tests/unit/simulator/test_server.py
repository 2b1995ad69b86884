"""The simulator over sockets: addresses, live streams, the control port, the process."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from bisect import bisect_left
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

import aiohttp
import picows
import pytest

import engine.simulator
from engine.simulator.pacing import Pacer
from engine.simulator.server import Simulator
from engine.simulator.venue import Venue
from engine.simulator.wires import Connection, text_frame
from tests.unit.simulator.clients import (
    BinanceBook,
    CoinbaseBooks,
    KrakenBook,
    SocketClient,
    as_side,
    make_venue,
    parse,
)

ENVIRONMENT = os.environ | {"PYTHONPATH": str(Path(engine.simulator.__file__).parents[2])}


@asynccontextmanager
async def running(**options: Any) -> AsyncIterator[Simulator]:
    simulator = Simulator(**({"rate_frames_per_s": 1500, "symbols": 2, "depth_levels": 60} | options))
    await simulator.start()
    try:
        yield simulator
    finally:
        await simulator.stop()


async def fetch(http: aiohttp.ClientSession, url: str, method: str = "GET") -> Any:
    async with http.request(method, url) as response:
        assert response.status == 200
        return parse(await response.text())


def test_nothing_is_written_to_a_socket_that_has_ended(caplog: pytest.LogCaptureFixture) -> None:
    """A market has much to tell in one turn of the loop, and hears of a client's end in the next one."""

    async def main() -> None:
        async with running(held=True) as simulator:
            for end in ("of the client", "of the venue"):
                client = await SocketClient.open(simulator.endpoints["kraken"]["ws"])
                (session,) = simulator.venues["kraken"].sessions
                if end == "of the client":
                    client.transport.underlying_transport.abort()
                else:
                    session.wire.close(1006)
                for _ in range(50):
                    session.wire.send(b"{}")
                    session.wire.ping(b"1")
                    session.wire.pong(b"1")
                await client.until(lambda client=client: not client.is_open)
                while simulator.venues["kraken"].sessions:  # noqa: ASYNC110
                    await asyncio.sleep(0)
        assert [record.getMessage() for record in caplog.records] == []

    asyncio.run(main())


def test_what_was_written_is_told_and_a_question_is_of_the_moment_at_which_it_came() -> None:
    async def main() -> None:
        # A market in which nothing happens: only what the client asks for is written.
        async with running(rate_frames_per_s=0.001, venues=["kraken"]) as simulator, aiohttp.ClientSession() as http:
            control = simulator.endpoints["control"]["rest"]
            client = await SocketClient.open(simulator.endpoints["kraken"]["ws"])
            asked_us = []
            for number in range(1, 4):
                frames, bound = len(client.frames), await fetch(http, f"{control}/time")
                asked_us.append(bound["market_ns"] // 1000)
                client.say(method="ping", req_id=number)
                await client.until(lambda frames=frames: len(client.frames) > frames)
            ended_ns = (await fetch(http, f"{control}/time"))["clock_ns"]
            told = (await fetch(http, f"{control}/writes"))["kraken"]
        ahead_ns = bound["market_ns"] - bound["clock_ns"]
        for since_us in asked_us:
            place = bisect_left(told["up_to_us"], since_us)
            up_to_ns, written_ns = told["up_to_us"][place] * 1000 - ahead_ns, told["written_ns"][place]
            assert since_us * 1000 - ahead_ns <= up_to_ns <= written_ns + 100_000
            assert written_ns <= ended_ns

    asyncio.run(main())


def test_paused_books_equal_what_the_clients_built() -> None:
    async def main() -> None:
        async with running() as simulator, aiohttp.ClientSession() as http:
            addresses = simulator.endpoints
            binance = await SocketClient.open(
                f"{addresses['binance']['ws']}/stream?streams=btcusdt@depth@100ms/ethusdt@depth@100ms"
            )
            coinbase = await SocketClient.open(addresses["coinbase"]["ws"])
            for channel in ("heartbeats", "level2", "market_trades"):
                coinbase.say(type="subscribe", channel=channel, product_ids=["BTC-USD", "ETH-USD"])
            kraken = await SocketClient.open(addresses["kraken"]["ws"])
            kraken.say(
                method="subscribe",
                params={"channel": "book", "symbol": ["BTC/USD", "ETH/USD"], "depth": 10},
                req_id=1,
            )
            await binance.until(lambda: len(binance.frames) > 4)
            snapshot = await fetch(
                http, f"{addresses['binance']['rest']}/api/v3/depth?symbol=BTCUSDT&limit=5000"
            )
            await binance.until(lambda: len(binance.frames) > 9)
            await coinbase.until(lambda: len(coinbase.frames) > 40)
            await kraken.until(lambda: len(kraken.frames) > 40)

            control = addresses["control"]["rest"]
            assert await fetch(http, f"{control}/pause", "POST") == {"paused": True}
            books = await fetch(http, f"{control}/books")
            assert await fetch(http, f"{control}/books") == books

            join = BinanceBook()
            own = books["binance"]["BTCUSDT"]

            last_diff = f'"u":{own["last_update_id"]},'.encode()
            await binance.until(lambda: any(last_diff in frame for frame in binance.frames))
            join.on_snapshot(snapshot)
            for frame in binance.frames:
                if (diff := parse(frame)["data"])["s"] == "BTCUSDT" and diff["u"] > snapshot["lastUpdateId"]:
                    join.on_diff(diff)
            assert (join.bids, join.asks) == (as_side(own["bids"]), as_side(own["asks"]))

            counts = await fetch(http, f"{control}/counts")
            await coinbase.until(lambda: len(coinbase.frames) >= sum(counts["coinbase"]["frames"].values()))
            accounts = CoinbaseBooks()
            for frame in coinbase.frames:
                accounts.on_message(parse(frame))
            for product, book in books["coinbase"].items():
                assert accounts.books[product] == (as_side(book["bids"]), as_side(book["asks"]))

            await kraken.until(lambda: len(kraken.frames) >= sum(counts["kraken"]["frames"].values()))
            view = KrakenBook(10, 2, 8)
            for message in map(parse, kraken.frames):
                if message.get("channel") == "book" and message["data"][0]["symbol"] == "ETH/USD":
                    view.on_message(message)
            assert view.failures_count == 0
            assert view.bids == as_side(books["kraken"]["ETH/USD"]["bids"][:10])

            assert await fetch(http, f"{control}/resume", "POST") == {"paused": False}
            seen = len(kraken.frames)
            await kraken.until(lambda: len(kraken.frames) > seen + 20)
            for client in (binance, coinbase, kraken):
                client.transport.disconnect()

    asyncio.run(main())


def test_every_frame_sent_arrives() -> None:
    async def main() -> None:
        async with running(venues=["kraken"]) as simulator:
            client = await SocketClient.open(simulator.endpoints["kraken"]["ws"])
            client.say(method="subscribe", params={"channel": "trade", "symbol": ["BTC/USD"]})
            client.say(method="subscribe", params={"channel": "book", "symbol": ["BTC/USD"]})
            await client.until(lambda: len(client.frames) > 300)
            simulator.pause()
            sent = sum(simulator.counts()["kraken"]["frames"].values())
            await client.until(lambda: len(client.frames) >= sent)
            client.transport.disconnect()

    asyncio.run(main())


def test_a_held_simulator_shows_the_same_bytes_each_time() -> None:
    async def frames_of_a_run() -> list[bytes]:
        options = {"venues": ["coinbase"], "start_us": 1_700_000_000_000_000, "held": True, "seed": 11}
        async with running(**options) as simulator:
            client = await SocketClient.open(simulator.endpoints["coinbase"]["ws"])
            for channel in ("heartbeats", "level2", "market_trades"):
                client.say(type="subscribe", channel=channel, product_ids=["BTC-USD"])
            await client.until(lambda: len(client.frames) >= 4)
            simulator.resume()
            await client.until(lambda: len(client.frames) >= 400)
            client.transport.disconnect()
            return client.frames[:400]

    assert asyncio.run(frames_of_a_run()) == asyncio.run(frames_of_a_run())


def test_rest_and_unknown_paths() -> None:
    async def main() -> None:
        async with running() as simulator, aiohttp.ClientSession() as http:
            rest = {name: address["rest"] for name, address in simulator.endpoints.items()}
            assert "serverTime" in await fetch(http, f"{rest['binance']}/api/v3/time")
            products = await fetch(http, f"{rest['coinbase']}/api/v3/brokerage/market/products")
            assert products["num_products"] == 2
            pairs = await fetch(http, f"{rest['kraken']}/0/public/AssetPairs")
            assert list(pairs["result"]) == ["XXBTZUSD", "XETHZUSD"]
            async with http.get(f"{rest['binance']}/api/v3/depth?symbol=NOPE") as response:
                assert response.status == 400
            with pytest.raises(picows.WSHandshakeError):
                await SocketClient.open(f"{simulator.endpoints['binance']['ws']}/nothing")

    asyncio.run(main())


def test_stopping_drops_the_clients() -> None:
    async def main() -> None:
        async with running(venues=["kraken"]) as simulator:
            client = await SocketClient.open(simulator.endpoints["kraken"]["ws"])
            assert client.is_open
        await client.until(lambda: not client.is_open)

    asyncio.run(main())


def test_a_client_that_leaves_takes_its_subscriptions_along() -> None:
    async def main() -> None:
        async with running(venues=["kraken"]) as simulator:
            venue = simulator.venues["kraken"]
            client = await SocketClient.open(simulator.endpoints["kraken"]["ws"])
            client.say(method="subscribe", params={"channel": "trade", "symbol": ["BTC/USD"]})
            await client.until(lambda: venue.has_subscribers)
            client.transport.disconnect()
            await client.until(lambda: not client.is_open)
            other = await SocketClient.open(simulator.endpoints["kraken"]["ws"])
            await other.until(lambda: bool(other.frames))
            assert len(venue.sessions) == 1
            other.transport.disconnect()

    asyncio.run(main())


class FullSocket:
    """A transport whose reader has stopped; each write stays in its buffer."""

    def __init__(self) -> None:
        self.writes: list[bytes] = []
        self.is_dropped = False

    @property
    def underlying_transport(self) -> FullSocket:
        return self

    def get_write_buffer_size(self) -> int:
        return sum(map(len, self.writes))

    def is_closing(self) -> bool:
        return self.is_dropped

    def write(self, wire_bytes: bytes) -> None:
        self.writes.append(wire_bytes)

    def disconnect(self, graceful: bool) -> None:
        assert not graceful, "a graceful end would wait for the reader"
        self.is_dropped = True


def connection_of(venue: Venue) -> Connection:
    return Connection(venue, Pacer([venue.timeline], venue.timeline.now_us), "/v2", {})


def socket_of(connection: Connection) -> FullSocket:
    socket = FullSocket()
    connection.on_ws_connected(cast(picows.WSTransport, socket))
    return socket


def test_what_a_turn_of_the_loop_sends_leaves_at_its_end_in_few_writes_and_in_order() -> None:
    async def main() -> None:
        connection = connection_of(make_venue("kraken"))
        socket = socket_of(connection)
        await asyncio.sleep(0)
        socket.writes.clear()  # the venue's greeting
        for number in range(19):
            connection.send(b"%d" % number)
        assert len(socket.writes) == 2
        await asyncio.sleep(0)
        assert len(socket.writes) == 3
        connection.send(b"19")
        connection.write(b"behind it")
        assert b"".join(socket.writes) == b"".join(text_frame(b"%d" % number) for number in range(20)) + b"behind it"
        await asyncio.sleep(0)
        assert len(socket.writes) == 5

    asyncio.run(main())


def test_a_reader_that_falls_64_mb_behind_is_dropped() -> None:
    async def main() -> None:
        connection = connection_of(make_venue("kraken"))
        socket = socket_of(connection)
        connection.pause_writing()
        for _ in range(63):
            connection.send(b"x" * 1024 * 1024)
        await asyncio.sleep(0)
        assert not socket.is_dropped
        connection.send(b"x" * 1024 * 1024)
        await asyncio.sleep(0)
        assert socket.is_dropped

    asyncio.run(main())


@pytest.mark.parametrize(
    ("options", "message"),
    [({"symbols": []}, "at least one"), ({"venues": []}, "at least one"), ({"venues": ["x"]}, "'x'")],
)
def test_a_simulator_of_nothing_is_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Simulator(**options)


# --- the process --------------------------------------------------------------------------------------------


def start(*arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "engine.simulator", "--symbols", "1", *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=ENVIRONMENT,
    )


@pytest.mark.system
@pytest.mark.parametrize("how", ["terminate", "interrupt", "parent"])
def test_it_prints_one_line_when_ready_and_ends_with_0(how: str) -> None:
    with start("--exit-with-parent", "--seed", "2", "--rate", "500") as process:
        assert process.stdout is not None
        addresses = json.loads(process.stdout.readline())
        assert list(addresses) == ["binance", "coinbase", "kraken", "simulated", "control"]

        async def visit() -> Any:
            async with aiohttp.ClientSession() as http:
                return await fetch(http, f"{addresses['control']['rest']}/books")

        assert list(asyncio.run(visit())["kraken"]) == ["BTC/USD"]
        if how == "parent":
            assert process.stdin is not None
            process.stdin.close()
            process.stdin = None
        else:
            process.send_signal(signal.SIGTERM if how == "terminate" else signal.SIGINT)
        rest, errors = process.communicate()
        assert (process.returncode, rest, errors) == (0, "", "")


@pytest.mark.system
def test_wrong_arguments_end_with_2_and_a_line() -> None:
    with start("--venues", "bitmex") as process:
        _, errors = process.communicate()
    assert process.returncode == 2
    assert errors == "simulator: no simulated venue is called 'bitmex'; there are binance, coinbase, kraken, simulated\n"
