"""What becomes of a slot's fields between two lives: cleared, and in debug filled with a pattern. Inline only."""
from libc.stdint cimport uint32_t
from libc.string cimport memset

from engine.base.plants cimport planted
from engine.schema.event cimport BOOK_SNAPSHOT, BOOK_UPDATE, SLOT_FREE, SLOT_POISONED, Event, EventHeader, Slot
from engine.schema.market cimport BookData, BookEvent, Level

cdef enum:
    POISON = 0xDEADBEEF


cdef inline bint holds_levels(int event_type) noexcept nogil:
    return event_type == BOOK_SNAPSHOT or event_type == BOOK_UPDATE


cdef inline void fill_pattern(void* place, size_t size) noexcept nogil:
    cdef uint32_t* words = <uint32_t*>place
    cdef size_t i
    for i in range(size // 4):
        words[i] = <uint32_t>POISON


cdef inline void clean(EventHeader* h, Slot* slot) noexcept nogil:
    """A slot as if it had never been used; its levels must be gone already."""
    memset(h, 0, sizeof(EventHeader))
    if not planted(b"recycler.keep_fields"):
        if holds_levels(slot.type):
            memset(slot.data, 0, sizeof(BookData))      # the usual case, its size known to the compiler
        else:
            memset(slot.data, 0, slot.data_size)
    slot.state = SLOT_FREE


cdef inline void poison(Event event) noexcept:
    """Debug: whoever reads the slot from here on is told so. Memory behind exported views keeps its content."""
    cdef Level* levels = (<BookEvent>event).b.levels if holds_levels(event.s.type) else NULL
    if planted(b"recycler.no_poison"):
        clean(&event.h, &event.s)
        return
    fill_pattern(&event.h, sizeof(EventHeader))
    fill_pattern(event.s.data, event.s.data_size)
    if holds_levels(event.s.type):
        (<BookEvent>event).b.levels = levels
    event.s.state = SLOT_POISONED
