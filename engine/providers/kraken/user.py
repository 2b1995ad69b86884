"""The private channels of Kraken v2: executions and balances, opened by a token. Source: docs.kraken.com, ws v2."""

from __future__ import annotations

from functools import partial
from typing import Any

from engine.base.errors import AuthError, UnavailableError, VenueError
from engine.providers.budget import CallClass
from engine.providers.kraken import manifest
from engine.providers.kraken.reports import KrakenOrders
from engine.providers.kraken.signing import (
    BALANCES_PATH,
    TOKEN_PATH,
    KrakenSigner,
    read_token,
    signed_call,
    user_stream_frames,
)
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
from engine.schema.enums import BalanceCause

_HINT = "key and secret must be those of one key that may query funds and orders and use WebSockets"
_AGAIN = ("EAPI:Invalid nonce", "EAPI:Invalid token", "ESession:Invalid session")
"""With a new nonce or a new token the venue may take it."""
_BUSY = ("EAPI:Rate limit", "EGeneral:Too many", "EService:", "EGeneral:Internal", "EGeneral:Temporary lockout")
_CAUSES: dict[str, BalanceCause] = {
    **dict.fromkeys(("trade", "margin", "settled", "spend", "receive", "sale", "conversion"), BalanceCause.TRADE),
    **dict.fromkeys(("deposit", "withdrawal", "transfer", "custodytransfer"), BalanceCause.TRANSFER),
    **dict.fromkeys(
        ("rollover", "adjustment", "credit", "staking", "reward", "dividend", "nfttrade", "nftcreatorfee", "nftrebate"),
        BalanceCause.OTHER,
    ),
}
"""By the type of a ledger entry; what is not here is no balance that we understand."""


class KrakenUserStream(UserStream):
    """A new token for each connection, where it then lives as long as that; the channel tells no holds, REST does.

    Args:
        provider: for texts.
        ws_endpoint, rest_endpoint: in place of the venue's own.
        signer: of the key; nonces must not fall from one connection to the next.
        orders: of the account, for entries say only what has changed.
    """

    asked_cause = BalanceCause.ORDER

    def __init__(
        self,
        provider: str,
        ws_endpoint: str | None,
        rest_endpoint: str | None,
        signer: KrakenSigner,
        orders: KrakenOrders,
    ) -> None:
        self.url = ws_endpoint or manifest.WS_USER_ENDPOINT
        self._rest_endpoint = rest_endpoint or manifest.REST_ENDPOINT
        self._provider = provider
        self._signer = signer
        self._orders = orders
        self.token = ""
        """For each request over the connection."""
        self.rate_threshold = 0
        """Of the orders' counter of a pair, as the venue tells it; 0 = it has not."""
        self._acknowledged: set[str] = set()
        self._last_execution = 0

    async def prepare(self, rest: RestClient) -> None:
        """POST /0/private/GetWebSocketsToken; once more where the venue finds the nonce too low."""
        try:
            self.token = await self._fetch_token(rest)
        except AuthError as error:
            if not (error.venue_message or "").startswith(_AGAIN):
                raise
            self.token = await self._fetch_token(rest)

    async def _fetch_token(self, rest: RestClient) -> str:
        async with self._signer.turn:
            body, headers = self._signer.request(TOKEN_PATH)
            answer = await rest.post(f"{self._rest_endpoint}{TOKEN_PATH}", body, headers)
        try:
            return read_token(answer)
        except AuthError as error:
            raise self._refusal(error.venue_message or error.reason, _BUSY) from None

    def _refusal(self, said: str, passing: tuple[str, ...]) -> VenueError:
        """What the venue said, as one that may pass if it begins like *passing*."""
        if said.startswith(passing):
            return UnavailableError(said, op="account.call", provider=self._provider)
        return refusal(self._provider, said, _HINT)

    def frames(self) -> tuple[bytes, ...]:
        """``executions`` with both snapshots, and ``balances``."""
        return user_stream_frames(self.token)

    def take(self, frame: bytes, port: AccountPort) -> None:
        """Answers first, then channels."""
        message = message_of(frame)
        method = message.get("method")
        if method == "subscribe":
            tell(self._answer(message, port))
        elif method is not None:
            if isinstance(number := message.get("req_id"), int):
                port.answered(number, message)
        elif "Error" in message:
            port.throttled(str(message["Error"]))
        elif "channel" in message:
            tell(self._channel(message, port))

    def _answer(self, message: dict[str, Any], port: AccountPort) -> Told:
        if message.get("success"):
            result = message["result"]
            self._acknowledged.add(result["channel"])
            self.rate_threshold = int(result.get("maxratecount", self.rate_threshold))
            if self._acknowledged == {manifest.CHANNEL_EXECUTIONS, manifest.CHANNEL_BALANCES}:
                yield port.opened
            return
        said = str(message.get("error", "no reason given"))
        if said.startswith(_BUSY):
            yield partial(port.broken, said)
        else:
            error = refusal(self._provider, said, _HINT)
            yield partial(port.refused, error, is_doubtful=said.startswith(_AGAIN))

    def _channel(self, message: dict[str, Any], port: AccountPort) -> Told:
        rows = message.get("data", ())
        if message["channel"] == manifest.CHANNEL_BALANCES:
            if message["type"] == "snapshot":
                yield partial(port.holds, [_total(row) for row in rows], BalanceCause.SNAPSHOT)
                yield port.holdings_doubted
            else:
                for row in rows:
                    yield partial(port.holds, [_total(row)], _CAUSES[row["type"]])
        elif message["channel"] == manifest.CHANNEL_EXECUTIONS:
            number = message["sequence"]
            if self._last_execution and number != self._last_execution + 1:
                yield partial(port.broken, f"execution messages after {self._last_execution} were lost")
                return
            self._last_execution = number
            read = partial(self._orders.report, is_snapshot=message["type"] == "snapshot")
            reports, why = read_rows(rows, read)
            yield partial(port.reported, reports)
            if why:
                yield partial(port.unreadable, why)
            if rows and message["type"] != "snapshot":
                yield port.holdings_doubted


    async def holdings(self, rest: RestClient) -> list[Holding]:
        """POST /0/private/BalanceEx: what open orders hold; totals are the stream's, which are never older."""
        result, said = await signed_call(
            rest, self._rest_endpoint, self._signer, BALANCES_PATH, {}, CallClass.REFRESH
        )
        if result is None:
            raise self._refusal(said, (*_BUSY, *_AGAIN))
        return rows_of(_holds, result)


def _total(row: dict[str, Any]) -> Holding:
    return Holding(row["asset"], amount(row["balance"]), None)


def _holds(assets: dict[str, Any]) -> list[Holding]:
    spellings = {**manifest.OLD_ASSETS, **manifest.REST_ASSETS}
    return [
        Holding(spellings.get(asset, asset), None, amount(row["hold_trade"]))
        for asset, row in assets.items()
        if "hold_trade" in row
    ]
