"""The plain feed's cold half. Source: docs/simulator.md, "The plain feed"."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import urlsplit

from engine.base.errors import AuthError, NotPermittedError
from engine.base.jsontext import encode
from engine.providers.checkedfeed import CheckedFeed
from engine.providers.credentials import Credentials, PrivateCall
from engine.providers.feed import (
    BookRules,
    ConnectionPlan,
    FeedPorts,
    PrivateHalf,
    RequestKind,
    Wanted,
    share,
    time_field,
)
from engine.providers.limits import STREAMS_PER_FRAME
from engine.providers.sharding import chunks
from engine.providers.simulated import manifest
from engine.providers.simulated.stream import SimulatedStream
from engine.providers.simulated.symbols import ORDERING, instruments_of, split_symbol
from engine.schema.instrument import Instrument, Skipped


class SimulatedFeed(CheckedFeed):
    """Books numbered by subscription, each message of them proven by a checksum."""

    venue = manifest.VENUE
    socket_limits = manifest.SOCKET_LIMITS
    rest_limits = manifest.REST_LIMITS
    stream: SimulatedStream

    def __init__(self, provider: str, rules: BookRules, ports: FeedPorts) -> None:
        super().__init__(provider, rules, ports)
        self.stream = SimulatedStream(
            provider,
            ports.pool,
            ports.sink,
            ports.clock,
            verify_checksum=rules.verify_checksum,
            on_instruments=self._instruments_told,
            on_error=self._refused,
            **self.stream_hooks(),
        )

    def read_instruments(self, body: bytes) -> tuple[list[Instrument], list[Skipped]]:
        """Instruments of the REST body or of an instrument frame."""
        return instruments_of(body, self.provider)

    def guess_instrument(self, venue_symbol: str) -> Instrument:
        """Base and quote stand in the spelling; the stream reads the decimals off the first snapshot.

        Raises:
            ValidationError: the spelling is no pair of assets.
        """
        base, quote = split_symbol(venue_symbol)
        return self.guessed(venue_symbol, base, quote, ordering_mode=ORDERING)

    def take_http(self, url: str, body: bytes, ts_recv_ns: int) -> str:
        """Metadata was read before the frames; no book comes by REST."""
        return "instruments" if urlsplit(url).path.endswith(manifest.REST_INSTRUMENTS) else "other"

    def instruments_url(self, rest_endpoint: str | None) -> str:
        """GET /simulated/instruments."""
        return f"{rest_endpoint or manifest.REST_ENDPOINT}{manifest.REST_INSTRUMENTS}"

    def time_url(self, rest_endpoint: str | None) -> str:
        """GET /simulated/time."""
        return f"{rest_endpoint or manifest.REST_ENDPOINT}{manifest.REST_TIME}"

    def read_time(self, body: bytes) -> tuple[int, int]:
        """``time_ns``, told to the microsecond."""
        return time_field(body, "time_ns"), 1_000

    def key_check(self, credentials: Credentials, rest_endpoint: str | None, venue_now_ns: int) -> PrivateCall:
        """The plain feed is public data only: there is nothing that a key could open.

        Raises:
            NotPermittedError: always.
        """
        raise NotPermittedError(
            "the plain feed takes no key", op="rest.sign", provider=self.provider,
            hint="leave credentials out; for private calls give a venue and the simulator's endpoints",
        )  # fmt: skip

    def private_half(
        self,
        credentials: Credentials,
        ws_endpoint: str | None,
        rest_endpoint: str | None,
        venue_now_ns: Callable[[], int],
    ) -> PrivateHalf:
        """There are no accounts here.

        Raises:
            AuthError: always.
        """
        raise AuthError(
            "the plain feed has no accounts", op="account.open", provider=self.provider,
            hint="leave credentials out, or give a venue and the simulator's endpoints",
        )  # fmt: skip

    def symbols_per_connection(self, wanted: Wanted) -> int:
        """One stream a channel, and one an interval of candles."""
        has_candles = "kline" in wanted.streams
        streams = len(wanted.streams) - has_candles + has_candles * len(wanted.kline_intervals)
        return manifest.STREAMS_PER_CONNECTION // max(1, streams) - 1

    def plan(self, ws_endpoint: str | None, wanted: Wanted, symbols: Sequence[str]) -> ConnectionPlan:
        """Everything is subscribed once the connection stands; instruments first, for their decimals."""
        frames = (_request("subscribe", manifest.CHANNEL_INSTRUMENTS), *self.requests("subscribe", wanted, symbols))
        return ConnectionPlan(ws_endpoint or manifest.WS_ENDPOINT, frames, tuple(symbols))

    def requests(self, kind: RequestKind, wanted: Wanted, symbols: Sequence[str]) -> tuple[bytes, ...]:
        """One message a channel, and one an interval of candles."""
        channels: list[dict[str, Any]] = []
        for stream in wanted.streams:
            if stream == "kline":
                channels += [{"interval": interval} for interval in wanted.kline_intervals]
            else:
                channels.append({"channel": stream})
        return tuple(
            _request(kind, params.get("channel", manifest.CHANNEL_CANDLES), part, params.get("interval"))
            for params in channels
            for part in chunks(symbols, STREAMS_PER_FRAME)
        )

    def _refused(self, conn: int, text: str) -> None:
        """The venue's words name what it refuses; a symbol of their own they do not have."""
        self.refuse("", (), text)

    def _instruments_told(self, frame: bytes) -> None:
        """The instrument channel: all of them after the subscription, then those that change."""
        self.learn_told(*instruments_of(frame, self.provider, only=self.instruments))

    def proofs(self) -> list[str]:
        """Numbers for completeness, checksums over the ten best levels of a side."""
        return [
            f"simulated: {share(*self.checked())} book messages proven to follow the one before by seq, and by a "
            "CRC32 over the ten best levels of each side; nothing on the wire proves a level below the tenth"
        ]


def _request(op: str, channel: str, symbols: Sequence[str] = (), interval: str | None = None) -> bytes:
    body: dict[str, object] = {"op": op, "channel": channel}
    if symbols:
        body["symbols"] = list(symbols)
    if interval is not None:
        body["interval"] = interval
    return encode(body)
