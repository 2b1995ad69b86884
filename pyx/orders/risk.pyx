cimport cython
from libc.stdint cimport INT64_MAX, int64_t

from engine.base.clock cimport Clock
from engine.base.units cimport ENGINE_POW10
from engine.orders.room cimport (BOOK_UNAVAILABLE, CIRCUIT_BREAKER, CONCURRENCY, JOURNAL_UNAVAILABLE, KILL_SWITCH,
                                 LIMIT, MARKET, NOTIONAL_LIMIT, ORDER_QTY, ORDER_TYPE, ORDER_VALIDATION, POSITION_LIMIT,
                                 POSITION_SCALE, PRICE_BAND, PROVIDER_DOWN, RATE_LIMIT, RECONCILING, TRADING_OFF, Asked,
                                 Bucket, ConsumerRisk, Market, ProviderGate, Reservation, RiskSlot, RiskTally, Verdict,
                                 add_fill, bucket_of, decimal_of, exposure_of, is_outside_band, new_reservation,
                                 notional_fault, order_fault, projects, read_order, room_breach, set_limits, set_position, take,
                                 wide_qty)
from engine.orders.strikes cimport Strikes
from engine.orders.wide cimport wide, wide_add, wide_mul
from engine.schema.approved cimport ApprovedOrder, make_approved
from engine.schema.ports cimport BookSource, TopOfBook

from engine.base.errors import InvariantError, MisuseError
from engine.orders.limits import limits_of
from engine.orders.records import KillState
from engine.orders.refusals import RiskStatistics, breaker_closed, breaker_opened, hold_change, kill_change, refusal_of
from engine.schema.instrument import Instrument
from engine.schema.order import Breach, RiskScope

cdef enum:
    # What an order itself has done wrong; a missing book, or what holds everyone back, is no strike against anybody.
    STRIKES = 1 << ORDER_VALIDATION | 1 << ORDER_TYPE | 1 << PRICE_BAND | 1 << CONCURRENCY | 1 << RATE_LIMIT \
        | 1 << POSITION_LIMIT | 1 << NOTIONAL_LIMIT | 1 << ORDER_QTY

cdef int64_t NS = 1_000_000_000


# --- risk ---------------------------------------------------------------------------------------------------


@cython.final
cdef class Risk:
    """Args:
    config: the section `risk`.
    clock: for rates, the breaker and the kill switch.
    books: our own verified books, for the price band and the cost of market orders.
    on_change: called as on_change(RiskChange) when something begins or ceases to hold orders back.
    keep: called as keep(KillState) whenever the kill switch changes; Journal.risk_state().

    Every provider begins held and down, and the journal unavailable: no order passes before the desk has said so.
    """

    def __init__(self, config, Clock clock not None, BookSource books not None, *, on_change=None, keep=None):
        self._clock = clock
        self._books = books
        self._instruments = {}
        self._gates = {}
        self._consumers = {}
        self._slots = {}
        self._tally = RiskTally.__new__(RiskTally)
        self._on_change = on_change
        self._keep = keep
        self.kill = KillState()
        self.next_ns = INT64_MAX
        self._take(config)

    cdef int _take(self, object config) except -1:
        breaker, kill = config.circuit_breaker, config.kill_switch
        if self._config is None or config.kill_switch != self._config.kill_switch:
            self._breakers = Strikes(kill.breaker_opens, kill.window_s * NS)
        if self._config is None or config.circuit_breaker != self._config.circuit_breaker:
            for consumer in list(self._consumers.values()):
                (<ConsumerRisk>consumer).strikes = Strikes(breaker.breaches, breaker.window_s * NS)
        self._open_ns = breaker.open_s * NS
        self._is_enabled = config.enabled
        self._config = config
        self._version += 1
        return 0

    # --- limits ---------------------------------------------------------------------------------------------

    @property
    def config(self):
        """The limits in force."""
        return self._config

    def set_config(self, config) -> None:
        """Other limits, in force with the next check; see limits.replaced() (RSK-12)."""
        self._take(config)

    def set_instrument(self, instrument: Instrument) -> None:
        """An instrument is known, or has changed."""
        self._instruments[instrument.provider, instrument.symbol] = instrument
        self._version += 1

    # --- the check ------------------------------------------------------------------------------------------

    cpdef object check(self, object request, bint is_trading):
        """Check an order and take its room, in one step.

        Args:
            request: OrderRequest.
            is_trading: its consumer's switch.

        Returns:
            Reservation, to be approved once the order is journaled; or Refusal.
        """
        cdef Asked asked
        cdef Verdict verdict
        cdef bint has_closed = False
        cdef bint has_opened = False
        cdef bint has_latched = False
        cdef RiskSlot slot = self._slot_of(request)
        cdef ConsumerRisk consumer = slot.consumer
        cdef Reservation taken = new_reservation(slot, request)
        while slot.version != self._version:
            self._fit(slot)
        read_order(request, slot, &asked)
        # From here to the answer no Python is run and nothing is made: one step.
        verdict.now_ns = self._clock.now_ns()
        if consumer.open_until_ns != 0 and consumer.open_until_ns <= verdict.now_ns:
            consumer.open_until_ns = 0
            has_closed = True
        verdict.breach = self._decide(slot, &asked, is_trading, &verdict)
        if verdict.breach == 0:
            take(slot, &asked, verdict.now_ns)
            taken.left = asked.qty
            taken.is_open = True
            self._tally.approved += 1
            self._tally.reserved += 1
        else:
            self._refused[verdict.breach] += 1
            if self._is_enabled and STRIKES >> verdict.breach & 1 and consumer.strikes.strike(verdict.now_ns):
                has_opened = True
                consumer.open_until_ns = verdict.now_ns + self._open_ns
                self.next_ns = min(self.next_ns, consumer.open_until_ns)
                self.breaker_opens += 1
                if self._breakers.strike(verdict.now_ns) and not self._is_killed:
                    has_latched = True
                    self._is_killed = True
        # The step is done; what it did is told.
        if has_closed:
            self._tell(breaker_closed(consumer.consumer_id, None))
        if verdict.breach == 0:
            return taken
        breach = Breach(verdict.breach)
        if has_opened:
            self._tell(breaker_opened(
                consumer.consumer_id, breach, self._config.circuit_breaker.breaches, verdict.now_ns + self._open_ns))
        if has_latched:
            self._latched(True, verdict.now_ns, None, breach)
        return self._refuse(slot, &verdict)

    cpdef ApprovedOrder approve(self, Reservation reservation, str wire_order_id):
        """The order that a gateway takes: once, for room that is still taken.

        Args:
            reservation: as check() gave it.
            wire_order_id: in the venue's spelling, as journaled.

        Raises:
            MisuseError: its room was freed, or it was approved before.
        """
        if not reservation.is_open or reservation.is_approved or reservation.slot.tally is not self._tally:
            raise MisuseError("the room of this order is free, or it was approved before", op="risk.approve",
                              hint="check the order again")
        reservation.is_approved = True
        return make_approved(reservation.request, wire_order_id, reservation)

    cdef RiskSlot _slot_of(self, object request):
        key = (request.consumer_id, request.provider, request.symbol)
        cdef RiskSlot slot = self._slots.get(key)
        if slot is not None:
            return slot
        slot = RiskSlot.__new__(RiskSlot)
        slot.provider, slot.symbol = request.provider, request.symbol
        slot.consumer = self._consumer(request.consumer_id)
        slot.gate = self._gate(request.provider)
        slot.fees = {}
        slot.tally = self._tally
        # What nobody knows is not kept: its name is whatever a caller wrote.
        if (slot.provider, slot.symbol) in self._instruments:
            return self._slots.setdefault(key, slot)
        return slot

    cdef ConsumerRisk _consumer(self, str consumer_id):
        cdef ConsumerRisk consumer = self._consumers.get(consumer_id)
        if consumer is not None:
            return consumer
        consumer = ConsumerRisk.__new__(ConsumerRisk)
        consumer.consumer_id = consumer_id
        consumer.buckets = {}
        breaker = self._config.circuit_breaker
        consumer.strikes = Strikes(breaker.breaches, breaker.window_s * NS)
        return self._consumers.setdefault(consumer_id, consumer)

    cdef ProviderGate _gate(self, str provider):
        cdef ProviderGate gate = self._gates.get(provider)
        if gate is not None:
            return gate
        gate = ProviderGate.__new__(ProviderGate)
        gate.is_held = True
        return self._gates.setdefault(provider, gate)

    cdef int _fit(self, RiskSlot slot) except -1:
        """Work out a slot's limits anew; they come in force together."""
        version = self._version
        instrument = self._instruments.get((slot.provider, slot.symbol))
        if instrument is None:
            slot.is_known = False
            slot.version = version
            return 0
        limits = limits_of(self._config, slot.consumer.consumer_id, instrument)
        rates = [bucket_of(slot.consumer, rate) for rate in limits.rates]
        tif_mask = sum([1 << int(tif) for tif in instrument.tifs]) or -1
        number = instrument.instrument_id
        set_limits(slot, limits, instrument)
        slot.rates = rates
        slot.tif_mask = tif_mask
        slot.instrument_id = number
        slot.version = version
        return 0

    cdef int _decide(self, RiskSlot slot, const Asked* asked, bint is_trading, Verdict* out) noexcept:
        """The first breach in the order of ORDM-31; 0 = none."""
        cdef Market market
        out.scale = -1
        out.fault = 0
        if not is_trading:
            return TRADING_OFF
        if slot.gate.is_held:
            return RECONCILING
        if not self._has_journal:
            return JOURNAL_UNAVAILABLE
        if not slot.gate.is_up:
            return PROVIDER_DOWN
        if self._is_killed:
            return KILL_SWITCH
        if self._is_enabled and slot.consumer.open_until_ns > out.now_ns:
            return CIRCUIT_BREAKER
        out.fault = order_fault(slot, asked)
        if out.fault:
            return ORDER_VALIDATION
        self._look(slot, asked, &market)
        out.fault = notional_fault(slot, asked, &market)
        if out.fault:
            return ORDER_VALIDATION
        if not self._is_enabled:
            return 0 if projects(slot, asked, &out.actual) else POSITION_LIMIT
        if not slot.type_mask >> (MARKET if asked.is_market else LIMIT) & 1:
            return ORDER_TYPE
        if not market.has_top and (slot.band >= 0 or (asked.is_market and slot.notional_max.whole >= 0)):
            return BOOK_UNAVAILABLE
        if slot.band >= 0 and is_outside_band(slot.band, &market, out):
            return PRICE_BAND
        return room_breach(slot, asked, &market, out)

    cdef void _look(self, RiskSlot slot, const Asked* asked, Market* out) noexcept:
        """Our own book's best prices and what the order costs, all at one scale."""
        cdef TopOfBook top
        cdef int64_t by_book = 1
        cdef int64_t by_order = 1
        out.scale = slot.price_scale
        out.price = asked.price_raw
        out.is_beyond = False
        out.has_top = self._books.top(slot.instrument_id, &top)
        if out.has_top:
            out.scale = max(slot.price_scale, top.price_scale)
            by_book = ENGINE_POW10[out.scale - top.price_scale]
            by_order = ENGINE_POW10[out.scale - slot.price_scale]
            out.sum = (<wide>top.bid_raw + top.ask_raw) * by_book
            out.price = <wide>asked.price_raw * by_order
            if asked.is_market:
                out.price = <wide>(top.ask_raw if asked.is_buy else top.bid_raw) * by_book
        out.has_price = out.has_top or not asked.is_market
        # A limit order's cost is told at the instrument's own scales, where it always fits.
        out.by = by_order if asked.is_market else 1
        out.scale_of_cost = slot.qty_scale + (out.scale if asked.is_market else slot.price_scale)
        out.is_beyond = wide_mul(out.price if asked.is_market else <wide>asked.price_raw, asked.qty_raw, &out.notional)

    cdef object _refuse(self, RiskSlot slot, Verdict* verdict):
        cdef object limit = None
        cdef object actual = None
        if verdict.scale >= 0:
            limit = decimal_of(verdict.limit, verdict.scale)
            # How many more there would be is no number that anyone counts.
            actual = None if verdict.breach == RATE_LIMIT else decimal_of(verdict.actual, verdict.scale)
        breach = Breach(verdict.breach)
        scope = slot.scopes.get(breach) if slot.scopes is not None else None
        if verdict.breach == RATE_LIMIT and verdict.rule < len(slot.rates):
            scope = (<Bucket>slot.rates[verdict.rule]).scope
        if scope is None:
            scope = RiskScope(
                consumer_id=slot.consumer.consumer_id if verdict.breach != KILL_SWITCH else None,
                provider=None if verdict.breach in (KILL_SWITCH, CIRCUIT_BREAKER) else slot.provider,
                symbol=slot.symbol if verdict.breach >= ORDER_VALIDATION else None)
        return refusal_of(breach, verdict.fault, scope, limit, actual)

    # --- what holds orders back -----------------------------------------------------------------------------

    def set_provider(self, provider: str, is_up: bool) -> None:
        """A provider's gateway can take orders, or not."""
        self._gate(provider).is_up = is_up

    def set_journal(self, is_available: bool) -> None:
        """The journal can keep an intent, or not."""
        self._has_journal = is_available

    def hold(self, provider: str, is_held: bool, text: str = "", operator: str | None = None) -> None:
        """A provider's orders are not reconciled (any more), or they are."""
        cdef ProviderGate gate = self._gate(provider)
        was, gate.is_held = gate.is_held, is_held
        if was != is_held:
            self._tell(hold_change(provider, is_held, text, operator))

    def set_kill(self, is_on: bool, operator: str | None, text: str = "") -> bool:
        """Refuse every order from now on, or no longer; only this clears it. False = so it was already (RSK-10)."""
        if self._is_killed == is_on:
            return False
        self._is_killed = is_on
        self._latched(is_on, self._clock.now_ns(), operator, None, text)
        return True

    def clear_breaker(self, consumer_id: str, operator: str | None) -> bool:
        """Close a consumer's breaker before its time. False = it was not open."""
        cdef ConsumerRisk consumer = self._consumers.get(consumer_id)
        if consumer is None or consumer.open_until_ns == 0:
            return False
        consumer.open_until_ns = 0
        consumer.strikes.forget()
        self._tell(breaker_closed(consumer.consumer_id, operator))
        return True

    def do_work(self, now_ns: int) -> int:
        """Close the breakers whose time is over; *next_ns* is when the next one's is. Returns how many."""
        cdef ConsumerRisk consumer
        cdef int64_t until_ns = now_ns
        if until_ns < self.next_ns:
            return 0
        self.next_ns = INT64_MAX
        closed = []
        for consumer in self._consumers.values():
            if consumer.open_until_ns != 0 and consumer.open_until_ns <= until_ns:
                consumer.open_until_ns = 0
                closed.append(consumer)
            elif consumer.open_until_ns != 0:
                self.next_ns = min(self.next_ns, consumer.open_until_ns)
        for consumer in closed:
            self._tell(breaker_closed(consumer.consumer_id, None))
        return len(closed)

    def open_breakers(self) -> dict[str, int]:
        """Consumers whose breaker is open, and until when."""
        return {name: (<ConsumerRisk>consumer).open_until_ns for name, consumer in self._consumers.items()
                if (<ConsumerRisk>consumer).open_until_ns}

    def _latched(self, is_on, now_ns, operator, breach, text=""):
        count = self._config.kill_switch.breaker_opens if breach is not None else 0
        if not text:
            text = f"breakers opened {count} times" if breach is not None else "by command"
        self.kill = KillState(
            is_on=is_on, since_ns=now_ns, breach=breach or Breach.NONE, breaker_opens=count, operator=operator or "",
            text=text)
        if self._keep is not None:
            self._keep(self.kill)
        self._tell(kill_change(self.kill, self._config.kill_switch.cancel_open))

    cdef object _tell(self, object change):
        if self._on_change is not None:
            self._on_change(change)

    # --- what is taken --------------------------------------------------------------------------------------

    def restore(self, positions, kill: KillState) -> None:
        """What the journal knows: positions, and the kill switch, which stands as it stood."""
        cdef RiskSlot slot
        for position in positions:
            slot = self._kept_slot(position)
            set_position(slot, position)
        self.kill = kill
        self._is_killed = kill.is_on
        if kill.is_on:
            self._tell(kill_change(kill, self._config.kill_switch.cancel_open))

    def adopt(self, request, left_qty_raw: int) -> Reservation:
        """Take room for an order that is open already, past every limit: it cannot be refused any more."""
        cdef RiskSlot slot = self._kept_slot(request)
        cdef Reservation taken = new_reservation(slot, request)
        cdef wide left
        cdef wide* place = &slot.open_buy if taken.is_buy else &slot.open_sell
        wide_qty(request, left_qty_raw, &left)
        if wide_add(place[0], left, place):
            raise InvariantError("open orders beyond 128 bits", op="risk.adopt")
        taken.left = left
        taken.is_open = taken.is_approved = True
        slot.open_orders += 1
        self._tally.reserved += 1
        return taken

    def note_fill(self, request, qty_raw: int, fees=()) -> None:
        """A fill of an order that holds no room any more; Reservation.fill() for one that does."""
        add_fill(self._kept_slot(request), request, qty_raw, fees)

    cdef RiskSlot _kept_slot(self, object whose):
        cdef RiskSlot slot = self._slot_of(whose)
        return self._slots.setdefault((whose.consumer_id, whose.provider, whose.symbol), slot)

    def exposures(self) -> tuple[Exposure, ...]:
        """Every position and what is open, of consumers in the order of their first order (ORDM-33)."""
        return tuple([exposure_of(key, slot) for key, slot in self._slots.items()])

    def statistics(self) -> RiskStatistics:
        """Counts since the start."""
        return RiskStatistics(
            approved=self._tally.approved, refused={breach: self._refused[<int>breach] for breach in Breach if breach},
            reserved=self._tally.reserved, breaker_opens=self.breaker_opens)
