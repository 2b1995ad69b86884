from cpython.bytes cimport PyBytes_FromStringAndSize
from libc.stdint cimport int64_t, uint64_t
from libc.string cimport memcpy, strlen

from engine.base.ids cimport instrument_keys
from engine.base.instant cimport INSTANT_CHARS, put_rfc3339
from engine.base.units cimport SCALE_MAX, put_digits
from engine.schema.event cimport EventHeader
from engine.schema.execution cimport ExecReport, ReportData, Wide

from engine.schema.enums import KIND_OF_TYPE as _KIND_OF_TYPE
from engine.schema.enums import EventFlag, EventType, Side, wire_name
from engine.schema.instrument import OrderType, TimeInForce
from engine.schema.order import Anomaly, Liquidity, OrderState, ReportKind, ReportSource


cdef extern from *:
    """
    /* The digits of a magnitude of up to 128 bits, the last one before end; where they begin. */
    static char *engine_wide_digits(char *end, uint64_t high, uint64_t low) {
        const uint64_t part = 10000000000000000000ULL;     /* 10^19: a word of digits at a time */
        unsigned __int128 value = (unsigned __int128)high << 64 | low;
        uint64_t word;
        int i;
        while (value >> 64) {
            word = (uint64_t)(value % part);
            value /= part;
            for (i = 0; i < 19; i++) { *--end = (char)('0' + word % 10); word /= 10; }
        }
        for (word = (uint64_t)value; word; word /= 10) *--end = (char)('0' + word % 10);
        return end;
    }
    """
    char* wide_digits "engine_wide_digits"(char* end, uint64_t high, uint64_t low) noexcept nogil


cdef enum:
    ROOM = 8192                # of a whole report: 16 fees, every text as long as its field
    NAME_MAX = 512             # of a provider, of a symbol
    WIDE_ROOM = 48             # of a number of 39 digits, or its 36 decimals and a zero before them


cdef tuple _spelled(kind):
    """The JSON of its members by number."""
    return tuple([f'"{wire_name(kind(number))}"'.encode() if number in kind._value2member_map_ else b"null"
                  for number in range(max(kind) + 1)])


cdef tuple _SIDES = _spelled(Side)
cdef tuple _TYPES = _spelled(OrderType)
cdef tuple _TIFS = _spelled(TimeInForce)
cdef tuple _REPORTS = _spelled(ReportKind)
cdef tuple _STATES = _spelled(OrderState)
cdef tuple _ANOMALIES = _spelled(Anomaly)
cdef tuple _SOURCES = _spelled(ReportSource)
cdef tuple _LIQUIDITIES = _spelled(Liquidity)
cdef tuple _ENDS = tuple([bool(number in OrderState._value2member_map_ and OrderState(number).is_terminal)
                          for number in range(max(OrderState) + 1)])
cdef dict _FLAGS = {}          # their JSON, by their bits
cdef bytes _HEAD = (f'{{"type":"{wire_name(EventType.EXEC_REPORT)}","kind":"{wire_name(_KIND_OF_TYPE[EventType.EXEC_REPORT])}",'
                    '"schema_version":1,"event_id":"').encode()


def report_text(ExecReport event not None):
    event.guard()
    cdef char[ROOM] room
    cdef EventHeader* h = &event.h
    cdef ReportData* r = &event.r
    cdef bytes provider, symbol
    cdef char* out
    cdef int i
    names = instrument_keys[h.instrument_id]
    if names[1] is None:
        return None
    provider, symbol = names[0].encode(), names[1].encode()
    if len(provider) > NAME_MAX or len(symbol) > NAME_MAX or max(h.price_scale, h.qty_scale) > SCALE_MAX \
            or min(h.ts_venue_ns, h.ts_recv_ns, h.ts_emit_ns) < 0 or r.qty_raw < 0 or r.filled_qty_raw < 0:
        return None
    if not (is_plain(provider) and is_plain(symbol) and is_plain(r.client_order_id) and is_plain(r.consumer_id)
            and is_plain(r.wire_order_id) and is_plain(r.venue_order_id) and is_plain(r.exec_id) and is_plain(r.code)
            and is_plain(r.venue_code) and is_plain(r.text)):
        return None
    for i in range(r.fee_count):
        if not is_plain(r.fees[i].asset):
            return None

    # -- whose event it is -------------------------------------------------------------------------------------
    out = put(room, _HEAD)
    out = put(put(put(put(out, provider), b":"), symbol), b":ExecReport:")
    if r.exec_id[0]:
        out = put(out, r.exec_id)
    else:
        out = put_number(put(put(out, r.wire_order_id), b"."), r.order_report_seq)
    out = put(put(out, b'","provider":"'), provider)
    out = put(put(out, b'","symbol":"'), symbol)
    out = put_number(put(out, b'","seq_provider":'), h.seq_provider)
    out = put_number(put(out, b',"seq_first":'), h.seq_first)
    out = put_number(put(out, b',"epoch":'), h.epoch)
    out = put_instant(put(out, b',"ts_venue":'), h.ts_venue_ns, h.ts_venue_ns != 0)
    out = put_instant(put(out, b',"ts_recv":'), h.ts_recv_ns, True)
    out = put_instant(put(out, b',"ts_emit":'), h.ts_emit_ns, True)
    out = put_number(put(out, b',"routing_version":'), h.routing_version)
    out = put_uuid(put(out, b',"merge_id":null,"trace_id":'), h.trace_hi, h.trace_lo)
    out = put(out, b',"decision_id":')
    if h.decision_hi or h.decision_lo:
        out = put_uuid(out, h.decision_hi, h.decision_lo)
    else:
        out = put(out, b"null")
    out = put(put(out, b',"flags":'), _flags_of(h.flags))
    out = put_number(put(out, b',"folded_count":'), h.folded_count)
    out = put_number(put(out, b',"price_scale":'), h.price_scale)
    out = put_number(put(out, b',"qty_scale":'), h.qty_scale)

    # -- whose order it is, and what has happened ---------------------------------------------------------------
    out = put(put(out, b',"venue_meta":null,"client_order_id":"'), r.client_order_id)
    out = put(put(out, b'","consumer_id":"'), r.consumer_id)
    out = put(put(out, b'","wire_order_id":"'), r.wire_order_id)
    out = put_text(put(out, b'","venue_order_id":'), r.venue_order_id)
    out = put_text(put(out, b',"exec_id":'), r.exec_id)
    out = put(put(out, b',"report":'), <bytes>_REPORTS[r.report])
    out = put(put(out, b',"order_state":'), <bytes>_STATES[r.order_state])
    out = put_number(put(out, b',"order_report_seq":'), r.order_report_seq)
    out = put(put(out, b',"side":'), <bytes>_SIDES[r.side])
    out = put(put(out, b',"order_type":'), <bytes>_TYPES[r.order_type])
    out = put(put(out, b',"tif":'), <bytes>_TIFS[r.tif])
    out = put_raw(put(out, b',"price":'), r.price_raw, h.price_scale, r.has_price)
    out = put_raw(put(out, b',"qty":'), r.qty_raw, h.qty_scale, True)
    out = put_raw(put(out, b',"filled_qty":'), r.filled_qty_raw, h.qty_scale, True)
    out = put_raw(put(out, b',"remaining_qty":'), r.qty_raw - r.filled_qty_raw, h.qty_scale, True)
    out = put_raw(put(out, b',"last_qty":'), r.last_qty_raw, h.qty_scale, True)
    out = put_raw(put(out, b',"last_price":'), r.last_price_raw, h.price_scale, r.has_last_price)
    out = put_wide(put(out, b',"cum_notional":'), &r.cum_notional, b'"0"')
    out = put_wide(put(out, b',"avg_fill_price":'), &r.avg_fill_price, b"null")
    out = put(put(out, b',"liquidity":'), <bytes>_LIQUIDITIES[r.liquidity])
    out = put(out, b',"fees":[')
    for i in range(r.fee_count):
        out = put(put(out, b',{"asset":"' if i else b'{"asset":"'), r.fees[i].asset)
        out = put(put_wide(put(out, b'","amount":'), &r.fees[i].amount, b"null"), b"}")
    out = put(out, b'],"reason":')
    if r.code[0]:
        out = put_text(put(put(put(out, b'{"code":"'), r.code), b'","venue_code":'), r.venue_code)
        out = put(put(put(out, b',"text":"'), r.text), b'"}')
    else:
        out = put(out, b"null")
    out = put(out, b',"is_open":true' if r.order_state and not _ENDS[r.order_state] else b',"is_open":false')
    out = put(put(out, b',"anomaly":'), <bytes>_ANOMALIES[r.anomaly])
    out = put(put(put(out, b',"source":'), <bytes>_SOURCES[r.source]), b"}")
    return PyBytes_FromStringAndSize(room, out - room)


cdef bytes _flags_of(int bits):
    cdef bytes found = _FLAGS.get(bits)
    if found is None:
        names = ",".join([f'"{flag.name.lower()}"' for flag in EventFlag if bits & flag])
        found = _FLAGS[bits] = f"[{names}]".encode()
    return found


cdef inline bint is_plain(const char* text) noexcept nogil:
    """Whether nothing in it has to be escaped."""
    cdef const unsigned char* place = <const unsigned char*>text
    while place[0]:
        if place[0] < 0x20 or place[0] == c'"' or place[0] == c"\\":
            return False
        place += 1
    return True


cdef inline char* put(char* out, const char* text) noexcept nogil:
    cdef size_t length = strlen(text)
    memcpy(out, text, length)
    return out + length


cdef inline char* put_text(char* out, const char* text) noexcept nogil:
    """Quoted; an empty one is none."""
    if not text[0]:
        return put(out, b"null")
    return put(put(put(out, b'"'), text), b'"')


cdef inline char* put_number(char* out, uint64_t value) noexcept nogil:
    if value == 0:
        out[0] = c"0"
        return out + 1
    return out + put_digits(out, value)


cdef inline char* put_instant(char* out, int64_t ts_ns, bint is_known) noexcept nogil:
    if not is_known:
        return put(out, b"null")
    out[0] = out[1 + INSTANT_CHARS] = c'"'
    put_rfc3339(out + 1, ts_ns)
    return out + INSTANT_CHARS + 2


cdef inline char* put_uuid(char* out, uint64_t high, uint64_t low) noexcept nogil:
    cdef const char* digits = b"0123456789abcdef"
    cdef int i
    out = put(out, b'"')
    for i in range(32):
        out[0] = digits[(high if i < 16 else low) >> (60 - 4 * (i & 15)) & 15]
        out += 1
        if i == 7 or i == 11 or i == 15 or i == 19:
            out[0] = c"-"
            out += 1
    return put(out, b'"')


cdef inline char* put_fixed(char* out, char* digits, char* end, int scale, bint is_negative) noexcept nogil:
    """Digits with exactly *scale* of them behind the point; what is before *digits* may be written over."""
    while end - digits <= scale:
        digits -= 1
        digits[0] = c"0"
    out = put(out, b'"-' if is_negative else b'"')
    memcpy(out, digits, end - digits - scale)
    out += end - digits - scale
    if scale:
        out[0] = c"."
        memcpy(out + 1, end - scale, scale)
        out += scale + 1
    return put(out, b'"')


cdef inline char* put_raw(char* out, int64_t raw, int scale, bint is_known) noexcept nogil:
    cdef char[WIDE_ROOM] digits
    cdef uint64_t size = 0 - <uint64_t>raw if raw < 0 else <uint64_t>raw
    if not is_known:
        return put(out, b"null")
    return put_fixed(out, wide_digits(digits + WIDE_ROOM, 0, size), digits + WIDE_ROOM, scale, raw < 0)


cdef inline char* put_wide(char* out, const Wide* value, const char* unknown) noexcept nogil:
    cdef char[WIDE_ROOM] digits
    cdef char* end = digits + WIDE_ROOM
    cdef uint64_t high = <uint64_t>value.high
    cdef uint64_t low = value.low
    if not value.is_known:
        return put(out, unknown)
    if value.high < 0:
        low = 0 - low
        high = ~high + (low == 0)
    return put_fixed(out, wide_digits(end, high, low), end, value.scale, value.high < 0)
