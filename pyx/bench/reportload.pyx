from libc.stdint cimport int64_t, uint32_t
from libc.stdlib cimport calloc

from engine.schema.event cimport Event
from engine.schema.market cimport REASON_INITIAL, UPDATE_DELTA, BookSnapshot, BookUpdate, Level, Trade

import random

cdef enum:
    MIDDLE_RAW = 6_000_000
    TRADES_OF_TEN = 3


cdef int _levels(Event event, uint32_t bids, uint32_t asks) except -1:
    """Room for levels, which the event frees with itself."""
    cdef BookUpdate update
    cdef BookSnapshot snapshot
    cdef Level* rows = <Level*>calloc(bids + asks, sizeof(Level))
    if rows == NULL:
        raise MemoryError("levels")
    if isinstance(event, BookUpdate):
        update = event
        update.b.levels, update.b.capacity, update.b.bid_count, update.b.ask_count = rows, bids + asks, bids, asks
        update.b.update_type = UPDATE_DELTA
        update.b.block_class = 255
    else:
        snapshot = event
        snapshot.b.levels, snapshot.b.capacity, snapshot.b.bid_count, snapshot.b.ask_count = rows, bids + asks, bids, asks
        snapshot.b.reason = REASON_INITIAL
        snapshot.b.block_class = 255
    return 0


cdef int _stamp(Event event, int64_t ts_ns) except -1:
    event.h.ts_recv_ns = ts_ns
    event.h.ts_venue_ns = ts_ns
    return 0


cdef class ReportLoad:
    """Three trades to seven deltas of one to three levels each, over so many instruments in turn.

    Args:
        instruments: ids 0 to this, two decimals of price and eight of quantity.
        count: events a pass.
        seed: the same one gives the same events.
    """

    def __init__(self, instruments: int, count: int, seed: int = 5):
        cdef BookUpdate update
        cdef Trade trade
        cdef uint32_t i
        rng = random.Random(seed)
        self.events = []
        self.next_trade_id = 1
        for number in range(count):
            if number % 10 < TRADES_OF_TEN:
                trade = Trade()
                trade.t.price_raw = MIDDLE_RAW + rng.randrange(-3, 4)
                trade.t.qty_raw = rng.randrange(1, 100_000_000)
                trade.t.side = rng.randrange(1, 3)
                event = trade
            else:
                update = BookUpdate()
                bids, asks = rng.choice([(1, 0), (0, 1), (1, 1), (2, 0), (0, 2), (2, 1), (1, 2)])
                _levels(update, bids, asks)
                for i in range(bids + asks):
                    away = 1 + int(rng.expovariate(0.1)) % 900
                    update.b.levels[i].price_raw = MIDDLE_RAW - away if i < bids else MIDDLE_RAW + away
                    # The touch stays: its quantity changes, it does not go.
                    update.b.levels[i].qty_raw = 0 if away > 3 and rng.random() < 0.25 else rng.randrange(1, 100_000_000)
                event = update
            self._place(event, rng.randrange(instruments))
            self.events.append(event)

    def _place(self, Event event, uint32_t instrument) -> None:
        event.h.instrument_id = instrument
        event.h.price_scale = 2
        event.h.qty_scale = 8
        event.h.folded_count = 1

    def books(self, levels: int, ts_ns: int) -> list:
        """A snapshot of so many levels a side for each instrument that has events."""
        cdef BookSnapshot snapshot
        cdef Event event
        cdef uint32_t i
        cdef uint32_t side = levels
        found = {}
        for event in self.events:
            if event.h.instrument_id in found:
                continue
            snapshot = BookSnapshot()
            _levels(snapshot, side, side)
            self._place(snapshot, event.h.instrument_id)
            _stamp(snapshot, ts_ns)
            for i in range(side):
                snapshot.b.levels[i] = Level(MIDDLE_RAW - 1 - i, 50_000_000)
                snapshot.b.levels[side + i] = Level(MIDDLE_RAW + 1 + i, 50_000_000)
            found[event.h.instrument_id] = snapshot
        return list(found.values())

    def stamp(self, first_ns: int, step_ns: int) -> int:
        """Give every event its time and every trade an id of its own; answers the time after the last."""
        cdef int64_t ts_ns = first_ns
        cdef int64_t step = step_ns
        cdef object item
        for item in self.events:
            _stamp(<Event>item, ts_ns)
            if isinstance(item, Trade):
                (<Trade>item).t.trade_id = self.next_trade_id
                self.next_trade_id += 1
            ts_ns += step
        return ts_ns
