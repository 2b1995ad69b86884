cimport cython
from libc.stdint cimport int64_t, uint32_t

from engine.schema.event cimport KLINE_SUMMARY, TICKER, Event
from engine.schema.market cimport (TICKER_ASK, TICKER_ASK_QTY, TICKER_BID, TICKER_BID_QTY, TICKER_HIGH, TICKER_LAST,
                                   TICKER_LOW, TICKER_OPEN, TICKER_VOLUME, KlineData, TickerData)

from engine.schema.event import register_class

_TICKER_BITS = (
    ("last_price_raw", TICKER_LAST), ("bid_price_raw", TICKER_BID), ("bid_qty_raw", TICKER_BID_QTY),
    ("ask_price_raw", TICKER_ASK), ("ask_qty_raw", TICKER_ASK_QTY), ("open_24h_raw", TICKER_OPEN),
    ("high_24h_raw", TICKER_HIGH), ("low_24h_raw", TICKER_LOW), ("volume_24h_raw", TICKER_VOLUME))
INTERVAL_NAMES = {
    1: "1s", 60: "1m", 180: "3m", 300: "5m", 900: "15m", 1800: "30m", 3600: "1h", 7200: "2h", 14400: "4h",
    21600: "6h", 28800: "8h", 43200: "12h", 86400: "1d", 259200: "3d", 604800: "1w", 1296000: "15d",
    2592000: "1M"}


@cython.final
cdef class Ticker(Event):
    """Last, best and 24 h figures, exactly those the venue sent (EVT-14); the others are None."""

    def __cinit__(self):
        self.s.data = &self.k
        self.s.data_size = sizeof(TickerData)
        self.s.type = TICKER

    cdef object own_fields(self):
        return tuple(name for name, _ in _TICKER_BITS)

    cdef int fill_own(self, str name, object value) except -1:
        cdef int64_t* place = &self.k.last_price_raw
        for i, (known, bit) in enumerate(_TICKER_BITS):
            if known == name:
                if value is None:
                    self.k.present &= ~<uint32_t>bit
                    place[<int>i] = 0
                else:
                    self.k.present |= <uint32_t>bit
                    place[<int>i] = value
                return 0
        return Event.fill_own(self, name, value)

    @property
    def last_price_raw(self):
        """Last trade price x 10^price_scale, or None."""
        self.guard()
        return self.k.last_price_raw if self.k.present & TICKER_LAST else None

    @property
    def bid_price_raw(self):
        """Best bid x 10^price_scale, or None."""
        self.guard()
        return self.k.bid_price_raw if self.k.present & TICKER_BID else None

    @property
    def bid_qty_raw(self):
        """Quantity at the best bid x 10^qty_scale, or None."""
        self.guard()
        return self.k.bid_qty_raw if self.k.present & TICKER_BID_QTY else None

    @property
    def ask_price_raw(self):
        """Best ask x 10^price_scale, or None."""
        self.guard()
        return self.k.ask_price_raw if self.k.present & TICKER_ASK else None

    @property
    def ask_qty_raw(self):
        """Quantity at the best ask x 10^qty_scale, or None."""
        self.guard()
        return self.k.ask_qty_raw if self.k.present & TICKER_ASK_QTY else None

    @property
    def open_24h_raw(self):
        """Price 24 h ago x 10^price_scale, or None."""
        self.guard()
        return self.k.open_24h_raw if self.k.present & TICKER_OPEN else None

    @property
    def high_24h_raw(self):
        """Highest price of 24 h x 10^price_scale, or None."""
        self.guard()
        return self.k.high_24h_raw if self.k.present & TICKER_HIGH else None

    @property
    def low_24h_raw(self):
        """Lowest price of 24 h x 10^price_scale, or None."""
        self.guard()
        return self.k.low_24h_raw if self.k.present & TICKER_LOW else None

    @property
    def volume_24h_raw(self):
        """Volume of 24 h in base units x 10^qty_scale, or None."""
        self.guard()
        return self.k.volume_24h_raw if self.k.present & TICKER_VOLUME else None


@cython.final
cdef class KlineSummary(Event):
    """One candle, open or closed (EVT-15); each (stream, open time) closes once."""

    def __cinit__(self):
        self.s.data = &self.k
        self.s.data_size = sizeof(KlineData)
        self.s.type = KLINE_SUMMARY

    cdef object own_fields(self):
        return ("interval_ns", "interval", "open_time_ns", "close_time_ns", "open_raw", "high_raw", "low_raw",
                "close_raw", "volume_raw", "trade_count", "is_closed")

    def _ident(self) -> str:
        return f"{self.k.open_time_ns}.{self.k.revision}"

    cdef int take_ident(self, str ident) except -1:
        if ident:
            self.k.revision = int(ident.rpartition(".")[2])
        return 0

    cdef int fill_own(self, str name, object value) except -1:
        if name == "interval":
            pass                       # follows from interval_ns
        elif name == "interval_ns":
            self.k.interval_ns = value
        elif name == "open_time_ns":
            self.k.open_time_ns = value
        elif name == "close_time_ns":
            self.k.close_time_ns = value
        elif name == "open_raw":
            self.k.open_raw = value
        elif name == "high_raw":
            self.k.high_raw = value
        elif name == "low_raw":
            self.k.low_raw = value
        elif name == "close_raw":
            self.k.close_raw = value
        elif name == "volume_raw":
            self.k.volume_raw = value
        elif name == "trade_count":
            self.k.has_trade_count = value is not None
            self.k.trade_count = value or 0
        elif name == "is_closed":
            self.k.is_closed = value
        else:
            Event.fill_own(self, name, value)
        return 0

    @property
    def interval_ns(self) -> int:
        """Length of the candle in ns (a month counts 30 days)."""
        self.guard()
        return self.k.interval_ns

    @property
    def interval(self) -> str:
        """The same as a name: ``1s`` .. ``1M``."""
        self.guard()
        return INTERVAL_NAMES.get(self.k.interval_ns // 1_000_000_000, f"{self.k.interval_ns // 1_000_000_000}s")

    @property
    def open_time_ns(self) -> int:
        """Start, ns since 1970 UTC."""
        self.guard()
        return self.k.open_time_ns

    @property
    def close_time_ns(self) -> int:
        """Exclusive end, ns since 1970 UTC."""
        self.guard()
        return self.k.close_time_ns

    @property
    def open_raw(self) -> int:
        """First price x 10^price_scale."""
        self.guard()
        return self.k.open_raw

    @property
    def high_raw(self) -> int:
        """Highest price x 10^price_scale."""
        self.guard()
        return self.k.high_raw

    @property
    def low_raw(self) -> int:
        """Lowest price x 10^price_scale."""
        self.guard()
        return self.k.low_raw

    @property
    def close_raw(self) -> int:
        """Last price x 10^price_scale."""
        self.guard()
        return self.k.close_raw

    @property
    def volume_raw(self) -> int:
        """Base volume x 10^qty_scale."""
        self.guard()
        return self.k.volume_raw

    @property
    def trade_count(self):
        """Trades in it, or None where the venue does not say."""
        self.guard()
        return self.k.trade_count if self.k.has_trade_count else None

    @property
    def is_closed(self) -> bool:
        """Whether it is final."""
        self.guard()
        return bool(self.k.is_closed)


register_class(Ticker, TICKER)
register_class(KlineSummary, KLINE_SUMMARY)
