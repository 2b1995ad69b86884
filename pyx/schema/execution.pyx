cimport cython
from libc.stdint cimport int64_t, uint8_t, uint64_t
from libc.string cimport memset

from engine.schema.event cimport EXEC_REPORT, Event
from engine.schema.texts cimport cut_text, put_text

cdef extern from "Python.h":
    const char* PyUnicode_AsUTF8AndSize(object text, Py_ssize_t* length) except NULL

from decimal import Context, Decimal, Inexact, InvalidOperation

from engine.schema.enums import Side, by_number
from engine.schema.event import register_class
from engine.schema.instrument import OrderType, TimeInForce
from engine.schema.order import Anomaly, Fee, Liquidity, OrderState, Reason, ReportKind, ReportSource

_LOW = 2**64 - 1
_WIDE_END = 2**127
_EXACT = Context(prec=80, traps=[Inexact, InvalidOperation])

cdef tuple _SIDES = by_number(Side)
cdef tuple _TYPES = by_number(OrderType)
cdef tuple _TIFS = by_number(TimeInForce)
cdef tuple _REPORTS = by_number(ReportKind)
cdef tuple _STATES = by_number(OrderState)
cdef tuple _ANOMALIES = by_number(Anomaly)
cdef tuple _SOURCES = by_number(ReportSource)
cdef tuple _LIQUIDITIES = by_number(Liquidity)


cdef inline int number_of(object kind, object value) except -1:
    """Of a member; anything else is looked up, and refused where it is none."""
    return value if type(value) is kind else kind(value)


cdef extern from *:
    """
    /* A decimal text without an exponent, of up to 38 digits, as a 128-bit mantissa and its decimals; 0 = it is not. */
    static int engine_wide_of(const char *text, Py_ssize_t length, int64_t *high, uint64_t *low, uint8_t *scale) {
        unsigned __int128 value = 0;
        Py_ssize_t i = length && text[0] == '-', digits = 0, point = -1;
        int is_negative = (int)i;
        for (; i < length; i++) {
            if (text[i] == '.' && point < 0) { point = digits; continue; }
            if (text[i] < '0' || text[i] > '9') return 0;
            value = value * 10 + (uint64_t)(text[i] - '0');
            if (++digits > 38) return 0;
        }
        if (!digits) return 0;
        if (is_negative) value = -value;
        *high = (int64_t)(uint64_t)(value >> 64);
        *low = (uint64_t)value;
        *scale = (uint8_t)(point < 0 ? 0 : digits - point);
        return 1;
    }
    """
    bint wide_of "engine_wide_of"(const char* text, Py_ssize_t length, int64_t* high, uint64_t* low, uint8_t* scale) noexcept


cdef int put_wide(Wide* place, object value) except -1:
    cdef object told
    cdef const char* text              # of told, and as long as that
    cdef Py_ssize_t length
    memset(place, 0, sizeof(Wide))
    if value is None:
        return 0
    if type(value) is not Decimal:
        raise TypeError(f"{value!r} is no decimal")
    told = str(value)
    text = PyUnicode_AsUTF8AndSize(told, &length)
    if wide_of(text, length, &place.high, &place.low, &place.scale) and place.scale <= WIDE_SCALE_MAX:
        place.is_known = True
        return 0
    return put_any_wide(place, value)


cdef int put_any_wide(Wide* place, object value) except -1:
    """Also of more digits, and in scientific notation."""
    memset(place, 0, sizeof(Wide))
    if not value.is_finite():
        raise TypeError(f"{value!r} is no decimal")
    exponent = min(value.as_tuple().exponent, 0)
    if -exponent > WIDE_SCALE_MAX or value.adjusted() >= WIDE_DIGITS or not -_WIDE_END < (
            raw := int(value.scaleb(-exponent, _EXACT))) < _WIDE_END:
        raise ValueError(f"{value} does not fit 128 bits with {WIDE_SCALE_MAX} decimals")
    place.high = raw >> 64
    place.low = raw & _LOW
    place.scale = -exponent
    place.is_known = True
    return 0


cdef object wide_decimal(Wide* place):
    """The same decimal; None where there is none. Made from text: a context would round it."""
    if not place.is_known:
        return None
    return Decimal(f"{((<object>place.high) << 64) + place.low}E-{place.scale}")


cdef int put_fees(ReportData* r, object fees) except -1:
    cdef int i
    if len(fees) > FEES_MAX:
        raise ValueError(f"{len(fees)} fees of one report, at most {FEES_MAX}")
    memset(&r.fees, 0, sizeof(r.fees))
    r.fee_count = 0
    for i, fee in enumerate(fees):
        put_text(r.fees[i].asset, ASSET_MAX, fee.asset)
        put_wide(&r.fees[i].amount, fee.amount)
    r.fee_count = len(fees)
    return 0


@cython.final
cdef class ExecReport(Event):
    """What became of an order: reports of one come in order, each once, and are never dropped (EVT-16)."""

    def __cinit__(self):
        self.s.data = &self.r
        self.s.data_size = sizeof(ReportData)
        self.s.type = EXEC_REPORT

    cdef object own_fields(self):
        return (
            "client_order_id", "consumer_id", "wire_order_id", "venue_order_id", "exec_id", "report", "order_state",
            "order_report_seq", "side", "order_type", "tif", "price_raw", "qty_raw", "filled_qty_raw", "remaining_qty_raw",
            "last_qty_raw", "last_price_raw", "cum_notional", "avg_fill_price", "liquidity", "fees", "reason", "is_open",
            "anomaly", "source")

    cdef int fill_own(self, str name, object value) except -1:
        if name == "client_order_id":
            put_text(self.r.client_order_id, CLIENT_ID_MAX, value)
        elif name == "consumer_id":
            put_text(self.r.consumer_id, OWNER_MAX, value)
        elif name == "wire_order_id":
            put_text(self.r.wire_order_id, WIRE_ID_MAX, value)
        elif name == "venue_order_id":
            cut_text(self.r.venue_order_id, VENUE_ID_MAX, value or "")
        elif name == "exec_id":
            cut_text(self.r.exec_id, VENUE_ID_MAX, value or "")
        elif name == "report":
            self.r.report = number_of(ReportKind, value) if value is not None else 0
        elif name == "order_state":
            self.r.order_state = number_of(OrderState, value) if value is not None else 0
        elif name == "order_report_seq":
            self.r.order_report_seq = value
        elif name == "side":
            self.r.side = number_of(Side, value)
        elif name == "order_type":
            self.r.order_type = number_of(OrderType, value) if value is not None else 0
        elif name == "tif":
            self.r.tif = number_of(TimeInForce, value) if value is not None else 0
        elif name == "price_raw":
            self.r.price_raw = 0 if value is None else value
            self.r.has_price = value is not None
        elif name == "qty_raw":
            self.r.qty_raw = value
        elif name == "filled_qty_raw":
            self.r.filled_qty_raw = value
        elif name == "last_qty_raw":
            self.r.last_qty_raw = value
        elif name == "last_price_raw":
            self.r.last_price_raw = 0 if value is None else value
            self.r.has_last_price = value is not None
        elif name == "cum_notional":
            put_wide(&self.r.cum_notional, value)
        elif name == "avg_fill_price":
            put_wide(&self.r.avg_fill_price, value)
        elif name == "liquidity":
            self.r.liquidity = number_of(Liquidity, value)
        elif name == "fees":
            put_fees(&self.r, value)
        elif name == "reason":
            put_text(self.r.code, CODE_MAX, value.code if value is not None else "")
            cut_text(self.r.venue_code, VENUE_CODE_MAX, value.venue_code if value is not None else "")
            cut_text(self.r.text, TEXT_MAX, value.text if value is not None else "")
        elif name == "anomaly":
            self.r.anomaly = number_of(Anomaly, value)
        elif name == "source":
            self.r.source = number_of(ReportSource, value) if value is not None else 0
        else:
            Event.fill_own(self, name, value)
        return 0

    def _ident(self) -> str:
        # The venue's id of the fill; what is no fill has its place in its order, which outlives this process.
        if self.r.exec_id[0]:
            return self.exec_id
        return f"{self.wire_order_id}.{self.r.order_report_seq}"

    # -- whose ------------------------------------------------------------------------------------------------

    @property
    def client_order_id(self) -> str:
        """The owner's id of the order."""
        self.guard()
        return self.r.client_order_id.decode()

    @property
    def consumer_id(self) -> str:
        """The owner."""
        self.guard()
        return self.r.consumer_id.decode()

    @property
    def wire_order_id(self) -> str:
        """The order's id at the venue that is ours, in the venue's spelling."""
        self.guard()
        return self.r.wire_order_id.decode()

    @property
    def venue_order_id(self):
        """The venue's own id of it, once known."""
        self.guard()
        return self.r.venue_order_id.decode() or None

    @property
    def exec_id(self):
        """The venue's id of the fill; None where the report carries no single one."""
        self.guard()
        return self.r.exec_id.decode() or None

    # -- what has happened ------------------------------------------------------------------------------------

    @property
    def report(self):
        """ReportKind: what the venue says has happened."""
        self.guard()
        return _REPORTS[self.r.report]

    @property
    def order_state(self):
        """OrderState: how the order stands after it."""
        self.guard()
        return _STATES[self.r.order_state]

    @property
    def order_report_seq(self) -> int:
        """1, 2, 3.. in one order, without a break."""
        self.guard()
        return self.r.order_report_seq

    @property
    def is_open(self) -> bool:
        """Whether the order has not ended."""
        self.guard()
        return self.r.order_state != 0 and not _STATES[self.r.order_state].is_terminal

    @property
    def anomaly(self):
        """Anomaly: what was odd about the report."""
        self.guard()
        return _ANOMALIES[self.r.anomaly]

    @property
    def source(self):
        """ReportSource: how it came to be known."""
        self.guard()
        return _SOURCES[self.r.source]

    @property
    def reason(self):
        """Why it was rejected, or ended, where the venue says."""
        self.guard()
        if self.r.code[0] == 0:
            return None
        return Reason(code=self.r.code.decode(), venue_code=self.r.venue_code.decode(), text=self.r.text.decode())

    # -- the order --------------------------------------------------------------------------------------------

    @property
    def side(self):
        """Side: BUY or SELL."""
        self.guard()
        return _SIDES[self.r.side]

    @property
    def order_type(self):
        """OrderType: LIMIT or MARKET."""
        self.guard()
        return _TYPES[self.r.order_type]

    @property
    def tif(self):
        """TimeInForce: how long the order stands."""
        self.guard()
        return _TIFS[self.r.tif]

    @property
    def price_raw(self):
        """The limit; None for a market order."""
        self.guard()
        return self.r.price_raw if self.r.has_price else None

    @property
    def qty_raw(self) -> int:
        """The whole of the order."""
        self.guard()
        return self.r.qty_raw

    # -- fills ------------------------------------------------------------------------------------------------

    @property
    def filled_qty_raw(self) -> int:
        """Filled so far; never falls."""
        self.guard()
        return self.r.filled_qty_raw

    @property
    def remaining_qty_raw(self) -> int:
        """What is not filled: quantity - filled."""
        self.guard()
        return <object>self.r.qty_raw - self.r.filled_qty_raw

    @property
    def last_qty_raw(self) -> int:
        """How much this report added to what is filled."""
        self.guard()
        return self.r.last_qty_raw

    @property
    def last_price_raw(self):
        """What that was traded at; None where nothing was added, or it is not known."""
        self.guard()
        return self.r.last_price_raw if self.r.has_last_price else None

    @property
    def cum_notional(self):
        """Sum of price x quantity of all fills, exact."""
        self.guard()
        return wide_decimal(&self.r.cum_notional) if self.r.cum_notional.is_known else Decimal(0)

    @property
    def avg_fill_price(self):
        """Average price of what is filled; None while nothing is."""
        self.guard()
        return wide_decimal(&self.r.avg_fill_price)

    @property
    def liquidity(self):
        """Liquidity: whether the fill made or took."""
        self.guard()
        return _LIQUIDITIES[self.r.liquidity]

    @property
    def fees(self) -> tuple:
        """What this report added to the order's fees, where the venue tells it."""
        self.guard()
        return tuple(Fee(self.r.fees[i].asset.decode(), wide_decimal(&self.r.fees[i].amount)) for i in range(self.r.fee_count))


register_class(ExecReport, EXEC_REPORT)
