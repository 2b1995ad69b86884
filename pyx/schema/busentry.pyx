from libc.stdlib cimport free, malloc
from libc.string cimport memcpy

from engine.schema.event cimport Event
from engine.schema.market cimport (TICKER_ASK, TICKER_ASK_QTY, TICKER_BID, TICKER_BID_QTY, TRADE_SIDE_BUY,
                                   TRADE_SIDE_SELL, Level, TickerData)
from engine.schema.ports cimport EventSink
from engine.schema.record cimport (NUMBER_NONE, NUMBER_TOLD, RECORD_BREAK, RECORD_DELTAS, RECORD_DEPTH, RECORD_TICKER,
                                   RECORD_TRADE, Records, event_time, no_link, view_of)

_NAMES = {RECORD_TRADE: "trade_tick", RECORD_DEPTH: "order_book_depth", RECORD_DELTAS: "order_book_deltas",
          RECORD_TICKER: "ticker_24h"}
_SIDES = {TRADE_SIDE_BUY: "buy", TRADE_SIDE_SELL: "sell"}


cdef class RecordSource(EventSink):

    cdef const Records* hand_over(self, list wanted) except NULL:
        raise NotImplementedError


cdef class HeldEntry:

    def __dealloc__(self):
        free(self.levels)

    cdef int keep_levels(self, const Level* bids, uint32_t bid_count, const Level* asks, uint32_t ask_count) except -1:
        """Copy levels, best first."""
        self.r.bid_count = bid_count
        self.r.ask_count = ask_count
        if bid_count + ask_count:
            self.levels = <Level*>malloc((bid_count + ask_count) * sizeof(Level))
            if self.levels == NULL:
                raise MemoryError("levels")
            memcpy(self.levels, bids, bid_count * sizeof(Level))
            memcpy(self.levels + bid_count, asks, ask_count * sizeof(Level))
        self.r.body = self.levels
        return 0

    @staticmethod
    def of(event: Event, venue: str, seq: int, prev_seq: int, place: int = 0, tells_scales: bool = False) -> HeldEntry | None:
        """What an event is on the bus (BUS-11), under these numbers; None = nothing.

        Snapshots tell the decimals of prices and quantities anyway; *tells_scales* for the first entry after they changed.
        """
        cdef HeldEntry held = HeldEntry.__new__(HeldEntry)
        cdef const Level* levels
        if not view_of(event, &held.r) or held.r.kind == RECORD_BREAK:
            return None
        held.r.numbering = NUMBER_TOLD
        held.r.seq = seq
        held.r.prev_seq = prev_seq
        held.r.tells_scales |= tells_scales
        held.r.instrument_id = place
        held.venue = venue
        held.symbol = event.symbol
        if held.r.kind == RECORD_TICKER:
            held.ticker = (<const TickerData*>held.r.body)[0]
            held.r.body = &held.ticker
        elif held.r.kind != RECORD_TRADE:
            levels = <const Level*>held.r.body
            held.keep_levels(levels, held.r.bid_count, levels + held.r.bid_count, held.r.ask_count)
        return held

    @property
    def place(self) -> int:
        """Who reads it knows its symbol by this."""
        return self.r.instrument_id

    @property
    def price_scale(self) -> int:
        """Decimals of its prices."""
        return self.r.price_scale

    @property
    def qty_scale(self) -> int:
        """Decimals of its quantities."""
        return self.r.qty_scale

    @property
    def type(self) -> str:
        """``trade_tick``, ``order_book_depth``, ``order_book_deltas`` or ``ticker_24h``."""
        return _NAMES[self.r.kind]

    @property
    def seq(self) -> int:
        """Its number, 0 = it has none."""
        return 0 if self.r.numbering == NUMBER_NONE else self.r.seq

    @property
    def prev_seq(self) -> int | None:
        """The number before it in its chain, 0 = it opens one; None = not told."""
        return None if self.r.numbering == NUMBER_NONE or self.r.prev_seq == no_link() else self.r.prev_seq

    @property
    def n(self) -> int:
        """Updates folded into it."""
        return self.r.folded

    @property
    def ts_event_ns(self) -> int:
        """Venue time."""
        return event_time(&self.r)

    @property
    def ts_recv_ns(self) -> int:
        """When the engine received it, 0 = not told."""
        return self.r.ts_recv_ns

    def payload(self) -> dict[str, object]:
        """The members of its type, prices and quantities in raw units, ``price_change_pct`` in 10^-4 percent.

        A ``trade_id`` is the number that stands for it.
        """
        if self.r.kind == RECORD_TRADE:
            return {"price": self.r.price_raw, "qty": self.r.qty_raw, "side": _SIDES.get(self.r.side, "none"),
                    "trade_id": self.r.trade_id}
        if self.r.kind == RECORD_DEPTH:
            return {"bids": self._side(0, self.r.bid_count), "asks": self._side(self.r.bid_count, self.r.ask_count),
                    "complete": bool(self.r.is_complete)}
        if self.r.kind == RECORD_DELTAS:
            return {"bids_upd": self._side(0, self.r.bid_count), "asks_upd": self._side(self.r.bid_count, self.r.ask_count)}
        found = {"last_price": self.ticker.last_price_raw, "price_change_pct": self.r.change_raw, "high_24h": self.ticker.high_24h_raw,
                 "low_24h": self.ticker.low_24h_raw, "volume_24h": self.ticker.volume_24h_raw}
        if self.ticker.present & TICKER_BID and self.ticker.present & TICKER_BID_QTY:
            found["best_bid"] = self.ticker.bid_price_raw, self.ticker.bid_qty_raw
        if self.ticker.present & TICKER_ASK and self.ticker.present & TICKER_ASK_QTY:
            found["best_ask"] = self.ticker.ask_price_raw, self.ticker.ask_qty_raw
        return found

    def _side(self, uint32_t first, uint32_t count) -> list:
        return [(self.levels[i].price_raw, self.levels[i].qty_raw) for i in range(first, first + count)]
