"""A report as text, written without the interpreter: what a fast tick does for every symbol, four times a second."""
cimport cython
from libc.stdint cimport int64_t

from engine.reports.analytics cimport SymbolAnalytics
from engine.reports.wide cimport wide


cdef enum StatusC:
    STATUS_OK = 0
    STATUS_DEGRADED = 1
    STATUS_DOWN = 2


cdef enum SourceC:
    SOURCE_NONE = 0
    SOURCE_BOOK = 1
    SOURCE_TICKER = 2
    DAY_NONE = 0
    DAY_TICKER = 1
    DAY_TRADES = 2


cdef struct Piece:
    const char* text
    size_t size


cdef struct Figures:
    # What is looked up once for several places of a report; numbers are as published.
    int kind                   # a BookStateC
    int source                 # of the best levels
    bint has_bid
    bint has_ask
    bint has_spread
    bint has_depth
    int64_t bid_raw
    int64_t bid_qty_raw
    int64_t ask_raw
    int64_t ask_qty_raw
    wide spread                # 10^-4 bps
    wide notional              # the smaller of the two
    int notional_places
    int64_t imbalance          # 10^-6
    wide rate                  # 10^-4 a second
    int day_source
    bint has_prices            # of the 24 hours
    int64_t first_raw
    int64_t last_raw
    int64_t high_raw
    int64_t low_raw
    wide volume
    int64_t as_of_ms


@cython.final
cdef class ReportText:
    """Of one symbol; owned by its composer."""
    cdef list _held                # the bytes that the pieces are of
    cdef Piece _versions           # report_version and schema_version
    cdef Piece _names              # symbol and venue
    cdef Piece _writer
    cdef Piece _liquidity
    cdef Piece _anomalies
    cdef Piece _slow_as_of
    cdef int64_t _anomaly_points
    cdef int64_t _fresh_ms
    cdef int64_t _down_ms
    cdef int64_t _rate_ms
    cdef int64_t _flow_ms
    cdef int64_t _spread_full      # points of the spread: (full - spread * unit) / range
    cdef int64_t _spread_unit
    cdef int64_t _spread_range
    cdef int64_t _depth_num
    cdef int64_t _depth_den
    cdef int64_t _rate_num
    cdef int64_t _rate_den
    cdef readonly int status       # of the last report, a StatusC
    cdef readonly int book_state   # of the last report, a BookStateC
    cdef int told_status           # for who tells of changes
    cdef int told_book_state
    cdef readonly int64_t age_ms   # of the last report, -1 = not known

    cdef size_t room(self) noexcept
    # The report at T; *out* has room() bytes. The symbol's windows are moved to T.
    cdef size_t write(self, SymbolAnalytics state, int64_t now_ms, char* out) except 0 nogil
    cdef char* _put_top(self, SymbolAnalytics state, char* at, Figures* found) noexcept nogil
    cdef void _note_day(self, SymbolAnalytics state, Figures* found) noexcept nogil
    cdef char* _put_depth(self, SymbolAnalytics state, char* at, Figures* found) noexcept nogil
    cdef char* _put_flow(self, SymbolAnalytics state, char* at, int64_t now_ms, Figures* found) noexcept nogil
    cdef char* _put_health(self, char* at, const Figures* found) noexcept nogil
    cdef char* _put_rest(self, SymbolAnalytics state, char* at, int64_t now_ms, const Figures* found) noexcept nogil
    cdef char* _put_stats(self, SymbolAnalytics state, char* at, int64_t now_ms, const Figures* found) noexcept nogil
