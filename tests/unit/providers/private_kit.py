"""The private half of three venues on loopback, by their documentation; it takes every login unless told otherwise."""

from __future__ import annotations

import asyncio
import base64
import json
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from random import Random
from typing import Any
from urllib.parse import parse_qs

import picows
from aiohttp import web

from engine.base.secrets import forget_secrets
from engine.config.load import default_config
from engine.config.sections_providers import ConnectionConfig, CredentialsConfig, ProviderConfig, ProviderOrdersConfig
from engine.consumers.subscriptions import Subscription
from engine.providers.account import Account
from engine.providers.session import Session
from engine.runtime.assembly import Engine
from engine.schema.gateway import ReportSink
from tests.unit.providers.socket_kit import Client, ScriptedVenue
from tests.unit.providers.virtual_time import START_NS, now_s, reached, virtual_clock

VENUES = ("binance", "coinbase", "kraken")
SEED = base64.b64encode(bytes(range(32))).decode()
SECRETS = {"binance": SEED, "coinbase": SEED, "kraken": SEED}
KINDS: dict[str, Any] = {"binance": "ed25519", "coinbase": None, "kraken": None}
NOTHING_LISTED = {"binance": {"symbols": []}, "coinbase": {"products": []}, "kraken": {"error": [], "result": {}}}
BEAT_S = 20.0
PAGE = 3
"""Accounts in an answer of Coinbase."""


class PrivateClient(Client):
    """A connection that answers as its venue does."""

    def __init__(self, venue: PrivateVenue, path: str) -> None:
        super().__init__(path, venue.clients)
        self.venue = venue
        self.number = 0
        self.closed_s: float | None = None

    def on_ws_connected(self, transport: picows.WSTransport) -> None:
        super().on_ws_connected(transport)
        self._beat()

    def on_ws_frame(self, transport: picows.WSTransport, frame: picows.WSFrame) -> None:
        super().on_ws_frame(transport, frame)
        if frame.msg_type == picows.WSMsgType.TEXT:
            self.venue.answer(self, self.said[-1])

    def on_ws_disconnected(self, transport: picows.WSTransport) -> None:
        super().on_ws_disconnected(transport)
        self.closed_s = now_s()

    def numbered(self, channel: str, *events: Any) -> None:
        """A message of Coinbase."""
        self.send({"channel": channel, "timestamp": "x", "sequence_num": self.number, "events": list(events)})
        self.number += 1

    def _beat(self) -> None:
        if self.is_open:
            if self.venue.name == "kraken":
                self.send({"channel": "heartbeat"})
            elif self.venue.name == "coinbase":
                self.numbered("heartbeats", {"heartbeat_counter": 1})
            asyncio.get_running_loop().call_later(BEAT_S, self._beat)


class PrivateVenue(ScriptedVenue):
    """Counts logins and their times.

    Args:
        name: whose protocol.
    """

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name
        self.refusals: deque[Any] = deque()
        """Of the logins to come, one each: None takes it, else the venue's words or (code, words)."""
        self.is_silent = False
        self.is_closed = False
        """Whether every upgrade is answered with 404."""
        self.upgrades = 0
        self.logins: list[tuple[float, Any]] = []
        """When, and the message that logged in."""
        self.calls: list[str] = []
        self.nonces: list[int] = []
        """Of calls for balances."""
        self.offset_ns = 0
        self.balances = {"BTC": ("1.50", "0.25")}

    def _accept(self, request: picows.WSUpgradeRequest) -> Client | None:
        self.upgrades += 1
        return None if self.is_closed else PrivateClient(self, request.path.decode())

    def now_ms(self) -> int:
        return (START_NS + int(now_s() * 1e9) + self.offset_ns) // 1_000_000

    # -- over the socket --------------------------------------------------------------------------------------

    def answer(self, client: PrivateClient, message: dict[str, Any]) -> None:
        if not self.is_silent:
            getattr(self, f"_{self.name}")(client, message)

    def _login(self, message: dict[str, Any]) -> Any:
        self.logins.append((now_s(), message))
        return self.refusals.popleft() if self.refusals else None

    def _binance(self, client: PrivateClient, message: dict[str, Any]) -> None:
        number, method = message["id"], message["method"]
        if method in ("session.logon", "userDataStream.subscribe.signature"):
            refusal = self._login(message)
            if refusal is not None:
                code, words = refusal
                client.send({"id": number, "status": 400, "error": {"code": code, "msg": words}})
                return
        result: dict[str, Any] = {"subscriptionId": 0}
        if method == "account.status":
            result = {"balances": [{"asset": a, "free": f, "locked": h} for a, (f, h) in self.balances.items()]}
        client.send({"id": number, "status": 200, "result": result})

    def _coinbase(self, client: PrivateClient, message: dict[str, Any]) -> None:
        if message["channel"] != "user":
            client.numbered("subscriptions", {"subscriptions": {"heartbeats": ["heartbeats"]}})
            return
        refusal = self._login(message)
        if refusal is not None:
            client.send({"type": "error", "message": refusal})
            return
        client.numbered("subscriptions", {"subscriptions": {"heartbeats": ["heartbeats"], "user": ["an-account"]}})
        client.numbered("user", {"type": "snapshot", "orders": []})

    def _kraken(self, client: PrivateClient, message: dict[str, Any]) -> None:
        channel = message["params"]["channel"]
        refusal = self._login(message) if channel == "executions" else None
        if refusal is not None:
            client.send({"method": "subscribe", "error": refusal, "success": False, "req_id": message["req_id"]})
            return
        client.send({"method": "subscribe", "result": {"channel": channel}, "success": True, "req_id": message["req_id"]})
        rows = [
            {"asset": asset, "balance": float(free) + float(locked), "wallets": []}
            for asset, (free, locked) in self.balances.items()
            if channel == "balances"
        ]
        client.send({"channel": channel, "type": "snapshot", "data": rows, "sequence": 1})

    # -- by REST ----------------------------------------------------------------------------------------------

    async def _answer(self, request: web.Request) -> web.Response:
        self.calls.append(request.path)
        if request.path.lower().endswith("/time"):
            now_ms = self.now_ms()
            body: Any = {"serverTime": now_ms, "epochMillis": str(now_ms), "error": [], "result": {"unixtime": now_ms // 1000}}
        elif request.path.endswith("/GetWebSocketsToken"):
            words = self.refusals[0] if self.refusals and str(self.refusals[0]).startswith("token:") else None
            if words is not None:
                self.refusals.popleft()
                body = {"error": [words.removeprefix("token:")]}
            else:
                self.asked.append((await request.read()).decode())
                body = {"error": [], "result": {"token": f"token-{len(self.asked)}", "expires": 900}}
        elif request.path.endswith("/BalanceEx"):
            self.nonces.append(int(parse_qs((await request.read()).decode())["nonce"][0]))
            body = {"error": [], "result": {
                {"BTC": "XXBT"}.get(a, a): {"balance": str(float(f) + float(h)), "hold_trade": h}
                for a, (f, h) in self.balances.items()
            }}  # fmt: skip
        elif request.path.endswith("/accounts"):
            first = int(request.query.get("cursor", "0"))
            rows = list(self.balances.items())[first : first + PAGE]
            body = {
                "accounts": [
                    {"currency": a, "available_balance": {"value": f}, "hold": {"value": h}} for a, (f, h) in rows
                ],
                "has_next": first + PAGE < len(self.balances), "cursor": str(first + PAGE),
            }  # fmt: skip
        else:
            body = NOTHING_LISTED[self.name]
        return web.Response(text=json.dumps(body), content_type="application/json")


async def client_of(venue: PrivateVenue, number: int = -1) -> PrivateClient:
    """A connection, by default the newest."""
    client = venue.clients[number]
    assert isinstance(client, PrivateClient)
    return client


class Held:
    """A session with an account and no public connection, what its consumer got and operators were told."""

    def __init__(self, engine: Engine, session: Session) -> None:
        self.engine = engine
        self.session = session
        self.events: list[Any] = []
        self.told: list[tuple[str, dict[str, Any]]] = []

    @property
    def account(self) -> Account:
        assert self.session.account is not None
        return self.session.account

    def on_event(self, event: Any, ctx: Any) -> None:
        self.events.append(event.detach())

    async def balances_known(self) -> None:
        """Return when all that the login brings has been told, what orders hold as well."""
        await reached(lambda: bool(self.events) and self.balances()[-1] == ("BTC", "1.75", "0.25"))

    def states(self) -> list[str]:
        return [row["state"] for kind, row in self.told if kind == "connection.state" and row["conn"] == "private"]

    def balances(self) -> list[tuple[str, str, str]]:
        return [
            (one.asset, str(one.total_raw / 10**one.asset_scale), str(one.held_raw / 10**one.asset_scale))
            for one in self.events
        ]


@asynccontextmanager
async def held(
    venue: PrivateVenue,
    monkeypatch: Any,
    *,
    ws: str | None = "",
    kind: Any = "",
    orders: ProviderOrdersConfig | None = None,
    reports: ReportSink | None = None,
) -> AsyncIterator[Held]:
    """An account at *venue*, in virtual time; *ws*: in place of the scripted address, *kind*: of the key."""
    name: Any = venue.name
    monkeypatch.setenv("A_KEY", "the-key-of-a-test")
    monkeypatch.setenv("A_SECRET", SECRETS[name])
    settings = ProviderConfig(
        name=name,
        venue=name,
        symbols=("BTC-USD",),
        streams=("trade",),
        ws_private_endpoint=f"{venue.ws_url}/private" if ws == "" else ws,
        rest_endpoint=venue.rest_url,
        credentials=CredentialsConfig(
            api_key_env="A_KEY", api_secret_env="A_SECRET", key_type=KINDS[name] if kind == "" else kind
        ),
        orders=orders or ProviderOrdersConfig(),
        connection=ConnectionConfig(heartbeat_timeout_ms=60_000, ping_interval_ms=60_000, backoff_min_ms=1000, backoff_max_ms=30_000),
    )
    config = default_config().model_copy(update={"providers": (settings,)})
    with Engine(config, virtual_clock()) as engine:
        feed = engine.open_provider(name, name)
        engine.carry(feed, feed.guess_instrument({"binance": "BTCUSD", "coinbase": "BTC-USD", "kraken": "BTC/USD"}[name]))
        session = Session(feed, settings, engine.clock, tell=engine.reporting.tell, random=Random(1), reports=reports)
        it = Held(engine, session)
        engine.add_consumer("purse", it)
        engine.desk.subscribe(Subscription(consumer_id="purse", symbol="BTC-USD", event_types=("BalanceUpdate",)))
        engine.start()
        engine.reporting.watchers.append(lambda kind, row: it.told.append((kind, dict(row))))
        async with session:
            # The public half is another test's: its only symbol is not listed here, so nothing of it connects.
            feed.instruments.clear()
            session.start(lambda instrument: None)
            yield it
    forget_secrets()
