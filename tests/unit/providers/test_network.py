"""The way out: proxies by the environment (CFG-05), and whose certificates are believed."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.base.clock import SystemClock
from engine.base.errors import ConfigError, NetworkError
from engine.providers.backoff import Backoff
from engine.providers.connection import Connection, SocketSettings
from engine.providers.feed import ConnectionPlan
from engine.providers.limits import SocketLimits
from engine.providers.listener import HeldFrames
from engine.providers.network import proxy_for, tls_context
from engine.providers.pacing import SlidingWindow
from engine.providers.rest import RestClient, endpoint_of
from engine.simulator.server import Simulator
from engine.simulator.tls import LoopbackTls
from tests.unit.providers.socket_kit import ScriptedVenue, on_loop

VARIABLES = ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy", "ALL_PROXY", "all_proxy")


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def authority() -> Iterator[LoopbackTls]:
    with LoopbackTls() as made:
        yield made


def connection_to(url: str, ca_file: str | None = None) -> Connection:
    limits = SocketLimits(0.25, 5, 300, 300.0, has_heartbeat=False)
    return Connection(
        "test",
        0,
        ConnectionPlan(url),
        HeldFrames(1 << 20),
        SystemClock(),
        settings=SocketSettings(limits, SlidingWindow(300, 300.0), tls=tls_context(ca_file)),
        backoff=Backoff(0.5, 30.0),
        on_state=lambda *_: None,
    )


@pytest.mark.parametrize(
    ("variables", "url", "proxy"),
    [
        ({}, "wss://venue.test/x", None),
        ({"HTTPS_PROXY": "http://p:1"}, "wss://venue.test/x", "http://p:1"),
        ({"https_proxy": "http://p:1"}, "https://venue.test/x", "http://p:1"),
        ({"HTTPS_PROXY": "http://p:1"}, "ws://venue.test/x", None),
        ({"HTTP_PROXY": "http://p:1"}, "ws://venue.test/x", "http://p:1"),
        ({"HTTPS_PROXY": "http://p:1", "NO_PROXY": "localhost,.test"}, "wss://venue.test/x", None),
        ({"HTTPS_PROXY": "http://p:1", "NO_PROXY": "other.test"}, "wss://venue.test/x", "http://p:1"),
    ],
)
def test_the_proxy_is_the_environments_CFG_05(
    variables: dict[str, str], url: str, proxy: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert proxy_for(url) == proxy


class Proxy:
    """Takes CONNECT and plain requests, and carries them to where they are bound."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    async def start(self) -> str:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    def stop(self) -> None:
        self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        method, target, _ = head.split(b"\r\n")[0].decode().split(" ")
        self.asked.append(f"{method} {target}")
        host, _, port = target.removeprefix("http://").partition("/")[0].rpartition(":")
        other_reader, other_writer = await asyncio.open_connection(host, int(port))
        if method == "CONNECT":
            writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        else:
            other_writer.write(head)
        await asyncio.wait([
            asyncio.ensure_future(_carry(reader, other_writer)), asyncio.ensure_future(_carry(other_reader, writer))
        ])  # fmt: skip


async def _carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65_536):
        writer.write(data)
    writer.close()


def test_sockets_and_calls_go_through_the_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        proxy = Proxy()
        monkeypatch.setenv("HTTP_PROXY", await proxy.start())
        async with ScriptedVenue() as venue:
            venue.answers.append(b"{}")
            connection, rest = connection_to(venue.ws_url), RestClient("test")
            await connection.open()
            await connection.round_trip()
            assert await rest.get(f"{venue.rest_url}/x") == b"{}"
            assert proxy.asked == [
                f"CONNECT {venue.ws_url.removeprefix('ws://')}", f"GET {venue.rest_url}/x"
            ]  # fmt: skip
            await connection.close()
            await rest.close()
        proxy.stop()

    on_loop(main())


def test_a_venue_is_believed_by_the_authorities_of_the_file_alone(authority: LoopbackTls) -> None:
    async def main() -> None:
        simulator = Simulator(symbols=1, tls=authority.context)
        await simulator.start()
        try:
            ws, rest_url = (simulator.endpoints["binance"][kind] for kind in ("ws", "rest"))
            assert (ws.partition(":")[0], rest_url.partition(":")[0]) == ("wss", "https")
            ca_file = str(authority.ca_file)
            connection, rest = connection_to(f"{ws}/ws", ca_file), RestClient("test", tls=tls_context(ca_file))
            await connection.open()
            await connection.round_trip()
            assert b"serverTime" in await rest.get(f"{rest_url}/api/v3/time")
            await connection.close()
            await rest.close()
            stranger, other = connection_to(f"{ws}/ws"), RestClient("test", tls=tls_context(None))
            with pytest.raises(NetworkError):
                await stranger.open()
            with pytest.raises(NetworkError):
                await other.get(f"{rest_url}/api/v3/time")
            await other.close()
        finally:
            await simulator.stop()

    on_loop(main())


def test_a_file_that_holds_no_authority_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty.pem").write_text("")
    for name in ("none.pem", "empty.pem"):
        with pytest.raises(ConfigError, match=name):
            tls_context(str(tmp_path / name))


@pytest.mark.parametrize(
    ("url", "endpoint"),
    [
        ("https://api.binance.com/api/v3/depth?symbol=BTCUSDT&limit=1000", "/api/v3/depth"),
        ("https://api.coinbase.com/api/v3/brokerage/orders/historical/batch?x=1", "/api/v3/brokerage/orders/historical/batch"),
        ("https://api.coinbase.com/api/v3/brokerage/orders/historical/0000d833-6800-8000-89e7-dc0d75d75dbc",
         "/api/v3/brokerage/orders/historical/{id}"),
        ("https://api.coinbase.com/api/v3/brokerage/products/1INCH-USD/book", "/api/v3/brokerage/products/{id}/book"),
        ("https://api.kraken.com/0/private/GetWebSocketsToken", "/0/private/GetWebSocketsToken"),
    ],
)  # fmt: skip
def test_met_20_requests_of_a_kind_have_one_name(url: str, endpoint: str) -> None:
    assert endpoint_of(url) == endpoint
