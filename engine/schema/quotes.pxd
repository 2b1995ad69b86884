"""Tickers and candles: what a venue sums up."""
cimport cython

from engine.schema.event cimport Event
from engine.schema.market cimport KlineData, TickerData


@cython.final
cdef class Ticker(Event):
    cdef TickerData k


@cython.final
cdef class KlineSummary(Event):
    cdef KlineData k
