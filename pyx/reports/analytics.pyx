from libc.stdint cimport INT64_MAX, INT64_MIN, int64_t, uint32_t, uint64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memset

from engine.reports.day cimport DayTrades
from engine.reports.depth cimport STATE_CROSSED, STATE_RESYNCING, DepthBook, best
from engine.reports.episodes cimport Episodes
from engine.reports.fills cimport RestingFills
from engine.reports.line cimport Line, line_at, line_clear, line_drop, line_find_after, line_insert, line_key
from engine.reports.profile cimport VolumeProfile
from engine.reports.sample cimport Sample
from engine.reports.sums cimport TimeSums
from engine.reports.tradeids cimport TradeIds
from engine.reports.wide cimport scale_raw
from engine.schema.market cimport (TICKER_ASK, TICKER_ASK_QTY, TICKER_BID, TICKER_BID_QTY, Level, TickerData)
from engine.schema.record cimport change_of, no_link

from math import gcd

from engine.base.errors import ScaleOverflowError

cdef enum:
    NS_PER_MS = 1_000_000
    NS_PER_S = 1_000_000_000
    TRADE_IDS_S = 1800
    SAMPLE_VALUES = 10_000


cdef bint _rescale_ticker(TickerData* ticker, int64_t price_by, int64_t qty_by) noexcept nogil:
    return scale_raw(&ticker.last_price_raw, price_by) and scale_raw(&ticker.bid_price_raw, price_by) \
        and scale_raw(&ticker.ask_price_raw, price_by) and scale_raw(&ticker.open_24h_raw, price_by) \
        and scale_raw(&ticker.high_24h_raw, price_by) and scale_raw(&ticker.low_24h_raw, price_by) \
        and scale_raw(&ticker.bid_qty_raw, qty_by) and scale_raw(&ticker.ask_qty_raw, qty_by) \
        and scale_raw(&ticker.volume_24h_raw, qty_by)


cdef class SymbolAnalytics:
    """Takes the entries of one symbol in the order of their numbers; every figure is kept by differences.

    Args:
        venue, symbol: whose.
        price_scale, qty_scale: decimals of every price and quantity that is handed in.
        tick_raw: the instrument's tick in price units.
        settings: windows and limits.
    """

    def __init__(self, venue: str, symbol: str, price_scale: int, qty_scale: int, tick_raw: int, settings):
        self.venue = venue
        self.symbol = symbol
        self.price_scale = price_scale
        self.qty_scale = qty_scale
        self.book = DepthBook(price_scale, qty_scale)
        self.rates = TimeSums(settings.rate_ms)
        self.flow = TimeSums(settings.flow_ms)
        self.tick_raw = tick_raw
        self.bin_ticks = settings.bin_ticks
        self.profile = VolumeProfile(settings.profile_ms, max(1, tick_raw) * settings.bin_ticks,
                                     gcd(settings.profile_ms, settings.slow_ms))
        self.is_profile_new = True
        self.sample = Sample()
        self.episodes = Episodes(settings.spoofing_ms, settings.episode_max_ms)
        self.fills = RestingFills(settings.iceberg_ms)
        self.day = DayTrades()
        self.ids = TradeIds(TRADE_IDS_S)
        self.future_ns = settings.future_ms * NS_PER_MS
        self.first_event_ms = self.first_trade_ms = self.last_update_ms = self.ticked_ns = INT64_MIN
        self.asked_ms = INT64_MIN // 2

    def __dealloc__(self):
        free(self.pending.items)

    # -- entries ----------------------------------------------------------------------------------------------

    cdef bint _accept(self, const Entry* entry, bint is_book) noexcept nogil:
        """Repetitions are dropped, a broken chain loses the book, what lies too far ahead is rejected (BUS-23, -24, D1)."""
        if entry.seq:
            if entry.seq <= self.last_seq:
                self.counts.repeated += 1
                return False
            if self.last_seq and entry.prev_seq != self.last_seq and entry.prev_seq != no_link():
                self.counts.gaps += 1
                self.lose_book()
                self.wants_resync = RESYNC_GAP
            self.last_seq = entry.seq
        if entry.ts_event_ns > entry.ts_recv_ns + self.future_ns:
            self.counts.future += 1
            if is_book:
                self.lose_book()
                self.wants_resync = RESYNC_FUTURE
            return False
        return True

    cdef int64_t _note(self, const Entry* entry) noexcept nogil:
        """An accepted entry's venue time in whole milliseconds; age and coverage are counted by it."""
        cdef int64_t ms = entry.ts_event_ns // NS_PER_MS
        cdef int64_t seen_ms = min(entry.ts_event_ns, entry.ts_recv_ns) // NS_PER_MS
        if self.first_event_ms == INT64_MIN:
            self.first_event_ms = ms
        if seen_ms > self.last_update_ms:
            self.last_update_ms = seen_ms
        self.last_recv_ns = entry.ts_recv_ns
        return ms

    cdef int take_trade(self, const Entry* entry, int64_t price_raw, int64_t qty_raw, int side,
                        uint64_t trade_id) except -1 nogil:
        """A trade; *side* is the aggressor's, a TradeSideC. Answers whether it counted."""
        cdef Pending trade
        if not self._accept(entry, False):
            return ANSWER_DROPPED
        if not self.ids.is_new(trade_id, entry.ts_recv_ns):
            self.counts.repeated += 1
            return ANSWER_DROPPED
        trade.ms = self._note(entry)
        self.counts.trades += 1
        self.arrivals += 1
        trade.at = self.arrivals
        trade.price_raw = price_raw
        trade.qty_raw = qty_raw
        trade.side = <unsigned char>side
        trade.is_trade = True
        trade.visible_raw = 0
        trade.amount = 1
        if not self.has_trade:
            self.first_trade_ms = trade.ms
        if self.is_profile_new:
            self.profile_from_ms = trade.ms
            self.is_profile_new = False
        if entry.seq == 0 or entry.seq >= self.last_trade_seq:
            self.last_trade_seq = entry.seq
            self.last_trade_raw = price_raw
        self.has_trade = True
        if side != FLOW_NONE:
            # Sells hit bids, buys hit asks.
            trade.visible_raw = self.book.quantity(0 if side == FLOW_SELL else 1, price_raw)
            self.episodes.trade(0 if side == FLOW_SELL else 1, price_raw, trade.ms, qty_raw)
        if trade.ms > entry.ts_recv_ns // NS_PER_MS:
            return self._wait(&trade)
        return self._count_trade(&trade)

    cdef int _count_trade(self, const Pending* trade) except -1 nogil:
        self.rates.add(trade.ms, RATE_TRADES, 1)
        self.flow.add(trade.ms, trade.side, trade.qty_raw)
        self.profile.add(trade.ms, trade.price_raw, trade.qty_raw)
        self.day.add(trade.ms, trade.at, trade.price_raw, trade.qty_raw)
        if trade.visible_raw:
            self.fills.add(0 if trade.side == FLOW_SELL else 1, trade.ms, trade.price_raw, trade.qty_raw, trade.visible_raw)
        return ANSWER_TAKEN

    cdef int _wait(self, const Pending* item) except -1 nogil:
        cdef Pending* place = <Pending*>line_insert(&self.pending, sizeof(Pending),
                                                    line_find_after(&self.pending, sizeof(Pending), item.ms))
        if place == NULL:
            with gil:
                raise MemoryError("entries ahead of time")
        place[0] = item[0]
        return ANSWER_TAKEN

    cdef int take_book(self, const Entry* entry, bint is_snapshot, bint complete, const Level* levels,
                       uint32_t bids, uint32_t asks) except -1 nogil:
        """A snapshot, or absolute quantities of levels; bids first, each best first. Answers whether it counted."""
        cdef Pending rate
        cdef int64_t ms
        cdef uint32_t i
        if not self._accept(entry, True):
            return ANSWER_DROPPED
        ms = self._note(entry)
        self.counts.books += 1
        if ms <= entry.ts_recv_ns // NS_PER_MS:
            self.rates.add(ms, RATE_BOOK, entry.n)
        else:
            memset(&rate, 0, sizeof(rate))
            rate.ms = ms
            rate.amount = entry.n
            self._wait(&rate)
        line_clear(&self.book.touches)
        if not self.book.is_synced:
            if not is_snapshot:
                return ANSWER_TAKEN
            self.book.load(levels, bids, asks, complete)
            self.episodes.discard_all()
        elif is_snapshot:
            self.book.replace(levels, bids, asks, complete)
        else:
            for i in range(bids + asks):
                self.book.set_level(0 if i < bids else 1, levels[i].price_raw, levels[i].qty_raw)
        return self._book_changed(entry, ms)

    cdef int _book_changed(self, const Entry* entry, int64_t ms) except -1 nogil:
        cdef int state = self.book.state()
        self.episodes.entry_applied(self.book, ms, state)
        if state != STATE_CROSSED:
            self.crossed_since_ns = 0
            return ANSWER_TAKEN
        self.counts.crossed += 1
        if self.crossed_since_ns == 0:
            self.crossed_since_ns = entry.ts_recv_ns
        elif entry.ts_recv_ns - self.crossed_since_ns >= NS_PER_S:
            self.wants_resync = RESYNC_CROSSED
        return ANSWER_TAKEN

    cdef int take_ticker(self, const Entry* entry, const TickerData* ticker, int64_t change_raw) except -1 nogil:
        """A venue's own statistics of its last 24 hours, all of them; the change in 10^-4 percent. Answers whether it counted."""
        if not self._accept(entry, False):
            return ANSWER_DROPPED
        self.ticker_ms = self._note(entry)
        self.counts.tickers += 1
        self.ticker = ticker[0]
        self.ticker_change_raw = change_raw
        self.has_ticker = True
        return ANSWER_TAKEN

    cdef void lose_book(self) noexcept nogil:
        """Nothing is known of the book until the next snapshot."""
        self.book.lose()
        self.crossed_since_ns = 0

    # -- entries by hand --------------------------------------------------------------------------------------

    def trade(self, seq: int, prev_seq: int, ts_event_ns: int, ts_recv_ns: int, price_raw: int, qty_raw: int,
              side: int, trade_id: int) -> bool:
        """A ``trade_tick``; *side* 0 none, 1 buy, 2 sell."""
        cdef Entry entry = Entry(seq, prev_seq, ts_event_ns, ts_recv_ns, 1)
        return bool(self.take_trade(&entry, price_raw, qty_raw, side, trade_id))

    def depth(self, seq: int, prev_seq: int, n: int, ts_event_ns: int, ts_recv_ns: int, bids, asks,
              complete: bool = True) -> bool:
        """An ``order_book_depth``: (price_raw, qty_raw), best first."""
        cdef Entry entry = Entry(seq, prev_seq, ts_event_ns, ts_recv_ns, n)
        return self._levels(&entry, True, complete, bids, asks)

    def deltas(self, seq: int, prev_seq: int, n: int, ts_event_ns: int, ts_recv_ns: int, bids, asks) -> bool:
        """An ``order_book_deltas``: (price_raw, new qty_raw)."""
        cdef Entry entry = Entry(seq, prev_seq, ts_event_ns, ts_recv_ns, n)
        return self._levels(&entry, False, False, bids, asks)

    cdef object _levels(self, const Entry* entry, bint is_snapshot, bint complete, bids, asks):
        cdef uint32_t count = len(bids) + len(asks)
        cdef uint32_t i = 0
        cdef Level* levels = <Level*>malloc((count + 1) * sizeof(Level))
        if levels == NULL:
            raise MemoryError("levels")
        try:
            for side in (bids, asks):
                for price_raw, qty_raw in side:
                    levels[i].price_raw = price_raw
                    levels[i].qty_raw = qty_raw
                    i += 1
            return bool(self.take_book(entry, is_snapshot, complete, levels, len(bids), len(asks)))
        finally:
            free(levels)

    def ticker_24h(self, seq: int, prev_seq: int, ts_event_ns: int, ts_recv_ns: int, values) -> bool:
        """A ``ticker_24h``: last, open, high, low, volume; then, where known, bid, its quantity, ask, its quantity."""
        cdef Entry entry = Entry(seq, prev_seq, ts_event_ns, ts_recv_ns, 1)
        cdef TickerData ticker
        memset(&ticker, 0, sizeof(ticker))
        ticker.last_price_raw, ticker.open_24h_raw, ticker.high_24h_raw, ticker.low_24h_raw, ticker.volume_24h_raw = values[:5]
        if values[5] is not None:
            ticker.bid_price_raw, ticker.bid_qty_raw = values[5:7]
            ticker.present |= TICKER_BID | TICKER_BID_QTY
        if values[7] is not None:
            ticker.ask_price_raw, ticker.ask_qty_raw = values[7:9]
            ticker.present |= TICKER_ASK | TICKER_ASK_QTY
        cdef int64_t change_raw = 0
        if not change_of(ticker.last_price_raw, ticker.open_24h_raw, &change_raw):
            raise ValueError(f"no change from {ticker.open_24h_raw} can be told")
        return bool(self.take_ticker(&entry, &ticker, change_raw))

    # -- ticks ------------------------------------------------------------------------------------------------

    cdef int advance(self, int64_t now_ms) except -1 nogil:
        """T has come: what was ahead of it enters, what is too old leaves. Reading again changes nothing."""
        cdef Pending* item
        while self.pending.count and line_key(&self.pending, sizeof(Pending), 0) <= now_ms:
            item = <Pending*>line_at(&self.pending, sizeof(Pending), 0)
            if item.is_trade:
                self._count_trade(item)
            else:
                self.rates.add(item.ms, RATE_BOOK, item.amount)
            line_drop(&self.pending, sizeof(Pending), 0)
        self.rates.expire(now_ms)
        self.flow.expire(now_ms)
        self.day.expire(now_ms)
        return 0

    def now(self, now_ms: int) -> dict:
        """What a slow tick needs of the fast figures, exact and in raw units; None = there is no such level."""
        cdef DepthBook book = self.book
        bid = ask = None
        self.advance(now_ms)
        if book.is_synced:
            if book.sides[0].count:
                bid = (best(book, 0).key, best(book, 0).qty_raw)
            if book.sides[1].count:
                ask = (-best(book, 1).key, best(book, 1).qty_raw)
        elif self.has_ticker and not book.was_loaded:
            if self.ticker.present & TICKER_BID and self.ticker.present & TICKER_BID_QTY:
                bid = (self.ticker.bid_price_raw, self.ticker.bid_qty_raw)
            if self.ticker.present & TICKER_ASK and self.ticker.present & TICKER_ASK_QTY:
                ask = (self.ticker.ask_price_raw, self.ticker.ask_qty_raw)
        return {"bid": bid, "ask": ask, "buy": self.flow.total(FLOW_BUY), "sell": self.flow.total(FLOW_SELL),
                "unknown": self.flow.total(FLOW_NONE)}

    def slow(self, now_ms: int, sample_ms: int, percentiles, min_fills: int) -> dict:
        """What a slow tick tells; it takes its own share of the sample first (D8)."""
        cdef DepthBook book = self.book
        cdef int state = book.state()
        cdef list bids = [], asks = []
        self.advance(now_ms)
        self.profile.expire(now_ms)
        if state != STATE_RESYNCING and state != STATE_CROSSED:
            bids, asks = book.top(0), book.top(1)
            for _, qty_raw in bids:
                self.sample.add(now_ms, qty_raw)
            for _, qty_raw in asks:
                self.sample.add(now_ms, qty_raw)
        self.sample.expire(now_ms - sample_ms, SAMPLE_VALUES)
        count = self.sample.arrivals.count
        return {
            "has_book": state != STATE_RESYNCING and state != STATE_CROSSED,
            "bids": bids,
            "asks": asks,
            "count": count,
            "percentiles": [self.sample.percentile(percent) for percent in percentiles] if count >= 20 else None,
            "trade_count": self.profile.trade_count,
            "profile_from_ms": self.profile_from_ms,
            "area": self.profile.area() if self.profile.trade_count else None,
            "bin_raw": self.profile.bin_raw,
            "outcomes": self.episodes.outcomes(now_ms),
            "icebergs": self.fills.icebergs(now_ms, min_fills),
        }

    def rescale(self, price_scale: int, qty_scale: int) -> None:
        """Every price and quantity is at these scales from here on, which are wider.

        Raises:
            ScaleOverflowError: what is kept does not fit them.
        """
        cdef int64_t price_by = 10 ** (price_scale - self.price_scale)
        cdef int64_t qty_by = 10 ** (qty_scale - self.qty_scale)
        cdef Pending* item
        cdef bint fits = self.book.rescale(price_by, qty_by)
        self.flow.rescale(qty_by)
        fits &= self.sample.rescale(qty_by)
        fits &= self.episodes.rescale(price_by, qty_by)
        fits &= self.fills.rescale(price_by, qty_by)
        fits &= self.day.rescale(price_by, qty_by)
        fits &= self.profile.rescale(price_by, qty_by)
        for i in range(self.pending.count):
            item = <Pending*>line_at(&self.pending, sizeof(Pending), i)
            fits &= scale_raw(&item.price_raw, price_by)
            fits &= scale_raw(&item.qty_raw, qty_by)
            fits &= scale_raw(&item.visible_raw, qty_by)
        fits &= scale_raw(&self.last_trade_raw, price_by)
        fits &= _rescale_ticker(&self.ticker, price_by, qty_by)
        fits &= scale_raw(&self.tick_raw, price_by)
        if not fits:
            raise ScaleOverflowError(f"{self.symbol} does not fit scales {price_scale} and {qty_scale}", op="reports.rescale")
        self.price_scale = self.book.price_scale = price_scale
        self.qty_scale = self.book.qty_scale = qty_scale
        if self.tick_raw == 0 and price_by != 1:
            # Another tick: the profile begins anew.
            self.profile.restart(self.bin_ticks)
            self.is_profile_new = True

    # -- what is handed on ------------------------------------------------------------------------------------

    def day_facts(self, from_ms: int, until_ms: int) -> dict:
        """What a successor cannot read back: minutes that start within [from, until), and what was last; None = none."""
        cdef const TickerData* told = &self.ticker
        trade = ticker = None
        if self.has_trade:
            trade = (self.first_trade_ms, self.last_trade_raw, self.last_trade_seq)
        if self.has_ticker:
            ticker = (self.ticker_ms, self.ticker_change_raw, told.present, told.last_price_raw, told.open_24h_raw,
                      told.high_24h_raw, told.low_24h_raw, told.volume_24h_raw, told.bid_price_raw, told.bid_qty_raw,
                      told.ask_price_raw, told.ask_qty_raw)
        return {"minutes": self.day.minutes_from(from_ms, until_ms), "trade": trade, "ticker": ticker}

    def load_day(self, facts: dict) -> None:
        """Begin with what a predecessor has told, at these scales; only before the first entry."""
        cdef TickerData* told = &self.ticker
        self.day.load(facts["minutes"])
        if facts["trade"] is not None:
            self.first_trade_ms, self.last_trade_raw, self.last_trade_seq = facts["trade"]
            self.profile_from_ms = self.first_trade_ms
            self.is_profile_new = False
            self.has_trade = True
        if facts["ticker"] is not None:
            (self.ticker_ms, self.ticker_change_raw, told.present, told.last_price_raw, told.open_24h_raw,
             told.high_24h_raw, told.low_24h_raw, told.volume_24h_raw, told.bid_price_raw, told.bid_qty_raw,
             told.ask_price_raw, told.ask_qty_raw) = facts["ticker"]
            self.has_ticker = True

    def set_threshold(self, threshold_raw: int) -> None:
        """The smallest quantity that is large from here on; 0 = none is."""
        self.episodes.threshold_raw = min(threshold_raw, INT64_MAX)

    @property
    def resync_wanted(self) -> bool:
        """Whether a snapshot is needed; asking answers once."""
        wanted = self.wants_resync != RESYNC_NONE
        self.wants_resync = RESYNC_NONE
        return bool(wanted)

    def statistics(self) -> dict:
        """Counts of entries since the state began."""
        return {"trades": self.counts.trades, "books": self.counts.books, "tickers": self.counts.tickers,
                "repeated": self.counts.repeated, "gaps": self.counts.gaps, "future": self.counts.future,
                "crossed": self.counts.crossed, "stragglers": self.counts.stragglers, "reports": self.counts.reports,
                "skipped": self.counts.skipped}
