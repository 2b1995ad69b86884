# distutils: language = c++
from libc.stdint cimport int64_t, uint32_t, uint64_t, uintptr_t
from libc.stdlib cimport calloc, free

from cpython.object cimport PyObject

import ctypes
import zlib

from engine.base.clock cimport monotonic_ns
from engine.book.checksum cimport CHECKSUM_LEVELS, BookChecksum, crc32
from engine.book.ladder cimport SIDE_ASK, SIDE_BID, BookSide, Ladder
from engine.schema.market cimport Level

cdef extern from *:
    """
    #include <charconv>
    /* What a careful user calls: the standard library's fastest formatter. */
    static inline char *bench_format(char *text, uint64_t value) {
        return std::to_chars(text, text + 20, value).ptr;
    }
    """
    char* bench_format(char* text, uint64_t value) nogil

cdef enum:
    BOOKS_MAX = 64
    TEXT_BYTES = 2 * CHECKSUM_LEVELS * 40 + 8

ctypedef unsigned long (*Crc32)(unsigned long crc, const unsigned char* text, unsigned int length) noexcept

MODES = ("apply", "engine", "plain")


cdef unsigned long own_crc32(unsigned long crc, const unsigned char* text, unsigned int length) noexcept:
    return crc32(<const char*>text, length, <uint32_t>crc)


cdef Crc32 find_crc32():
    """The crc32 of the zlib this interpreter is linked to; the engine's own where that cannot be found."""
    try:
        library = ctypes.CDLL(getattr(zlib, "__file__", None))
        return <Crc32><uintptr_t>ctypes.cast(library.crc32, ctypes.c_void_p).value
    except (OSError, AttributeError):
        return own_crc32


cdef Crc32 plain_crc32 = find_crc32()


cdef class ChecksumLoad:
    """One workload on a few books.

    Args:
        messages: (book index, [(side, price_raw, qty_raw), ..], expected checksum), prices and quantities at the
            instrument's precision.
        book_count: books the messages are of.
        depth_levels: a book is cut to this many levels a side after each message, as the venue does.
    """

    def __init__(self, messages, book_count: int, depth_levels: int):
        cdef uint32_t at = 0
        if not 0 < book_count <= BOOKS_MAX:
            raise ValueError(f"book_count must be 1..{BOOKS_MAX}, not {book_count}")
        self._messages = len(messages)
        self._count = sum(len(changes) for _, changes, _ in messages)
        self._depth = depth_levels
        self._changes = <Change*>calloc(self._count + 1, sizeof(Change))
        if self._changes == NULL:
            raise MemoryError(f"{self._count} changes")
        for book, changes, expected in messages:
            if not changes:
                raise ValueError("a message without changes")
            for side, price_raw, qty_raw in changes:
                self._changes[at].book = book
                self._changes[at].side = side
                self._changes[at].price_raw = price_raw
                self._changes[at].qty_raw = qty_raw
                self._changes[at].expected = expected
                at += 1
            self._changes[at - 1].ends = 1
        self.ladders = [Ladder() for _ in range(book_count)]
        self._checksums = [BookChecksum() for _ in range(book_count)]

    def __dealloc__(self):
        free(self._changes)

    @property
    def messages(self) -> int:
        """Messages in one run; each is worth one checksum."""
        return self._messages

    def open(self, book: int, bids: list[tuple[int, int]], asks: list[tuple[int, int]]) -> None:
        """Load the book a run starts from."""
        cdef Ladder ladder = self.ladders[book]
        ladder.replace(SIDE_BID, bids)
        ladder.replace(SIDE_ASK, asks)
        ladder.cut_to(self._depth)
        (<BookChecksum>self._checksums[book]).set_spare(0, 0)

    cdef uint32_t _plain(self, Ladder book) noexcept:
        """Format all levels anew, then zlib's CRC."""
        cdef char[TEXT_BYTES] text
        cdef char* end = text
        cdef const BookSide* side
        cdef const Level* place
        cdef uint32_t i, count
        cdef int s
        for s in (SIDE_ASK, SIDE_BID):
            side = &book.sides[s]
            count = side.count if side.count < CHECKSUM_LEVELS else CHECKSUM_LEVELS
            place = side.levels + side.head + side.count
            for i in range(count):
                place -= 1
                end = bench_format(end, <uint64_t>(place.price_raw if s == SIDE_BID else -place.price_raw))
                end = bench_format(end, <uint64_t>place.qty_raw)
        return <uint32_t>plain_crc32(0, <const unsigned char*>text, <unsigned int>(end - text))

    def run(self, mode: str) -> tuple[int, int]:
        """Play every message; (wall ns, messages whose checksum was not the expected one).

        *mode* of MODES: only apply; apply and the engine's checksum; apply and the plain one.

        Raises:
            ValueError: *mode* is none of MODES.
        """
        cdef int what = MODES.index(mode)
        cdef PyObject* ladders[BOOKS_MAX]
        cdef PyObject* checksums[BOOKS_MAX]
        cdef Change* change
        cdef Ladder ladder
        cdef Level level
        cdef Level[4] published
        cdef uint32_t i, value
        cdef uint32_t published_count = 0
        cdef uint32_t wrong = 0
        cdef int64_t started_ns
        for i in range(<uint32_t>len(self.ladders)):
            ladders[i] = <PyObject*>self.ladders[i]
            checksums[i] = <PyObject*>self._checksums[i]
        started_ns = monotonic_ns()
        for i in range(self._count):
            change = &self._changes[i]
            ladder = <Ladder>ladders[change.book]
            level.price_raw = change.price_raw
            level.qty_raw = change.qty_raw
            ladder.apply(change.side, &level, 1, self._depth, published, &published_count)
            if not change.ends:
                continue
            ladder.cut(SIDE_BID, self._depth)
            ladder.cut(SIDE_ASK, self._depth)
            if what:
                if what == 1:
                    value = (<BookChecksum>checksums[change.book]).of(ladder)
                else:
                    value = self._plain(ladder)
                wrong += value != change.expected
        return monotonic_ns() - started_ns, wrong
