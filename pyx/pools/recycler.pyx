from cpython.object cimport PyObject
from cpython.ref cimport Py_DECREF, Py_INCREF
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free, malloc
from libc.string cimport memset

import os
import traceback

from engine.schema.event cimport (FLAG_OVERFLOW_ALLOC, SLOT_DETACHED, SLOT_ESCAPED, SLOT_FREE, SLOT_LEASED,
                                  SLOT_POISONED, SLOT_PUBLISHED, TYPE_COUNT, Event, EventHeader, Slot,
                                  is_critical, set_poison_reporter)
from engine.schema.market cimport BookData, BookEvent, Level
from engine.schema.ports cimport ESCAPED, HELD, RECYCLED, REFUSED, EventPool, EventSink

import engine.schema.control  # registers its event classes
import engine.schema.market  # the same
from engine.base.errors import DoubleRecycleError, MisuseError, PoolTimeoutError, WrongThreadError
from engine.base.workers import Waiting
from engine.pools.sizes import BLOCK_LEVELS, BLOCK_SLOTS, PoolStatistics, RecyclerStatistics
from engine.schema.enums import EventType
from engine.schema.event import class_of

cdef extern from "Python.h":
    Py_ssize_t refcount "Py_REFCNT"(PyObject* target) nogil

cdef enum:
    HEAP_INDEX = 0xFFFFFFFF    # slot index of an overflow event
    HELD_BY_POOL = 1           # Python references of an event that only its pool holds

cdef uint32_t POISON = 0xDEADBEEF


cdef inline bint holds_levels(int event_type) noexcept:
    return event_type == 1 or event_type == 2      # BOOK_SNAPSHOT, BOOK_UPDATE


cdef void fill_pattern(void* place, size_t size) noexcept:
    cdef uint32_t* words = <uint32_t*>place
    cdef size_t i
    for i in range(size // 4):
        words[i] = POISON


cdef class Recycler(EventPool):
    """Pools of every event type (EVT-30..45, MEM-01..23).

    Args:
        capacities: EventType -> number of slots for market data and others (see engine.pools.sizes).
        reserves: EventType -> further slots that only critical kinds may take.
        debug: poison recycled slots and keep acquire and recycle stacks.
        on_problem: called as on_problem(kind, **metadata) with telemetry kinds; must not raise.
        blocks_scale: multiplies the number of level blocks.
    """

    def __init__(self, capacities: dict[EventType, int], reserves: dict[EventType, int] | None = None, *,
                 debug: bool = False, on_problem=None, blocks_scale: int = 1):
        cdef int i
        cdef BlockPool* block
        reserves = reserves or {}
        self._debug = debug
        self._escapes = []
        self._stacks = {}
        self._types = {}
        self._on_problem = on_problem
        self._waiters = None
        self._trace_hi = int.from_bytes(os.urandom(8), "big") | 1
        self._trace_lo = int.from_bytes(os.urandom(8), "big")
        for event_type, capacity in capacities.items():
            if capacity < 1:
                raise MisuseError(f"pool of {EventType(event_type).class_name} with {capacity} slots",
                                  op="pools.create", hint="a pool needs at least 1 slot")
            self._create(int(event_type), capacity + reserves.get(event_type, 0), reserves.get(event_type, 0))
        for i in range(BLOCK_CLASSES):
            block = &self._blocks[i]
            block.levels = BLOCK_LEVELS[i]
            block.capacity = max(1, BLOCK_SLOTS[i] * (blocks_scale if i < BLOCK_CLASSES - 1 else 1))
            block.free_stack = <Level**>calloc(block.capacity, sizeof(Level*))
            if block.free_stack == NULL:
                raise MemoryError("level blocks")
        if debug:
            set_poison_reporter(self._describe)

    def _create(self, int event_type, uint32_t capacity, uint32_t reserve) -> None:
        cdef Pool* pool = &self._pools[event_type]
        cdef Event event
        cdef uint32_t i
        cls = class_of(event_type)
        self._types[event_type] = cls
        pool.slots = <PyObject**>calloc(capacity, sizeof(PyObject*))
        pool.free_stack = <uint32_t*>calloc(capacity, sizeof(uint32_t))
        if pool.slots == NULL or pool.free_stack == NULL:
            raise MemoryError(f"pool of {capacity} {cls.__name__}")
        pool.capacity = capacity
        pool.reserve = reserve
        for i in range(capacity):
            event = cls()
            event.s.index = i
            event.s.state = SLOT_FREE
            event.s.consumer = -1
            Py_INCREF(event)
            pool.slots[i] = <PyObject*>event
            pool.free_stack[capacity - 1 - i] = i       # slot 0 leaves first
        pool.free_count = capacity
        pool.free_low = capacity

    def __dealloc__(self):
        cdef int t
        cdef uint32_t i
        for t in range(TYPE_COUNT):
            if self._pools[t].slots != NULL:
                for i in range(self._pools[t].capacity):
                    if self._pools[t].slots[i] != NULL:
                        (<Event>self._pools[t].slots[i]).s.state = SLOT_DETACHED
                        Py_DECREF(<object>self._pools[t].slots[i])
            free(self._pools[t].slots)
            free(self._pools[t].free_stack)
        for t in range(BLOCK_CLASSES):
            for i in range(self._blocks[t].free_count):
                free(self._blocks[t].free_stack[i])
            free(self._blocks[t].free_stack)

    # -- the hot path -----------------------------------------------------------------------------------------

    cdef PyObject* acquire_nowait(self, int event_type) noexcept:
        """Take a slot, clean but for its trace id; NULL when market data finds the pool exhausted."""
        cdef Pool* pool = &self._pools[event_type]
        cdef PyObject* event
        if pool.free_count <= pool.reserve and (pool.free_count == 0 or not is_critical(event_type)):
            if not is_critical(event_type):
                pool.exhausted += 1
                return NULL
            return self._overflow(event_type)
        pool.free_count -= 1
        if pool.free_count < pool.free_low:
            pool.free_low = pool.free_count
        pool.acquired += 1
        event = pool.slots[pool.free_stack[pool.free_count]]
        if self._debug:
            memset(&(<Event>event).h, 0, sizeof(EventHeader))
            memset((<Event>event).s.data, 0, (<Event>event).s.data_size)
            self._note(event, 0)
        (<Event>event).s.state = SLOT_LEASED
        (<Event>event).s.refs = 1
        self._trace_lo += <uint64_t>0x9E3779B97F4A7C15
        (<Event>event).h.trace_hi = self._trace_hi
        (<Event>event).h.trace_lo = self._trace_lo
        return event

    cdef PyObject* _overflow(self, int event_type) noexcept:
        """A critical event past the reserve: from the heap, with the same life, counted."""
        cdef Pool* pool = &self._pools[event_type]
        cdef Event event
        try:
            event = self._types[event_type]()
        except MemoryError:
            return NULL
        Py_INCREF(event)                     # stands for the pool's reference
        event.s.index = HEAP_INDEX
        event.s.overflow = 1
        event.s.consumer = -1
        event.s.state = SLOT_LEASED
        event.s.refs = 1
        event.h.flags = FLAG_OVERFLOW_ALLOC
        self._trace_lo += <uint64_t>0x9E3779B97F4A7C15
        event.h.trace_hi = self._trace_hi
        event.h.trace_lo = self._trace_lo
        pool.acquired += 1
        pool.overflowed += 1
        pool.overflow_out += 1
        self._tell("pool.overflow", pool=EventType(event_type).class_name, overflow=pool.overflow_out)
        return <PyObject*>event

    cdef int attach_levels(self, PyObject* event, size_t count) except -1:
        """Give a book event room for *count* levels; what it held before goes back."""
        cdef BookData* book = &(<BookEvent>event).b
        cdef BlockPool* block
        cdef int i
        if book.levels != NULL:
            if book.capacity >= count:
                return 0
            self._return_block(event)
        if count == 0:
            return 0
        for i in range(BLOCK_CLASSES):
            block = &self._blocks[i]
            if block.levels >= count:
                block.acquired += 1
                if block.free_count:
                    block.free_count -= 1
                    book.levels = block.free_stack[block.free_count]
                else:
                    if block.acquired - block.recycled - block.escaped > block.capacity:
                        block.overflowed += 1
                    book.levels = <Level*>malloc(block.levels * sizeof(Level))
                book.capacity = block.levels
                book.block_class = <uint8_t>i
                break
        else:
            book.levels = <Level*>malloc(count * sizeof(Level))
            book.capacity = <uint32_t>count
            book.block_class = BLOCK_NONE
        if book.levels == NULL:
            raise MemoryError(f"{count} levels")
        return 0

    cdef int _return_block(self, PyObject* event) noexcept:
        cdef BookData* book = &(<BookEvent>event).b
        cdef BlockPool* block
        if book.levels == NULL:
            return 0
        if book.block_class != BLOCK_NONE:
            block = &self._blocks[book.block_class]
            block.recycled += 1
            if block.free_count < block.capacity:
                block.free_stack[block.free_count] = book.levels
                block.free_count += 1
                book.levels = NULL
        free(book.levels)
        book.levels = NULL
        book.block_class = BLOCK_NONE
        return 0

    cdef int publish(self, PyObject* event) noexcept:
        """Freeze: from here on nobody writes but the stages that stamp."""
        (<Event>event).s.state = SLOT_PUBLISHED
        return 0

    cdef int retain(self, PyObject* event, int count) noexcept:
        (<Event>event).s.refs += count
        return 0

    cdef int release_many(self, PyObject** events, uint32_t count) noexcept:
        """Give one reference back for each of *count* events; returns how many recycled or escaped."""
        cdef uint32_t i
        cdef int gone = 0
        for i in range(count):
            if (<Event>events[i]).s.state == SLOT_PUBLISHED and (<Event>events[i]).s.refs > 1:
                (<Event>events[i]).s.refs -= 1
            elif self.release(events[i]) != HELD:
                gone += 1
        return gone

    cdef int release(self, PyObject* event) noexcept:
        """Give one engine reference back; the last one recycles. Returns a Released."""
        cdef uint8_t state = (<Event>event).s.state
        if state != SLOT_PUBLISHED and state != SLOT_LEASED:
            self._pools[(<Event>event).s.type].refused += 1
            self._tell_refused(<object>event)
            return REFUSED
        (<Event>event).s.refs -= 1
        if (<Event>event).s.refs > 0:
            return HELD
        return self._put_back(event)

    cdef int _put_back(self, PyObject* event) noexcept:
        cdef Slot* slot = &(<Event>event).s
        cdef Pool* pool = &self._pools[slot.type]
        if refcount(event) > HELD_BY_POOL or slot.overflow:
            try:
                return self._escape(event)
            except BaseException:      # only memory can fail here; the slot is then lost, not reused
                return ESCAPED
        if holds_levels(slot.type):
            self._return_block(event)
        slot.generation += 1
        slot.consumer = -1
        pool.recycled += 1
        if self._debug:
            self._note(event, 1)
            fill_pattern(&(<Event>event).h, sizeof(EventHeader))
            fill_pattern(slot.data, slot.data_size)
            if holds_levels(slot.type):
                (<BookEvent>event).b.levels = NULL
            slot.state = SLOT_POISONED
        else:
            memset(&(<Event>event).h, 0, sizeof(EventHeader))
            memset(slot.data, 0, slot.data_size)
            slot.state = SLOT_FREE
        pool.free_stack[pool.free_count] = slot.index
        pool.free_count += 1
        if self._waiters is not None:
            self._wake()
        return RECYCLED

    # -- the cold paths ---------------------------------------------------------------------------------------

    cdef int _escape(self, PyObject* event) except -1:
        """The slot leaves for good: user code holds it, or it came from the heap."""
        cdef Slot* slot = &(<Event>event).s
        cdef Pool* pool = &self._pools[slot.type]
        cdef Event fresh
        cdef bint kept = refcount(event) > HELD_BY_POOL
        cdef uint32_t index = slot.index
        cdef Level* levels = NULL
        slot.generation += 1
        if self._debug:
            self._note(event, 1)
        if kept:
            pool.escaped += 1
            self._count_escape(slot.consumer)
            self._tell("pool.escape", pool=EventType(slot.type).class_name, consumer_id=slot.consumer,
                       type=EventType(slot.type).class_name)
            if holds_levels(slot.type) and (<BookEvent>event).b.block_class != BLOCK_NONE:
                self._blocks[(<BookEvent>event).b.block_class].escaped += 1
        else:
            pool.recycled += 1
            if holds_levels(slot.type):
                self._return_block(event)
        slot.state = SLOT_ESCAPED
        if self._debug and kept:
            # Views the user exported keep their memory: the levels' own pointer survives the poisoning.
            if holds_levels(slot.type):
                levels = (<BookEvent>event).b.levels
            fill_pattern(&(<Event>event).h, sizeof(EventHeader))
            fill_pattern(slot.data, slot.data_size)
            if holds_levels(slot.type):
                (<BookEvent>event).b.levels = levels
            slot.state = SLOT_POISONED
        if slot.overflow:
            pool.overflow_out -= 1
            Py_DECREF(<object>event)
            return RECYCLED if not kept else ESCAPED
        fresh = self._types[slot.type]()
        fresh.s.index = index
        fresh.s.state = SLOT_FREE
        fresh.s.consumer = -1
        fresh.s.generation = slot.generation
        Py_INCREF(fresh)
        pool.slots[index] = <PyObject*>fresh
        pool.free_stack[pool.free_count] = index
        pool.free_count += 1
        Py_DECREF(<object>event)
        if self._waiters is not None:
            self._wake()
        return ESCAPED

    cdef int release_token(self, int event_type, uint32_t index, uint32_t generation) noexcept:
        """Release by (slot, generation): refused, harmlessly, once the slot has moved on."""
        cdef Pool* pool = &self._pools[event_type]
        cdef PyObject* event
        if index >= pool.capacity:
            pool.refused += 1
            return REFUSED
        event = pool.slots[index]
        if (<Event>event).s.generation != generation:
            pool.refused += 1
            self._tell_refused(<object>event)
            return REFUSED
        return self.release(event)

    cdef int _note(self, PyObject* event, int which) except -1:
        key = ((<Event>event).s.type, (<Event>event).s.index)
        stacks = self._stacks.setdefault(key, ["", ""])
        stacks[which] = "".join(traceback.format_stack(limit=12))
        if which == 0:
            stacks[1] = ""
        return 0

    def _describe(self, event_type: int, index: int) -> str:
        acquired, recycled = self._stacks.get((event_type, index), ("", ""))
        return f"\nacquired at:\n{acquired}recycled at:\n{recycled}"

    def _count_escape(self, consumer: int) -> None:
        while len(self._escapes) <= consumer + 1:
            self._escapes.append(0)
        self._escapes[consumer + 1] += 1       # place 0: taken outside any consumer's callback

    def _tell(self, str kind not None, **metadata) -> None:
        if self._on_problem is not None:
            self._on_problem(kind, **metadata)

    def _tell_refused(self, event) -> None:
        cdef Event e = event
        stack = "".join(traceback.format_stack(limit=8))
        self._tell("recycler.double_recycle", pool=EventType(e.s.type).class_name,
                   type=EventType(e.s.type).class_name, stacks=stack)

    def _wake(self) -> None:
        self._waiters.notify()

    # -- callers off the loop ---------------------------------------------------------------------------------

    def acquire_lease(self, event_type: EventType):
        """Take a slot at once, as a token; None when the pool is exhausted."""
        cdef PyObject* event = self.acquire_nowait(int(event_type))
        if event == NULL:
            return None
        return make_lease(self, event)

    def acquire(self, event_type: EventType, timeout_s: float = 0.1):
        """Take a slot, waiting up to *timeout_s*; for threads other than the engine's loop.

        Raises:
            WrongThreadError: called where an event loop runs, which must never wait.
            PoolTimeoutError: nothing came back in time; names pool, use, capacity and the longest holder.
        """
        waiting = Waiting()
        if waiting.on_loop():
            raise WrongThreadError("acquire() waits and was called on an event loop's thread", op="pools.acquire",
                                   hint="use acquire_async() or acquire_lease() there")
        lease = self.acquire_lease(event_type)
        if lease is not None:
            return lease
        self._waiters = self._waiters or waiting
        waiting = self._waiters
        lease = waiting.until(lambda: self.acquire_lease(event_type), timeout_s)
        if lease is None:
            raise self._timed_out(event_type, timeout_s)
        return lease

    async def acquire_async(self, event_type: EventType, timeout_s: float = 0.1):
        """Take a slot, awaiting up to *timeout_s* without holding the loop.

        Raises:
            PoolTimeoutError: nothing came back in time.
        """
        lease = self.acquire_lease(event_type)
        if lease is not None:
            return lease
        self._waiters = self._waiters or Waiting()
        lease = await self._waiters.until_async(lambda: self.acquire_lease(event_type), timeout_s)
        if lease is None:
            raise self._timed_out(event_type, timeout_s)
        return lease

    def _timed_out(self, event_type, timeout_s):
        row = self.statistics().pools[EventType(event_type).class_name]
        holders = self.outstanding(1)
        longest = f", longest held: slot {holders[0]['index']}" if holders else ""
        self._tell("pool.exhausted", pool=EventType(event_type).class_name, in_use=row.in_use,
                   capacity=row.capacity, waited_ms=int(timeout_s * 1000))
        return PoolTimeoutError(
            f"no {EventType(event_type).class_name} in {timeout_s * 1000:.0f} ms: {row.in_use} of {row.capacity} "
            f"in use{longest}", op="pools.acquire", hint="release what is held, or raise pools.<type>.capacity")

    # -- operators and tests ----------------------------------------------------------------------------------

    def statistics(self) -> RecyclerStatistics:
        """A frozen record of every pool, by type name."""
        cdef Pool* pool
        cdef BlockPool* block
        pools = {}
        for event_type in self._types:
            pool = &self._pools[<int>event_type]
            pools[EventType(event_type).class_name] = PoolStatistics(
                capacity=pool.capacity, reserve=pool.reserve,
                in_use=pool.capacity - pool.free_count + pool.overflow_out,
                in_use_peak=pool.capacity - pool.free_low, acquired=pool.acquired, recycled=pool.recycled,
                escaped=pool.escaped, overflowed=pool.overflowed, refused=pool.refused, exhausted=pool.exhausted)
        blocks = {}
        for i in range(BLOCK_CLASSES):
            block = &self._blocks[<int>i]
            out = block.acquired - block.recycled - block.escaped
            blocks[block.levels] = PoolStatistics(
                capacity=block.capacity, reserve=0, in_use=out, in_use_peak=out, acquired=block.acquired,
                recycled=block.recycled, escaped=block.escaped, overflowed=block.overflowed, refused=0, exhausted=0)
        return RecyclerStatistics(pools=pools, blocks=blocks, escapes_by_consumer=tuple(self._escapes))

    def outstanding(self, limit: int = 100) -> list[dict[str, object]]:
        """What is out: type, slot, references, last consumer and, in debug, the acquire stack."""
        cdef Pool* pool
        cdef uint32_t i
        cdef Event event
        found = []
        for event_type in self._types:
            pool = &self._pools[<int>event_type]
            for i in range(pool.capacity):
                event = <Event>pool.slots[i]
                if event.s.state in (SLOT_LEASED, SLOT_PUBLISHED):
                    found.append({"type": EventType(event_type).class_name, "index": i, "refs": event.s.refs,
                                  "ts_recv_ns": event.h.ts_recv_ns, "consumer": event.s.consumer,
                                  "acquired_at": self._stacks.get((event_type, i), ("", ""))[0]})
        found.sort(key=lambda row: row["ts_recv_ns"])
        return found[:limit]

    @property
    def debug(self) -> bool:
        """Whether recycled slots are poisoned."""
        return self._debug

    def set_debug(self, on: bool) -> None:
        """Switch poisoning and stacks; slots at rest keep their state until they are next used."""
        self._debug = on
        set_poison_reporter(self._describe if on else None)


cdef Lease make_lease(Recycler recycler, PyObject* event):
    cdef Lease lease = Lease.__new__(Lease)
    lease._recycler = recycler
    lease._event = event
    lease.type = (<Event>event).s.type
    lease.index = (<Event>event).s.index
    lease.generation = (<Event>event).s.generation
    return lease


cdef class Lease:
    """A slot taken off the hot path. It holds the engine's reference, not a Python one: release() ends it."""

    def event(self):
        """The event itself; whoever keeps it past release() makes the slot escape."""
        return <Event>self._event

    def fill(self, str name not None, value) -> None:
        """Set one field before publish().

        Raises:
            MisuseError: the event is published already.
        """
        cdef Event event = <Event>self._event
        if event.s.state != SLOT_LEASED:
            raise MisuseError(f"{name} set after publish", op="pools.fill", hint="events are immutable once published")
        if holds_levels(event.s.type) and name in ("bids", "asks"):
            self._fill_levels(name, list(value))
            return
        event.s.state = SLOT_DETACHED
        try:
            event.fill(name, value)
        finally:
            event.s.state = SLOT_LEASED

    def _fill_levels(self, str name, list rows) -> None:
        cdef BookEvent event = <BookEvent>self._event
        bids = rows if name == "bids" else list(event.bids)
        asks = rows if name == "asks" else list(event.asks)
        self._recycler.attach_levels(self._event, len(bids) + len(asks))
        for i, (price_raw, qty_raw) in enumerate(bids + asks):
            event.b.levels[<int>i].price_raw = price_raw
            event.b.levels[<int>i].qty_raw = qty_raw
        event.b.bid_count = len(bids)
        event.b.ask_count = len(asks)

    def publish(self) -> None:
        """Freeze the event."""
        self._recycler.publish(self._event)

    def retain(self) -> None:
        """Add one engine reference."""
        self._recycler.retain(self._event, 1)

    def offer_to(self, EventSink sink not None) -> str:
        """Hand the event, published, and this lease's reference to a stage: ``accepted``, ``coalesced`` or ``full``.

        With ``full`` the lease still owes its release; else it is over.
        """
        return ("accepted", "coalesced", "full")[sink.offer(self._event)]

    def release(self) -> str:
        """Give one engine reference back: ``held``, ``recycled``, ``escaped`` or ``refused``.

        Raises:
            DoubleRecycleError: refused, in debug.
        """
        cdef int outcome
        if self.index == HEAP_INDEX:
            outcome = self._recycler.release(self._event) if self._event != NULL else REFUSED
            if outcome == RECYCLED or outcome == ESCAPED:
                self._event = NULL
        else:
            outcome = self._recycler.release_token(self.type, self.index, self.generation)
        if outcome == REFUSED and self._recycler._debug:
            raise DoubleRecycleError(f"{EventType(self.type).class_name} slot {self.index} recycled twice",
                                     op="pools.release", hint="release once for each retain and one for the lease")
        return ("held", "recycled", "escaped", "refused")[outcome]
