"""What every venue's hot path shares: its books, its counters, and how trades, tickers and candles are published."""
from cpython.object cimport PyObject
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

from engine.base.clock cimport Clock
from engine.base.ids cimport SymbolTable
from engine.observability.stages cimport StageTimer
from engine.providers.assembler cimport BookAssembler
from engine.providers.leveltext cimport LevelRaws, Span
from engine.providers.tape cimport KlineGate
from engine.schema.market cimport KlineData, TickerData
from engine.schema.ports cimport EventPool, EventSink, FrameSink


cdef enum:
    WIRE_CODES = 12


cdef struct FlatStreams:
    # Where the streams of one symbol stand that are no book: trades, tickers, candles.
    uint64_t tickers                         # in this epoch
    uint64_t klines
    uint32_t epoch                           # grows when the connection that brings them is made anew


cdef class VenueStream(FrameSink):
    """One provider's frames become events. Owned by the provider, used on the engine's loop only.

    A subclass owns the decoder and the venue's continuity rule; nothing here knows a venue.
    """
    cdef readonly str provider
    cdef EventPool pool
    cdef EventSink sink
    cdef Clock clock
    cdef StageTimer timer                    # subclasses: begin() a frame, mark STAGE_WIRE once it is decoded
    cdef SymbolTable symbols
    cdef list books                          # BookAssembler by symbol index
    cdef LevelRaws _changes                  # scratch of the message in hand, shared by the books
    cdef LevelRaws _published
    cdef object on_reject                    # (provider, code, field, raw bytes): dead letters
    cdef object on_want_snapshot             # (stream, symbol index, reason)
    cdef object on_telemetry                 # (kind, **metadata)
    cdef public object on_lost               # (book, reason): at once; telemetry waits for the end of the resync
    cdef dict _resyncs                       # symbol -> [(reason, expected, actual, lost at, ns)] since it was valid
    cdef public object on_exhausted          # (symbol, event type) for each event there was no slot for; set before books
    cdef public int64_t record_index         # replay: the record in hand, else -1
    cdef public bint catching_up             # frames held back pass: what has no number was told by others already
    cdef readonly uint64_t frames
    cdef readonly uint64_t frame_bytes
    cdef readonly uint64_t ignored           # well-formed, of no stream we have an event for
    cdef uint64_t[WIRE_CODES] rejected
    cdef readonly uint64_t unknown_symbols
    cdef readonly uint64_t unpublished       # trades, tickers, candles lost to an exhausted pool
    cdef FlatStreams* _flat                  # by symbol index
    cdef uint32_t _capacity
    cdef dict _klines                        # (symbol index, interval ns) -> KlineGate

    cdef int find(self, const char* text, const Span* symbol) except -2
    cdef int reject(self, int code, const char* field, const char* text, size_t length) except -1
    cdef int want_snapshot(self, int index, int reason) except -1
    cdef PyObject* lease(self, int event_type, int index) except? NULL
    cdef int send(self, PyObject* event, int index, uint64_t seq, uint8_t ordering, int64_t ts_venue_ns,
                  int64_t ts_recv_ns) except -1
    cdef int publish_trade(self, int index, uint64_t trade_id, int side, int64_t price_raw, int64_t qty_raw,
                           uint32_t match_count, int64_t ts_venue_ns, int64_t ts_recv_ns) except -1
    cdef int publish_ticker(self, int index, const TickerData* data, int64_t ts_venue_ns,
                            int64_t ts_recv_ns) except -1
    cdef int publish_kline(self, int index, const KlineData* candle, bint infer_close, int64_t ts_venue_ns,
                           int64_t ts_recv_ns) except -1
    cdef int _send_kline(self, int index, KlineGate gate, int64_t ts_venue_ns, int64_t ts_recv_ns) except -1
    cdef int lost(self, BookAssembler book, int index, int reason, int64_t ts_recv_ns) except -1
    cdef int give_up(self, BookAssembler book, int reason, int64_t ts_recv_ns) except -1
    cdef int healed(self, BookAssembler book, int64_t ts_recv_ns) except -1
    cdef int _tell_resyncs(self, str symbol, list losses, object healed_ns) except -1
