"""Trades, tickers and candles as integers at their book's scales, which widen where they must. WireCodes out.

A widening on the way leaves what was read before it at the old scale; reading the row again is then right throughout.
So a stream reads all rows of a frame to check them, and again to use them. *error* names the field that was refused,
as the venues of lower-case keys name it.
"""
from libc.stdint cimport int64_t

from engine.providers.assembler cimport BookAssembler
from engine.providers.rowtext cimport Row
from engine.schema.market cimport KlineData, TickerData

cdef int read_trade(const Row* row, BookAssembler book, const char* text, int64_t* price, int64_t* qty,
                    const char** error) except -1
cdef int read_ticker(const Row* row, BookAssembler book, const char* text, TickerData* d,
                     const char** error) except -1
cdef int read_candle(const Row* row, BookAssembler book, const char* text, int64_t interval_ns, KlineData* candle,
                     const char** error) except -1
