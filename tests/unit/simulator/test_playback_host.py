"""Recordings at the simulator's ports: each venue by its own paths, and TLS in front of either."""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path

import aiohttp
import msgspec
import picows
import pytest

from engine.simulator.playback_host import PlaybackHost
from engine.simulator.tls import LoopbackTls
from tests.unit.simulator.clients import SocketClient
from tests.unit.simulator.test_server import fetch, running


class Record(msgspec.Struct, frozen=True):
    ts_ns: int
    venue: str
    raw: str
    channel: str = "ws"
    conn: int = 0
    url: str | None = None
    dir: str | None = None


RECORDS = [
    Record(1, "kraken", '{"error":[],"result":{}}', "http", url="https://h/0/public/AssetPairs"),
    Record(2, "kraken", '{"channel":"status","data":[]}'),
    Record(3, "binance", '{"e":"trade","t":1}'),
    Record(4, "kraken", '{"channel":"book","n":1}'),
    Record(5, "coinbase", '{"channel":"l2_data","sequence_num":0}'),
    Record(6, "binance", '{"e":"trade","t":2}'),
]
VENUES = ("binance", "coinbase", "kraken")


def test_every_venue_of_a_recording_is_played_at_its_own_paths() -> None:
    async def main() -> None:
        host = PlaybackHost(RECORDS, VENUES, speed=None, port=0, tls=None)
        await host.start()
        try:
            work = asyncio.ensure_future(host.work())
            clients = {
                "binance": await SocketClient.open(f"{host.endpoints['binance']['ws']}/ws/btcusdt@trade"),
                "coinbase": await SocketClient.open(host.endpoints["coinbase"]["ws"]),
                "kraken": await SocketClient.open(host.endpoints["kraken"]["ws"]),
            }
            for client in clients.values():
                client.say(hello=True)
            await work
            for venue, client in clients.items():
                wanted = [one.raw.encode() for one in RECORDS if one.venue == venue and one.channel == "ws"]
                assert client.frames == wanted
            async with aiohttp.ClientSession() as http:
                pairs = await fetch(http, f"{host.endpoints['kraken']['rest']}/0/public/AssetPairs")
                assert pairs == {"error": [], "result": {}}
                counts = await fetch(http, f"{host.endpoints['control']['rest']}/counts")
                assert {venue: counts[venue]["frames_sent"] for venue in VENUES} == {
                    "binance": 2, "coinbase": 1, "kraken": 2,
                }  # fmt: skip
        finally:
            await host.stop()

    asyncio.run(main())


def test_a_path_of_a_venue_that_was_not_recorded_is_refused() -> None:
    async def main() -> None:
        host = PlaybackHost(RECORDS, ("kraken",), speed=None, port=0, tls=None)
        await host.start()
        try:
            with pytest.raises(picows.WSHandshakeError):
                await SocketClient.open(host.endpoints["kraken"]["ws"].replace("/v2", "/ws"))
            url = f"{host.endpoints['kraken']['rest']}/api/v3/time"
            async with aiohttp.ClientSession() as http, http.get(url) as response:
                assert response.status == 404
        finally:
            await host.stop()

    asyncio.run(main())


def test_tls_is_believed_by_whoever_trusts_its_file_and_by_nobody_else() -> None:
    async def main() -> None:
        with LoopbackTls() as tls:
            async with running(tls=tls.context, symbols=1) as simulator, aiohttp.ClientSession() as http:
                kraken = simulator.endpoints["kraken"]
                assert kraken["ws"].startswith("wss://")
                trusting = ssl.create_default_context(cafile=str(tls.ca_file))
                trusting.verify_flags |= ssl.VERIFY_X509_STRICT
                async with http.get(f"{kraken['rest']}/0/public/Time", ssl=trusting) as response:
                    assert response.status == 200
                _, client = await picows.ws_connect(SocketClient, kraken["ws"], ssl_context=trusting)
                assert isinstance(client, SocketClient)
                await client.until(lambda: bool(client.frames))
                client.transport.disconnect()
                with pytest.raises(aiohttp.ClientConnectorCertificateError):
                    await http.get(f"{kraken['rest']}/0/public/Time", ssl=ssl.create_default_context())

    asyncio.run(main())


def test_the_files_of_tls_go_with_it() -> None:
    with LoopbackTls() as tls:
        folder = Path(tls.ca_file).parent
        assert [path.name for path in folder.iterdir()] == ["ca.pem"]
    assert not folder.exists()
