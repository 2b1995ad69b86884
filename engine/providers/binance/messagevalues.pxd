"""Tickers and candles of decoded messages as integers at their book's scales, which widen where they must.

A widening on the way leaves what was read before it at the old scale, so all of a message is then read again. WireCodes
out; *error* names the field of a refusal that a parser has not named itself.
"""
from libc.stdint cimport int64_t, uint64_t

from engine.providers.assembler cimport BookAssembler
from engine.providers.binance.wire cimport BinanceMessage
from engine.schema.market cimport KlineData, TickerData

cdef enum:
    MICROSECONDS_FROM = 100_000_000_000_000      # 14 digits and more: timeUnit=MICROSECOND was asked for


cdef inline int64_t venue_ns(uint64_t time) noexcept nogil:
    return <int64_t>time * (1000 if time >= <uint64_t>MICROSECONDS_FROM else 1_000_000)


cdef int read_book_ticker(const BinanceMessage* m, BookAssembler book, const char* text, TickerData* d) except -1
cdef int read_ticker(const BinanceMessage* m, BookAssembler book, const char* text, TickerData* d,
                     const char** error) except -1
cdef int read_candle(const BinanceMessage* m, BookAssembler book, const char* text, KlineData* candle,
                     const char** error) except -1
