"""The user stream of Binance Spot over the WebSocket API. Source: user-data-stream.md and web-socket-api.md."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from engine.providers.binance import manifest
from engine.providers.binance.reports import event_report
from engine.providers.binance.signing import USER_STREAM_ID, BinanceSigner
from engine.providers.userstream import AccountPort, Holding, Told, UserStream, amount, message_of, refusal, tell
from engine.schema.enums import BalanceCause

ACCOUNT_ID = "account"
_CLOCK, _RATE, _ALREADY = -1021, -1003, -2035
_OUR_FAULT_BELOW = 500
_HINTS = {
    -1021: "set this machine's clock by NTP",
    -1022: "credentials.api_secret_env and credentials.key_type must be those of the key",
    -2014: "credentials.api_key_env must name the variable with the key as the venue issued it",
    -2015: "the key must exist, allow reading, and allow this address",
}
_HINT = "look the code up in the venue's errors"


class BinanceUserStream(UserStream):
    """Logs on with an Ed25519 key, else signs the subscription; balances come as absolute values.

    Args:
        provider: for texts.
        signer: of the key.
        endpoint: in place of the venue's own.
        venue_now_ns: the time on the venue's clock.
    """

    def __init__(
        self, provider: str, signer: BinanceSigner, endpoint: str | None, venue_now_ns: Callable[[], int]
    ) -> None:
        self.url = endpoint or manifest.WS_USER_ENDPOINT
        self._provider = provider
        self._signer = signer
        self._venue_now_ns = venue_now_ns

    def frames(self) -> tuple[bytes, ...]:
        """``session.logon`` and ``userDataStream.subscribe``, or the signed subscription."""
        return self._signer.user_stream_frames(self._venue_now_ns())

    def take(self, frame: bytes, port: AccountPort) -> None:
        """Answers by their id, events by their type."""
        message = message_of(frame)
        # Older servers send the event itself.
        event = message.get("event", message if "e" in message else None)
        if event is None:
            tell(self._answer(message, port))
        else:
            tell(self._event(event, port))

    def _answer(self, message: dict[str, Any], port: AccountPort) -> Told:
        number, status = message["id"], message["status"]
        if isinstance(number, int):
            yield partial(port.answered, number, message)
            return
        if status == 200:
            if number == USER_STREAM_ID:
                yield port.opened
                yield lambda: port.say((self._signer.account_frame(ACCOUNT_ID, self._venue_now_ns()),))
            elif number == ACCOUNT_ID:
                holdings = _holdings(message["result"]["balances"], "asset", "free", "locked")
                yield partial(port.holds, holdings, BalanceCause.SNAPSHOT)
            return
        code, said = message["error"]["code"], message["error"]["msg"]
        if code == _ALREADY:
            yield port.opened
        elif code == _RATE or status >= _OUR_FAULT_BELOW:
            yield partial(port.broken, f"{said} ({code})")
        else:
            hint = _HINTS.get(code) or _HINT
            error = refusal(self._provider, said, hint, str(code))
            yield partial(port.refused, error, is_doubtful=code == _CLOCK)

    def _event(self, event: dict[str, Any], port: AccountPort) -> Told:
        match event["e"]:
            case "outboundAccountPosition":
                holdings = _holdings(event["B"], "a", "f", "l")
                yield partial(port.holds, holdings, BalanceCause.OTHER, event["E"] * 1_000_000)
            case "executionReport":
                yield partial(port.reported, (event_report(self._provider, event),))
            case "listStatus":
                yield partial(port.order_told, str(event["g"]))
            case "eventStreamTerminated":
                yield partial(port.broken, "the venue ended the subscription")
            case "serverShutdown":
                yield port.ending
            # balanceUpdate and externalLockUpdate tell a change alone: the position that comes with it is absolute.


def _holdings(rows: list[dict[str, Any]], asset: str, free: str, locked: str) -> list[Holding]:
    held = [amount(row[locked]) for row in rows]
    return [Holding(row[asset], amount(row[free]) + own, own) for row, own in zip(rows, held, strict=True)]
