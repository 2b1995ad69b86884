"""Names of an entry's members, envelope and payloads, inline only."""
from libc.string cimport memchr

cdef extern from *:
    """
    #include <string.h>
    /* Names of members by their length, so that one is found by looking at few. */
    static const char *const ENGINE_MEMBERS[] = {
        "", "n", "v", "qty", "seq", "type", "side", "bids", "asks", "venue", "price", "symbol", "levels", "scales",
        "payload", "low_24h", "ts_event", "prev_seq", "trade_id", "complete", "bids_upd", "asks_upd", "best_bid", "best_ask",
        "high_24h", "last_price", "volume_24h", "ts_recv_ns", "ts_event_ns", "price_change_pct"};
    static const unsigned char ENGINE_MEMBERS_FROM[18] = {0, 1, 3, 3, 5, 9, 11, 14, 16, 25, 25, 28, 29, 29, 29, 29, 29, 30};
    static inline int engine_member(const char *key, size_t length) {
        int i;
        if (length == 0 || length > 16) return 0;
        for (i = ENGINE_MEMBERS_FROM[length]; i < ENGINE_MEMBERS_FROM[length + 1]; i++)
            if (memcmp(key, ENGINE_MEMBERS[i], length) == 0) return i;
        return 0;
    }
    """
    const char* const ENGINE_MEMBERS[30]
    int engine_member(const char* key, size_t length) nogil

cdef enum:
    AT_N = 1
    AT_V = 2
    AT_QTY = 3
    AT_SEQ = 4
    AT_TYPE = 5
    AT_SIDE = 6
    AT_BIDS = 7
    AT_ASKS = 8
    AT_VENUE = 9
    AT_PRICE = 10
    AT_SYMBOL = 11
    AT_LEVELS = 12
    AT_SCALES = 13
    AT_PAYLOAD = 14
    AT_LOW = 15
    AT_TS_EVENT = 16
    AT_PREV_SEQ = 17
    AT_TRADE_ID = 18
    AT_COMPLETE = 19
    AT_BIDS_UPD = 20
    AT_ASKS_UPD = 21
    AT_BEST_BID = 22
    AT_BEST_ASK = 23
    AT_HIGH = 24
    AT_LAST = 25
    AT_VOLUME = 26
    AT_TS_RECV_NS = 27
    AT_TS_EVENT_NS = 28
    AT_CHANGE = 29
    MEMBERS = 30
    SYMBOL_PART_MAX = 20
    VENUE_MAX = 32


cdef inline bint _is_part(const char* p, const char* e) noexcept nogil:
    if not 1 <= e - p <= SYMBOL_PART_MAX:
        return False
    while p < e:
        if not (c'A' <= p[0] <= c'Z' or c'0' <= p[0] <= c'9'):
            return False
        p += 1
    return True


cdef inline bint is_symbol(const char* p, const char* e) noexcept nogil:
    cdef const char* dash = <const char*>memchr(p, c'-', e - p) if p < e else NULL
    return dash != NULL and _is_part(p, dash) and _is_part(dash + 1, e)


cdef inline bint is_venue(const char* p, const char* e) noexcept nogil:
    if not 2 <= e - p <= VENUE_MAX or not c'a' <= p[0] <= c'z':
        return False
    while p < e:
        if not (c'a' <= p[0] <= c'z' or c'0' <= p[0] <= c'9' or p[0] == c'_'):
            return False
        p += 1
    return True
