"""The plain feed's rule for keeping a book, and nothing else.

Source: docs/simulator.md, "The plain feed":

1. The book messages of one subscription are numbered from 1 by 1, snapshot and updates alike. The first is the
   snapshot, so its number is 1; it replaces both sides.
2. An update sets the absolute quantity of each price it names, in the order given; 0 removes. It has the number after
   the last; an update without a level has one, too.
3. A number at or below the last is a repetition: the message is ignored.
4. A number above last + 1 means that messages were lost: the book is void; unsubscribe, subscribe again. Until the
   snapshot that follows, updates are of the old subscription and mean nothing.
5. After each message its checksum must be the CRC32 over the ten best levels of each side (engine.book.checksum); else
   the book is void as well.
6. Numbers are of a subscription, and so of its connection: an update that another one brings is ignored.
"""
from libc.stdint cimport int64_t, uint64_t

from engine.providers.checkedstream cimport CheckedContinuity


cdef enum Verdict:
    VERDICT_REPLACE = 0
    VERDICT_APPLY = 1
    VERDICT_IGNORE = 2
    VERDICT_GAP = 3


cdef class NumberContinuity(CheckedContinuity):
    cdef readonly uint64_t last              # number of the last message that was taken
    # -- messages as received
    cdef readonly uint64_t repeats           # numbers at or below the last
    cdef readonly uint64_t gaps
    cdef readonly uint64_t missing           # numbers stepped over
    cdef readonly list gap_at_record                 # replay: the records that showed the gaps

    cdef int judge(self, bint is_snapshot, bint is_empty, uint64_t number, int conn, int64_t record_index) except -1
