"""A recording played over sockets arrives as it was recorded, snapshots in their places."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest

from engine.simulator.playback import PlaybackError, PlaybackServer
from tests.unit.simulator.clients import SocketClient

DEPTH_URL = "https://api.binance.com/api/v3/depth?symbol={}&limit=1000"
STREAM = "/stream?streams=btcusdt@depth"


class Record(msgspec.Struct):
    ts_ns: int = 1
    venue: str = "binance"
    channel: str = "ws"
    conn: int = 0
    url: str | None = None
    raw: str = ""
    dir: str | None = None


def frame(raw: str, **fields: Any) -> Record:
    return Record(raw=raw, **fields)


def depth(symbol: str, raw: str) -> Record:
    return Record(channel="http", conn=9, url=DEPTH_URL.format(symbol), raw=raw)


@asynccontextmanager
async def playing(records: Iterable[Any], **options: Any) -> AsyncIterator[PlaybackServer]:
    server = PlaybackServer(records, **({"request_timeout_s": 1.0, "timeout_s": 2.0} | options))
    await server.start()
    try:
        yield server
    finally:
        await server.stop()


async def get(url: str) -> tuple[int, str]:
    async with aiohttp.ClientSession() as http, http.get(url) as response:
        return response.status, await response.text()


class Log(SocketClient):
    """Keeps snapshots among the frames, in the order in which they came."""

    async def fetch(self, server: PlaybackServer, symbol: str) -> None:
        _, body = await get(f"{server.rest_url}/api/v3/depth?symbol={symbol}&limit=5000")
        self.frames.append(body.encode())


def test_frames_come_byte_exact_in_order_and_sent_ones_are_left_out() -> None:
    raws = [f'{{"stream":"x","n":{n},"text":"h\\u00e9 {n * "é"}"}}' for n in range(700)]
    records = [frame("mine", dir="out"), *(frame(raw) for raw in raws)]

    async def main() -> None:
        async with playing(records) as server:
            client = await SocketClient.open(server.ws_url + STREAM)
            await server.finished()
            assert [received.decode() for received in client.frames] == raws
            assert (server.position, server.counts().frames_sent) == (700, 700)

    asyncio.run(main())


def test_a_snapshot_stands_where_it_was_recorded() -> None:
    records = [frame("a"), frame("b"), depth("BTCUSDT", "S1"), frame("c"), depth("ETHUSDT", "S2"), frame("d")]

    async def main() -> None:
        async with playing(records) as server:
            client = await Log.open(server.ws_url + STREAM)
            assert isinstance(client, Log)
            await asyncio.gather(
                server.finished(), client.fetch(server, "ETHUSDT"), client.fetch(server, "BTCUSDT")
            )
            assert client.frames[:2] == [b"a", b"b"]
            assert sorted(client.frames[2:4]) == [b"S1", b"c"]
            assert sorted(client.frames) == [b"S1", b"S2", b"a", b"b", b"c", b"d"]
            assert client.frames.index(b"S2") >= 4
            assert server.counts().snapshots_answered == 2

    asyncio.run(main())


def test_with_a_word_from_the_client_the_place_of_a_snapshot_is_exact() -> None:
    records = [frame("a"), depth("BTCUSDT", "S1"), frame("b"), depth("BTCUSDT", "S2"), *map(frame, "cdefg")]

    async def main() -> None:
        applied = asyncio.Queue[str]()

        async def settled(symbol: str) -> None:
            assert await applied.get() == symbol

        async def reader(client: Log, server: PlaybackServer) -> None:
            for _ in range(2):
                await client.fetch(server, "BTCUSDT")
                applied.put_nowait("BTCUSDT")

        async with playing(records, settled=settled) as server:
            client = await Log.open(server.ws_url + STREAM)
            assert isinstance(client, Log)
            await asyncio.gather(server.finished(), reader(client, server))
            assert client.frames == [b"a", b"S1", b"b", b"S2", b"c", b"d", b"e", b"f", b"g"]

    asyncio.run(main())


def test_a_snapshot_waits_until_the_client_has_taken_the_frames_before_it() -> None:
    records = [*(frame(str(n)) for n in range(50)), depth("BTCUSDT", "S1")]

    async def main() -> None:
        async with playing(records) as server:
            client = await Log.open(server.ws_url + STREAM)
            assert isinstance(client, Log)
            socket = client.transport.underlying_transport
            socket.pause_reading()

            async def look() -> None:
                for _ in range(800):
                    await asyncio.sleep(0)
                assert (server.counts().frames_sent, client.frames) == (50, [])
                socket.resume_reading()

            await asyncio.gather(server.finished(), client.fetch(server, "BTCUSDT"), look())
            assert client.frames == [*(str(n).encode() for n in range(50)), b"S1"]

    asyncio.run(main())


def test_a_snapshot_that_nobody_wants_is_passed_after_the_timeout() -> None:
    records = [frame("a"), depth("BTCUSDT", "S1"), frame("b")]

    async def main() -> None:
        async with playing(records, request_timeout_s=0.05) as server:
            client = await SocketClient.open(server.ws_url + STREAM)
            await server.finished()
            assert client.frames == [b"a", b"b"]
            counts = server.counts()
            assert (counts.snapshots_unrequested, counts.snapshots_answered) == (1, 0)
            url = f"{server.rest_url}/api/v3/depth?symbol=BTCUSDT"
            assert await get(url) == (200, "S1"), "who asks too late gets the last one"
            assert await get(url) == (503, "no further snapshot in the recording")

    asyncio.run(main())


def test_a_request_that_was_given_up_takes_no_snapshot() -> None:
    records = [frame("a"), depth("BTCUSDT", "S1"), frame("b")]

    async def main() -> None:
        async with playing(records) as server:
            url = f"{server.rest_url}/api/v3/depth?symbol=BTCUSDT"
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.1):
                    await get(url)
            await SocketClient.open(server.ws_url + STREAM)
            _, answer = await asyncio.gather(server.finished(), get(url))
            assert answer == (200, "S1")

    asyncio.run(main())


def test_metadata_comes_from_the_recording_newest_first_when_passed() -> None:
    info = "https://api.binance.com/api/v3/exchangeInfo"
    records = [
        Record(channel="http", url=info, raw="I1"),
        frame("a"),
        Record(channel="http", url=info, raw="I2"),
    ]

    async def main() -> None:
        async with playing(records) as server:
            assert await get(f"{server.rest_url}/api/v3/exchangeInfo?symbol=X") == (200, "I1")
            await SocketClient.open(server.ws_url + STREAM)
            await server.finished()
            assert await get(f"{server.rest_url}/api/v3/exchangeInfo") == (200, "I2")
            assert (await get(f"{server.rest_url}/0/public/AssetPairs"))[0] == 404

    asyncio.run(main())


@pytest.mark.parametrize(
    ("venue", "url", "path"),
    [
        ("kraken", "https://api.kraken.com/0/public/AssetPairs?pair=XBTUSD", "/0/public/AssetPairs"),
        (
            "coinbase",
            "https://api.coinbase.com/api/v3/brokerage/products",
            "/api/v3/brokerage/market/products",
        ),
    ],
)
def test_metadata_of_the_other_venues(venue: str, url: str, path: str) -> None:
    async def main() -> None:
        async with playing([Record(venue=venue, channel="http", url=url, raw="M")]) as server:
            assert await get(server.rest_url + path) == (200, "M")
            await server.finished()

    asyncio.run(main())


def test_kraken_greets_and_then_waits_for_the_first_word() -> None:
    greeting = '{"channel":"status","type":"update","data":[]}'
    raws = [greeting, '{"method":"subscribe"}', '{"channel":"book"}']
    records = [frame(raw, venue="kraken") for raw in raws]

    async def main() -> None:
        async with playing(records, request_timeout_s=60) as server:
            client = await SocketClient.open(f"{server.ws_url}/v2")

            async def speak() -> None:
                await client.until(lambda: len(client.frames) == 1)
                assert server.counts().frames_sent == 1
                client.say(method="subscribe")

            await asyncio.gather(server.finished(), speak())
            assert [received.decode() for received in client.frames] == raws

    asyncio.run(main())


def test_each_recorded_connection_has_its_own_in_order() -> None:
    records = [frame("a", conn=4), frame("b", conn=2), frame("c", conn=4), frame("d", conn=2)]

    async def main() -> None:
        async with playing(records) as server:
            clients = [await SocketClient.open(server.ws_url + STREAM) for _ in range(2)]
            await server.finished()
            assert [client.frames for client in clients] == [[b"a", b"c"], [b"b", b"d"]]

    asyncio.run(main())


def test_a_reconnect_of_the_recorder_becomes_one_of_the_client() -> None:
    records = [frame("a"), frame("b"), frame("c", conn=1)]

    async def main() -> None:
        async with playing(records) as server:
            first = await SocketClient.open(server.ws_url + STREAM)
            second: list[SocketClient] = []

            async def come_back() -> None:
                await first.until(lambda: not first.is_open)
                second.append(await SocketClient.open(server.ws_url + STREAM))

            await asyncio.gather(server.finished(), come_back())
            assert (first.frames, second[0].frames) == ([b"a", b"b"], [b"c"])

    asyncio.run(main())


def test_a_client_that_does_not_read_holds_the_recording_back() -> None:
    records = [frame("x" * 10_000) for _ in range(3000)]

    async def main() -> None:
        async with playing(records, timeout_s=30) as server:
            client = await SocketClient.open(server.ws_url + STREAM)
            socket = client.transport.underlying_transport
            socket.pause_reading()

            async def look() -> None:
                sent = -1
                while sent != server.counts().frames_sent or sent == 0:
                    sent = server.counts().frames_sent
                    for _ in range(300):
                        await asyncio.sleep(0)
                assert sent < 2500, "the whole recording went into buffers"
                socket.resume_reading()

            await asyncio.gather(server.finished(), look())
            assert len(client.frames) == 3000

    asyncio.run(main())


def test_the_recorded_pace_is_kept_at_a_speed() -> None:
    records = [frame("a", ts_ns=10**9), frame("b", ts_ns=2 * 10**9), frame("c", ts_ns=4 * 10**9)]

    async def main() -> None:
        async with playing(records, speed=20) as server:
            client = await SocketClient.open(server.ws_url + STREAM)
            began_s = asyncio.get_running_loop().time()
            await server.finished()
            assert asyncio.get_running_loop().time() - began_s >= 0.15
            assert client.frames == [b"a", b"b", b"c"]

    asyncio.run(main())


# --- what cannot be played ----------------------------------------------------------------------------------


def test_without_a_client_it_fails_and_says_so() -> None:
    async def main() -> None:
        async with playing([frame("a")], timeout_s=0.05) as server:
            with pytest.raises(PlaybackError, match=r"no client connected within 0\.05 s"):
                await server.finished()

    asyncio.run(main())


def test_a_missing_connection_is_named() -> None:
    async def main() -> None:
        async with playing([frame("a"), frame("b", conn=1), frame("c")], timeout_s=0.05) as server:
            await SocketClient.open(server.ws_url + STREAM)
            with pytest.raises(PlaybackError, match="recorded connection 1 at record 1"):
                await server.finished()

    asyncio.run(main())


def test_stopping_ends_the_playing() -> None:
    async def main() -> None:
        async with playing([frame("a")]) as server:

            async def stop() -> None:
                await server.stop()

            results = await asyncio.gather(server.finished(), stop(), return_exceptions=True)
            assert isinstance(results[0], PlaybackError)
            assert "stopped" in str(results[0])

    asyncio.run(main())


def test_records_must_be_readable_twice_and_of_one_venue() -> None:
    with pytest.raises(TypeError, match="readable twice"):
        PlaybackServer(iter([frame("a")]))
    with pytest.raises(ValueError, match="binance, kraken"):
        PlaybackServer([frame("a"), frame("b", venue="kraken")])


def test_one_venue_of_several_is_played() -> None:
    records = [frame("a"), frame("b", venue="kraken"), frame("c", venue="binance_us")]

    async def main() -> None:
        async with playing(records, venue="binance") as server:
            client = await SocketClient.open(server.ws_url + STREAM)
            await server.finished()
            assert client.frames == [b"a", b"c"]

    asyncio.run(main())


@pytest.mark.replay
@pytest.mark.parametrize("name", ["binance_spot_2021_4pairs", "kraken_v2_btc_eth_d10_20260707"])
def test_a_real_recording_arrives_whole(captures: Path, name: str) -> None:
    with gzip.open(captures / f"{name}.jsonl.gz", "rt", encoding="utf-8") as lines:
        records = [msgspec.json.decode(line, type=Record) for line in lines]
    urls = [record.url for record in records if record.url and "/depth?" in record.url]
    symbols = [url.split("symbol=")[1].split("&")[0] for url in urls]

    async def main() -> None:
        async with playing(records, timeout_s=60) as server:
            client = await SocketClient.open(server.ws_url + STREAM)
            asked = [get(f"{server.rest_url}/api/v3/depth?symbol={symbol}") for symbol in symbols]
            await asyncio.gather(server.finished(), *asked)
            assert [received.decode() for received in client.frames] == [
                record.raw for record in records if record.channel == "ws" and record.dir is None
            ]
            assert server.counts().snapshots_answered == len(symbols)

    asyncio.run(main())
