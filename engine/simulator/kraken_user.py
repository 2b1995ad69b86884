"""The simulated Kraken's private half: tokens by REST, ``executions`` and ``balances`` on ``/v2/private``.

The venue's rules, as protocols tell them:
1. a private call has a nonce above all before it of that key, and ``API-Sign`` over path, nonce and body;
2. a token opens private channels within 15 minutes; once one stands, it lives as long as the connection;
3. each private channel counts its messages from 1.
"""

from __future__ import annotations

from typing import Any, Protocol
from urllib.parse import parse_qsl

from engine.simulator import kraken_payloads as payloads
from engine.simulator.accounts import SCALE, SignedCall, SimAccount, SimFill
from engine.simulator.candles import MINUTE_US
from engine.simulator.keys import is_api_sign
from engine.simulator.messages import RestReply, json_text
from engine.simulator.sessions import Session
from engine.simulator.texts import fixed_text, rfc3339_us, trimmed_text

PATH = "/v2/private"
CHANNELS = ("executions", "balances")
_TOKEN_US = 15 * MINUTE_US


class Served(Protocol):
    """What the private half needs of the venue."""

    accounts: dict[str, SimAccount]

    @property
    def now_us(self) -> int:
        """What the venue's clock shows."""

    def new_token(self) -> str:
        """A text that nobody can guess."""

    def deliver(self, session: Session, kind: str, frame: bytes) -> None:
        """Send one frame and count it."""


class KrakenUserApi:
    """Tokens and who listens to which private channel."""

    def __init__(self, venue: Served) -> None:
        self._venue = venue
        self._tokens: dict[str, tuple[SimAccount, int]] = {}
        self._holders: dict[Session, tuple[str, SimAccount]] = {}
        self._listeners: dict[tuple[Session, str], int] = {}
        """(connection, channel) -> messages sent."""

    def forget(self, session: Session) -> None:
        """A connection has ended."""
        self._holders.pop(session, None)
        for channel in CHANNELS:
            self._listeners.pop((session, channel), None)

    def rest(self, endpoint: str, call: SignedCall) -> RestReply | None:
        """``POST private/GetWebSocketsToken`` and ``private/BalanceEx``; None for any other."""
        if endpoint not in ("private/GetWebSocketsToken", "private/BalanceEx"):
            return None
        account = self._venue.accounts.get(call.headers.get("api-key", ""))
        if account is None:
            return RestReply(200, payloads.failure("EAPI:Invalid key"))
        nonce = dict(parse_qsl(call.body.decode("utf-8", "replace"))).get("nonce", "")
        if not is_api_sign(account.key, call.path, nonce, call.body, call.headers.get("api-sign", "")):
            return RestReply(200, payloads.failure("EAPI:Invalid signature"))
        if not nonce.isdecimal() or int(nonce) <= account.last_nonce:
            return RestReply(200, payloads.failure("EAPI:Invalid nonce"))
        account.last_nonce = int(nonce)
        if endpoint == "private/BalanceEx":
            return RestReply(200, payloads.envelope(_balances(account)))
        now_us = self._venue.now_us
        self._tokens = {token: held for token, held in self._tokens.items() if held[1] >= now_us}
        token = self._venue.new_token()
        self._tokens[token] = (account, now_us + _TOKEN_US)
        return RestReply(200, payloads.envelope({"token": token, "expires": _TOKEN_US // 1_000_000}))

    def subscribe(self, session: Session, channel: str, params: dict[str, Any]) -> str:
        """Let a connection listen; returns why not, empty where it may."""
        token = str(params.get("token", ""))
        held = self._holders.get(session)
        if held is None or held[0] != token:
            account, until_us = self._tokens.pop(token, (None, 0))
            if account is None or self._venue.now_us > until_us:
                return "EAPI:Invalid token"
            self._holders[session] = (token, account)
        if (session, channel) in self._listeners:
            return "Already subscribed"
        self._listeners[session, channel] = 0
        return ""

    def begin(self, session: Session, channel: str) -> None:
        """Send what is there: no orders, and every balance."""
        _, account = self._holders[session]
        rows: list[str] = []
        if channel == "balances":
            rows = [
                f'{{"asset":"{asset}","asset_class":"currency","balance":{_total(account, asset)},'
                f'"wallets":[{{"type":"spot","id":"main","balance":{_total(account, asset)}}}]}}'
                for asset in account.holdings
            ]
        self._send(session, channel, "snapshot", rows)

    def tell(self, account: SimAccount, fill: SimFill) -> None:
        """The report of a fill, and the ledger entries that came of it."""
        now = rfc3339_us(self._venue.now_us)
        execution = json_text({
            "order_id": f"OSIM-{fill.number:06d}", "exec_id": f"TSIM-{fill.number:06d}", "exec_type": "trade",
            "order_status": "filled", "symbol": fill.market.instrument.venue_symbol, "side": "buy",
            "order_type": "market", "trade_id": fill.number, "liquidity_ind": "t", "timestamp": now,
        })[:-1] + f',"last_qty":{fill.qty_text},"last_price":{fill.price_text}}}'  # fmt: skip
        entries = [
            f'{{"asset":"{asset}","balance":{_total(account, asset)},"fee":0,"ledger_id":"LSIM-{fill.number:06d}",'
            f'"type":"trade","subtype":"","category":"trade","wallet_type":"spot","wallet_id":"main",'
            f'"timestamp":"{now}"}}'
            for asset in fill.assets
        ]
        for session, channel in list(self._listeners):
            if self._holders[session][1] is account:
                self._send(session, channel, "update", [execution] if channel == "executions" else entries)

    def _send(self, session: Session, channel: str, kind: str, rows: list[str]) -> None:
        self._listeners[session, channel] += 1
        number = self._listeners[session, channel]
        frame = f'{{"channel":"{channel}","type":"{kind}","data":[{",".join(rows)}],"sequence":{number}}}'
        self._venue.deliver(session, channel, frame.encode())


def _balances(account: SimAccount) -> dict[str, object]:
    """Every asset in the venue's older spelling, with what orders hold."""
    return {
        payloads.rest_asset(asset): {
            "balance": fixed_text(holding.total_raw, SCALE), "hold_trade": fixed_text(holding.locked_raw, SCALE),
        }
        for asset, holding in account.holdings.items()
    }  # fmt: skip


def _total(account: SimAccount, asset: str) -> str:
    return trimmed_text(account.holdings[asset].total_raw, SCALE) or fixed_text(0, 0)
