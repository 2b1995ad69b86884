"""Kraken's rule for keeping a book, and nothing else.

Source: docs.kraken.com, guides/websockets/book-checksum-v2 and spot-websocket-v2/book:

1. The first message of a subscription is a snapshot: it replaces both sides.
2. An update sets the absolute quantity of each price it names, in the order given; 0 removes.
3. After a whole message each side is cut to the subscribed depth: of levels pushed out the venue tells nothing, and
   it sends them again when they come back.
4. Then the message's checksum must be the CRC32 over the ten best levels of each side (engine.book.checksum), the
   snapshot's own too. There is no sequence number: a wrong checksum is the only sign of a lost message.
5. After a wrong checksum the book is void; unsubscribe, subscribe again with the same depth. Until the snapshot that
   follows, updates are of the old subscription and mean nothing: none is applied, no checksum compared.
6. The subscribed depth is in the reply to the subscription; a recording without one has its first snapshot, whose
   longer side is as deep as was asked for, or as the market is.
"""
from libc.stdint cimport uint32_t, uint64_t

from engine.providers.checkedstream cimport CheckedContinuity


cdef enum Verdict:
    VERDICT_REPLACE = 0
    VERDICT_APPLY = 1
    VERDICT_IGNORE = 2


cdef class ChecksumContinuity(CheckedContinuity):
    cdef readonly uint32_t depth_levels      # subscribed, 0 = not known yet
    cdef readonly uint64_t ordinal           # of the last message that was published: the venue has no number

    cdef int judge(self, bint is_snapshot, bint is_empty, int conn) noexcept
    cdef void start(self, uint32_t longer_side) noexcept
    cdef void lose(self) noexcept
