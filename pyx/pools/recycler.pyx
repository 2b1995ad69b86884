cimport cython
from cpython.object cimport PyObject
from cpython.ref cimport Py_DECREF, Py_INCREF
from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcpy

import os
from weakref import WeakSet

from engine.base.clock cimport monotonic_ns
from engine.base.plants cimport planted
from engine.base.units cimport likely, unlikely
from engine.pools.blocks cimport BLOCK_CLASSES, BlockPool, blocks_out, escape_block, return_block, take_block
from engine.pools.fragments cimport leave_with_fragments, settle_fragments
from engine.pools.frames cimport FramePools
from engine.pools.lease cimport HEAP_INDEX, make_lease, row_of
from engine.pools.reset cimport begin_slot, clean, holds_levels, poison
from engine.schema.event cimport (BOOK_UPDATE, CARE_FRAGMENTS, CARE_HEAP, CONSUMER_NONE, FLAG_OVERFLOW_ALLOC, MERGED_EVENT,
                                  SLOT_DETACHED, SLOT_ESCAPED, SLOT_FREE, SLOT_LEASED, SLOT_PUBLISHED, TYPE_COUNT,
                                  Event, EventHeader, Slot, is_critical, set_poison_reporter)
from engine.schema.market cimport BookEvent, Level
from engine.schema.ports cimport ESCAPED, HELD, RECYCLED, REFUSED, EventPool

from engine.base.errors import MisuseError
from engine.pools import stacks
from engine.pools.patience import Patience, refuse_on_loop
from engine.pools.sizes import BLOCK_LEVELS, BLOCK_SLOTS, PoolStatistics, RecyclerStatistics
from engine.schema.classes import class_of
from engine.schema.enums import EventType

cdef enum:
    STACK_EVERY_NS = 1_000_000_000
_live = WeakSet()
set_poison_reporter(stacks.describe)


def live() -> list[Recycler]:
    """Every Recycler that exists in this process."""
    return list(_live)


@cython.final
cdef class Recycler(EventPool):
    """Pools of every event type (EVT-30..45, MEM-01..23).

    Args:
        capacities: EventType -> number of slots for market data and others (see engine.pools.sizes).
        reserves: EventType -> further slots that only critical kinds may take.
        debug: poison recycled slots and keep acquire and recycle stacks.
        on_problem: called as on_problem(kind, **metadata) with telemetry kinds; must not raise.
        blocks_scale: multiplies the number of level blocks.
        frames: the pools of venue bytes; None = the service profile's.
    """

    def __init__(self, capacities: dict[EventType, int], reserves: dict[EventType, int] | None = None, *,
                 debug: bool = False, on_problem=None, blocks_scale: int = 1, FramePools frames=None):
        cdef BlockPool* block
        cdef int i
        reserves = reserves or {}
        self._debug = self._watched = debug
        self._escapes = []
        self.keeper = frames if frames is not None else FramePools(debug=debug)
        self._types = {}
        self._overflow_events = {}
        self._on_problem = on_problem
        self._trace_hi = int.from_bytes(os.urandom(8), "big") | 1
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
        _live.add(self)

    def _create(self, int event_type, uint32_t capacity, uint32_t reserve) -> None:
        cdef Pool* pool = &self._pools[event_type]
        cdef Event event
        cdef uint32_t i
        cls = class_of(event_type)
        self._types[event_type] = cls
        pool.slots = <PyObject**>calloc(capacity, sizeof(PyObject*))
        pool.free_stack = <PyObject**>calloc(capacity, sizeof(PyObject*))
        if pool.slots == NULL or pool.free_stack == NULL:
            raise MemoryError(f"pool of {capacity} {cls.__name__}")
        pool.capacity = capacity
        pool.reserve = reserve
        for i in range(capacity):
            event = cls()
            begin_slot(event, i, SLOT_FREE)
            Py_INCREF(event)
            pool.slots[i] = <PyObject*>event
            pool.free_stack[capacity - 1 - i] = <PyObject*>event       # slot 0 leaves first
        pool.free_count = capacity
        pool.free_low = capacity
        pool.trace_lo = int.from_bytes(os.urandom(8), "big")
        self._set_watermark(pool)

    def __dealloc__(self):
        cdef int t
        cdef uint32_t i
        leave_with_fragments(self._pools[<int>MERGED_EVENT].slots, self._pools[<int>MERGED_EVENT].capacity)
        for t in range(TYPE_COUNT):
            if self._pools[t].slots != NULL:
                for i in range(self._pools[t].capacity):
                    if self._pools[t].slots[i] != NULL:
                        # Whoever still holds one of them has a copy of its own now.
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
        cdef Pool* pool
        # Most are book updates: where their pool lies is known without looking at the type.
        if likely(event_type == BOOK_UPDATE
                  and self._pools[<int>BOOK_UPDATE].free_count > self._pools[<int>BOOK_UPDATE].watermark):
            return self._take(&self._pools[<int>BOOK_UPDATE])
        pool = &self._pools[event_type]
        if likely(pool.free_count > pool.watermark):
            return self._take(pool)
        return self._acquire_rare(event_type)

    cdef PyObject* _acquire_rare(self, int event_type) noexcept:
        """From a pool that holds no more than its watermark: its lowest yet, or the reserve, or debug is on."""
        cdef Pool* pool = &self._pools[event_type]
        cdef PyObject* event
        if pool.free_count <= pool.reserve and not is_critical(event_type) and not planted(b"recycler.grow"):
            pool.exhausted += 1
            return NULL
        if pool.free_count == 0:
            return self._overflow(event_type)
        event = self._take(pool)
        pool.free_low = min(pool.free_low, pool.free_count)
        self._set_watermark(pool)
        return self._note_acquired(event) if self._debug else event

    cdef void _set_watermark(self, Pool* pool) noexcept:
        pool.watermark = <uint32_t>-1 if self._debug else max(pool.free_low, pool.reserve)

    cdef PyObject* _overflow(self, int event_type) noexcept:
        """A critical event past the reserve: from the heap, with the same life, counted."""
        cdef PyObject* event = self._from_heap(event_type)
        if event != NULL:
            (<Event>event).h.flags = FLAG_OVERFLOW_ALLOC
            self._tell("pool.overflow", pool=EventType(event_type).class_name,
                       overflow=self._pools[event_type].overflow_out)
        return event

    cdef PyObject* move_to_heap(self, PyObject* event) noexcept:
        """What a consumer keeps beside its mailbox holds no slot of the pool."""
        cdef PyObject* copy = self._from_heap((<Event>event).s.type)
        if copy == NULL:
            return NULL
        (<Event>copy).h = (<Event>event).h
        memcpy((<Event>copy).s.data, (<Event>event).s.data, (<Event>event).s.data_size)
        (<Event>copy).s.state = SLOT_PUBLISHED
        self.release(event)
        return copy

    cdef PyObject* _from_heap(self, int event_type) noexcept:
        cdef Pool* pool = &self._pools[event_type]
        cdef Event event
        try:
            event = self._types[event_type]()
        except MemoryError:
            return NULL
        self._overflow_events[<size_t><PyObject*>event] = event      # stands for the pool's reference
        begin_slot(event, HEAP_INDEX, SLOT_LEASED)
        event.s.care |= CARE_HEAP
        self._identify(<PyObject*>event, pool)
        pool.overflowed += 1
        pool.overflow_out += 1
        if pool.overflow_out > pool.overflow_peak:
            pool.overflow_peak = pool.overflow_out
        if self._debug:
            stacks.note_acquired(<size_t><PyObject*>event)
        return <PyObject*>event

    cdef int attach_levels(self, PyObject* event, size_t count) except -1:
        """Give a book event room for *count* levels; what it held before goes back."""
        return take_block(self._blocks, &(<BookEvent>event).b, count)

    cdef int release_many(self, PyObject** events, uint32_t count) noexcept:
        """Give one reference back for each of *count* events; returns how many recycled or escaped."""
        cdef uint32_t i
        cdef int gone = 0
        cdef Slot* slot
        for i in range(count):
            slot = &(<Event>events[i]).s
            if slot.state == SLOT_PUBLISHED and slot.refs > 1:
                slot.refs -= 1
            elif self.release(events[i]) != HELD:
                gone += 1
        return gone

    cdef int release(self, PyObject* event) noexcept:
        """Give one engine reference back; the last one recycles. Returns a Released."""
        cdef Slot* slot = &(<Event>event).s
        if unlikely(slot.state != SLOT_PUBLISHED and slot.state != SLOT_LEASED):
            return self.refuse(slot.type)
        if slot.refs > 1:
            slot.refs -= 1
            return HELD
        if likely(slot.type == BOOK_UPDATE):
            return self._recycle(event, &self._pools[<int>BOOK_UPDATE], True)
        return self._release_rare(event)

    cdef int _release_rare(self, PyObject* event) noexcept:
        """The last release of anything but a book update."""
        return self._recycle(event, &self._pools[(<Event>event).s.type], holds_levels((<Event>event).s.type))

    # -- the cold paths ---------------------------------------------------------------------------------------

    cdef PyObject* _note_acquired(self, PyObject* event) noexcept:
        """Debug: who took it is remembered; what was poisoned is clean again."""
        cdef EventHeader* h = &(<Event>event).h
        cdef uint64_t trace_lo = h.trace_lo
        clean(event, holds_levels((<Event>event).s.type))
        h.trace_hi = self._trace_hi
        h.trace_lo = trace_lo
        (<Event>event).s.state = SLOT_LEASED
        stacks.note_acquired(<size_t>event)
        return event

    cdef int _put_back_watched(self, PyObject* event) noexcept:
        """The last release where more is to do than to recycle: escape, heap memory, debug, somebody who waits."""
        cdef Slot* slot = &(<Event>event).s
        cdef Pool* pool = &self._pools[slot.type]
        try:
            if slot.care & CARE_FRAGMENTS:
                settle_fragments(self, event, refcount(event) > HELD_BY_POOL and not self._debug)
            if refcount(event) > HELD_BY_POOL or slot.care & CARE_HEAP:
                return self._escape(event)
        except BaseException:          # only memory can fail here; the slot is then lost, not reused
            return ESCAPED
        if holds_levels(slot.type):
            return_block(self._blocks, &(<BookEvent>event).b)
        slot.generation += not planted(b"recycler.keep_generation")
        slot.consumer = CONSUMER_NONE
        if self._debug:
            slot.state = SLOT_FREE     # before any Python runs: another thread's return is refused from here on
            stacks.note_recycled(<size_t>event)
            poison(<Event>event)
        else:
            clean(event, holds_levels(slot.type))
        pool.free_stack[pool.free_count] = event
        pool.free_count += 1
        pool.recycled += 1
        if self._waiters is not None:
            self._waiters.notify()
        return RECYCLED

    cdef int _escape(self, PyObject* event) except -1:
        """The slot leaves for good: user code holds it, or it came from the heap."""
        cdef Slot* slot = &(<Event>event).s
        cdef Pool* pool = &self._pools[slot.type]
        cdef Event fresh
        cdef bint kept = refcount(event) > HELD_BY_POOL
        cdef uint32_t index = slot.index
        slot.state = SLOT_ESCAPED      # before any Python runs: another thread's return is refused from here on
        slot.generation += 1
        if holds_levels(slot.type):
            if kept:
                escape_block(self._blocks, &(<BookEvent>event).b)
            else:
                return_block(self._blocks, &(<BookEvent>event).b)
        if self._debug:
            stacks.note_recycled(<size_t>event)
        if kept:
            pool.escaped += 1
            self._count_escape(max(CONSUMER_NONE, slot.consumer))
            self._tell("pool.escape", pool=EventType(slot.type).class_name, consumer_id=slot.consumer,
                       type=EventType(slot.type).class_name)
            if self._debug:
                poison(<Event>event)
        else:
            pool.recycled += 1
        if slot.care & CARE_HEAP:
            pool.overflow_out -= 1
            del self._overflow_events[<size_t>event]
            return ESCAPED if kept else RECYCLED
        fresh = self._types[slot.type]()
        begin_slot(fresh, index, SLOT_FREE)
        fresh.s.generation = slot.generation
        Py_INCREF(fresh)
        pool.slots[index] = <PyObject*>fresh
        pool.free_stack[pool.free_count] = <PyObject*>fresh
        pool.free_count += 1
        Py_DECREF(<object>event)
        if self._waiters is not None:
            self._waiters.notify()
        return ESCAPED

    cdef int release_token(self, int event_type, uint32_t index, uint32_t generation) noexcept:
        """Release by (slot, generation): refused, harmlessly, once the slot has moved on."""
        cdef Pool* pool = &self._pools[event_type]
        if index >= pool.capacity or (<Event>pool.slots[index]).s.generation != generation:
            return self.refuse(event_type)
        return self.release(pool.slots[index])

    cdef int refuse(self, int event_type) noexcept:
        """Count a second return; its stack goes to telemetry, at most one a second."""
        cdef int64_t now_ns = monotonic_ns()
        self._pools[event_type].refused += 1
        if self._on_problem is not None:
            stack = None
            if now_ns >= self._next_stack_ns:
                self._next_stack_ns = now_ns + STACK_EVERY_NS
                stack = stacks.current_stack()
            name = EventType(event_type).class_name
            self._tell("recycler.double_recycle", pool=name, type=name, stacks=stack)
        return REFUSED

    def _count_escape(self, consumer: int) -> None:
        while len(self._escapes) <= consumer + 1:
            self._escapes.append(0)
        self._escapes[consumer + 1] += 1       # place 0: taken outside any consumer's callback

    def _tell(self, str kind not None, **metadata) -> None:
        if self._on_problem is not None:
            self._on_problem(kind, **metadata)

    # -- callers off the loop ---------------------------------------------------------------------------------

    def acquire_lease(self, event_type: EventType):
        """Take a slot at once, as a token; None when the pool is exhausted.

        Raises:
            MisuseError: there is no pool of this type.
        """
        if int(event_type) not in self._types:
            raise MisuseError(f"there is no pool of {EventType(event_type).class_name}", op="pools.acquire")
        cdef PyObject* event = self.acquire_nowait(int(event_type))
        return None if event == NULL else make_lease(self, event)

    def acquire(self, event_type: EventType, timeout_s: float = 0.1):
        """Take a slot, waiting up to *timeout_s*; for threads other than the engine's loop.

        Raises:
            WrongThreadError: called where an event loop runs, which must never wait.
            PoolTimeoutError: nothing came back in time; names pool, use, capacity and the longest holder.
            MisuseError: there is no pool of this type.
        """
        refuse_on_loop("pools.acquire", "acquire()", "use acquire_async() or acquire_lease() there")
        lease = self.acquire_lease(event_type)
        if lease is None:
            lease = self._patience().wait(event_type, lambda: self.acquire_lease(event_type), timeout_s)
        return lease

    async def acquire_async(self, event_type: EventType, timeout_s: float = 0.1):
        """Take a slot, awaiting up to *timeout_s* without holding the loop.

        Raises:
            PoolTimeoutError: nothing came back in time.
            MisuseError: there is no pool of this type.
        """
        lease = self.acquire_lease(event_type)
        if lease is None:
            lease = await self._patience().wait_async(event_type, lambda: self.acquire_lease(event_type), timeout_s)
        return lease

    def drain(self, timeout_s: float) -> bool:
        """Wait until everything is back, up to *timeout_s*; whether it is.

        Raises:
            WrongThreadError: called where an event loop runs.
        """
        refuse_on_loop("pools.drain", "drain()", "call it once the loop has ended")
        return self._patience().drained(timeout_s)

    def _patience(self):
        patience = Patience(self, self._tell)
        if self._waiters is None:
            self._waiters = patience
            self._watched = True
        return self._waiters

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
                in_use=pool.capacity - pool.free_count + pool.overflow_out, acquired=pool.acquired,
                in_use_peak=pool.capacity - pool.free_low + pool.overflow_peak, recycled=pool.recycled,
                escaped=pool.escaped, overflowed=pool.overflowed, refused=pool.refused, exhausted=pool.exhausted)
        pools.update((<FramePools>self.keeper).statistics())
        blocks = {}
        for i in range(BLOCK_CLASSES):
            block = &self._blocks[<int>i]
            blocks[block.levels] = PoolStatistics(
                capacity=block.capacity, reserve=0, in_use=blocks_out(block), in_use_peak=block.out_peak, refused=0,
                acquired=block.acquired, recycled=block.recycled, escaped=block.escaped,
                overflowed=block.overflowed, exhausted=0)
        return RecyclerStatistics(pools=pools, blocks=blocks, escapes_by_consumer=tuple(self._escapes))

    def outstanding(self, limit: int = 100) -> list[dict[str, object]]:
        """What is out, the longest first: type, slot (None = heap), references, holder and arrival.

        In debug also age_ns since the acquire and its stack, else None. Holder: the consumer that kept it, or engine.
        """
        cdef Pool* pool
        cdef uint32_t i
        cdef int64_t now_ns = monotonic_ns()           # one for all: what was taken first is the oldest
        found = (<FramePools>self.keeper).outstanding()
        for event_type in self._types:
            pool = &self._pools[<int>event_type]
            for i in range(pool.capacity):
                if (<Event>pool.slots[i]).s.state in (SLOT_LEASED, SLOT_PUBLISHED):
                    found.append(row_of(<Event>pool.slots[i], self._debug, now_ns))
        found.extend([row_of(event, self._debug, now_ns) for event in self._overflow_events.values()])
        found.sort(key=lambda row: (-(row["age_ns"] or 0), row["ts_recv_ns"]))
        return found[:limit]

    @property
    def debug(self) -> bool:
        """Whether recycled slots are poisoned."""
        return self._debug

    def set_debug(self, on: bool) -> None:
        """Switch poisoning and stacks; what was poisoned before stays so until it is used again."""
        cdef Pool* pool
        cdef uint32_t i
        self._debug = (<FramePools>self.keeper).debug = on
        self._watched = on or self._waiters is not None
        for event_type in self._types:
            pool = &self._pools[<int>event_type]
            self._set_watermark(pool)
            if not on:                     # in release nobody cleans a slot before its next life
                for i in range(pool.free_count):
                    clean(pool.free_stack[i], holds_levels(event_type))
