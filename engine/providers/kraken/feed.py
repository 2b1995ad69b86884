"""Kraken Spot's cold half. Source: docs.kraken.com, spot-websocket-v2 and REST."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from urllib.parse import urlsplit

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
from engine.providers.kraken import manifest
from engine.providers.kraken.gateway import KrakenGateway
from engine.providers.kraken.reports import KrakenOrders
from engine.providers.kraken.signing import TOKEN_PATH, KrakenSigner, read_token
from engine.providers.kraken.stream import KrakenStream
from engine.providers.kraken.symbols import ORDERING, instruments_of, split_symbol
from engine.providers.kraken.user import KrakenUserStream
from engine.providers.limits import STREAMS_PER_FRAME
from engine.providers.requests import RequestNumbers
from engine.providers.sharding import chunks
from engine.schema.instrument import Instrument, Skipped


class KrakenFeed(CheckedFeed):
    """Books cut at the subscribed depth, each message of them proven by a checksum."""

    venue = manifest.VENUE
    socket_limits = manifest.SOCKET_LIMITS
    rest_limits = manifest.REST_LIMITS
    private_limits = manifest.PRIVATE_LIMITS
    stream: KrakenStream

    def __init__(self, provider: str, rules: BookRules, ports: FeedPorts) -> None:
        super().__init__(provider, rules, ports)
        self._numbers = RequestNumbers()
        self.stream = KrakenStream(
            provider,
            ports.pool,
            ports.sink,
            ports.clock,
            verify_checksum=rules.verify_checksum,
            on_instruments=self._instruments_told,
            on_reply=self._answered,
            on_error=self._refused,
            **self.stream_hooks(),
        )

    @property
    def depth_levels(self) -> int:
        """The depth to subscribe: the least the venue offers that holds what we publish, its deepest for all."""
        wanted = self.rules.depth_levels or manifest.BOOK_DEPTHS[-1]
        return next((depth for depth in manifest.BOOK_DEPTHS if depth >= wanted), manifest.BOOK_DEPTHS[-1])

    def read_instruments(self, body: bytes) -> tuple[list[Instrument], list[Skipped]]:
        """Instruments of an AssetPairs body or of an instrument frame."""
        return instruments_of(body, self.provider)

    def guess_instrument(self, venue_symbol: str) -> Instrument:
        """Base and quote stand in the spelling; the stream finds the decimals by the first checksum.

        Raises:
            ValidationError: the spelling is no pair of assets.
        """
        base, quote = split_symbol(venue_symbol)
        return self.guessed(venue_symbol, base, quote, ordering_mode=ORDERING, book_depths=manifest.BOOK_DEPTHS)

    def take_http(self, url: str, body: bytes, ts_recv_ns: int) -> str:
        """Metadata was read before the frames; the Depth of REST has no checksum and is not used."""
        return "instruments" if urlsplit(url).path.endswith("/AssetPairs") else "other"

    def instruments_url(self, rest_endpoint: str | None) -> str:
        """GET /0/public/AssetPairs."""
        return f"{rest_endpoint or manifest.REST_ENDPOINT}{manifest.REST_PAIRS}"

    def time_url(self, rest_endpoint: str | None) -> str:
        """GET /0/public/Time."""
        return f"{rest_endpoint or manifest.REST_ENDPOINT}{manifest.REST_TIME}"

    def read_time(self, body: bytes) -> tuple[int, int]:
        """``unixtime``, in whole seconds."""
        return time_field(body, "result", "unixtime") * 1_000_000_000, 1_000_000_000

    def key_check(self, credentials: Credentials, rest_endpoint: str | None, venue_now_ns: int) -> PrivateCall:
        """POST /0/private/GetWebSocketsToken; a nonce is by our clock, for it must rise whatever the venue's does."""
        body, headers = KrakenSigner(credentials, self.ports.clock.now).request(TOKEN_PATH)
        return PrivateCall(f"{rest_endpoint or manifest.REST_ENDPOINT}{TOKEN_PATH}", headers, body)

    def judge_key_check(self, body: bytes) -> None:
        """The venue refuses with HTTP 200."""
        read_token(body)

    def private_half(
        self,
        credentials: Credentials,
        ws_endpoint: str | None,
        rest_endpoint: str | None,
        venue_now_ns: Callable[[], int],
    ) -> PrivateHalf:
        """Private channels by token; nonces of one key never fall."""
        signer, orders = KrakenSigner(credentials, self.ports.clock.now), KrakenOrders(self.provider)
        stream = partial(KrakenUserStream, self.provider, ws_endpoint, rest_endpoint, signer, orders)
        return PrivateHalf(stream, lambda ways: KrakenGateway(ways, signer, orders, rest_endpoint))

    def symbols_per_connection(self, wanted: Wanted) -> int:
        """The venue publishes no limit."""
        return manifest.PAIRS_PER_CONNECTION

    def plan(self, ws_endpoint: str | None, wanted: Wanted, symbols: Sequence[str]) -> ConnectionPlan:
        """Everything is subscribed once the connection stands."""
        frames = (_INSTRUMENTS, *self.requests("subscribe", wanted, symbols))
        return ConnectionPlan(ws_endpoint or manifest.WS_ENDPOINT, frames, tuple(symbols))

    def requests(self, kind: RequestKind, wanted: Wanted, symbols: Sequence[str]) -> tuple[bytes, ...]:
        """One message a channel, and one an interval of candles."""
        channels: list[tuple[str, dict[str, object]]] = []
        for stream in wanted.streams:
            if stream == "kline":
                channels += [
                    (stream, {"channel": manifest.CHANNEL_CANDLES, "interval": manifest.KLINE_INTERVALS_MIN[interval]})
                    for interval in wanted.kline_intervals
                ]
            else:
                channels.append((stream, self._params(stream)))
        return tuple(
            self._request(kind, stream, part, params)
            for stream, params in channels
            for part in chunks(symbols, STREAMS_PER_FRAME)
        )

    def _request(
        self, method: str, stream: str, symbols: Sequence[str], params: dict[str, object]
    ) -> bytes:
        request = {"method": method, "params": {**params, "symbol": list(symbols)}}
        return encode({**request, "req_id": self._numbers.number(stream, symbols, request)})

    def _answered(
        self, number: int | None, refusal: str | None, is_subscribe: bool, channel: str | None, symbol: str | None
    ) -> None:
        """One answer a symbol; a refusal may name nothing but the number."""
        if refusal is not None and is_subscribe and refusal != manifest.ALREADY_SUBSCRIBED:
            stream, symbols = self._numbers.asked(number)
            self.refuse(stream or channel or "", (symbol,) if symbol else symbols, refusal)

    def _refused(self, conn: int, said: str) -> None:
        """The venue refuses what it does not even name."""
        self.refuse("", (), said)

    def _params(self, stream: str) -> dict[str, object]:
        if stream == "book":
            return {"channel": manifest.CHANNEL_BOOK, "depth": self.depth_levels}
        if stream == "ticker":
            return {"channel": manifest.CHANNEL_TICKER, "event_trigger": manifest.TICKER_TRIGGER}
        return {"channel": manifest.CHANNEL_TRADES}

    def _instruments_told(self, frame: bytes) -> None:
        """The instrument channel: all pairs after the subscription, then those that change."""
        self.learn_told(*instruments_of(frame, self.provider, only=self.instruments))

    def proofs(self) -> list[str]:
        """Checksums over the ten best levels of a side."""
        return [
            f"kraken: {share(*self.checked())} book messages proven by a CRC32 over the ten best levels of each "
            "side; nothing on the wire proves a level below the tenth"
        ]


_INSTRUMENTS = encode({"method": "subscribe", "params": {"channel": manifest.CHANNEL_INSTRUMENTS}})
