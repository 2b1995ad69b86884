cimport cython
from libc.stdint cimport INT64_MIN, int64_t, uint32_t
from libc.string cimport memcpy, strlen

from engine.base.instant cimport put_rfc3339
from engine.base.units cimport put_decimal
from engine.reports.analytics cimport FLOW_BUY, FLOW_NONE, FLOW_SELL, RATE_BOOK, RATE_TRADES, SymbolAnalytics
from engine.reports.day cimport Minute
from engine.reports.depth cimport (STATE_CROSSED, STATE_EMPTY, STATE_LOCKED, STATE_NORMAL, STATE_ONE_SIDED, STATE_RESYNCING,
                                   TOP_LEVELS, Held)
from engine.reports.exact cimport WIDE_CHARS, points_of, put_wide, rounded_wide, wide_ten
from engine.reports.line cimport line_at
from engine.reports.wide cimport (wide, wide_add, wide_difference, wide_is_below, wide_low, wide_of, wide_product,
                                  wide_times)
from engine.schema.market cimport TICKER_ASK, TICKER_ASK_QTY, TICKER_BID, TICKER_BID_QTY

from math import gcd

import msgspec

cdef enum:
    DAY_MS = 86_400_000
    NS_PER_MS = 1_000_000
    LEVEL_CHARS = 2 * WIDE_CHARS + 24
    FIXED_CHARS = 4096                 # names, and about forty numbers and instants
    DERIVED_PLACES = 8
    WEIGHT_SPREAD = 20
    WEIGHT_DEPTH = 25
    WEIGHT_BALANCE = 15
    WEIGHT_FLOW = 15
    WEIGHT_FRESHNESS = 10
    IMBALANCE_ONE = 1_000_000

_SORTED = msgspec.json.Encoder(order="sorted")


cdef inline Piece piece_of(bytes text):
    """DANGER: lives as long as the bytes do."""
    cdef Piece piece
    piece.text = text
    piece.size = len(text)
    return piece


cdef inline char* put(char* at, const char* text) noexcept nogil:
    """A text that ends in a zero byte."""
    cdef size_t size = strlen(text)
    memcpy(at, text, size)
    return at + size


cdef inline char* put_piece(char* at, const Piece* piece) noexcept nogil:
    memcpy(at, piece.text, piece.size)
    return at + piece.size


cdef inline char* put_null(char* at) noexcept nogil:
    return put(at, b"null")


cdef inline char* put_bool(char* at, bint value) noexcept nogil:
    return put(at, b"true") if value else put(at, b"false")


cdef inline char* put_raw(char* at, int64_t raw, int scale) noexcept nogil:
    return at + put_decimal(at, raw, scale)


cdef inline char* put_number(char* at, wide value, int places) noexcept nogil:
    return at + put_wide(at, value, places)


cdef inline char* put_instant(char* at, int64_t ms) noexcept nogil:
    """A JSON string with three fractional digits."""
    at[0] = b'"'
    put_rfc3339(at + 1, ms * NS_PER_MS)
    at[24] = b"Z"                      # the further six are zeros
    at[25] = b'"'
    return at + 26


cdef inline char* put_level(char* at, int64_t price_raw, int price_scale, int64_t qty_raw, int qty_scale) noexcept nogil:
    at = put_raw(put(at, b'{"price":'), price_raw, price_scale)
    at = put_raw(put(at, b',"qty":'), qty_raw, qty_scale)
    at[0] = b"}"
    return at + 1


cdef inline const char* state_name(int state) noexcept nogil:
    if state == STATE_NORMAL:
        return b"normal"
    if state == STATE_RESYNCING:
        return b"resyncing"
    if state == STATE_LOCKED:
        return b"locked"
    if state == STATE_CROSSED:
        return b"crossed"
    return b"empty" if state == STATE_EMPTY else b"one_sided"


def _reduced(num: int, den: int) -> tuple:
    by = gcd(num, den)
    return num // by, den // by


cdef class ReportText:
    """Writes the reports of one symbol.

    Args:
        settings: limits and weights.
        fixed: what every report of it says: ``report_version``, ``schema_version``, ``symbol``, ``venue``, ``writer``.
        depth_ref: (numerator, denominator) of the notional that has all points of depth.
    """

    def __init__(self, settings, fixed: dict, depth_ref: tuple):
        good, bad, full = settings.spread_good, settings.spread_bad, settings.rate_full
        encoded = {name: _SORTED.encode(value) for name, value in fixed.items()}
        versions = b',"report_version":%b,"schema_version":%b' % (encoded["report_version"], encoded["schema_version"])
        names = b',"symbol":%b,"venue":%b' % (encoded["symbol"], encoded["venue"])
        self._held = [versions, names, b"", b"", b"", b""]
        self._versions, self._names = piece_of(versions), piece_of(names)
        self.set_writer(fixed["writer"])
        self._fresh_ms = settings.fresh_ms
        self._down_ms = settings.down_ms
        self._rate_ms = settings.rate_ms
        self._flow_ms = settings.flow_ms
        # (bad - spread) / (bad - good), with the spread in 10^-4 bps, over one denominator.
        whole = bad.num * good.den * 10_000
        unit = good.den * bad.den
        span = (bad.num * good.den - good.num * bad.den) * 10_000
        by = gcd(gcd(whole, unit), span)
        self._spread_full, self._spread_unit, self._spread_range = whole // by, unit // by, span // by
        self._depth_num, self._depth_den = _reduced(*depth_ref)
        self._rate_num, self._rate_den = _reduced(full.num * 10_000, full.den)
        self.age_ms = -1
        self.status = self.told_status = STATUS_DOWN
        self.book_state = self.told_book_state = STATE_RESYNCING
        self.set_slow(b"null", b"[]", b"null", 0)

    def set_writer(self, writer: dict) -> None:
        """Who writes from here on."""
        text = b',"writer":%b}' % _SORTED.encode(writer)
        self._held[2] = text
        self._writer = piece_of(text)

    def set_slow(self, liquidity: bytes, anomalies: bytes, as_of: bytes, anomaly_points: int) -> None:
        """What reports carry until the next slow tick, as JSON; the points of its component in hundredths."""
        self._held[3:] = [liquidity, anomalies, as_of]
        self._liquidity, self._anomalies, self._slow_as_of = piece_of(liquidity), piece_of(anomalies), piece_of(as_of)
        self._anomaly_points = anomaly_points

    def report(self, SymbolAnalytics state not None, now_ms: int) -> bytes:
        """The report at T."""
        cdef bytes text = b"\0" * self.room()
        return text[:self.write(state, now_ms, text)]

    cdef size_t room(self) noexcept:
        return FIXED_CHARS + 2 * TOP_LEVELS * LEVEL_CHARS + self._versions.size + self._names.size + self._writer.size \
            + self._liquidity.size + self._anomalies.size

    cdef size_t write(self, SymbolAnalytics state, int64_t now_ms, char* out) except 0 nogil:
        cdef Figures found
        cdef char* at = out
        cdef int kind
        state.advance(now_ms)
        kind = self.book_state = state.book.state()
        self.age_ms = -1 if state.last_update_ms == INT64_MIN else max(0, now_ms - state.last_update_ms)
        self.status = STATUS_DEGRADED
        if self.age_ms < 0 or self.age_ms > self._down_ms:
            self.status = STATUS_DOWN
        elif self.age_ms <= self._fresh_ms and (kind == STATE_NORMAL or kind == STATE_LOCKED):
            self.status = STATUS_OK
        at = put(at, b'{"anomalies":')
        at = put_piece(at, &self._anomalies)
        at = self._put_top(state, at, &found)
        at = self._put_depth(state, at, &found)
        at = self._put_flow(state, at, now_ms, &found)
        at = put(at, b',"generated_at":')
        at = put_instant(at, now_ms)
        at = self._put_health(at, &found)
        at = self._put_rest(state, at, now_ms, &found)
        return at - out

    cdef char* _put_top(self, SymbolAnalytics state, char* at, Figures* found) noexcept nogil:
        """From the best levels to the age; what comes of them later in the report is noted."""
        cdef int kind = state.book.state()
        cdef const Held* held
        found.kind = kind
        found.source = SOURCE_NONE
        found.has_bid = found.has_ask = False
        if kind != STATE_RESYNCING:
            found.source = SOURCE_BOOK
            if state.book.sides[0].count:
                held = <const Held*>line_at(&state.book.sides[0], sizeof(Held), state.book.sides[0].count - 1)
                found.has_bid, found.bid_raw, found.bid_qty_raw = True, held.key, held.qty_raw
            if state.book.sides[1].count:
                held = <const Held*>line_at(&state.book.sides[1], sizeof(Held), state.book.sides[1].count - 1)
                found.has_ask, found.ask_raw, found.ask_qty_raw = True, -held.key, held.qty_raw
        elif state.has_ticker and not state.book.was_loaded:
            if state.ticker.present & TICKER_BID and state.ticker.present & TICKER_BID_QTY:
                found.has_bid, found.bid_raw, found.bid_qty_raw = True, state.ticker.bid_price_raw, state.ticker.bid_qty_raw
            if state.ticker.present & TICKER_ASK and state.ticker.present & TICKER_ASK_QTY:
                found.has_ask, found.ask_raw, found.ask_qty_raw = True, state.ticker.ask_price_raw, state.ticker.ask_qty_raw
            if found.has_bid or found.has_ask:
                found.source = SOURCE_TICKER
        found.has_spread = found.has_bid and found.has_ask and 0 < found.bid_raw <= found.ask_raw
        if found.has_spread:
            found.spread = rounded_wide(wide_difference(wide_of(found.ask_raw), wide_of(found.bid_raw)), wide_of(found.bid_raw), 8)
        at = put(at, b',"best_ask":')
        at = put_level(at, found.ask_raw, state.price_scale, found.ask_qty_raw, state.qty_scale) if found.has_ask else put_null(at)
        at = put(at, b',"best_bid":')
        at = put_level(at, found.bid_raw, state.price_scale, found.bid_qty_raw, state.qty_scale) if found.has_bid else put_null(at)
        at = put(put(at, b',"book_state":"'), state_name(kind))
        self._note_day(state, found)
        at = put(at, b'","change_24h_pct":')
        if found.day_source == DAY_TICKER:
            at = put_raw(at, state.ticker_change_raw, 4)
        elif found.has_prices and found.first_raw:
            at = put_number(at, rounded_wide(wide_times(wide_difference(wide_of(found.last_raw), wide_of(found.first_raw)), 100),
                                             wide_of(found.first_raw), 4), 4)
        else:
            at = put_null(at)
        at = put(at, b',"data_age_ms":')
        return put_null(at) if self.age_ms < 0 else put_raw(at, self.age_ms, 0)

    cdef void _note_day(self, SymbolAnalytics state, Figures* found) noexcept nogil:
        """Twenty-four hours: the venue's own, else those of the trades (D15)."""
        cdef uint32_t count = state.day.minutes.count
        found.day_source = DAY_NONE
        found.has_prices = False
        if state.has_ticker:
            found.day_source, found.has_prices, found.as_of_ms = DAY_TICKER, True, state.ticker_ms
            found.high_raw, found.low_raw = state.ticker.high_24h_raw, state.ticker.low_24h_raw
            found.volume = wide_of(state.ticker.volume_24h_raw)
        elif state.day.has_any:
            found.day_source, found.as_of_ms, found.volume = DAY_TRADES, state.day.newest_ms, wide_of(0)
            if count:
                found.has_prices = True
                found.first_raw = (<const Minute*>line_at(&state.day.minutes, sizeof(Minute), 0)).first_raw
                found.last_raw = (<const Minute*>line_at(&state.day.minutes, sizeof(Minute), count - 1)).last_raw
                found.high_raw, found.low_raw, found.volume = state.day.high_raw, state.day.low_raw, state.day.volume

    cdef char* _put_depth(self, SymbolAnalytics state, char* at, Figures* found) noexcept nogil:
        cdef wide sums[2]
        cdef wide notionals[2]
        cdef wide both, imbalance
        cdef const Held* held
        cdef uint32_t i, count
        cdef int side, scale
        cdef int64_t price_raw
        found.has_depth = found.kind != STATE_RESYNCING
        if not found.has_depth:
            return put(at, b',"depth":{"imbalance":null,"notional_ask":null,"notional_bid":null,"sum_ask":null,'
                                b'"sum_bid":null,"top20_ask":null,"top20_bid":null,"truncated":null}')
        for side in range(2):
            sums[side] = notionals[side] = wide_of(0)
            count = state.book.sides[side].count
            for i in range(min(count, <uint32_t>TOP_LEVELS)):
                held = <const Held*>line_at(&state.book.sides[side], sizeof(Held), count - 1 - i)
                wide_add(&sums[side], wide_of(held.qty_raw))
                wide_add(&notionals[side], wide_product(held.key if side == 0 else -held.key, held.qty_raw))
        scale = state.price_scale + state.qty_scale
        if scale > DERIVED_PLACES:
            for side in range(2):
                notionals[side] = rounded_wide(notionals[side], wide_ten(scale - DERIVED_PLACES), 0)
            scale = DERIVED_PLACES
        found.notional = notionals[0] if wide_is_below(notionals[0], notionals[1]) else notionals[1]
        found.notional_places = scale
        both = sums[0]
        wide_add(&both, sums[1])
        imbalance = wide_of(0)
        if wide_is_below(wide_of(0), both):
            imbalance = rounded_wide(wide_difference(sums[0], sums[1]), both, 6)
        found.imbalance = <int64_t>wide_low(imbalance)
        at = put_raw(put(at, b',"depth":{"imbalance":'), found.imbalance, 6)
        at = put_number(put(at, b',"notional_ask":'), notionals[1], scale)
        at = put_number(put(at, b',"notional_bid":'), notionals[0], scale)
        at = put_number(put(at, b',"sum_ask":'), sums[1], state.qty_scale)
        at = put_number(put(at, b',"sum_bid":'), sums[0], state.qty_scale)
        for side in range(1, -1, -1):
            at = put(at, b',"top20_ask":[' if side else b',"top20_bid":[')
            count = state.book.sides[side].count
            for i in range(min(count, <uint32_t>TOP_LEVELS)):
                if i:
                    at[0] = b","
                    at += 1
                held = <const Held*>line_at(&state.book.sides[side], sizeof(Held), count - 1 - i)
                price_raw = held.key if side == 0 else -held.key
                at = put_level(at, price_raw, state.price_scale, held.qty_raw, state.qty_scale)
            at[0] = b"]"
            at += 1
        at = put_bool(put(at, b',"truncated":'), state.book.is_truncated())
        at[0] = b"}"
        return at + 1

    cdef char* _put_flow(self, SymbolAnalytics state, char* at, int64_t now_ms, Figures* found) noexcept nogil:
        cdef wide span = wide_of(self._rate_ms)
        cdef wide orders = state.rates.totals[RATE_TRADES]
        cdef wide bought = state.flow.totals[FLOW_BUY]
        cdef wide sold = state.flow.totals[FLOW_SELL]
        cdef int64_t covered_ms = 0
        wide_add(&orders, state.rates.totals[RATE_BOOK])
        found.rate = rounded_wide(wide_times(orders, 1000), span, 4)
        if state.first_event_ms != INT64_MIN:
            covered_ms = min(self._flow_ms, max(0, now_ms - state.first_event_ms))
        at = put(at, b',"flow":{"book_updates_per_sec":')
        at = put_number(at, rounded_wide(wide_times(state.rates.totals[RATE_BOOK], 1000), span, 4), 4)
        at = put_number(put(at, b',"buy_volume":'), bought, state.qty_scale)
        at = put_raw(put(at, b',"coverage_sec":'), covered_ms, 3)
        at = put_number(put(at, b',"net_flow":'), wide_difference(bought, sold), state.qty_scale)
        at = put_number(put(at, b',"orders_per_sec":'), found.rate, 4)
        at = put_number(put(at, b',"sell_volume":'), sold, state.qty_scale)
        at = put(at, b',"trades_per_sec":')
        at = put_number(at, rounded_wide(wide_times(state.rates.totals[RATE_TRADES], 1000), span, 4), 4)
        at = put_number(put(at, b',"unknown_volume":'), state.flow.totals[FLOW_NONE], state.qty_scale)
        at[0] = b"}"
        return at + 1

    cdef char* _put_health(self, char* at, const Figures* found) noexcept nogil:
        """Reckoned with the published values (D14)."""
        cdef int64_t spread = 0, depth = 0, balance = 0, flow, freshness = 0, total, score
        cdef int64_t most = 100 if self.status == STATUS_OK else 69 if self.status == STATUS_DEGRADED else 29
        cdef wide limit
        if found.has_spread and found.has_depth and (found.kind == STATE_NORMAL or found.kind == STATE_LOCKED):
            # A spread beyond what 64 bits hold has no points anyway.
            limit = wide_of(self._spread_full // self._spread_unit)
            if not wide_is_below(limit, found.spread):
                spread = points_of(WEIGHT_SPREAD, wide_difference(wide_of(self._spread_full),
                                                                  wide_times(found.spread, self._spread_unit)),
                                   wide_of(1), wide_of(self._spread_range))
            depth = points_of(WEIGHT_DEPTH, found.notional, wide_of(self._depth_den),
                              wide_times(wide_ten(found.notional_places), self._depth_num))
            balance = points_of(WEIGHT_BALANCE, wide_of(IMBALANCE_ONE - (found.imbalance if found.imbalance > 0 else -found.imbalance)),
                                wide_of(1), wide_of(IMBALANCE_ONE))
        flow = points_of(WEIGHT_FLOW, found.rate, wide_of(self._rate_den), wide_of(self._rate_num))
        if self.age_ms >= 0:
            freshness = points_of(WEIGHT_FRESHNESS, wide_of(self._down_ms - self.age_ms), wide_of(1),
                                  wide_of(self._down_ms - self._fresh_ms))
        total = spread + depth + balance + flow + self._anomaly_points + freshness
        score = min(most, <int64_t>wide_low(rounded_wide(wide_of(total), wide_of(100), 0)))
        at = put_raw(put(at, b',"health":{"components":{"anomalies":'), self._anomaly_points, 2)
        at = put_raw(put(at, b',"balance":'), balance, 2)
        at = put_raw(put(at, b',"depth":'), depth, 2)
        at = put_raw(put(at, b',"flow":'), flow, 2)
        at = put_raw(put(at, b',"freshness":'), freshness, 2)
        at = put_raw(put(at, b',"spread":'), spread, 2)
        at = put_raw(put(at, b'},"score":'), score, 0)
        at = put_raw(put(at, b',"score_raw":'), total, 2)
        at[0] = b"}"
        return at + 1

    cdef char* _put_rest(self, SymbolAnalytics state, char* at, int64_t now_ms, const Figures* found) noexcept nogil:
        cdef int places = max(<int>DERIVED_PLACES, state.price_scale + 2)
        cdef wide both, weighed
        at = put(at, b',"high_24h":')
        at = put_raw(at, found.high_raw, state.price_scale) if found.has_prices else put_null(at)
        at = put_bool(put(at, b',"ingestion":{"fresh":'), 0 <= self.age_ms <= self._fresh_ms)
        at = put(at, b',"last_update":')
        if self.age_ms < 0:
            at = put_null(at)
        else:
            at = put_instant(at, state.last_update_ms)
        at = put(at, b',"status":"')
        at = put(at, b"ok" if self.status == STATUS_OK else b"degraded" if self.status == STATUS_DEGRADED else b"down")
        at = put(at, b'"},"l1_source":')
        at = put(at, b"null" if found.source == SOURCE_NONE else b'"book"' if found.source == SOURCE_BOOK else b'"ticker"')
        at = put(at, b',"last_price":')
        if state.has_trade or state.has_ticker:
            at = put_raw(at, state.last_trade_raw if state.has_trade else state.ticker.last_price_raw, state.price_scale)
        else:
            at = put_null(at)
        at = put_piece(put(at, b',"liquidity":'), &self._liquidity)
        at = put(at, b',"low_24h":')
        at = put_raw(at, found.low_raw, state.price_scale) if found.has_prices else put_null(at)
        if found.has_spread:
            both = wide_of(found.bid_qty_raw)
            wide_add(&both, wide_of(found.ask_qty_raw))
            weighed = wide_product(found.ask_raw, found.bid_qty_raw)
            wide_add(&weighed, wide_product(found.bid_raw, found.ask_qty_raw))
            if not wide_is_below(wide_of(0), both):
                weighed = wide_of(found.bid_raw)
                wide_add(&weighed, wide_of(found.ask_raw))
                both = wide_of(2)
            at = put_number(put(at, b',"micro_price":'), rounded_wide(weighed, both, places - state.price_scale), places)
            weighed = wide_of(found.bid_raw)
            wide_add(&weighed, wide_of(found.ask_raw))
            at = put_number(put(at, b',"mid_price":'), rounded_wide(weighed, wide_of(2), places - state.price_scale), places)
        else:
            at = put(at, b',"micro_price":null,"mid_price":null')
        at = put_piece(at, &self._versions)
        at = put_piece(put(at, b',"slow_as_of":'), &self._slow_as_of)
        at = put(at, b',"spread_bps":')
        at = put_number(at, found.spread, 4) if found.has_spread else put_null(at)
        return self._put_stats(state, at, now_ms, found)

    cdef char* _put_stats(self, SymbolAnalytics state, char* at, int64_t now_ms, const Figures* found) noexcept nogil:
        cdef int64_t covered_ms = DAY_MS
        at = put(at, b',"stats_24h":{"as_of":')
        if found.day_source == DAY_NONE:
            at = put(at, b'null,"coverage_sec":null,"source":null}')
        else:
            if found.day_source == DAY_TRADES:
                covered_ms = min(covered_ms, max(0, now_ms - state.first_trade_ms))
            at = put_instant(at, found.as_of_ms)
            at = put_raw(put(at, b',"coverage_sec":'), covered_ms, 3)
            at = put(at, b',"source":')
            at = put(at, b'"ticker"}' if found.day_source == DAY_TICKER else b'"trades"}')
        at = put_piece(at, &self._names)
        at = put(at, b',"volume_24h":')
        at = put_null(at) if found.day_source == DAY_NONE else put_number(at, found.volume, state.qty_scale)
        return put_piece(at, &self._writer)
