from cpython.object cimport PyObject

from engine.schema.event cimport CARE_HEAP, SLOT_DETACHED, SLOT_LEASED, SLOT_PUBLISHED, Event, publish, retain
from engine.schema.market cimport BookEvent
from engine.schema.ports cimport FULL, REFUSED, EventPool, EventSink

from operator import index

from engine.base.errors import DoubleRecycleError, MisuseError
from engine.pools import stacks
from engine.schema.enums import EventType, OrderingMode

_OFFER_NAMES = ("accepted", "coalesced", "full")
_RELEASE_NAMES = ("held", "recycled", "escaped", "refused")


cdef Lease make_lease(EventPool pool, PyObject* event):
    cdef Lease lease = Lease.__new__(Lease)
    lease._pool = pool
    lease._event = event
    lease.type = (<Event>event).s.type
    lease.index = (<Event>event).s.index
    lease.generation = (<Event>event).s.generation
    lease.held = 1
    return lease


cdef class Lease:
    """A slot taken off the hot path: fill(), publish(), then release() or offer_to().

    It holds the engine's reference, not a Python one. Every call after the last reference was given back or handed
    over is refused, whoever owns the slot by then.
    """

    cdef int _need(self, str op) except -1:
        if self.held == 0:
            raise MisuseError(f"the lease of {EventType(self.type).class_name} slot {self.index} has ended", op=op,
                              hint="release() and offer_to() end it; acquire another")
        return 0

    def event(self):
        """The event itself; whoever keeps it past its last release makes the slot escape.

        Raises:
            MisuseError: the lease has ended.
        """
        self._need("pools.event")
        return <Event>self._event

    def fill(self, str name not None, value) -> None:
        """Set one field before publish().

        Raises:
            MisuseError: the event is published already, or the lease has ended.
            AttributeError: the event has no such field, or it follows from others.
            BufferError: levels of which an array is in use.
        """
        self._need("pools.fill")
        cdef Event event = <Event>self._event
        if event.s.state != SLOT_LEASED:
            raise MisuseError(f"{name} set after publish", op="pools.fill", hint="events are immutable once published")
        if isinstance(event, BookEvent) and name in ("bids", "asks"):
            self._fill_levels(name, list(value))
            return
        event.s.state = SLOT_DETACHED
        try:
            event.fill(name, value)
        finally:
            event.s.state = SLOT_LEASED

    def fill_all(self, dict fields not None) -> None:
        """Set several fields, none of them levels, as fill() does each.

        Raises:
            MisuseError: the event is published already, or the lease has ended.
            AttributeError: the event has no such field, or it follows from others.
        """
        self._need("pools.fill")
        cdef Event event = <Event>self._event
        if event.s.state != SLOT_LEASED:
            raise MisuseError("fields set after publish", op="pools.fill", hint="events are immutable once published")
        event.s.state = SLOT_DETACHED
        try:
            for name, value in fields.items():
                event.fill(name, value)
        finally:
            event.s.state = SLOT_LEASED

    def _fill_levels(self, str name, list rows) -> None:
        cdef BookEvent event = <BookEvent>self._event
        bids = rows if name == "bids" else list(event.bids)
        asks = rows if name == "asks" else list(event.asks)
        event.may_move_levels()
        self._pool.attach_levels(self._event, len(bids) + len(asks))
        for i, (price_raw, qty_raw) in enumerate(bids + asks):
            event.b.levels[<int>i].price_raw = index(price_raw)
            event.b.levels[<int>i].qty_raw = index(qty_raw)
        event.b.bid_count = len(bids)
        event.b.ask_count = len(asks)

    def publish(self, ordering: OrderingMode = OrderingMode.NONE) -> None:
        """Freeze the event; *ordering* declares how its stream's numbers are read (EVT-61).

        Raises:
            MisuseError: the lease has ended.
        """
        self._need("pools.publish")
        (<Event>self._event).h.ordering = ordering if type(ordering) is OrderingMode else OrderingMode(ordering)
        publish(self._event)

    def retain(self) -> None:
        """Add one engine reference, which this lease then owes.

        Raises:
            MisuseError: the lease has ended.
        """
        self._need("pools.retain")
        retain(self._event, 1)
        self.held += 1

    def offer_to(self, EventSink sink not None) -> str:
        """Hand one reference of a published event to a stage.

        Returns:
            ``accepted`` or ``coalesced``: the reference is the stage's now, as it is when the stage raises;
            ``full``: it stays with the lease.

        Raises:
            MisuseError: the event is not published yet, or the lease has ended.
        """
        cdef int outcome
        self._need("pools.offer")
        if (<Event>self._event).s.state != SLOT_PUBLISHED:
            raise MisuseError(f"{EventType(self.type).class_name} offered before publish", op="pools.offer",
                              hint="call publish() first: what stages share is frozen")
        self.held -= 1                     # the slot may be another's before offer() returns
        outcome = sink.offer(self._event)
        if outcome == FULL:
            self.held += 1
        return _OFFER_NAMES[outcome]

    def release(self) -> str:
        """Give one engine reference back: ``held``, ``recycled``, ``escaped`` or ``refused``.

        Raises:
            DoubleRecycleError: refused, in debug.
        """
        cdef int outcome
        if self.held == 0:
            outcome = self._pool.refuse(self.type)
        else:
            self.held -= 1
            if self.index == HEAP_INDEX:
                outcome = self._pool.release(self._event)
            else:
                outcome = self._pool.release_token(self.type, self.index, self.generation)
        if outcome == REFUSED and self._pool.debug:
            raise DoubleRecycleError(f"{EventType(self.type).class_name} slot {self.index} recycled twice",
                                     op="pools.release", hint="release once for each retain and one for the lease")
        return _RELEASE_NAMES[outcome]


cdef dict row_of(Event event, bint debug, int64_t now_ns):
    """What is told of an event that is out; with its history in debug, its age as of *now_ns* (monotonic)."""
    history = stacks.history_of(<size_t><PyObject*>event) if debug else None
    return {"type": EventType(event.s.type).class_name, "index": None if event.s.care & CARE_HEAP else event.s.index,
            "refs": event.s.refs, "holder": "engine" if event.s.consumer < 0 else f"consumer {event.s.consumer}",
            "ts_recv_ns": event.h.ts_recv_ns,
            "age_ns": None if history is None else now_ns - history.acquired_ns,
            "acquired_at": None if history is None else history.acquired}
