"""What becomes of a slot's fields between two lives: cleared, and in debug filled with a pattern. Inline only."""
from cpython.object cimport PyObject
from libc.stdint cimport uint8_t, uint32_t
from libc.string cimport memset

from engine.base.plants cimport planted
from engine.base.units cimport likely
from engine.schema.event cimport (BOOK_SNAPSHOT, BOOK_UPDATE, CONSUMER_NONE, SLOT_FREE, SLOT_POISONED, Event, EventHeader,
                                  Slot)
from engine.schema.market cimport BookData, BookEvent, Level

cdef extern from *:
    """
    #include <string.h>
    /* memset of a multiple of 8 bytes known when this is compiled, at most 128. In one piece it would become a string
       instruction, which takes longer to start than the pieces take. An odd word goes first: what follows it in an
       event is aligned then. */
    static inline void engine_zero(void *place, size_t bytes) {
        char *next = (char *)place;
        if (bytes & 8) {
            memset(next, 0, 8);
            next += 8;
            bytes -= 8;
        }
        memset(next, 0, bytes > 64 ? 64 : bytes);
        if (bytes > 64) memset(next + 64, 0, bytes - 64);
    }
    """
    void zero "engine_zero"(void* place, size_t size) nogil

cdef enum:
    POISON = 0xDEADBEEF


cdef inline bint holds_levels(int event_type) noexcept nogil:
    return event_type == BOOK_SNAPSHOT or event_type == BOOK_UPDATE


cdef inline void fill_pattern(void* place, size_t size) noexcept nogil:
    cdef uint32_t* words = <uint32_t*>place
    cdef size_t i
    for i in range(size // 4):
        words[i] = <uint32_t>POISON


cdef inline void begin_slot(Event event, uint32_t index, uint8_t state) noexcept:
    """The slot of an event that was just made: one reference, nobody's."""
    event.s.index = index
    event.s.state = state
    event.s.refs = 1
    event.s.consumer = CONSUMER_NONE


cdef inline void clean(PyObject* event, bint has_levels) noexcept:
    """A slot as if it had never been used; its levels must be gone already."""
    cdef Slot* slot = &(<Event>event).s
    slot.state = SLOT_FREE
    zero(&(<Event>event).h, sizeof(EventHeader))
    if likely(has_levels):
        zero(&(<BookEvent>event).b, sizeof(BookData))
    elif not planted(b"recycler.keep_fields"):
        memset(slot.data, 0, slot.data_size)


cdef inline void poison(Event event) noexcept:
    """Debug: whoever reads the slot from here on is told so. Memory behind exported views keeps its content."""
    cdef Level* levels = (<BookEvent>event).b.levels if holds_levels(event.s.type) else NULL
    if planted(b"recycler.no_poison"):
        clean(<PyObject*>event, holds_levels(event.s.type))
        return
    fill_pattern(&event.h, sizeof(EventHeader))
    fill_pattern(event.s.data, event.s.data_size)
    if holds_levels(event.s.type):
        (<BookEvent>event).b.levels = levels
    event.s.state = SLOT_POISONED
