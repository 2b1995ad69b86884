cimport cython
from libc.stdint cimport int64_t, uint32_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy, memmove

from engine.reports.line cimport Line, line_at, line_drop, line_find, line_insert
from engine.reports.wide cimport scale_raw


cdef uint32_t _place(const Block* block, int64_t value) noexcept nogil:
    """The first place in a block whose value is >= value."""
    cdef uint32_t low = 0
    cdef uint32_t high = block.count
    cdef uint32_t middle
    while low < high:
        middle = (low + high) >> 1
        if block.values[middle] < value:
            low = middle + 1
        else:
            high = middle
    return low


cdef class Sample:
    """Values in sorted blocks, so that one comes or goes without moving all, and the order in which they came."""

    def __dealloc__(self):
        cdef uint32_t i
        for i in range(self.blocks.count):
            free((<Block*>line_at(&self.blocks, sizeof(Block), i)).values)
        free(self.blocks.items)
        free(self.arrivals.items)

    cdef int add(self, int64_t ms, int64_t value) except -1:
        cdef uint32_t at = line_find(&self.blocks, sizeof(Block), value)
        cdef uint32_t place
        cdef Block* block
        cdef Sampled* arrival
        if at == self.blocks.count:
            if at == 0:
                self._new_block(0)
            else:
                at -= 1
        block = <Block*>line_at(&self.blocks, sizeof(Block), at)
        place = _place(block, value)
        memmove(block.values + place + 1, block.values + place, (block.count - place) * sizeof(int64_t))
        block.values[place] = value
        block.count += 1
        block.last = block.values[block.count - 1]
        if block.count == BLOCK_VALUES:
            self._split(at)
        arrival = <Sampled*>line_insert(&self.arrivals, sizeof(Sampled), self.arrivals.count)
        if arrival == NULL:
            raise MemoryError("sample")
        arrival.ms = ms
        arrival.value = value
        return 0

    def _new_block(self, uint32_t at):
        cdef int64_t* values = <int64_t*>malloc(BLOCK_VALUES * sizeof(int64_t))
        cdef Block* block = <Block*>line_insert(&self.blocks, sizeof(Block), at)
        if values == NULL or block == NULL:
            free(values)
            raise MemoryError("sample")
        block.values = values
        block.count = 0
        block.last = 0

    def _split(self, uint32_t at):
        cdef Block* block
        cdef Block* fresh
        self._new_block(at + 1)
        block = <Block*>line_at(&self.blocks, sizeof(Block), at)
        fresh = <Block*>line_at(&self.blocks, sizeof(Block), at + 1)
        fresh.count = block.count // 2
        block.count -= fresh.count
        memcpy(fresh.values, block.values + block.count, fresh.count * sizeof(int64_t))
        fresh.last = block.last
        block.last = block.values[block.count - 1]

    cdef int drop_oldest(self) except -1:
        cdef int64_t value = (<Sampled*>line_at(&self.arrivals, sizeof(Sampled), 0)).value
        cdef uint32_t at = line_find(&self.blocks, sizeof(Block), value)
        cdef Block* block = <Block*>line_at(&self.blocks, sizeof(Block), at)
        cdef Block* after
        cdef uint32_t place = _place(block, value)
        line_drop(&self.arrivals, sizeof(Sampled), 0)
        block.count -= 1
        memmove(block.values + place, block.values + place + 1, (block.count - place) * sizeof(int64_t))
        if block.count == 0:
            free(block.values)
            line_drop(&self.blocks, sizeof(Block), at)
            return 0
        block.last = block.values[block.count - 1]
        if at + 1 < self.blocks.count:
            after = <Block*>line_at(&self.blocks, sizeof(Block), at + 1)
            if block.count + after.count <= BLOCK_VALUES // 2:
                memcpy(block.values + block.count, after.values, after.count * sizeof(int64_t))
                block.count += after.count
                block.last = after.last
                free(after.values)
                line_drop(&self.blocks, sizeof(Block), at + 1)
        return 0

    cdef int expire(self, int64_t oldest_ms, uint32_t most) except -1:
        """Keep the newest *most* values that came at *oldest_ms* or after."""
        while self.arrivals.count and (
                self.arrivals.count > most
                or (<Sampled*>line_at(&self.arrivals, sizeof(Sampled), 0)).ms < oldest_ms):
            self.drop_oldest()
        return 0

    cdef bint rescale(self, int64_t by) noexcept nogil:
        """Values are at a wider scale from here on; False = some do not fit it."""
        cdef Block* block
        cdef uint32_t i, j
        cdef bint fits = True
        for i in range(self.blocks.count):
            block = <Block*>line_at(&self.blocks, sizeof(Block), i)
            fits &= scale_raw(&block.last, by)
            for j in range(block.count):
                fits &= scale_raw(&block.values[j], by)
        for i in range(self.arrivals.count):
            fits &= scale_raw(&(<Sampled*>line_at(&self.arrivals, sizeof(Sampled), i)).value, by)
        return fits

    cdef int64_t at_rank(self, uint32_t rank) noexcept:
        """The value with *rank* smaller or equal ones before it; rank < count."""
        cdef uint32_t at = 0
        cdef Block* block = <Block*>line_at(&self.blocks, sizeof(Block), 0)
        while rank >= block.count:
            rank -= block.count
            at += 1
            block = <Block*>line_at(&self.blocks, sizeof(Block), at)
        return block.values[rank]

    cdef object percentile(self, uint32_t percent):
        """A hundred times the percentile: h = percent * (n - 1) / 100, linear between its neighbours (D8)."""
        cdef uint32_t h = percent * (self.arrivals.count - 1)
        cdef uint32_t rank = h // 100
        cdef object below = self.at_rank(rank)
        if h % 100 == 0:
            return 100 * below
        return 100 * below + (h % 100) * (self.at_rank(rank + 1) - below)
