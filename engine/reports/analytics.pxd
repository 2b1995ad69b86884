"""The state of one (venue, symbol): what every accepted entry adds to it, and what the ticks read."""
cimport cython
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

from engine.observability.latency cimport LatencyHistogram
from engine.reports.day cimport DayTrades
from engine.reports.depth cimport DepthBook
from engine.reports.episodes cimport Episodes
from engine.reports.fills cimport RestingFills
from engine.reports.line cimport Line
from engine.reports.profile cimport VolumeProfile
from engine.reports.sample cimport Sample
from engine.reports.sums cimport TimeSums
from engine.reports.tradeids cimport TradeIds
from engine.schema.market cimport Level, TickerData

cdef enum:
    RATE_TRADES = 0            # channels of rates
    RATE_BOOK = 1
    FLOW_NONE = 0              # channels of flow: the aggressor's side, as TradeSideC
    FLOW_BUY = 1
    FLOW_SELL = 2


cdef enum AnswerC:
    ANSWER_DROPPED = 0
    ANSWER_TAKEN = 1


cdef enum ResyncC:
    RESYNC_NONE = 0
    RESYNC_GAP = 1
    RESYNC_FUTURE = 2
    RESYNC_CROSSED = 3


cdef struct Entry:
    uint64_t seq               # 0 = it has none: no gap is seen, no repetition of a book
    uint64_t prev_seq
    int64_t ts_event_ns
    int64_t ts_recv_ns
    uint32_t n


cdef struct Pending:
    # What is ahead of the receive time: it enters windows when T reaches it.
    int64_t ms
    uint64_t at
    int64_t price_raw
    int64_t qty_raw
    int64_t visible_raw
    int64_t amount             # of a book entry
    uint8_t is_trade
    uint8_t side


cdef struct IntakeCounts:
    uint64_t trades
    uint64_t books
    uint64_t tickers
    uint64_t repeated
    uint64_t gaps
    uint64_t future
    uint64_t crossed
    uint64_t stragglers        # of those that counted: their tick had been taken
    uint64_t reports
    uint64_t skipped           # fast ticks that were due together with a later one


@cython.final
cdef class SymbolAnalytics:
    """Owned by one worker, called by one thread; knows neither clock nor bus nor cache."""
    cdef readonly str venue
    cdef readonly str symbol
    cdef readonly int price_scale
    cdef readonly int qty_scale
    cdef int64_t tick_raw          # 0 = unknown: a unit of the price is taken for it
    cdef int64_t bin_ticks
    cdef DepthBook book
    cdef TimeSums rates
    cdef TimeSums flow
    cdef readonly VolumeProfile profile
    cdef Sample sample
    cdef Episodes episodes
    cdef RestingFills fills
    cdef DayTrades day
    cdef TradeIds ids
    cdef Line pending              # by venue time
    cdef IntakeCounts counts
    cdef uint64_t last_seq
    cdef uint64_t arrivals         # of trades, in order
    cdef int64_t future_ns
    cdef int64_t first_event_ms    # of the state, a negative = none yet
    cdef int64_t first_trade_ms
    cdef int64_t profile_from_ms   # the first trade of the profile as it is
    cdef bint is_profile_new
    cdef int64_t last_update_ms
    cdef int64_t last_recv_ns
    cdef int64_t crossed_since_ns  # 0 = it is not
    cdef uint8_t wants_resync      # a ResyncC
    cdef int64_t last_trade_raw
    cdef uint64_t last_trade_seq
    cdef bint has_trade
    cdef TickerData ticker
    cdef int64_t ticker_ms
    cdef int64_t ticker_change_raw # 10^-4 percent
    cdef bint has_ticker
    # For who feeds it and ticks it.
    cdef uint64_t fed              # the number of the last entry made of an event
    cdef bint is_chain_broken
    cdef int64_t due_ns            # an entry received after this has a tick before it
    cdef int64_t ticked_ns         # the newest T that was taken
    cdef int64_t asked_ms          # when a resync was asked for last
    cdef LatencyHistogram lag      # of its venue, from arrival to here

    cdef int take_trade(self, const Entry* entry, int64_t price_raw, int64_t qty_raw, int side,
                        uint64_t trade_id) except -1 nogil
    cdef int take_book(self, const Entry* entry, bint is_snapshot, bint complete, const Level* levels,
                       uint32_t bids, uint32_t asks) except -1 nogil
    cdef int take_ticker(self, const Entry* entry, const TickerData* ticker, int64_t change_raw) except -1 nogil
    cdef bint _accept(self, const Entry* entry, bint is_book) noexcept nogil
    cdef int64_t _note(self, const Entry* entry) noexcept nogil
    cdef int _count_trade(self, const Pending* trade) except -1 nogil
    cdef int _wait(self, const Pending* item) except -1 nogil
    cdef int _book_changed(self, const Entry* entry, int64_t ms) except -1 nogil
    cdef void lose_book(self) noexcept nogil
    cdef int advance(self, int64_t now_ms) except -1 nogil
    cdef object _levels(self, const Entry* entry, bint is_snapshot, bint complete, bids, asks)
