"""Coinbase Advanced Trade's cold half. Source: docs.cdp.coinbase.com, Advanced Trade WebSocket and REST."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from urllib.parse import urlsplit

import msgspec

from engine.base.errors import ValidationError
from engine.base.jsontext import encode
from engine.providers.coinbase import manifest
from engine.providers.coinbase.gateway import CoinbaseGateway
from engine.providers.coinbase.signing import CoinbaseSigner
from engine.providers.coinbase.stream import CoinbaseStream
from engine.providers.coinbase.symbols import ORDERING, instruments_of
from engine.providers.coinbase.user import CoinbaseUserStream
from engine.providers.credentials import Credentials, PrivateCall
from engine.providers.feed import (
    BookRules,
    ConnectionPlan,
    Feed,
    FeedPorts,
    PrivateHalf,
    RequestKind,
    Wanted,
    share,
    time_field,
)
from engine.providers.limits import STREAMS_PER_FRAME
from engine.providers.sharding import chunks
from engine.schema.instrument import Instrument, Skipped, public_symbol

_CHANNELS = {
    "book": manifest.CHANNEL_BOOK,
    "trade": manifest.CHANNEL_TRADES,
    "ticker": manifest.CHANNEL_TICKER,
    "kline": manifest.CHANNEL_CANDLES,
}
_STREAMS = {channel: stream for stream, channel in _CHANNELS.items()}


class _Request(msgspec.Struct):
    type: str
    channel: str
    product_ids: tuple[str, ...] = ()


class CoinbaseFeed(Feed):
    """Snapshots and updates of one channel, proven whole by the number of each connection."""

    venue = manifest.VENUE
    socket_limits = manifest.SOCKET_LIMITS
    rest_limits = manifest.REST_LIMITS
    private_limits = manifest.PRIVATE_LIMITS
    stream: CoinbaseStream

    def __init__(self, provider: str, rules: BookRules, ports: FeedPorts) -> None:
        super().__init__(provider, rules, ports)
        self._unanswered: dict[int, deque[bytes]] = {}
        self.stream = CoinbaseStream(
            provider,
            ports.pool,
            ports.sink,
            ports.clock,
            on_error=self._refused,
            on_subscriptions=self._acknowledged,
            **self.stream_hooks(),
        )

    def read_instruments(self, body: bytes) -> tuple[list[Instrument], list[Skipped]]:
        """Instruments of a products body."""
        return instruments_of(body, self.provider)

    def guess_instrument(self, venue_symbol: str) -> Instrument:
        """Base and quote stand in the spelling; the scales start at 0 and widen to the digits that come.

        Raises:
            ValidationError: the spelling is no pair of assets.
        """
        base, _, quote = venue_symbol.partition("-")
        if public_symbol(base, quote) is None:
            raise ValidationError(f"{venue_symbol!r} makes no BASE-QUOTE", op="instruments.split")
        return self.guessed(venue_symbol, base, quote, ordering_mode=ORDERING)

    def take_http(self, url: str, body: bytes, ts_recv_ns: int) -> str:
        """Metadata was read before the frames; no book comes by REST, for it would have no number."""
        return "instruments" if "/products" in urlsplit(url).path else "other"

    def instruments_url(self, rest_endpoint: str | None) -> str:
        """GET /api/v3/brokerage/market/products, spot only."""
        return f"{rest_endpoint or manifest.REST_ENDPOINT}{manifest.REST_PRODUCTS}?product_type=SPOT"

    def time_url(self, rest_endpoint: str | None) -> str:
        """GET /api/v3/brokerage/time."""
        return f"{rest_endpoint or manifest.REST_ENDPOINT}{manifest.REST_TIME}"

    def read_time(self, body: bytes) -> tuple[int, int]:
        """``epochMillis``."""
        return time_field(body, "epochMillis") * 1_000_000, 1_000_000

    def key_check(self, credentials: Credentials, rest_endpoint: str | None, venue_now_ns: int) -> PrivateCall:
        """GET /api/v3/brokerage/accounts."""
        headers = CoinbaseSigner(credentials).headers(venue_now_ns, "GET", manifest.REST_ACCOUNTS)
        return PrivateCall(f"{rest_endpoint or manifest.REST_ENDPOINT}{manifest.REST_ACCOUNTS}?limit=1", headers)

    def private_half(
        self,
        credentials: Credentials,
        ws_endpoint: str | None,
        rest_endpoint: str | None,
        venue_now_ns: Callable[[], int],
    ) -> PrivateHalf:
        """The user channel, and balances and orders by REST."""
        signer = CoinbaseSigner(credentials)
        stream = partial(CoinbaseUserStream, self.provider, signer, ws_endpoint, rest_endpoint, venue_now_ns)
        return PrivateHalf(stream, lambda ways: CoinbaseGateway(ways, signer, rest_endpoint))

    def symbols_per_connection(self, wanted: Wanted) -> int:
        """As many products as public clients keep to."""
        return manifest.PRODUCTS_PER_CONNECTION

    def plan(self, ws_endpoint: str | None, wanted: Wanted, symbols: Sequence[str]) -> ConnectionPlan:
        """Heartbeats first, on every connection: else the venue closes a quiet one."""
        heartbeats = _request("subscribe", manifest.CHANNEL_HEARTBEATS)
        frames = (heartbeats, *self.requests("subscribe", wanted, symbols))
        return ConnectionPlan(ws_endpoint or manifest.WS_ENDPOINT, frames, tuple(symbols))

    def requests(self, kind: RequestKind, wanted: Wanted, symbols: Sequence[str]) -> tuple[bytes, ...]:
        """One channel a message. Candles have one interval here, whatever is wanted."""
        return tuple(
            _request(kind, _CHANNELS[stream], part)
            for stream in wanted.streams
            for part in chunks(symbols, STREAMS_PER_FRAME)
        )

    def request_sent(self, conn: int, frame: bytes) -> None:
        """Answers come in the order of the requests, one each."""
        self._unanswered.setdefault(conn, deque()).append(frame)

    def _answered(self, conn: int) -> _Request | None:
        frames = self._unanswered.get(conn)
        return msgspec.json.decode(frames.popleft(), type=_Request) if frames else None

    def _refused(self, conn: int, said: str) -> None:
        """An error has neither channel nor product: it is for the request whose turn it is."""
        request = self._answered(conn)
        if request is None:
            self.refuse("", (), said)
        else:
            self.refuse(_STREAMS.get(request.channel, request.channel), request.product_ids, said)

    def _acknowledged(self, conn: int, current: dict[str, list[str]]) -> None:
        """The whole current set: a product that was asked for and is not in it was not accepted."""
        request = self._answered(conn)
        if request is None or request.type != "subscribe":
            return
        missing = [product for product in request.product_ids if product not in current.get(request.channel, ())]
        if missing:
            self.refuse(_STREAMS.get(request.channel, request.channel), missing, manifest.NOT_ACKNOWLEDGED)

    def begun_together(self, plan: ConnectionPlan, symbol_index: int) -> tuple[str, ...]:
        """A lost number may have been any product's: all books of the connection begin again."""
        return plan.venue_symbols

    def void_books(self, plan: ConnectionPlan, conn: int) -> None:
        """The books of the connection wait for their snapshots, its numbers begin again."""
        self._unanswered.pop(conn, None)
        self.stream.reset_connection(conn)

    def proofs(self) -> list[str]:
        """Completeness by number; no quantity is proven by anything."""
        counts = self.stream.connections().values()
        refused = sum(self.stream.rejected_by_code().values()) + self.stream.errors
        numbered = self.stream.frames - refused
        gaps = sum(count.sequence_gaps for count in counts)
        return [
            f"coinbase: {share(max(0, numbered - gaps), numbered)} messages proven to follow the one before by "
            "sequence_num; nothing on the wire proves a quantity"
        ]


def _request(kind: str, channel: str, products: Sequence[str] = ()) -> bytes:
    body: dict[str, object] = {"type": kind, "channel": channel}
    if products:
        body["product_ids"] = list(products)
    return encode(body)

