"""Binance Spot's cold half. Source: binance-spot-api-docs, web-socket-streams.md and rest-api.md."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from urllib.parse import parse_qs, urlsplit

import msgspec

from engine.base.decimals import to_raw
from engine.base.jsontext import encode
from engine.providers.assembler import BookAssembler
from engine.providers.binance.gateway import BinanceGateway
from engine.providers.binance.manifest import (
    ORDER_WINDOWS,
    REST_ACCOUNT,
    REST_ACCOUNT_WEIGHT,
    REST_ENDPOINT,
    REST_LIMITS,
    REST_TIME,
    SNAPSHOT_MARGIN,
    SNAPSHOT_WEIGHTS,
    SOCKET_LIMITS,
    STREAMS_PER_CONNECTION,
    VENUE,
    WS_ENDPOINT,
)
from engine.providers.binance.signing import BinanceSigner
from engine.providers.binance.stream import BinanceStream
from engine.providers.binance.symbols import instruments_of, order_limits, split_symbol
from engine.providers.binance.user import BinanceUserStream
from engine.providers.credentials import Credentials, PrivateCall
from engine.providers.feed import (
    BookRules,
    ConnectionPlan,
    Feed,
    FeedPorts,
    PrivateHalf,
    RequestKind,
    SnapshotRequest,
    Wanted,
    share,
    time_field,
)
from engine.providers.limits import STREAMS_PER_FRAME
from engine.providers.requests import RequestNumbers
from engine.providers.sharding import chunks
from engine.providers.venuestream import VenueStream
from engine.schema.enums import BookReason
from engine.schema.instrument import Instrument, Skipped

_NO_BID, _NO_ASK = -(2**63), 2**63 - 1
_STREAM_NAMES = {"book": ("depth@100ms",), "trade": ("trade",), "ticker": ("bookTicker", "ticker")}


class BinanceFeed(Feed):
    """Diff streams joined to REST snapshots; combined streams, lower-case names."""

    venue = VENUE
    has_positions = True
    socket_limits = SOCKET_LIMITS
    rest_limits = REST_LIMITS
    stream: BinanceStream

    def __init__(self, provider: str, rules: BookRules, ports: FeedPorts) -> None:
        super().__init__(provider, rules, ports)
        self._numbers = RequestNumbers()
        self.order_limits: Sequence[tuple[float, int]] = ORDER_WINDOWS
        """(s, orders) of each limit of an account's orders."""
        self.stream = BinanceStream(
            provider,
            ports.pool,
            ports.sink,
            ports.clock,
            diff_buffer_max=rules.diff_buffer_max,
            on_reply=self._answered,
            on_shutdown=self._shutdown_announced,
            **self.stream_hooks(),
        )

    def read_instruments(self, body: bytes) -> tuple[list[Instrument], list[Skipped]]:
        """Instruments of an exchangeInfo body."""
        limits = order_limits(body)
        self.order_limits = self.order_limits if limits is None else limits
        return instruments_of(body, self.provider)

    def guess_instrument(self, venue_symbol: str) -> Instrument:
        """Base and quote by known quote assets; the scales start at 0 and widen to the digits that come."""
        base, quote = split_symbol(venue_symbol)
        return self.guessed(venue_symbol, base, quote)

    def take_http(self, url: str, body: bytes, ts_recv_ns: int) -> str:
        """A depth snapshot goes to its book; metadata was read before the frames."""
        parts = urlsplit(url)
        if parts.path.endswith("/depth"):
            symbol = parse_qs(parts.query).get("symbol", [""])[0]
            index = self.stream.index_of(symbol.encode())
            if index >= 0:
                self.stream.take_snapshot(index, body, ts_recv_ns)
                self.stream.read_end()
            return "depth"
        return "instruments" if parts.path.endswith("/exchangeInfo") else "other"

    def instruments_url(self, rest_endpoint: str | None) -> str:
        """GET /api/v3/exchangeInfo, weight 20."""
        return f"{rest_endpoint or REST_ENDPOINT}/api/v3/exchangeInfo"

    def time_url(self, rest_endpoint: str | None) -> str:
        """GET /api/v3/time, weight 1."""
        return f"{rest_endpoint or REST_ENDPOINT}{REST_TIME}"

    def read_time(self, body: bytes) -> tuple[int, int]:
        """``serverTime``, in ms."""
        return time_field(body, "serverTime") * 1_000_000, 1_000_000

    def key_check(self, credentials: Credentials, rest_endpoint: str | None, venue_now_ns: int) -> PrivateCall:
        """GET /api/v3/account, weight 20."""
        signer = BinanceSigner(credentials)
        query = signer.query({"omitZeroBalances": "true", "timestamp": venue_now_ns // 1_000_000})
        url = f"{rest_endpoint or REST_ENDPOINT}{REST_ACCOUNT}?{query}"
        return PrivateCall(url, signer.headers, weight=REST_ACCOUNT_WEIGHT)

    def private_half(
        self,
        credentials: Credentials,
        ws_endpoint: str | None,
        rest_endpoint: str | None,
        venue_now_ns: Callable[[], int],
    ) -> PrivateHalf:
        """Over the WebSocket API; no call by REST is needed."""
        signer = BinanceSigner(credentials)
        stream = partial(BinanceUserStream, self.provider, signer, ws_endpoint, venue_now_ns)
        return PrivateHalf(stream, lambda ways: BinanceGateway(ways, signer, lambda: self.order_limits))

    def symbols_per_connection(self, wanted: Wanted) -> int:
        """A symbol's streams stay together, so that its book is fed by one connection; at most 1024 streams."""
        return STREAMS_PER_CONNECTION // max(1, len(_suffixes(wanted)))

    def plan(self, ws_endpoint: str | None, wanted: Wanted, symbols: Sequence[str]) -> ConnectionPlan:
        """Combined streams by URL, as far as they fit a frame; what is beyond is subscribed once it stands."""
        names = _names(wanted, symbols)
        url = f"{ws_endpoint or WS_ENDPOINT}/stream?streams={'/'.join(names[:STREAMS_PER_FRAME])}"
        return ConnectionPlan(url, self._frames("SUBSCRIBE", names[STREAMS_PER_FRAME:]), tuple(symbols))

    def requests(self, kind: RequestKind, wanted: Wanted, symbols: Sequence[str]) -> tuple[bytes, ...]:
        """SUBSCRIBE and UNSUBSCRIBE by stream name."""
        return self._frames(kind.upper(), _names(wanted, symbols))

    def _frames(self, method: str, names: Sequence[str]) -> tuple[bytes, ...]:
        return tuple(
            encode({"method": method, "params": part, "id": self._numbers.number("", part, (method, part))})
            for part in chunks(names, STREAMS_PER_FRAME)
        )

    def _answered(self, number: int, refusal: str | None) -> None:
        """The venue refuses a whole frame; it says nothing of a symbol that it does not have."""
        if refusal is None:
            return
        _, names = self._numbers.asked(number)
        for name in names:
            symbol, _, suffix = name.partition("@")
            stream = next((stream for stream, parts in _STREAM_NAMES.items() if suffix in parts), "kline")
            self.refuse(stream, (symbol.upper(),), refusal)
        if not names:
            self.refuse("", (), refusal)

    def void_books(self, plan: ConnectionPlan, conn: int) -> None:
        """What was missed no snapshot of before can join: the next diff asks for a new one."""
        for symbol in plan.venue_symbols:
            self.stream.drop_book(self.stream.index_of(symbol.encode()))

    def second_view_differences(self) -> list[tuple[int, str]]:
        """Books whose bookTicker or partial depth of the same id said otherwise."""
        return [
            (view.first_difference_at, f"{state.book.symbol}: bookTicker or partial depth differs from the book")
            for state in self.stream.symbol_states()
            if (view := state.second_view).first_difference_at >= 0
        ]

    def proofs(self) -> list[str]:
        """Continuity by U and u; quantities only where a second view carries the same id."""
        states = self.stream.symbol_states()
        diffs = sum(state.continuity.diffs for state in states)
        proven = sum(state.continuity.applied + state.continuity.stale_dropped for state in states)
        equal = sum(state.second_view.tickers_equal + state.second_view.partials_equal for state in states)
        return [
            f"binance: {share(proven, diffs)} diffs proven complete by U and u; "
            f"{share(equal, diffs)} of them with the best levels proven by a second view of the same id; "
            "nothing on the wire proves the other quantities"
        ]

    def _shutdown_announced(self, conn: int) -> None:
        if self.on_shutdown is not None:
            self.on_shutdown(conn)

    def want_snapshot(self, stream: VenueStream, index: int, reason: BookReason) -> None:
        """A book that is not in sync needs a snapshot by REST."""
        if self.on_snapshot_request is not None:
            self.on_snapshot_request(self.snapshot_request(index, reason))

    def snapshot_request(self, symbol_index: int, reason: BookReason) -> SnapshotRequest:
        """GET /api/v3/depth, its weight by how many levels are asked for."""
        symbol = list(self.instruments)[symbol_index]
        url = f"{self.rest_endpoint or REST_ENDPOINT}/api/v3/depth?symbol={symbol}&limit={self.snapshot_levels}"
        return SnapshotRequest(symbol_index, url, reason, SNAPSHOT_WEIGHTS[self.snapshot_levels])

    @property
    def snapshot_levels(self) -> int:
        """The least that the venue offers and that holds what we publish with room for a price that walks."""
        wanted = self.rules.depth_levels * SNAPSHOT_MARGIN or max(SNAPSHOT_WEIGHTS)
        return next((levels for levels in SNAPSHOT_WEIGHTS if levels >= wanted), max(SNAPSHOT_WEIGHTS))

    def position(self, symbol_index: int) -> int:
        """The id of the last diff or snapshot in the book."""
        return int(self.stream.symbol_states()[symbol_index].continuity.book_id)

    def snapshot_reach(self, body: bytes, book: BookAssembler) -> tuple[int, int]:
        """The worst price of each side that is as long as was asked for; a shorter one is whole."""
        sides = msgspec.json.decode(body, type=_Depth)
        reach = [_NO_BID, _NO_ASK]
        for side, levels in enumerate((sides.bids, sides.asks)):
            if len(levels) >= self.snapshot_levels:
                reach[side] = to_raw(levels[-1][0], book.price_scale)
        return reach[0], reach[1]


class _Depth(msgspec.Struct):
    bids: list[tuple[str, str]]
    asks: list[tuple[str, str]]


def _suffixes(wanted: Wanted) -> list[str]:
    return [
        name
        for stream in wanted.streams
        for name in (
            [f"kline_{interval}" for interval in wanted.kline_intervals]
            if stream == "kline"
            else _STREAM_NAMES[stream]
        )
    ]


def _names(wanted: Wanted, symbols: Sequence[str]) -> list[str]:
    return [f"{symbol.lower()}@{suffix}" for symbol in symbols for suffix in _suffixes(wanted)]
