"""Level blocks: arrays of levels in five sizes, reused, so that a book event costs no allocation. Inline only.

A block belongs to one event from take to return. A block of a slot that escapes goes with it and is counted.
"""
from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.stdlib cimport free, malloc

from engine.schema.market cimport BookData, Level

cdef enum:
    BLOCK_CLASSES = 5
    BLOCK_NONE = 255           # BookData.block_class of memory that no class counts


cdef struct BlockPool:
    Level** free_stack
    uint32_t free_count
    uint32_t capacity          # blocks kept; what comes back past it is freed
    uint32_t levels            # levels a block holds
    uint64_t acquired
    uint64_t recycled
    uint64_t escaped
    uint64_t overflowed        # taken while more than capacity were out
    uint64_t out_peak


cdef inline uint64_t blocks_out(const BlockPool* block) noexcept nogil:
    return block.acquired - block.recycled - block.escaped


cdef inline bint keep_block(BlockPool* classes, BookData* book) noexcept nogil:
    """Take the levels of an event back, unless there is no place for them; whether it has none any more."""
    cdef BlockPool* block
    if book.levels == NULL:
        return True
    if book.block_class == BLOCK_NONE:
        return False
    block = &classes[book.block_class]
    if block.free_count == block.capacity:
        return False
    block.free_stack[block.free_count] = book.levels
    block.free_count += 1
    block.recycled += 1
    book.levels = NULL
    return True


cdef inline int return_block(BlockPool* classes, BookData* book) noexcept nogil:
    """Take the levels of an event back, to their pool or to the heap."""
    if not keep_block(classes, book):
        if book.block_class != BLOCK_NONE:
            classes[book.block_class].recycled += 1
        free(book.levels)
    book.levels = NULL
    book.block_class = BLOCK_NONE
    return 0


cdef inline int escape_block(BlockPool* classes, const BookData* book) noexcept nogil:
    """The event has left for good: its levels go with it."""
    if book.levels != NULL and book.block_class != BLOCK_NONE:
        classes[book.block_class].escaped += 1
    return 0


cdef inline int take_block(BlockPool* classes, BookData* book, size_t count) except -1:
    """Give an event room for *count* levels; what it held before goes back unless it is large enough.

    Raises:
        MemoryError: none left.
    """
    cdef BlockPool* block
    cdef int i
    if book.levels != NULL:
        if book.capacity >= count:
            return 0
        return_block(classes, book)
    if count == 0:
        return 0
    for i in range(BLOCK_CLASSES):
        block = &classes[i]
        if block.levels >= count:
            if block.free_count:
                block.free_count -= 1
                book.levels = block.free_stack[block.free_count]
            else:
                book.levels = <Level*>malloc(block.levels * sizeof(Level))
                if book.levels == NULL:
                    raise MemoryError("level block")
                # Every block that exists is out: only now can the use be a new peak.
                block.overflowed += blocks_out(block) >= block.capacity
                if blocks_out(block) + 1 > block.out_peak:
                    block.out_peak = blocks_out(block) + 1
            block.acquired += 1
            book.capacity = block.levels
            book.block_class = <uint8_t>i
            return 0
    book.levels = <Level*>malloc(count * sizeof(Level))
    if book.levels == NULL:
        raise MemoryError("levels")
    book.capacity = <uint32_t>count
    book.block_class = BLOCK_NONE
    return 0
