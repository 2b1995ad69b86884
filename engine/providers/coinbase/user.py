"""The user channel of Coinbase Advanced Trade, and balances by REST, for the channel has none."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any
from urllib.parse import urlencode

from engine.base.errors import AuthError
from engine.providers.budget import CallClass
from engine.providers.coinbase import manifest
from engine.providers.coinbase.reports import user_report
from engine.providers.coinbase.signing import CoinbaseSigner
from engine.providers.orderreading import read_rows
from engine.providers.rest import RestClient
from engine.providers.userstream import (
    AccountPort,
    Holding,
    Told,
    UserStream,
    amount,
    message_of,
    refusal,
    rows_of,
    tell,
)

_PAGE = 250
_HINT = "the key's name, its private key and this machine's clock must be right, and the key must be allowed to view"


class CoinbaseUserStream(UserStream):
    """Each message and each call has a token of its own, made when it is sent.

    Args:
        provider: for texts.
        signer: of the key.
        ws_endpoint, rest_endpoint: in place of the venue's own.
        venue_now_ns: the time on the venue's clock.
    """

    tells_holdings = False

    def __init__(
        self,
        provider: str,
        signer: CoinbaseSigner,
        ws_endpoint: str | None,
        rest_endpoint: str | None,
        venue_now_ns: Callable[[], int],
    ) -> None:
        self.url = ws_endpoint or manifest.WS_USER_ENDPOINT
        self._rest_url = f"{rest_endpoint or manifest.REST_ENDPOINT}{manifest.REST_ACCOUNTS}"
        self._provider = provider
        self._signer = signer
        self._venue_now_ns = venue_now_ns
        self._next_sequence = 0
        self._is_open = False

    def frames(self) -> tuple[bytes, ...]:
        """``heartbeats``, which keep the connection, and ``user`` of all products."""
        return self._signer.user_stream_frames(self._venue_now_ns())

    def take(self, frame: bytes, port: AccountPort) -> None:
        """All that is numbered must follow the one before; an error has no number."""
        message = message_of(frame)
        if message.get("type") == "error":
            said = str(message.get("message", "no reason given"))
            port.refused(refusal(self._provider, said, _HINT), is_doubtful=True)
            return
        tell(self._numbered(message, port))

    def _numbered(self, message: dict[str, Any], port: AccountPort) -> Told:
        number = message["sequence_num"]
        if number > self._next_sequence:
            yield partial(port.broken, f"messages {self._next_sequence} to {number - 1} were lost")
            return
        self._next_sequence = number + 1
        if message["channel"] == "subscriptions":
            current = [channel for event in message["events"] for channel in event["subscriptions"]]
            if not self._is_open and manifest.CHANNEL_USER in current:
                self._is_open = True
                yield port.opened
                yield port.holdings_doubted
        elif message["channel"] == manifest.CHANNEL_USER:
            orders = [order for event in message["events"] for order in event.get("orders") or ()]
            reports, why = read_rows(orders, partial(user_report, self._provider))
            yield partial(port.reported, reports)
            if why:
                yield partial(port.unreadable, why)
            if orders:
                yield port.holdings_doubted

    async def holdings(self, rest: RestClient) -> list[Holding]:
        """GET /api/v3/brokerage/accounts, page by page."""
        found: list[Holding] = []
        cursor = ""
        while True:
            query = urlencode({"limit": _PAGE} | ({"cursor": cursor} if cursor else {}))
            headers = self._signer.headers(self._venue_now_ns(), "GET", manifest.REST_ACCOUNTS)
            try:
                body = await rest.get(f"{self._rest_url}?{query}", headers=headers, call=CallClass.REFRESH)
            except AuthError as error:
                raise refusal(self._provider, error.venue_message or error.reason, _HINT) from None
            page = message_of(body)
            found += rows_of(_holdings, page)
            cursor = str(page.get("cursor") or "")
            if not page.get("has_next") or not cursor:
                return found


def _holdings(page: dict[str, Any]) -> list[Holding]:
    found = []
    for row in page["accounts"]:
        available, held = amount(row["available_balance"]["value"]), amount(row["hold"]["value"])
        found.append(Holding(row["currency"], available + held, held))
    return found
